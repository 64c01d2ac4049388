//! What every engine must do, and two engines that do it: the built-in one, and one that applies entries to a
//! view of a database and then stores them there.
//!
//! | module | what it holds |
//! |---|---|
//! | `conformance` | the suite, for any engine |
//! | `raft` | the built-in engine |
//! | `database` | an engine on a database in memory, whose view has nothing at hand at first |
//! | `promises` | the tests |
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may end by a panic")]

mod conformance;
#[cfg(test)]
mod database;
#[cfg(test)]
#[path = "../numbers/mod.rs"]
mod numbers;
#[cfg(test)]
mod promises;
#[cfg(test)]
mod raft;
