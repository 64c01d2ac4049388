//! The tasks of queues without limits: the first ones of each lane.

use super::{Grants, Rank, lost};
use crate::damage::bad_row;
use crate::overlay::Overlay;
use crate::queue::tally::Queue;
use crate::queue::task::Task;
use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;
use core::ops::ControlFlow;
use format::FormatError;
use format::row::{Lane, QueueKeys, QueueRange, decode_number};
use model::{Claim, Order, Position, View, ViewError, limits};

pub(super) fn grant<V: View>(
    claim: &Claim<'_>,
    queue: &mut Queue,
    overlay: &mut Overlay<'_, '_, V>,
) -> Result<Grants, ViewError> {
    let tasks_max = (claim.tasks_max as usize).min(limits::CLAIM_TASKS_MAX);
    let found = find(claim, tasks_max, queue, overlay)?;
    let mut grants = Grants::default();
    let mut taken = 0;
    for ready in &found.ready {
        if grants.is_full(claim) {
            break;
        }
        taken += 1;
        let mut task = Task::load(overlay, queue.keys, ready.task)?.ok_or_else(lost)?;
        if task.has_missed_deadline(overlay) {
            task.miss_deadline(queue, overlay)?;
            task.save(queue, overlay);
            continue;
        }
        grants.add(task, None, claim, queue, overlay)?;
    }
    found.move_lanes(taken, queue, overlay)?;
    if grants.tasks.is_empty() && taken > 0 {
        queue.ready_again(overlay);
    }
    Ok(grants)
}

/// A task that can be claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Ready {
    rank: Rank,
    task: Position,
    /// Where it was found, in [`Found::lanes`].
    lane: usize,
}

/// The first ready tasks of the lanes that a claim may take from.
struct Found {
    lanes: Vec<(String, u8)>,
    /// In the order in which they are claimed.
    ready: Vec<Ready>,
}

impl Found {
    /// The first `taken` tasks were claimed: their lanes begin behind them. Claims of one lane are always its first
    /// tasks.
    fn move_lanes<V: View>(
        &self,
        taken: usize,
        queue: &mut Queue,
        overlay: &Overlay<'_, '_, V>,
    ) -> Result<(), ViewError> {
        for ready in self.ready.iter().take(taken) {
            let Some((task_type, lane)) = self.lanes.get(ready.lane) else { continue };
            let behind = Position(ready.rank.ready().0.saturating_add(1));
            queue.lane_begins(task_type, *lane, behind, overlay)?;
        }
        Ok(())
    }
}

fn find<V: View>(
    claim: &Claim<'_>,
    tasks_max: usize,
    queue: &mut Queue,
    overlay: &Overlay<'_, '_, V>,
) -> Result<Found, ViewError> {
    let mut found = Found { lanes: Vec::new(), ready: Vec::new() };
    for (task_type, row) in queue.types() {
        if !claim.types.is_empty() && !claim.types.iter().any(|wanted| wanted == task_type) {
            continue;
        }
        for lane in &row.lanes {
            let number = found.lanes.len();
            found.lanes.push((task_type.to_owned(), lane.lane));
            read_lane(*lane, row.number, number, tasks_max, queue.keys, overlay, &mut found.ready)?;
        }
    }
    found.ready.sort_unstable_by_key(|ready| ready.rank);
    found.ready.truncate(tasks_max);
    Ok(found)
}

fn read_lane<V: View>(
    lane: Lane,
    type_number: u32,
    number: usize,
    tasks_max: usize,
    queue: QueueKeys,
    overlay: &Overlay<'_, '_, V>,
    ready: &mut Vec<Ready>,
) -> Result<(), ViewError> {
    let now = overlay.shard.wall;
    let mut bad: Option<FormatError> = None;
    let full = ready.len() + tasks_max.min(usize::try_from(lane.tasks).unwrap_or(usize::MAX));
    let range = QueueRange::ready(queue, type_number, lane.lane, lane.from);
    overlay.scan(range.as_range(), Order::Ascending, &mut |key, value| {
        match QueueKeys::parse_ready(key).and_then(|at| Ok((at, decode_number(value)?))) {
            Ok((at, task)) => {
                ready.push(Ready { rank: Rank::new(lane.lane, at, now), task: Position(task), lane: number });
            }
            Err(error) => bad = Some(error),
        }
        if bad.is_none() && ready.len() < full { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    bad.map_or(Ok(()), |error| Err(bad_row("ready task", error)))
}
