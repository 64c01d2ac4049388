//! Events in virtual time. Events of the same moment happen in the order in which they were scheduled.

use std::collections::BTreeMap;

/// Microseconds since the run began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(pub u64);

/// Skips from event to event. Nothing waits in real time.
#[derive(Debug)]
pub struct Schedule<E> {
    now: Moment,
    number: u64,
    events: BTreeMap<(Moment, u64), E>,
}

impl<E> Default for Schedule<E> {
    fn default() -> Self {
        Self { now: Moment(0), number: 0, events: BTreeMap::new() }
    }
}

impl<E> Schedule<E> {
    #[must_use]
    pub fn now(&self) -> Moment {
        self.now
    }

    pub fn after(&mut self, micros: u64, event: E) {
        self.number += 1;
        self.events.insert((Moment(self.now.0 + micros), self.number), event);
    }

    /// When the next event happens.
    #[must_use]
    pub fn next_at(&self) -> Option<Moment> {
        self.events.keys().next().map(|(at, _)| *at)
    }

    pub fn advance(&mut self) -> Option<E> {
        let ((at, _), event) = self.events.pop_first()?;
        self.now = at;
        Some(event)
    }
}
