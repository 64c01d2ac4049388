//! The tasks of queues with limits, one after another.
//!
//! A *head* is the first task of a lane, or of the first cohort of a rank. Each step looks at the head that goes first:
//! it is granted, or its cohort waits from now on, or the task is put into the cohort of its gates, because it has waited
//! since before the queue's limits changed. So a claim makes a bounded number of steps, and each one either grants a task
//! or has to be made only once for what it puts away.

use super::{Grants, Rank, lost};
use crate::damage::bad_row;
use crate::overlay::Overlay;
use crate::queue::cohort::{self, Cohort, WAITING};
use crate::queue::gates;
use crate::queue::tally::Queue;
use crate::queue::task::Task;
use alloc::borrow::ToOwned;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::ops::ControlFlow;
use format::row::{CohortId, Gates, Lane, QueueKeys, QueueRange, decode_number};
use model::{Claim, Order, Position, View, ViewError, limits};

/// Loads the types that the claim may take, and says whether the queue has limits, or had some when one of its ready
/// tasks became ready.
pub(super) fn are_needed<V: View>(
    claim: &Claim<'_>,
    queue: &mut Queue,
    overlay: &Overlay<'_, '_, V>,
) -> Result<bool, ViewError> {
    if claim.types.is_empty() {
        queue.load_types(overlay)?;
    }
    for task_type in &claim.types {
        queue.has_type(task_type, overlay)?;
    }
    let has_cohorts = queue.types().any(|(_, row)| row.cohorts.ready + row.cohorts.waiting > 0);
    let options = &queue.row.settings.options;
    Ok(has_cohorts || !options.limits.is_empty() || options.breaker.is_some())
}

/// A head. Heads are in the order in which they are claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Head {
    rank: Rank,
    task: Position,
    /// `None` for a task that is in no cohort.
    cohort: Option<CohortId>,
}

/// The heads of one type.
type OfType = Vec<Head>;

pub(super) fn grant<V: View>(
    claim: &Claim<'_>,
    queue: &mut Queue,
    overlay: &mut Overlay<'_, '_, V>,
) -> Result<Grants, ViewError> {
    let mut steps = limits::CLAIM_STEPS_MAX;
    let wanted: Vec<String> = queue
        .types()
        .filter(|(name, _)| claim.types.is_empty() || claim.types.iter().any(|wanted| wanted == name))
        .map(|(name, _)| name.to_owned())
        .collect();
    let mut heads = BTreeMap::new();
    for task_type in wanted {
        steps = reconsider(&task_type, steps, queue, overlay)?;
        let of_type = heads_of(&task_type, queue, overlay)?;
        heads.insert(task_type, of_type);
    }
    let mut grants = Grants::default();
    while !grants.is_full(claim)
        && let Some((task_type, head)) = first(&heads)
    {
        if steps == 0 {
            break;
        }
        steps -= 1;
        let changed = match step(head, &task_type, claim, &mut grants, queue, overlay)? {
            Changed::OneType => [task_type].to_vec(),
            Changed::AnyType => heads.keys().cloned().collect(),
        };
        for task_type in changed {
            let of_type = heads_of(&task_type, queue, overlay)?;
            heads.insert(task_type, of_type);
        }
    }
    if steps == 0 {
        // There may be more, so waiting claims must be tried again.
        for (task_type, row) in queue.types().filter(|(name, _)| heads.contains_key(*name)) {
            overlay.ready_again(&queue.row.name, task_type, row.ready());
        }
    }
    Ok(grants)
}

fn first(heads: &BTreeMap<String, OfType>) -> Option<(String, Head)> {
    let all = heads.iter().flat_map(|(name, of_type)| of_type.iter().map(move |head| (name, head)));
    all.min_by_key(|(_, head)| head.rank).map(|(name, head)| (name.clone(), *head))
}

/// Cohorts that have waited since before the queue's limits changed wait no longer: their tasks may have other gates.
fn reconsider<V: View>(
    task_type: &str,
    mut steps: usize,
    queue: &mut Queue,
    overlay: &mut Overlay<'_, '_, V>,
) -> Result<usize, ViewError> {
    let generation = queue.row.generation;
    loop {
        let cohorts = queue.cohorts(task_type, overlay)?;
        if cohorts.generation == generation || steps == 0 {
            return Ok(steps);
        }
        let waits = cohorts.ranks.iter().any(|rank| rank.rank == WAITING);
        if waits {
            let id = queue.first_of_rank(task_type, WAITING, overlay)?;
            let mut cohort = Cohort::load_known(id, task_type, queue, overlay)?;
            if cohort.row.generation < generation {
                steps -= 1;
                cohort.take_out(queue, overlay)?;
                cohort.be_ready(queue, overlay)?;
                cohort.save(queue, overlay);
                continue;
            }
        }
        queue.cohorts_mut(task_type, overlay)?.generation = generation;
    }
}

/// Which heads may be others after a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Changed {
    OneType,
    AnyType,
}

/// Looks at one head: grants it, or puts it away.
fn step<V: View>(
    head: Head,
    task_type: &str,
    claim: &Claim<'_>,
    grants: &mut Grants,
    queue: &mut Queue,
    overlay: &mut Overlay<'_, '_, V>,
) -> Result<Changed, ViewError> {
    let mut task = Task::load(overlay, queue.keys, head.task)?.ok_or_else(lost)?;
    let (lane, ready) = task.row.ready.ok_or_else(lost)?;
    if task.has_missed_deadline(overlay) {
        task.miss_deadline(queue, overlay)?;
        task.save(queue, overlay);
        if head.cohort.is_none() {
            queue.lane_begins(task_type, lane, Position(ready.0.saturating_add(1)), overlay)?;
        }
        // The next task of its key may be of another type.
        return Ok(Changed::AnyType);
    }
    let found = gates::of(&task, queue, overlay)?;
    let passes = found.as_ref().map_or(&[][..], |gates: &Gates| &gates.gates);
    let is_where_it_belongs = head.cohort.map(|id| id.hash) == Some(cohort::hash(passes));
    if !passes.is_empty() && !is_where_it_belongs {
        task.leave(queue, overlay)?;
        if head.cohort.is_none() {
            queue.lane_begins(task_type, lane, Position(ready.0.saturating_add(1)), overlay)?;
        }
        task.ready_in(lane, ready, queue, overlay)?;
        task.save(queue, overlay);
        return Ok(Changed::OneType);
    }
    if let Some(gate) = cohort::closed_gate(passes, overlay)? {
        let id = head.cohort.ok_or_else(lost)?;
        let mut cohort = Cohort::load_known(id, task_type, queue, overlay)?;
        cohort.take_out(queue, overlay)?;
        cohort.wait_at(gate, queue, overlay)?;
        cohort.save(queue, overlay);
        return Ok(Changed::OneType);
    }
    grants.add(task, found, claim, queue, overlay)?;
    match head.cohort {
        None => queue.lane_begins(task_type, lane, Position(ready.0.saturating_add(1)), overlay)?,
        Some(id) => {
            if let Some(mut cohort) = Cohort::load(id, task_type, queue, overlay)? {
                cohort.take_turn(lane, ready, queue, overlay)?;
                cohort.save(queue, overlay);
            }
        }
    }
    Ok(Changed::OneType)
}

/// The heads of a type.
fn heads_of<V: View>(
    task_type: &str,
    queue: &mut Queue,
    overlay: &Overlay<'_, '_, V>,
) -> Result<OfType, ViewError> {
    let now = overlay.shard.wall;
    let Some((_, row)) = queue.types().find(|(name, _)| *name == task_type) else { return Ok(Vec::new()) };
    let (lanes, number) = (row.lanes.clone(), row.number);
    let ranks: Vec<u16> = row.cohorts.ranks.iter().map(|rank| rank.rank).collect();
    let mut heads = Vec::with_capacity(lanes.len() + ranks.len());
    for lane in lanes {
        let (ready, task) = first_of_lane(lane, number, queue.keys, overlay)?;
        heads.push(Head { rank: Rank::new(lane.lane, ready, now), task, cohort: None });
    }
    for rank in ranks.into_iter().filter(|rank| *rank != WAITING) {
        let id = queue.first_of_rank(task_type, rank, overlay)?;
        let cohort = Cohort::load_known(id, task_type, queue, overlay)?;
        let lane = rank as u8;
        let (ready, task) = cohort.first(lane, queue, overlay)?.ok_or_else(lost)?;
        heads.push(Head { rank: Rank::new(lane, ready, now), task, cohort: Some(id) });
    }
    Ok(heads)
}

fn first_of_lane<V: View>(
    lane: Lane,
    type_number: u32,
    queue: QueueKeys,
    overlay: &Overlay<'_, '_, V>,
) -> Result<(Position, Position), ViewError> {
    let mut first = None;
    let range = QueueRange::ready(queue, type_number, lane.lane, lane.from);
    overlay.scan(range.as_range(), Order::Ascending, &mut |key, value| {
        let ready = QueueKeys::parse_ready(key);
        first = Some(ready.and_then(|ready| Ok((ready, Position(decode_number(value)?)))));
        ControlFlow::Break(())
    })?;
    first.ok_or_else(lost)?.map_err(|error| bad_row("ready task", error))
}
