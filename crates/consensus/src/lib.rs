//! One group's replication as a step machine: entries and messages in; log writes, messages and committed
//! entries out.
//!
//! ```text
//!      propose(entry)   receive(message)   tick      synced(ticket)
//!   caller ────────────────────┴─────────────┴──► Group ◄──────────── caller
//!                                                   │ take(log)
//!            ┌──────────────────────────────────────┼───────────────────────┐
//!     Work.write: entries and hard state     Work.messages: to       Work.committed: entries to
//!     to be made durable under a ticket      other replicas          apply, in order, only ever
//!                                                                    durable ones
//! ```
//!
//! The contract: after any call, call [`Group::take`] until it returns `None`, do the writes it returns, and
//! report each ticket with [`Group::synced`], in order, once it is durable. Send the messages; any of them
//! may be lost. This replica's own vote for an entry counts only after the entry's write was reported, and
//! messages that promise something durable come out only then.
//!
//! Replication is done by `raft-rs` (TiKV's port of etcd's Raft), which is a step machine too. No other crate
//! names it, and none of its types leave this crate: entries, hard states, messages and memberships have
//! types of our own. This crate knows no disk, clock or thread, and does not know what an entry means.
//!
//! | module | what it holds |
//! |---|---|
//! | [`group`] | the step machine |
//! | [`options`] | what it starts from |
//! | [`work`] | what it needs done |
//! | [`message`] | messages between replicas, and entries |
//! | [`recent`] | what Raft may read of the log |
//! | `convert` | our types to those of the Raft library and back |
//!
//! So far a node has groups of one replica, which send no messages and need no ticks. There is no snapshot
//! yet, so a replica can follow only if the leader's log still holds the entries after its last.

mod convert;
pub mod group;
pub mod message;
pub mod options;
pub mod recent;
pub mod work;

pub use group::{Group, GroupError};
pub use message::{LogEntry, Message, MessageBody, Round, Vote};
pub use options::{GroupOptions, Logged};
pub use recent::{LogView, LogViewError};
pub use work::{Committed, LogWrite, Ticket, Work};
