//! The values of task queues.

use super::cohorts::{Gates, TypeCohorts};
use crate::options;
use crate::outcome::get_flag;
use crate::queue::{
    get_option, get_retry, get_settings, get_settled, get_state, get_text_option, get_u32, put_option,
    put_retry, put_settings, put_settled, put_state, put_text_option,
};
use crate::row::group::{GroupPlace, get_place, put_place};
use crate::row::value::layout;
use crate::wire::{FormatError, Reader, Writer};
use alloc::borrow::{Cow, ToOwned};
use alloc::string::String;
use alloc::vec::Vec;
use model::{
    Elapsed, Fingerprint, IdHash, Position, QueueOptions, QueueSettings, RetryPolicy, Settled, TaskDue,
    TaskOptions, TaskState, Wall,
};

pub(super) const LAYOUT: u8 = 1;
/// The same fields, then a list of options.
const LAYOUT_WITH_OPTIONS: u8 = 2;

/// Reads the layout of a row that may have options, and says whether it has.
fn has_options(reader: &mut Reader<'_>, what: &'static str) -> Result<bool, FormatError> {
    match reader.u8()? {
        LAYOUT => Ok(false),
        LAYOUT_WITH_OPTIONS => Ok(true),
        other => Err(FormatError::invalid(what, u64::from(other))),
    }
}

/// The value of a part.
#[must_use]
pub fn encode_part(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(1 + bytes.len());
    let mut writer = Writer::new(&mut out);
    writer.u8(LAYOUT);
    writer.bytes(bytes);
    out
}

/// The bytes of a part.
///
/// # Errors
/// [`FormatError`] when it has another layout.
pub fn decode_part(value: &[u8]) -> Result<&[u8], FormatError> {
    let mut reader = Reader::new(value);
    layout(&mut reader, "part of a task")?;
    Ok(reader.rest())
}

/// The value of a row that holds a queue's id, or a ready task's position.
#[must_use]
pub fn encode_number(number: u64) -> Vec<u8> {
    let mut out = Vec::with_capacity(9);
    let mut writer = Writer::new(&mut out);
    writer.u8(LAYOUT);
    writer.u64(number);
    out
}

/// The number in such a row.
///
/// # Errors
/// [`FormatError`] when these are not its bytes.
pub fn decode_number(value: &[u8]) -> Result<u64, FormatError> {
    let mut reader = Reader::new(value);
    layout(&mut reader, "number")?;
    let number = reader.u64()?;
    reader.end()?;
    Ok(number)
}

/// A queue apart from its tasks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueRow {
    pub name: String,
    pub settings: QueueSettings,
    /// Tasks that are not finished.
    pub unfinished: u64,
    /// How many types of tasks the queue has had.
    pub types: u32,
    /// How often the limits that the settings name have changed.
    pub generation: u64,
}

impl QueueRow {
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(48 + self.name.len());
        let mut writer = Writer::new(&mut out);
        let has_options = self.settings.options != QueueOptions::NONE || self.generation > 0;
        writer.u8(if has_options { LAYOUT_WITH_OPTIONS } else { LAYOUT });
        writer.prefixed(self.name.as_bytes());
        put_settings(&mut writer, &self.settings);
        writer.varint(self.unfinished);
        writer.varint(u64::from(self.types));
        if has_options {
            self.options().put(&mut writer);
        }
        out
    }

    /// # Errors
    /// [`FormatError`] when these are not the bytes of a queue row.
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        let mut reader = Reader::new(bytes);
        let has_options = has_options(&mut reader, "queue row")?;
        let mut row = Self {
            name: reader.text("queue name")?.to_owned(),
            settings: get_settings(&mut reader)?,
            unfinished: reader.varint()?,
            types: get_u32(&mut reader)?,
            generation: 0,
        };
        if has_options {
            let (mut found, mut generation) = (QueueOptions::NONE, 0);
            options::read(&mut reader, |tag, option| match tag {
                options::tag::GENERATION => {
                    generation = option.varint()?;
                    Ok(true)
                }
                _ => options::take_queue_option(&mut found, tag, option),
            })?;
            (row.settings.options, row.generation) = (found, generation);
        }
        reader.end()?;
        Ok(row)
    }
}

impl QueueRow {
    fn options(&self) -> options::List {
        let mut list = options::List::default();
        options::add_queue_options(&mut list, &self.settings.options, self.generation);
        list
    }
}

/// The tasks of one type in one queue, counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TypeRow {
    /// Stands for the type in the keys of ready tasks.
    pub number: u32,
    pub delayed: u64,
    pub blocked: u64,
    pub running: u64,
    pub done: u64,
    pub dead: u64,
    pub cancelled: u64,
    /// Ready tasks that are in no cohort. Empty lanes are left out.
    pub lanes: Vec<Lane>,
    /// Ready tasks that have limits.
    pub cohorts: TypeCohorts,
}

/// Ready tasks of one type that have the same rank.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lane {
    pub lane: u8,
    /// How many tasks it holds.
    pub tasks: u64,
    /// None of them became ready earlier.
    pub from: Position,
}

impl TypeRow {
    /// How many tasks can be claimed.
    #[must_use]
    pub fn ready(&self) -> u64 {
        self.lanes.iter().map(|lane| lane.tasks).sum::<u64>() + self.cohorts.ready
    }

    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(16 + 12 * self.lanes.len());
        let mut writer = Writer::new(&mut out);
        let has_cohorts = self.cohorts != TypeCohorts::default();
        writer.u8(if has_cohorts { LAYOUT_WITH_OPTIONS } else { LAYOUT });
        writer.varint(u64::from(self.number));
        for count in [self.delayed, self.blocked, self.running, self.done, self.dead, self.cancelled] {
            writer.varint(count);
        }
        writer.varint(self.lanes.len() as u64);
        for lane in &self.lanes {
            writer.u8(lane.lane);
            writer.varint(lane.tasks);
            writer.u64(lane.from.0);
        }
        if has_cohorts {
            self.cohorts.put(&mut writer);
        }
        out
    }

    /// # Errors
    /// [`FormatError`] when these are not the bytes of a type's row.
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        let mut reader = Reader::new(bytes);
        let has_cohorts = has_options(&mut reader, "type's row")?;
        let mut row = Self {
            number: get_u32(&mut reader)?,
            delayed: reader.varint()?,
            blocked: reader.varint()?,
            running: reader.varint()?,
            done: reader.varint()?,
            dead: reader.varint()?,
            cancelled: reader.varint()?,
            lanes: Vec::new(),
            cohorts: TypeCohorts::default(),
        };
        for _ in 0..reader.count(10)? {
            let lane = Lane { lane: reader.u8()?, tasks: reader.varint()?, from: Position(reader.u64()?) };
            row.lanes.push(lane);
        }
        if has_cohorts {
            row.cohorts = TypeCohorts::get(&mut reader)?;
        }
        reader.end()?;
        Ok(row)
    }
}

/// A task without what it carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskRow {
    pub id: Option<String>,
    pub task_type: String,
    pub state: TaskState,
    pub priority: u8,
    pub attempts: u32,
    /// Claims that have expired.
    pub lost: u32,
    pub defers: u32,
    pub key: Option<String>,
    pub run_after: Option<Wall>,
    pub claim_ms: Option<u64>,
    pub retry: Option<RetryPolicy>,
    /// The worker that has claimed it, while it runs.
    pub claim: Option<ClaimPart>,
    /// How the last claim ended, if its worker ended it.
    pub settled: Option<SettledPart>,
    /// The task's timer.
    pub due: Option<TaskDue>,
    /// The lane, and when it became ready, while it is ready.
    pub ready: Option<(u8, Position)>,
    pub has_result: bool,
    pub has_progress: bool,
    pub has_failures: bool,
    /// What few tasks say.
    /// What it has to pass before it can be claimed, once that was found out. While it is ready, it is in the cohort
    /// of these gates, if there are any.
    pub gates: Option<Gates>,
    pub options: TaskOptions<'static>,
    /// When it was put back after it had been a dead letter.
    pub replayed: Option<Wall>,
    /// Who has completed it, and when. The rest about that attempt is in `settled`.
    pub completed: Option<CompletedPart>,
    /// Whether it has a part with [`AttemptRow`]s.
    pub has_attempts: bool,
    /// A hash of the class of its last failure, while it is a dead letter.
    pub dead_class: Option<u128>,
    /// Its place in a group.
    pub group: Option<GroupPlace>,
    /// While it runs, and a breaker of its queue has admitted it: the generation of the breaker, and the number of the
    /// probe or 0.
    pub call: Option<(u32, u32)>,
}

/// How the attempt ended that completed a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompletedPart {
    pub worker: String,
    pub ended: Wall,
}

/// The claim of a running task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimPart {
    pub token: Position,
    pub worker: String,
    pub claim_ms: u64,
    pub expires: Elapsed,
    /// The request that claimed it.
    pub request: Option<IdHash>,
    /// Someone has cancelled the task.
    pub cancelled: bool,
}

/// The last settlement that ended a claim, for workers that send it again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SettledPart {
    pub token: Position,
    pub action: SettledBy,
    pub result: Settled,
}

/// The kind of action that ended a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SettledBy {
    Complete,
    Fail,
    Defer,
    Return,
    Throttle,
}

impl TaskRow {
    const RESULT: u8 = 1;
    const PROGRESS: u8 = 2;
    const FAILURES: u8 = 4;

    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(96);
        let mut writer = Writer::new(&mut out);
        let mut options = options::List::default();
        if let Some(gates) = &self.gates {
            options.add(options::tag::GATES, |writer| gates.put(writer));
        }
        if let Some((generation, probe)) = self.call {
            options.add(options::tag::CALL, |writer| {
                writer.varint(u64::from(generation));
                writer.varint(u64::from(probe));
            });
        }
        options::add_task_options(&mut options, &self.options);
        options::add_wall(&mut options, options::tag::REPLAYED, self.replayed);
        if let Some(completed) = &self.completed {
            options.add(options::tag::COMPLETED, |writer| {
                writer.u64(completed.ended.0);
                writer.bytes(completed.worker.as_bytes());
            });
        }
        if self.has_attempts {
            options.add(options::tag::HAS_ATTEMPTS, |_| {});
        }
        if let Some(class) = self.dead_class {
            options.add(options::tag::DEAD_CLASS, |writer| writer.u128(class));
        }
        if let Some(place) = self.group {
            options.add(options::tag::GROUP, |writer| put_place(writer, place));
        }
        writer.u8(if options.is_empty() { LAYOUT } else { LAYOUT_WITH_OPTIONS });
        put_state(&mut writer, self.state);
        let flag = |set: bool, bit: u8| if set { bit } else { 0 };
        writer.u8(flag(self.has_result, Self::RESULT)
            | flag(self.has_progress, Self::PROGRESS)
            | flag(self.has_failures, Self::FAILURES));
        put_text_option(&mut writer, self.id.as_deref());
        writer.prefixed(self.task_type.as_bytes());
        writer.u8(self.priority);
        writer.varint(u64::from(self.attempts));
        writer.varint(u64::from(self.lost));
        writer.varint(u64::from(self.defers));
        put_text_option(&mut writer, self.key.as_deref());
        put_option(&mut writer, self.run_after, |writer, wall| writer.u64(wall.0));
        put_option(&mut writer, self.claim_ms, |writer, ms| writer.varint(ms));
        put_option(&mut writer, self.retry, |writer, retry| put_retry(writer, &retry));
        put_option(&mut writer, self.claim.as_ref(), |writer, claim| claim.put(writer));
        put_option(&mut writer, self.settled, |writer, settled| settled.put(writer));
        put_option(&mut writer, self.due, |writer, due| {
            let (clock, moment) = match due {
                TaskDue::Wall(wall) => (1, wall.0),
                TaskDue::Elapsed(elapsed) => (2, elapsed.0),
            };
            writer.u8(clock);
            writer.u64(moment);
        });
        put_option(&mut writer, self.ready, |writer, (lane, ready)| {
            writer.u8(lane);
            writer.u64(ready.0);
        });
        if !options.is_empty() {
            options.put(&mut writer);
        }
        out
    }

    /// # Errors
    /// [`FormatError`] when these are not the bytes of a task row.
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        let mut reader = Reader::new(bytes);
        let has_options = has_options(&mut reader, "task row")?;
        let state = get_state(&mut reader)?;
        let flags = reader.u8()?;
        if flags >= 8 {
            return Err(FormatError::invalid("set of flags", u64::from(flags)));
        }
        let mut row = Self {
            state,
            has_result: flags & Self::RESULT != 0,
            has_progress: flags & Self::PROGRESS != 0,
            has_failures: flags & Self::FAILURES != 0,
            id: get_text_option(&mut reader, "task id")?.map(Cow::into_owned),
            task_type: reader.text("task type")?.to_owned(),
            priority: reader.u8()?,
            attempts: get_u32(&mut reader)?,
            lost: get_u32(&mut reader)?,
            defers: get_u32(&mut reader)?,
            key: get_text_option(&mut reader, "task key")?.map(Cow::into_owned),
            run_after: get_option(&mut reader, |reader| reader.u64().map(Wall))?,
            claim_ms: get_option(&mut reader, Reader::varint)?,
            retry: get_option(&mut reader, get_retry)?,
            claim: get_option(&mut reader, ClaimPart::get)?,
            settled: get_option(&mut reader, SettledPart::get)?,
            due: get_option(&mut reader, |reader| match reader.u8()? {
                1 => reader.u64().map(|moment| TaskDue::Wall(Wall(moment))),
                2 => reader.u64().map(|moment| TaskDue::Elapsed(Elapsed(moment))),
                other => Err(FormatError::invalid("clock of a task", u64::from(other))),
            })?,
            ready: get_option(&mut reader, |reader| Ok((reader.u8()?, Position(reader.u64()?))))?,
            gates: None,
            call: None,
            options: TaskOptions::default(),
            replayed: None,
            completed: None,
            has_attempts: false,
            dead_class: None,
            group: None,
        };
        if has_options {
            let mut found = TaskOptions::default();
            options::read(&mut reader, |tag, option| {
                match tag {
                    options::tag::GATES => row.gates = Some(Gates::get(option)?),
                    options::tag::CALL => row.call = Some((get_u32(option)?, get_u32(option)?)),
                    options::tag::REPLAYED => row.replayed = Some(Wall(option.u64()?)),
                    options::tag::COMPLETED => {
                        let ended = Wall(option.u64()?);
                        let worker = text_of(option.rest(), "worker's name")?.to_owned();
                        row.completed = Some(CompletedPart { worker, ended });
                    }
                    options::tag::HAS_ATTEMPTS => row.has_attempts = true,
                    options::tag::DEAD_CLASS => row.dead_class = Some(option.u128()?),
                    options::tag::GROUP => row.group = Some(get_place(option)?),
                    _ => return options::take_task_option(&mut found, tag, option),
                }
                Ok(true)
            })?;
            row.options = found.into_owned();
        }
        reader.end()?;
        Ok(row)
    }
}

impl ClaimPart {
    fn put(&self, writer: &mut Writer<'_>) {
        writer.u64(self.token.0);
        writer.prefixed(self.worker.as_bytes());
        writer.varint(self.claim_ms);
        writer.u64(self.expires.0);
        put_option(writer, self.request, |writer, request| writer.u128(request.0));
        writer.u8(u8::from(self.cancelled));
    }

    fn get(reader: &mut Reader<'_>) -> Result<Self, FormatError> {
        Ok(Self {
            token: Position(reader.u64()?),
            worker: reader.text("worker's name")?.to_owned(),
            claim_ms: reader.varint()?,
            expires: Elapsed(reader.u64()?),
            request: get_option(reader, |reader| reader.u128().map(IdHash))?,
            cancelled: get_flag(reader)?,
        })
    }
}

impl SettledPart {
    fn put(self, writer: &mut Writer<'_>) {
        writer.u64(self.token.0);
        writer.u8(match self.action {
            SettledBy::Complete => 1,
            SettledBy::Fail => 2,
            SettledBy::Defer => 3,
            SettledBy::Return => 4,
            SettledBy::Throttle => 5,
        });
        put_settled(writer, &[self.result]);
    }

    fn get(reader: &mut Reader<'_>) -> Result<Self, FormatError> {
        let token = Position(reader.u64()?);
        let action = match reader.u8()? {
            1 => SettledBy::Complete,
            2 => SettledBy::Fail,
            3 => SettledBy::Defer,
            4 => SettledBy::Return,
            5 => SettledBy::Throttle,
            other => return Err(FormatError::invalid("kind of settlement", u64::from(other))),
        };
        match get_settled(reader)?[..] {
            [result] => Ok(Self { token, action, result }),
            ref other => Err(FormatError::invalid("number of settlements", other.len() as u64)),
        }
    }
}

/// A task whose client gave it its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TaskIdRow {
    pub task: Position,
    pub fingerprint: Fingerprint,
}

impl TaskIdRow {
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(25);
        let mut writer = Writer::new(&mut out);
        writer.u8(LAYOUT);
        writer.u64(self.task.0);
        writer.u128(self.fingerprint.0);
        out
    }

    /// # Errors
    /// [`FormatError`] when these are not the bytes of a task id's row.
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        let mut reader = Reader::new(bytes);
        layout(&mut reader, "task id's row")?;
        let row = Self { task: Position(reader.u64()?), fingerprint: Fingerprint(reader.u128()?) };
        reader.end()?;
        Ok(row)
    }
}

/// A key that an unfinished task has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyRow {
    /// The task that may run.
    pub head: Position,
    /// How many tasks wait for it.
    pub blocked: u64,
    /// None of them was enqueued earlier.
    pub from: Position,
}

impl KeyRow {
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(20);
        let mut writer = Writer::new(&mut out);
        writer.u8(LAYOUT);
        writer.u64(self.head.0);
        writer.varint(self.blocked);
        writer.u64(self.from.0);
        out
    }

    /// # Errors
    /// [`FormatError`] when these are not the bytes of a key's row.
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        let mut reader = Reader::new(bytes);
        layout(&mut reader, "key's row")?;
        let row =
            Self { head: Position(reader.u64()?), blocked: reader.varint()?, from: Position(reader.u64()?) };
        reader.end()?;
        Ok(row)
    }
}

/// The unfinished tasks that have a unique key, in the order in which they were enqueued.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UniqueRow {
    pub tasks: Vec<Position>,
}

impl UniqueRow {
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(2 + 8 * self.tasks.len());
        let mut writer = Writer::new(&mut out);
        writer.u8(LAYOUT);
        writer.varint(self.tasks.len() as u64);
        for task in &self.tasks {
            writer.u64(task.0);
        }
        out
    }

    /// # Errors
    /// [`FormatError`] when these are not the bytes of a unique key's row.
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        let mut reader = Reader::new(bytes);
        layout(&mut reader, "unique key's row")?;
        let mut tasks = Vec::new();
        for _ in 0..reader.count(8)? {
            tasks.push(Position(reader.u64()?));
        }
        reader.end()?;
        Ok(Self { tasks })
    }
}

/// The claims that a request was granted and that have not ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClaimRequestRow {
    /// Tasks and tokens, in the order in which they were granted.
    pub claims: Vec<(Position, Position)>,
}

impl ClaimRequestRow {
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(3 + 16 * self.claims.len());
        let mut writer = Writer::new(&mut out);
        writer.u8(LAYOUT);
        writer.varint(self.claims.len() as u64);
        for (task, token) in &self.claims {
            writer.u64(task.0);
            writer.u64(token.0);
        }
        out
    }

    /// # Errors
    /// [`FormatError`] when these are not the bytes of a claim request's row.
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        let mut reader = Reader::new(bytes);
        layout(&mut reader, "claim request's row")?;
        let mut claims = Vec::new();
        for _ in 0..reader.count(16)? {
            claims.push((Position(reader.u64()?), Position(reader.u64()?)));
        }
        reader.end()?;
        Ok(Self { claims })
    }
}

fn text_of<'a>(bytes: &'a [u8], what: &'static str) -> Result<&'a str, FormatError> {
    core::str::from_utf8(bytes).map_err(|_| FormatError::Text { what })
}
