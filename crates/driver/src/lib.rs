//! Everything between a node and its disks, without threads: what is done for each output of the node, in which
//! order, and what each thread does with a job.
//!
//! ```text
//!                    Effect, in order                 a job at a time
//!   Input ──► Driver ──────► LogJob ────────────────► LogWork      write, one sync for all, mark, purge
//!   Report ─►   │  Node      FlushJob ──────────────► FlushWork    sync bodies, then flush the state
//!   check ──►   │  Bodies    CompactJob ────────────► CompactWork  merge tables, rewrite a body segment
//!               ├──────────► ReactJob ──────────────► ReactWork     read events for reactions
//!               ├──────────► BodyWrite ─────────────► its `run`    write bodies that were left for later
//!               └──────────► Show, then outcomes, Wait, Stopped ...
//! ```
//!
//! `runtime` runs the five kinds of work on threads of their own, and the simulator runs them in one thread under
//! a seed, with a crash between any two steps. Both use this code, so the order that the simulator tests is the
//! order that ships:
//!
//! - a result leaves only after the log write that holds its entry is durable;
//! - readers see a state only after the bodies that it refers to are appended, and before anyone is told;
//! - a flush syncs the bodies before it makes the state durable, and the log is purged only after both;
//! - after any failure nothing more is answered.
//!
//! | module | what it holds |
//! |---|---|
//! | [`driver`] | the node, the end of the body file, and what follows from each output |
//! | [`chores`] | what is checked every second: body compaction, spare log segments, the state's backlog |
//! | [`log_work`] | the log thread's work |
//! | [`flush_work`] | the flush thread's work |
//! | [`compact_work`] | the compaction thread's work |
//! | [`react_work`] | the reaction thread's work |
//! | `reactions` | when reactions have something to do |
//! | [`snapshot`] | what a backup holds |
//! | [`archive`] | what an archive reads of the log |
//! | [`report`] | what the work reports back, and why a node ends |

pub mod archive;
mod backoff;
pub mod chores;
pub mod compact_work;
pub mod driver;
pub mod flush_work;
pub mod log_work;
pub mod react_work;
mod reactions;
pub mod report;
pub mod snapshot;

pub use compact_work::{BodyRewrite, CompactJob, CompactWork};
pub use driver::{Driver, Effect, Input};
pub use flush_work::{FlushJob, FlushWork};
pub use log_work::{LogJob, LogWork, Synced};
pub use react_work::{Cursors, ReactJob, ReactWork, WriteTask};
pub use report::{Attempt, DiskFailure, Halted, Reacted, Report};

/// The built-in engine over a disk and a state.
pub type Engine<D, S> = node::RaftEngine<S, node::GroupLog<D>>;
