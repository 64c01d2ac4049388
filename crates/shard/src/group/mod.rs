//! Groups: tasks of any queues that belong together.
//!
//! ```text
//!   create ──► open ──► done: `then` is enqueued
//!               │  ▲
//!               ▼  └── a dead letter is replayed
//!             failed: all members have ended, and some are dead or cancelled
//! ```
//!
//! A group counts its members in its own row, and each task knows its place in its group. A task that ends, is replayed
//! or is removed leaves a [`Step`] in the overlay. At the end of each command these steps are taken, and what follows is
//! enqueued. So a group is never behind its tasks, whatever has ended them.
//!
//! | module | what it holds |
//! |---|---|
//! | [`create`] | the command |
//! | [`step`] | what the end of a task means for its group, and for the groups around it |

pub(crate) mod create;
pub(crate) mod step;
#[cfg(test)]
mod tests;

use crate::damage::{bad_row, contradiction};
use format::row::{GroupKeys, GroupPlace, GroupRow};
use model::{View, ViewError};

/// What has happened to a member of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) place: GroupPlace,
    pub(crate) to: Standing,
}

/// How a member stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It is unfinished again.
    Open,
    Done,
    /// Dead or cancelled.
    Failed,
    /// Nothing of it is kept any more. How it stood still counts.
    Gone,
}

/// A group's row, which is there as long as a member of it is kept.
pub(crate) fn load(view: &impl View, group: GroupKeys) -> Result<GroupRow, ViewError> {
    let value = view.get(&group.group())?.ok_or_else(|| contradiction("a member's group has no row"))?;
    GroupRow::decode(&value).map_err(|error| bad_row("group row", error))
}

/// How a group stands as a whole.
pub(crate) const fn standing(row: &GroupRow) -> Standing {
    if row.done == row.members {
        Standing::Done
    } else if row.done + row.failed == row.members {
        Standing::Failed
    } else {
        Standing::Open
    }
}
