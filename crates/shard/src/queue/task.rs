//! One task, and how it moves from state to state. Every change of a state goes through [`Task::leave`] and one of the
//! functions that enter a state, so that counts, timers and indexes always match.

use crate::damage::{bad_row, contradiction};
use crate::fair;
use crate::group::{Standing, Step};
use crate::overlay::Overlay;
use crate::queue::classes;
use crate::queue::finished::{self, End};
use crate::queue::history::Ended;
use crate::queue::keys::{self, Turn};
use crate::queue::tally::Queue;
use crate::queue::{cohort, gates, unique};
use crate::schedule;
use alloc::string::String;
use alloc::vec::Vec;
use format::row::{
    ClaimPart, ClaimRequestRow, QueueKeys, TaskIdRow, TaskPart, TaskRow, TaskTimerKey, decode_part,
    encode_number, encode_part,
};
use model::{
    Elapsed, IdHash, Position, RetryPolicy, TaskDue, TaskRef, TaskState, Timer, UniqueMode, View, ViewError,
    Wall, limits,
};

/// The lane of tasks whose workers gave them back: before all priorities.
const RETURNED: u8 = 0;
/// The lane of tasks with the lowest priority.
pub(crate) const LANE_MAX: u8 = 1 + limits::PRIORITY_MAX;

/// A task during one command.
#[derive(Debug)]
pub(crate) struct Task {
    pub(crate) at: Position,
    pub(crate) row: TaskRow,
}

impl Task {
    /// Loads a task; `None` if the queue has none there.
    pub(crate) fn load(view: &impl View, queue: QueueKeys, at: Position) -> Result<Option<Self>, ViewError> {
        let Some(value) = view.get(&queue.task(at))? else { return Ok(None) };
        let row = TaskRow::decode(&value).map_err(|error| bad_row("task row", error))?;
        Ok(Some(Self { at, row }))
    }

    /// Finds the task that a request names.
    pub(crate) fn find(
        view: &impl View,
        queue: QueueKeys,
        task: &TaskRef<'_>,
    ) -> Result<Option<Self>, ViewError> {
        match task {
            TaskRef::Server(at) => Self::load(view, queue, *at),
            TaskRef::Client(id) => match id_row(view, queue, id)? {
                Some(row) => Self::load(view, queue, row.task),
                None => Ok(None),
            },
        }
    }

    pub(crate) fn save<V: View>(&self, queue: &Queue, overlay: &mut Overlay<'_, '_, V>) {
        overlay.put(queue.keys.task(self.at), self.row.encode());
    }

    /// The lane of a task with this priority.
    fn lane(&self) -> u8 {
        1 + limits::PRIORITY_MAX.saturating_sub(self.row.priority)
    }

    /// Leaves the current state: its count, its index and its timer.
    pub(crate) fn leave<V: View>(
        &mut self,
        queue: &mut Queue,
        overlay: &mut Overlay<'_, '_, V>,
    ) -> Result<(), ViewError> {
        self.clear_timer(queue, overlay);
        match self.row.state {
            TaskState::Ready => {
                let (lane, ready) =
                    self.row.ready.take().ok_or_else(|| contradiction("a ready task is in no lane"))?;
                if self.is_in_cohort() {
                    return cohort::leave(self, (lane, ready), queue, overlay);
                }
                let number = queue.type_number(&self.row.task_type, overlay)?;
                overlay.delete(queue.keys.ready(number, lane, ready));
                overlay.one_ready_less(queue, &self.row.task_type);
                return queue.leaves_lane(&self.row.task_type, lane, overlay);
            }
            TaskState::Running => {
                self.end_claim(queue, overlay)?;
                cohort::ends(self, queue, overlay)?;
                fair::ends(self, queue, overlay)?;
            }
            TaskState::Blocked => {
                let key = self.row.key.as_deref().unwrap_or_default();
                keys::leave(queue, key, self.at, overlay)?;
            }
            TaskState::Dead => {
                overlay.delete(queue.keys.dead(self.at));
                classes::leave(self, queue, overlay)?;
            }
            TaskState::Delayed | TaskState::Done | TaskState::Cancelled => {}
        }
        queue.leaves(&self.row.task_type, self.row.state, overlay)
    }

    /// Becomes ready, behind all tasks of its type and priority that are ready.
    pub(crate) fn ready<V: View>(
        &mut self,
        queue: &mut Queue,
        overlay: &mut Overlay<'_, '_, V>,
    ) -> Result<(), ViewError> {
        let ready = overlay.take_position();
        self.ready_in(self.lane(), ready, queue, overlay)
    }

    /// Becomes ready before all tasks of its type that are ready, apart from others that were returned.
    pub(crate) fn returned<V: View>(
        &mut self,
        queue: &mut Queue,
        overlay: &mut Overlay<'_, '_, V>,
    ) -> Result<(), ViewError> {
        let ready = overlay.take_position();
        self.ready_in(RETURNED, ready, queue, overlay)
    }

    /// Becomes ready in this lane. A task with gates enters the cohort of those.
    pub(crate) fn ready_in<V: View>(
        &mut self,
        lane: u8,
        ready: Position,
        queue: &mut Queue,
        overlay: &mut Overlay<'_, '_, V>,
    ) -> Result<(), ViewError> {
        self.row.gates = gates::of(self, queue, overlay)?;
        self.row.state = TaskState::Ready;
        self.row.ready = Some((lane, ready));
        self.watch_deadline(queue, overlay);
        if self.is_in_cohort() {
            return cohort::enter(self, (lane, ready), queue, overlay);
        }
        let number = queue.type_number(&self.row.task_type, overlay)?;
        overlay.put(queue.keys.ready(number, lane, ready), encode_number(self.at.0));
        overlay.one_ready_more(queue, &self.row.task_type);
        queue.enters_lane(&self.row.task_type, lane, ready, overlay)
    }

    /// Waits for its time.
    pub(crate) fn delayed<V: View>(
        &mut self,
        until: TaskDue,
        queue: &mut Queue,
        overlay: &mut Overlay<'_, '_, V>,
    ) -> Result<(), ViewError> {
        self.row.state = TaskState::Delayed;
        self.set_timer(until, queue, overlay);
        queue.enters(&self.row.task_type, TaskState::Delayed, overlay)
    }

    /// Waits for a time of day, or for its deadline if that is earlier.
    fn scheduled<V: View>(
        &mut self,
        run_after: Wall,
        queue: &mut Queue,
        overlay: &mut Overlay<'_, '_, V>,
    ) -> Result<(), ViewError> {
        let until = self.row.options.deadline.map_or(run_after, |deadline| run_after.min(deadline));
        self.delayed(TaskDue::Wall(until), queue, overlay)
    }

    /// A task that is not delayed, and does not run, has a timer for its deadline.
    fn watch_deadline<V: View>(&mut self, queue: &Queue, overlay: &mut Overlay<'_, '_, V>) {
        if let Some(deadline) = self.row.options.deadline {
            self.set_timer(TaskDue::Wall(deadline), queue, overlay);
        }
    }

    /// Whether no attempt may begin any more.
    pub(crate) fn has_missed_deadline<V: View>(&self, overlay: &Overlay<'_, '_, V>) -> bool {
        self.row.options.deadline.is_some_and(|deadline| deadline <= overlay.shard.wall)
    }

    /// A task that waits becomes a dead letter, because its deadline has passed.
    pub(crate) fn miss_deadline<V: View>(
        &mut self,
        queue: &mut Queue,
        overlay: &mut Overlay<'_, '_, V>,
    ) -> Result<(), ViewError> {
        let was_blocked = self.was_blocked();
        self.leave(queue, overlay)?;
        let now = overlay.shard.wall;
        self.record(Ended { worker: "", started: now, class: DEADLINE, detail: b"" }, queue, overlay)?;
        self.finish(TaskState::Dead, was_blocked, queue, overlay)
    }

    /// A task that is unfinished and does not run is cancelled.
    pub(crate) fn cancel<V: View>(
        &mut self,
        queue: &mut Queue,
        overlay: &mut Overlay<'_, '_, V>,
    ) -> Result<(), ViewError> {
        let was_blocked = self.was_blocked();
        self.leave(queue, overlay)?;
        self.finish(TaskState::Cancelled, was_blocked, queue, overlay)
    }

    /// An unfinished task is cancelled, or its worker learns that it is.
    pub(crate) fn cancel_or_tell<V: View>(
        &mut self,
        queue: &mut Queue,
        overlay: &mut Overlay<'_, '_, V>,
    ) -> Result<(), ViewError> {
        match &mut self.row.claim {
            Some(claim) => {
                claim.cancelled = true;
                Ok(())
            }
            None => self.cancel(queue, overlay),
        }
    }

    /// Whether a worker has had it since it was enqueued or put back, or nobody needs to any more.
    pub(crate) fn has_begun(&self) -> bool {
        let has_run = self.row.attempts > 0 || self.row.defers > 0 || self.row.settled.is_some();
        has_run || self.row.state.is_final()
    }

    fn was_blocked(&self) -> WasBlocked {
        if self.row.state == TaskState::Blocked { WasBlocked::Yes } else { WasBlocked::No }
    }

    /// Whether a failure of this class makes it a dead letter although it has attempts left.
    pub(crate) fn gives_up<V: View>(&self, class: &str, queue: &Queue, overlay: &Overlay<'_, '_, V>) -> bool {
        let settings = &queue.row.settings.options.give_up;
        let give_up = if self.row.retry.is_some() { &self.row.options.give_up } else { settings };
        let since = self.row.replayed.unwrap_or(self.at.wall());
        let is_old = |age_ms_max: u64| since.0.saturating_add(age_ms_max) <= overlay.shard.wall.0;
        give_up.age_ms_max.is_some_and(is_old) || give_up.classes.iter().any(|never| never == class)
    }

    /// The time of day for which it must still wait.
    fn waits_until<V: View>(&self, overlay: &Overlay<'_, '_, V>) -> Option<Wall> {
        self.row.run_after.filter(|wall| *wall > overlay.shard.wall)
    }

    /// Waits for its time if that has not come, and is ready otherwise.
    fn ready_after_run_after<V: View>(
        &mut self,
        queue: &mut Queue,
        overlay: &mut Overlay<'_, '_, V>,
    ) -> Result<(), ViewError> {
        match self.waits_until(overlay) {
            Some(wall) => self.scheduled(wall, queue, overlay),
            None => self.ready(queue, overlay),
        }
    }

    /// Enters its first state.
    pub(crate) fn begin<V: View>(
        &mut self,
        queue: &mut Queue,
        overlay: &mut Overlay<'_, '_, V>,
    ) -> Result<(), ViewError> {
        unique::join(self, queue, overlay)?;
        match (self.take_turn(queue, overlay)?, self.waits_until(overlay)) {
            (Turn::Blocked, _) => Ok(()),
            (Turn::Head, Some(wall)) => self.scheduled(wall, queue, overlay),
            // Its own position is the shard's last one.
            (Turn::Head, None) => self.ready_in(self.lane(), self.at, queue, overlay),
        }
    }

    /// Is unfinished again, with a key that it must take like a new task.
    pub(crate) fn begin_again<V: View>(
        &mut self,
        queue: &mut Queue,
        overlay: &mut Overlay<'_, '_, V>,
    ) -> Result<(), ViewError> {
        self.step(Standing::Open, overlay);
        unique::join_again(self, queue, overlay)?;
        match self.take_turn(queue, overlay)? {
            Turn::Blocked => Ok(()),
            Turn::Head => self.ready(queue, overlay),
        }
    }

    /// Is unfinished from now on, and blocked if an earlier task has its key.
    fn take_turn<V: View>(
        &mut self,
        queue: &mut Queue,
        overlay: &mut Overlay<'_, '_, V>,
    ) -> Result<Turn, ViewError> {
        fair::joins(self, queue, overlay)?;
        queue.row_mut().unfinished += 1;
        let turn = keys::take(self, queue, overlay)?;
        if turn == Turn::Blocked {
            self.row.state = TaskState::Blocked;
            self.watch_deadline(queue, overlay);
            queue.enters(&self.row.task_type, TaskState::Blocked, overlay)?;
        }
        Ok(turn)
    }

    /// A worker has claimed it.
    pub(crate) fn running<V: View>(
        &mut self,
        claim: ClaimPart,
        queue: &mut Queue,
        overlay: &mut Overlay<'_, '_, V>,
    ) -> Result<(), ViewError> {
        self.row.state = TaskState::Running;
        self.set_timer(TaskDue::Elapsed(claim.expires), queue, overlay);
        self.row.claim = Some(claim);
        cohort::begins(self, overlay)?;
        fair::begins(self, queue, overlay)?;
        queue.enters(&self.row.task_type, TaskState::Running, overlay)
    }

    /// Is finished: it is kept for a while, and its key is free for the next task. The caller has left the state
    /// before, and saves the task.
    pub(crate) fn finish<V: View>(
        &mut self,
        state: TaskState,
        was_blocked: WasBlocked,
        queue: &mut Queue,
        overlay: &mut Overlay<'_, '_, V>,
    ) -> Result<(), ViewError> {
        self.row.state = state;
        overlay.notify(queue.keys.task(self.at).to_vec());
        self.step(if state == TaskState::Done { Standing::Done } else { Standing::Failed }, overlay);
        unique::leave(self, queue, overlay)?;
        queue.one_finished()?;
        fair::parts(self, queue, overlay)?;
        queue.enters(&self.row.task_type, state, overlay)?;
        let settings = &queue.row.settings;
        let keep_ms = if state == TaskState::Dead { settings.keep_dead_ms } else { settings.keep_done_ms };
        let until = Elapsed(overlay.shard.elapsed.0.saturating_add(keep_ms));
        self.set_timer(TaskDue::Elapsed(until), queue, overlay);
        if state == TaskState::Dead {
            overlay.one_died();
            overlay.put(queue.keys.dead(self.at), Vec::new());
            classes::join(self, queue, overlay)?;
        }
        if let Some(schedule) = &self.row.options.schedule {
            schedule::run::finished(schedule, self.at, state, overlay)?;
        }
        let end = match state {
            TaskState::Done => End::Done,
            TaskState::Dead => End::Dead,
            _ => End::Cancelled,
        };
        finished::tell(self, end, queue, overlay)?;
        let (WasBlocked::No, Some(key)) = (was_blocked, self.row.key.as_deref()) else { return Ok(()) };
        let next = keys::release(self, key, queue, overlay)?;
        Self::let_out(next, queue, overlay)
    }

    /// It runs, and was saved: the next task of its key may begin, if more than one may run.
    pub(crate) fn has_begun_to_run<V: View>(
        &self,
        queue: &mut Queue,
        overlay: &mut Overlay<'_, '_, V>,
    ) -> Result<(), ViewError> {
        let Some(key) = self.row.key.as_deref() else { return Ok(()) };
        let next = keys::begun(queue, key, overlay)?;
        Self::let_out(next, queue, overlay)
    }

    /// A task need not wait for its key any longer.
    fn let_out<V: View>(
        next: Option<Self>,
        queue: &mut Queue,
        overlay: &mut Overlay<'_, '_, V>,
    ) -> Result<(), ViewError> {
        let Some(mut next) = next else { return Ok(()) };
        next.leave(queue, overlay)?;
        next.ready_after_run_after(queue, overlay)?;
        next.save(queue, overlay);
        Ok(())
    }

    /// Deletes a dead letter that no one wants any more.
    pub(crate) fn drop_dead<V: View>(
        self,
        queue: &mut Queue,
        overlay: &mut Overlay<'_, '_, V>,
    ) -> Result<(), ViewError> {
        finished::tell(&self, End::Dropped, queue, overlay)?;
        self.remove(queue, overlay)
    }

    /// Deletes a finished task.
    pub(crate) fn remove<V: View>(
        mut self,
        queue: &mut Queue,
        overlay: &mut Overlay<'_, '_, V>,
    ) -> Result<(), ViewError> {
        self.leave(queue, overlay)?;
        self.step(Standing::Gone, overlay);
        overlay.delete(queue.keys.task(self.at));
        overlay.delete(queue.keys.part(self.at, TaskPart::Envelope));
        for (part, is_there) in [
            (TaskPart::Result, self.row.has_result),
            (TaskPart::Progress, self.row.has_progress),
            (TaskPart::Failures, self.row.has_failures),
            (TaskPart::Attempts, self.row.has_attempts),
        ] {
            if is_there {
                overlay.delete(queue.keys.part(self.at, part));
            }
        }
        if let Some(id) = &self.row.id {
            overlay.delete(queue.keys.task_id(IdHash(super::hash(id))));
        }
        Ok(())
    }

    /// Tells its group what has happened to it.
    fn step<V: View>(&self, to: Standing, overlay: &mut Overlay<'_, '_, V>) {
        if let Some(place) = self.row.group {
            overlay.step(Step { place, to });
        }
    }

    /// What the retry policy says about the delay before the next attempt: a random part of an exponentially growing
    /// time. The token is what is random: it contains the moment of the claim and a counter.
    pub(crate) fn backoff_ms(&self, policy: RetryPolicy, token: Position) -> u64 {
        // Beyond 64 doublings, the longest delay counts for any time but none.
        let doublings = self.row.attempts.saturating_sub(1).min(64);
        let cap = (u128::from(policy.first_ms) << doublings).min(u128::from(policy.delay_ms_max));
        ((u128::from(mix(token.0)) * (cap + 1)) >> 64) as u64
    }

    /// The retry policy in force.
    pub(crate) fn retry(&self, queue: &Queue) -> RetryPolicy {
        self.row.retry.unwrap_or(queue.row.settings.retry)
    }

    /// Stores a part of the task.
    pub(crate) fn put_part<V: View>(
        &mut self,
        part: TaskPart,
        bytes: &[u8],
        queue: &Queue,
        overlay: &mut Overlay<'_, '_, V>,
    ) {
        match part {
            TaskPart::Result => self.row.has_result = true,
            TaskPart::Progress => self.row.has_progress = true,
            TaskPart::Envelope | TaskPart::Failures | TaskPart::Attempts => {}
        }
        overlay.put(queue.keys.part(self.at, part), encode_part(bytes));
    }

    /// Sets the task's timer again.
    pub(crate) fn set_timer<V: View>(
        &mut self,
        due: TaskDue,
        queue: &Queue,
        overlay: &mut Overlay<'_, '_, V>,
    ) {
        self.clear_timer(queue, overlay);
        self.row.due = Some(due);
        overlay.put(self.timer(due, queue).encode(), Vec::new());
        overlay.set_timer(queue.keys.slot, Timer::Tasks(due));
    }

    fn clear_timer<V: View>(&mut self, queue: &Queue, overlay: &mut Overlay<'_, '_, V>) {
        if let Some(due) = self.row.due.take() {
            overlay.delete(self.timer(due, queue).encode());
        }
    }

    fn timer(&self, due: TaskDue, queue: &Queue) -> TaskTimerKey {
        TaskTimerKey { slot: queue.keys.slot, due, queue: queue.keys.id, task: self.at }
    }

    /// The claim's request no longer holds this task.
    fn end_claim<V: View>(
        &mut self,
        queue: &Queue,
        overlay: &mut Overlay<'_, '_, V>,
    ) -> Result<(), ViewError> {
        let Some(request) = self.row.claim.take().and_then(|claim| claim.request) else { return Ok(()) };
        let mut row = claim_request(overlay, queue.keys, request)?;
        row.claims.retain(|(task, _)| *task != self.at);
        let key = queue.keys.claim_request(request);
        if row.claims.is_empty() {
            overlay.delete(key);
        } else {
            overlay.put(key, row.encode());
        }
        Ok(())
    }
}

/// Whether a task that is finished had waited for its key. Only a head frees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WasBlocked {
    Yes,
    No,
}

/// The row of a client's id.
pub(crate) fn id_row(view: &impl View, queue: QueueKeys, id: &str) -> Result<Option<TaskIdRow>, ViewError> {
    let Some(value) = view.get(&queue.task_id(IdHash(super::hash(id))))? else { return Ok(None) };
    TaskIdRow::decode(&value).map(Some).map_err(|error| bad_row("task id's row", error))
}

/// A part of a task.
pub(crate) fn part(
    view: &impl View,
    queue: QueueKeys,
    task: Position,
    part: TaskPart,
) -> Result<Vec<u8>, ViewError> {
    let value =
        view.get(&queue.part(task, part))?.ok_or_else(|| contradiction("a task has lost a part of it"))?;
    decode_part(&value).map(<[u8]>::to_vec).map_err(|error| bad_row("part of a task", error))
}

/// The claims that a request still holds.
pub(crate) fn claim_request(
    view: &impl View,
    queue: QueueKeys,
    request: IdHash,
) -> Result<ClaimRequestRow, ViewError> {
    match view.get(&queue.claim_request(request))? {
        None => Ok(ClaimRequestRow::default()),
        Some(value) => ClaimRequestRow::decode(&value).map_err(|error| bad_row("claim request's row", error)),
    }
}

/// The step of the SplitMix64 generator.
const fn mix(x: u64) -> u64 {
    let z = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The name of a class of failures that the queue itself records.
pub(crate) const WORKER_LOST: &str = "worker_lost";
pub(crate) const TOO_MANY_DEFERS: &str = "too_many_defers";
const DEADLINE: &str = "deadline";

impl Task {
    /// A task as it was enqueued, in no state yet.
    pub(crate) fn new(at: Position, task: &model::NewTask<'_>) -> Self {
        let owned = |text: &Option<alloc::borrow::Cow<'_, str>>| text.as_deref().map(String::from);
        // At most one task with such a unique key runs.
        let unique = task.options.unique.as_ref().filter(|unique| unique.mode != UniqueMode::Existing);
        let key = unique.map(|unique| String::from(&*unique.key)).or_else(|| owned(&task.key));
        let row = TaskRow {
            id: owned(&task.id),
            task_type: String::from(&*task.task_type),
            state: TaskState::Ready,
            priority: task.priority,
            attempts: 0,
            lost: 0,
            defers: 0,
            key,
            run_after: task.run_after,
            claim_ms: task.claim_ms,
            retry: task.retry,
            claim: None,
            settled: None,
            due: None,
            ready: None,
            has_result: false,
            has_progress: false,
            has_failures: false,
            gates: None,
            call: None,
            options: task.options.clone().into_owned(),
            replayed: None,
            completed: None,
            has_attempts: false,
            dead_class: None,
            group: None,
        };
        Self { at, row }
    }
}
