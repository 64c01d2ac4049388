//! One command, one outcome and one row of every shape of tokens, by name. Their bytes are in a golden file of their
//! own.

use crate::golden;
use crate::samples::{CLOCK, Sample};
use format::row::{TokenRow, parse_token_key, token_key, token_use_key, tokens_key};
use format::{FormatError, entry, outcome};
use model::{
    Allowance, Audited, Behaviour, ChangeToken, Command, DeleteStream, Expected, Outcome, Refusal, Role,
    Slot, StreamName, TokenChange, TokenHash, TokenId, TokenSettings, Wall,
};

const ID: TokenId = TokenId(0x0123_4567_89ab_cdef);
const HASH: TokenHash = TokenHash([0xa5; 32]);

fn settings() -> TokenSettings<'static> {
    TokenSettings {
        role: Role::Write,
        prefixes: vec!["orders-".into(), "żółw".into()],
        name: "billing service".into(),
        allowance: Allowance::default(),
    }
}

fn bare(role: Role) -> TokenSettings<'static> {
    TokenSettings { role, prefixes: Vec::new(), name: "".into(), allowance: Allowance::default() }
}

fn limited() -> TokenSettings<'static> {
    let allowance = Allowance::of_parts([Some(100), Some(1 << 20), None, Some(64 << 10)]);
    TokenSettings { allowance, ..settings() }
}

fn commands() -> Vec<(&'static str, Command<'static>)> {
    let change = |token, change| Command::ChangeToken(ChangeToken { token, change });
    let create = |settings, ttl_ms| TokenChange::Create { hash: HASH, settings, ttl_ms };
    let delete = DeleteStream { stream: StreamName::new("orders-7").unwrap(), expected: Expected::Any };
    let audited = |command| {
        Command::Audited(Audited {
            token: ID,
            name: "ops".into(),
            operation: "deleteStream".into(),
            target: "orders-7".into(),
            command: Box::new(command),
        })
    };
    vec![
        ("create-token", change(ID, create(settings(), Some(90 * 86_400_000)))),
        ("create-token-bare", change(TokenId::INITIAL, create(bare(Role::Admin), None))),
        ("create-token-reader", change(ID, create(bare(Role::Read), None))),
        ("create-token-limited", change(ID, create(limited(), Some(1)))),
        ("revoke-token", change(ID, TokenChange::Revoke)),
        ("use-token", change(ID, TokenChange::Use)),
        ("audited", audited(Command::DeleteStream(delete))),
        ("audited-token", audited(change(ID, TokenChange::Revoke))),
    ]
}

fn outcomes() -> Vec<(&'static str, Outcome)> {
    let created = Wall(1_764_381_600_000);
    vec![
        ("token-created", Outcome::TokenCreated { created, expires: Some(Wall(created.0 + 7)) }),
        ("token-created-for-good", Outcome::TokenCreated { created, expires: None }),
        ("token-revoked", Outcome::TokenRevoked),
        ("token-used", Outcome::TokenUsed),
        ("no-token", Outcome::Refused(Refusal::NoToken)),
        ("token-exists", Outcome::Refused(Refusal::TokenExists)),
        ("too-many-tokens", Outcome::Refused(Refusal::TooManyTokens)),
    ]
}

fn rows() -> [TokenRow<'static>; 3] {
    let created = Wall(1_764_381_600_000);
    [
        TokenRow { hash: HASH, settings: settings(), created, expires: Some(Wall(created.0 + 7)) },
        TokenRow { hash: HASH, settings: bare(Role::Admin), created, expires: None },
        TokenRow { hash: HASH, settings: limited(), created, expires: None },
    ]
}

fn encode(command: &Command<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    entry::encode(Behaviour(1), CLOCK, std::slice::from_ref(command), &mut out);
    out
}

fn encode_outcome(value: &Outcome) -> Vec<u8> {
    let mut out = Vec::new();
    outcome::encode(value, &mut out);
    out
}

pub(crate) fn samples() -> Vec<Sample> {
    let [full, bare, limited] = rows().map(|row| row.encode());
    let commands = commands().into_iter().map(|(name, command)| (name, encode(&command)));
    let outcomes = outcomes().into_iter().map(|(name, outcome)| (name, encode_outcome(&outcome)));
    let rows = [
        ("token-key", token_key(Slot(0), ID).to_vec()),
        ("token", full),
        ("token-bare", bare),
        ("token-limited", limited),
        ("token-use-key", token_use_key(Slot(0), ID).to_vec()),
        ("tokens-key", tokens_key(Slot(0)).to_vec()),
    ];
    let mut samples: Vec<Sample> = commands.chain(outcomes).chain(rows).collect();
    // What came later is at the end of the file.
    samples.sort_by_key(|(name, _)| name.ends_with("-limited"));
    samples
}

#[test]
fn the_bytes_of_tokens_never_change() {
    golden::check("token.hex", &samples());
}

#[test]
fn tokens_read_back_as_they_were() {
    for (name, command) in commands() {
        let bytes = encode(&command);
        assert_eq!(entry::decode(&bytes).unwrap().commands, [command], "{name}");
    }
    for (name, value) in outcomes() {
        assert_eq!(outcome::decode(&encode_outcome(&value)), Ok(value), "{name}");
    }
    for row in rows() {
        assert_eq!(TokenRow::decode(&row.encode()), Ok(row));
    }
    assert_eq!(parse_token_key(&token_key(Slot(0), ID)), Ok(ID));
    assert!(parse_token_key(&tokens_key(Slot(0))).is_err());
    assert!(parse_token_key(&token_use_key(Slot(0), ID)).is_err());
}

/// Otherwise a damaged or hostile entry could take any depth of the stack.
#[test]
fn an_audited_command_contains_no_other_audited_one() {
    let inner = commands().pop().unwrap().1;
    let outer = Command::Audited(Audited {
        token: ID,
        name: "".into(),
        operation: "".into(),
        target: "".into(),
        command: Box::new(inner),
    });
    assert!(matches!(entry::decode(&encode(&outer)), Err(FormatError::Invalid { .. })));
}

#[test]
fn what_ends_early_or_late_is_an_error() {
    for (name, command) in commands() {
        let bytes = encode(&command);
        for len in 0..bytes.len() {
            assert!(entry::decode(&bytes[..len]).is_err(), "{name} cut to {len} bytes");
        }
        assert_eq!(entry::decode(&[&bytes[..], &[0]].concat()), Err(FormatError::Trailing), "{name}");
    }
    for row in rows() {
        let bytes = row.encode();
        for len in 0..bytes.len() {
            assert!(TokenRow::decode(&bytes[..len]).is_err(), "cut to {len} bytes");
        }
        assert!(TokenRow::decode(&[&bytes[..], &[0]].concat()).is_err());
    }
}
