//! Claiming in a queue with limits: one step after another.

use super::{ClaimAsk, Queue, State, Task};
use crate::Simple;
use model::ClaimedTask;
use model::limits::{CLAIM_BYTES_MAX, CLAIM_STEPS_MAX, CLAIM_TASKS_MAX, PRIORITY_MAX};

impl Queue {
    /// How many more tasks may run at the same time.
    #[must_use]
    pub fn free(&self) -> u32 {
        let running = self.tasks.iter().filter(|task| task.running().is_some()).count() as u32;
        self.settings.options.concurrency.map_or(u32::MAX, |tasks| tasks.saturating_sub(running))
    }

    /// The tasks of a type that are the first of their lane, or of the cohort whose turn it is there.
    #[must_use]
    pub fn heads(&self, task_type: &str) -> Vec<usize> {
        let mut heads = Vec::new();
        for lane in 0..=1 + PRIORITY_MAX {
            let is_plain = |task: &Task| task.sent.task_type == task_type && task.gates().is_empty();
            heads.extend(first(self, |task| task.lane() == Some(lane) && is_plain(task)));
            let cohorts = self.cohorts.iter().filter(|cohort| cohort.task_type == task_type);
            let turns = cohorts.filter_map(|cohort| {
                let (_, turn) = cohort.turns.iter().find(|(of, _)| *of == lane)?;
                Some((*turn, cohort))
            });
            if let Some((_, cohort)) = turns.min_by_key(|(turn, _)| *turn) {
                heads.extend(first(self, |task| task.lane() == Some(lane) && cohort.holds(task)));
            }
        }
        heads
    }

    /// Whether the queue names limits, or one of its ready tasks had some when it became ready.
    pub(super) fn has_limits(&self) -> bool {
        let options = &self.settings.options;
        !options.limits.is_empty() || options.breaker.is_some() || !self.cohorts.is_empty()
    }
}

impl Simple {
    pub(super) fn claim_by_heads(&mut self, queue: usize, claim: &ClaimAsk) -> Vec<ClaimedTask> {
        let mut wanted = self.queues.all[queue].types.clone();
        wanted.retain(|name| claim.types.is_empty() || claim.types.contains(name));
        wanted.sort_unstable();
        let mut steps = CLAIM_STEPS_MAX;
        for task_type in &wanted {
            while steps > 0
                && let Some(cohort) = self.waits_for_old_limits(queue, task_type)
            {
                steps -= 1;
                self.take_out(queue, cohort);
                self.be_ready(queue, cohort);
            }
        }
        let mut claimed: Vec<ClaimedTask> = Vec::new();
        let mut bytes = 0;
        while claimed.len() < CLAIM_TASKS_MAX.min(claim.tasks_max as usize)
            && bytes < CLAIM_BYTES_MAX
            && steps > 0
            && let Some(head) = self.first_head(queue, &wanted)
        {
            steps -= 1;
            if self.step(queue, head, claim) {
                let task = &self.queues.all[queue].tasks[head];
                bytes += task.sent.envelope.len() + task.progress.as_ref().map_or(0, Vec::len);
                claimed.push(self.claimed_task(queue, head));
            }
        }
        claimed
    }

    /// Returns whether the task was granted. Otherwise it is where it belongs, or its cohort waits.
    fn step(&mut self, queue: usize, head: usize, claim: &ClaimAsk) -> bool {
        if self.is_late(&self.queues.all[queue].tasks[head]) {
            self.miss_deadline(queue, head);
            return false;
        }
        let found = self.find_gates(queue, head);
        let gates = found.as_ref().map(|(_, gates)| gates.clone()).unwrap_or_default();
        let state = &self.queues.all[queue];
        let task = &state.tasks[head];
        let State::Ready { since, lane } = task.state else { return false };
        let task_type = task.sent.task_type.clone();
        let before = task.gates().to_vec();
        if !gates.is_empty() && gates != before {
            self.leave(queue, head);
            self.enter_ready(queue, head, since, lane);
            return false;
        }
        let closed = gates.iter().position(|gate| self.closed(&gate.limit, &gate.key, gate.cost).is_some());
        if let (Some(gate), Some(cohort)) = (closed, self.cohort_of(queue, &task_type, &gates)) {
            self.take_out(queue, cohort);
            self.wait_at(queue, cohort, gate);
            return false;
        }
        self.leave(queue, head);
        self.queues.all[queue].tasks[head].gates = found;
        self.start(queue, head, claim);
        self.begins(queue, head, &gates);
        if let Some(cohort) = self.cohort_of(queue, &task_type, &before) {
            self.turn_is_over(queue, cohort, lane);
        }
        true
    }

    /// The task that goes first among those that are the first of their lane, or of the cohort whose turn it is.
    fn first_head(&self, queue: usize, wanted: &[String]) -> Option<usize> {
        let state = &self.queues.all[queue];
        let heads = wanted.iter().flat_map(|task_type| state.heads(task_type));
        heads.min_by_key(|head| match state.tasks[*head].state {
            State::Ready { since, .. } if self.has_aged(since) => (None, since),
            State::Ready { since, lane } => (Some(lane), since),
            _ => (Some(u8::MAX), u64::MAX),
        })
    }
}

/// The number of the task for which something holds and that has been ready for longest.
fn first(queue: &Queue, is: impl Fn(&Task) -> bool) -> Option<usize> {
    let since = |task: &Task| if let State::Ready { since, .. } = task.state { since } else { u64::MAX };
    let found = queue.tasks.iter().enumerate().filter(|(_, task)| is(task));
    found.min_by_key(|(_, task)| since(task)).map(|(number, _)| number)
}
