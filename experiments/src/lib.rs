//! Each policy of `mainstay-resilience` against the failure it is for: `mainstay demo`.
//!
//! An experiment starts real HTTP services on loopback, offers them a load, and makes something go wrong; first
//! without the policy, then with it, under the same load from the same seed. A service's capacity is workers and
//! sleep, so that the figures say something about the policy and little about the machine.
//!
//! | module | what goes wrong | what helps |
//! |---|---|---|
//! | `cascade` | a dependency dies, and its callers' callers with it | time-out and breaker |
//! | `slow_dependency` | one of two dependencies hangs | a bulkhead for each |
//! | `retry_storm` | retries keep a service down after a hiccup | a retry budget, and jitter |
//! | `tail` | two answers in a hundred are slow | a hedge |
//! | `recovery` | the returning crowd kills a convalescent service | probes, and a ramp |
//! | `overload` | twice the capacity is asked for | a limit that finds itself, and shedding |
//!
//! What they are made of is in `harness`; what an experiment is, in [`experiment`].

mod cascade;
pub mod experiment;
mod harness;
mod overload;
mod recovery;
mod retry_storm;
mod slow_dependency;
mod tail;

pub use experiment::{Experiment, Half, Side, wrapped};
pub use harness::Trouble;

/// All of them, in the order in which they are best read.
pub const ALL: [Experiment; 6] = [
    cascade::EXPERIMENT,
    slow_dependency::EXPERIMENT,
    retry_storm::EXPERIMENT,
    tail::EXPERIMENT,
    recovery::EXPERIMENT,
    overload::EXPERIMENT,
];

/// The one of that name.
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
