//! How a worker keeps or ends a claim, and how a task ends.

use super::{Action, Again, Ended, EndedBy, Ending, Failed, Queue, Running, Settlement, State, Task};
use crate::Simple;
use crate::breaker::Call;
use model::limits::TASK_DEFERS_MAX;
use model::{RetryPolicy, Settled, TaskState, gate_breaker};

/// The class of the failure of a worker that was not heard of.
const WORKER_LOST: &str = "worker_lost";
const TOO_MANY_DEFERS: &str = "too_many_defers";

impl Action {
    /// `None` for a heartbeat, which ends nothing.
    fn ending(&self) -> Option<Ending> {
        match self {
            Self::Heartbeat { .. } => None,
            Self::Complete { .. } => Some(Ending::Complete),
            Self::Fail { .. } => Some(Ending::Fail),
            Self::Defer { .. } => Some(Ending::Defer),
            Self::Return => Some(Ending::Return),
            Self::Throttle { .. } => Some(Ending::Throttle),
        }
    }
}

impl Task {
    /// The result of the settlement that has ended its last claim, if it was just like this one.
    pub(crate) fn settled_before(&self, settlement: &Settlement) -> Option<Settled> {
        let (token, how, result) = self.settled?;
        (token == settlement.token && Some(how) == settlement.action.ending()).then_some(result)
    }
}

impl Simple {
    pub(crate) fn settle(&mut self, queue: usize, settlement: &Settlement) -> Settled {
        let Some(number) = self.queues.all[queue].find(&settlement.task) else { return Settled::NoTask };
        let task = &self.queues.all[queue].tasks[number];
        let ending = settlement.action.ending();
        let Some(running) = task.running().filter(|running| running.token == settlement.token).cloned()
        else {
            // A settlement that was sent again has the same result again.
            return task.settled_before(settlement).unwrap_or(Settled::ClaimLost);
        };
        let call = match &settlement.action {
            Action::Complete { .. } => Call::Ok,
            Action::Fail { class, .. } if !running.cancel_requested => Call::Failed(class.clone()),
            _ => Call::Ignored,
        };
        if ending.is_some() {
            self.end_call(queue, number, &running.worker, &call);
        }
        let settled = match &settlement.action {
            Action::Heartbeat { progress } => self.heartbeat(queue, number, progress.as_ref()),
            Action::Complete { result } => {
                self.queues.all[queue].tasks[number].result.clone_from(result);
                self.record_end(queue, number, &running, EndedBy::Complete);
                self.end_task(queue, number, TaskState::Done);
                Settled::Completed
            }
            Action::Fail { class, detail, again } => {
                self.record_failure(queue, number, &running, class, detail);
                self.after_failure(queue, number, &running, *again)
            }
            // Decided: neither of these gives the attempt back to a task that is being cancelled.
            Action::Defer { .. } | Action::Return | Action::Throttle { .. } if running.cancel_requested => {
                self.record_end(queue, number, &running, EndedBy::Cancel);
                self.end_task(queue, number, TaskState::Cancelled);
                Settled::Cancelled
            }
            Action::Defer { delay_ms } => self.defer(queue, number, &running, *delay_ms),
            Action::Throttle { limit, key, close_ms } => {
                self.throttle(queue, number, &running, (limit, key.as_ref(), *close_ms))
            }
            Action::Return => {
                self.record_end(queue, number, &running, EndedBy::Return);
                self.queues.all[queue].tasks[number].attempts -= 1;
                self.give_back(queue, number);
                Settled::Waiting { delay_ms: 0 }
            }
        };
        if let Some(ending) = ending {
            self.queues.all[queue].tasks[number].settled = Some((settlement.token, ending, settled));
        }
        settled
    }

    /// The queue's breaker hears how a call went that it has admitted.
    fn end_call(&mut self, queue: usize, number: usize, worker: &str, call: &Call) {
        let task = &mut self.queues.all[queue].tasks[number];
        let Some(admitted) = task.call.take() else { return };
        let breaker = task.gates().iter().find_map(|gate| gate_breaker(&gate.limit)).map(str::to_owned);
        if let Some(name) = breaker {
            self.end_task_of(&name, admitted, worker, call);
        }
    }

    fn heartbeat(&mut self, queue: usize, number: usize, progress: Option<&Vec<u8>>) -> Settled {
        let task = &mut self.queues.all[queue].tasks[number];
        if progress.is_some() {
            task.progress = progress.cloned();
        }
        match task.running_mut() {
            None => Settled::ClaimLost,
            Some(running) => {
                running.expires = self.elapsed.saturating_add(running.claim_ms);
                Settled::Extended { claim_ms: running.claim_ms, cancelled: running.cancel_requested }
            }
        }
    }

    fn defer(&mut self, queue: usize, number: usize, running: &Running, delay_ms: u64) -> Settled {
        if self.gives_attempt_back(queue, number, running) {
            return self.wait(queue, number, delay_ms);
        }
        Settled::Dead
    }

    fn throttle(
        &mut self,
        queue: usize,
        number: usize,
        running: &Running,
        (limit, key, close_ms): (&str, Option<&String>, u64),
    ) -> Settled {
        let gates = self.queues.all[queue].tasks[number].gates().to_vec();
        if !self.gives_attempt_back(queue, number, running) {
            return Settled::Dead;
        }
        let own = gates.iter().find(|gate| gate.limit == limit).map(|gate| gate.key.clone());
        let key = key.cloned().or(own).unwrap_or_default();
        self.leave(queue, number);
        self.close_key(limit, &key, close_ms);
        if !gates.iter().any(|gate| gate.is_at(limit, &key)) {
            return self.wait(queue, number, close_ms);
        }
        self.give_back(queue, number);
        Settled::Waiting { delay_ms: close_ms }
    }

    /// The attempt does not count, unless that has happened too often: then the task is dead.
    fn gives_attempt_back(&mut self, queue: usize, number: usize, running: &Running) -> bool {
        let task = &mut self.queues.all[queue].tasks[number];
        task.defers += 1;
        if task.defers > TASK_DEFERS_MAX {
            // Decided: the failure has the number of the attempt that ends here.
            self.record_failure(queue, number, running, TOO_MANY_DEFERS, &[]);
            self.queues.all[queue].tasks[number].attempts -= 1;
            self.end_task(queue, number, TaskState::Dead);
            return false;
        }
        self.record_end(queue, number, running, EndedBy::Defer);
        self.queues.all[queue].tasks[number].attempts -= 1;
        true
    }

    fn record_end(&mut self, queue: usize, number: usize, running: &Running, how: EndedBy) {
        let task = &mut self.queues.all[queue].tasks[number];
        task.ended.push(Ended {
            attempt: task.attempts,
            worker: running.worker.clone(),
            started: running.started,
            ended: self.wall,
            how,
        });
    }

    fn record_failure(&mut self, queue: usize, number: usize, running: &Running, class: &str, detail: &[u8]) {
        let task = &mut self.queues.all[queue].tasks[number];
        task.failures.push(Failed {
            attempt: task.attempts,
            worker: running.worker.clone(),
            started: running.started,
            ended: self.wall,
            class: class.to_owned(),
            detail: detail.to_owned(),
        });
    }

    /// Whether no attempt may begin any more.
    pub(super) fn is_late(&self, task: &Task) -> bool {
        task.sent.deadline.is_some_and(|deadline| deadline <= self.wall)
    }

    /// No attempt has begun, and none may begin any more.
    pub(super) fn miss_deadline(&mut self, queue: usize, number: usize) {
        let task = &mut self.queues.all[queue].tasks[number];
        task.failures.push(Failed {
            attempt: task.attempts,
            worker: String::new(),
            started: self.wall,
            ended: self.wall,
            class: "deadline".to_owned(),
            detail: Vec::new(),
        });
        self.end_task(queue, number, TaskState::Dead);
    }

    /// Whether the last failure makes another attempt pointless.
    fn gives_up(&self, queue: &Queue, number: usize) -> bool {
        let task = &queue.tasks[number];
        let by_task = task.sent.retry.map(|_| &task.sent.give_up);
        let give_up = by_task.unwrap_or(&queue.settings.options.give_up);
        let class = task.failures.last().map_or("", |failed| &failed.class);
        let is_old = |age: u64| self.wall.saturating_sub(task.begun()) >= age;
        give_up.classes.iter().any(|never| never == class) || give_up.age_ms_max.is_some_and(is_old)
    }

    /// What follows from a failure that was recorded.
    fn after_failure(&mut self, queue: usize, number: usize, running: &Running, again: Again) -> Settled {
        if running.cancel_requested {
            self.end_task(queue, number, TaskState::Cancelled);
            return Settled::Cancelled;
        }
        let retry = self.queues.all[queue].retry_of(number);
        let attempts = self.queues.all[queue].tasks[number].attempts;
        let gives_up = self.gives_up(&self.queues.all[queue], number);
        if again == Again::Never || attempts >= retry.attempts_max || gives_up {
            self.end_task(queue, number, TaskState::Dead);
            return Settled::Dead;
        }
        let delay_ms = match again {
            Again::After(delay_ms) => delay_ms,
            _ => drawn_delay(retry, attempts, running.token),
        };
        self.wait(queue, number, delay_ms)
    }

    /// The worker was not heard of for the time of its claim.
    pub(super) fn lose(&mut self, queue: usize, number: usize, running: &Running) {
        self.end_call(queue, number, &running.worker, &Call::Failed(WORKER_LOST.to_owned()));
        self.record_failure(queue, number, running, WORKER_LOST, &[]);
        let state = &mut self.queues.all[queue];
        state.tasks[number].lost += 1;
        let is_poison = state.tasks[number].lost >= state.settings.lost_max;
        self.after_failure(queue, number, running, if is_poison { Again::Never } else { Again::ByPolicy });
    }

    fn wait(&mut self, queue: usize, number: usize, delay_ms: u64) -> Settled {
        if delay_ms == 0 {
            self.make_ready(queue, number);
        } else {
            self.leave(queue, number);
            let until = self.elapsed.saturating_add(delay_ms);
            self.queues.all[queue].tasks[number].state = State::Backoff(until);
        }
        Settled::Waiting { delay_ms }
    }

    /// The task is kept for a while. If it held its key, the next task of that key takes its place.
    pub(super) fn end_task(&mut self, queue: usize, number: usize, end: TaskState) {
        let state = &mut self.queues.all[queue];
        let keep_ms =
            if end == TaskState::Dead { state.settings.keep_dead_ms } else { state.settings.keep_done_ms };
        let gone = self.elapsed.saturating_add(keep_ms);
        let was_head = state.tasks[number].is_head();
        self.queues.deaths += u32::from(end == TaskState::Dead);
        self.leave(queue, number);
        let state = &mut self.queues.all[queue];
        let position = state.tasks[number].position;
        state.tasks[number].state = State::Final { end, gone };
        self.run_ended(position, end);
        self.tell(
            queue,
            number,
            match end {
                TaskState::Done => "done",
                TaskState::Dead => "dead",
                _ => "cancelled",
            },
        );
        if !was_head {
            return;
        }
        let key = self.queues.all[queue].tasks[number].sent.key.clone();
        key.into_iter().for_each(|key| self.let_next_out(queue, &key));
    }

    /// A task of the key has begun to run: another one may follow it.
    pub(super) fn has_begun(&mut self, queue: usize, number: usize) {
        let state = &self.queues.all[queue];
        let key = state.tasks[number].sent.key.clone();
        let is_one = state.settings.options.key_concurrency.is_none_or(|tasks| tasks <= 1);
        key.into_iter().filter(|_| !is_one).for_each(|key| self.let_next_out(queue, &key));
    }

    /// The first task that waits for a key goes on, if it may.
    fn let_next_out(&mut self, queue: usize, key: &str) {
        let state = &mut self.queues.all[queue];
        let has_key = |task: &Task| task.sent.key.as_deref() == Some(key);
        let next = state.tasks.iter().position(|task| task.state == State::Blocked && has_key(task));
        let Some(next) = next.filter(|_| state.has_place(key)) else { return };
        if state.open(key) > 0 && state.tasks[next].sent.is_alone() {
            return;
        }
        state.last_out.insert(key.to_owned(), state.tasks[next].position);
        match state.tasks[next].sent.run_after {
            Some(run_after) if run_after > self.wall => {
                state.tasks[next].state = State::Scheduled(run_after);
            }
            _ => self.make_ready(queue, next),
        }
    }
}

/// A delay between 0 and what the policy allows after this many attempts.
fn drawn_delay(retry: RetryPolicy, attempts: u32, token: u64) -> u64 {
    let mut cap = u128::from(retry.first_ms);
    for _ in 1..attempts {
        cap = (2 * cap).min(u128::from(u64::MAX));
    }
    let cap = cap.min(u128::from(retry.delay_ms_max));
    // SplitMix64, as Steele, Lea and Flood describe it: its first number for the seed `token`.
    let random = u128::from(seeded_rng::scatter(token));
    ((random * (cap + 1)) >> 64) as u64
}
