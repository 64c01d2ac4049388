//! Tokens in the model, and the stream that tells what administrators did.

use crate::{Ask, Id, Keep, Sent, Simple, SimpleOutcome, draw, queue, reaction};
use model::limits::{AUDIT_EVENTS_MAX, TOKENS_MAX};
use model::{
    Allowance, Audited, ChangeToken, Command, EraseSubject, KeyId, Role, TokenChange, TokenHash, TokenId,
    TokenSettings, limit_key_hash,
};
use seeded_rng::Rng;

/// One token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    pub id: TokenId,
    pub hash: TokenHash,
    pub settings: TokenSettings<'static>,
    pub created: u64,
    pub expires: Option<u64>,
    pub used: Option<u64>,
}

/// A change of a token, with text of its own.
#[derive(Clone, Debug)]
pub struct TokenAsk(ChangeToken<'static>);

/// A command of an administrator, in the words of the model, and the event about it.
#[derive(Clone, Debug)]
pub struct AuditedAsk {
    pub(crate) ask: Box<Ask>,
    told: Audited<'static>,
}

impl TokenAsk {
    pub(crate) fn of(change: &ChangeToken<'_>) -> Self {
        let owned = match &change.change {
            TokenChange::Create { hash, settings, ttl_ms } => {
                TokenChange::Create { hash: *hash, settings: settings.clone().into_owned(), ttl_ms: *ttl_ms }
            }
            TokenChange::Revoke => TokenChange::Revoke,
            TokenChange::Use => TokenChange::Use,
        };
        Self(ChangeToken { token: change.token, change: owned })
    }
}

impl Simple {
    pub(crate) fn audited_ask_of(&mut self, audited: &Audited<'_>) -> AuditedAsk {
        let told = Audited {
            token: audited.token,
            name: audited.name.to_string().into(),
            operation: audited.operation.to_string().into(),
            target: audited.target.to_string().into(),
            // What the command is, the model knows in its own words.
            command: Box::new(Command::ChangeToken(ChangeToken {
                token: audited.token,
                change: TokenChange::Use,
            })),
        };
        AuditedAsk { ask: Box::new(self.ask_of(&audited.command)), told }
    }

    pub(crate) fn ask_token(&mut self, TokenAsk(change): &TokenAsk) -> SimpleOutcome {
        let known = self.tokens.iter().position(|token| token.id == change.token);
        let wall = self.wall;
        match (&change.change, known) {
            (TokenChange::Create { hash, settings, ttl_ms }, _) => {
                if known.is_some() && change.token.0 != 0 {
                    return SimpleOutcome::TokenExists;
                }
                let mut used = None;
                match known {
                    Some(at) => used = self.tokens.remove(at).used,
                    None if self.tokens.len() as u64 == TOKENS_MAX => return SimpleOutcome::TooManyTokens,
                    None => {}
                }
                let expires = ttl_ms.map(|ttl_ms| wall.saturating_add(ttl_ms));
                self.tokens.push(Token {
                    id: change.token,
                    hash: *hash,
                    settings: settings.clone(),
                    created: wall,
                    expires,
                    used,
                });
                SimpleOutcome::TokenCreated { created: wall, expires }
            }
            (TokenChange::Revoke | TokenChange::Use, None) => SimpleOutcome::NoToken,
            (TokenChange::Revoke, Some(at)) => {
                self.tokens.remove(at);
                SimpleOutcome::TokenRevoked
            }
            (TokenChange::Use, Some(at)) => {
                self.tokens[at].used = Some(wall);
                SimpleOutcome::TokenUsed
            }
        }
    }

    /// What an administrator did is the last event of the stream, which keeps a number of them.
    pub(crate) fn tell_audit(&mut self, audited: &AuditedAsk, outcome: &SimpleOutcome) {
        let stream = self.stream("$audit");
        if self.streams[stream].keep == Keep::default() {
            if self.streams[stream].began.is_none() {
                let position = self.take_position();
                self.streams[stream].began = Some(position);
            }
            self.streams[stream].keep = Keep { count: Some(AUDIT_EVENTS_MAX), ..Keep::default() };
        }
        let told = &audited.told;
        let how = if outcome.is_refusal() { "refused" } else { "done" };
        let subject =
            if told.target.is_empty() { String::new() } else { format!(r#","subject":"{}""#, told.target) };
        // Decided: the model knows only texts without characters that JSON escapes.
        let text = format!(
            r#"{{"specversion":"1.0","type":"audit.{op}"{subject},"datacontenttype":"application/json","data":{{"token":"{}","name":"{}","operation":"{op}","target":"{}","outcome":"{how}"}}}}"#,
            told.token,
            told.name,
            told.target,
            op = told.operation,
        );
        let content = limit_key_hash(&text).rotate_left(1) >> 48;
        let event = self.push(stream, Sent { id: Id::Server, content, time: 0 });
        self.queues.told.insert(event.position, format!("audit.{}", told.operation));
        self.streams[stream].remove_surplus();
    }
}

/// A command about tokens, or one that is audited.
pub fn command(rng: &mut Rng, model: &Simple) -> Command<'static> {
    let change = Command::ChangeToken(change(rng));
    if rng.one_in(3) {
        return change;
    }
    let inner = match rng.below(5) {
        0 => draw::command(rng, model),
        4 => Command::EraseSubject(EraseSubject { key_id: KeyId(rng.below(5) as u32) }),
        1 => queue::draw::command(rng, model),
        2 => reaction::command(rng, model),
        _ => change,
    };
    Command::Audited(Audited {
        token: TokenId(rng.below(4)),
        name: rng.pick(&["ops", "", "żółw"]).into(),
        operation: rng.pick(&["putQueue", "deleteStream"]).into(),
        target: rng.pick(&["", "mails"]).into(),
        command: Box::new(inner),
    })
}

fn change(rng: &mut Rng) -> ChangeToken<'static> {
    let change = match rng.below(5) {
        0 => TokenChange::Revoke,
        1 => TokenChange::Use,
        _ => TokenChange::Create {
            hash: TokenHash([rng.below(256) as u8; 32]),
            settings: TokenSettings {
                role: rng.pick(&Role::ALL),
                prefixes: (0..rng.below(3)).map(|at| format!("p{at}-").into()).collect(),
                name: rng.pick(&["", "ops"]).into(),
                allowance: rng
                    .pick(&[Allowance::default(), Allowance::of_parts([Some(7), None, None, Some(2_048)])]),
            },
            ttl_ms: rng.pick(&[None, Some(1_000), Some(u64::MAX)]),
        },
    };
    ChangeToken { token: TokenId(rng.below(5)), change }
}
