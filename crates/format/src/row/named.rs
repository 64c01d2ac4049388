//! Rows whose key is a name in the slot of that name: what lists of names go through.

use super::key::{Fill, PREFIX_BYTES, Take, kind};
use crate::wire::FormatError;
use alloc::vec::Vec;
use model::{Namespace, Slot};

/// One kind of such rows. They are in the namespace [`Namespace::ROOT`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NamedRows {
    kind: u8,
    what: &'static str,
}

impl NamedRows {
    pub const QUEUES: Self = Self { kind: kind::QUEUE_NAME, what: "queue name" };
    pub const LIMITS: Self = Self { kind: kind::LIMIT, what: "limit name" };
    pub const BREAKERS: Self = Self { kind: kind::BREAKER, what: "breaker name" };
    pub const SCHEDULES: Self = Self { kind: kind::SCHEDULE, what: "schedule name" };
    pub const LEASES: Self = Self { kind: kind::LEASE, what: "lease name" };
    pub const VALUES: Self = Self { kind: kind::VALUE, what: "value name" };

    /// The key of the row with this name. With an empty name, it is before all names of the slot.
    #[must_use]
    pub fn key(self, slot: Slot, name: &str) -> Vec<u8> {
        let mut key = Vec::with_capacity(PREFIX_BYTES + name.len());
        key.extend_from_slice(&Fill::<PREFIX_BYTES>::new(slot, Namespace::ROOT, self.kind).done());
        key.extend_from_slice(name.as_bytes());
        key
    }

    /// The name in such a key; `None` for the key of another kind of row.
    ///
    /// # Errors
    /// [`FormatError`] for such a key whose name is not text.
    pub fn name(self, key: &[u8]) -> Result<Option<&str>, FormatError> {
        let Ok((_, Namespace::ROOT, Take(name))) = Take::of(key, self.kind, self.what) else {
            return Ok(None);
        };
        core::str::from_utf8(name).map(Some).map_err(|_| FormatError::Text { what: self.what })
    }

    /// Where the next name can be, after the key of another kind of row: in the same slot if names come after it, or in the
    /// next slot. `None` at the end.
    #[must_use]
    pub fn next(self, key: &[u8]) -> Option<Vec<u8>> {
        let slot = u16::from_be_bytes(*key.first_chunk()?);
        let names = self.key(Slot(slot), "");
        if key < &names[..] {
            return Some(names);
        }
        slot.checked_add(1).map(|slot| self.key(Slot(slot), ""))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    #[test]
    fn a_list_goes_on_in_the_same_slot_or_in_the_next_one() {
        let rows = NamedRows::VALUES;
        assert_eq!(rows.name(&rows.key(Slot(7), "a")), Ok(Some("a")));
        assert_eq!(rows.name(&NamedRows::QUEUES.key(Slot(7), "a")), Ok(None));
        let before = NamedRows { kind: kind::VALUE - 1, what: "" }.key(Slot(7), "z");
        let after = NamedRows { kind: kind::VALUE + 1, what: "" }.key(Slot(7), "a");
        assert_eq!(rows.next(&before), Some(rows.key(Slot(7), "")));
        assert_eq!(rows.next(&after), Some(rows.key(Slot(8), "")));
        assert_eq!(rows.next(&NamedRows::LIMITS.key(Slot(u16::MAX), "")), None);
        assert!(rows.name(&[rows.key(Slot(7), ""), vec![0xff]].concat()).is_err());
    }
}
