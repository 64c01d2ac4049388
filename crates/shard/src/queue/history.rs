//! What a task remembers of its attempts.
//!
//! *Each attempt that has failed, and each that was given back, is remembered with its worker, its begin and its end: the
//! last ones of both kinds.* The attempt that completes a task is remembered in the task's row, so that most tasks have
//! no further row.

use crate::damage::{bad_row, contradiction};
use crate::overlay::Overlay;
use crate::queue::tally::Queue;
use crate::queue::task::Task;
use alloc::borrow::ToOwned;
use alloc::vec::Vec;
use format::row::{AttemptEnd, AttemptRow, ClaimPart, FailureRow, QueueKeys, TaskPart};
use model::{View, ViewError, Wall, limits};

/// An attempt that has failed, or a task that could not begin one.
pub(crate) struct Ended<'a> {
    pub(crate) worker: &'a str,
    pub(crate) started: Wall,
    pub(crate) class: &'a str,
    pub(crate) detail: &'a [u8],
}

impl Task {
    /// Remembers a failed attempt, and forgets the oldest one if there are too many.
    pub(crate) fn record_failure<V: View>(
        &mut self,
        claim: &ClaimPart,
        class: &str,
        detail: &[u8],
        queue: &Queue,
        overlay: &mut Overlay<'_, '_, V>,
    ) -> Result<(), ViewError> {
        let ended = Ended { worker: &claim.worker, started: claim.token.wall(), class, detail };
        self.record(ended, queue, overlay)
    }

    pub(crate) fn record<V: View>(
        &mut self,
        ended: Ended<'_>,
        queue: &Queue,
        overlay: &mut Overlay<'_, '_, V>,
    ) -> Result<(), ViewError> {
        let mut failures = failures(overlay, queue.keys, self)?;
        failures.push(FailureRow {
            attempt: self.row.attempts,
            worker: ended.worker.to_owned(),
            started: ended.started,
            ended: overlay.shard.wall,
            class: ended.class.to_owned(),
            detail: ended.detail.to_vec(),
        });
        let surplus = failures.len().saturating_sub(limits::TASK_FAILURES_KEPT);
        failures.drain(..surplus);
        self.row.has_failures = true;
        overlay.put(queue.keys.part(self.at, TaskPart::Failures), FailureRow::encode_all(&failures));
        Ok(())
    }

    /// Remembers an attempt that did not fail and did not complete the task.
    pub(crate) fn record_end<V: View>(
        &mut self,
        claim: &ClaimPart,
        end: AttemptEnd,
        queue: &Queue,
        overlay: &mut Overlay<'_, '_, V>,
    ) -> Result<(), ViewError> {
        let mut attempts = attempts(overlay, queue.keys, self)?;
        attempts.push(AttemptRow {
            attempt: self.row.attempts,
            worker: claim.worker.clone(),
            started: claim.token.wall(),
            ended: overlay.shard.wall,
            end,
        });
        let surplus = attempts.len().saturating_sub(limits::TASK_ATTEMPTS_KEPT);
        attempts.drain(..surplus);
        self.row.has_attempts = true;
        overlay.put(queue.keys.part(self.at, TaskPart::Attempts), AttemptRow::encode_all(&attempts));
        Ok(())
    }
}

/// The failures that a task remembers.
pub(crate) fn failures(
    view: &impl View,
    queue: QueueKeys,
    task: &Task,
) -> Result<Vec<FailureRow>, ViewError> {
    if !task.row.has_failures {
        return Ok(Vec::new());
    }
    let value = view
        .get(&queue.part(task.at, TaskPart::Failures))?
        .ok_or_else(|| contradiction("a task has lost its failures"))?;
    FailureRow::decode_all(&value).map_err(|error| bad_row("failures", error))
}

/// The attempts that a task remembers, apart from failures and the one that completed it.
pub(crate) fn attempts(
    view: &impl View,
    queue: QueueKeys,
    task: &Task,
) -> Result<Vec<AttemptRow>, ViewError> {
    if !task.row.has_attempts {
        return Ok(Vec::new());
    }
    let value = view
        .get(&queue.part(task.at, TaskPart::Attempts))?
        .ok_or_else(|| contradiction("a task has lost its attempts"))?;
    AttemptRow::decode_all(&value).map_err(|error| bad_row("attempts", error))
}
