//! Each policy of `mainstay-resilience` against the failure it is for: `mainstay demo`.
//!
//! An experiment starts real HTTP services on loopback, offers them a load, and makes something go wrong; first
//! without the policy, then with it, under the same load from the same seed. A service's capacity is workers and
//! sleep, so that the figures say something about the policy and little about the machine.
//!
//! | module | what goes wrong | what helps |
//! |---|---|---|
//! | `slow_dependency` | one of two dependencies hangs | a bulkhead for each |
//! | `tail` | two answers in a hundred are slow | a hedge |
//!
//! What they are made of is in `harness`; what an experiment is, in [`experiment`].

pub mod experiment;
mod harness;
mod slow_dependency;
mod tail;

pub use experiment::{Experiment, Half, Side, wrapped};
pub use harness::Trouble;

/// All of them, in the order in which they are best read.
pub const ALL: [Experiment; 2] = [slow_dependency::EXPERIMENT, tail::EXPERIMENT];

/// The one of that name.
#[must_use]
pub fn find(name: &str) -> Option<Experiment> {
    ALL.into_iter().find(|experiment| experiment.name == name)
}
