//! What a guard lets others see: counters through the `metrics` facade, changes as `tracing` events. Without
//! these features it is nothing.
//!
//! | metric | labels | counts |
//! |---|---|---|
//! | `resilience_attempts_total` | `guard`, `outcome` | attempts that were made, by what came of them; `cancelled`: the caller left, or its deadline did not give it a chance |
//! | `resilience_timeouts_total` | `guard` | of these, those that were cut short |
//! | `resilience_rejections_total` | `guard`, `by` | attempts that a policy did not let through |
//! | `resilience_retries_total` | `guard` | attempts after the first of their call |
//! | `resilience_hedges_total` | `guard` | second attempts beside a slow first |
//! | `resilience_stale_total` | `guard` | outcomes that came after the breaker had changed |
//! | `resilience_breaker_changes_total` | `guard`, `to` | changes of the breaker |
//! | `resilience_breaker_open` | `guard` | 1 while the breaker is open (or held open), 0.5 while half-open, else 0 |
//!
//! Install the recorder before the guards are made: they keep their counters.

#[cfg(any(feature = "metrics", feature = "tracing"))]
use crate::breaker::Circuit;
use crate::breaker::{Forced, Transition};
use crate::contract::{Outcome, Reason};
use std::sync::Arc;

#[derive(Debug)]
pub(super) struct Observer {
    pub(super) guard: Arc<str>,
    #[cfg(feature = "metrics")]
    counters: Counters,
}

#[cfg(feature = "metrics")]
struct Counters {
    outcomes: [metrics::Counter; 5],
    retries: metrics::Counter,
    hedges: metrics::Counter,
    timeouts: metrics::Counter,
    stale: metrics::Counter,
}

#[cfg(feature = "metrics")]
impl core::fmt::Debug for Counters {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Counters")
    }
}

#[cfg(feature = "metrics")]
impl Counters {
    fn new(guard: &Arc<str>) -> Self {
        let outcome = |outcome: &'static str| metrics::counter!("resilience_attempts_total", "guard" => guard.to_string(), "outcome" => outcome);
        Self {
            // In the order of `Outcome`.
            outcomes: ["success", "slow", "failure", "neutral", "cancelled"].map(outcome),
            retries: metrics::counter!("resilience_retries_total", "guard" => guard.to_string()),
            hedges: metrics::counter!("resilience_hedges_total", "guard" => guard.to_string()),
            timeouts: metrics::counter!("resilience_timeouts_total", "guard" => guard.to_string()),
            stale: metrics::counter!("resilience_stale_total", "guard" => guard.to_string()),
        }
    }
}

#[cfg_attr(
    not(all(feature = "metrics", feature = "tracing")),
    allow(unused_variables, clippy::unused_self, reason = "what is told matters only to those who watch")
)]
impl Observer {
    pub(super) fn new(guard: Arc<str>) -> Self {
        Self {
            #[cfg(feature = "metrics")]
            counters: Counters::new(&guard),
            guard,
        }
    }

    pub(super) fn attempted(&self, outcome: Outcome) {
        #[cfg(feature = "metrics")]
        self.counters.outcomes[outcome as usize].increment(1);
    }

    pub(super) fn rejected(&self, reason: Reason) {
        #[cfg(feature = "metrics")]
        metrics::counter!("resilience_rejections_total", "guard" => self.guard.to_string(), "by" => reason.code())
            .increment(1);
        #[cfg(feature = "tracing")]
        tracing::debug!(guard = &*self.guard, reason = reason.code(), "call refused");
    }

    pub(super) fn retried(&self, attempt: u32) {
        #[cfg(feature = "metrics")]
        self.counters.retries.increment(1);
        #[cfg(feature = "tracing")]
        tracing::debug!(guard = &*self.guard, attempt, "call retried");
    }

    pub(super) fn hedged(&self) {
        #[cfg(feature = "metrics")]
        self.counters.hedges.increment(1);
        #[cfg(feature = "tracing")]
        tracing::debug!(guard = &*self.guard, "call hedged");
    }

    pub(super) fn timed_out(&self) {
        #[cfg(feature = "metrics")]
        self.counters.timeouts.increment(1);
    }

    /// Somebody holds the breaker, or has let go of it.
    pub(super) fn forced(&self, forced: Forced) {
        #[cfg(feature = "metrics")]
        metrics::gauge!("resilience_breaker_open", "guard" => self.guard.to_string())
            .set(if forced == Forced::Open { 1.0 } else { 0.0 });
        #[cfg(feature = "tracing")]
        tracing::warn!(guard = &*self.guard, forced = ?forced, "circuit breaker forced");
    }

    pub(super) fn stale(&self) {
        #[cfg(feature = "metrics")]
        self.counters.stale.increment(1);
    }

    pub(super) fn changed(&self, Transition { from, to }: Transition) {
        #[cfg(feature = "metrics")]
        {
            let guard = self.guard.to_string();
            metrics::counter!("resilience_breaker_changes_total", "guard" => guard.clone(), "to" => to.code())
                .increment(1);
            metrics::gauge!("resilience_breaker_open", "guard" => guard).set(match to {
                Circuit::Closed => 0.0,
                Circuit::HalfOpen => 0.5,
                Circuit::Open => 1.0,
            });
        }
        #[cfg(feature = "tracing")]
        match to {
            Circuit::Open => {
                tracing::warn!(guard = &*self.guard, from = from.code(), "circuit breaker opened")
            }
            Circuit::HalfOpen => tracing::info!(guard = &*self.guard, "circuit breaker half-open"),
            Circuit::Closed => {
                tracing::info!(guard = &*self.guard, from = from.code(), "circuit breaker closed")
            }
        }
    }
}
