//! Who may do what: the rule that a token gives for an operation, and the form of a token.
//!
//! ```text
//!   request ─► operation ─► Access of the contract ─┐
//!      └─────► token ─────► TokenSettings ──────────┴─► check: role, and the name in the path
//!   command ─► every name that it uses ───────────────► check_names
//! ```
//!
//! Everything is denied that no rule here permits. A denial says what the request needs, and nothing about what exists.

use crate::catalogue::Code;
use crate::contract::{Access, Operation, Scope};
use crate::problem::{Problem, Result};
use crate::request::stream_in_path;
use model::{AUDIT_STREAM, Command, TokenId, TokenSettings, is_system_name, limits};
use std::fmt::Write as _;

/// What every token begins with, so that scanners for secrets find it: `mst_`, the id, `_`, the secret and a checksum.
pub const TOKEN_PREFIX: &str = "mst_";
/// Random bytes of a secret.
pub const SECRET_BYTES: usize = 32;

/// Whether a request with this token may run the operation. Names in its body are checked later, with
/// [`check_names`], and lists show only what the token covers.
///
/// # Errors
/// [`Code::NotPermitted`], or the problem with the name in the path.
pub fn check(operation: Operation, path: &str, token: &TokenSettings<'_>) -> Result<()> {
    let (role, scope) = match operation.description().access {
        Access::Public => return Ok(()),
        Access::Token(role, scope) => (role, scope),
    };
    if token.role < role {
        let detail = format!(
            "the operation needs a token with the role `{}`, and this one has the role `{}`",
            role.as_str(),
            token.role.as_str()
        );
        return Err(Problem::new(Code::NotPermitted, detail).text("needs", role.as_str()));
    }
    match scope {
        Scope::Nothing | Scope::Body | Scope::Filtered => Ok(()),
        Scope::Store if token.prefixes.is_empty() => Ok(()),
        Scope::Store => {
            let detail =
                "the operation concerns the whole store, and the token is limited to prefixes of names";
            Err(Problem::new(Code::NotPermitted, detail))
        }
        // The rules of all kinds of names are those of streams.
        Scope::Name => {
            let segment = path.split('/').nth(3).unwrap_or_default();
            check_name(stream_in_path(segment)?.as_str(), token)
        }
    }
}

/// Whether a token covers every name that a command uses.
///
/// # Errors
/// [`Code::NotPermitted`] for the first one that it does not cover.
pub fn check_names(command: &Command<'_>, token: &TokenSettings<'_>) -> Result<()> {
    if matches!(command, Command::ChangeToken(_) | Command::EraseSubject(_)) && !token.is_unlimited() {
        return Err(Problem::new(
            Code::NotPermitted,
            "only an administrator without prefixes may change tokens or erase subjects",
        ));
    }
    let mut denied = None;
    command.names(&mut |name| {
        if denied.is_none()
            && let Err(problem) = check_name(name, token).and_then(|()| check_system(name))
        {
            denied = Some(problem);
        }
    });
    denied.map_or(Ok(()), Err)
}

fn check_name(name: &str, token: &TokenSettings<'_>) -> Result<()> {
    if token.covers(name) {
        return Ok(());
    }
    let detail = if is_system_name(name) {
        format!("`{name}` belongs to the system; only an administrator without prefixes may read it")
    } else {
        format!("the token does not cover names such as `{name}`; it is limited to prefixes")
    };
    Err(Problem::new(Code::NotPermitted, detail).text("name", name))
}

/// No command may use what belongs to the system: the audit stream would be worth nothing.
fn check_system(name: &str) -> Result<()> {
    if is_system_name(name) {
        let detail = format!("names that begin with `$`, such as `{AUDIT_STREAM}`, belong to the system");
        return Err(Problem::new(Code::NotPermitted, detail).text("name", name));
    }
    Ok(())
}

/// What an audited command is about: the first name that it uses, the token that it changes, or the key of the subject that
/// it erases, which does not say who it was.
#[must_use]
pub fn target(command: &Command<'_>) -> String {
    if let Command::ChangeToken(change) = command {
        return change.token.to_string();
    }
    if let Command::EraseSubject(erase) = command {
        return format!("key {}", erase.key_id.0);
    }
    let mut target = None;
    command.names(&mut |name| {
        target.get_or_insert_with(|| name.to_owned());
    });
    let mut target = target.unwrap_or_default();
    target.truncate(target.floor_char_boundary(limits::AUDIT_TEXT_BYTES_MAX));
    target
}

/// A token as text, made of its id and its random bytes.
#[must_use]
pub fn write_token(id: TokenId, secret: &[u8; SECRET_BYTES]) -> String {
    let mut text = format!("{TOKEN_PREFIX}{id}_");
    secret.iter().for_each(|byte| write_hex(&mut text, *byte));
    let sum = checksum(&text);
    sum.to_be_bytes().iter().for_each(|byte| write_hex(&mut text, *byte));
    text
}

fn write_hex(text: &mut String, byte: u8) {
    // Writing to a string cannot fail.
    let _ = write!(text, "{byte:02x}");
}

/// The id in a token, if the text has the form of one and no character is missing or wrong. Whether the token is valid,
/// this does not say.
#[must_use]
pub fn id_of(token: &str) -> Option<TokenId> {
    let (id, secret) = token.strip_prefix(TOKEN_PREFIX)?.split_once('_')?;
    let id = id.parse().ok()?;
    let is_form = secret.len() == 2 * SECRET_BYTES + 8
        && secret.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let (head, sum) = is_form.then(|| token.split_at(token.len() - 8))?;
    (u32::from_str_radix(sum, 16) == Ok(checksum(head))).then_some(id)
}

/// It tells a mistyped token from a revoked one, and a token from other text. It protects nothing.
fn checksum(text: &str) -> u32 {
    (xxhash_rust::xxh3::xxh3_64(text.as_bytes()) >> 32) as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{Allowance, Append, Expected, Role, StreamName};

    fn settings(role: Role, prefixes: &[&str]) -> TokenSettings<'static> {
        let prefixes = prefixes.iter().map(|prefix| (*prefix).to_owned().into()).collect();
        TokenSettings { role, prefixes, name: "".into(), allowance: Allowance::default() }
    }

    #[test]
    fn a_token_reads_back_and_each_wrong_character_is_noticed() {
        let token = write_token(TokenId(0xab), &[7; SECRET_BYTES]);
        assert!(token.starts_with("mst_00000000000000ab_0707"), "{token}");
        assert_eq!(id_of(&token), Some(TokenId(0xab)));
        for at in 0..token.len() {
            let mut wrong = token.clone().into_bytes();
            wrong[at] = if wrong[at] == b'1' { b'2' } else { b'1' };
            assert_eq!(id_of(std::str::from_utf8(&wrong).unwrap()), None, "{at}");
            assert_eq!(id_of(&token[..at]), None);
        }
        assert_eq!(id_of(&format!("{token}0")), None);
    }

    #[test]
    fn each_operation_needs_its_role_and_a_prefix_that_covers_its_name() {
        let all = |role| settings(role, &[]);
        let orders = |role| settings(role, &["orders-"]);
        for (operation, path, token, permitted) in [
            (Operation::ReadStream, "/v1/streams/orders-1/events", all(Role::Read), true),
            (Operation::ReadStream, "/v1/streams/orders-1/events", orders(Role::Read), true),
            (Operation::ReadStream, "/v1/streams/orders%2D1/events", orders(Role::Read), true),
            (Operation::ReadStream, "/v1/streams/%6frders-1/events", orders(Role::Read), true),
            (Operation::ReadStream, "/v1/streams/carts-1/events", orders(Role::Admin), false),
            (Operation::ReadStream, "/v1/streams/%zz/events", orders(Role::Admin), false),
            (Operation::ReadStream, "/v1/streams//events", orders(Role::Admin), false),
            (Operation::ReadStream, "/v1/streams/$audit/events", all(Role::Write), false),
            (Operation::ReadStream, "/v1/streams/%24audit/events", all(Role::Write), false),
            (Operation::ReadStream, "/v1/streams/$audit/events", all(Role::Admin), true),
            (Operation::Append, "/v1/streams/orders-1/events", all(Role::Read), false),
            (Operation::Append, "/v1/streams/orders-1/events", all(Role::Write), true),
            (Operation::DeleteStream, "/v1/streams/orders-1", orders(Role::Write), false),
            (Operation::DeleteStream, "/v1/streams/orders-1", orders(Role::Admin), true),
            (Operation::ReadStore, "/v1/events", orders(Role::Read), true),
            (Operation::Metrics, "/metrics", orders(Role::Admin), false),
            (Operation::Metrics, "/metrics", all(Role::Read), true),
            (Operation::CreateToken, "/v1/tokens", orders(Role::Admin), false),
            (Operation::CreateToken, "/v1/tokens", all(Role::Write), false),
            (Operation::CreateToken, "/v1/tokens", all(Role::Admin), true),
        ] {
            assert_eq!(check(operation, path, &token).is_ok(), permitted, "{operation:?} {path} {token:?}");
        }
    }

    #[test]
    fn no_command_writes_to_what_belongs_to_the_system() {
        let append = |stream: &'static str| {
            let stream = StreamName::new(stream).unwrap();
            Command::Append(Append { keyed: None, stream, expected: Expected::Any, events: Vec::new() })
        };
        let admin = settings(Role::Admin, &[]);
        assert!(check_names(&append("orders"), &admin).is_ok());
        for stream in ["$audit", "$anything"] {
            assert_eq!(
                check_names(&append(stream), &admin).unwrap_err().code,
                Code::NotPermitted,
                "{stream}"
            );
        }
    }

    #[test]
    fn a_denial_says_what_is_needed() {
        let problem =
            check(Operation::PutQueue, "/v1/queues/mails", &settings(Role::Write, &[])).unwrap_err();
        let json: serde_json::Value = serde_json::from_slice(&problem.to_bytes()).unwrap();
        assert_eq!((&json["needs"], &json["status"]), (&"admin".into(), &403.into()));
    }
}
