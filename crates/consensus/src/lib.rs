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
//! The contract: after any call, call [`Group::take`] until it returns `None`, do the writes it returns, and
//! report each ticket with [`Group::synced`], in order, once it is durable. An entry is committed only after
//! its own write was reported, so no entry is applied before it is durable in the log.
//!
//! Replication is done by `raft-rs` (TiKV's port of etcd's Raft), which is a step machine too. No other crate
//! names it, and none of its types leave this crate: entries, hard states and memberships have types and
//! encodings of our own. This crate knows no disk, clock or thread, and does not know what an entry means.
//!
//! So far a group has one replica, which sends no messages and needs no ticks. Messages and membership
//! changes will come with the second replica, in this same interface.

mod group;
mod recent;

pub use group::{Committed, Group, GroupError, GroupOptions, LogWrite, NewEntry, Ticket, Work};
pub use recent::{LogView, LogViewError};
