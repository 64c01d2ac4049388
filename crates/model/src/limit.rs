//! Named limits: how many tasks of several queues may run at the same time, or begin in a time.
//!
//! A limit has a name of its own, and queues name it in their settings. There, an expression says which key a task
//! has: a tenant, a host. Each key has the whole limit for itself.

use crate::ids::{Elapsed, Slot};
use crate::limits;
use crate::name::LimitName;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use xxhash_rust::xxh3::xxh3_128;

/// Replace a limit, or create it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PutLimit<'a> {
    pub limit: LimitName<'a>,
    pub settings: LimitSettings,
}

/// Remove a limit. Queues that name it are limited no longer, until it exists again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeleteLimit<'a> {
    pub limit: LimitName<'a>,
}

/// What each key of a limit may use. An absent member limits nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LimitSettings {
    /// Tasks that run at the same time.
    pub concurrency: Option<u32>,
    pub rate: Option<Rate>,
}

/// What tasks may cost in a time. A key begins with the whole burst, and gets `cost_max` in each `per_ms`, evenly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    pub cost_max: u64,
    pub per_ms: u64,
    /// What may be used at once after a pause.
    pub burst: u64,
}

/// Let tasks go on whose limits allow it again. The node proposes this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AdvanceLimits {
    pub slot: Slot,
    /// Where to begin: nothing of this slot is due earlier.
    pub from: Elapsed,
    /// The maximum number of keys to look at. Values above [`limits::ADVANCE_LIMITS_MAX`] count as that limit.
    pub keys_max: u32,
}

/// A limit as the settings of a queue name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueLimit {
    pub limit: LimitName<'static>,
    /// Which key a task has.
    pub key: KeyExpression,
    /// Only tasks of these types; all if it is empty.
    pub types: Vec<String>,
    /// What one task costs of a rate.
    pub cost: u32,
}

/// An expression that gives each task a key: `type`, `queue`, `key`, `tag.NAME` or `payload.a.b`; or nothing, so that
/// all tasks share one key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyExpression(String);

/// What an expression refers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeySource<'a> {
    /// The same for all tasks.
    Nothing,
    Type,
    Queue,
    /// The task's own key.
    Key,
    /// What follows `NAME:` in the first tag that begins like that.
    Tag(&'a str),
    /// The names of members, from the outermost to the innermost, separated by dots; empty for the payload itself.
    Payload(&'a str),
}

/// Why a text is not an expression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadExpression;

impl fmt::Display for BadExpression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "a key is `type`, `queue`, `key`, `tag.NAME`, `payload` or `payload.MEMBER.MEMBER`, at most {} bytes",
            limits::KEY_EXPRESSION_BYTES_MAX
        )
    }
}

impl core::error::Error for BadExpression {}

impl KeyExpression {
    /// All tasks share one key.
    pub const NOTHING: Self = Self(String::new());

    /// # Errors
    /// [`BadExpression`].
    pub fn new(text: impl Into<String>) -> Result<Self, BadExpression> {
        let text = text.into();
        let is_short = text.len() <= limits::KEY_EXPRESSION_BYTES_MAX;
        if is_short && source(&text).is_some() { Ok(Self(text)) } else { Err(BadExpression) }
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    #[must_use]
    pub fn source(&self) -> KeySource<'_> {
        source(&self.0).unwrap_or(KeySource::Nothing)
    }
}

fn source(text: &str) -> Option<KeySource<'_>> {
    Some(match text {
        "" => KeySource::Nothing,
        "type" => KeySource::Type,
        "queue" => KeySource::Queue,
        "key" => KeySource::Key,
        "payload" => KeySource::Payload(""),
        _ => match text.split_once('.')? {
            ("tag", name) if !name.is_empty() => KeySource::Tag(name),
            ("payload", path) if path.split('.').all(|member| !member.is_empty()) => KeySource::Payload(path),
            _ => return None,
        },
    })
}

/// The hash by which a limit's keys are found. They are looked at in the order of their hashes.
#[must_use]
pub fn limit_key_hash(key: &str) -> u128 {
    xxh3_128(key.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expression_is_one_of_a_few_forms() {
        for (text, source) in [
            ("", KeySource::Nothing),
            ("type", KeySource::Type),
            ("queue", KeySource::Queue),
            ("key", KeySource::Key),
            ("tag.tenant", KeySource::Tag("tenant")),
            ("tag.a.b", KeySource::Tag("a.b")),
            ("payload", KeySource::Payload("")),
            ("payload.host", KeySource::Payload("host")),
            ("payload.to.host", KeySource::Payload("to.host")),
        ] {
            assert_eq!(KeyExpression::new(text).unwrap().source(), source, "{text}");
        }
        let long = alloc::format!("payload.{}", "a".repeat(limits::KEY_EXPRESSION_BYTES_MAX));
        for text in
            ["types", "tag", "tag.", "payload.", "payload..a", "payload.a.", ".a", "a.b", " type", &long]
        {
            assert_eq!(KeyExpression::new(text), Err(BadExpression), "{text}");
        }
    }
}
