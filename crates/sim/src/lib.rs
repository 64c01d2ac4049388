//! Whole nodes in one thread under a seed: the real `node`, `consensus`, `shard`, log and body file over a
//! simulated disk and clock.
//!
//! ```text
//!   seed ─► Schedule ─► Input ─► Node ─► Output ─► Machine: log, bodies and state over MemoryDisk
//!              ▲                            │
//!              └── clients, disk delays, ◄──┘      crashes at any operation of the disk, unsynced writes
//!                  deadlines, clock steps          lost or torn; then a start from what is left
//! ```
//!
//! A run checks after each restart and at its end what [`checkers`] promise. A run counts only when it
//! crashed after at least ten acknowledgements. A seed that fails replays exactly.
//!
//! | module | what it holds |
//! |---|---|
//! | [`machine`] | one computer: disks, clocks, and the process on it, if it runs |
//! | [`process`] | the running node and its log and flush threads, as steps |
//! | [`clients`] | who asks: each does one thing at a time and retries until it has an answer |
//! | [`ledger`] | what was acknowledged, and what a client does not know yet |
//! | [`checkers`] | what must hold, one file a promise |
//! | [`run`] | a seed from begin to end |

pub mod checkers;
pub mod clients;
pub mod ledger;
pub mod machine;
pub mod mutant;
pub mod process;
pub mod run;
pub mod schedule;
pub mod state;
pub mod trace;

pub use mutant::Mutant;
pub use run::{Failure, Report, RunOptions, run};
