//! Claiming: which tasks a worker gets, and in which order.

use super::{ClaimAsk, Granted, LANE_RETURNED, Queue, Running, State};
use crate::{Simple, SimpleOutcome};
use model::limits::{CLAIM_BYTES_MAX, CLAIM_TASKS_MAX, TASK_AGEING_MS};
use model::{Claimed, ClaimedTask, Position, Slot};

impl Simple {
    pub(super) fn claim(&mut self, queue: usize, claim: &ClaimAsk) -> SimpleOutcome {
        let state = &self.queues.all[queue];
        let mut claimed = Claimed { slot: Slot(state.slot), tasks: Vec::new() };
        // Decided: a pause takes nothing away from a worker whose response was lost.
        let again = self.granted_before(queue, claim.request);
        if !again.is_empty() {
            claimed.tasks = again.into_iter().map(|task| self.claimed_task(queue, task)).collect();
            return SimpleOutcome::Claimed(claimed);
        }
        if state.made.is_none() || state.settings.paused {
            return SimpleOutcome::Claimed(claimed);
        }
        let claim = &ClaimAsk { tasks_max: claim.tasks_max.min(state.free()), ..claim.clone() };
        if state.has_limits(&claim.types) {
            claimed.tasks = self.claim_by_heads(queue, claim);
            return SimpleOutcome::Claimed(claimed);
        }
        let mut granted = Granted { queue, types: claim.types.clone(), before: self.last, tasks: Vec::new() };
        for task in self.to_claim(queue, claim) {
            if self.is_late(&self.queues.all[queue].tasks[task]) {
                self.miss_deadline(queue, task);
                continue;
            }
            granted.tasks.extend(self.grant(queue, task, claim));
            claimed.tasks.push(self.claimed_task(queue, task));
        }
        self.queues.granted = Some(granted);
        SimpleOutcome::Claimed(claimed)
    }

    /// The tasks that still run under the tokens that the same request got, in that order.
    fn granted_before(&self, queue: usize, request: Option<u128>) -> Vec<usize> {
        let tasks = self.queues.all[queue].tasks.iter().enumerate();
        let mut found: Vec<(u64, usize)> = tasks
            .filter_map(|(number, task)| {
                let running = task.running()?;
                (request.is_some() && running.request == request).then_some((running.token, number))
            })
            .collect();
        found.sort_unstable();
        found.into_iter().map(|(_, number)| number).collect()
    }

    /// The tasks to grant, in order.
    fn to_claim(&self, queue: usize, claim: &ClaimAsk) -> Vec<usize> {
        let state = &self.queues.all[queue];
        let mut bytes = 0;
        let mut taken = Vec::new();
        for task in self.ready_in_order(state, &claim.types) {
            if taken.len() >= CLAIM_TASKS_MAX.min(claim.tasks_max as usize) || bytes >= CLAIM_BYTES_MAX {
                break;
            }
            taken.push(task);
            let of = &state.tasks[task];
            if self.is_late(of) {
                continue;
            }
            bytes += of.sent.envelope.len() + of.progress.as_ref().map_or(0, Vec::len);
        }
        taken
    }

    /// The ready tasks of some types: those that have waited for too long, then the others by lane.
    fn ready_in_order(&self, queue: &Queue, types: &[String]) -> Vec<usize> {
        let mut ready = Vec::new();
        for (number, task) in queue.tasks.iter().enumerate() {
            let is_wanted = types.is_empty() || types.contains(&task.sent.task_type);
            if let (State::Ready { since, lane }, true) = (&task.state, is_wanted) {
                let lane = if self.has_aged(*since) { None } else { Some(*lane) };
                ready.push((lane, *since, number));
            }
        }
        ready.sort_unstable();
        ready.into_iter().map(|(_, _, number)| number).collect()
    }

    pub(super) fn has_aged(&self, since: u64) -> bool {
        (since >> 16).saturating_add(TASK_AGEING_MS) <= self.wall
    }

    /// Returns since when the task had been ready, and its lane.
    fn grant(&mut self, queue: usize, task: usize, claim: &ClaimAsk) -> Option<(u64, u8)> {
        let before = match self.queues.all[queue].tasks[task].state {
            State::Ready { since, lane } => Some((since, lane)),
            _ => None,
        };
        self.leave(queue, task);
        self.queues.all[queue].tasks[task].gates = None;
        self.start(queue, task, claim);
        self.has_begun(queue, task);
        before
    }

    /// A task begins to run under a new token.
    pub(super) fn start(&mut self, queue: usize, task: usize, claim: &ClaimAsk) {
        let token = self.take_position();
        let queue_ms = self.queues.all[queue].settings.claim_ms;
        let state = &mut self.queues.all[queue].tasks[task];
        let claim_ms = claim.claim_ms.or(state.sent.claim_ms).unwrap_or(queue_ms);
        let expires = self.elapsed.saturating_add(claim_ms);
        state.attempts += 1;
        let running = State::Running(Running {
            token,
            worker: claim.worker.clone(),
            request: claim.request,
            claim_ms,
            expires,
            looked_at: expires,
            started: self.wall,
            cancel_requested: false,
        });
        state.state = running;
        let position = state.position;
        self.queues.tokens.push((queue, position, token));
    }

    pub(super) fn claimed_task(&self, queue: usize, task: usize) -> ClaimedTask {
        let task = &self.queues.all[queue].tasks[task];
        let running = task.running();
        ClaimedTask {
            position: Position(task.position),
            id: task.sent.id.clone(),
            attempt: task.attempts,
            token: Position(running.map_or(0, |running| running.token)),
            claim_ms: running.map_or(0, |running| running.expires.saturating_sub(self.elapsed)),
            envelope: task.sent.envelope.clone(),
            progress: task.progress.clone(),
        }
    }

    /// A worker stops: the task goes before all others that have not waited for too long.
    pub(super) fn give_back(&mut self, queue: usize, task: usize) {
        self.leave(queue, task);
        let since = self.take_position();
        self.enter_ready(queue, task, since, LANE_RETURNED);
    }
}
