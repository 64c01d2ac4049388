//! Outcomes, as idempotency records hold them and as replicas compare them.
//!
//! ```text
//! outcome  = tag u8, fields
//! appended = slot u16, events varint, (revision, position, replayed u8)*
//! ```
//!
//! An event's revision and position are written as differences from the event before it (zigzag varints,
//! starting from 0): a batch of 100 takes about 300 bytes instead of 1,700.

use crate::breaker;
use crate::execution;
use crate::lease;
use crate::queue;
use crate::schedule;
use crate::token;
use crate::wire::{FormatError, Reader, Writer};
use alloc::vec::Vec;
use model::{
    Appended, AppendedEvent, GroupCreated, KeyDifference, Outcome, Position, Refusal, Revision, Slot, Wall,
    Written,
};

/// Numbers that never change.
mod tag {
    pub(super) const APPENDED: u8 = 1;
    pub(super) const TRANSACTED: u8 = 2;
    pub(super) const SETTINGS_PUT: u8 = 3;
    pub(super) const STREAM_DELETED: u8 = 4;
    pub(super) const PROGRESSED: u8 = 5;
    pub(super) const REFUSED: u8 = 6;
    pub(super) const QUEUE_PUT: u8 = 7;
    pub(super) const ENQUEUED: u8 = 8;
    pub(super) const CLAIMED: u8 = 9;
    pub(super) const SETTLED: u8 = 10;
    pub(super) const TASK_CANCELLED: u8 = 11;
    pub(super) const DEAD_LETTER_SETTLED: u8 = 12;
    pub(super) const TASKS_CHANGED: u8 = 17;
    pub(super) const GROUP_CREATED: u8 = 18;
    pub(super) const TRANSACTED_OF_ANY_KIND: u8 = 13;
    pub(super) const LIMIT_PUT: u8 = 14;
    pub(super) const LIMIT_DELETED: u8 = 15;

    pub(super) const LEASE_GRANTED: u8 = 20;
    pub(super) const LEASE_AWAITED: u8 = 21;
    pub(super) const LEASE_RENEWED: u8 = 22;
    pub(super) const LEASE_RELEASED: u8 = 23;
    pub(super) const LEASE_WITHDRAWN: u8 = 24;
    pub(super) const VALUE_PUT: u8 = 25;
    pub(super) const VALUE_DELETED: u8 = 26;

    pub(super) const EXECUTION_BEGUN: u8 = 40;
    pub(super) const EXECUTION_COMPLETED: u8 = 41;
    pub(super) const EXECUTION_ABANDONED: u8 = 42;
    pub(super) const BREAKER_PUT: u8 = 44;
    pub(super) const BREAKER_DELETED: u8 = 45;
    pub(super) const BREAKER_CONTROLLED: u8 = 46;
    pub(super) const BREAKER_ASKED: u8 = 47;
    pub(super) const BREAKER_RECORDED: u8 = 48;
    pub(super) const SCHEDULE_PUT: u8 = 30;
    pub(super) const SCHEDULE_SET_PUT: u8 = 31;
    pub(super) const SCHEDULE_DELETED: u8 = 32;
    pub(super) const SCHEDULE_CONTROLLED: u8 = 33;
    pub(super) const SCHEDULE_ADVANCED: u8 = 34;
    pub(super) const TENANT_PUT: u8 = 53;
    pub(super) const TENANT_DELETED: u8 = 54;
    pub(super) const REACTION_PUT: u8 = 50;
    pub(super) const REACTION_DELETED: u8 = 51;
    pub(super) const REACTED: u8 = 52;
    pub(super) const TOKEN_CREATED: u8 = 55;
    pub(super) const TOKEN_REVOKED: u8 = 56;
    pub(super) const TOKEN_USED: u8 = 57;
    pub(super) const SUBJECT_ERASED: u8 = 58;

    pub(super) const WRONG_REVISION: u8 = 1;
    pub(super) const EVENT_CONFLICT: u8 = 2;
    pub(super) const KEY_CONFLICT: u8 = 3;
    pub(super) const KEYS_FULL: u8 = 4;
    pub(super) const TRUNCATE_BEYOND_END: u8 = 5;
    pub(super) const UNSUPPORTED: u8 = 6;
    pub(super) const STREAM_FULL: u8 = 7;
    pub(super) const KEY_PRECONDITION_CONFLICT: u8 = 8;
    pub(super) const LEASE_HELD: u8 = 20;
    pub(super) const LEASE_LOST: u8 = 21;
    pub(super) const LEASE_PERMITS_DIFFER: u8 = 22;
    pub(super) const LEASE_QUEUE_FULL: u8 = 23;
    pub(super) const VALUE_FULL: u8 = 25;
    pub(super) const QUEUE_FULL: u8 = 9;
    pub(super) const TOO_MANY_TYPES: u8 = 10;
    pub(super) const NO_TASK: u8 = 11;
    pub(super) const WRONG_TASK_STATE: u8 = 12;
    pub(super) const GROUP_CONFLICT: u8 = 18;
    pub(super) const CLAIM_LOST: u8 = 13;
    pub(super) const TASK_CONFLICT: u8 = 14;
    pub(super) const EXECUTION_IN_PROGRESS: u8 = 40;
    pub(super) const EXECUTION_DIFFERS: u8 = 41;
    pub(super) const EXECUTION_LOST: u8 = 42;
    pub(super) const NO_LIMIT: u8 = 15;
    pub(super) const NO_BREAKER: u8 = 44;
    pub(super) const NO_SCHEDULE: u8 = 30;
    pub(super) const SCHEDULE_BUSY: u8 = 31;
    pub(super) const SCHEDULE_OWNED: u8 = 32;
    pub(super) const TICK_IN_FUTURE: u8 = 33;
    pub(super) const CURSOR_BEYOND_END: u8 = 50;
    pub(super) const TOO_MANY_REACTIONS: u8 = 51;
    pub(super) const REACTION_MOVED: u8 = 52;
    pub(super) const NO_TOKEN: u8 = 55;
    pub(super) const TOKEN_EXISTS: u8 = 56;
    pub(super) const TOO_MANY_TOKENS: u8 = 57;
    pub(super) const GROUP_CONFLICT_IN_PART: u8 = 58;
}

const EVENT_BYTES_MIN: usize = 3;
/// Of the result of one write.
const WRITTEN_BYTES_MIN: usize = 1;

/// Appends the outcome's bytes to `out`.
#[expect(clippy::too_many_lines, reason = "one arm for each outcome")]
pub fn encode(outcome: &Outcome, out: &mut Vec<u8>) {
    let mut writer = Writer::new(out);
    match outcome {
        Outcome::Appended(appended) => {
            writer.u8(tag::APPENDED);
            put_appended(&mut writer, appended);
        }
        Outcome::Transacted { replayed, writes } => put_transacted(&mut writer, *replayed, writes),
        Outcome::SettingsPut => writer.u8(tag::SETTINGS_PUT),
        Outcome::StreamDeleted { last } => {
            writer.u8(tag::STREAM_DELETED);
            put_revision(&mut writer, *last);
        }
        Outcome::Progressed { more } => {
            writer.u8(tag::PROGRESSED);
            writer.u8(u8::from(*more));
        }
        Outcome::LeaseGranted(granted) => {
            writer.u8(tag::LEASE_GRANTED);
            lease::put_granted(&mut writer, *granted);
        }
        Outcome::LeaseAwaited { asked } => {
            writer.u8(tag::LEASE_AWAITED);
            writer.u64(asked.0);
        }
        Outcome::LeaseRenewed { remaining_ms } => {
            writer.u8(tag::LEASE_RENEWED);
            writer.varint(*remaining_ms);
        }
        Outcome::LeaseReleased => writer.u8(tag::LEASE_RELEASED),
        Outcome::LeaseWithdrawn => writer.u8(tag::LEASE_WITHDRAWN),
        Outcome::ValuePut { revision, replayed } => {
            writer.u8(tag::VALUE_PUT);
            writer.varint(revision.0);
            writer.u8(u8::from(*replayed));
        }
        Outcome::ValueDeleted { last } => {
            writer.u8(tag::VALUE_DELETED);
            put_revision(&mut writer, *last);
        }
        Outcome::ExecutionBegun(begun) => {
            writer.u8(tag::EXECUTION_BEGUN);
            execution::put_begun(&mut writer, begun);
        }
        Outcome::ExecutionCompleted { replayed } => {
            writer.u8(tag::EXECUTION_COMPLETED);
            writer.u8(u8::from(*replayed));
        }
        Outcome::ExecutionAbandoned { existed } => {
            writer.u8(tag::EXECUTION_ABANDONED);
            writer.u8(u8::from(*existed));
        }
        Outcome::QueuePut => writer.u8(tag::QUEUE_PUT),
        Outcome::Enqueued(enqueued) => {
            writer.u8(tag::ENQUEUED);
            queue::put_enqueued(&mut writer, enqueued);
        }
        Outcome::Claimed(claimed) => {
            writer.u8(tag::CLAIMED);
            queue::put_claimed(&mut writer, claimed);
        }
        Outcome::Settled(settled) => {
            writer.u8(tag::SETTLED);
            queue::put_settled(&mut writer, settled);
        }
        Outcome::TaskCancelled(state) => {
            writer.u8(tag::TASK_CANCELLED);
            queue::put_state(&mut writer, *state);
        }
        Outcome::DeadLetterSettled => writer.u8(tag::DEAD_LETTER_SETTLED),
        Outcome::TenantPut => writer.u8(tag::TENANT_PUT),
        Outcome::TenantDeleted { existed } => {
            writer.u8(tag::TENANT_DELETED);
            writer.u8(u8::from(*existed));
        }
        Outcome::LimitPut => writer.u8(tag::LIMIT_PUT),
        Outcome::LimitDeleted => writer.u8(tag::LIMIT_DELETED),
        Outcome::BreakerPut => writer.u8(tag::BREAKER_PUT),
        Outcome::BreakerDeleted => writer.u8(tag::BREAKER_DELETED),
        Outcome::BreakerControlled => writer.u8(tag::BREAKER_CONTROLLED),
        Outcome::BreakerAsked(decision) => {
            writer.u8(tag::BREAKER_ASKED);
            breaker::put_decision(&mut writer, *decision);
        }
        Outcome::BreakerRecorded(recorded) => {
            writer.u8(tag::BREAKER_RECORDED);
            breaker::put_recorded(&mut writer, *recorded);
        }
        Outcome::SchedulePut { generation, changed } => {
            writer.u8(tag::SCHEDULE_PUT);
            writer.u64(generation.0);
            writer.u8(u8::from(*changed));
        }
        Outcome::ScheduleSetPut { changed, deleted } => {
            writer.u8(tag::SCHEDULE_SET_PUT);
            writer.u32(*changed);
            writer.u32(*deleted);
        }
        Outcome::ScheduleDeleted { existed } => {
            writer.u8(tag::SCHEDULE_DELETED);
            writer.u8(u8::from(*existed));
        }
        Outcome::ScheduleControlled(controlled) => {
            writer.u8(tag::SCHEDULE_CONTROLLED);
            schedule::put_controlled(&mut writer, controlled);
        }
        Outcome::ScheduleAdvanced { runs, skipped } => {
            writer.u8(tag::SCHEDULE_ADVANCED);
            writer.u32(*runs);
            writer.varint(*skipped);
        }
        Outcome::GroupCreated(created) => {
            writer.u8(tag::GROUP_CREATED);
            put_group_created(&mut writer, *created);
        }
        Outcome::ReactionPut { cursor } => {
            writer.u8(tag::REACTION_PUT);
            lease::put_cursor(&mut writer, *cursor);
        }
        Outcome::ReactionDeleted { existed } => {
            writer.u8(tag::REACTION_DELETED);
            writer.u8(u8::from(*existed));
        }
        Outcome::Reacted { tasks, cursor } => {
            writer.u8(tag::REACTED);
            writer.u32(*tasks);
            lease::put_cursor(&mut writer, *cursor);
        }
        Outcome::TokenCreated { created, expires } => {
            writer.u8(tag::TOKEN_CREATED);
            writer.u64(created.0);
            token::put_optional(&mut writer, expires.map(|expires| expires.0));
        }
        Outcome::TokenRevoked => writer.u8(tag::TOKEN_REVOKED),
        Outcome::TokenUsed => writer.u8(tag::TOKEN_USED),
        Outcome::SubjectErased { erased } => {
            writer.u8(tag::SUBJECT_ERASED);
            writer.u64(erased.0);
        }
        Outcome::TasksChanged(changed) => {
            writer.u8(tag::TASKS_CHANGED);
            queue::put_changed(&mut writer, *changed);
        }
        Outcome::Refused(refusal) => {
            writer.u8(tag::REFUSED);
            put_refusal(&mut writer, refusal);
        }
    }
}

/// Reads one outcome.
///
/// # Errors
/// [`FormatError`] when these are not the bytes of one outcome.
pub fn decode(bytes: &[u8]) -> Result<Outcome, FormatError> {
    let mut reader = Reader::new(bytes);
    let outcome = match reader.u8()? {
        tag::APPENDED => Outcome::Appended(get_appended(&mut reader)?),
        tag::TRANSACTED => get_transacted(&mut reader, |reader| get_appended(reader).map(Written::Appended))?,
        tag::TRANSACTED_OF_ANY_KIND => get_transacted(&mut reader, get_written)?,
        tag::SETTINGS_PUT => Outcome::SettingsPut,
        tag::STREAM_DELETED => Outcome::StreamDeleted { last: get_revision(&mut reader)? },
        tag::PROGRESSED => Outcome::Progressed { more: get_flag(&mut reader)? },
        tag::LEASE_GRANTED => Outcome::LeaseGranted(lease::get_granted(&mut reader)?),
        tag::LEASE_AWAITED => Outcome::LeaseAwaited { asked: Position(reader.u64()?) },
        tag::LEASE_RENEWED => Outcome::LeaseRenewed { remaining_ms: reader.varint()? },
        tag::LEASE_RELEASED => Outcome::LeaseReleased,
        tag::LEASE_WITHDRAWN => Outcome::LeaseWithdrawn,
        tag::VALUE_PUT => {
            Outcome::ValuePut { revision: Revision(reader.varint()?), replayed: get_flag(&mut reader)? }
        }
        tag::VALUE_DELETED => Outcome::ValueDeleted { last: get_revision(&mut reader)? },
        tag::REFUSED => Outcome::Refused(get_refusal(&mut reader)?),
        tag::EXECUTION_BEGUN => Outcome::ExecutionBegun(execution::get_begun(&mut reader)?),
        tag::EXECUTION_COMPLETED => Outcome::ExecutionCompleted { replayed: get_flag(&mut reader)? },
        tag::EXECUTION_ABANDONED => Outcome::ExecutionAbandoned { existed: get_flag(&mut reader)? },
        tag::QUEUE_PUT => Outcome::QueuePut,
        tag::ENQUEUED => Outcome::Enqueued(queue::get_enqueued(&mut reader)?),
        tag::CLAIMED => Outcome::Claimed(queue::get_claimed(&mut reader)?),
        tag::SETTLED => Outcome::Settled(queue::get_settled(&mut reader)?),
        tag::TASK_CANCELLED => Outcome::TaskCancelled(queue::get_state(&mut reader)?),
        tag::DEAD_LETTER_SETTLED => Outcome::DeadLetterSettled,
        tag::TENANT_PUT => Outcome::TenantPut,
        tag::TENANT_DELETED => Outcome::TenantDeleted { existed: get_flag(&mut reader)? },
        tag::LIMIT_PUT => Outcome::LimitPut,
        tag::LIMIT_DELETED => Outcome::LimitDeleted,
        tag::BREAKER_PUT => Outcome::BreakerPut,
        tag::BREAKER_DELETED => Outcome::BreakerDeleted,
        tag::BREAKER_CONTROLLED => Outcome::BreakerControlled,
        tag::BREAKER_ASKED => Outcome::BreakerAsked(breaker::get_decision(&mut reader)?),
        tag::BREAKER_RECORDED => Outcome::BreakerRecorded(breaker::get_recorded(&mut reader)?),
        tag::SCHEDULE_PUT => {
            Outcome::SchedulePut { generation: Position(reader.u64()?), changed: get_flag(&mut reader)? }
        }
        tag::SCHEDULE_SET_PUT => Outcome::ScheduleSetPut { changed: reader.u32()?, deleted: reader.u32()? },
        tag::SCHEDULE_DELETED => Outcome::ScheduleDeleted { existed: get_flag(&mut reader)? },
        tag::SCHEDULE_CONTROLLED => Outcome::ScheduleControlled(schedule::get_controlled(&mut reader)?),
        tag::SCHEDULE_ADVANCED => {
            Outcome::ScheduleAdvanced { runs: reader.u32()?, skipped: reader.varint()? }
        }
        tag::REACTION_PUT => Outcome::ReactionPut { cursor: lease::get_cursor(&mut reader)? },
        tag::REACTION_DELETED => Outcome::ReactionDeleted { existed: get_flag(&mut reader)? },
        tag::REACTED => Outcome::Reacted { tasks: reader.u32()?, cursor: lease::get_cursor(&mut reader)? },
        tag::TOKEN_CREATED => Outcome::TokenCreated {
            created: Wall(reader.u64()?),
            expires: token::get_optional(&mut reader)?.map(Wall),
        },
        tag::TOKEN_REVOKED => Outcome::TokenRevoked,
        tag::TOKEN_USED => Outcome::TokenUsed,
        tag::SUBJECT_ERASED => Outcome::SubjectErased { erased: Wall(reader.u64()?) },
        tag::TASKS_CHANGED => Outcome::TasksChanged(queue::get_changed(&mut reader)?),
        tag::GROUP_CREATED => Outcome::GroupCreated(get_group_created(&mut reader)?),
        other => return Err(FormatError::invalid("outcome", u64::from(other))),
    };
    reader.end()?;
    Ok(outcome)
}

/// A transaction that only appends has a shorter form, because it came first.
fn put_transacted(writer: &mut Writer<'_>, replayed: bool, writes: &[Written]) {
    let only_appends = writes.iter().all(|written| matches!(written, Written::Appended(_)));
    writer.u8(if only_appends { tag::TRANSACTED } else { tag::TRANSACTED_OF_ANY_KIND });
    writer.u8(u8::from(replayed));
    writer.varint(writes.len() as u64);
    for written in writes {
        if !only_appends {
            writer.u8(match written {
                Written::Appended(_) => tag::APPENDED,
                Written::Enqueued(_) => tag::ENQUEUED,
                Written::Settled(_) => tag::SETTLED,
                Written::ExecutionCompleted => tag::EXECUTION_COMPLETED,
                Written::GroupCreated(_) => tag::GROUP_CREATED,
            });
        }
        match written {
            Written::Appended(appended) => put_appended(writer, appended),
            Written::Enqueued(enqueued) => queue::put_enqueued(writer, enqueued),
            Written::Settled(settled) => queue::put_settled(writer, settled),
            Written::ExecutionCompleted => {}
            Written::GroupCreated(created) => put_group_created(writer, *created),
        }
    }
}

fn get_transacted<'a>(
    reader: &mut Reader<'a>,
    get: impl Fn(&mut Reader<'a>) -> Result<Written, FormatError>,
) -> Result<Outcome, FormatError> {
    let replayed = get_flag(reader)?;
    let count = reader.count(WRITTEN_BYTES_MIN)?;
    let mut writes = Vec::with_capacity(count.min(64));
    for _ in 0..count {
        writes.push(get(reader)?);
    }
    Ok(Outcome::Transacted { replayed, writes })
}

fn get_written(reader: &mut Reader<'_>) -> Result<Written, FormatError> {
    Ok(match reader.u8()? {
        tag::APPENDED => Written::Appended(get_appended(reader)?),
        tag::ENQUEUED => Written::Enqueued(queue::get_enqueued(reader)?),
        tag::SETTLED => Written::Settled(queue::get_settled(reader)?),
        tag::EXECUTION_COMPLETED => Written::ExecutionCompleted,
        tag::GROUP_CREATED => Written::GroupCreated(get_group_created(reader)?),
        other => return Err(FormatError::invalid("result of a write", u64::from(other))),
    })
}

fn put_group_created(writer: &mut Writer<'_>, created: GroupCreated) {
    lease::put_cursor(writer, created.group);
    writer.u8(u8::from(created.replayed));
}

fn get_group_created(reader: &mut Reader<'_>) -> Result<GroupCreated, FormatError> {
    Ok(GroupCreated { group: lease::get_cursor(reader)?, replayed: get_flag(reader)? })
}

fn put_appended(writer: &mut Writer<'_>, appended: &Appended) {
    writer.u16(appended.slot.0);
    writer.varint(appended.events.len() as u64);
    let (mut revision, mut position) = (0, 0);
    for event in &appended.events {
        writer.varint(zigzag(event.revision.0.wrapping_sub(revision)));
        writer.varint(zigzag(event.position.0.wrapping_sub(position)));
        writer.u8(u8::from(event.replayed));
        (revision, position) = (event.revision.0, event.position.0);
    }
}

fn get_appended(reader: &mut Reader<'_>) -> Result<Appended, FormatError> {
    let slot = Slot(reader.u16()?);
    let count = reader.count(EVENT_BYTES_MIN)?;
    let mut events = Vec::with_capacity(count);
    let (mut revision, mut position) = (0_u64, 0_u64);
    for _ in 0..count {
        revision = revision.wrapping_add(unzigzag(reader.varint()?));
        position = position.wrapping_add(unzigzag(reader.varint()?));
        let replayed = get_flag(reader)?;
        events.push(AppendedEvent { revision: Revision(revision), position: Position(position), replayed });
    }
    Ok(Appended { slot, events })
}

#[expect(clippy::too_many_lines, reason = "one arm for each refusal")]
fn put_refusal(writer: &mut Writer<'_>, refusal: &Refusal) {
    match refusal {
        Refusal::WrongRevision { part, current } => {
            writer.u8(tag::WRONG_REVISION);
            writer.u32(*part);
            put_revision(writer, *current);
        }
        Refusal::EventConflict { write, event, revision } => {
            writer.u8(tag::EVENT_CONFLICT);
            writer.u32(*write);
            writer.u32(*event);
            put_revision(writer, *revision);
        }
        Refusal::KeyConflict { differs: KeyDifference::Content } => writer.u8(tag::KEY_CONFLICT),
        Refusal::KeyConflict { differs: KeyDifference::Precondition } => {
            writer.u8(tag::KEY_PRECONDITION_CONFLICT);
        }
        Refusal::KeysFull => writer.u8(tag::KEYS_FULL),
        Refusal::TruncateBeyondEnd { next } => {
            writer.u8(tag::TRUNCATE_BEYOND_END);
            writer.varint(next.0);
        }
        Refusal::Unsupported => writer.u8(tag::UNSUPPORTED),
        Refusal::StreamFull => writer.u8(tag::STREAM_FULL),
        Refusal::LeaseHeld { token, remaining_ms } => {
            writer.u8(tag::LEASE_HELD);
            lease::put_cursor(writer, *token);
            writer.varint(*remaining_ms);
        }
        Refusal::LeaseLost { part } => {
            writer.u8(tag::LEASE_LOST);
            writer.u32(*part);
        }
        Refusal::LeasePermitsDiffer { permits } => {
            writer.u8(tag::LEASE_PERMITS_DIFFER);
            writer.u32(*permits);
        }
        Refusal::LeaseQueueFull => writer.u8(tag::LEASE_QUEUE_FULL),
        Refusal::ValueFull => writer.u8(tag::VALUE_FULL),
        Refusal::ExecutionInProgress { remaining_ms } => {
            writer.u8(tag::EXECUTION_IN_PROGRESS);
            writer.varint(*remaining_ms);
        }
        Refusal::ExecutionDiffers => writer.u8(tag::EXECUTION_DIFFERS),
        Refusal::ExecutionLost { part } => {
            writer.u8(tag::EXECUTION_LOST);
            writer.u32(*part);
        }
        Refusal::QueueFull { backlog_max } => {
            writer.u8(tag::QUEUE_FULL);
            writer.varint(*backlog_max);
        }
        Refusal::TooManyTypes { task } => {
            writer.u8(tag::TOO_MANY_TYPES);
            writer.u32(*task);
        }
        Refusal::NoTask => writer.u8(tag::NO_TASK),
        Refusal::NoLimit => writer.u8(tag::NO_LIMIT),
        Refusal::ClaimLost { part, settlement } => {
            writer.u8(tag::CLAIM_LOST);
            writer.u32(*part);
            writer.u32(*settlement);
        }
        Refusal::TaskConflict { part, task } => {
            writer.u8(tag::TASK_CONFLICT);
            writer.u32(*part);
            writer.u32(*task);
        }
        // Groups were created by a command of their own before they could be a part of something.
        Refusal::GroupConflict { part: 0 } => writer.u8(tag::GROUP_CONFLICT),
        Refusal::GroupConflict { part } => {
            writer.u8(tag::GROUP_CONFLICT_IN_PART);
            writer.u32(*part);
        }
        Refusal::WrongTaskState { state } => {
            writer.u8(tag::WRONG_TASK_STATE);
            queue::put_state(writer, *state);
        }
        Refusal::NoBreaker => writer.u8(tag::NO_BREAKER),
        Refusal::NoSchedule => writer.u8(tag::NO_SCHEDULE),
        Refusal::ScheduleBusy => writer.u8(tag::SCHEDULE_BUSY),
        Refusal::ScheduleOwned { schedule } => {
            writer.u8(tag::SCHEDULE_OWNED);
            writer.u32(*schedule);
        }
        Refusal::TickInFuture => writer.u8(tag::TICK_IN_FUTURE),
        Refusal::CursorBeyondEnd { end } => {
            writer.u8(tag::CURSOR_BEYOND_END);
            writer.u64(end.0);
        }
        Refusal::TooManyReactions => writer.u8(tag::TOO_MANY_REACTIONS),
        Refusal::ReactionMoved => writer.u8(tag::REACTION_MOVED),
        Refusal::NoToken => writer.u8(tag::NO_TOKEN),
        Refusal::TokenExists => writer.u8(tag::TOKEN_EXISTS),
        Refusal::TooManyTokens => writer.u8(tag::TOO_MANY_TOKENS),
    }
}

fn get_refusal(reader: &mut Reader<'_>) -> Result<Refusal, FormatError> {
    Ok(match reader.u8()? {
        tag::WRONG_REVISION => Refusal::WrongRevision { part: reader.u32()?, current: get_revision(reader)? },
        tag::EVENT_CONFLICT => Refusal::EventConflict {
            write: reader.u32()?,
            event: reader.u32()?,
            revision: get_revision(reader)?,
        },
        tag::KEY_CONFLICT => Refusal::KeyConflict { differs: KeyDifference::Content },
        tag::KEY_PRECONDITION_CONFLICT => Refusal::KeyConflict { differs: KeyDifference::Precondition },
        tag::KEYS_FULL => Refusal::KeysFull,
        tag::TRUNCATE_BEYOND_END => Refusal::TruncateBeyondEnd { next: Revision(reader.varint()?) },
        tag::UNSUPPORTED => Refusal::Unsupported,
        tag::STREAM_FULL => Refusal::StreamFull,
        tag::LEASE_HELD => {
            Refusal::LeaseHeld { token: lease::get_cursor(reader)?, remaining_ms: reader.varint()? }
        }
        tag::LEASE_LOST => Refusal::LeaseLost { part: reader.u32()? },
        tag::LEASE_PERMITS_DIFFER => Refusal::LeasePermitsDiffer { permits: reader.u32()? },
        tag::LEASE_QUEUE_FULL => Refusal::LeaseQueueFull,
        tag::VALUE_FULL => Refusal::ValueFull,
        tag::EXECUTION_IN_PROGRESS => Refusal::ExecutionInProgress { remaining_ms: reader.varint()? },
        tag::EXECUTION_DIFFERS => Refusal::ExecutionDiffers,
        tag::EXECUTION_LOST => Refusal::ExecutionLost { part: reader.u32()? },
        tag::QUEUE_FULL => Refusal::QueueFull { backlog_max: reader.varint()? },
        tag::TOO_MANY_TYPES => Refusal::TooManyTypes { task: reader.u32()? },
        tag::NO_TASK => Refusal::NoTask,
        tag::NO_LIMIT => Refusal::NoLimit,
        tag::CLAIM_LOST => Refusal::ClaimLost { part: reader.u32()?, settlement: reader.u32()? },
        tag::TASK_CONFLICT => Refusal::TaskConflict { part: reader.u32()?, task: reader.u32()? },
        tag::GROUP_CONFLICT => Refusal::GroupConflict { part: 0 },
        tag::GROUP_CONFLICT_IN_PART => Refusal::GroupConflict { part: reader.u32()? },
        tag::WRONG_TASK_STATE => Refusal::WrongTaskState { state: queue::get_state(reader)? },
        tag::NO_BREAKER => Refusal::NoBreaker,
        tag::NO_SCHEDULE => Refusal::NoSchedule,
        tag::SCHEDULE_BUSY => Refusal::ScheduleBusy,
        tag::SCHEDULE_OWNED => Refusal::ScheduleOwned { schedule: reader.u32()? },
        tag::TICK_IN_FUTURE => Refusal::TickInFuture,
        tag::CURSOR_BEYOND_END => Refusal::CursorBeyondEnd { end: Position(reader.u64()?) },
        tag::TOO_MANY_REACTIONS => Refusal::TooManyReactions,
        tag::REACTION_MOVED => Refusal::ReactionMoved,
        tag::NO_TOKEN => Refusal::NoToken,
        tag::TOKEN_EXISTS => Refusal::TokenExists,
        tag::TOO_MANY_TOKENS => Refusal::TooManyTokens,
        other => return Err(FormatError::invalid("refusal", u64::from(other))),
    })
}

fn put_revision(writer: &mut Writer<'_>, revision: Option<Revision>) {
    match revision {
        None => writer.u8(0),
        Some(revision) => {
            writer.u8(1);
            writer.varint(revision.0);
        }
    }
}

fn get_revision(reader: &mut Reader<'_>) -> Result<Option<Revision>, FormatError> {
    if get_flag(reader)? { Ok(Some(Revision(reader.varint()?))) } else { Ok(None) }
}

pub(crate) fn get_flag(reader: &mut Reader<'_>) -> Result<bool, FormatError> {
    match reader.u8()? {
        0 => Ok(false),
        1 => Ok(true),
        other => Err(FormatError::invalid("flag", u64::from(other))),
    }
}

/// Small differences in either direction become small numbers.
const fn zigzag(difference: u64) -> u64 {
    (difference << 1) ^ ((difference as i64 >> 63) as u64)
}

const fn unzigzag(number: u64) -> u64 {
    (number >> 1) ^ (number & 1).wrapping_neg()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_survive_zigzag() {
        for difference in [0, 1, u64::MAX, 1 << 63, (1 << 63) - 1, 12_345] {
            assert_eq!(unzigzag(zigzag(difference)), difference);
        }
        assert_eq!((zigzag(1), zigzag(u64::MAX)), (2, 1));
    }
}
