//! The policies that keep a failing dependency from becoming a failing service: circuit breaker, bulkhead,
//! retry with a budget, timeout, rate limit, hedge, load shedding and outlier ejection.
//!
//! # The shape
//!
//! Each policy is a pure decision. Its module has the same names: `Config` says the rules, `State` is what is
//! remembered, and [`Decide`] has the two questions:
//!
//! ```text
//!   config.ask (&mut state, input, request)             ->  Admit(ticket) | Wait { until } | Deny { by, retry_at }
//!   config.tell(&mut state, input, ticket, outcome, n)  ->  Counted | Stale | Changed(what)
//! ```
//!
//! `input` holds the time and a random number: nothing here reads a clock, draws chance, locks, waits or
//! allocates without bound. So a decision can be tested with a table, simulated under a seed, and taken inside a
//! replicated state machine, where each replica must come to the same answer: integers only, and states that
//! can be written and read (feature `serde`).
//!
//! | module | asks | feature |
//! |---|---|---|
//! | [`breaker`] | is this dependency fit to be called? | |
//! | [`retry`] | is another attempt safe, and may it help? | |
//! | [`budget`] | how large a share of the calls may be extra attempts? | |
//! | [`hedge`] | is it time for a second attempt beside a slow first? | |
//! | [`timeout`] | how long may this take, and what is left for those further in? | |
//! | [`fallback`] | may another answer stand in for this one? | |
//! | [`registry`] | which breaker is this key's? | |
//! | [`bulkhead`] | is a permit free, or a place in line? | |
//! | [`shed`] | is the request important enough for this load? | |
//! | [`outlier`] | is this host among the ones that fail? | |
//! | [`rate`] | do so many permits fit into the rate? | |
//! | [`window`] | what came of the last calls, or of the last seconds? | |
#![cfg_attr(not(any(test, feature = "cell")), no_std)]

extern crate alloc;

pub mod breaker;
pub mod budget;
pub mod bulkhead;
#[cfg(feature = "cell")]
pub mod cell;
#[cfg(test)]
mod chance;
pub mod contract;
pub mod fallback;
#[cfg(feature = "async")]
pub mod guard;
pub mod hedge;
pub mod outlier;
pub mod policy;
pub mod rate;
pub mod registry;
pub mod retry;
pub mod shed;
pub mod timeout;
#[cfg(feature = "tower")]
pub mod tower;
#[cfg(test)]
mod walk;
pub mod window;

pub use contract::{Answer, By, Decide, Input, Invalid, Outcome, Time, Told};
