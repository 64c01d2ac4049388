//! Claim tasks of one queue.
//!
//! *A worker gets up to n ready tasks of the types that it names, each for a bounded time and under a token that no
//! earlier claim had.* Tasks that were returned go first, then higher priorities, then those that have been ready for
//! longer; a task that has been ready for a stated time goes before all of these, so that none waits forever. If tasks
//! name tenants, those of one type and priority are shared among the tenants (`fair`). A
//! request that is sent again gets the tasks that it still holds. A task whose deadline has passed is not given out: it
//! is a dead letter.
//!
//! | file | what it does |
//! |---|---|
//! | `lanes.rs` | find the tasks of queues without limits |
//! | `heads.rs` | find those of queues with limits or tenants, one after another |

mod heads;
mod lanes;

use crate::damage::contradiction;
use crate::overlay::Overlay;
use crate::queue::tally::Queue;
use crate::queue::task::{Task, claim_request, part};
use alloc::string::String;
use alloc::vec::Vec;
use format::row::{ClaimPart, ClaimRequestRow, Gates, QueueKeys, TaskPart, TextHash};
use model::{
    Claim, Claimed, ClaimedTask, Elapsed, IdHash, Namespace, Outcome, Position, View, ViewError, Wall, limits,
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
    let free = queue.free(overlay)?;
    let claim = &Claim { tasks_max: claim.tasks_max.min(free), ..claim.clone() };
    let grants = if heads::are_needed(claim, &mut queue, overlay)? {
        heads::grant(claim, &mut queue, overlay)?
    } else {
        lanes::grant(claim, &mut queue, overlay)?
    };
    let tasks = grants.tasks;
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

/// What one claim has granted so far.
#[derive(Debug, Default)]
struct Grants {
    tasks: Vec<ClaimedTask>,
    bytes: usize,
    /// Tenants that were passed over since the last task was granted.
    passed: Vec<TextHash>,
}

impl Grants {
    fn is_full(&self, claim: &Claim<'_>) -> bool {
        let tasks_max = (claim.tasks_max as usize).min(limits::CLAIM_TASKS_MAX);
        self.tasks.len() >= tasks_max || self.bytes >= limits::CLAIM_BYTES_MAX
    }

    /// Grants a ready task.
    fn add<V: View>(
        &mut self,
        mut task: Task,
        gates: Option<Gates>,
        claim: &Claim<'_>,
        queue: &mut Queue,
        overlay: &mut Overlay<'_, '_, V>,
    ) -> Result<(), ViewError> {
        task.leave(queue, overlay)?;
        let carried = Carried::of(&task, queue.keys, overlay)?;
        self.bytes += carried.bytes();
        self.passed.clear();
        let token = overlay.take_position();
        let claim_ms = claim.claim_ms.or(task.row.claim_ms).unwrap_or(queue.row.settings.claim_ms);
        task.row.attempts = task.row.attempts.saturating_add(1);
        task.row.gates = gates;
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
        task.has_begun_to_run(queue, overlay)?;
        self.tasks.push(claimed(&task, token, claim_ms, carried));
        Ok(())
    }
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

fn lost() -> ViewError {
    contradiction("a ready or claimed task has no row")
}
