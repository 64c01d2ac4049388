//! The node as a step machine: what goes in, and what comes out. One binary, because each would compile the node once more
//! for the replies of its tests.
//!
//! | module | what it holds |
//! |---|---|
//! | `step` | the outputs of each step, and their order |
//! | `claims` | claims that wait |
//! | `own_commands` | the commands that a node proposes on its own |
//! | `pressure` | a state whose disk work lags |
//! | `sizes` | the estimated sizes of commands |
//! | `two_groups` | two groups in one node |
//! | `replicas` | a node whose two peers are played by the test |
//! | `engine` | what each report of an engine means |
//! | `engines` | what every engine must do |
//! | `samples`, `numbers`, `empty_log` | what is written; replies that are numbers; a log that holds nothing |
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may end by a panic")]

mod claims;
mod empty_log;
mod engine;
mod engines;
mod numbers;
mod own_commands;
mod pressure;
mod replicas;
mod samples;
mod sizes;
mod step;
mod two_groups;
