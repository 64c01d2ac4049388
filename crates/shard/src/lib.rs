//! One shard's state machine: the core of Mainstay.
//!
//! [`Shard::apply`] takes an entry and a view of the state, and returns outcomes, bodies, a write set and
//! effects. It is a pure function of the two: the same entries give the same bytes on every machine and in
//! every replay, and an abandoned apply leaves no trace. [`query`] holds the reads, and [`Agenda`] knows what
//! the node must propose on its own.
//!
//! The first comment of each command's file states its rule:
//!
//! | file | command |
//! |---|---|
//! | `stream/append.rs` | append a batch to one stream |
//! | `stream/settings.rs` | set what a stream keeps |
//! | `stream/delete.rs` | remove a stream's events |
//! | `stream/expire.rs` | remove events older than `max_age` |
//! | `transaction.rs` | checks and writes, together or not at all |
//! | `queue/enqueue.rs`, `claim.rs`, `settle.rs` | durable tasks: add, claim for a time, and settle |
//! | `queue/cancel.rs`, `dead_letter.rs`, `settings.rs` | cancel a task; replay or drop a dead one; settings |
//! | `queue/advance.rs` | end expired claims, make delayed tasks ready, remove finished ones |
//! | `fair/put.rs`, `delete.rs` | set the weight of a tenant of a queue, or forget it |
//! | `reaction/put.rs`, `reaction/delete.rs` | create, change or remove a reaction |
//! | `reaction/react.rs` | enqueue tasks for events, and remember how far that has come |
//! | `token/change.rs` | create or revoke a token, or record its use |
//! | `token/audit.rs` | apply an administrator's command, and tell the audit stream of it |
//! | `clean_up.rs` | delete the rows of removed events |
//! | `expire_records.rs` | delete expired idempotency records |
//! | `lease/acquire.rs` | grant a lease, or let the holder wait for its turn |
//! | `lease/renew.rs` | restart the time of a lease |
//! | `lease/release.rs` | give a lease back |
//! | `lease/withdraw.rs` | stop waiting for a lease |
//! | `lease/expire.rs` | hand over leases that have expired |
//! | `limit/put.rs`, `delete.rs` | replace or remove a limit |
//! | `limit/advance.rs` | let tasks go on whose limits allow it again |
//! | `breaker/put.rs`, `delete.rs`, `control.rs` | replace a breaker's settings, remove it, hold it open or closed |
//! | `breaker/ask.rs`, `record.rs` | ask for a permit where a probe may be free; record outcomes of calls |
//! | `value/put.rs` | replace a value's content |
//! | `value/delete.rs` | remove a value |
//! | `execution/begin.rs` | say whether the work under an idempotency key is new, in progress, or done |
//! | `execution/complete.rs`, `abandon.rs` | store its response; free the key |
//! | `execution/expire.rs` | free the keys whose time is over |
//! | `schedule/put.rs`, `put_set.rs`, `delete.rs` | put a schedule, or all of an owner; remove one |
//! | `schedule/control.rs` | pause and resume a schedule, fire it now, make up for the past |
//! | `schedule/advance.rs` | let a schedule do what is due |
//!
//! What a restored store changes in its state is in `restore.rs`.
//!
//! The rules that they share are in `stream/duplicates.rs`, `stream/retention.rs`,
//! `lease/state.rs`, `lease/queue.rs` and `idempotency.rs`.
//!
//! This crate knows no clock, no thread, no disk, no network, no Raft, no randomness and no unordered map.
#![no_std]
extern crate alloc;
#[cfg(test)]
extern crate std;

mod agenda;
mod breaker;
mod clean_up;
mod damage;
mod erasure;
mod execution;
mod expire_records;
mod fair;
mod group;
mod heads;
mod idempotency;
mod json;
mod lease;
mod limit;
mod oldest;
mod overlay;
pub mod query;
mod queue;
mod reaction;
pub mod restore;
mod revisions;
mod schedule;
mod shard;
mod stream;
#[cfg(test)]
mod testing;
mod token;
mod transaction;
mod value;

pub use agenda::{Agenda, Deadlines, DueSchedule};
pub use shard::{Applied, BEHAVIOUR, Shard, ShardOptions, knows};
