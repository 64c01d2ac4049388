//! Each policy of `mainstay-resilience` against the failure that it is made for: `mainstay demo`.
//!
//! An experiment starts real HTTP services on loopback, sends them requests, and makes something fail. It does so
//! twice with the same requests, drawn from the same seed: without the policy, then with it. A service's capacity
//! depends on workers and sleep, so the results say something about the policy and little about the machine.
//!
//! | module | what fails | what helps |
//! |---|---|---|
//! | `cascade` | a dependency hangs and takes its callers down | timeouts and circuit breakers |
//! | `slow_dependency` | one of two dependencies hangs | a bulkhead for each |
//! | `retry_storm` | retries keep a service down after a pause | a retry budget and jitter |
//! | `tail` | two responses in a hundred are slow | hedging |
//! | `recovery` | returning traffic crashes a recovering service | probes and a ramp |
//! | `overload` | twice the capacity is requested | an adaptive limit and load shedding |
//!
//! [`experiment`] says what an experiment is, [`half`] what one run of it measures, and [`report`] how both are
//! shown. `harness` has the services, the load and the statistics.

mod cascade;
pub mod experiment;
pub mod half;
mod harness;
mod overload;
mod recovery;
pub mod report;
mod retry_storm;
mod slow_dependency;
mod tail;

pub use experiment::Experiment;
pub use half::Half;
pub use harness::SetupError;
pub use harness::outgoing::Side;

/// All experiments, in the order in which they are best read.
pub const ALL: [Experiment; 6] = [
    cascade::EXPERIMENT,
    slow_dependency::EXPERIMENT,
    retry_storm::EXPERIMENT,
    tail::EXPERIMENT,
    recovery::EXPERIMENT,
    overload::EXPERIMENT,
];

/// The experiment with a name.
#[must_use]
pub fn find(name: &str) -> Option<Experiment> {
    ALL.into_iter().find(|experiment| experiment.name == name)
}

/// The pages of docs/patterns: their Rust is compiled with the doc tests.
#[cfg(doctest)]
mod pages {
    #[doc = include_str!("../../docs/patterns/README.md")]
    mod front {}
    #[doc = include_str!("../../docs/patterns/bulkhead.md")]
    mod bulkhead {}
    #[doc = include_str!("../../docs/patterns/circuit-breaker.md")]
    mod circuit_breaker {}
    #[doc = include_str!("../../docs/patterns/hedging.md")]
    mod hedging {}
    #[doc = include_str!("../../docs/patterns/rate-limits-and-shedding.md")]
    mod rate_limits_and_shedding {}
    #[doc = include_str!("../../docs/patterns/retry-and-idempotency.md")]
    mod retry_and_idempotency {}
    #[doc = include_str!("../../docs/patterns/timeouts-and-deadlines.md")]
    mod timeouts_and_deadlines {}
}
