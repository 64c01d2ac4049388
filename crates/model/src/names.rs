//! Every name that a command uses, so that it can be checked whether a token covers all of them.

use crate::command::{Append, Check, Command, Transaction, Write};
use crate::group::{CreateGroup, GroupTask};
use crate::queue::{Action, Enqueue, PutQueue, Settle, TaskChange};
use crate::schedule::PutSchedule;

impl Command<'_> {
    /// Passes each name that the command uses to `see`, whatever it is the name of: of what it changes, what it checks,
    /// and what it makes the store use later. A name may come more than once.
    ///
    /// What a reaction follows, and the breakers of a queue, are the beginning of names. They are passed as they are:
    /// a token that covers the beginning covers all names that begin so. A task's tenant is not passed, because
    /// it belongs to the queue.
    pub fn names(&self, see: &mut dyn FnMut(&str)) {
        match self {
            Self::Append(append) => of_append(append, see),
            Self::Transaction(transaction) => of_transaction(transaction, see),
            Self::PutSettings(put) => see(put.stream.as_str()),
            Self::DeleteStream(delete) => see(delete.stream.as_str()),
            Self::AcquireLease(acquire) => see(acquire.lease.as_str()),
            Self::RenewLease(renew) => see(renew.lease.as_str()),
            Self::ReleaseLease(release) => see(release.lease.as_str()),
            Self::WithdrawLease(withdraw) => see(withdraw.lease.as_str()),
            Self::PutValue(put) => see(put.value.as_str()),
            Self::DeleteValue(delete) => see(delete.value.as_str()),
            Self::BeginExecution(begin) => see(begin.key.as_str()),
            Self::CompleteExecution(complete) => see(complete.key.as_str()),
            Self::AbandonExecution(abandon) => see(abandon.key.as_str()),
            Self::PutQueue(put) => of_put_queue(put, see),
            Self::Enqueue(enqueue) => of_enqueue(enqueue, see),
            Self::Claim(claim) => see(claim.queue.as_str()),
            Self::Settle(settle) => of_settle(settle, see),
            Self::CancelTask(cancel) => see(cancel.queue.as_str()),
            Self::SettleDeadLetter(settle) => see(settle.queue.as_str()),
            Self::ReplayTask(replay) => {
                see(replay.queue.as_str());
                replay.to.iter().for_each(|queue| see(queue.as_str()));
            }
            Self::ChangeTasks(change) => {
                see(change.queue.as_str());
                match &change.change {
                    TaskChange::Replay { to } => to.iter().for_each(|queue| see(queue.as_str())),
                    TaskChange::Cancel | TaskChange::Drop => {}
                }
            }
            Self::CreateGroup(create) => of_group(create, see),
            Self::PutTenant(put) => see(put.queue.as_str()),
            Self::DeleteTenant(delete) => see(delete.queue.as_str()),
            Self::PutLimit(put) => see(put.limit.as_str()),
            Self::DeleteLimit(delete) => see(delete.limit.as_str()),
            Self::PutBreaker(put) => see(put.breaker.as_str()),
            Self::DeleteBreaker(delete) => see(delete.breaker.as_str()),
            Self::ControlBreaker(control) => see(control.breaker.as_str()),
            Self::AskBreaker(ask) => see(ask.breaker.as_str()),
            Self::RecordBreaker(record) => see(record.breaker.as_str()),
            Self::PutSchedule(put) => of_schedule(put, see),
            Self::PutScheduleSet(put) => {
                see(put.owner.as_str());
                put.schedules.iter().for_each(|schedule| of_schedule(schedule, see));
            }
            Self::DeleteSchedule(delete) => see(delete.schedule.as_str()),
            Self::ControlSchedule(control) => see(control.schedule.as_str()),
            Self::PutReaction(put) => {
                see(put.reaction.as_str());
                see(&put.settings.prefix);
                see(put.settings.queue.as_str());
            }
            Self::DeleteReaction(delete) => see(delete.reaction.as_str()),
            Self::Audited(audited) => audited.command.names(see),
            // Tokens have ids, not names: only a token for all names may change tokens.
            Self::ChangeToken(_) => {}
            // A subject has no name of its own: only administrators of all names may erase one.
            Self::EraseSubject(_) => {}
            // Commands of the node's own.
            Self::ExpireEvents(_)
            | Self::CleanUp(_)
            | Self::ExpireRecords(_)
            | Self::ExpireLeases(_)
            | Self::ExpireExecutions(_)
            | Self::AdvanceTasks(_)
            | Self::AdvanceLimits(_)
            | Self::AdvanceSchedule(_)
            | Self::React(_) => {}
        }
    }
}

fn of_append(append: &Append<'_>, see: &mut dyn FnMut(&str)) {
    see(append.stream.as_str());
}

fn of_transaction(transaction: &Transaction<'_>, see: &mut dyn FnMut(&str)) {
    for check in &transaction.checks {
        match check {
            Check::Stream { stream, .. } => see(stream.as_str()),
            Check::Lease { lease, .. } => see(lease.as_str()),
            Check::Value { value, .. } => see(value.as_str()),
            Check::Execution { key, .. } => see(key.as_str()),
        }
    }
    for write in &transaction.writes {
        match write {
            Write::Append(append) => of_append(append, see),
            Write::Enqueue(enqueue) => of_enqueue(enqueue, see),
            Write::Settle(settle) => of_settle(settle, see),
            Write::CompleteExecution(complete) => see(complete.key.as_str()),
            Write::CreateGroup(create) => of_group(create, see),
        }
    }
}

fn of_enqueue(enqueue: &Enqueue<'_>, see: &mut dyn FnMut(&str)) {
    see(enqueue.queue.as_str());
}

fn of_settle(settle: &Settle<'_>, see: &mut dyn FnMut(&str)) {
    see(settle.queue.as_str());
    for settlement in &settle.settlements {
        match &settlement.action {
            Action::Throttle(throttle) => see(throttle.limit.as_str()),
            Action::Heartbeat { .. }
            | Action::Complete { .. }
            | Action::Fail(_)
            | Action::Defer { .. }
            | Action::Return => {}
        }
    }
}

fn of_put_queue(put: &PutQueue<'_>, see: &mut dyn FnMut(&str)) {
    see(put.queue.as_str());
    let options = &put.settings.options;
    options.limits.iter().for_each(|limit| see(limit.limit.as_str()));
    options.breaker.iter().for_each(|breaker| see(&breaker.prefix));
    options.events.iter().for_each(|stream| see(stream.as_str()));
}

fn of_group(create: &CreateGroup<'_>, see: &mut dyn FnMut(&str)) {
    see(create.group.as_str());
    let mut of_task = |task: &GroupTask<'_>| see(task.queue.as_str());
    create.content.tasks().for_each(&mut of_task);
    create.content.followers().for_each(&mut of_task);
}

fn of_schedule(put: &PutSchedule<'_>, see: &mut dyn FnMut(&str)) {
    see(put.schedule.as_str());
    of_enqueue(&put.definition.enqueue, see);
}
