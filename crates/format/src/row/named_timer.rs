//! Timers of things that have a name: moment, namespace, name.

use super::key::{Fill, PREFIX_BYTES, Take};
use crate::wire::FormatError;
use alloc::vec::Vec;
use model::{Elapsed, KeyRange, Namespace, Slot};

/// Where a timer is, and what it is about.
pub(super) struct NamedTimer<'a> {
    pub(super) slot: Slot,
    pub(super) deadline: Elapsed,
    pub(super) namespace: Namespace,
    pub(super) name: &'a str,
}

impl<'a> NamedTimer<'a> {
    pub(super) fn encode(&self, kind: u8) -> Vec<u8> {
        let mut key = Vec::with_capacity(PREFIX_BYTES + 12 + self.name.len());
        key.extend_from_slice(&from(self.slot, kind, self.deadline));
        key.extend_from_slice(&self.namespace.0.to_be_bytes());
        key.extend_from_slice(self.name.as_bytes());
        key
    }

    /// `what` names the timer if the key is that of something else.
    pub(super) fn decode(key: &'a [u8], kind: u8, what: &'static str) -> Result<Self, FormatError> {
        let (slot, _, mut take) = Take::of(key, kind, what)?;
        let deadline = Elapsed(u64::from_be_bytes(take.next()?));
        let namespace = Namespace(u32::from_be_bytes(take.next()?));
        let name = core::str::from_utf8(take.rest()).map_err(|_| FormatError::Text { what })?;
        Ok(Self { slot, deadline, namespace, name })
    }
}

fn from(slot: Slot, kind: u8, from: Elapsed) -> [u8; PREFIX_BYTES + 8] {
    Fill::new(slot, Namespace::SYSTEM, kind).with(from.0.to_be_bytes()).done()
}

/// The timers of one kind and slot, from a point on, in order of time. It owns its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NamedTimers {
    from: [u8; PREFIX_BYTES + 8],
    to: [u8; PREFIX_BYTES],
}

impl NamedTimers {
    pub(super) fn of(slot: Slot, kind: u8, first: Elapsed) -> Self {
        Self { from: from(slot, kind, first), to: Fill::new(slot, Namespace::SYSTEM, kind + 1).done() }
    }

    #[must_use]
    pub const fn as_range(&self) -> KeyRange<'_> {
        KeyRange { from: &self.from, to: &self.to }
    }
}
