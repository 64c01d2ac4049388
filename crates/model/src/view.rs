//! Ordered reads of the state, and the write set that changes it.
//!
//! `shard` reads through a [`View`] and returns a [`WriteSet`]. It writes nothing itself. When a view does not
//! have some rows at hand yet ([`ViewError::Absent`]), `apply` stops, the rows are fetched, and `apply` runs again.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::ops::{Bound, ControlFlow};

pub type Key = Vec<u8>;
pub type Value = Vec<u8>;

/// Keys from `from` (inclusive) up to `to` (exclusive).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyRange<'a> {
    pub from: &'a [u8],
    pub to: &'a [u8],
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    #[default]
    Ascending,
    Descending,
}

/// The state as of one applied entry, ordered by key bytes.
pub trait View {
    /// The value of `key`, or `None` when the state has none.
    ///
    /// # Errors
    /// [`ViewError`]; it never becomes an outcome.
    fn get(&self, key: &[u8]) -> Result<Option<Value>, ViewError>;

    /// Calls `visit` with each key and value of `range` in `order`, until it breaks.
    ///
    /// # Errors
    /// [`ViewError`]; it never becomes an outcome. `visit` may have been called with the rows before the first
    /// one that is not at hand.
    fn scan(&self, range: KeyRange<'_>, order: Order, visit: &mut Visit<'_>) -> Result<(), ViewError>;
}

/// The function that a scan calls with each key and value.
pub type Visit<'a> = dyn FnMut(&[u8], &[u8]) -> ControlFlow<()> + 'a;

/// The simplest view, for tests.
impl View for BTreeMap<Key, Value> {
    fn get(&self, key: &[u8]) -> Result<Option<Value>, ViewError> {
        Ok(BTreeMap::get(self, key).cloned())
    }

    fn scan(&self, range: KeyRange<'_>, order: Order, visit: &mut Visit<'_>) -> Result<(), ViewError> {
        if range.from >= range.to {
            return Ok(());
        }
        let mut rows = self.range::<[u8], _>((Bound::Included(range.from), Bound::Excluded(range.to)));
        loop {
            let row = match order {
                Order::Ascending => rows.next(),
                Order::Descending => rows.next_back(),
            };
            match row {
                Some((key, value)) if visit(key, value).is_continue() => {}
                _ => return Ok(()),
            }
        }
    }
}

/// Why a view could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ViewError {
    /// These rows are not at hand yet. Fetch them, then try again.
    Absent(Vec<Absent>),
    /// The store could not be read, or it returned something other than what was written. The replica stops.
    Failed(String),
}

/// Rows that a view does not have at hand. It does not know whether the state has them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Absent {
    Key(Key),
    /// The first `limit` rows of `from..to` in this order: as many as the reader is likely to need. If that is
    /// not enough, the view asks for more next time.
    Range {
        from: Key,
        to: Key,
        order: Order,
        limit: usize,
    },
}

impl fmt::Display for ViewError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent(rows) => write!(f, "{} keys or ranges are not at hand", rows.len()),
            Self::Failed(why) => write!(f, "the state cannot be read: {why}"),
        }
    }
}

impl core::error::Error for ViewError {}

/// The changes of one entry, sorted by key. Each key appears once and is set (`Some`) or deleted (`None`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WriteSet(pub Vec<(Key, Option<Value>)>);

impl WriteSet {
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Applies the changes to the simplest view, for tests.
    pub fn change(&self, rows: &mut BTreeMap<Key, Value>) {
        for (key, value) in &self.0 {
            match value {
                Some(value) => rows.insert(key.clone(), value.clone()),
                None => rows.remove(key),
            };
        }
    }
}
