//! Policies that keep a failing dependency from becoming a failing service: circuit breaker, bulkhead, retry
//! with a budget, timeout, rate limit, hedge, load shedding and outlier ejection.
//!
//! # Decisions
//!
//! Each policy is a pure decision, and all of them have the same shape. `Config` holds the rules and is built
//! with setters, `State` is what the policy remembers, and [`Decide`] has two functions:
//!
//! ```text
//!   config.ask (&mut state, input, request)             ->  Admit(ticket) | Wait { until } | Reject(rejected)
//!   config.tell(&mut state, input, ticket, outcome, n)  ->  Counted | Stale | Changed(change)
//! ```
//!
//! `input` holds the time and a random number. A decision reads no clock, generates no random numbers, takes
//! no lock, does not wait, and uses bounded memory. It can therefore be tested with a table, simulated under
//! a seed, and made inside a replicated state machine, where every replica must decide the same: it computes
//! in integers, and its state can be serialized (feature `serde`).
//!
//! ```
//! use mainstay_resilience::{Decide, Input, Outcome, Time, breaker};
//!
//! let config = breaker::Config::new().consecutive_failures(3);
//! let mut state = config.state();
//! let mut calls = 0;
//! for tenth in 0..10 {
//!     let input = Input { now: Time::from_millis(tenth * 100), random: 0 };
//!     // Ask, call, tell. This dependency is down.
//!     if let Some(ticket) = config.ask(&mut state, input, breaker::Request::default()).admitted() {
//!         calls += 1;
//!         config.tell(&mut state, input, ticket, Outcome::Failure, 1);
//!     }
//! }
//! assert_eq!(calls, 3, "three failures in a row open the breaker");
//! ```
//!
//! | module | decides |
//! |---|---|
//! | [`breaker`] | whether a dependency is healthy enough to be called |
//! | [`registry`] | which breaker a key uses |
//! | [`bulkhead`] | whether a permit is free, or a place in the queue |
//! | [`shed`] | whether a request is important enough for the present load |
//! | [`rate`] | whether the rate limit has tokens left |
//! | [`retry`] | whether another attempt is safe and may help |
//! | [`budget`] | whether extra attempts are still a small enough share of the calls |
//! | [`hedge`] | whether it is time for a second attempt alongside a slow first one |
//! | [`outlier`] | whether a host fails more than its peers |
//! | [`timeout`] | how long an attempt may take, and how much time is left for dependencies |
//! | [`fallback`] | whether a good-enough result may be used |
//! | [`policy`] | all of these for one dependency, from one configuration, in the right order |
//! | [`window`] | (used by others) the outcomes of the last N calls, or of the last N seconds |
//!
//! Cargo features add layers around the decisions: `sync` for threads, `async` for futures on tokio
//! (`guard::Guard`), `tower` for services (`tower::GuardLayer`), and `reqwest` for its requests
//! (`Guard::send`). `metrics` and `tracing` report what happens, and `serde` serializes configurations,
//! states and snapshots.
//!
//! docs/tests.md in the repository lists the classic bugs of such libraries with the test for each, and the
//! mutants that survive.
#![cfg_attr(not(any(test, feature = "sync")), no_std)]
#![warn(missing_docs)]

extern crate alloc;

#[cfg(all(doctest, feature = "serde", feature = "tower", feature = "reqwest"))]
#[doc = include_str!("../README.md")]
pub mod readme {}

pub mod breaker;
pub mod budget;
pub mod bulkhead;
mod config;
mod contract;
pub mod fallback;
#[cfg(feature = "async")]
pub mod guard;
pub mod hedge;
#[cfg(any(feature = "tower", feature = "reqwest"))]
mod http_rules;
pub mod outlier;
pub mod policy;
pub mod rate;
pub mod registry;
#[cfg(feature = "reqwest")]
pub mod reqwest;
pub mod retry;
pub mod shed;
#[cfg(feature = "sync")]
pub mod sync;
#[cfg(test)]
mod test_rng;
pub mod timeout;
#[cfg(feature = "tower")]
pub mod tower;
pub mod window;

pub use contract::{ConfigError, Decide, Decision, Input, Outcome, Reason, Recorded, Rejected, Time};
