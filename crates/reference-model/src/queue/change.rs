//! Dead letters that are put back, with other content or into another queue, and tasks that are changed alike.

use super::{Change, Queue, State, Task, TaskName};
use crate::{Simple, SimpleOutcome};
use model::limits::{CHANGE_TASKS_MAX, QUEUE_TYPES_MAX};
use model::{TaskState, TasksChanged};

/// Why a dead letter stays one.
enum Stays {
    Full(u64),
    HasId,
    TooManyTypes,
}

impl Simple {
    pub(super) fn replay(
        &mut self,
        queue: usize,
        name: &TaskName,
        to: Option<usize>,
        envelope: Option<&Vec<u8>>,
    ) -> SimpleOutcome {
        let Some(task) = self.queues.all[queue].find(name) else { return SimpleOutcome::NoTask };
        let now = self.queues.all[queue].tasks[task].state.name();
        if now != TaskState::Dead {
            return SimpleOutcome::WrongTaskState(now);
        }
        let to = to.filter(|to| *to != queue);
        match self.stays(queue, task, to) {
            Some(Stays::Full(backlog_max)) => return SimpleOutcome::QueueFull(backlog_max),
            Some(Stays::HasId) => return SimpleOutcome::TaskConflict { part: 0, task: 0 },
            Some(Stays::TooManyTypes) => return SimpleOutcome::TooManyTypes(0),
            None => {}
        }
        if let Some(envelope) = envelope {
            self.queues.all[queue].tasks[task].sent.envelope.clone_from(envelope);
        }
        self.put_back(queue, task, to);
        SimpleOutcome::DeadLetterSettled
    }

    pub(super) fn change(&mut self, queue: usize, change: &Change) -> SimpleOutcome {
        let mut done = TasksChanged::default();
        for (at, position) in change.tasks.iter().take(CHANGE_TASKS_MAX).enumerate() {
            let tasks = &self.queues.all[queue].tasks;
            let Some(number) = tasks.iter().position(|task| task.position == *position) else { continue };
            if !change.is_wanted(&self.queues.all[queue], &tasks[number]) {
                continue;
            }
            match &change.how {
                model::TaskChange::Cancel => {
                    self.cancel(queue, &TaskName::Server(*position));
                }
                model::TaskChange::Drop => {
                    self.tell(queue, number, "dropped");
                    self.remove_task(queue, number);
                }
                model::TaskChange::Replay { .. } => {
                    let to = change.to.filter(|to| *to != queue);
                    match self.stays(queue, number, to) {
                        None => self.put_back(queue, number, to),
                        Some(Stays::Full(backlog_max)) if done == TasksChanged::default() => {
                            return SimpleOutcome::QueueFull(backlog_max);
                        }
                        Some(Stays::Full(_)) => {
                            done.full_after = Some(at as u32);
                            break;
                        }
                        Some(_) => {
                            done.kept += 1;
                            continue;
                        }
                    }
                }
            }
            done.changed += 1;
        }
        SimpleOutcome::TasksChanged(done)
    }

    fn stays(&self, queue: usize, task: usize, to: Option<usize>) -> Option<Stays> {
        let sent = &self.queues.all[queue].tasks[task].sent;
        let target = &self.queues.all[to.unwrap_or(queue)];
        if target.unfinished() >= target.settings.backlog_max {
            return Some(Stays::Full(target.settings.backlog_max));
        }
        to?;
        if sent.id.is_some() && target.tasks.iter().any(|other| other.sent.id == sent.id) {
            return Some(Stays::HasId);
        }
        let has_type = target.types.contains(&sent.task_type);
        (!has_type && target.types.len() >= QUEUE_TYPES_MAX).then_some(Stays::TooManyTypes)
    }

    /// The task starts over, in its queue or in another one, where it is new.
    pub(super) fn put_back(&mut self, queue: usize, task: usize, to: Option<usize>) {
        let (queue, task) = match to {
            None => (queue, task),
            Some(to) => (to, self.move_task(queue, task, to)),
        };
        let sent = self.queues.all[queue].tasks[task].sent.clone();
        self.queues.all[queue].may_become_fair(&sent);
        let state = &self.queues.all[queue];
        let is_held = state.waits_for_key(&state.tasks[task].sent);
        let has_twin = !state.twins(state.tasks[task].sent.unique.as_ref()).is_empty();
        let again = &mut self.queues.all[queue].tasks[task];
        again.replayed = Some(self.wall);
        again.is_unknown = has_twin;
        (again.attempts, again.lost, again.defers) = (0, 0, 0);
        // Its times of day no longer count, not even when the task that blocks it ends later.
        again.sent.run_after = None;
        again.gates = None;
        again.sent.deadline = None;
        if is_held {
            again.state = State::Blocked;
        } else {
            let position = again.position;
            if let Some(key) = again.sent.key.clone() {
                self.queues.all[queue].last_out.insert(key, position);
            }
            self.make_ready(queue, task);
        }
    }

    /// Returns the number that the dead letter has in the other queue.
    fn move_task(&mut self, queue: usize, task: usize, to: usize) -> usize {
        let mut moved: Task = self.queues.all[queue].tasks[task].clone();
        self.remove_task(queue, task);
        self.queues.make(to);
        let before = moved.position;
        moved.position = self.take_position();
        self.member_moved((queue, before), (to, moved.position));
        moved.settled = None;
        let target = &mut self.queues.all[to];
        if !target.types.contains(&moved.sent.task_type) {
            target.types.push(moved.sent.task_type.clone());
        }
        target.tasks.push(moved);
        target.tasks.len() - 1
    }
}

impl Change {
    fn is_wanted(&self, queue: &Queue, task: &Task) -> bool {
        let (now, shown) = (task.state.name(), queue.shown_state(task));
        let can_be = match self.how {
            model::TaskChange::Cancel => !task.is_final(),
            model::TaskChange::Drop | model::TaskChange::Replay { .. } => now == TaskState::Dead,
        };
        let last = task.failures.last().map(|failed| &failed.class);
        let has_class = self.class.is_none() || (now == TaskState::Dead && self.class.as_ref() == last);
        can_be
            && has_class
            && self.state.is_none_or(|wanted| wanted == shown)
            && self.task_type.as_ref().is_none_or(|wanted| *wanted == task.sent.task_type)
    }
}
