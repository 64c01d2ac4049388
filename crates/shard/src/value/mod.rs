//! Values: the commands, one file each, and the condition that they share.

pub(crate) mod delete;
pub(crate) mod put;

use crate::damage::bad_row;
use alloc::vec::Vec;
use format::row::{ValueRow, value_key};
use model::{Expected, Namespace, Revision, ValueName, View, ViewError};

/// What the state says of a value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Known {
    /// The last revision that was used.
    pub(crate) last: Option<Revision>,
    /// The value was not deleted.
    pub(crate) exists: bool,
}

impl Known {
    pub(crate) fn load(value: &ValueName<'_>, view: &impl View) -> Result<Self, ViewError> {
        let Some(stored) = view.get(&key(value))? else { return Ok(Self::default()) };
        let row = ValueRow::decode(&stored).map_err(|error| bad_row("value row", error))?;
        Ok(Self { last: Some(row.revision), exists: row.content.is_some() })
    }

    /// The revision, if the value exists.
    pub(crate) fn current(self) -> Option<Revision> {
        self.last.filter(|_| self.exists)
    }

    pub(crate) fn is(self, expected: Expected) -> bool {
        match expected {
            Expected::Any => true,
            Expected::None => !self.exists,
            Expected::Exists => self.exists,
            Expected::Revision(revision) => self.current() == Some(revision),
        }
    }

    /// The revision of the next write, if one is left.
    pub(crate) fn next(self) -> Option<Revision> {
        const LAST: u64 = (1 << 63) - 1;
        match self.last {
            None => Some(Revision::FIRST),
            Some(last) => (last.0 < LAST).then(|| last.next()),
        }
    }
}

pub(crate) fn key(value: &ValueName<'_>) -> Vec<u8> {
    value_key(value.slot(Namespace::ROOT), Namespace::ROOT, value.as_str())
}
