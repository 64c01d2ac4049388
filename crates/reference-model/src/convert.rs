//! Commands and outcomes in the words of the model.

use crate::breaker::BreakerAsk;
use crate::queue::convert::group;
use crate::queue::{NewTask, Settlement};
use crate::reaction::ReactionAsk;
use crate::token::TokenAsk;
use crate::{
    Acquire, Append, Ask, Complete, Condition, EventRef, ExecutionAsk, Expect, Id, Keep, Key, Sent, Simple,
    SimpleOutcome, Write as SimpleWrite, Wrote,
};
use model::{
    Appended, Begun, Check, Command, CompleteExecution, Cursor, Expected, Fingerprint, Identity, Keyed,
    NewEvent, Outcome, Refusal, Transaction, Write, Written,
};
use std::borrow::Cow;

/// The lowest bits of a fingerprint hold the time that was sent.
const TIME_BITS: u32 = 48;

impl Simple {
    /// What a command asks for. Streams that were never seen get a number.
    pub fn ask_of(&mut self, command: &Command<'_>) -> Ask {
        if let Some(ask) = self.queue_ask_of(command) {
            return Ask::Queue(ask);
        }
        if let Some(ask) = self.schedule_ask_of(command) {
            return Ask::Schedule(ask);
        }
        if let Some(ask) = ReactionAsk::of(command) {
            return Ask::Reaction(ask);
        }
        if let Some(ask) = BreakerAsk::of(command) {
            return Ask::Breaker(ask);
        }
        match command {
            Command::Append(append) => Ask::Append(append.keyed.as_ref().map(key), self.append_of(append)),
            Command::Transaction(transaction) => self.transaction_of(transaction),
            Command::PutSettings(put) => Ask::Keep(self.stream(put.stream.as_str()), keep(put)),
            Command::DeleteStream(delete) => {
                Ask::Delete(self.stream(delete.stream.as_str()), expect(delete.expected))
            }
            Command::ExpireEvents(expire) => Ask::Expire(self.stream(expire.stream.as_str())),
            Command::CleanUp(_) => Ask::CleanUp,
            Command::ExpireRecords(_) => Ask::ExpireRecords,
            Command::AcquireLease(_)
            | Command::RenewLease(_)
            | Command::ReleaseLease(_)
            | Command::WithdrawLease(_)
            | Command::ExpireLeases(_)
            | Command::PutValue(_)
            | Command::DeleteValue(_) => self.ask_of_lease_or_value(command),
            Command::BeginExecution(_)
            | Command::CompleteExecution(_)
            | Command::AbandonExecution(_)
            | Command::ExpireExecutions(_) => Ask::Execution(self.execution_ask_of(command)),
            Command::PutQueue(_)
            | Command::Enqueue(_)
            | Command::Claim(_)
            | Command::Settle(_)
            | Command::CancelTask(_)
            | Command::SettleDeadLetter(_)
            | Command::ReplayTask(_)
            | Command::ChangeTasks(_)
            | Command::CreateGroup(_)
            | Command::AdvanceTasks(_)
            | Command::PutTenant(_)
            | Command::DeleteTenant(_)
            | Command::PutLimit(_)
            | Command::DeleteLimit(_)
            | Command::AdvanceLimits(_) => unreachable!("{command:?} is about a queue"),
            Command::PutSchedule(_)
            | Command::PutScheduleSet(_)
            | Command::DeleteSchedule(_)
            | Command::ControlSchedule(_)
            | Command::AdvanceSchedule(_) => unreachable!("{command:?} is about schedules"),
            Command::PutBreaker(_)
            | Command::DeleteBreaker(_)
            | Command::ControlBreaker(_)
            | Command::AskBreaker(_)
            | Command::RecordBreaker(_) => unreachable!("{command:?} is about a breaker"),
            Command::ChangeToken(change) => Ask::Token(TokenAsk::of(change)),
            Command::EraseSubject(erase) => Ask::EraseSubject(erase.key_id.0),
            Command::Audited(audited) => Ask::Audited(self.audited_ask_of(audited)),
            Command::PutReaction(_) | Command::DeleteReaction(_) | Command::React(_) => {
                unreachable!("{command:?} is about a reaction")
            }
        }
    }

    fn ask_of_lease_or_value(&mut self, command: &Command<'_>) -> Ask {
        match command {
            Command::AcquireLease(acquire) => Ask::Acquire(Acquire {
                lease: self.lease(acquire.lease.as_str()),
                holder: acquire.holder.clone().into_owned(),
                ttl_ms: acquire.ttl_ms,
                hold_off_ms: acquire.hold_off_ms,
                permits: acquire.permits,
                wait_ms: acquire.wait_ms,
            }),
            Command::RenewLease(renew) => {
                Ask::Renew(self.lease(renew.lease.as_str()), token(renew.token), renew.ttl_ms)
            }
            Command::ReleaseLease(release) => {
                Ask::Release(self.lease(release.lease.as_str()), token(release.token))
            }
            Command::WithdrawLease(withdraw) => {
                let holder = withdraw.holder.clone().into_owned();
                Ask::Withdraw(self.lease(withdraw.lease.as_str()), holder, withdraw.asked.0)
            }
            Command::ExpireLeases(expire) => {
                Ask::ExpireLeases { slot: expire.slot.0, leases_max: expire.leases_max }
            }
            Command::PutValue(put) => Ask::PutValue(
                put.keyed.as_ref().map(key),
                self.value(put.value.as_str()),
                expect(put.expected),
                put.content.clone().into_owned(),
            ),
            Command::DeleteValue(delete) => {
                Ask::DeleteValue(self.value(delete.value.as_str()), expect(delete.expected))
            }
            other => unreachable!("{other:?} is about neither a lease nor a value"),
        }
    }

    fn execution_ask_of(&mut self, command: &Command<'_>) -> ExecutionAsk {
        match command {
            Command::BeginExecution(begin) => ExecutionAsk::Begin {
                execution: self.execution(begin.key.as_str()),
                fingerprint: begin.fingerprint.clone().into_owned(),
                owner: begin.owner.clone().map(Cow::into_owned),
                ttl_ms: begin.ttl_ms,
            },
            Command::CompleteExecution(complete) => ExecutionAsk::Complete(self.complete_of(complete)),
            Command::AbandonExecution(abandon) => {
                ExecutionAsk::Abandon(self.execution(abandon.key.as_str()), abandon.token.map(token))
            }
            Command::ExpireExecutions(expire) => ExecutionAsk::Expire {
                slot: expire.slot.0,
                from: expire.from.0,
                executions_max: expire.executions_max,
            },
            other => unreachable!("{other:?} is not about an execution"),
        }
    }

    fn complete_of(&mut self, complete: &CompleteExecution<'_>) -> Complete {
        Complete {
            execution: self.execution(complete.key.as_str()),
            token: token(complete.token),
            response: complete.response.to_vec(),
            keep_ms: complete.keep_ms,
        }
    }

    fn transaction_of(&mut self, transaction: &Transaction<'_>) -> Ask {
        let check = |check: &Check<'_>| match check {
            Check::Stream { stream, expected } => {
                Condition::Stream(self.stream(stream.as_str()), expect(*expected))
            }
            Check::Lease { lease, token: sent } => Condition::Lease(self.lease(lease.as_str()), token(*sent)),
            Check::Value { value, expected } => {
                Condition::Value(self.value(value.as_str()), expect(*expected))
            }
            Check::Execution { key, token: sent } => {
                Condition::Execution(self.execution(key.as_str()), token(*sent))
            }
        };
        let checks = transaction.checks.iter().map(check).collect();
        let write = |write: &Write<'_>| match write {
            Write::Append(append) => SimpleWrite::Append(self.append_of(append)),
            Write::CompleteExecution(complete) => SimpleWrite::Complete(self.complete_of(complete)),
            Write::Enqueue(enqueue) => SimpleWrite::Enqueue(
                self.queues.number(enqueue.queue.as_str()),
                enqueue.tasks.iter().map(NewTask::of).collect(),
            ),
            Write::Settle(settle) => SimpleWrite::Settle(
                self.queues.number(settle.queue.as_str()),
                settle.settlements.iter().map(Settlement::of).collect(),
            ),
            Write::CreateGroup(create) => {
                SimpleWrite::Group(Box::new(group(create, &mut |name| self.queues.number(name.as_str()))))
            }
        };
        let writes = transaction.writes.iter().map(write).collect();
        Ask::Transaction(transaction.keyed.as_ref().map(key), checks, writes)
    }

    fn append_of(&mut self, append: &model::Append<'_>) -> Append {
        Append {
            stream: self.stream(append.stream.as_str()),
            expect: expect(append.expected),
            events: append.events.iter().map(Sent::of).collect(),
        }
    }
}

impl Sent {
    /// What the model knows of an event.
    #[must_use]
    pub fn of(event: &NewEvent<'_>) -> Self {
        let id = match event.identity {
            Identity::Client(id) => Id::Client(id.0),
            Identity::Server => Id::Server,
            Identity::Echo { id, cursor } => {
                Id::Echo { id: id.0, position: cursor.position.0, slot: cursor.slot.0 }
            }
        };
        let Fingerprint(fingerprint) = event.fingerprint;
        let time = fingerprint & ((1 << TIME_BITS) - 1);
        Self { id, content: fingerprint >> TIME_BITS, time: time as u64 }
    }

    /// The fingerprint of such an event.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::new(self.content << TIME_BITS, self.time)
    }
}

impl From<&Outcome> for SimpleOutcome {
    #[expect(clippy::too_many_lines, reason = "one arm for each outcome")]
    fn from(outcome: &Outcome) -> Self {
        match outcome {
            Outcome::Appended(appended) => {
                let (slot, event_refs) = event_refs(appended);
                Self::Appended(slot, event_refs)
            }
            Outcome::Transacted { replayed, writes } => {
                Self::Transacted { replayed: *replayed, writes: writes.iter().map(Wrote::from).collect() }
            }
            Outcome::SettingsPut => Self::SettingsPut,
            Outcome::StreamDeleted { last } => Self::Deleted(last.map(|last| last.0)),
            Outcome::Progressed { .. } => Self::Progressed,
            Outcome::LeaseGranted(granted) => Self::LeaseGranted {
                token: token(granted.token),
                remaining_ms: granted.remaining_ms,
                replayed: granted.replayed,
            },
            Outcome::LeaseAwaited { asked } => Self::LeaseAwaited(asked.0),
            Outcome::LeaseRenewed { remaining_ms } => Self::LeaseRenewed(*remaining_ms),
            Outcome::LeaseReleased => Self::LeaseReleased,
            Outcome::LeaseWithdrawn => Self::LeaseWithdrawn,
            Outcome::ValuePut { revision, replayed } => {
                Self::ValuePut { revision: revision.0, replayed: *replayed }
            }
            Outcome::ValueDeleted { last } => Self::ValueDeleted(last.map(|last| last.0)),
            Outcome::ExecutionBegun(Begun::New { token: given, remaining_ms, replayed }) => {
                Self::ExecutionNew { token: token(*given), remaining_ms: *remaining_ms, replayed: *replayed }
            }
            Outcome::ExecutionBegun(Begun::Completed { response, remaining_ms }) => {
                Self::ExecutionDone { response: response.clone(), remaining_ms: *remaining_ms }
            }
            Outcome::ExecutionCompleted { replayed } => Self::ExecutionCompleted { replayed: *replayed },
            Outcome::ExecutionAbandoned { existed } => Self::ExecutionAbandoned { existed: *existed },
            Outcome::QueuePut => Self::QueuePut,
            Outcome::Enqueued(enqueued) => Self::Enqueued(enqueued.slot.0, enqueued.tasks.clone()),
            Outcome::Claimed(claimed) => Self::Claimed(claimed.clone()),
            Outcome::Settled(settled) => Self::Settled(settled.clone()),
            Outcome::TaskCancelled(state) => Self::TaskCancelled(*state),
            Outcome::DeadLetterSettled => Self::DeadLetterSettled,
            Outcome::TenantPut => Self::TenantPut,
            Outcome::TenantDeleted { existed } => Self::TenantDeleted(*existed),
            Outcome::LimitPut => Self::LimitPut,
            Outcome::LimitDeleted => Self::LimitDeleted,
            Outcome::BreakerPut => Self::BreakerPut,
            Outcome::BreakerDeleted => Self::BreakerDeleted,
            Outcome::BreakerControlled => Self::BreakerControlled,
            Outcome::BreakerAsked(decision) => Self::BreakerAsked(*decision),
            Outcome::BreakerRecorded(recorded) => Self::BreakerRecorded(*recorded),
            Outcome::SchedulePut { generation, changed } => {
                Self::SchedulePut { generation: generation.0, changed: *changed }
            }
            Outcome::ScheduleSetPut { changed, deleted } => {
                Self::ScheduleSetPut { changed: *changed as usize, deleted: *deleted as usize }
            }
            Outcome::ScheduleDeleted { existed } => Self::ScheduleDeleted(*existed),
            Outcome::ScheduleControlled(controlled) => Self::ScheduleControlled(controlled.clone()),
            Outcome::ScheduleAdvanced { runs, skipped } => {
                Self::ScheduleAdvanced { runs: u64::from(*runs), skipped: *skipped }
            }
            Outcome::ReactionPut { cursor } => Self::ReactionPut(*cursor),
            Outcome::ReactionDeleted { existed } => Self::ReactionDeleted(*existed),
            Outcome::Reacted { tasks, cursor } => Self::Reacted(*tasks, *cursor),
            Outcome::TokenCreated { created, expires } => {
                Self::TokenCreated { created: created.0, expires: expires.map(|expires| expires.0) }
            }
            Outcome::TokenRevoked => Self::TokenRevoked,
            Outcome::TokenUsed => Self::TokenUsed,
            Outcome::SubjectErased { erased } => Self::SubjectErased(erased.0),
            Outcome::TasksChanged(changed) => Self::TasksChanged(*changed),
            Outcome::GroupCreated(created) => {
                Self::GroupCreated(created.group.position.0, created.group.slot.0, created.replayed)
            }
            Outcome::Refused(refusal) => match *refusal {
                Refusal::WrongRevision { part, current } => {
                    Self::WrongRevision { part: part as usize, current: current.map(|current| current.0) }
                }
                Refusal::EventConflict { write, event, revision } => Self::EventConflict {
                    write: write as usize,
                    event: event as usize,
                    revision: revision.map(|revision| revision.0),
                },
                Refusal::KeyConflict { differs } => Self::KeyConflict { differs },
                Refusal::TruncateBeyondEnd { next } => Self::TruncateBeyondEnd(next.0),
                Refusal::Unsupported => Self::Unsupported,
                Refusal::LeaseHeld { token: held, remaining_ms } => {
                    Self::LeaseHeld { token: token(held), remaining_ms }
                }
                Refusal::LeaseLost { part } => Self::LeaseLost(part as usize),
                Refusal::ExecutionInProgress { remaining_ms } => Self::ExecutionInProgress(remaining_ms),
                Refusal::ExecutionDiffers => Self::ExecutionDiffers,
                Refusal::ExecutionLost { part } => Self::ExecutionLost(part as usize),
                Refusal::LeasePermitsDiffer { permits } => Self::LeasePermitsDiffer(permits),
                Refusal::KeysFull | Refusal::StreamFull | Refusal::LeaseQueueFull | Refusal::ValueFull => {
                    Self::Full
                }
                Refusal::QueueFull { backlog_max } => Self::QueueFull(backlog_max),
                Refusal::TooManyTypes { task } => Self::TooManyTypes(task as usize),
                Refusal::NoTask => Self::NoTask,
                Refusal::NoLimit => Self::NoLimit,
                Refusal::NoBreaker => Self::NoBreaker,
                Refusal::NoSchedule => Self::NoSchedule,
                Refusal::ScheduleBusy => Self::ScheduleBusy,
                Refusal::ScheduleOwned { schedule } => Self::ScheduleOwned(schedule as usize),
                Refusal::TickInFuture => Self::TickInFuture,
                Refusal::WrongTaskState { state } => Self::WrongTaskState(state),
                Refusal::TaskConflict { part, task } => {
                    Self::TaskConflict { part: part as usize, task: task as usize }
                }
                Refusal::GroupConflict { part } => Self::GroupConflict(part as usize),
                Refusal::ClaimLost { part, settlement } => {
                    Self::ClaimLost { part: part as usize, settlement: settlement as usize }
                }
                Refusal::CursorBeyondEnd { end } => Self::CursorBeyondEnd(end.0),
                Refusal::TooManyReactions => Self::TooManyReactions,
                Refusal::ReactionMoved => Self::ReactionMoved,
                Refusal::NoToken => Self::NoToken,
                Refusal::TokenExists => Self::TokenExists,
                Refusal::TooManyTokens => Self::TooManyTokens,
            },
        }
    }
}

impl From<&Written> for Wrote {
    fn from(written: &Written) -> Self {
        match written {
            Written::Appended(appended) => {
                let (slot, event_refs) = event_refs(appended);
                Self::Appended(slot, event_refs)
            }
            Written::Enqueued(enqueued) => Self::Enqueued(enqueued.slot.0, enqueued.tasks.clone()),
            Written::Settled(settled) => Self::Settled(settled.clone()),
            Written::ExecutionCompleted => Self::Completed,
            Written::GroupCreated(created) => {
                Self::GroupCreated(created.group.position.0, created.group.slot.0, created.replayed)
            }
        }
    }
}

fn event_refs(appended: &Appended) -> (u16, Vec<EventRef>) {
    let event_ref = |event: &model::AppendedEvent| EventRef {
        revision: event.revision.0,
        position: event.position.0,
        replayed: event.replayed,
    };
    (appended.slot.0, appended.events.iter().map(event_ref).collect())
}

fn token(cursor: Cursor) -> (u64, u16) {
    (cursor.position.0, cursor.slot.0)
}

pub(crate) fn key(keyed: &Keyed) -> Key {
    Key { key: keyed.key.0, request: keyed.fingerprint.0, slot: keyed.slot.0 }
}

fn keep(put: &model::PutSettings<'_>) -> Keep {
    Keep {
        age_ms: put.settings.max_age_ms,
        count: put.settings.max_count,
        truncate_before: put.settings.truncate_before.map(|revision| revision.0),
    }
}

fn expect(expected: Expected) -> Expect {
    match expected {
        Expected::Any => Expect::Any,
        Expected::None => Expect::None,
        Expected::Exists => Expect::Exists,
        Expected::Revision(revision) => Expect::Revision(revision.0),
    }
}
