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
//! A run checks the promises in [`checkers`] all the time. Every outcome, and everything that readers and followers
//! see, is compared with a simple model that applies the entries of the log. A run counts only if it crashed after
//! at least ten acknowledgements. A seed that fails replays exactly.
//!
//! | module | what it holds |
//! |---|---|
//! | [`machine`] | one computer: disks, clocks, and the process that runs on it, if any |
//! | [`process`] | the running node with its threads, as steps of the driver |
//! | [`disk`] | a simulated disk on which a mutant may make syncs do nothing |
//! | [`limits`] | the limits of the node, often tiny |
//! | [`clients`] | the clients: orderly ones, and some whose commands are drawn |
//! | [`followers`] | readers that stay: slow, filtered, restarted, overtaken by retention |
//! | [`backup`] | a backup that is taken while the node goes on, and restored on another machine |
//! | [`damage`] | flipped bits on the disk of a stopped node |
//! | [`reference`] | the model of all outcomes, fed with what the node logs |
//! | [`ledger`] | what was acknowledged, and which requests have no outcome yet |
//! | [`checkers`] | the promises, one in each file |
//! | [`world`] | one run: what happens when, and what is checked then |
//! | [`reply`] | who waits for the outcome of a request |
//! | [`run`] | the options and the report of a run |

pub mod backup;
pub mod checkers;
pub mod clients;
pub mod content;
pub mod damage;
pub mod disk;
pub mod followers;
pub mod ledger;
pub mod limits;
pub mod machine;
pub mod mutant;
pub mod process;
pub mod reference;
pub mod reply;
pub mod run;
pub mod schedule;
pub mod state;
pub mod trace;
pub mod unread;
pub mod world;

pub use mutant::Mutant;
pub use run::{Failure, Report, RunOptions, run};
