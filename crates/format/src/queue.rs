//! The commands and outcomes of task queues, as entries and idempotency records hold them. Fields are in the order
//! of the model's structs; an optional field begins with a byte that says whether it is there.

use crate::entry::{get_keyed, put_keyed};
use crate::limit;
use crate::options::{Options, get_queue_options, get_task_options, put_queue_options, put_task_options};
use crate::outcome::get_flag;
use crate::wire::{FormatError, Reader, Writer};
use alloc::borrow::{Cow, ToOwned};
use alloc::vec::Vec;
use model::{
    Action, AdvanceTasks, CancelTask, ChangeTasks, Claim, Claimed, ClaimedTask, DeadLetterEnd, DeleteTenant,
    Elapsed, Enqueue, Enqueued, EnqueuedTask, Failure, Fingerprint, IdHash, NewTask, Position, PutQueue,
    PutTenant, QueueName, QueueOptions, QueueSettings, ReplayTask, RetryPolicy, Settle, SettleDeadLetter,
    Settled, Settlement, Slot, TaskChange, TaskDue, TaskOptions, TaskRef, TaskState, TasksChanged,
    TenantName, Throttle, Wall,
};

/// Numbers that never change.
mod tag {
    pub(super) const HEARTBEAT: u8 = 1;
    pub(super) const COMPLETE: u8 = 2;
    pub(super) const FAIL: u8 = 3;
    pub(super) const DEFER: u8 = 4;
    pub(super) const RETURN: u8 = 5;
    pub(super) const THROTTLE: u8 = 6;

    pub(super) const REPLAY: u8 = 1;
    pub(super) const DROP: u8 = 2;

    pub(super) const CHANGE_CANCEL: u8 = 1;
    pub(super) const CHANGE_REPLAY: u8 = 2;
    pub(super) const CHANGE_DROP: u8 = 3;

    pub(super) const DUE_WALL: u8 = 1;
    pub(super) const DUE_ELAPSED: u8 = 2;

    pub(super) const ADDED: u8 = 1;
    pub(super) const REPLAYED: u8 = 2;
    pub(super) const CONFLICT: u8 = 3;
    pub(super) const EXISTING: u8 = 4;

    pub(super) const EXTENDED: u8 = 1;
    pub(super) const COMPLETED: u8 = 2;
    pub(super) const WAITING: u8 = 3;
    pub(super) const DEAD: u8 = 4;
    pub(super) const CANCELLED: u8 = 5;
    pub(super) const CLAIM_LOST: u8 = 6;
    pub(super) const NO_TASK: u8 = 7;
}

/// The smallest encoding of a task, a settlement and so on. Counts are checked against these.
/// Of a task whose type is empty, which nobody writes, but which is read.
const TASK_BYTES_MIN: usize = 24;
const TYPE_BYTES_MIN: usize = 1;
const SETTLEMENT_BYTES_MIN: usize = 11;
const RESULT_BYTES_MIN: usize = 1;
const CLAIMED_BYTES_MIN: usize = 20;

/// Whether a task among these has options, so that they are written.
pub(crate) fn has_options(enqueue: &Enqueue<'_>) -> bool {
    enqueue.tasks.iter().any(|task| task.options != TaskOptions::default())
}

pub(crate) fn put_enqueue(writer: &mut Writer<'_>, enqueue: &Enqueue<'_>) {
    put_keyed(writer, enqueue.keyed.as_ref());
    writer.prefixed(enqueue.queue.as_str().as_bytes());
    writer.varint(enqueue.tasks.len() as u64);
    let has_options = has_options(enqueue);
    for task in &enqueue.tasks {
        put_new_task(writer, task);
        if has_options {
            put_task_options(writer, &task.options);
        }
    }
}

fn put_new_task(writer: &mut Writer<'_>, task: &NewTask<'_>) {
    put_text_option(writer, task.id.as_deref());
    writer.u128(task.fingerprint.0);
    writer.prefixed(task.task_type.as_bytes());
    put_option(writer, task.run_after, |writer, wall| writer.u64(wall.0));
    writer.u8(task.priority);
    put_text_option(writer, task.key.as_deref());
    put_option(writer, task.claim_ms, Writer::varint);
    put_option(writer, task.retry, |writer, retry| put_retry(writer, &retry));
    writer.prefixed(&task.envelope);
}

pub(crate) fn get_enqueue<'a>(reader: &mut Reader<'a>, options: Options) -> Result<Enqueue<'a>, FormatError> {
    let keyed = get_keyed(reader)?;
    let queue = get_queue(reader)?;
    let count = reader.count(TASK_BYTES_MIN)?;
    let mut tasks = Vec::with_capacity(count.min(64));
    for _ in 0..count {
        let mut task = get_new_task(reader)?;
        if options == Options::Listed {
            task.options = get_task_options(reader)?;
        }
        tasks.push(task);
    }
    Ok(Enqueue { keyed, queue, tasks })
}

/// A task without its options.
fn get_new_task<'a>(reader: &mut Reader<'a>) -> Result<NewTask<'a>, FormatError> {
    Ok(NewTask {
        id: get_text_option(reader, "task id")?,
        fingerprint: Fingerprint(reader.u128()?),
        task_type: Cow::Borrowed(reader.text("task type")?),
        run_after: get_option(reader, |reader| reader.u64().map(Wall))?,
        priority: reader.u8()?,
        key: get_text_option(reader, "task key")?,
        claim_ms: get_option(reader, Reader::varint)?,
        retry: get_option(reader, get_retry)?,
        envelope: Cow::Borrowed(reader.prefixed()?),
        options: TaskOptions::default(),
    })
}

pub(crate) fn has_queue_options(put: &PutQueue<'_>) -> bool {
    put.settings.options != QueueOptions::NONE
}

pub(crate) fn put_put_queue(writer: &mut Writer<'_>, put: &PutQueue<'_>) {
    writer.prefixed(put.queue.as_str().as_bytes());
    put_settings(writer, &put.settings);
    if has_queue_options(put) {
        put_queue_options(writer, &put.settings.options);
    }
}

pub(crate) fn put_put_tenant(writer: &mut Writer<'_>, put: &PutTenant<'_>) {
    writer.prefixed(put.queue.as_str().as_bytes());
    writer.prefixed(put.tenant.as_str().as_bytes());
    writer.varint(u64::from(put.weight));
}

pub(crate) fn get_put_tenant<'a>(reader: &mut Reader<'a>) -> Result<PutTenant<'a>, FormatError> {
    Ok(PutTenant { queue: get_queue(reader)?, tenant: get_tenant(reader)?, weight: get_u32(reader)? })
}

pub(crate) fn put_delete_tenant(writer: &mut Writer<'_>, delete: &DeleteTenant<'_>) {
    writer.prefixed(delete.queue.as_str().as_bytes());
    writer.prefixed(delete.tenant.as_str().as_bytes());
}

pub(crate) fn get_delete_tenant<'a>(reader: &mut Reader<'a>) -> Result<DeleteTenant<'a>, FormatError> {
    Ok(DeleteTenant { queue: get_queue(reader)?, tenant: get_tenant(reader)? })
}

pub(crate) fn get_tenant<'a>(reader: &mut Reader<'a>) -> Result<TenantName<'a>, FormatError> {
    let what = "tenant's name";
    TenantName::new(reader.text(what)?).map_err(|_| FormatError::Text { what })
}

pub(crate) fn get_put_queue<'a>(
    reader: &mut Reader<'a>,
    options: Options,
) -> Result<PutQueue<'a>, FormatError> {
    let mut put = PutQueue { queue: get_queue(reader)?, settings: get_settings(reader)? };
    if options == Options::Listed {
        put.settings.options = get_queue_options(reader)?;
    }
    Ok(put)
}

/// The settings without their options.
pub(crate) fn put_settings(writer: &mut Writer<'_>, settings: &QueueSettings) {
    put_retry(writer, &settings.retry);
    writer.varint(settings.claim_ms);
    writer.varint(u64::from(settings.lost_max));
    writer.varint(settings.keep_done_ms);
    writer.varint(settings.keep_dead_ms);
    writer.varint(settings.backlog_max);
    writer.u8(u8::from(settings.paused));
}

/// The settings without their options.
pub(crate) fn get_settings(reader: &mut Reader<'_>) -> Result<QueueSettings, FormatError> {
    Ok(QueueSettings {
        retry: get_retry(reader)?,
        claim_ms: reader.varint()?,
        lost_max: get_u32(reader)?,
        keep_done_ms: reader.varint()?,
        keep_dead_ms: reader.varint()?,
        backlog_max: reader.varint()?,
        paused: get_flag(reader)?,
        options: QueueOptions::NONE,
    })
}

pub(crate) fn put_retry(writer: &mut Writer<'_>, retry: &RetryPolicy) {
    writer.varint(u64::from(retry.attempts_max));
    writer.varint(retry.first_ms);
    writer.varint(retry.delay_ms_max);
}

pub(crate) fn get_retry(reader: &mut Reader<'_>) -> Result<RetryPolicy, FormatError> {
    Ok(RetryPolicy {
        attempts_max: get_u32(reader)?,
        first_ms: reader.varint()?,
        delay_ms_max: reader.varint()?,
    })
}

pub(crate) fn put_claim(writer: &mut Writer<'_>, claim: &Claim<'_>) {
    writer.prefixed(claim.queue.as_str().as_bytes());
    writer.prefixed(claim.worker.as_bytes());
    writer.varint(claim.types.len() as u64);
    for task_type in &claim.types {
        writer.prefixed(task_type.as_bytes());
    }
    writer.varint(u64::from(claim.tasks_max));
    put_option(writer, claim.claim_ms, Writer::varint);
    put_option(writer, claim.request, |writer, request| writer.u128(request.0));
}

pub(crate) fn get_claim<'a>(reader: &mut Reader<'a>) -> Result<Claim<'a>, FormatError> {
    let queue = get_queue(reader)?;
    let worker = Cow::Borrowed(reader.text("worker's name")?);
    let count = reader.count(TYPE_BYTES_MIN)?;
    let mut types = Vec::with_capacity(count.min(64));
    for _ in 0..count {
        types.push(Cow::Borrowed(reader.text("task type")?));
    }
    Ok(Claim {
        queue,
        worker,
        types,
        tasks_max: get_u32(reader)?,
        claim_ms: get_option(reader, Reader::varint)?,
        request: get_option(reader, |reader| reader.u128().map(IdHash))?,
    })
}

pub(crate) fn put_settle(writer: &mut Writer<'_>, settle: &Settle<'_>) {
    writer.prefixed(settle.queue.as_str().as_bytes());
    writer.varint(settle.settlements.len() as u64);
    for settlement in &settle.settlements {
        put_task(writer, &settlement.task);
        writer.u64(settlement.token.0);
        put_action(writer, &settlement.action);
    }
}

pub(crate) fn get_settle<'a>(reader: &mut Reader<'a>) -> Result<Settle<'a>, FormatError> {
    let queue = get_queue(reader)?;
    let count = reader.count(SETTLEMENT_BYTES_MIN)?;
    let mut settlements = Vec::with_capacity(count.min(64));
    for _ in 0..count {
        let task = get_task(reader)?;
        settlements.push(Settlement { task, token: Position(reader.u64()?), action: get_action(reader)? });
    }
    Ok(Settle { queue, settlements })
}

fn put_action(writer: &mut Writer<'_>, action: &Action<'_>) {
    match action {
        Action::Heartbeat { progress } => {
            writer.u8(tag::HEARTBEAT);
            put_option(writer, progress.as_deref(), Writer::prefixed);
        }
        Action::Complete { result } => {
            writer.u8(tag::COMPLETE);
            put_option(writer, result.as_deref(), Writer::prefixed);
        }
        Action::Fail(failure) => {
            writer.u8(tag::FAIL);
            writer.prefixed(failure.class.as_bytes());
            writer.prefixed(&failure.detail);
            writer.u8(u8::from(failure.retryable));
            put_option(writer, failure.delay_ms, Writer::varint);
        }
        Action::Defer { delay_ms } => {
            writer.u8(tag::DEFER);
            writer.varint(*delay_ms);
        }
        Action::Return => writer.u8(tag::RETURN),
        Action::Throttle(throttle) => {
            writer.u8(tag::THROTTLE);
            writer.prefixed(throttle.limit.as_str().as_bytes());
            put_text_option(writer, throttle.key.as_deref());
            writer.varint(throttle.close_ms);
        }
    }
}

fn get_action<'a>(reader: &mut Reader<'a>) -> Result<Action<'a>, FormatError> {
    let bytes = |reader: &mut Reader<'a>| get_option(reader, |reader| reader.prefixed().map(Cow::Borrowed));
    Ok(match reader.u8()? {
        tag::HEARTBEAT => Action::Heartbeat { progress: bytes(reader)? },
        tag::COMPLETE => Action::Complete { result: bytes(reader)? },
        tag::FAIL => Action::Fail(Failure {
            class: Cow::Borrowed(reader.text("class of a failure")?),
            detail: Cow::Borrowed(reader.prefixed()?),
            retryable: get_flag(reader)?,
            delay_ms: get_option(reader, Reader::varint)?,
        }),
        tag::DEFER => Action::Defer { delay_ms: reader.varint()? },
        tag::RETURN => Action::Return,
        tag::THROTTLE => Action::Throttle(Throttle {
            limit: limit::get_name(reader)?,
            key: get_text_option(reader, "key of a limit")?,
            close_ms: reader.varint()?,
        }),
        other => return Err(FormatError::invalid("action", u64::from(other))),
    })
}

pub(crate) fn put_cancel(writer: &mut Writer<'_>, cancel: &CancelTask<'_>) {
    writer.prefixed(cancel.queue.as_str().as_bytes());
    put_task(writer, &cancel.task);
}

pub(crate) fn get_cancel<'a>(reader: &mut Reader<'a>) -> Result<CancelTask<'a>, FormatError> {
    Ok(CancelTask { queue: get_queue(reader)?, task: get_task(reader)? })
}

pub(crate) fn put_dead_letter(writer: &mut Writer<'_>, settle: &SettleDeadLetter<'_>) {
    writer.prefixed(settle.queue.as_str().as_bytes());
    put_task(writer, &settle.task);
    writer.u8(match settle.end {
        DeadLetterEnd::Replay => tag::REPLAY,
        DeadLetterEnd::Drop => tag::DROP,
    });
}

pub(crate) fn get_dead_letter<'a>(reader: &mut Reader<'a>) -> Result<SettleDeadLetter<'a>, FormatError> {
    let queue = get_queue(reader)?;
    let task = get_task(reader)?;
    let end = match reader.u8()? {
        tag::REPLAY => DeadLetterEnd::Replay,
        tag::DROP => DeadLetterEnd::Drop,
        other => return Err(FormatError::invalid("end of a dead letter", u64::from(other))),
    };
    Ok(SettleDeadLetter { queue, task, end })
}

pub(crate) fn put_replay(writer: &mut Writer<'_>, replay: &ReplayTask<'_>) {
    writer.prefixed(replay.queue.as_str().as_bytes());
    put_task(writer, &replay.task);
    put_text_option(writer, replay.to.as_ref().map(QueueName::as_str));
    put_option(writer, replay.envelope.as_deref(), Writer::prefixed);
}

pub(crate) fn get_replay<'a>(reader: &mut Reader<'a>) -> Result<ReplayTask<'a>, FormatError> {
    Ok(ReplayTask {
        queue: get_queue(reader)?,
        task: get_task(reader)?,
        to: get_option(reader, get_queue)?,
        envelope: get_option(reader, |reader| reader.prefixed().map(Cow::Borrowed))?,
    })
}

pub(crate) fn put_change(writer: &mut Writer<'_>, change: &ChangeTasks<'_>) {
    writer.prefixed(change.queue.as_str().as_bytes());
    writer.varint(change.tasks.len() as u64);
    for task in &change.tasks {
        writer.u64(task.0);
    }
    put_option(writer, change.state, put_state);
    put_text_option(writer, change.task_type.as_deref());
    put_text_option(writer, change.class.as_deref());
    match &change.change {
        TaskChange::Cancel => writer.u8(tag::CHANGE_CANCEL),
        TaskChange::Replay { to } => {
            writer.u8(tag::CHANGE_REPLAY);
            put_text_option(writer, to.as_ref().map(QueueName::as_str));
        }
        TaskChange::Drop => writer.u8(tag::CHANGE_DROP),
    }
}

pub(crate) fn get_change<'a>(reader: &mut Reader<'a>) -> Result<ChangeTasks<'a>, FormatError> {
    let queue = get_queue(reader)?;
    let count = reader.count(8)?;
    let mut tasks = Vec::with_capacity(count);
    for _ in 0..count {
        tasks.push(Position(reader.u64()?));
    }
    Ok(ChangeTasks {
        queue,
        tasks,
        state: get_option(reader, get_state)?,
        task_type: get_text_option(reader, "task type")?,
        class: get_text_option(reader, "class of a failure")?,
        change: match reader.u8()? {
            tag::CHANGE_CANCEL => TaskChange::Cancel,
            tag::CHANGE_REPLAY => TaskChange::Replay { to: get_option(reader, get_queue)? },
            tag::CHANGE_DROP => TaskChange::Drop,
            other => return Err(FormatError::invalid("change of tasks", u64::from(other))),
        },
    })
}

pub(crate) fn put_changed(writer: &mut Writer<'_>, changed: TasksChanged) {
    writer.varint(u64::from(changed.changed));
    writer.varint(u64::from(changed.kept));
    put_option(writer, changed.full_after, |writer, after| writer.varint(u64::from(after)));
}

pub(crate) fn get_changed(reader: &mut Reader<'_>) -> Result<TasksChanged, FormatError> {
    Ok(TasksChanged {
        changed: get_u32(reader)?,
        kept: get_u32(reader)?,
        full_after: get_option(reader, get_u32)?,
    })
}

pub(crate) fn put_advance(writer: &mut Writer<'_>, advance: &AdvanceTasks) {
    writer.u16(advance.slot.0);
    let (tag, moment) = match advance.from {
        TaskDue::Wall(wall) => (tag::DUE_WALL, wall.0),
        TaskDue::Elapsed(elapsed) => (tag::DUE_ELAPSED, elapsed.0),
    };
    writer.u8(tag);
    writer.u64(moment);
    writer.varint(u64::from(advance.tasks_max));
}

pub(crate) fn get_advance(reader: &mut Reader<'_>) -> Result<AdvanceTasks, FormatError> {
    let slot = Slot(reader.u16()?);
    let from = match reader.u8()? {
        tag::DUE_WALL => TaskDue::Wall(Wall(reader.u64()?)),
        tag::DUE_ELAPSED => TaskDue::Elapsed(Elapsed(reader.u64()?)),
        other => return Err(FormatError::invalid("clock of a task", u64::from(other))),
    };
    Ok(AdvanceTasks { slot, from, tasks_max: get_u32(reader)? })
}

/// Server ids have the tag 0, and clients' ids are never empty: a length other than 0 says that the id follows.
fn put_task(writer: &mut Writer<'_>, task: &TaskRef<'_>) {
    match task {
        TaskRef::Client(id) => {
            writer.u8(1);
            writer.prefixed(id.as_bytes());
        }
        TaskRef::Server(position) => {
            writer.u8(0);
            writer.u64(position.0);
        }
    }
}

fn get_task<'a>(reader: &mut Reader<'a>) -> Result<TaskRef<'a>, FormatError> {
    Ok(match reader.u8()? {
        0 => TaskRef::Server(Position(reader.u64()?)),
        1 => TaskRef::Client(Cow::Borrowed(reader.text("task id")?)),
        other => return Err(FormatError::invalid("name of a task", u64::from(other))),
    })
}

pub(crate) fn put_enqueued(writer: &mut Writer<'_>, enqueued: &Enqueued) {
    writer.u16(enqueued.slot.0);
    writer.varint(enqueued.tasks.len() as u64);
    for task in &enqueued.tasks {
        let (tag, position) = match task {
            EnqueuedTask::Added(position) => (tag::ADDED, position),
            EnqueuedTask::Replayed(position) => (tag::REPLAYED, position),
            EnqueuedTask::Conflict(position) => (tag::CONFLICT, position),
            EnqueuedTask::Existing { task, .. } => (tag::EXISTING, task),
        };
        writer.u8(tag);
        writer.u64(position.0);
        if let EnqueuedTask::Existing { id, .. } = task {
            put_text_option(writer, id.as_deref());
        }
    }
}

pub(crate) fn get_enqueued(reader: &mut Reader<'_>) -> Result<Enqueued, FormatError> {
    let slot = Slot(reader.u16()?);
    let count = reader.count(9)?;
    let mut tasks = Vec::with_capacity(count.min(64));
    for _ in 0..count {
        let tag = reader.u8()?;
        let position = Position(reader.u64()?);
        tasks.push(match tag {
            tag::ADDED => EnqueuedTask::Added(position),
            tag::REPLAYED => EnqueuedTask::Replayed(position),
            tag::CONFLICT => EnqueuedTask::Conflict(position),
            tag::EXISTING => {
                let id = get_text_option(reader, "task id")?.map(Cow::into_owned);
                EnqueuedTask::Existing { task: position, id }
            }
            other => return Err(FormatError::invalid("result of a task", u64::from(other))),
        });
    }
    Ok(Enqueued { slot, tasks })
}

pub(crate) fn put_claimed(writer: &mut Writer<'_>, claimed: &Claimed) {
    writer.u16(claimed.slot.0);
    writer.varint(claimed.tasks.len() as u64);
    for task in &claimed.tasks {
        writer.u64(task.position.0);
        put_text_option(writer, task.id.as_deref());
        writer.varint(u64::from(task.attempt));
        writer.u64(task.token.0);
        writer.varint(task.claim_ms);
        writer.prefixed(&task.envelope);
        put_option(writer, task.progress.as_deref(), Writer::prefixed);
    }
}

pub(crate) fn get_claimed(reader: &mut Reader<'_>) -> Result<Claimed, FormatError> {
    let slot = Slot(reader.u16()?);
    let count = reader.count(CLAIMED_BYTES_MIN)?;
    let mut tasks = Vec::with_capacity(count.min(64));
    for _ in 0..count {
        tasks.push(ClaimedTask {
            position: Position(reader.u64()?),
            id: get_text_option(reader, "task id")?.map(Cow::into_owned),
            attempt: get_u32(reader)?,
            token: Position(reader.u64()?),
            claim_ms: reader.varint()?,
            envelope: reader.prefixed()?.to_owned(),
            progress: get_option(reader, Reader::prefixed)?.map(<[u8]>::to_owned),
        });
    }
    Ok(Claimed { slot, tasks })
}

pub(crate) fn put_settled(writer: &mut Writer<'_>, settled: &[Settled]) {
    writer.varint(settled.len() as u64);
    for one in settled {
        match one {
            Settled::Extended { claim_ms, cancelled } => {
                writer.u8(tag::EXTENDED);
                writer.varint(*claim_ms);
                writer.u8(u8::from(*cancelled));
            }
            Settled::Completed => writer.u8(tag::COMPLETED),
            Settled::Waiting { delay_ms } => {
                writer.u8(tag::WAITING);
                writer.varint(*delay_ms);
            }
            Settled::Dead => writer.u8(tag::DEAD),
            Settled::Cancelled => writer.u8(tag::CANCELLED),
            Settled::ClaimLost => writer.u8(tag::CLAIM_LOST),
            Settled::NoTask => writer.u8(tag::NO_TASK),
        }
    }
}

pub(crate) fn get_settled(reader: &mut Reader<'_>) -> Result<Vec<Settled>, FormatError> {
    let count = reader.count(RESULT_BYTES_MIN)?;
    let mut settled = Vec::with_capacity(count.min(1_024));
    for _ in 0..count {
        settled.push(match reader.u8()? {
            tag::EXTENDED => Settled::Extended { claim_ms: reader.varint()?, cancelled: get_flag(reader)? },
            tag::COMPLETED => Settled::Completed,
            tag::WAITING => Settled::Waiting { delay_ms: reader.varint()? },
            tag::DEAD => Settled::Dead,
            tag::CANCELLED => Settled::Cancelled,
            tag::CLAIM_LOST => Settled::ClaimLost,
            tag::NO_TASK => Settled::NoTask,
            other => return Err(FormatError::invalid("result of a settlement", u64::from(other))),
        });
    }
    Ok(settled)
}

/// The number of a task's state; it never changes.
pub(crate) fn put_state(writer: &mut Writer<'_>, state: TaskState) {
    writer.u8(match state {
        TaskState::Delayed => 1,
        TaskState::Blocked => 2,
        TaskState::Ready => 3,
        TaskState::Running => 4,
        TaskState::Done => 5,
        TaskState::Dead => 6,
        TaskState::Cancelled => 7,
    });
}

pub(crate) fn get_state(reader: &mut Reader<'_>) -> Result<TaskState, FormatError> {
    Ok(match reader.u8()? {
        1 => TaskState::Delayed,
        2 => TaskState::Blocked,
        3 => TaskState::Ready,
        4 => TaskState::Running,
        5 => TaskState::Done,
        6 => TaskState::Dead,
        7 => TaskState::Cancelled,
        other => return Err(FormatError::invalid("state of a task", u64::from(other))),
    })
}

pub(crate) fn put_option<'w, T>(
    writer: &mut Writer<'w>,
    option: Option<T>,
    put: impl FnOnce(&mut Writer<'w>, T),
) {
    writer.u8(u8::from(option.is_some()));
    if let Some(value) = option {
        put(writer, value);
    }
}

pub(crate) fn get_option<'a, T>(
    reader: &mut Reader<'a>,
    get: impl FnOnce(&mut Reader<'a>) -> Result<T, FormatError>,
) -> Result<Option<T>, FormatError> {
    if get_flag(reader)? { get(reader).map(Some) } else { Ok(None) }
}

pub(crate) fn put_text_option(writer: &mut Writer<'_>, text: Option<&str>) {
    put_option(writer, text, |writer, text| writer.prefixed(text.as_bytes()));
}

pub(crate) fn get_text_option<'a>(
    reader: &mut Reader<'a>,
    what: &'static str,
) -> Result<Option<Cow<'a, str>>, FormatError> {
    get_option(reader, |reader| reader.text(what).map(Cow::Borrowed))
}

pub(crate) fn get_u32(reader: &mut Reader<'_>) -> Result<u32, FormatError> {
    let number = reader.varint()?;
    u32::try_from(number).map_err(|_| FormatError::invalid("number", number))
}

fn get_queue<'a>(reader: &mut Reader<'a>) -> Result<QueueName<'a>, FormatError> {
    let what = "queue name";
    QueueName::new(reader.text(what)?).map_err(|_| FormatError::Text { what })
}
