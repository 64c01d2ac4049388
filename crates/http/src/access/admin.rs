//! The first token of an administrator: without one, nobody could create another.

use super::table::hash;
use api::access::{SECRET_BYTES, id_of, write_token};
use model::{
    Allowance, ChangeToken, Command, Outcome, Refusal, Role, TokenChange, TokenHash, TokenId, TokenSettings,
    limits,
};
use ring::rand::{SecureRandom, SystemRandom};
use runtime::{Handle, Unavailable};
use shard::query::{self, TokenView};
use std::fmt;

/// A token with its secret. It does not show itself.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// Why there is no first token.
#[derive(Debug)]
pub enum AdminError {
    /// The text that an operator has given is not fit for a token.
    Unfit(&'static str),
    /// The system has no random bytes.
    NoRandomBytes,
    Unavailable(Unavailable),
    Refused(Refusal),
    /// The node stopped before it was ready.
    Stopped,
}

impl fmt::Display for AdminError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unfit(why) => f.write_str(why),
            Self::NoRandomBytes => f.write_str("the system has no random bytes"),
            Self::Unavailable(why) => write!(f, "the node does not take it: {why}"),
            Self::Refused(Refusal::TooManyTokens) => {
                write!(f, "there are {} tokens already", limits::TOKENS_MAX)
            }
            Self::Refused(refusal) => write!(f, "the node refused it: {refusal:?}"),
            Self::Stopped => f.write_str("the node stopped before it was ready"),
        }
    }
}

impl std::error::Error for AdminError {}

impl Secret {
    /// Draws a token.
    ///
    /// # Errors
    /// [`AdminError::NoRandomBytes`].
    pub fn draw() -> Result<Self, AdminError> {
        let random = SystemRandom::new();
        let (mut id, mut secret) = ([0; 8], [0; SECRET_BYTES]);
        let filled = random.fill(&mut id).and_then(|()| random.fill(&mut secret));
        filled.map_err(|_| AdminError::NoRandomBytes)?;
        let id = TokenId(u64::from_be_bytes(id).clamp(TokenId::INITIAL.0 + 1, TokenId::EXTERNAL.0 - 1));
        Ok(Self(write_token(id, &secret)))
    }

    /// A token that an operator has chosen.
    ///
    /// # Errors
    /// [`AdminError::Unfit`].
    pub fn given(text: &str) -> Result<Self, AdminError> {
        let text = text.trim();
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(AdminError::Unfit("a token has only visible ASCII characters, without spaces"));
        }
        if text.len() < limits::GIVEN_TOKEN_BYTES_MIN {
            return Err(AdminError::Unfit(
                "a token has at least 32 characters, so that it cannot be guessed",
            ));
        }
        if text.len() > limits::TOKEN_BYTES_MAX {
            return Err(AdminError::Unfit("a token has at most 512 characters"));
        }
        Ok(Self(text.to_owned()))
    }

    /// The text that clients send.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    pub(crate) fn id(&self) -> TokenId {
        id_of(&self.0).unwrap_or(TokenId::INITIAL)
    }

    pub(crate) fn hash(&self) -> TokenHash {
        hash(&self.0)
    }
}

/// Whether a token can create others. Waits until the node is ready.
///
/// # Errors
/// When the state cannot be read.
pub async fn exists(handle: &Handle) -> Result<bool, AdminError> {
    let now = handle.wall_now();
    let is_admin = |token: &TokenView| {
        token.settings.is_unlimited() && token.expires.is_none_or(|expires| now < expires)
    };
    Ok(read(handle).await?.iter().any(is_admin))
}

/// Stores a token that was drawn.
///
/// # Errors
/// When the node does not take it.
pub async fn create(handle: &Handle, secret: &Secret) -> Result<(), AdminError> {
    put(handle, secret.id(), secret, "first administrator").await
}

/// Makes a token that an operator has given the initial one, in place of another. Waits until the node is ready.
///
/// # Errors
/// When the node does not take it.
pub async fn give(handle: &Handle, secret: &Secret) -> Result<(), AdminError> {
    let is_it = |token: &TokenView| token.id == TokenId::INITIAL && token.hash == secret.hash();
    if read(handle).await?.iter().any(is_it) {
        return Ok(());
    }
    put(handle, TokenId::INITIAL, secret, "given by the configuration").await
}

async fn read(handle: &Handle) -> Result<Vec<TokenView>, AdminError> {
    if !handle.ready().await {
        return Err(AdminError::Stopped);
    }
    let read = |snapshot: &runtime::Snapshot| Ok(query::tokens(&snapshot.state, snapshot.slots.first)?);
    handle.read(read).await.map_err(AdminError::Unavailable)
}

async fn put(handle: &Handle, token: TokenId, secret: &Secret, name: &'static str) -> Result<(), AdminError> {
    let settings = TokenSettings {
        role: Role::Admin,
        prefixes: Vec::new(),
        name: name.into(),
        allowance: Allowance::default(),
    };
    let change = TokenChange::Create { hash: secret.hash(), settings, ttl_ms: None };
    let pending = handle.submit(Command::ChangeToken(ChangeToken { token, change }));
    match pending.map_err(AdminError::Unavailable)?.await.map_err(AdminError::Unavailable)? {
        Outcome::Refused(refusal) => Err(AdminError::Refused(refusal)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drawn_token_has_an_id_and_no_two_are_alike() {
        let (one, two) = (Secret::draw().unwrap(), Secret::draw().unwrap());
        assert_ne!(one, two);
        assert_eq!(id_of(one.reveal()), Some(one.id()));
        assert_ne!(one.id(), TokenId::INITIAL);
        assert_eq!(format!("{one:?}"), "Secret(..)");
    }

    #[test]
    fn a_token_that_can_be_guessed_is_refused() {
        let long = "x".repeat(513);
        for (text, fits) in [
            ("0123456789abcdef0123456789abcdef", true),
            ("  0123456789abcdef0123456789abcdef\n", true),
            ("0123456789abcdef0123456789abcde", false),
            ("0123456789abcdef 0123456789abcdef", false),
            ("0123456789abcdef0123456789abcdefż", false),
            ("", false),
            (&long, false),
            (&long[1..], true),
        ] {
            assert_eq!(Secret::given(text).is_ok(), fits, "{text}");
        }
    }
}
