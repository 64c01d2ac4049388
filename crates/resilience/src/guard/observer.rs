//! What a guard reports: metrics through the `metrics` facade, and changes as `tracing` events. Without these
//! features it does nothing.
//!
//! | metric | labels | meaning |
//! |---|---|---|
//! | `resilience_attempts_total` | `guard`, `outcome` | attempts by outcome; `cancelled`: the caller left, or its deadline allowed too little time |
//! | `resilience_call_duration_seconds` | `guard`, `outcome` | how long calls took, including all attempts and waits; `outcome` can also be `rejected` |
//! | `resilience_rejections_total` | `guard`, `reason` | attempts that a policy rejected |
//! | `resilience_timeouts_total` | `guard` | attempts that were cut short by a timeout |
//! | `resilience_retries_total` | `guard` | attempts after the first of their call |
//! | `resilience_retries_exhausted_total` | `guard` | calls that failed after using all their attempts |
//! | `resilience_hedges_total` | `guard` | second attempts alongside a slow first one |
//! | `resilience_stale_total` | `guard` | outcomes that arrived after the breaker had changed |
//! | `resilience_breaker_changes_total` | `guard`, `to` | changes of the breaker |
//! | `resilience_breaker_open` | `guard` | 1 while the breaker is open, 0.5 while half-open, 0 while closed |
//! | `resilience_permits_in_use` | `guard` | permits of the bulkhead that are in use |
//! | `resilience_callers_waiting` | `guard` | callers waiting for a permit or a token |
//! | `resilience_retry_budget_left` | `guard` | retries left in the budget when one was last requested |
//!
//! Install the recorder before you create guards, because each guard looks up its metrics once.

#[cfg(any(feature = "metrics", feature = "tracing"))]
use crate::breaker::Circuit;
use crate::breaker::{Forced, Transition};
use crate::contract::{Outcome, Reason, Time};
use std::sync::Arc;

#[derive(Debug)]
pub(super) struct Observer {
    guard: Arc<str>,
    #[cfg(feature = "metrics")]
    handles: Handles,
}

/// How a call ended: the `outcome` label of its duration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    Outcome(Outcome),
    Rejected,
}

#[cfg(feature = "metrics")]
struct Handles {
    /// In the order of `Outcome`.
    attempts: [metrics::Counter; 5],
    /// In the order of `Outcome`, then rejected.
    durations: [metrics::Histogram; 6],
    retries: metrics::Counter,
    exhausted: metrics::Counter,
    hedges: metrics::Counter,
    timeouts: metrics::Counter,
    stale: metrics::Counter,
    open: metrics::Gauge,
    in_use: metrics::Gauge,
    waiting: metrics::Gauge,
    budget_left: metrics::Gauge,
}

#[cfg(feature = "metrics")]
impl core::fmt::Debug for Handles {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Handles")
    }
}

#[cfg(feature = "metrics")]
impl Handles {
    fn new(guard: &Arc<str>) -> Self {
        use metrics::{counter, gauge, histogram};

        describe();
        let guard = || guard.to_string();
        let outcomes = ["success", "slow", "failure", "neutral", "cancelled"];
        let endings = ["success", "slow", "failure", "neutral", "cancelled", "rejected"];
        Self {
            attempts: outcomes
                .map(|outcome| counter!("resilience_attempts_total", "guard" => guard(), "outcome" => outcome)),
            durations: endings.map(|outcome| {
                histogram!("resilience_call_duration_seconds", "guard" => guard(), "outcome" => outcome)
            }),
            retries: counter!("resilience_retries_total", "guard" => guard()),
            exhausted: counter!("resilience_retries_exhausted_total", "guard" => guard()),
            hedges: counter!("resilience_hedges_total", "guard" => guard()),
            timeouts: counter!("resilience_timeouts_total", "guard" => guard()),
            stale: counter!("resilience_stale_total", "guard" => guard()),
            open: gauge!("resilience_breaker_open", "guard" => guard()),
            in_use: gauge!("resilience_permits_in_use", "guard" => guard()),
            waiting: gauge!("resilience_callers_waiting", "guard" => guard()),
            budget_left: gauge!("resilience_retry_budget_left", "guard" => guard()),
        }
    }
}

/// Describes each metric to the recorder.
#[cfg(feature = "metrics")]
fn describe() {
    use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};

    describe_counter!("resilience_attempts_total", "Attempts of guarded calls, by outcome.");
    describe_histogram!(
        "resilience_call_duration_seconds",
        Unit::Seconds,
        "How long guarded calls took, including all attempts and waits."
    );
    describe_counter!("resilience_rejections_total", "Attempts that a policy rejected, by reason.");
    describe_counter!("resilience_timeouts_total", "Attempts that were cut short by a timeout.");
    describe_counter!("resilience_retries_total", "Attempts after the first of their call.");
    describe_counter!(
        "resilience_retries_exhausted_total",
        "Calls that failed after using all their attempts."
    );
    describe_counter!("resilience_hedges_total", "Second attempts alongside a slow first one.");
    describe_counter!(
        "resilience_stale_total",
        "Outcomes that arrived after the circuit breaker had changed."
    );
    describe_counter!(
        "resilience_breaker_changes_total",
        "Changes of the circuit breaker, by its new state."
    );
    describe_gauge!(
        "resilience_breaker_open",
        "1 while the circuit breaker is open, 0.5 while it is half-open, 0 while it is closed."
    );
    describe_gauge!("resilience_permits_in_use", "Permits of the bulkhead that are in use.");
    describe_gauge!("resilience_callers_waiting", "Callers waiting for a permit or a token.");
    describe_gauge!("resilience_retry_budget_left", "Retries that the budget has left.");
}

#[cfg_attr(
    not(all(feature = "metrics", feature = "tracing")),
    allow(unused_variables, clippy::unused_self, reason = "only the two features use them")
)]
impl Observer {
    pub(super) fn new(guard: Arc<str>) -> Self {
        Self {
            #[cfg(feature = "metrics")]
            handles: Handles::new(&guard),
            guard,
        }
    }

    pub(super) fn name(&self) -> &Arc<str> {
        &self.guard
    }

    pub(super) fn attempted(&self, outcome: Outcome) {
        #[cfg(feature = "metrics")]
        self.handles.attempts[outcome as usize].increment(1);
    }

    pub(super) fn called(&self, begun: Time, ending: Ending) {
        #[cfg(feature = "metrics")]
        {
            let ending = match ending {
                Ending::Outcome(outcome) => outcome as usize,
                Ending::Rejected => 5,
            };
            self.handles.durations[ending].record(crate::sync::now().since(begun));
        }
    }

    pub(super) fn rejected(&self, reason: Reason) {
        #[cfg(feature = "metrics")]
        metrics::counter!("resilience_rejections_total", "guard" => self.guard.to_string(), "reason" => reason.code())
            .increment(1);
        #[cfg(feature = "tracing")]
        tracing::debug!(guard = &*self.guard, reason = reason.code(), "call rejected");
    }

    pub(super) fn retried(&self, attempt: u32) {
        #[cfg(feature = "metrics")]
        self.handles.retries.increment(1);
        #[cfg(feature = "tracing")]
        tracing::debug!(guard = &*self.guard, attempt, "call retried");
    }

    /// No further attempt was made because the call had reached its own limits. No policy rejected anything.
    pub(super) fn exhausted(&self) {
        #[cfg(feature = "metrics")]
        self.handles.exhausted.increment(1);
    }

    #[cfg(feature = "metrics")]
    pub(super) fn budget_left(&self, left: u64) {
        self.handles.budget_left.set(left as f64);
    }

    pub(super) fn hedged(&self) {
        #[cfg(feature = "metrics")]
        self.handles.hedges.increment(1);
        #[cfg(feature = "tracing")]
        tracing::debug!(guard = &*self.guard, "call hedged");
    }

    pub(super) fn timed_out(&self) {
        #[cfg(feature = "metrics")]
        self.handles.timeouts.increment(1);
    }

    pub(super) fn permit_taken(&self) {
        #[cfg(feature = "metrics")]
        self.handles.in_use.increment(1);
    }

    pub(super) fn permit_returned(&self) {
        #[cfg(feature = "metrics")]
        self.handles.in_use.decrement(1);
    }

    /// Counts a waiting caller until the value is dropped.
    pub(super) fn waiting(&self) -> Waiting<'_> {
        #[cfg(feature = "metrics")]
        self.handles.waiting.increment(1);
        Waiting(self)
    }

    pub(super) fn stale(&self) {
        #[cfg(feature = "metrics")]
        self.handles.stale.increment(1);
    }

    pub(super) fn forced(&self, forced: Forced) {
        #[cfg(feature = "tracing")]
        tracing::warn!(guard = &*self.guard, forced = ?forced, "circuit breaker forced");
    }

    pub(super) fn changed(&self, transition: Transition) {
        if transition.from != transition.to {
            self.entered(transition);
        }
    }

    fn entered(&self, Transition { from, to }: Transition) {
        #[cfg(feature = "metrics")]
        {
            let guard = self.guard.to_string();
            metrics::counter!("resilience_breaker_changes_total", "guard" => guard, "to" => to.code())
                .increment(1);
            self.handles.open.set(match to {
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

/// A waiting caller.
#[derive(Debug)]
#[cfg_attr(not(feature = "metrics"), allow(dead_code, reason = "only metrics use it"))]
pub(super) struct Waiting<'a>(&'a Observer);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        #[cfg(feature = "metrics")]
        self.0.handles.waiting.decrement(1);
    }
}
