//! Named limits: how many tasks may run at the same time, or begin in a time, for each key.
//!
//! ```text
//!   task ──► gates (limit, key) ──► cohort: tasks of one type with the same gates
//!                                     │
//!            every gate is open ──────┴────── a gate is closed
//!                    │                               │
//!        index of the type, by turns   ◄─ opens ─   list of the limit's key, first come, first served
//!                    │
//!                  claim: each gate counts the task as running until its claim ends
//! ```
//!
//! A claim looks at cohorts, and never at the tasks of one that waits. So a closed key costs the same, however many
//! tasks it has. When a task of a key ends, or time opens the key, the first cohorts of its lists go on: as many of each
//! list as tasks may begin. They have no right to that yet. The first claim takes what is free, and the others wait
//! again. So a queue without workers holds nothing back from the others.
//!
//! What a key has in use is the number of claims that last: it changes with the state of a task, and nothing else
//! changes it.
//!
//! | file | what it does |
//! |---|---|
//! | `put.rs`, `delete.rs` | replace or remove a limit |
//! | `advance.rs` | let tasks go on whose limits allow it again |
//! | `key.rs` | one key of a limit: what it has in use, and whether it is open |
//! | `list.rs` | the cohorts that wait for a key |
//! | `open.rs` | what happens when a key opens |
//!
//! A queue's breaker is one more gate of its tasks, and stands among the limits under a name that no limit has. Whether it
//! is open is what the breaker says (`breaker/tasks.rs`). Everything else about it is as for a limit.
//!
//! The cohorts themselves are rows of their queue: see `queue/cohort.rs`.

pub(crate) mod advance;
pub(crate) mod delete;
pub(crate) mod key;
pub(crate) mod list;
pub(crate) mod open;
#[cfg(test)]
mod open_tests;
pub(crate) mod put;
#[cfg(test)]
pub(crate) mod tests;

use crate::damage::bad_row;
use crate::overlay::Overlay;
use format::row::{LimitKeys, LimitRow, LimitSubject, LimitTimerKey, encode_part};
use model::{Elapsed, Timer, View, ViewError, gate_breaker, gate_slot, limit_key_hash};

/// Where the rows of a limit are.
pub(crate) fn keys_of(limit: &str) -> LimitKeys {
    LimitKeys { slot: gate_slot(limit), limit: limit_key_hash(limit) }
}

/// A limit's own row; `None` if it does not exist.
pub(crate) fn row(view: &impl View, limit: &str) -> Result<Option<LimitRow>, ViewError> {
    if gate_breaker(limit).is_some() {
        return Ok(None);
    }
    let Some(value) = view.get(&LimitKeys::name(gate_slot(limit), limit))? else { return Ok(None) };
    LimitRow::decode(&value).map(Some).map_err(|error| bad_row("limit row", error))
}

/// Opens all keys of a limit, a few at a time, because its settings have changed.
fn walk<V: View>(limit: &str, row: LimitRow, overlay: &mut Overlay<'_, '_, V>) {
    let keys = keys_of(limit);
    overlay.put(LimitKeys::name(keys.slot, limit), LimitRow { walk: Some(0), ..row }.encode());
    set_timer(keys, limit, overlay.shard.elapsed, LimitSubject::Walk, overlay);
}

fn set_timer<V: View>(
    keys: LimitKeys,
    limit: &str,
    due: Elapsed,
    subject: LimitSubject,
    overlay: &mut Overlay<'_, '_, V>,
) {
    let timer = LimitTimerKey { slot: keys.slot, due, limit: keys.limit, subject };
    overlay.put(timer.encode(), encode_part(limit.as_bytes()));
    overlay.set_timer(keys.slot, Timer::Limits(due));
}
