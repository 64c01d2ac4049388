//! What is due by one of the two clocks.

use super::{Simple, State, Task};
use crate::SimpleOutcome;
use model::limits::ADVANCE_TASKS_MAX;
use model::{Elapsed, TaskDue, Wall};

/// A task that is due: when, in which queue in the order in which they were made, and its position.
type Due = (TaskDue, u64, u64);

impl Task {
    /// When the node must look at the task.
    #[must_use]
    pub fn due(&self) -> Option<TaskDue> {
        match &self.state {
            State::Scheduled(wall) => {
                Some(TaskDue::Wall(Wall(self.sent.deadline.map_or(*wall, |deadline| deadline.min(*wall)))))
            }
            State::Backoff(elapsed) => Some(TaskDue::Elapsed(Elapsed(*elapsed))),
            State::Running(running) => Some(TaskDue::Elapsed(Elapsed(running.looked_at))),
            State::Final { gone, .. } => Some(TaskDue::Elapsed(Elapsed(*gone))),
            State::Blocked | State::Ready { .. } => {
                self.sent.deadline.map(|deadline| TaskDue::Wall(Wall(deadline)))
            }
        }
    }
}

impl Simple {
    pub(super) fn advance(&mut self, slot: u16, from: TaskDue, tasks_max: u32) -> SimpleOutcome {
        let due = self.due(slot, from);
        let taken = due.len().min(ADVANCE_TASKS_MAX.min(tasks_max as usize));
        for (_, made, position) in &due[..taken] {
            self.advance_one(*made, *position);
        }
        // Decided: what has become due by this is not counted. It has timers of its own, which the node hears of.
        SimpleOutcome::Advanced { more: due.len() > taken }
    }

    /// What is due now in one slot, by the clock of `from` and not before it, in order.
    fn due(&self, slot: u16, from: TaskDue) -> Vec<Due> {
        let now = match from {
            TaskDue::Wall(_) => TaskDue::Wall(Wall(self.wall)),
            TaskDue::Elapsed(_) => TaskDue::Elapsed(Elapsed(self.elapsed)),
        };
        let mut due = Vec::new();
        for queue in self.queues.all.iter().filter(|queue| queue.slot == slot) {
            for task in &queue.tasks {
                let (Some(at), Some(made)) = (task.due(), queue.made) else { continue };
                let is_same_clock = std::mem::discriminant(&at) == std::mem::discriminant(&from);
                if is_same_clock && from <= at && at <= now {
                    due.push((at, made, task.position));
                }
            }
        }
        due.sort_unstable();
        due
    }

    fn advance_one(&mut self, made: u64, position: u64) {
        let Some(queue) = self.queues.all.iter().position(|queue| queue.made == Some(made)) else { return };
        let tasks = &self.queues.all[queue].tasks;
        let Some(number) = tasks.iter().position(|task| task.position == position) else { return };
        let is_late = self.is_late(&tasks[number]);
        let tasks = &mut self.queues.all[queue].tasks;
        match &mut tasks[number].state {
            State::Scheduled(_) | State::Backoff(_) | State::Blocked | State::Ready { .. } if is_late => {
                self.miss_deadline(queue, number);
            }
            State::Scheduled(_) | State::Backoff(_) => self.make_ready(queue, number),
            State::Running(running) if running.expires > self.elapsed => running.looked_at = running.expires,
            State::Running(running) => {
                let running = running.clone();
                self.lose(queue, number, &running);
            }
            State::Final { .. } => self.remove_task(queue, number),
            State::Blocked | State::Ready { .. } => {}
        }
    }
}
