//! Claim tasks of one queue.
//!
//! *A worker gets up to n ready tasks of the types that it names, each for a bounded time and under a token that no
//! earlier claim had.* Tasks that were returned go first, then higher priorities, then those that have been ready for
//! longer; a task that has been ready for a stated time goes before all of these, so that none waits forever. A
//! request that is sent again gets the tasks that it still holds. A task whose deadline has passed is not given out: it
//! is a dead letter.

use crate::damage::{bad_row, contradiction};
use crate::overlay::Overlay;
use crate::queue::tally::Queue;
use crate::queue::task::{Task, claim_request, part};
use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;
use core::ops::ControlFlow;
use format::FormatError;
use format::row::{ClaimPart, ClaimRequestRow, Lane, QueueKeys, QueueRange, TaskPart, decode_number};
use model::{
    Claim, Claimed, ClaimedTask, Elapsed, IdHash, Namespace, Order, Outcome, Position, View, ViewError, Wall,
    limits,
};

/// Decides the command.
pub(crate) fn apply<V: View>(
    claim: &Claim<'_>,
    overlay: &mut Overlay<'_, '_, V>,
) -> Result<Outcome, ViewError> {
    let slot = claim.queue.slot(Namespace::ROOT);
    let nothing = Outcome::Claimed(Claimed { slot, tasks: Vec::new() });
    let Some(mut queue) = Queue::load(&claim.queue, overlay)? else { return Ok(nothing) };
    if let Some(request) = claim.request {
        let tasks = held(request, &queue, overlay)?;
        if !tasks.is_empty() {
            return Ok(Outcome::Claimed(Claimed { slot, tasks }));
        }
    }
    if queue.row.settings.paused {
        return Ok(nothing);
    }
    let tasks = grant(claim, &mut queue, overlay)?;
    if let Some(request) = claim.request
        && !tasks.is_empty()
    {
        let claims = tasks.iter().map(|task| (task.position, task.token)).collect();
        overlay.put(queue.keys.claim_request(request), ClaimRequestRow { claims }.encode());
    }
    queue.save(overlay);
    Ok(Outcome::Claimed(Claimed { slot, tasks }))
}

/// The tasks that this request was granted and still holds.
fn held<V: View>(
    request: IdHash,
    queue: &Queue,
    overlay: &Overlay<'_, '_, V>,
) -> Result<Vec<ClaimedTask>, ViewError> {
    let mut tasks = Vec::new();
    for (at, _) in claim_request(overlay, queue.keys, request)?.claims {
        let task = Task::load(overlay, queue.keys, at)?.ok_or_else(lost)?;
        let claim = task.row.claim.as_ref().ok_or_else(lost)?;
        let left_ms = claim.expires.0.saturating_sub(overlay.shard.elapsed.0);
        let carried = Carried::of(&task, queue.keys, overlay)?;
        tasks.push(claimed(&task, claim.token, left_ms, carried));
    }
    Ok(tasks)
}

fn grant<V: View>(
    claim: &Claim<'_>,
    queue: &mut Queue,
    overlay: &mut Overlay<'_, '_, V>,
) -> Result<Vec<ClaimedTask>, ViewError> {
    let tasks_max = (claim.tasks_max as usize).min(limits::CLAIM_TASKS_MAX);
    let found = find(claim, tasks_max, queue, overlay)?;
    let mut tasks = Vec::with_capacity(found.ready.len());
    let (mut bytes, mut taken) = (0, 0);
    for ready in &found.ready {
        if bytes >= limits::CLAIM_BYTES_MAX {
            break;
        }
        taken += 1;
        let mut task = Task::load(overlay, queue.keys, ready.task)?.ok_or_else(lost)?;
        if task.has_missed_deadline(overlay) {
            task.miss_deadline(queue, overlay)?;
            task.save(queue, overlay);
            continue;
        }
        task.leave(queue, overlay)?;
        let carried = Carried::of(&task, queue.keys, overlay)?;
        bytes += carried.bytes();
        let token = overlay.take_position();
        let claim_ms = claim.claim_ms.or(task.row.claim_ms).unwrap_or(queue.row.settings.claim_ms);
        task.row.attempts = task.row.attempts.saturating_add(1);
        let part = ClaimPart {
            token,
            worker: String::from(&*claim.worker),
            claim_ms,
            expires: Elapsed(overlay.shard.elapsed.0.saturating_add(claim_ms)),
            request: claim.request,
            cancelled: false,
        };
        task.running(part, queue, overlay)?;
        task.save(queue, overlay);
        tasks.push(claimed(&task, token, claim_ms, carried));
    }
    found.move_lanes(taken, queue, overlay)?;
    if tasks.is_empty() && taken > 0 {
        queue.ready_again(overlay);
    }
    Ok(tasks)
}

/// What a task carries to its worker.
struct Carried {
    envelope: Vec<u8>,
    progress: Option<Vec<u8>>,
}

impl Carried {
    fn of<V: View>(task: &Task, queue: QueueKeys, overlay: &Overlay<'_, '_, V>) -> Result<Self, ViewError> {
        let progress = task.row.has_progress.then(|| part(overlay, queue, task.at, TaskPart::Progress));
        Ok(Self {
            envelope: part(overlay, queue, task.at, TaskPart::Envelope)?,
            progress: progress.transpose()?,
        })
    }

    fn bytes(&self) -> usize {
        self.envelope.len() + self.progress.as_ref().map_or(0, Vec::len)
    }
}

fn claimed(task: &Task, token: Position, claim_ms: u64, carried: Carried) -> ClaimedTask {
    ClaimedTask {
        position: task.at,
        id: task.row.id.clone(),
        attempt: task.row.attempts,
        token,
        claim_ms,
        envelope: carried.envelope,
        progress: carried.progress,
    }
}

/// A task that can be claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Ready {
    rank: Rank,
    task: Position,
    /// Where it was found, in [`Found::lanes`].
    lane: usize,
}

/// The order in which tasks are claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Aged(Position),
    Lane(u8, Position),
}

impl Rank {
    fn new(lane: u8, ready: Position, now: Wall) -> Self {
        if ready.wall().0.saturating_add(limits::TASK_AGEING_MS) <= now.0 {
            Self::Aged(ready)
        } else {
            Self::Lane(lane, ready)
        }
    }

    fn ready(self) -> Position {
        match self {
            Self::Aged(ready) | Self::Lane(_, ready) => ready,
        }
    }
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
    if claim.types.is_empty() {
        queue.load_types(overlay)?;
    }
    for task_type in &claim.types {
        queue.has_type(task_type, overlay)?;
    }
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

fn lost() -> ViewError {
    contradiction("a ready or claimed task has no row")
}
