//! Requests that wait until something happens to a row: that a queue has a task, or that a lease ends.
//!
//! Waiting is not state. The table is in the memory of the node that leads, and bounded. A waiter that is lost
//! with its node asks again. To miss nothing, a caller first waits and then reads: whatever happens after it
//! has read finds it in the table.

use crate::request::Replies;
use model::Key;
use std::collections::BTreeMap;

/// Waiters by the key of the row that they wait for.
#[derive(Debug)]
pub struct WaitTable<R: Replies> {
    by_key: BTreeMap<Key, Vec<R::Woken>>,
    len: usize,
    waiters_max: usize,
}

impl<R: Replies> WaitTable<R> {
    #[must_use]
    pub fn new(waiters_max: usize) -> Self {
        Self { by_key: BTreeMap::new(), len: 0, waiters_max }
    }

    /// Adds a waiter.
    ///
    /// # Errors
    /// The table is full: the waiter is handed back.
    pub fn wait(&mut self, key: Key, waiter: R::Woken) -> Result<(), R::Woken> {
        if self.len >= self.waiters_max {
            self.forget_gone();
        }
        if self.len >= self.waiters_max {
            return Err(waiter);
        }
        self.len += 1;
        self.by_key.entry(key).or_default().push(waiter);
        Ok(())
    }

    /// Removes and returns the waiters for `key`, in order of arrival.
    pub fn wake(&mut self, key: &[u8]) -> Vec<R::Woken> {
        let waiters = self.by_key.remove(key).unwrap_or_default();
        self.len -= waiters.len();
        waiters
    }

    /// Removes and returns all waiters.
    pub fn drain(&mut self) -> impl Iterator<Item = R::Woken> + use<R> {
        self.len = 0;
        std::mem::take(&mut self.by_key).into_values().flatten()
    }

    /// How many wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    fn forget_gone(&mut self) {
        self.by_key.retain(|_, waiters| {
            waiters.retain(|waiter| !R::is_gone(waiter));
            !waiters.is_empty()
        });
        self.len = self.by_key.values().map(Vec::len).sum();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Replies are numbers. Odd waiters are gone.
    #[derive(Debug)]
    struct Numbers;

    impl Replies for Numbers {
        type Outcome = u64;
        type TimeClosed = u64;
        type Woken = u64;

        fn is_gone(waiter: &u64) -> bool {
            waiter % 2 == 1
        }

        fn is_abandoned(_: &u64) -> bool {
            false
        }
    }

    fn key(number: u8) -> Key {
        vec![number]
    }

    #[test]
    fn only_those_who_wait_for_a_key_are_woken_once_and_in_order() {
        let mut table = WaitTable::<Numbers>::new(10);
        for (number, waiter) in [(1, 10), (2, 20), (1, 11)] {
            table.wait(key(number), waiter).unwrap();
        }
        assert_eq!(table.wake(&key(1)), [10, 11]);
        assert_eq!(table.wake(&key(1)), [0_u64; 0]);
        assert_eq!(table.drain().collect::<Vec<_>>(), [20]);
        assert!(table.is_empty());
    }

    #[test]
    fn a_full_table_forgets_who_is_gone_and_otherwise_hands_the_waiter_back() {
        let mut table = WaitTable::<Numbers>::new(2);
        table.wait(key(1), 2).unwrap();
        table.wait(key(1), 1).unwrap();
        table.wait(key(2), 4).unwrap();
        assert_eq!(table.wait(key(3), 6), Err(6));
        assert_eq!((table.len(), table.wake(&key(1))), (2, vec![2]));
        assert_eq!(table.len(), 1);
        assert!(!table.is_empty());
    }
}
