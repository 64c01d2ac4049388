//! What few tasks and queues have: a list of tagged options, so that all others do not pay for it.
//!
//! A list is a count, then for each option its tag and its bytes, preceded by their length. Tags grow. Text and
//! numbers without a length of their own fill the option to its end. An unknown tag is an error, because a node that
//! wrote it meant something by it.

use crate::limit;
use crate::wire::{FormatError, Reader, Writer};
use alloc::borrow::Cow;
use alloc::vec::Vec;
use model::{GiveUp, QueueOptions, TaskOptions, Unique, UniqueMode, Wall};

/// Numbers that never change. Those of a task as it was enqueued and those that only its row has share one space.
pub(crate) mod tag {
    pub(super) const LIMITS: u8 = 1;
    /// Only in the rows of queues.
    pub(crate) const GENERATION: u8 = 2;
    pub(super) const CONCURRENCY: u8 = 3;
    pub(super) const BREAKER: u8 = 18;
    /// Only in the rows of tasks.
    pub(crate) const CALL: u8 = 18;
    /// Only in the rows of tasks.
    pub(crate) const GATES: u8 = 1;
    pub(super) const UNIQUE: u8 = 6;
    pub(super) const DEADLINE: u8 = 7;
    pub(super) const GIVE_UP: u8 = 8;
    /// Only in rows.
    pub(crate) const REPLAYED: u8 = 9;
    pub(crate) const COMPLETED: u8 = 10;
    pub(crate) const HAS_ATTEMPTS: u8 = 11;
    pub(crate) const DEAD_CLASS: u8 = 12;
    pub(super) const SCHEDULE: u8 = 16;
    pub(crate) const GROUP: u8 = 13;

    pub(super) const UNIQUE_EXISTING: u8 = 1;
    pub(super) const UNIQUE_ONE_WAITING: u8 = 2;
    pub(super) const UNIQUE_REPLACE: u8 = 3;
}

/// The smallest encoding of an option and of a class of failures.
const OPTION_BYTES_MIN: usize = 2;
const CLASS_BYTES_MIN: usize = 1;

/// Whether an encoding has a list of options.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Options {
    None,
    Listed,
}

/// Options to be written, in the order of their tags.
#[derive(Debug, Default)]
pub(crate) struct List {
    options: Vec<(u8, Vec<u8>)>,
}

impl List {
    /// Adds an option. Its place in the list is that of its tag, whatever was added before.
    pub(crate) fn add(&mut self, tag: u8, put: impl FnOnce(&mut Writer<'_>)) {
        let mut option = Vec::new();
        put(&mut Writer::new(&mut option));
        let at = self.options.partition_point(|(before, _)| *before < tag);
        self.options.insert(at, (tag, option));
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.options.is_empty()
    }

    pub(crate) fn put(&self, writer: &mut Writer<'_>) {
        writer.varint(self.options.len() as u64);
        for (tag, option) in &self.options {
            writer.u8(*tag);
            writer.prefixed(option);
        }
    }
}

/// Reads a list. `take` reads the option with a tag, and says whether it knows the tag.
pub(crate) fn read<'a>(
    reader: &mut Reader<'a>,
    mut take: impl FnMut(u8, &mut Reader<'a>) -> Result<bool, FormatError>,
) -> Result<(), FormatError> {
    let mut before = 0;
    for _ in 0..reader.count(OPTION_BYTES_MIN)? {
        let tag = reader.u8()?;
        let mut option = Reader::new(reader.prefixed()?);
        if tag <= before || !take(tag, &mut option)? {
            return Err(FormatError::invalid("option", u64::from(tag)));
        }
        option.end()?;
        before = tag;
    }
    Ok(())
}

pub(crate) fn add_task_options(list: &mut List, options: &TaskOptions<'_>) {
    if let Some(unique) = &options.unique {
        list.add(tag::UNIQUE, |writer| put_unique(writer, unique));
    }
    add_wall(list, tag::DEADLINE, options.deadline);
    add_give_up(list, &options.give_up);
    if let Some(schedule) = &options.schedule {
        list.add(tag::SCHEDULE, |writer| writer.prefixed(schedule.as_bytes()));
    }
}

pub(crate) fn add_wall(list: &mut List, tag: u8, wall: Option<Wall>) {
    if let Some(wall) = wall {
        list.add(tag, |writer| writer.u64(wall.0));
    }
}

/// Reads one option of a task into `options`. Returns whether the tag is that of such an option.
pub(crate) fn take_task_option<'a>(
    options: &mut TaskOptions<'a>,
    tag: u8,
    reader: &mut Reader<'a>,
) -> Result<bool, FormatError> {
    match tag {
        tag::UNIQUE => options.unique = Some(get_unique(reader)?),
        tag::DEADLINE => options.deadline = Some(Wall(reader.u64()?)),
        tag::GIVE_UP => options.give_up = get_give_up(reader)?,
        tag::SCHEDULE => options.schedule = Some(Cow::Borrowed(reader.text("schedule name")?)),
        _ => return Ok(false),
    }
    Ok(true)
}

pub(crate) fn put_task_options(writer: &mut Writer<'_>, options: &TaskOptions<'_>) {
    let mut list = List::default();
    add_task_options(&mut list, options);
    list.put(writer);
}

pub(crate) fn get_task_options<'a>(reader: &mut Reader<'a>) -> Result<TaskOptions<'a>, FormatError> {
    let mut options = TaskOptions::default();
    read(reader, |tag, option| take_task_option(&mut options, tag, option))?;
    Ok(options)
}

/// `generation` is that of a queue's row, and 0 elsewhere.
pub(crate) fn add_queue_options(list: &mut List, options: &QueueOptions, generation: u64) {
    if !options.limits.is_empty() {
        list.add(tag::LIMITS, |writer| limit::put_queue_limits(writer, &options.limits));
    }
    if generation > 0 {
        list.add(tag::GENERATION, |writer| writer.varint(generation));
    }
    if let Some(tasks) = options.concurrency {
        list.add(tag::CONCURRENCY, |writer| writer.varint(u64::from(tasks)));
    }
    add_give_up(list, &options.give_up);
    if let Some(breaker) = &options.breaker {
        list.add(tag::BREAKER, |writer| crate::breaker::put_queue_breaker(writer, breaker));
    }
}

/// Reads one option of a queue into `options`. Returns whether the tag is that of such an option.
pub(crate) fn take_queue_option(
    options: &mut QueueOptions,
    tag: u8,
    reader: &mut Reader<'_>,
) -> Result<bool, FormatError> {
    match tag {
        tag::CONCURRENCY => options.concurrency = Some(crate::queue::get_u32(reader)?),
        tag::LIMITS => options.limits = limit::get_queue_limits(reader)?,
        tag::BREAKER => options.breaker = Some(crate::breaker::get_queue_breaker(reader)?),
        tag::GIVE_UP => options.give_up = get_give_up(reader)?.into_owned(),
        _ => return Ok(false),
    }
    Ok(true)
}

pub(crate) fn put_queue_options(writer: &mut Writer<'_>, options: &QueueOptions) {
    let mut list = List::default();
    add_queue_options(&mut list, options, 0);
    list.put(writer);
}

pub(crate) fn get_queue_options(reader: &mut Reader<'_>) -> Result<QueueOptions, FormatError> {
    let mut options = QueueOptions::default();
    read(reader, |tag, option| take_queue_option(&mut options, tag, option))?;
    Ok(options)
}

fn put_unique(writer: &mut Writer<'_>, unique: &Unique<'_>) {
    writer.u8(match unique.mode {
        UniqueMode::Existing => tag::UNIQUE_EXISTING,
        UniqueMode::OneWaiting => tag::UNIQUE_ONE_WAITING,
        UniqueMode::Replace => tag::UNIQUE_REPLACE,
    });
    writer.prefixed(unique.key.as_bytes());
}

fn get_unique<'a>(reader: &mut Reader<'a>) -> Result<Unique<'a>, FormatError> {
    let mode = match reader.u8()? {
        tag::UNIQUE_EXISTING => UniqueMode::Existing,
        tag::UNIQUE_ONE_WAITING => UniqueMode::OneWaiting,
        tag::UNIQUE_REPLACE => UniqueMode::Replace,
        other => return Err(FormatError::invalid("kind of uniqueness", u64::from(other))),
    };
    Ok(Unique { key: Cow::Borrowed(reader.text("unique key")?), mode })
}

fn add_give_up(list: &mut List, give_up: &GiveUp<'_>) {
    if *give_up == GiveUp::NEVER {
        return;
    }
    list.add(tag::GIVE_UP, |writer| {
        crate::queue::put_option(writer, give_up.age_ms_max, Writer::varint);
        writer.varint(give_up.classes.len() as u64);
        for class in &give_up.classes {
            writer.prefixed(class.as_bytes());
        }
    });
}

fn get_give_up<'a>(reader: &mut Reader<'a>) -> Result<GiveUp<'a>, FormatError> {
    let age_ms_max = crate::queue::get_option(reader, Reader::varint)?;
    let count = reader.count(CLASS_BYTES_MIN)?;
    let mut classes = Vec::with_capacity(count.min(16));
    for _ in 0..count {
        classes.push(Cow::Borrowed(reader.text("class of a failure")?));
    }
    Ok(GiveUp { age_ms_max, classes })
}
