//! Threads, disks and clocks for a node, and the handle that the rest of a process holds.
//!
//! ```text
//!   current-thread runtime                         threads
//!   ┌────────────────────────────────────┐   ┌────────────────────────────────────────────┐
//!   │ http tasks ── Handle ─► mailbox ─► │   │ log      write, fdatasync once for all     │
//!   │ NodeTask: the driver, its effects  │◄─►│ flush    bodies and state; next segments   │
//!   └────────────────────────────────────┘   │ compact  state; bodies; free what is old   │
//!                                            │ bodies   write what appending left         │
//!                                            │ space    how much the disk has left        │
//!                                            │ reads    pages of bodies, on a snapshot    │
//!                                            └────────────────────────────────────────────┘
//! ```
//!
//! This crate decides nothing about data, nor about order. It turns requests, timers and finished disk work into
//! inputs of [`driver::Driver`], and does its effects in order.

mod archive;
mod backup;
mod disk_threads;
mod handle;
mod node_task;
mod pinned;
mod reads;
mod space;
mod start;
mod store;
mod worker;

pub use archive::CannotArchive;
pub use backup::{Backup, BackupId, CannotBegin};
pub use driver::archive::LogRead;
pub use driver::{DiskFailure, WriteTask};
pub use handle::{Handle, Pending, Phase, Status, Woken};
pub use node::{AskedTime, ClosedTime, Unavailable};
pub use node_task::{Halted, NodeTask};
pub use pinned::{PinnedStore, SegmentFile, SegmentFiles};
pub use reads::{READS_MAX, ReadFailure, Snapshot};
pub use start::{Options, StartError, start};
pub use store::{BodyReader, StateReader};
