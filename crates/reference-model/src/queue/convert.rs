//! Commands about queues, in the words of the model.

use super::groups::{SentGroup, Spec, SpecMember};
use super::{Action, Again, Change, ClaimAsk, NewTask, QueueAsk, Settlement, TaskName};
use crate::{Simple, convert};
use model::{
    Command, CreateGroup, GroupTask, Namespace, NewGroup, NewMember, QueueName, TaskChange, TaskRef,
    UniqueMode,
};
use std::borrow::Cow;

impl Simple {
    /// What a command asks of a queue; `None` if it is about something else. Queues that were never seen get a
    /// number.
    #[expect(clippy::too_many_lines, reason = "one arm for each command")]
    pub(crate) fn queue_ask_of(&mut self, command: &Command<'_>) -> Option<QueueAsk> {
        let mut number = |queue: &QueueName<'_>| self.queues.number(queue.as_str());
        Some(match command {
            Command::PutQueue(put) => QueueAsk::Put(number(&put.queue), put.settings.clone()),
            Command::Enqueue(enqueue) => QueueAsk::Enqueue(
                number(&enqueue.queue),
                enqueue.keyed.as_ref().map(convert::key),
                enqueue.tasks.iter().map(NewTask::of).collect(),
            ),
            Command::Claim(claim) => QueueAsk::Claim(
                number(&claim.queue),
                ClaimAsk {
                    worker: claim.worker.to_string(),
                    types: claim.types.iter().map(Cow::to_string).collect(),
                    tasks_max: claim.tasks_max,
                    claim_ms: claim.claim_ms,
                    request: claim.request.map(|request| request.0),
                },
            ),
            Command::Settle(settle) => {
                let settlements = settle.settlements.iter().map(Settlement::of).collect();
                QueueAsk::Settle(number(&settle.queue), settlements)
            }
            Command::CancelTask(cancel) => {
                QueueAsk::Cancel(number(&cancel.queue), TaskName::of(&cancel.task))
            }
            Command::ReplayTask(replay) => QueueAsk::Replay(
                number(&replay.queue),
                TaskName::of(&replay.task),
                replay.to.as_ref().map(&mut number),
                replay.envelope.as_ref().map(|envelope| envelope.to_vec()),
            ),
            Command::ChangeTasks(change) => {
                let queue = number(&change.queue);
                let (how, to) = match &change.change {
                    TaskChange::Cancel => (TaskChange::Cancel, None),
                    TaskChange::Drop => (TaskChange::Drop, None),
                    TaskChange::Replay { to } => {
                        (TaskChange::Replay { to: None }, to.as_ref().map(&mut number))
                    }
                };
                let change = Change {
                    tasks: change.tasks.iter().map(|task| task.0).collect(),
                    state: change.state,
                    task_type: change.task_type.as_ref().map(Cow::to_string),
                    class: change.class.as_ref().map(Cow::to_string),
                    how,
                    to,
                };
                QueueAsk::Change(queue, change)
            }
            Command::CreateGroup(create) => QueueAsk::Group(Box::new(group(create, &mut number))),
            Command::SettleDeadLetter(settle) => {
                QueueAsk::DeadLetter(number(&settle.queue), TaskName::of(&settle.task), settle.end)
            }
            Command::AdvanceTasks(advance) => {
                QueueAsk::Advance { slot: advance.slot.0, from: advance.from, tasks_max: advance.tasks_max }
            }
            Command::PutTenant(put) => {
                QueueAsk::PutTenant(number(&put.queue), put.tenant.to_string(), Some(put.weight))
            }
            Command::DeleteTenant(delete) => {
                QueueAsk::PutTenant(number(&delete.queue), delete.tenant.to_string(), None)
            }
            Command::PutLimit(put) => {
                QueueAsk::PutLimit(self.queues.limits.number(put.limit.as_str()), Some(put.settings))
            }
            Command::DeleteLimit(delete) => {
                QueueAsk::PutLimit(self.queues.limits.number(delete.limit.as_str()), None)
            }
            Command::AdvanceLimits(advance) => QueueAsk::AdvanceLimits {
                slot: advance.slot.0,
                from: advance.from.0,
                keys_max: advance.keys_max,
            },
            _ => return None,
        })
    }
}

/// What a client sent.
pub(crate) fn group(create: &CreateGroup<'_>, number: &mut impl FnMut(&QueueName<'_>) -> usize) -> SentGroup {
    SentGroup {
        name: create.group.to_string(),
        slot: create.group.slot(Namespace::ROOT).0,
        content: create.fingerprint.0,
        spec: spec(&create.content, number),
    }
}

fn spec(group: &NewGroup<'_>, number: &mut impl FnMut(&QueueName<'_>) -> usize) -> Spec {
    let mut task = |task: &GroupTask<'_>| (number(&task.queue), NewTask::of(&task.task));
    let (then, on_dead) = (group.then.as_deref().map(&mut task), group.on_dead.as_deref().map(&mut task));
    let members = group.members.iter().map(|member| match member {
        NewMember::Task(task) => SpecMember::Task(number(&task.queue), NewTask::of(&task.task)),
        NewMember::Group(inner) => SpecMember::Group(Box::new(spec(inner, number))),
    });
    Spec { members: members.collect(), then, on_dead }
}

impl NewTask {
    pub(crate) fn of(task: &model::NewTask<'_>) -> Self {
        let unique = task.options.unique.as_ref().map(|unique| (unique.key.to_string(), unique.mode));
        let key = match &unique {
            Some((key, UniqueMode::OneWaiting | UniqueMode::Replace)) => Some(key.clone()),
            _ => task.key.as_ref().map(Cow::to_string),
        };
        Self {
            id: task.id.as_ref().map(Cow::to_string),
            content: task.fingerprint.0,
            task_type: task.task_type.to_string(),
            run_after: task.run_after.map(|wall| wall.0),
            priority: task.priority,
            key,
            claim_ms: task.claim_ms,
            retry: task.retry,
            envelope: task.envelope.to_vec(),
            unique,
            deadline: task.options.deadline.map(|wall| wall.0),
            give_up: task.options.give_up.clone().into_owned(),
            fair: task.options.fair.as_ref().map(|tenant| tenant.as_str().to_owned()),
        }
    }
}

impl TaskName {
    fn of(task: &TaskRef<'_>) -> Self {
        match task {
            TaskRef::Client(id) => Self::Client(id.to_string()),
            TaskRef::Server(position) => Self::Server(position.0),
        }
    }
}

impl Settlement {
    pub(crate) fn of(settlement: &model::Settlement<'_>) -> Self {
        Self {
            task: TaskName::of(&settlement.task),
            token: settlement.token.0,
            action: Action::of(&settlement.action),
        }
    }
}

impl Action {
    fn of(action: &model::Action<'_>) -> Self {
        let bytes = |bytes: &Option<Cow<'_, [u8]>>| bytes.as_ref().map(|bytes| bytes.to_vec());
        match action {
            model::Action::Heartbeat { progress } => Self::Heartbeat { progress: bytes(progress) },
            model::Action::Complete { result } => Self::Complete { result: bytes(result) },
            model::Action::Fail(failure) => Self::Fail {
                class: failure.class.to_string(),
                detail: failure.detail.to_vec(),
                again: match failure.delay_ms {
                    _ if !failure.retryable => Again::Never,
                    Some(delay_ms) => Again::After(delay_ms),
                    None => Again::ByPolicy,
                },
            },
            model::Action::Defer { delay_ms } => Self::Defer { delay_ms: *delay_ms },
            model::Action::Return => Self::Return,
            model::Action::Throttle(throttle) => Self::Throttle {
                limit: throttle.limit.to_string(),
                key: throttle.key.as_ref().map(Cow::to_string),
                close_ms: throttle.close_ms,
            },
        }
    }
}
