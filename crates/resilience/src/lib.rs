//! The policies that keep a failing dependency from becoming a failing service: circuit breaker, bulkhead,
//! retry with a budget, timeout, rate limit, hedge, load shedding and outlier ejection.
//!
//! # The shape
//!
//! Each policy is a pure decision. Its module has the same names: `Config` says the rules, `State` is what is
//! remembered, and [`Decide`] has the two questions:
//!
//! ```text
//!   config.ask (&mut state, input, request)             ->  Admit(ticket) | Wait { until } | Deny { reason, retry_at }
//!   config.tell(&mut state, input, ticket, outcome, n)  ->  Counted | Stale | Changed(what)
//! ```
//!
//! `input` holds the time and a random number: nothing here reads a clock, draws chance, locks, waits or
//! allocates without bound. So a decision can be tested with a table, simulated under a seed, and taken
//! inside a replicated state machine, where each replica must come to the same answer: integers only, and
//! states that can be written and read (feature `serde`).
//!
//! ```
//! use mainstay_resilience::{Decide, Input, Outcome, Time, breaker};
//!
//! let config = breaker::Config::new().consecutive_failures(3);
//! let mut state = config.state();
//! let mut called = 0;
//! for tenth in 0..10 {
//!     let input = Input { now: Time::from_millis(tenth * 100), random: 0 };
//!     // Ask, call, tell. This dependency is down.
//!     if let Some(ticket) = config.ask(&mut state, input, breaker::Request::default()).admitted() {
//!         called += 1;
//!         config.tell(&mut state, input, ticket, Outcome::Failure, 1);
//!     }
//! }
//! assert_eq!(called, 3, "and then it is left alone");
//! ```
//!
//! | module | asks |
//! |---|---|
//! | [`breaker`] | is this dependency fit to be called? |
//! | [`registry`] | which breaker is this key's? |
//! | [`bulkhead`] | is a permit free, or a place in the queue? |
//! | [`shed`] | is the request important enough for this load? |
//! | [`rate`] | do so many permits fit into the rate? |
//! | [`retry`] | is another attempt safe, and may it help? |
//! | [`budget`] | how large a share of the calls may be extra attempts? |
//! | [`hedge`] | is it time for a second attempt beside a slow first? |
//! | [`outlier`] | is this host among the ones that fail? |
//! | [`timeout`] | how long may this take, and what is left for those further in? |
//! | [`fallback`] | may something that is good enough answer instead? |
//! | [`policy`] | all of them for one dependency, from one configuration, in the right order |
//! | [`window`] | what came of the last calls, or of the last seconds? |
//!
//! Around them, by feature: `sync::*` (`sync`) for threads, `guard::Guard` (`async`) for futures on tokio,
//! and `tower::GuardLayer` (`tower`) for services. `metrics` and `tracing` let others see; `serde` writes and
//! reads.
//!
//! # The classic bugs, and the test for each
//!
//! | bug | test |
//! |---|---|
//! | probes come as a herd when the open time ends | `a_thousand_callers_at_the_end_of_the_open_time_make_one_probe`; loom: `two_threads_that_meet_an_expired_open_breaker_make_one_probe` |
//! | a half-open place is lost when its caller is dropped, at any await | `a_call_dropped_at_any_await_gives_back_its_permit_its_place_and_its_probe`, `a_probe_whose_caller_vanished_frees_its_place_and_cannot_speak_later` |
//! | a window's rollover loses or keeps too much | `it_decides_as_a_naive_breaker_does_over_millions_of_steps`, `a_time_window_forgets_what_is_older_than_its_length` |
//! | the clock goes back, or leaps a year | `a_clock_that_goes_back_is_held_and_one_that_leaps_a_year_only_forgets`, and one of each policy |
//! | a permit leaks on a panic | `a_panic_gives_back_the_permit_and_counts_as_a_failure` |
//! | a waiter is lost in a race of its wake-up | `a_place_in_the_queue_is_left_by_a_caller_who_gives_up`, `many_tasks_never_exceed_the_permits_and_all_are_served`; loom: `a_permit_that_comes_free_reaches_the_one_who_waits` |
//! | counters overflow | `counters_stay_at_their_largest_value`, and one of each policy |
//! | a configuration of zeros panics or never recovers | `no_configuration_and_no_sequence_of_questions_panics`, and one of each policy |
//! | a count window never slides: after 100,000 successes, 100,000 failures to trip | `a_count_window_slides_however_long_all_went_well` |
//! | a success begun before the trip closes a half-open breaker | `a_success_begun_before_the_trip_does_not_close_a_half_open_breaker` |
//! | half-open admits all | `no_more_probes_than_configured_are_under_way_or_decided_on` |
//! | a panic leaves it half-open for ever | `a_panic_gives_back_the_permit_and_counts_as_a_failure` |
//! | the window is scanned anew with each call | totals are kept as they change: [`window`]; the figures are measured beside others' in `benchmarks/resilience.md` |
//! | a rejection of our own counts as a failure of the dependency | `a_refusal_further_in_is_no_failure_of_the_dependency` |
//!
//! # What mutants survive
//!
//! `cargo mutants` over the decisions (`--features serde`, the tests of each policy against its own mutants)
//! leaves these, and each changes nothing that can be told from outside:
//!
//! | place | mutant | why it lives |
//! |---|---|---|
//! | `breaker/state.rs`, `tell` | `sources_min > 1` becomes `>= 1` | with one source needed, noting it decides nothing |
//! | `rate/mod.rs`, `later` | `until > now` becomes `>=` | a permit that is ready now was granted before |
//! | `rate/*.rs`, `outlier/state.rs`, `bulkhead/state.rs`, `state` | becomes `Default::default()` | it is the same state |
//! | `hedge.rs`, `Histogram::bucket` and `end` | `< 16` becomes `<= 16` | both branches agree at 16 |
//!
//! Not judged: `bulkhead/limiter.rs`, whose mutants make its simulations run past the time that a mutant is
//! given; the second half of `bulkhead/state.rs`; the last of `hedge.rs`. Mutants of these made by hand were
//! all caught.
//!
//! Functions that serve the cells alone are judged by the tests of the cells and of the guard. Of these,
//! `bucket_end` becoming 0 lives: it only makes a cell slower. `admit_next`, mutated, leaves those in the
//! queue waiting, so the guard's tests hang: that is how they say so.
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
