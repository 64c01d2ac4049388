//! A view that does not hold every key at first. It asks for some keys to be fetched, and has them the next
//! time.

use model::view::Visit;
use model::{Absent, Key, KeyRange, Order, Value, View, ViewError};
use seeded_rng::Rng;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

/// The view asks at most this often. Starting over at every key of a long command would take too long.
const ABSENT_MAX: usize = 5;

pub(crate) struct Patchy<'a> {
    rows: &'a BTreeMap<Key, Value>,
    at_hand: RefCell<(Rng, BTreeSet<Key>)>,
}

impl<'a> Patchy<'a> {
    pub(crate) fn new(rows: &'a BTreeMap<Key, Value>, seed: u64) -> Self {
        Self { rows, at_hand: RefCell::new((Rng::new(seed), BTreeSet::new())) }
    }

    fn need(&self, key: &[u8], absent: Absent) -> Result<(), ViewError> {
        let (rng, keys) = &mut *self.at_hand.borrow_mut();
        if keys.len() >= ABSENT_MAX || keys.contains(key) || !rng.one_in(3) {
            return Ok(());
        }
        keys.insert(key.to_vec());
        Err(ViewError::Absent(vec![absent]))
    }
}

impl View for Patchy<'_> {
    fn get(&self, key: &[u8]) -> Result<Option<Value>, ViewError> {
        self.need(key, Absent::Key(key.to_vec()))?;
        View::get(self.rows, key)
    }

    fn scan(&self, range: KeyRange<'_>, order: Order, visit: &mut Visit<'_>) -> Result<(), ViewError> {
        let (from, to) = (range.from.to_vec(), range.to.to_vec());
        self.need(range.from, Absent::Range { from, to, order, limit: 1 })?;
        self.rows.scan(range, order, visit)
    }
}
