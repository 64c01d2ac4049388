//! Names that users choose, validated once, and the slots they hash to.

use crate::ids::{Namespace, Slot};
use crate::limits;
use alloc::borrow::Cow;
use alloc::string::String;
use core::fmt;
use xxhash_rust::xxh3::{Xxh3Default, xxh3_64};

/// Why a text is not a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameError {
    Empty,
    /// Longer than [`limits::NAME_BYTES_MAX`].
    TooLong,
    ControlCharacter,
    /// `.` and `..`: clients and proxies rewrite them in paths.
    Dots,
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("a name has at least 1 byte"),
            Self::TooLong => write!(f, "a name has at most {} bytes", limits::NAME_BYTES_MAX),
            Self::ControlCharacter => f.write_str("a name has no control characters"),
            Self::Dots => f.write_str("`.` and `..` are not names"),
        }
    }
}

impl core::error::Error for NameError {}

/// Defines a kind of name. All kinds follow the same rules; a name of one kind says nothing about the others.
macro_rules! names {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name<'a>(Cow<'a, str>);

        impl<'a> $name<'a> {
            /// # Errors
            /// [`NameError`] says which rule the name breaks.
            pub fn new(name: impl Into<Cow<'a, str>>) -> Result<Self, NameError> {
                let name = name.into();
                check(&name)?;
                Ok(Self(name))
            }

            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }

            #[must_use]
            pub fn slot(&self, namespace: Namespace) -> Slot {
                slot_of(namespace, &self.0)
            }

            #[must_use]
            pub fn into_owned(self) -> $name<'static> {
                $name(Cow::Owned(self.0.into_owned()))
            }

            #[must_use]
            pub fn into_string(self) -> String {
                self.0.into_owned()
            }
        }

        impl fmt::Display for $name<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )*};
}

names! {
    /// A stream's name: 1 to 256 bytes of UTF-8 without control characters, not `.` or `..`.
    StreamName;
    /// A queue's name, by the same rules.
    QueueName;
    /// A lease's name, by the same rules.
    LeaseName;
    /// A value's name, by the same rules.
    ValueName;
    /// The key of an execution, by the same rules.
    ExecutionKey;
    /// A limit's name, by the same rules.
    LimitName;
    /// A breaker's name, by the same rules.
    BreakerName;
    /// A schedule's name, by the same rules.
    ScheduleName;
    /// A group's name, by the same rules.
    GroupName;
    /// A reaction's name, by the same rules. It has at most [`limits::REACTION_NAME_BYTES_MAX`] bytes.
    ReactionName;
}

fn check(name: &str) -> Result<(), NameError> {
    if name.is_empty() {
        return Err(NameError::Empty);
    }
    if name.len() > limits::NAME_BYTES_MAX {
        return Err(NameError::TooLong);
    }
    if name.chars().any(char::is_control) {
        return Err(NameError::ControlCharacter);
    }
    if name == "." || name == ".." {
        return Err(NameError::Dots);
    }
    Ok(())
}

/// The slot of a name: the high 16 bits of XXH3-64 over the namespace (u32, little-endian) and the name, or
/// only the part in its first `{braces}` if that part is not empty. So names that share such a tag share a slot
/// (the convention is Redis Cluster's hash tag).
#[must_use]
pub fn slot_of(namespace: Namespace, name: &str) -> Slot {
    // Names are short: hashing one buffer costs a tenth of the streaming hasher.
    let tag = tag(name).as_bytes();
    let mut buffer = [0; 4 + limits::NAME_BYTES_MAX];
    let hash = match buffer.get_mut(..4 + tag.len()) {
        Some(bytes) => {
            bytes[..4].copy_from_slice(&namespace.0.to_le_bytes());
            bytes[4..].copy_from_slice(tag);
            xxh3_64(bytes)
        }
        None => {
            let mut hasher = Xxh3Default::new();
            hasher.update(&namespace.0.to_le_bytes());
            hasher.update(tag);
            hasher.digest()
        }
    };
    Slot((hash >> 48) as u16)
}

fn tag(name: &str) -> &str {
    name.split_once('{')
        .and_then(|(_, rest)| rest.split_once('}'))
        .map(|(tag, _)| tag)
        .filter(|tag| !tag.is_empty())
        .unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_rule_of_names_holds() {
        let long = "x".repeat(257);
        for (name, want) in [
            ("", Err(NameError::Empty)),
            (long.as_str(), Err(NameError::TooLong)),
            (&long[1..], Ok(())),
            ("a\nb", Err(NameError::ControlCharacter)),
            ("a\u{85}b", Err(NameError::ControlCharacter)),
            (".", Err(NameError::Dots)),
            ("..", Err(NameError::Dots)),
            ("...", Ok(())),
            ("cart-7", Ok(())),
            ("żółw/a b", Ok(())),
        ] {
            assert_eq!(StreamName::new(name).map(|_| ()), want, "{name:?}");
        }
    }

    #[test]
    fn names_with_one_tag_share_a_slot() {
        let same = slot_of(Namespace::ROOT, "42");
        assert_eq!(slot_of(Namespace::ROOT, "cart-{42}"), same);
        assert_eq!(slot_of(Namespace::ROOT, "{42}-orders-{7}"), same);
        assert_ne!(slot_of(Namespace::ROOT, "cart-{}"), slot_of(Namespace::ROOT, ""));
        assert_ne!(slot_of(Namespace(1), "42"), same);
    }

    #[test]
    fn a_text_too_long_for_a_name_still_has_a_slot() {
        let long = "x".repeat(limits::NAME_BYTES_MAX + 1);
        assert_eq!(slot_of(Namespace::ROOT, &long), slot_of(Namespace::ROOT, &long));
        assert_ne!(slot_of(Namespace::ROOT, &long), slot_of(Namespace::ROOT, &long[1..]));
    }

    /// Stored data depends on these: they never change.
    #[test]
    fn slots_are_the_same_in_every_version() {
        for (name, slot) in [("cart-7", 51_197), ("permit-891", 17_136), ("a", 62_176), ("żółw", 59_152)] {
            assert_eq!(slot_of(Namespace::ROOT, name), Slot(slot), "{name}");
        }
    }
}
