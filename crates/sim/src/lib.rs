//! Whole nodes in one thread under a seed: the real `driver`, `node`, `consensus`, `shard`, log and body file over
//! a simulated disk and clock.
//!
//! ```text
//!   seed ─► Schedule ─► Input ─► Driver ─► Effect ─► Machine: log, bodies and state over MemoryDisk
//!              ▲                            │
//!              └── clients, disk delays, ◄──┘      crashes at any operation of the disk, unsynced writes
//!                  deadlines, clock steps          lost or torn; then a start from what is left
//! ```
//!
//! After each restart and at its end, a run checks the promises in [`checkers`]. A run counts only if it
//! crashed after at least ten acknowledgements. A seed that fails replays exactly.
//!
//! | module | what it holds |
//! |---|---|
//! | [`machine`] | one computer: disks, clocks, and the process that runs on it, if any |
//! | [`process`] | the running node with its threads, as steps of the driver |
//! | [`disk`] | a simulated disk on which a mutant may make syncs do nothing |
//! | [`clients`] | the clients: each sends one command at a time and retries it until it has an outcome |
//! | [`ledger`] | what was acknowledged, and which requests have no outcome yet |
//! | [`checkers`] | the promises, one in each file |
//! | [`run`] | one seed from beginning to end |

pub mod checkers;
pub mod clients;
pub mod disk;
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
