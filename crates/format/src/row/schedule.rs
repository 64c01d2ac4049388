//! The rows of schedules. What a client has put is in one row, and how far the schedule has come in another, because
//! that one is written with every tick.

use super::key::{Fill, PREFIX_BYTES, Take, kind};
use super::named::NamedRows;
use super::value::{LAYOUT, layout};
use crate::outcome::get_flag;
use crate::queue::{get_option, get_text_option, put_option, put_text_option};
use crate::schedule::{
    get_cause, get_definition, get_next, get_runs, get_wall_option, put_cause, put_definition, put_next,
    put_runs, put_wall_option,
};
use crate::wire::{FormatError, Reader, Writer};
use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;
use model::{
    HeldBy, KeyRange, Namespace, NextTick, Paused, Position, RunCause, ScheduleDefinition, ScheduleName,
    ScheduleRun, Slot, Wall,
};

/// The smallest encoding of a waiting tick, and of a name.
const WAITING_BYTES_MIN: usize = 9;
const NAME_BYTES_MIN: usize = 2;

/// The key of the row that says how far a schedule has come.
#[must_use]
pub fn schedule_key(slot: Slot, schedule: &str) -> Vec<u8> {
    NamedRows::SCHEDULES.key(slot, schedule)
}

/// The key of the row with what a client has put.
#[must_use]
pub fn schedule_definition_key(slot: Slot, schedule: &str) -> Vec<u8> {
    named(slot, kind::SCHEDULE_DEFINITION, schedule)
}

/// The key of the row that names an owner's schedules. Its slot is that of the owner's name.
#[must_use]
pub fn schedule_set_key(slot: Slot, owner: &str) -> Vec<u8> {
    named(slot, kind::SCHEDULE_SET, owner)
}

/// The key of the row that counts all schedules. It is in the shard's first slot.
#[must_use]
pub fn schedule_tally_key(first: Slot) -> [u8; PREFIX_BYTES] {
    Fill::new(first, Namespace::ROOT, kind::SCHEDULE_TALLY).done()
}

fn named(slot: Slot, kind: u8, name: &str) -> Vec<u8> {
    let mut key = Vec::with_capacity(PREFIX_BYTES + name.len());
    key.extend_from_slice(&Fill::<PREFIX_BYTES>::new(slot, Namespace::ROOT, kind).done());
    key.extend_from_slice(name.as_bytes());
    key
}

/// How far a schedule has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScheduleRow {
    /// When it was put, or changed for the last time.
    pub generation: Position,
    /// Whose set it belongs to.
    pub owner: Option<String>,
    pub paused: Option<Paused>,
    /// By how much later each tick happens.
    pub offset_ms: u64,
    /// All ticks up to this time have happened or were skipped.
    pub after: Wall,
    pub next: NextTick<'static>,
    /// The next tick is due and cannot enqueue its task.
    pub held: Option<Held>,
    /// Ticks that enqueued a task, since the schedule was put.
    pub ticks: u64,
    /// The last runs, oldest first.
    pub runs: Vec<ScheduleRun>,
    /// The queue of those runs.
    pub queue: String,
    /// Ticks that wait for a run to finish, in order.
    pub waiting: Vec<(Wall, RunCause)>,
    /// A run has finished, so the first of them can begin.
    pub wake: bool,
    /// Since the schedule was first put.
    pub totals: ScheduleTotals,
    /// The time of its timer.
    pub due: Option<Wall>,
}

/// Why a tick stays due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    pub by: HeldBy,
    pub since: Wall,
    /// When it tries again.
    pub retry: Wall,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ScheduleTotals {
    /// Tasks that were enqueued.
    pub runs: u64,
    /// Ticks that were too late.
    pub missed: u64,
    /// Ticks that came while a run was unfinished.
    pub overlapped: u64,
    /// Ticks that waited when the schedule was changed.
    pub dropped: u64,
    /// Ticks whose task's id the queue had for another task.
    pub conflicts: u64,
}

impl ScheduleRow {
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(256);
        let mut writer = Writer::new(&mut out);
        writer.u8(LAYOUT);
        writer.u64(self.generation.0);
        put_text_option(&mut writer, self.owner.as_deref());
        writer.u8(match self.paused {
            None => 0,
            Some(Paused::ByRequest) => 1,
            Some(Paused::ByFailure) => 2,
        });
        writer.varint(self.offset_ms);
        writer.u64(self.after.0);
        put_next(&mut writer, &self.next);
        put_option(&mut writer, self.held, |writer, held| {
            writer.u8(match held.by {
                HeldBy::QueueFull => 1,
                HeldBy::TooManyTypes => 2,
            });
            writer.u64(held.since.0);
            writer.u64(held.retry.0);
        });
        writer.varint(self.ticks);
        put_runs(&mut writer, &self.runs);
        writer.prefixed(self.queue.as_bytes());
        writer.varint(self.waiting.len() as u64);
        for (tick, cause) in &self.waiting {
            writer.u64(tick.0);
            put_cause(&mut writer, *cause);
        }
        writer.u8(u8::from(self.wake));
        let ScheduleTotals { runs, missed, overlapped, dropped, conflicts } = self.totals;
        for total in [runs, missed, overlapped, dropped, conflicts] {
            writer.varint(total);
        }
        put_wall_option(&mut writer, self.due);
        out
    }

    /// # Errors
    /// [`FormatError`] when these are not the bytes of a schedule's row.
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        let mut reader = Reader::new(bytes);
        layout(&mut reader, "schedule row")?;
        let generation = Position(reader.u64()?);
        let owner = get_text_option(&mut reader, "owner")?.map(Cow::into_owned);
        let paused = match reader.u8()? {
            0 => None,
            1 => Some(Paused::ByRequest),
            2 => Some(Paused::ByFailure),
            other => return Err(FormatError::invalid("reason of a pause", u64::from(other))),
        };
        let (offset_ms, after) = (reader.varint()?, Wall(reader.u64()?));
        let next = owned(get_next(&mut reader)?);
        let held = get_option(&mut reader, get_held)?;
        let (ticks, runs) = (reader.varint()?, get_runs(&mut reader)?);
        let queue = reader.text("queue name")?.into();
        let count = reader.count(WAITING_BYTES_MIN)?;
        let mut waiting = Vec::with_capacity(count);
        for _ in 0..count {
            waiting.push((Wall(reader.u64()?), get_cause(&mut reader)?));
        }
        let wake = get_flag(&mut reader)?;
        let totals = ScheduleTotals {
            runs: reader.varint()?,
            missed: reader.varint()?,
            overlapped: reader.varint()?,
            dropped: reader.varint()?,
            conflicts: reader.varint()?,
        };
        let due = get_wall_option(&mut reader)?;
        reader.end()?;
        Ok(Self {
            generation,
            owner,
            paused,
            offset_ms,
            after,
            next,
            held,
            ticks,
            runs,
            queue,
            waiting,
            wake,
            totals,
            due,
        })
    }
}

fn get_held(reader: &mut Reader<'_>) -> Result<Held, FormatError> {
    let by = match reader.u8()? {
        1 => HeldBy::QueueFull,
        2 => HeldBy::TooManyTypes,
        other => return Err(FormatError::invalid("reason why a tick is held", u64::from(other))),
    };
    Ok(Held { by, since: Wall(reader.u64()?), retry: Wall(reader.u64()?) })
}

fn owned(next: NextTick<'_>) -> NextTick<'static> {
    match next {
        NextTick::Unknown => NextTick::Unknown,
        NextTick::At(tick) => NextTick::At(tick),
        NextTick::Never => NextTick::Never,
        NextTick::Broken(why) => NextTick::Broken(Cow::Owned(why.into_owned())),
    }
}

/// The value of the row with what a client has put.
#[must_use]
pub fn encode_definition(definition: &ScheduleDefinition<'_>) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    let mut writer = Writer::new(&mut out);
    writer.u8(LAYOUT);
    put_definition(&mut writer, definition);
    out
}

/// What a client has put.
///
/// # Errors
/// [`FormatError`] when these are not its bytes.
pub fn decode_definition(bytes: &[u8]) -> Result<ScheduleDefinition<'_>, FormatError> {
    let mut reader = Reader::new(bytes);
    layout(&mut reader, "definition of a schedule")?;
    let definition = get_definition(&mut reader)?;
    reader.end()?;
    Ok(definition)
}

/// The value of the row that names an owner's schedules.
#[must_use]
pub fn encode_schedule_set(names: &[&str]) -> Vec<u8> {
    let mut out = Vec::with_capacity(16 * names.len() + 4);
    let mut writer = Writer::new(&mut out);
    writer.u8(LAYOUT);
    writer.varint(names.len() as u64);
    for name in names {
        writer.prefixed(name.as_bytes());
    }
    out
}

/// The names of an owner's schedules.
///
/// # Errors
/// [`FormatError`] when these are not the bytes of such a row.
pub fn decode_schedule_set(bytes: &[u8]) -> Result<Vec<ScheduleName<'_>>, FormatError> {
    let damaged = FormatError::Text { what: "schedule name" };
    let mut reader = Reader::new(bytes);
    layout(&mut reader, "set of schedules")?;
    let count = reader.count(NAME_BYTES_MIN)?;
    let mut names = Vec::with_capacity(count.min(64));
    for _ in 0..count {
        names.push(ScheduleName::new(reader.text("schedule name")?).map_err(|_| damaged)?);
    }
    reader.end()?;
    Ok(names)
}

/// All schedules of a shard, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ScheduleTally {
    pub schedules: u64,
    pub paused: u64,
    /// Schedules whose next tick cannot be computed.
    pub broken: u64,
    /// Schedules with a tick that is due and cannot enqueue its task.
    pub held: u64,
    /// Tasks that were enqueued, and ticks that were skipped, by all schedules that ever were.
    pub runs: u64,
    pub skipped: u64,
}

impl ScheduleTally {
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(32);
        let mut writer = Writer::new(&mut out);
        writer.u8(LAYOUT);
        for number in [self.schedules, self.paused, self.broken, self.held, self.runs, self.skipped] {
            writer.varint(number);
        }
        out
    }

    /// # Errors
    /// [`FormatError`] when these are not the bytes of such a row.
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        let mut reader = Reader::new(bytes);
        layout(&mut reader, "count of schedules")?;
        let tally = Self {
            schedules: reader.varint()?,
            paused: reader.varint()?,
            broken: reader.varint()?,
            held: reader.varint()?,
            runs: reader.varint()?,
            skipped: reader.varint()?,
        };
        reader.end()?;
        Ok(tally)
    }
}

/// The time of day at which a schedule is due. The value is the schedule's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScheduleTimerKey {
    pub slot: Slot,
    pub due: Wall,
    /// The generation of the schedule, which no other one has.
    pub generation: Position,
}

impl ScheduleTimerKey {
    #[must_use]
    pub fn encode(&self) -> [u8; PREFIX_BYTES + 16] {
        Fill::new(self.slot, Namespace::SYSTEM, kind::SCHEDULE_TIMER)
            .with(self.due.0.to_be_bytes())
            .with(self.generation.0.to_be_bytes())
            .done()
    }

    /// # Errors
    /// [`FormatError`] when it is not the key of a schedule's timer.
    pub fn decode(key: &[u8]) -> Result<Self, FormatError> {
        let (slot, _, mut take) = Take::of(key, kind::SCHEDULE_TIMER, "schedule timer's key")?;
        let timer = Self {
            slot,
            due: Wall(u64::from_be_bytes(take.next()?)),
            generation: Position(u64::from_be_bytes(take.next()?)),
        };
        take.end()?;
        Ok(timer)
    }
}

/// The timers of the schedules of one slot, from a point on, in order of time. It owns its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScheduleTimers {
    from: [u8; PREFIX_BYTES + 16],
    to: [u8; PREFIX_BYTES],
}

impl ScheduleTimers {
    #[must_use]
    pub fn new(slot: Slot, (due, generation): (Wall, Position)) -> Self {
        let to = Fill::new(slot, Namespace::SYSTEM, kind::SCHEDULE_TIMER + 1).done();
        Self { from: ScheduleTimerKey { slot, due, generation }.encode(), to }
    }

    #[must_use]
    pub const fn as_range(&self) -> KeyRange<'_> {
        KeyRange { from: &self.from, to: &self.to }
    }
}
