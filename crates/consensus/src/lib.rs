//! One group's replication as a step machine: entries in; log writes and committed entries out.
//!
//! ```text
//!             propose(entry)                   synced(ticket)
//!   caller ───────────────────► Group ◄──────────────────────── caller
//!                                 │ take(log)
//!            ┌────────────────────┴─────────────────────┐
//!     Work.write: entries and hard state         Work.committed: entries to apply, in order,
//!     to be made durable under a ticket          only ever durable ones
//! ```
//!
//! The contract: after any call, [`Group::take`] until it returns nothing, write what it gives and report
//! each ticket with [`Group::synced`] once it is durable, in order. An entry is committed only after its own
//! write has been reported; this crate never lets an entry be applied before its own log has it.
//!
//! Replication is `raft-rs` (TiKV's port of etcd's Raft), a step machine itself. No other crate names it, and
//! none of its types cross this crate's edge: entries, hard states and memberships have types and codecs of
//! ours. This crate knows no disk, clock or thread, and not what an entry means.
//!
//! So far a group has one replica: it sends no messages and needs no ticks. Messages and membership changes
//! come with the second replica, at this same seam.

mod group;
mod recent;

pub use group::{Committed, Group, GroupError, GroupOptions, LogWrite, NewEntry, Ticket, Work};
pub use recent::{LogView, LogViewError};
