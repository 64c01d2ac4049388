//! Task queues: durable work that waits for workers.
//!
//! ```text
//!                 ┌─────────────── time has come ───────────┐
//!   enqueue ──► delayed ──┐                                 │
//!      │                  ├──► ready ──► running ──► done   │
//!      ├──────────────────┘      ▲          │ ├────► dead   │ (a dead letter)
//!      └─────► blocked ──────────┘          │ └────► cancelled
//!              (an earlier task             └──► delayed ───┘ or ready: deferred, returned, failed, lost
//!               has its key)
//! ```
//!
//! A task is found by its position. Tasks that can be claimed are also in the ready rows: by type, then by lane, then
//! in the order in which they became ready. So a claim reads only tasks that it can have. A task that becomes ready
//! gets a new position for that, greater than any before it, and each lane remembers where its first task is; so a
//! claim never passes over deleted rows.
//!
//! | module | what it holds |
//! |---|---|
//! | [`tally`] | a queue's own row and the counts of its types, during one command |
//! | [`task`] | one task, and how it moves from state to state |
//! | [`gates`], [`payload`] | which limits hold for a task, and the keys that it has there |
//! | [`cohort`] | ready tasks that have the same gates: they can be claimed, or wait, together |
//! | [`history`] | what a task remembers of its attempts |
//! | [`keys`] | tasks with the same key: one is the head, and the others wait |
//! | [`finished`] | events about tasks that are finished |
//! | [`classes`] | dead letters by the class of their last failure |
//! | [`unique`] | tasks with the same unique key: one makes another unnecessary |
//! | [`enqueue`], [`claim`], [`settle`], [`cancel`], [`dead_letter`], [`replay`], [`change`], [`settings`], [`advance`] | one command each |

pub(crate) mod advance;
pub(crate) mod cancel;
pub(crate) mod change;
#[cfg(test)]
mod change_tests;
pub(crate) mod claim;
pub(crate) mod classes;
pub(crate) mod cohort;
pub(crate) mod dead_letter;
pub(crate) mod enqueue;
mod finished;
mod gates;
pub(crate) mod history;
mod keys;
mod payload;
pub(crate) mod replay;
pub(crate) mod settings;
pub(crate) mod settle;
pub(crate) mod tally;
pub(crate) mod task;
#[cfg(test)]
pub(crate) mod tests;
#[cfg(test)]
mod transaction_tests;
mod unique;

use model::{QueueName, View, ViewError};
use xxhash_rust::xxh3::xxh3_128;

/// A hash of a task's id or key. It is never compared across queues.
pub(crate) fn hash(text: &str) -> u128 {
    xxh3_128(text.as_bytes())
}

/// The id of a queue; `None` if it was never used.
pub(crate) fn id_of(
    view: &impl View,
    queue: &QueueName<'_>,
) -> Result<Option<format::row::QueueKeys>, ViewError> {
    use crate::damage::bad_row;
    use format::row::{QueueKeys, decode_number};
    let slot = queue.slot(model::Namespace::ROOT);
    let Some(value) = view.get(&QueueKeys::name(slot, queue.as_str()))? else { return Ok(None) };
    let id = decode_number(&value).map_err(|error| bad_row("queue id", error))?;
    Ok(Some(QueueKeys { slot, id }))
}
