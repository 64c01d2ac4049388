//! The state machine: an entry goes in; outcomes, bodies, a write set and effects come out.

use crate::breaker;
use crate::clean_up;
use crate::erasure;
use crate::execution;
use crate::expire_records;
use crate::fair;
use crate::group;
use crate::heads::Heads;
use crate::idempotency::once;
use crate::lease::{self, acquire, release, renew, withdraw};
use crate::limit;
use crate::overlay::{Finished, Overlay, ReadyChange};
use crate::query::shard_row;
use crate::queue;
use crate::reaction;
use crate::schedule;
use crate::stream::{append, delete, expire, settings};
use crate::token;
use crate::transaction;
use crate::value;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::mem;
use format::body::HEADER_BYTES;
use format::row::ShardRow;
use model::{
    Append, Audited, Behaviour, Command, Cursor, Effect, Entry, Key, Namespace, Outcome, Position, QueueName,
    Refusal, Slot, SlotRange, TaskDue, Timer, View, ViewError, Write, WriteSet,
};

/// The behaviour that new entries are applied under.
pub const BEHAVIOUR: Behaviour = Behaviour(1);

/// Whether this version can apply entries of `behaviour`. A node stops before it applies an entry of an
/// unknown behaviour, because [`Shard::apply`] would refuse commands that another version has accepted.
#[must_use]
pub const fn knows(behaviour: Behaviour) -> bool {
    behaviour.0 == BEHAVIOUR.0
}

/// The options of a shard. None of them influences a decision.
#[derive(Clone, Copy, Debug)]
pub struct ShardOptions {
    /// The slots that the shard owns. Its own row is in the first one.
    pub slots: SlotRange,
    /// How many streams' heads are kept in memory. Each takes about 250 bytes.
    pub heads_max: usize,
}

impl Default for ShardOptions {
    fn default() -> Self {
        Self { slots: SlotRange::ALL, heads_max: 65_536 }
    }
}

/// The results of applying an entry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// One for each command, in order.
    pub outcomes: Vec<Outcome>,
    /// Encoded body records of the appended events, in position order.
    pub bodies: Vec<u8>,
    /// The greatest cursor among them; `None` when nothing was appended.
    pub last: Option<Cursor>,
    pub writes: WriteSet,
    pub effects: Vec<Effect>,
}

/// One shard. It keeps a bounded cache of stream heads, and no state.
#[derive(Debug)]
pub struct Shard {
    slots: SlotRange,
    heads: Heads,
}

impl Shard {
    #[must_use]
    pub fn new(options: ShardOptions) -> Self {
        Self { slots: options.slots, heads: Heads::new(options.heads_max) }
    }

    /// The slots that the shard owns.
    #[must_use]
    pub fn slots(&self) -> SlotRange {
        self.slots
    }

    /// Decides each command of `entry` over `view`, the state after all entries before it.
    ///
    /// The writes must be in the view before the next entry is applied. If they were not committed, for
    /// example because the engine was fenced, applying to the old view again is also correct: the cache then
    /// starts empty.
    ///
    /// # Errors
    /// [`ViewError`]: nothing has changed, and the same entry can be applied again.
    pub fn apply(&mut self, entry: &Entry<'_>, view: &impl View) -> Result<Applied, ViewError> {
        let before = shard_row(view, self.slots.first)?;
        self.heads.belong_to(before);
        // The proposer's clocks never run backwards. Even if they did, the shard's would not.
        let now = ShardRow {
            applied: before.applied + 1,
            wall: before.wall.max(entry.wall),
            elapsed: before.elapsed.max(entry.elapsed),
            ..before
        };
        let mut overlay = Overlay::new(view, &mut self.heads, self.slots.first, now);
        overlay.bodies.reserve_exact(entry.commands.iter().map(body_bytes).sum());
        let mut outcomes = Vec::with_capacity(entry.commands.len());
        for command in &entry.commands {
            outcomes.push(if knows(entry.behaviour) {
                apply_whole(command, &mut overlay)?
            } else {
                Outcome::Refused(Refusal::Unsupported)
            });
        }
        limit::open::queues(&mut overlay)?;
        let Finished { writes, bodies, last, timers, removed, notified, ready, died } = overlay.finish();
        let mut effects = effects(timers, removed, notified);
        effects.extend(ready_effects(ready));
        effects.extend((died > 0).then_some(Effect::TasksDied { tasks: died }));
        Ok(Applied { outcomes, bodies, last, writes, effects })
    }
}

/// The bytes that a command's bodies take if all its events are appended.
fn body_bytes(command: &Command<'_>) -> usize {
    let append = |append: &Append<'_>| {
        let each = HEADER_BYTES + append.stream.as_str().len();
        append.events.iter().map(|event| each + event.event_type.len() + event.envelope.len()).sum()
    };
    match command {
        Command::Append(one) => append(one),
        Command::Transaction(transaction) => {
            let of_write = |write: &Write<'_>| match write {
                Write::Append(one) => append(one),
                Write::Enqueue(_)
                | Write::Settle(_)
                | Write::CompleteExecution(_)
                | Write::CreateGroup(_) => 0,
            };
            transaction.writes.iter().map(of_write).sum()
        }
        _ => 0,
    }
}

/// Applies a command with all that follows from it.
fn apply_whole<'e, V: View>(
    command: &'e Command<'_>,
    overlay: &mut Overlay<'_, 'e, V>,
) -> Result<Outcome, ViewError> {
    let outcome = apply_command(command, overlay)?;
    group::step::take_all(overlay)?;
    limit::open::all(overlay)?;
    Ok(outcome)
}

fn apply_command<'e, V: View>(
    command: &'e Command<'_>,
    overlay: &mut Overlay<'_, 'e, V>,
) -> Result<Outcome, ViewError> {
    match command {
        Command::Append(append) => match append.keyed {
            None => append::apply(append, overlay),
            keyed => {
                let slot = append.stream.slot(Namespace::ROOT);
                once(keyed, slot, overlay, |overlay| append::apply(append, overlay))
            }
        },
        Command::Transaction(transaction) => {
            let slot = transaction.keyed.map_or(Slot(0), |keyed| keyed.slot);
            once(transaction.keyed, slot, overlay, |overlay| transaction::apply(transaction, overlay))
        }
        Command::PutSettings(put) => settings::apply(put, overlay),
        Command::DeleteStream(delete) => delete::apply(delete, overlay),
        Command::ExpireEvents(expire) => expire::apply(expire, overlay),
        Command::CleanUp(clean_up) => clean_up::apply(clean_up, overlay),
        Command::ExpireRecords(expire) => expire_records::apply(expire, overlay),
        Command::AcquireLease(acquire) => acquire::apply(acquire, overlay),
        Command::RenewLease(renew) => renew::apply(renew, overlay),
        Command::ReleaseLease(release) => release::apply(release, overlay),
        Command::WithdrawLease(withdraw) => withdraw::apply(withdraw, overlay),
        Command::ExpireLeases(expire) => lease::expire::apply(expire, overlay),
        Command::PutValue(put) => {
            let slot = put.value.slot(Namespace::ROOT);
            once(put.keyed, slot, overlay, |overlay| value::put::apply(put, overlay))
        }
        Command::DeleteValue(delete) => value::delete::apply(delete, overlay),
        Command::BeginExecution(begin) => execution::begin::apply(begin, overlay),
        Command::CompleteExecution(complete) => execution::complete::apply(complete, overlay),
        Command::AbandonExecution(abandon) => execution::abandon::apply(abandon, overlay),
        Command::ExpireExecutions(expire) => execution::expire::apply(expire, overlay),
        Command::PutQueue(put) => queue::settings::apply(put, overlay),
        Command::Enqueue(enqueue) => {
            let slot = enqueue.queue.slot(Namespace::ROOT);
            once(enqueue.keyed, slot, overlay, |overlay| queue::enqueue::apply(enqueue, overlay))
        }
        Command::Claim(claim) => queue::claim::apply(claim, overlay),
        Command::Settle(settle) => queue::settle::apply(settle, overlay),
        Command::CancelTask(cancel) => queue::cancel::apply(cancel, overlay),
        Command::SettleDeadLetter(settle) => queue::dead_letter::apply(settle, overlay),
        Command::ReplayTask(replay) => queue::replay::apply(replay, overlay),
        Command::ChangeTasks(change) => queue::change::apply(change, overlay),
        Command::CreateGroup(create) => group::create::apply(create, overlay),
        Command::AdvanceTasks(advance) => queue::advance::apply(advance, overlay),
        Command::PutTenant(put) => fair::put::apply(put, overlay),
        Command::DeleteTenant(delete) => fair::delete::apply(delete, overlay),
        Command::PutLimit(put) => limit::put::apply(put, overlay),
        Command::DeleteLimit(delete) => limit::delete::apply(delete, overlay),
        Command::AdvanceLimits(advance) => limit::advance::apply(advance, overlay),
        Command::PutBreaker(put) => breaker::put::apply(put, overlay),
        Command::DeleteBreaker(delete) => breaker::delete::apply(delete, overlay),
        Command::ControlBreaker(control) => breaker::control::apply(control, overlay),
        Command::AskBreaker(ask) => breaker::ask::apply(ask, overlay),
        Command::RecordBreaker(record) => breaker::record::apply(record, overlay),
        Command::PutSchedule(put) => schedule::put::apply(put, overlay),
        Command::PutScheduleSet(put) => schedule::put_set::apply(put, overlay),
        Command::DeleteSchedule(delete) => schedule::delete::apply(delete, overlay),
        Command::ControlSchedule(control) => {
            let slot = control.schedule.slot(Namespace::ROOT);
            once(control.keyed, slot, overlay, |overlay| schedule::control::apply(control, overlay))
        }
        Command::AdvanceSchedule(advance) => schedule::advance::apply(advance, overlay),
        Command::PutReaction(put) => reaction::put::apply(put, overlay),
        Command::DeleteReaction(delete) => reaction::delete::apply(delete, overlay),
        Command::React(react) => reaction::react::apply(react, overlay),
        Command::ChangeToken(change) => token::change::apply(change, overlay),
        Command::EraseSubject(erase) => erasure::apply(*erase, overlay),
        Command::Audited(audited) => apply_audited(audited, overlay),
    }
}

fn apply_audited<'e, V: View>(
    audited: &'e Audited<'_>,
    overlay: &mut Overlay<'_, 'e, V>,
) -> Result<Outcome, ViewError> {
    let outcome = match &*audited.command {
        // None is ever logged, and none is applied.
        Command::Audited(_) => Outcome::Refused(Refusal::Unsupported),
        command => apply_whole(command, overlay)?,
    };
    token::audit::tell(audited, &outcome, overlay)?;
    Ok(outcome)
}

/// Adds up which tasks have become ready and stayed so.
fn ready_effects(changes: Vec<ReadyChange>) -> Vec<Effect> {
    let mut sums = BTreeMap::<(String, String), i64>::new();
    for change in changes {
        *sums.entry((change.queue, change.task_type)).or_default() += change.tasks;
    }
    let effect = |((queue, task_type), tasks): ((String, String), i64)| {
        let tasks = u32::try_from(tasks.min(i64::from(u32::MAX))).ok().filter(|tasks| *tasks > 0)?;
        Some(Effect::TasksReady { queue: QueueName::new(queue).ok()?, task_type, tasks })
    };
    sums.into_iter().filter_map(effect).collect()
}

fn effects(
    mut timers: Vec<(Slot, Timer)>,
    mut removed: Vec<Position>,
    mut notified: Vec<Key>,
) -> Vec<Effect> {
    let mut effects = Vec::new();
    if !removed.is_empty() {
        removed.sort_unstable();
        effects.push(Effect::BodiesRemoved { positions: removed });
    }
    timers.sort_unstable();
    timers.dedup_by_key(|(slot, timer)| (*slot, mem::discriminant(timer), clock_of(timer)));
    effects.extend(timers.into_iter().map(|(slot, timer)| Effect::TimerSet { slot, timer }));
    notified.sort_unstable();
    notified.dedup();
    effects.extend(notified.into_iter().map(|key| Effect::Notify { key }));
    effects
}

/// Tasks have timers by both clocks, and the node needs to hear of the earliest by each.
fn clock_of(timer: &Timer) -> Option<mem::Discriminant<TaskDue>> {
    match timer {
        Timer::Tasks(due) => Some(mem::discriminant(due)),
        Timer::Events(_)
        | Timer::Records(_)
        | Timer::Leases(_)
        | Timer::CleanUp(_)
        | Timer::Executions(_)
        | Timer::Limits(_)
        | Timer::Schedules(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn only_tasks_that_have_become_ready_and_stayed_so_are_announced() {
        let change = |queue: &str, task_type: &str, tasks| ReadyChange {
            queue: queue.to_string(),
            task_type: task_type.to_string(),
            tasks,
        };
        let changes = [
            change("q", "more", 2),
            change("q", "same", 1),
            change("r", "more", 5),
            change("q", "more", 3),
            change("q", "less", -1),
            change("q", "same", -1),
            change("r", "more", -4),
        ];
        let ready = |queue, tasks| Effect::TasksReady {
            queue: QueueName::new(queue).unwrap(),
            task_type: "more".to_string(),
            tasks,
        };
        assert_eq!(ready_effects(changes.into()), [ready("q", 5), ready("r", 1)]);
    }
}
