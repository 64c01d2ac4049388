//! Claiming in a queue with limits: one step after another.

use super::fair::{Place, is_in_cohort};
use super::limit::Cohort;
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

    /// The tasks of a type whose turn it is, each with the place of its tenant if the queue has tenants.
    #[must_use]
    pub fn heads(&self, task_type: &str) -> Vec<(usize, Option<Place>)> {
        let mut heads = Vec::new();
        for lane in 0..=1 + PRIORITY_MAX {
            if !self.fair.is_on {
                heads.extend(self.heads_without_tenant(task_type, lane).into_iter().map(|head| (head, None)));
            } else if let Some(place) = self.fair.next(task_type, lane) {
                let of_tenant = match &place.tenant[..] {
                    "" => self.heads_without_tenant(task_type, lane),
                    tenant => self.cohort_head(task_type, lane, Some(tenant)).into_iter().collect(),
                };
                heads.extend(of_tenant.into_iter().map(|head| (head, Some(place.clone()))));
            }
        }
        heads
    }

    /// Those and all that would be heads if no task named a tenant.
    #[must_use]
    pub fn heads_shown(&self, task_type: &str) -> Vec<usize> {
        let plain = (0..=1 + PRIORITY_MAX).flat_map(|lane| self.heads_without_tenant(task_type, lane));
        plain.chain(self.heads(task_type).into_iter().map(|(head, _)| head)).collect()
    }

    /// The tasks that are the first of a lane, or of the cohort whose turn it is there.
    fn heads_without_tenant(&self, task_type: &str, lane: u8) -> Vec<usize> {
        let is_plain = |task: &Task| task.sent.task_type == task_type && !is_in_cohort(task);
        let plain = first(self, |task| task.lane() == Some(lane) && is_plain(task));
        plain.into_iter().chain(self.cohort_head(task_type, lane, None)).collect()
    }

    /// The first task of the cohort whose turn it is in a lane.
    fn cohort_head(&self, task_type: &str, lane: u8, tenant: Option<&str>) -> Option<usize> {
        let cohorts = self.cohorts.iter();
        let cohorts =
            cohorts.filter(|cohort| cohort.task_type == task_type && cohort.tenant.as_deref() == tenant);
        let turns = cohorts.filter_map(|cohort| {
            let (_, turn) = cohort.turns.iter().find(|(of, _)| *of == lane)?;
            Some((*turn, cohort))
        });
        let (_, cohort) = turns.min_by_key(|(turn, _)| *turn)?;
        first(self, |task| task.lane() == Some(lane) && cohort.holds(task))
    }

    /// Whether the queue has tenants or names limits, or a ready task of these types had limits when it became ready.
    pub(super) fn has_limits(&self, types: &[String]) -> bool {
        let is_wanted = |cohort: &Cohort| types.is_empty() || types.contains(&cohort.task_type);
        let options = &self.settings.options;
        self.fair.is_on
            || !options.limits.is_empty()
            || options.breaker.is_some()
            || self.cohorts.iter().any(is_wanted)
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
        let mut passed: Vec<String> = Vec::new();
        while claimed.len() < CLAIM_TASKS_MAX.min(claim.tasks_max as usize)
            && bytes < CLAIM_BYTES_MAX
            && steps > 0
            && let Some((head, place)) = self.first_head(queue, &wanted)
        {
            steps -= 1;
            if self.step(queue, head, place.as_ref(), claim, &mut passed) {
                let task = &self.queues.all[queue].tasks[head];
                bytes += task.sent.envelope.len() + task.progress.as_ref().map_or(0, Vec::len);
                claimed.push(self.claimed_task(queue, head));
            }
        }
        claimed
    }

    /// Returns whether the task was granted. Otherwise it is where it belongs, or its cohort waits.
    fn step(
        &mut self,
        queue: usize,
        head: usize,
        place: Option<&Place>,
        claim: &ClaimAsk,
        passed: &mut Vec<String>,
    ) -> bool {
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
        let tenant = task.sent.fair.clone();
        let has_aged = self.has_aged(since);
        if !gates.is_empty() && gates != before {
            self.leave(queue, head);
            self.enter_ready(queue, head, since, lane);
            return false;
        }
        let closed = gates.iter().position(|gate| self.closed(&gate.limit, &gate.key, gate.cost).is_some());
        if let (Some(gate), Some(cohort)) =
            (closed, self.cohort_of(queue, &task_type, &gates, tenant.as_ref()))
        {
            self.take_out(queue, cohort);
            self.wait_at(queue, cohort, gate);
            return false;
        }
        if let Some(place) = place
            && !has_aged
            && self.queues.all[queue].is_passed_over(place, passed)
        {
            passed.push(place.tenant.clone());
            self.queues.all[queue].pay(place);
            return false;
        }
        passed.clear();
        self.leave(queue, head);
        self.queues.all[queue].tasks[head].gates = found;
        self.start(queue, head, claim);
        self.begins(queue, head, &gates);
        self.has_begun(queue, head);
        if let Some(cohort) = self.cohort_of(queue, &task_type, &before, tenant.as_ref()) {
            self.turn_is_over(queue, cohort, lane);
        }
        if let Some(place) = place {
            self.queues.all[queue].pay(place);
        }
        true
    }

    /// The task that goes first among those that are the first of their lane, or of the cohort whose turn it is.
    fn first_head(&self, queue: usize, wanted: &[String]) -> Option<(usize, Option<Place>)> {
        let state = &self.queues.all[queue];
        let heads = wanted.iter().flat_map(|task_type| state.heads(task_type));
        heads.min_by_key(|(head, _)| match state.tasks[*head].state {
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
