//! Enqueuing: which tasks of a batch are new, whether there is space for them, and where they stand.

use super::{NewTask, Queue, State, Task};
use crate::{Simple, SimpleOutcome};
use model::limits::QUEUE_TYPES_MAX;
use model::{EnqueuedTask, Position, TaskState, UniqueMode};

impl Queue {
    /// The number of the task that makes a new one unnecessary, or that a new one replaces.
    fn met(&self, sent: &NewTask) -> Option<usize> {
        let (_, mode) = sent.unique.as_ref()?;
        let twins = self.twins(sent.unique.as_ref()).into_iter();
        let met = twins.rev().find(|twin| *mode == UniqueMode::Existing || twin.running().is_none())?;
        self.tasks.iter().position(|task| task.position == met.position)
    }
}

impl Simple {
    pub(crate) fn enqueue(&mut self, queue: usize, batch: &[NewTask]) -> SimpleOutcome {
        if let Some(refusal) = self.refuse(queue, batch) {
            return refusal;
        }
        // Decided: a batch without tasks makes no queue, as an append without events makes no stream.
        if !batch.is_empty() {
            self.queues.make(queue);
        }
        let tasks = batch.iter().map(|sent| self.enqueue_one(queue, sent)).collect();
        SimpleOutcome::Enqueued(self.queues.all[queue].slot, tasks)
    }

    /// Why the whole batch is refused.
    fn refuse(&self, queue: usize, batch: &[NewTask]) -> Option<SimpleOutcome> {
        let state = &self.queues.all[queue];
        let is_known =
            |sent: &NewTask| sent.id.is_some() && state.tasks.iter().any(|task| task.sent.id == sent.id);
        // An id that comes twice in the batch counts twice.
        let new: Vec<(usize, &NewTask)> = batch
            .iter()
            .enumerate()
            .filter(|(_, sent)| !is_known(sent) && state.met(sent).is_none())
            .collect();
        if !new.is_empty() && state.unfinished() + new.len() as u64 > state.settings.backlog_max {
            return Some(SimpleOutcome::QueueFull(state.settings.backlog_max));
        }
        let mut types: Vec<&String> = state.types.iter().collect();
        for (at, sent) in new {
            if !types.contains(&&sent.task_type) {
                types.push(&sent.task_type);
            }
            if types.len() > QUEUE_TYPES_MAX {
                return Some(SimpleOutcome::TooManyTypes(at));
            }
        }
        None
    }

    pub(crate) fn enqueue_one(&mut self, queue: usize, sent: &NewTask) -> EnqueuedTask {
        let state = &self.queues.all[queue];
        let twin = state.tasks.iter().find(|task| sent.id.is_some() && task.sent.id == sent.id);
        if let Some(twin) = twin {
            let position = Position(twin.position);
            return if twin.sent.content == sent.content {
                EnqueuedTask::Replayed(position)
            } else {
                EnqueuedTask::Conflict(position)
            };
        }
        if let Some(met) = state.met(sent) {
            let met = &state.tasks[met];
            if sent.unique.as_ref().is_none_or(|(_, mode)| *mode != UniqueMode::Replace) {
                return EnqueuedTask::Existing { task: Position(met.position), id: met.sent.id.clone() };
            }
            let position = met.position;
            let number = state.tasks.iter().position(|task| task.position == position);
            number.into_iter().for_each(|number| self.end_task(queue, number, TaskState::Cancelled));
        }
        EnqueuedTask::Added(Position(self.add_task(queue, sent)))
    }

    /// Adds a task that no check stands against.
    pub(super) fn add_task(&mut self, queue: usize, sent: &NewTask) -> u64 {
        let state = &self.queues.all[queue];
        let is_held = state.is_held(sent.key.as_ref());
        let position = self.take_position();
        let mut task = Task {
            position,
            sent: sent.clone(),
            state: State::Blocked,
            attempts: 0,
            lost: 0,
            defers: 0,
            progress: None,
            result: None,
            failures: Vec::new(),
            ended: Vec::new(),
            settled: None,
            gates: None,
            call: None,
            replayed: None,
            is_unknown: false,
        };
        let mut is_ready = false;
        match sent.run_after {
            _ if is_held => {}
            Some(run_after) if run_after > self.wall => task.state = State::Scheduled(run_after),
            _ => is_ready = true,
        }
        let state = &mut self.queues.all[queue];
        if !state.types.contains(&sent.task_type) {
            state.types.push(sent.task_type.clone());
        }
        let lane = task.own_lane();
        state.tasks.push(task);
        let number = state.tasks.len() - 1;
        if is_ready {
            self.enter_ready(queue, number, position, lane);
        }
        position
    }
}
