//! Tokens: who may do what with the store.
//!
//! A token is a secret that a client sends with each request. The state holds its hash, its role, and the prefixes of
//! the names that it may use. Nothing here authenticates anyone: that is the node's task, at each request.

use crate::command::Command;
use crate::hex::parse_hex;
use crate::limits;
use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;
use core::ops::RangeInclusive;
use core::str::FromStr;

/// Identifies a token. It is no secret: it is in each token, in lists, and in the audit stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TokenId(pub u64);

impl TokenId {
    /// The token that the configuration of the node gives. It is the only one that can be replaced.
    pub const INITIAL: Self = Self(0);
    const INITIAL_TEXT: &'static str = "initial";
    /// In the audit stream: the caller has no token of the store. The name says who it is.
    pub const EXTERNAL: Self = Self(u64::MAX);
    const EXTERNAL_TEXT: &'static str = "external";
}

impl fmt::Display for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::INITIAL => f.write_str(Self::INITIAL_TEXT),
            Self::EXTERNAL => f.write_str(Self::EXTERNAL_TEXT),
            Self(id) => write!(f, "{id:016x}"),
        }
    }
}

/// A text that is not the id of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadTokenId;

impl fmt::Display for BadTokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the id of a token is 16 hex digits in lower case, or `initial`")
    }
}

impl core::error::Error for BadTokenId {}

impl FromStr for TokenId {
    type Err = BadTokenId;

    fn from_str(text: &str) -> Result<Self, BadTokenId> {
        if text == Self::INITIAL_TEXT {
            return Ok(Self::INITIAL);
        }
        if text == Self::EXTERNAL_TEXT {
            return Ok(Self::EXTERNAL);
        }
        match parse_hex(text, 16) {
            Some(id) if ![Self::INITIAL.0, Self::EXTERNAL.0].contains(&(id as u64)) => Ok(Self(id as u64)),
            _ => Err(BadTokenId),
        }
    }
}

/// The SHA-256 of a whole token. It does not show itself, so that it gets into no log.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TokenHash(pub [u8; 32]);

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenHash(..)")
    }
}

/// What the holder of a token may do. Each role may do what those before it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    Read,
    Write,
    Admin,
}

impl Role {
    pub const ALL: [Self; 3] = [Self::Read, Self::Write, Self::Admin];

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Admin => "admin",
        }
    }
}

/// How much the holder of a token may use. What is absent is limited only by what the node allows all of its clients.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Allowance {
    /// Requests a second, and as many at once after a quiet second.
    pub requests_per_second: Option<u64>,
    /// Bytes of bodies a second, of requests and responses together.
    pub bytes_per_second: Option<u64>,
    /// Subscriptions and watches at the same time.
    pub subscribers_max: Option<u64>,
    /// Bytes of one request's body.
    pub body_bytes_max: Option<u64>,
}

impl Allowance {
    /// The names of its parts, in the order of [`Self::parts`].
    pub const NAMES: [&'static str; 4] =
        ["requests_per_second", "bytes_per_second", "subscribers_max", "body_bytes_max"];

    /// Its parts, in an order that never changes: formats depend on it.
    #[must_use]
    pub const fn parts(&self) -> [Option<u64>; 4] {
        [self.requests_per_second, self.bytes_per_second, self.subscribers_max, self.body_bytes_max]
    }

    /// The allowance with these parts.
    #[must_use]
    pub const fn of_parts(parts: [Option<u64>; 4]) -> Self {
        let [requests_per_second, bytes_per_second, subscribers_max, body_bytes_max] = parts;
        Self { requests_per_second, bytes_per_second, subscribers_max, body_bytes_max }
    }

    /// What each part may be.
    #[must_use]
    pub const fn ranges() -> [RangeInclusive<u64>; 4] {
        [
            1..=limits::REQUESTS_PER_SECOND_MAX,
            limits::BYTES_PER_SECOND_MIN..=limits::BYTES_PER_SECOND_MAX,
            0..=limits::SUBSCRIBERS_MAX as u64,
            limits::BODY_BYTES_MAX_MIN..=limits::BODY_BYTES_MAX as u64,
        ]
    }

    /// Whether nothing is limited.
    #[must_use]
    pub fn is_unlimited(&self) -> bool {
        *self == Self::default()
    }
}

/// What a token may do, and for whom it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenSettings<'a> {
    pub role: Role,
    /// It may use names that begin with one of these; all names if there are none. At most
    /// [`limits::TOKEN_PREFIXES_MAX`].
    pub prefixes: Vec<Cow<'a, str>>,
    /// A note for people; may be empty.
    pub name: Cow<'a, str>,
    pub allowance: Allowance,
}

impl TokenSettings<'_> {
    /// The same settings with text of their own.
    #[must_use]
    pub fn into_owned(self) -> TokenSettings<'static> {
        TokenSettings {
            role: self.role,
            prefixes: self.prefixes.into_iter().map(|prefix| prefix.into_owned().into()).collect(),
            name: self.name.into_owned().into(),
            allowance: self.allowance,
        }
    }

    /// Whether the token may do everything.
    #[must_use]
    pub fn is_unlimited(&self) -> bool {
        self.role == Role::Admin && self.prefixes.is_empty()
    }

    /// Whether the token may use this name, or all names that begin with it. Names of the system are for
    /// administrators only.
    #[must_use]
    pub fn covers(&self, name: &str) -> bool {
        if is_system_name(name) {
            return self.is_unlimited();
        }
        self.prefixes.is_empty() || self.prefixes.iter().any(|prefix| name.starts_with(&**prefix))
    }
}

/// What names of the system begin with. Clients with tokens cannot write to what they name.
pub const SYSTEM_PREFIX: char = '$';
/// The stream that tells of each administrative change.
pub const AUDIT_STREAM: &str = "$audit";

/// Whether a name belongs to the system.
#[must_use]
pub fn is_system_name(name: &str) -> bool {
    name.starts_with(SYSTEM_PREFIX)
}

/// Change one token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangeToken<'a> {
    pub token: TokenId,
    pub change: TokenChange<'a>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenChange<'a> {
    /// Create it. [`TokenId::INITIAL`] is replaced if it exists.
    Create {
        hash: TokenHash,
        settings: TokenSettings<'a>,
        /// It is valid for this many milliseconds; `None` for as long as it exists.
        ttl_ms: Option<u64>,
    },
    /// Remove it.
    Revoke,
    /// It was used. The node proposes this now and then.
    Use,
}

/// A command of an administrator, with who sent it. What becomes of it is told in [`AUDIT_STREAM`], in the same entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audited<'a> {
    pub token: TokenId,
    /// The name of the token.
    pub name: Cow<'a, str>,
    /// The `operationId` of the request.
    pub operation: Cow<'a, str>,
    /// What it was about: a name, or the id of a token.
    pub target: Cow<'a, str>,
    /// Never an [`Audited`] one.
    pub command: Box<Command<'a>>,
}

// The name of a queue or a stream is the longest target.
const _: () = assert!(limits::AUDIT_TEXT_BYTES_MAX >= limits::NAME_BYTES_MAX);

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    #[test]
    fn an_id_reads_back_as_it_is_written() {
        for id in [TokenId::INITIAL, TokenId(1), TokenId(u64::MAX)] {
            assert_eq!(format!("{id}").parse(), Ok(id));
        }
        for text in ["", "1", "0000000000000000", "000000000000000G", "00000000000000AA", "+000000000000001"]
        {
            assert_eq!(text.parse::<TokenId>(), Err(BadTokenId), "{text}");
        }
    }

    #[test]
    fn a_token_covers_the_names_that_begin_with_its_prefixes() {
        let settings = |role, prefixes: &[&'static str]| TokenSettings {
            role,
            prefixes: prefixes.iter().map(|prefix| Cow::Borrowed(*prefix)).collect(),
            name: "".into(),
            allowance: Allowance::default(),
        };
        for (role, prefixes, name, covers) in [
            (Role::Read, &[][..], "orders-1", true),
            (Role::Read, &["orders-"], "orders-1", true),
            (Role::Read, &["orders-"], "orders-", true),
            (Role::Read, &["orders-"], "orders", false),
            (Role::Read, &["orders-"], "", false),
            (Role::Admin, &["orders-"], "Orders-1", false),
            (Role::Admin, &["a-", "orders-"], "orders-{7}", true),
            // The prefix is of the whole name, not of the part in braces.
            (Role::Admin, &["orders-"], "{orders-1}", false),
            (Role::Read, &["żó"], "żółw", true),
            // What is the system's is for administrators only.
            (Role::Write, &[], "$audit", false),
            (Role::Write, &["$"], "$audit", false),
            (Role::Admin, &["$"], "$audit", false),
            (Role::Admin, &[], "$audit", true),
        ] {
            assert_eq!(settings(role, prefixes).covers(name), covers, "{role:?} {prefixes:?} {name}");
        }
    }

    #[test]
    fn a_hash_does_not_show_itself() {
        assert_eq!(format!("{:?}", TokenHash([7; 32])), "TokenHash(..)");
    }
}
