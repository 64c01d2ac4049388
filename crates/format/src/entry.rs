//! Entries, as the log holds them. Decoding borrows text and bytes from the logged bytes.
//!
//! ```text
//! entry   = 1u8, behaviour u16, wall u64, elapsed u64, commands varint, command*
//! command = tag u8, fields as below in the order of the model's structs
//! ```
//!
//! Tags are in [`tag`] and never change. A command whose fields must change gets a new tag.

use crate::breaker;
use crate::execution;
use crate::options::Options;
use crate::queue;
use crate::reaction;
use crate::wire::{FormatError, Reader, Writer};
use crate::{group, lease, limit, schedule, token, value};
use alloc::borrow::Cow;
use alloc::vec::Vec;
use model::{
    Append, Behaviour, Check, CleanUp, Command, Cursor, DeleteStream, Elapsed, Entry, EntryClock,
    EraseSubject, Expected, ExpireEvents, ExpireRecords, Filled, Fingerprint, IdHash, Identity, KeyHash,
    KeyId, Keyed, NewEvent, Position, PutSettings, Revision, Settings, Slot, StreamName, Transaction, Wall,
    Write,
};

/// The first byte of every entry.
const FORMAT: u8 = 1;

/// Numbers that never change.
mod tag {
    pub(super) const APPEND: u8 = 1;
    pub(super) const TRANSACTION: u8 = 2;
    pub(super) const PUT_SETTINGS: u8 = 3;
    pub(super) const DELETE_STREAM: u8 = 4;
    pub(super) const EXPIRE_EVENTS: u8 = 5;
    pub(super) const CLEAN_UP: u8 = 6;
    pub(super) const EXPIRE_RECORDS: u8 = 7;
    pub(super) const PUT_QUEUE: u8 = 8;
    pub(super) const ENQUEUE: u8 = 9;
    pub(super) const CLAIM: u8 = 10;
    pub(super) const SETTLE: u8 = 11;
    pub(super) const CANCEL_TASK: u8 = 12;
    pub(super) const SETTLE_DEAD_LETTER: u8 = 13;
    pub(super) const ADVANCE_TASKS: u8 = 14;
    pub(super) const PUT_LIMIT: u8 = 15;
    pub(super) const DELETE_LIMIT: u8 = 16;
    pub(super) const ADVANCE_LIMITS: u8 = 17;
    pub(super) const ENQUEUE_WITH_OPTIONS: u8 = 18;
    pub(super) const PUT_QUEUE_WITH_OPTIONS: u8 = 19;
    pub(super) const REPLAY_TASK: u8 = 35;
    pub(super) const CHANGE_TASKS: u8 = 36;
    pub(super) const CREATE_GROUP: u8 = 37;

    pub(super) const ACQUIRE_LEASE: u8 = 20;
    pub(super) const RENEW_LEASE: u8 = 21;
    pub(super) const RELEASE_LEASE: u8 = 22;
    pub(super) const EXPIRE_LEASES: u8 = 23;
    pub(super) const WITHDRAW_LEASE: u8 = 24;
    pub(super) const PUT_VALUE: u8 = 25;
    pub(super) const DELETE_VALUE: u8 = 26;

    pub(super) const BEGIN_EXECUTION: u8 = 40;
    pub(super) const COMPLETE_EXECUTION: u8 = 41;
    pub(super) const ABANDON_EXECUTION: u8 = 42;
    pub(super) const EXPIRE_EXECUTIONS: u8 = 43;
    pub(super) const PUT_BREAKER: u8 = 44;
    pub(super) const DELETE_BREAKER: u8 = 45;
    pub(super) const CONTROL_BREAKER: u8 = 46;
    pub(super) const ASK_BREAKER: u8 = 47;
    pub(super) const RECORD_BREAKER: u8 = 48;
    pub(super) const PUT_SCHEDULE: u8 = 30;
    pub(super) const PUT_SCHEDULE_SET: u8 = 31;
    pub(super) const DELETE_SCHEDULE: u8 = 32;
    pub(super) const CONTROL_SCHEDULE: u8 = 33;
    pub(super) const ADVANCE_SCHEDULE: u8 = 34;
    pub(super) const PUT_TENANT: u8 = 53;
    pub(super) const DELETE_TENANT: u8 = 54;
    pub(super) const PUT_REACTION: u8 = 50;
    pub(super) const DELETE_REACTION: u8 = 51;
    pub(super) const REACT: u8 = 52;
    pub(super) const CHANGE_TOKEN: u8 = 55;
    pub(super) const AUDITED: u8 = 56;
    pub(super) const ERASE_SUBJECT: u8 = 57;

    pub(super) const EXPECTED_ANY: u8 = 0;
    pub(super) const EXPECTED_NONE: u8 = 1;
    pub(super) const EXPECTED_EXISTS: u8 = 2;
    pub(super) const EXPECTED_REVISION: u8 = 3;

    pub(super) const IDENTITY_CLIENT: u8 = 1;
    pub(super) const IDENTITY_SERVER: u8 = 2;
    pub(super) const IDENTITY_ECHO: u8 = 3;

    pub(super) const CHECK_STREAM: u8 = 1;
    pub(super) const CHECK_LEASE: u8 = 2;
    pub(super) const CHECK_VALUE: u8 = 3;
    pub(super) const CHECK_EXECUTION: u8 = 4;
    pub(super) const WRITE_APPEND: u8 = 1;
    pub(super) const WRITE_ENQUEUE: u8 = 2;
    pub(super) const WRITE_SETTLE: u8 = 3;
    pub(super) const WRITE_COMPLETE_EXECUTION: u8 = 6;
    pub(super) const WRITE_ENQUEUE_WITH_OPTIONS: u8 = 4;
    pub(super) const WRITE_CREATE_GROUP: u8 = 7;
}

/// With the bits of what is filled in: the key's id follows. Events that are not sealed have the layout that they always
/// had.
const SEALED: u8 = 1 << 7;

/// The smallest encoding of a command, an event, a check and a write. Counts are checked against these.
const COMMAND_BYTES_MIN: usize = 2;
const EVENT_BYTES_MIN: usize = 20;
const CHECK_BYTES_MIN: usize = 4;
const WRITE_BYTES_MIN: usize = 3;

/// Appends the entry's bytes to `out`.
pub fn encode(behaviour: Behaviour, clock: EntryClock, commands: &[Command<'_>], out: &mut Vec<u8>) {
    let mut writer = Writer::new(out);
    writer.u8(FORMAT);
    writer.u16(behaviour.0);
    writer.u64(clock.wall.0);
    writer.u64(clock.elapsed.0);
    writer.varint(commands.len() as u64);
    for command in commands {
        put_command(&mut writer, command);
    }
}

/// Reads an entry; text and bytes borrow from `bytes`.
///
/// # Errors
/// [`FormatError`] when these are not the bytes of one entry.
pub fn decode(bytes: &[u8]) -> Result<Entry<'_>, FormatError> {
    let mut reader = Reader::new(bytes);
    let format = reader.u8()?;
    if format != FORMAT {
        return Err(FormatError::invalid("entry format", u64::from(format)));
    }
    let behaviour = Behaviour(reader.u16()?);
    let wall = Wall(reader.u64()?);
    let elapsed = Elapsed(reader.u64()?);
    let count = reader.count(COMMAND_BYTES_MIN)?;
    // Commands are larger in memory than on the wire. The vector grows as needed instead of trusting the
    // count.
    let mut commands = Vec::with_capacity(count.min(64));
    for _ in 0..count {
        commands.push(get_command(&mut reader)?);
    }
    reader.end()?;
    Ok(Entry { behaviour, wall, elapsed, commands })
}

fn tag_of(command: &Command<'_>) -> u8 {
    match command {
        Command::Append(_) => tag::APPEND,
        Command::Transaction(_) => tag::TRANSACTION,
        Command::PutSettings(_) => tag::PUT_SETTINGS,
        Command::DeleteStream(_) => tag::DELETE_STREAM,
        Command::ExpireEvents(_) => tag::EXPIRE_EVENTS,
        Command::CleanUp(_) => tag::CLEAN_UP,
        Command::ExpireRecords(_) => tag::EXPIRE_RECORDS,
        Command::AcquireLease(_) => tag::ACQUIRE_LEASE,
        Command::RenewLease(_) => tag::RENEW_LEASE,
        Command::ReleaseLease(_) => tag::RELEASE_LEASE,
        Command::ExpireLeases(_) => tag::EXPIRE_LEASES,
        Command::WithdrawLease(_) => tag::WITHDRAW_LEASE,
        Command::PutValue(_) => tag::PUT_VALUE,
        Command::DeleteValue(_) => tag::DELETE_VALUE,
        Command::BeginExecution(_) => tag::BEGIN_EXECUTION,
        Command::CompleteExecution(_) => tag::COMPLETE_EXECUTION,
        Command::AbandonExecution(_) => tag::ABANDON_EXECUTION,
        Command::ExpireExecutions(_) => tag::EXPIRE_EXECUTIONS,
        Command::PutQueue(put) if queue::has_queue_options(put) => tag::PUT_QUEUE_WITH_OPTIONS,
        Command::PutQueue(_) => tag::PUT_QUEUE,
        Command::Enqueue(enqueue) if queue::has_options(enqueue) => tag::ENQUEUE_WITH_OPTIONS,
        Command::Enqueue(_) => tag::ENQUEUE,
        Command::Claim(_) => tag::CLAIM,
        Command::Settle(_) => tag::SETTLE,
        Command::CancelTask(_) => tag::CANCEL_TASK,
        Command::SettleDeadLetter(_) => tag::SETTLE_DEAD_LETTER,
        Command::ReplayTask(_) => tag::REPLAY_TASK,
        Command::ChangeTasks(_) => tag::CHANGE_TASKS,
        Command::CreateGroup(_) => tag::CREATE_GROUP,
        Command::AdvanceTasks(_) => tag::ADVANCE_TASKS,
        Command::PutTenant(_) => tag::PUT_TENANT,
        Command::DeleteTenant(_) => tag::DELETE_TENANT,
        Command::PutLimit(_) => tag::PUT_LIMIT,
        Command::DeleteLimit(_) => tag::DELETE_LIMIT,
        Command::AdvanceLimits(_) => tag::ADVANCE_LIMITS,
        Command::PutBreaker(_) => tag::PUT_BREAKER,
        Command::DeleteBreaker(_) => tag::DELETE_BREAKER,
        Command::ControlBreaker(_) => tag::CONTROL_BREAKER,
        Command::AskBreaker(_) => tag::ASK_BREAKER,
        Command::RecordBreaker(_) => tag::RECORD_BREAKER,
        Command::PutSchedule(_) => tag::PUT_SCHEDULE,
        Command::PutScheduleSet(_) => tag::PUT_SCHEDULE_SET,
        Command::DeleteSchedule(_) => tag::DELETE_SCHEDULE,
        Command::ControlSchedule(_) => tag::CONTROL_SCHEDULE,
        Command::AdvanceSchedule(_) => tag::ADVANCE_SCHEDULE,
        Command::PutReaction(_) => tag::PUT_REACTION,
        Command::DeleteReaction(_) => tag::DELETE_REACTION,
        Command::React(_) => tag::REACT,
        Command::ChangeToken(_) => tag::CHANGE_TOKEN,
        Command::Audited(_) => tag::AUDITED,
        Command::EraseSubject(_) => tag::ERASE_SUBJECT,
    }
}

fn put_command(writer: &mut Writer<'_>, command: &Command<'_>) {
    writer.u8(tag_of(command));
    match command {
        Command::Append(command) => put_append(writer, command),
        Command::Transaction(command) => put_transaction(writer, command),
        Command::PutSettings(put) => {
            writer.prefixed(put.stream.as_str().as_bytes());
            put_settings(writer, &put.settings);
        }
        Command::DeleteStream(delete) => {
            writer.prefixed(delete.stream.as_str().as_bytes());
            put_expected(writer, delete.expected);
        }
        Command::ExpireEvents(expire) => writer.prefixed(expire.stream.as_str().as_bytes()),
        Command::CleanUp(clean_up) => {
            writer.u16(clean_up.slot.0);
            writer.u64(clean_up.from.0);
            writer.varint(u64::from(clean_up.rows_max));
        }
        Command::ExpireRecords(expire) => {
            writer.u16(expire.slot.0);
            writer.u64(expire.from.0);
            writer.varint(u64::from(expire.rows_max));
        }
        Command::AcquireLease(command) => lease::put_acquire(writer, command),
        Command::RenewLease(command) => lease::put_renew(writer, command),
        Command::ReleaseLease(command) => lease::put_release(writer, command),
        Command::ExpireLeases(command) => lease::put_expire(writer, command),
        Command::WithdrawLease(command) => lease::put_withdraw(writer, command),
        Command::PutValue(command) => value::put_put(writer, command),
        Command::DeleteValue(command) => value::put_delete(writer, command),
        Command::BeginExecution(command) => execution::put_begin(writer, command),
        Command::CompleteExecution(command) => execution::put_complete(writer, command),
        Command::AbandonExecution(command) => execution::put_abandon(writer, command),
        Command::ExpireExecutions(command) => execution::put_expire(writer, command),
        Command::PutQueue(command) => queue::put_put_queue(writer, command),
        Command::Enqueue(command) => queue::put_enqueue(writer, command),
        Command::Claim(command) => queue::put_claim(writer, command),
        Command::Settle(command) => queue::put_settle(writer, command),
        Command::CancelTask(command) => queue::put_cancel(writer, command),
        Command::SettleDeadLetter(command) => queue::put_dead_letter(writer, command),
        Command::ReplayTask(command) => queue::put_replay(writer, command),
        Command::ChangeTasks(command) => queue::put_change(writer, command),
        Command::CreateGroup(command) => group::put_create(writer, command),
        Command::AdvanceTasks(command) => queue::put_advance(writer, command),
        Command::PutTenant(command) => queue::put_put_tenant(writer, command),
        Command::DeleteTenant(command) => queue::put_delete_tenant(writer, command),
        Command::PutLimit(command) => limit::put_put(writer, command),
        Command::DeleteLimit(command) => limit::put_delete(writer, command),
        Command::AdvanceLimits(command) => limit::put_advance(writer, *command),
        Command::PutBreaker(command) => breaker::put_put(writer, command),
        Command::DeleteBreaker(command) => breaker::put_delete(writer, command),
        Command::ControlBreaker(command) => breaker::put_control(writer, command),
        Command::AskBreaker(command) => breaker::put_ask(writer, command),
        Command::RecordBreaker(command) => breaker::put_record(writer, command),
        Command::PutSchedule(command) => schedule::put_put(writer, command),
        Command::PutScheduleSet(command) => schedule::put_put_set(writer, command),
        Command::DeleteSchedule(command) => schedule::put_delete(writer, command),
        Command::ControlSchedule(command) => schedule::put_control(writer, command),
        Command::AdvanceSchedule(command) => schedule::put_advance(writer, command),
        Command::PutReaction(command) => reaction::put_put(writer, command),
        Command::DeleteReaction(command) => reaction::put_delete(writer, command),
        Command::React(command) => reaction::put_react(writer, command),
        Command::ChangeToken(command) => token::put_change(writer, command),
        Command::EraseSubject(erase) => writer.u32(erase.key_id.0),
        Command::Audited(audited) => {
            token::put_audited(writer, audited);
            put_command(writer, &audited.command);
        }
    }
}

fn get_command<'a>(reader: &mut Reader<'a>) -> Result<Command<'a>, FormatError> {
    match reader.u8()? {
        tag::AUDITED => Ok(Command::Audited(token::get_audited(reader, |reader| {
            let tag = reader.u8()?;
            get_plain(tag, reader)
        })?)),
        tag => get_plain(tag, reader),
    }
}

/// Reads a command that contains no other one.
fn get_plain<'a>(tag: u8, reader: &mut Reader<'a>) -> Result<Command<'a>, FormatError> {
    Ok(match tag {
        tag::APPEND => Command::Append(get_append(reader)?),
        tag::TRANSACTION => Command::Transaction(get_transaction(reader)?),
        tag::PUT_SETTINGS => {
            Command::PutSettings(PutSettings { stream: get_name(reader)?, settings: get_settings(reader)? })
        }
        tag::DELETE_STREAM => {
            Command::DeleteStream(DeleteStream { stream: get_name(reader)?, expected: get_expected(reader)? })
        }
        tag::EXPIRE_EVENTS => Command::ExpireEvents(ExpireEvents { stream: get_name(reader)? }),
        tag::CLEAN_UP => Command::CleanUp(CleanUp {
            slot: Slot(reader.u16()?),
            from: Position(reader.u64()?),
            rows_max: get_rows(reader)?,
        }),
        tag::EXPIRE_RECORDS => Command::ExpireRecords(ExpireRecords {
            slot: Slot(reader.u16()?),
            from: Elapsed(reader.u64()?),
            rows_max: get_rows(reader)?,
        }),
        tag::ACQUIRE_LEASE => Command::AcquireLease(lease::get_acquire(reader)?),
        tag::RENEW_LEASE => Command::RenewLease(lease::get_renew(reader)?),
        tag::RELEASE_LEASE => Command::ReleaseLease(lease::get_release(reader)?),
        tag::EXPIRE_LEASES => Command::ExpireLeases(lease::get_expire(reader)?),
        tag::WITHDRAW_LEASE => Command::WithdrawLease(lease::get_withdraw(reader)?),
        tag::PUT_VALUE => Command::PutValue(value::get_put(reader)?),
        tag::DELETE_VALUE => Command::DeleteValue(value::get_delete(reader)?),
        tag::BEGIN_EXECUTION => Command::BeginExecution(execution::get_begin(reader)?),
        tag::COMPLETE_EXECUTION => Command::CompleteExecution(execution::get_complete(reader)?),
        tag::ABANDON_EXECUTION => Command::AbandonExecution(execution::get_abandon(reader)?),
        tag::EXPIRE_EXECUTIONS => Command::ExpireExecutions(execution::get_expire(reader)?),
        tag::PUT_QUEUE => Command::PutQueue(queue::get_put_queue(reader, Options::None)?),
        tag::PUT_QUEUE_WITH_OPTIONS => Command::PutQueue(queue::get_put_queue(reader, Options::Listed)?),
        tag::ENQUEUE => Command::Enqueue(queue::get_enqueue(reader, Options::None)?),
        tag::ENQUEUE_WITH_OPTIONS => Command::Enqueue(queue::get_enqueue(reader, Options::Listed)?),
        tag::CLAIM => Command::Claim(queue::get_claim(reader)?),
        tag::SETTLE => Command::Settle(queue::get_settle(reader)?),
        tag::CANCEL_TASK => Command::CancelTask(queue::get_cancel(reader)?),
        tag::SETTLE_DEAD_LETTER => Command::SettleDeadLetter(queue::get_dead_letter(reader)?),
        tag::REPLAY_TASK => Command::ReplayTask(queue::get_replay(reader)?),
        tag::CHANGE_TASKS => Command::ChangeTasks(queue::get_change(reader)?),
        tag::CREATE_GROUP => Command::CreateGroup(group::get_create(reader)?),
        tag::ADVANCE_TASKS => Command::AdvanceTasks(queue::get_advance(reader)?),
        tag::PUT_TENANT => Command::PutTenant(queue::get_put_tenant(reader)?),
        tag::DELETE_TENANT => Command::DeleteTenant(queue::get_delete_tenant(reader)?),
        tag::PUT_LIMIT => Command::PutLimit(limit::get_put(reader)?),
        tag::DELETE_LIMIT => Command::DeleteLimit(limit::get_delete(reader)?),
        tag::ADVANCE_LIMITS => Command::AdvanceLimits(limit::get_advance(reader)?),
        tag::PUT_BREAKER => Command::PutBreaker(breaker::get_put(reader)?),
        tag::DELETE_BREAKER => Command::DeleteBreaker(breaker::get_delete(reader)?),
        tag::CONTROL_BREAKER => Command::ControlBreaker(breaker::get_control(reader)?),
        tag::ASK_BREAKER => Command::AskBreaker(breaker::get_ask(reader)?),
        tag::RECORD_BREAKER => Command::RecordBreaker(breaker::get_record(reader)?),
        tag::PUT_SCHEDULE => Command::PutSchedule(schedule::get_put(reader)?),
        tag::PUT_SCHEDULE_SET => Command::PutScheduleSet(schedule::get_put_set(reader)?),
        tag::DELETE_SCHEDULE => Command::DeleteSchedule(schedule::get_delete(reader)?),
        tag::CONTROL_SCHEDULE => Command::ControlSchedule(schedule::get_control(reader)?),
        tag::ADVANCE_SCHEDULE => Command::AdvanceSchedule(schedule::get_advance(reader)?),
        tag::PUT_REACTION => Command::PutReaction(reaction::get_put(reader)?),
        tag::DELETE_REACTION => Command::DeleteReaction(reaction::get_delete(reader)?),
        tag::REACT => Command::React(reaction::get_react(reader)?),
        tag::CHANGE_TOKEN => Command::ChangeToken(token::get_change(reader)?),
        tag::ERASE_SUBJECT => Command::EraseSubject(EraseSubject { key_id: KeyId(reader.u32()?) }),
        other => return Err(FormatError::invalid("command", u64::from(other))),
    })
}

fn get_rows(reader: &mut Reader<'_>) -> Result<u32, FormatError> {
    let rows = reader.varint()?;
    u32::try_from(rows).map_err(|_| FormatError::invalid("number of rows", rows))
}

fn put_transaction(writer: &mut Writer<'_>, transaction: &Transaction<'_>) {
    put_keyed(writer, transaction.keyed.as_ref());
    writer.varint(transaction.checks.len() as u64);
    for check in &transaction.checks {
        match check {
            Check::Stream { stream, expected } => {
                writer.u8(tag::CHECK_STREAM);
                writer.prefixed(stream.as_str().as_bytes());
                put_expected(writer, *expected);
            }
            Check::Lease { lease, token } => {
                writer.u8(tag::CHECK_LEASE);
                writer.prefixed(lease.as_str().as_bytes());
                lease::put_cursor(writer, *token);
            }
            Check::Value { value, expected } => {
                writer.u8(tag::CHECK_VALUE);
                writer.prefixed(value.as_str().as_bytes());
                put_expected(writer, *expected);
            }
            Check::Execution { key, token } => {
                writer.u8(tag::CHECK_EXECUTION);
                writer.prefixed(key.as_str().as_bytes());
                lease::put_cursor(writer, *token);
            }
        }
    }
    writer.varint(transaction.writes.len() as u64);
    for write in &transaction.writes {
        match write {
            Write::Append(append) => {
                writer.u8(tag::WRITE_APPEND);
                put_append(writer, append);
            }
            Write::Enqueue(enqueue) => {
                let has_options = queue::has_options(enqueue);
                writer.u8(if has_options { tag::WRITE_ENQUEUE_WITH_OPTIONS } else { tag::WRITE_ENQUEUE });
                queue::put_enqueue(writer, enqueue);
            }
            Write::Settle(settle) => {
                writer.u8(tag::WRITE_SETTLE);
                queue::put_settle(writer, settle);
            }
            Write::CompleteExecution(complete) => {
                writer.u8(tag::WRITE_COMPLETE_EXECUTION);
                execution::put_complete(writer, complete);
            }
            Write::CreateGroup(create) => {
                writer.u8(tag::WRITE_CREATE_GROUP);
                group::put_create(writer, create);
            }
        }
    }
}

fn get_transaction<'a>(reader: &mut Reader<'a>) -> Result<Transaction<'a>, FormatError> {
    let keyed = get_keyed(reader)?;
    let count = reader.count(CHECK_BYTES_MIN)?;
    let mut checks = Vec::with_capacity(count);
    for _ in 0..count {
        checks.push(match reader.u8()? {
            tag::CHECK_STREAM => Check::Stream { stream: get_name(reader)?, expected: get_expected(reader)? },
            tag::CHECK_LEASE => {
                Check::Lease { lease: lease::get_name(reader)?, token: lease::get_cursor(reader)? }
            }
            tag::CHECK_VALUE => {
                Check::Value { value: value::get_name(reader)?, expected: get_expected(reader)? }
            }
            tag::CHECK_EXECUTION => {
                Check::Execution { key: execution::get_key(reader)?, token: lease::get_cursor(reader)? }
            }
            other => return Err(FormatError::invalid("check", u64::from(other))),
        });
    }
    let count = reader.count(WRITE_BYTES_MIN)?;
    let mut writes = Vec::with_capacity(count);
    for _ in 0..count {
        writes.push(match reader.u8()? {
            tag::WRITE_APPEND => Write::Append(get_append(reader)?),
            tag::WRITE_ENQUEUE => Write::Enqueue(queue::get_enqueue(reader, Options::None)?),
            tag::WRITE_ENQUEUE_WITH_OPTIONS => Write::Enqueue(queue::get_enqueue(reader, Options::Listed)?),
            tag::WRITE_SETTLE => Write::Settle(queue::get_settle(reader)?),
            tag::WRITE_COMPLETE_EXECUTION => Write::CompleteExecution(execution::get_complete(reader)?),
            tag::WRITE_CREATE_GROUP => Write::CreateGroup(group::get_create(reader)?),
            other => return Err(FormatError::invalid("write", u64::from(other))),
        });
    }
    Ok(Transaction { keyed, checks, writes })
}

fn put_append(writer: &mut Writer<'_>, append: &Append<'_>) {
    put_keyed(writer, append.keyed.as_ref());
    writer.prefixed(append.stream.as_str().as_bytes());
    put_expected(writer, append.expected);
    writer.varint(append.events.len() as u64);
    for event in &append.events {
        put_event(writer, event);
    }
}

fn get_append<'a>(reader: &mut Reader<'a>) -> Result<Append<'a>, FormatError> {
    let keyed = get_keyed(reader)?;
    let stream = get_name(reader)?;
    let expected = get_expected(reader)?;
    let count = reader.count(EVENT_BYTES_MIN)?;
    let mut events = Vec::with_capacity(count);
    for _ in 0..count {
        events.push(get_event(reader)?);
    }
    Ok(Append { keyed, stream, expected, events })
}

fn put_event(writer: &mut Writer<'_>, event: &NewEvent<'_>) {
    match event.identity {
        Identity::Client(id) => {
            writer.u8(tag::IDENTITY_CLIENT);
            writer.u128(id.0);
        }
        Identity::Server => writer.u8(tag::IDENTITY_SERVER),
        Identity::Echo { id, cursor } => {
            writer.u8(tag::IDENTITY_ECHO);
            writer.u128(id.0);
            writer.u64(cursor.position.0);
            writer.u16(cursor.slot.0);
        }
    }
    writer.u128(event.fingerprint.0);
    if event.key_id == KeyId::NONE {
        writer.u8(event.filled.0);
    } else {
        writer.u8(event.filled.0 | SEALED);
        writer.u32(event.key_id.0);
    }
    writer.prefixed(event.event_type.as_bytes());
    writer.prefixed(&event.envelope);
}

fn get_event<'a>(reader: &mut Reader<'a>) -> Result<NewEvent<'a>, FormatError> {
    let identity = match reader.u8()? {
        tag::IDENTITY_CLIENT => Identity::Client(IdHash(reader.u128()?)),
        tag::IDENTITY_SERVER => Identity::Server,
        tag::IDENTITY_ECHO => Identity::Echo {
            id: IdHash(reader.u128()?),
            cursor: Cursor::new(Position(reader.u64()?), Slot(reader.u16()?)),
        },
        other => return Err(FormatError::invalid("identity", u64::from(other))),
    };
    let fingerprint = Fingerprint(reader.u128()?);
    let filled = reader.u8()?;
    let key_id = if filled & SEALED == 0 { KeyId::NONE } else { KeyId(reader.u32()?) };
    if filled & SEALED != 0 && key_id == KeyId::NONE {
        return Err(FormatError::invalid("key of a sealed event", 0));
    }
    let event_type = reader.text("event type")?;
    // A body record stores the type's length in 16 bits and the envelope's in 32.
    if event_type.len() > usize::from(u16::MAX) {
        return Err(FormatError::invalid("length of an event type", event_type.len() as u64));
    }
    let envelope = reader.prefixed()?;
    if u32::try_from(envelope.len()).is_err() {
        return Err(FormatError::invalid("length of an envelope", envelope.len() as u64));
    }
    Ok(NewEvent {
        identity,
        fingerprint,
        filled: Filled(filled & !SEALED),
        event_type: Cow::Borrowed(event_type),
        key_id,
        envelope: Cow::Borrowed(envelope),
    })
}

pub(crate) fn put_keyed(writer: &mut Writer<'_>, keyed: Option<&Keyed>) {
    match keyed {
        None => writer.u8(0),
        Some(keyed) => {
            writer.u8(1);
            writer.u128(keyed.key.0);
            writer.u128(keyed.fingerprint.0);
            writer.u16(keyed.slot.0);
        }
    }
}

pub(crate) fn get_keyed(reader: &mut Reader<'_>) -> Result<Option<Keyed>, FormatError> {
    match reader.u8()? {
        0 => Ok(None),
        1 => Ok(Some(Keyed {
            key: KeyHash(reader.u128()?),
            fingerprint: Fingerprint(reader.u128()?),
            slot: Slot(reader.u16()?),
        })),
        other => Err(FormatError::invalid("option", u64::from(other))),
    }
}

pub(crate) fn put_expected(writer: &mut Writer<'_>, expected: Expected) {
    match expected {
        Expected::Any => writer.u8(tag::EXPECTED_ANY),
        Expected::None => writer.u8(tag::EXPECTED_NONE),
        Expected::Exists => writer.u8(tag::EXPECTED_EXISTS),
        Expected::Revision(revision) => {
            writer.u8(tag::EXPECTED_REVISION);
            writer.varint(revision.0);
        }
    }
}

pub(crate) fn get_expected(reader: &mut Reader<'_>) -> Result<Expected, FormatError> {
    Ok(match reader.u8()? {
        tag::EXPECTED_ANY => Expected::Any,
        tag::EXPECTED_NONE => Expected::None,
        tag::EXPECTED_EXISTS => Expected::Exists,
        tag::EXPECTED_REVISION => Expected::Revision(Revision(reader.varint()?)),
        other => return Err(FormatError::invalid("expected revision", u64::from(other))),
    })
}

/// A byte that says which members are present, then those members as varints.
pub(crate) fn put_settings(writer: &mut Writer<'_>, settings: &Settings) {
    let members = [settings.max_age_ms, settings.max_count, settings.truncate_before.map(|first| first.0)];
    let present =
        members.iter().enumerate().fold(0, |bits, (at, member)| bits | u8::from(member.is_some()) << at);
    writer.u8(present);
    for member in members.into_iter().flatten() {
        writer.varint(member);
    }
}

pub(crate) fn get_settings(reader: &mut Reader<'_>) -> Result<Settings, FormatError> {
    let present = reader.u8()?;
    if present >= 8 {
        return Err(FormatError::invalid("set of settings", u64::from(present)));
    }
    let mut member = |bit: u8| if present & bit == 0 { Ok(None) } else { reader.varint().map(Some) };
    Ok(Settings { max_age_ms: member(1)?, max_count: member(2)?, truncate_before: member(4)?.map(Revision) })
}

pub(crate) fn get_name<'a>(reader: &mut Reader<'a>) -> Result<StreamName<'a>, FormatError> {
    let what = "stream name";
    StreamName::new(reader.text(what)?).map_err(|_| FormatError::Text { what })
}
