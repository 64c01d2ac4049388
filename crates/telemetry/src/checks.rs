//! The node's own checks of its data.

use crate::instrument::{Counter, Gauge, TimeGauge};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Figures about checks of the data.
#[derive(Debug, Default)]
pub struct CheckMetrics {
    /// The time between two checks; zero if there are none.
    pub every: TimeGauge,
    pub read: Counter,
    damaged: Gauge,
    last: Mutex<Option<Ended>>,
}

/// A check that has ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ended {
    /// Time of day, since 1970.
    pub(crate) at: Duration,
    pub(crate) took: Duration,
}

impl CheckMetrics {
    /// A check has ended, with this many findings. `at` is the time of day, since 1970.
    pub fn ended(&self, at: Duration, took: Duration, findings: usize) {
        self.damaged.set(u64::from(findings > 0));
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(Ended { at, took });
    }

    pub(crate) const fn damaged(&self) -> &Gauge {
        &self.damaged
    }

    pub(crate) fn last(&self) -> Option<Ended> {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
