//! Requests about schedules.

use super::head::Head;
use super::object::{
    Known, invalid, missing, read_array, read_bool, read_duration_in, read_name, read_number_in, read_object,
    read_optional_text,
};
use super::queue::tasks::Sent;
use crate::catalogue::Code;
use crate::json::Reader;
use crate::media;
use crate::problem::{Problem, Result};
use crate::time::Moment;
use crate::uri;
use calendar::{Calendar, CalendarError, Part};
use http::HeaderMap;
use model::{
    BackfillOverlap, CatchUp, Enqueue, Keyed, NewTask, Overlap, PutSchedule, PutScheduleSet, QueueName,
    ScheduleDefinition, ScheduleName, ScheduleRules, Timing, Wall, limits,
};
use std::borrow::Cow;
use std::ops::RangeInclusive;

const MEMBERS: &str = "`cron` and `zone`, or `every`; `queue`, `task`, `start`, `end`, `exclude`, `runs_max`, `jitter`, \
    `catch_up`, `catch_up_max`, `late`, `overlap` and `pause_on_failure`";
const EVERY: RangeInclusive<u64> = limits::SCHEDULE_EVERY_MS_MIN..=limits::SCHEDULE_EVERY_MS_MAX;

/// The schedule's name in a segment of the path.
///
/// # Errors
/// When the segment cannot be decoded or is not a valid name.
pub fn schedule_in_path(segment: &str) -> Result<ScheduleName<'_>> {
    let name =
        uri::decode(segment.as_bytes()).map_err(|error| Problem::new(Code::InvalidPath, error.why()))?;
    name_of(name)
}

/// A name whose runs have ids that are not too long, and that are not taken for the server's.
fn name_of(name: Cow<'_, str>) -> Result<ScheduleName<'_>> {
    if name.len() > limits::SCHEDULE_NAME_BYTES_MAX {
        let detail = format!("the name of a schedule has at most {} bytes", limits::SCHEDULE_NAME_BYTES_MAX);
        return Err(Problem::new(Code::InvalidName, detail));
    }
    if name.starts_with('~') {
        let detail = "the name of a schedule does not begin with `~`, because the ids of its tasks begin with the name";
        return Err(Problem::new(Code::InvalidName, detail));
    }
    Ok(ScheduleName::new(name)?)
}

/// Reads `PUT /v1/schedules/{schedule}`. `now` is the node's time of day.
///
/// # Errors
/// The problem with the request, which then has no effect.
pub fn put(
    headers: &HeaderMap,
    schedule: ScheduleName<'_>,
    body: &[u8],
    now: Wall,
) -> Result<PutSchedule<'static>> {
    check_head(headers)?;
    let mut reader = Reader::new(body)?;
    let definition = Definition::read(&mut reader, None)?.check(now)?;
    reader.end()?;
    Ok(PutSchedule { schedule: schedule.into_owned(), definition: Box::new(definition) })
}

/// Reads `PUT /v1/schedule-sets/{owner}`.
///
/// # Errors
/// As for [`put`].
pub fn put_set(
    headers: &HeaderMap,
    owner: ScheduleName<'_>,
    body: &[u8],
    now: Wall,
) -> Result<PutScheduleSet<'static>> {
    check_head(headers)?;
    let mut schedules: Vec<PutSchedule<'static>> = Vec::new();
    let mut is_there = false;
    let mut reader = Reader::new(body)?;
    read_object(&mut reader, "`schedules`", |name, reader| {
        if name != "schedules" {
            return Ok(Known::No);
        }
        is_there = true;
        read_array(reader, |at, reader| {
            if at == limits::SCHEDULE_SET_MAX {
                let detail = format!("a set has at most {} schedules", limits::SCHEDULE_SET_MAX);
                return Err(Problem::new(Code::TooManyItems, detail).number("limit", at as u64));
            }
            let mut name = None;
            let definition = Definition::read(reader, Some(&mut name))?;
            let schedule = name.ok_or_else(|| missing("schedule"))?;
            if schedules.iter().any(|other| other.schedule == schedule) {
                return Err(invalid(format!("`{schedule}` is twice in the set")).member("schedule"));
            }
            schedules.push(PutSchedule { schedule, definition: Box::new(definition.check(now)?) });
            Ok(())
        })?;
        Ok(Known::Yes)
    })?;
    reader.end()?;
    if !is_there {
        return Err(missing("schedules"));
    }
    schedules.sort_by(|a, b| a.schedule.cmp(&b.schedule));
    Ok(PutScheduleSet { owner: owner.into_owned(), schedules })
}

fn check_head(headers: &HeaderMap) -> Result<()> {
    let head = Head::read(headers)?;
    media::check_json(head.content_type)?;
    head.refuse_key("the request replaces what was put before, so repeating it is safe without a key")
}

/// A definition as it was sent.
#[derive(Debug, Default)]
struct Definition {
    cron: Option<String>,
    zone: Option<String>,
    every_ms: Option<u64>,
    queue: Option<QueueName<'static>>,
    task: Option<NewTask<'static>>,
    start: Option<Wall>,
    end: Option<Wall>,
    exclusions: Vec<Cow<'static, str>>,
    runs_max: Option<u64>,
    jitter_ms: Option<u64>,
    catch_up: Option<Rule>,
    catch_up_max: Option<u64>,
    late_ms: Option<u64>,
    overlap: Option<Overlap>,
    pause_on_failure: Option<bool>,
}

#[derive(Clone, Copy, Debug)]
enum Rule {
    Skip,
    One,
    All,
}

impl Definition {
    /// Reads a definition, with the schedule's name if there is a place for it.
    fn read(reader: &mut Reader<'_>, mut name: Option<&mut Option<ScheduleName<'static>>>) -> Result<Self> {
        let mut read = Self::default();
        let members = if name.is_some() { format!("`schedule`, {MEMBERS}") } else { MEMBERS.to_owned() };
        read_object(reader, &members, |member, reader| match (member, &mut name) {
            ("schedule", Some(name)) => {
                let text = read_name(reader, "a schedule name must be a string")?;
                **name = Some(name_of(text)?.into_owned());
                Ok(Known::Yes)
            }
            _ => read.member(member, reader),
        })?;
        Ok(read)
    }

    fn member(&mut self, name: &str, reader: &mut Reader<'_>) -> Result<Known> {
        match name {
            "cron" => self.cron = read_short_text(reader)?,
            "zone" => self.zone = read_short_text(reader)?,
            "every" => self.every_ms = read_duration_in(reader, EVERY)?,
            "queue" => {
                self.queue =
                    Some(QueueName::new(read_name(reader, "a queue name must be a string")?)?.into_owned());
            }
            "task" => self.task = Some(read_task(reader)?),
            "start" => self.start = read_time(reader)?,
            "end" => self.end = read_time(reader)?,
            "exclude" => self.read_exclusions(reader)?,
            "runs_max" => self.runs_max = read_number_in(reader, 1..=u64::MAX)?,
            "jitter" => self.jitter_ms = read_duration_in(reader, 0..=limits::SCHEDULE_JITTER_MS_MAX)?,
            "catch_up" => {
                let rules = [("skip", Rule::Skip), ("one", Rule::One), ("all", Rule::All)];
                self.catch_up = read_one_of(reader, &rules)?;
            }
            "catch_up_max" => {
                self.catch_up_max = read_number_in(reader, 1..=limits::SCHEDULE_CATCH_UP_MAX.into())?;
            }
            "late" => self.late_ms = read_duration_in(reader, EVERY)?,
            "overlap" => {
                let rules = [
                    ("allow", Overlap::Allow),
                    ("skip", Overlap::Skip),
                    ("buffer_one", Overlap::BufferOne),
                    ("cancel_other", Overlap::CancelOther),
                ];
                self.overlap = read_one_of(reader, &rules)?;
            }
            "pause_on_failure" => self.pause_on_failure = read_bool(reader)?,
            _ => return Ok(Known::No),
        }
        Ok(Known::Yes)
    }

    fn read_exclusions(&mut self, reader: &mut Reader<'_>) -> Result<()> {
        self.exclusions.clear();
        if reader.peek() == Some(b'n') {
            reader.value()?;
            return Ok(());
        }
        read_array(reader, |at, reader| {
            if at == limits::SCHEDULE_EXCLUSIONS_MAX {
                let detail = format!("a schedule has at most {} exclusions", limits::SCHEDULE_EXCLUSIONS_MAX);
                return Err(Problem::new(Code::TooManyItems, detail).number("limit", at as u64));
            }
            let text = read_short_text(reader)?.ok_or_else(|| invalid("this must be a string"))?;
            self.exclusions.push(text.into());
            Ok(())
        })
    }

    fn check(self, now: Wall) -> Result<ScheduleDefinition<'static>> {
        let timing = match (self.cron, self.every_ms, self.zone) {
            (Some(expression), None, zone) => Timing::Cron {
                expression: expression.into(),
                zone: zone.map_or(Cow::Borrowed("UTC"), Cow::Owned),
            },
            (None, Some(ms), None) => Timing::Every(ms),
            (None, Some(_), Some(_)) => return Err(invalid("`zone` belongs to `cron`").member("zone")),
            (Some(_), Some(_), _) => {
                return Err(invalid("a schedule has `cron` or `every`, not both").member("every"));
            }
            (None, None, _) => return Err(missing("cron")),
        };
        let catch_up = match (self.catch_up, self.catch_up_max) {
            (None | Some(Rule::One), None) => CatchUp::One,
            (Some(Rule::Skip), None) => CatchUp::Skip,
            (Some(Rule::All), ticks) => CatchUp::All(
                ticks.and_then(|ticks| u32::try_from(ticks).ok()).unwrap_or(limits::SCHEDULE_CATCH_UP_MAX),
            ),
            (_, Some(_)) => {
                return Err(
                    invalid("`catch_up_max` belongs to `\"catch_up\":\"all\"`").member("catch_up_max")
                );
            }
        };
        if let (Some(start), Some(end)) = (self.start, self.end)
            && end < start
        {
            return Err(invalid("the schedule ends before it starts").member("end"));
        }
        let rules = ScheduleRules {
            timing,
            start: self.start,
            end: self.end,
            exclusions: self.exclusions,
            runs_max: self.runs_max,
            jitter_ms: self.jitter_ms.unwrap_or(0),
            catch_up,
            late_ms: self.late_ms.unwrap_or(limits::SCHEDULE_LATE_MS_DEFAULT),
            overlap: self.overlap.unwrap_or(Overlap::Skip),
            pause_on_failure: self.pause_on_failure.unwrap_or(false),
        };
        check_calendar(&rules, now)?;
        let queue = self.queue.ok_or_else(|| missing("queue"))?;
        let task = self.task.ok_or_else(|| missing("task"))?;
        let enqueue = Enqueue { keyed: None, queue, tasks: vec![task] };
        Ok(ScheduleDefinition { rules, enqueue })
    }
}

/// A schedule that never has a tick is a mistake, unless its time is over: then it may still be put again.
fn check_calendar(rules: &ScheduleRules<'_>, now: Wall) -> Result<()> {
    let calendar = Calendar::new(rules, now).map_err(|error| calendar_problem(&error))?;
    if rules.end.is_none() && calendar.next(now).is_none() {
        let member = if matches!(rules.timing, Timing::Every(_)) { "start" } else { "cron" };
        return Err(invalid("the schedule would never run").member(member));
    }
    Ok(())
}

fn calendar_problem(error: &CalendarError) -> Box<Problem> {
    let member = match error.part {
        Part::Cron => "cron".to_owned(),
        Part::Zone => "zone".to_owned(),
        Part::Exclusion(at) => format!("exclude[{at}]"),
    };
    invalid(error.to_string()).member(member)
}

/// Reads what each tick enqueues.
fn read_task(reader: &mut Reader<'_>) -> Result<NewTask<'static>> {
    let task = Sent::read(reader)?.into_task(None, Wall(0))?;
    if task.id.is_some() {
        return Err(
            invalid("each run has an id of its own, made of the schedule's name and the tick").member("id")
        );
    }
    if task.run_after.is_some() {
        return Err(invalid("the schedule says when its tasks run").member("run_after"));
    }
    if task.options.deadline.is_some() {
        return Err(invalid("a deadline is a time of day, and each run has another one").member("deadline"));
    }
    Ok(task)
}

/// The body of `POST /v1/schedules/{schedule}/backfill`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backfill {
    /// The first and the last moment of the range.
    pub from: Wall,
    pub to: Wall,
    pub overlap: BackfillOverlap,
}

impl Backfill {
    /// # Errors
    /// The problem with the request.
    pub fn read(headers: &HeaderMap, body: &[u8]) -> Result<Self> {
        media::check_json(Head::read(headers)?.content_type)?;
        let (mut from, mut to, mut overlap) = (None, None, None);
        let mut reader = Reader::new(body)?;
        read_object(&mut reader, "`from`, `to` and `overlap`", |name, reader| {
            match name {
                "from" => from = read_time(reader)?,
                "to" => to = read_time(reader)?,
                "overlap" => {
                    let rules = [
                        ("allow", BackfillOverlap::Allow),
                        ("skip", BackfillOverlap::Skip),
                        ("wait", BackfillOverlap::Wait),
                    ];
                    overlap = read_one_of(reader, &rules)?;
                }
                _ => return Ok(Known::No),
            }
            Ok(Known::Yes)
        })?;
        reader.end()?;
        let from = from.ok_or_else(|| missing("from"))?;
        let to = to.ok_or_else(|| missing("to"))?;
        if to < from {
            return Err(invalid("the range ends before it begins").member("to"));
        }
        Ok(Self { from, to, overlap: overlap.unwrap_or(BackfillOverlap::Wait) })
    }

    /// The ticks of a schedule in the range, its start and end left aside.
    ///
    /// # Errors
    /// When there are none, or too many.
    pub fn ticks(&self, rules: &ScheduleRules<'_>, put: Wall) -> Result<Vec<Wall>> {
        let rules = ScheduleRules { start: anchor_of(rules), end: None, ..rules.clone() };
        let calendar = Calendar::new(&rules, put).map_err(|error| calendar_problem(&error))?;
        let after = Wall(self.from.0.saturating_sub(1));
        let ticks = calendar.after(after).take_while(|tick| *tick <= self.to);
        let ticks: Vec<Wall> = ticks.take(limits::BACKFILL_TICKS_MAX + 1).collect();
        if ticks.is_empty() {
            return Err(Problem::new(Code::EmptyBatch, "the schedule has no tick in this range"));
        }
        if ticks.len() > limits::BACKFILL_TICKS_MAX {
            let detail = format!("a backfill has at most {} ticks", limits::BACKFILL_TICKS_MAX);
            let problem = Problem::new(Code::TooManyItems, detail);
            return Err(problem.number("limit", limits::BACKFILL_TICKS_MAX as u64));
        }
        Ok(ticks)
    }
}

/// An interval counts from its start. A cron expression does not need one.
fn anchor_of(rules: &ScheduleRules<'_>) -> Option<Wall> {
    if matches!(rules.timing, Timing::Every(_)) { rules.start } else { None }
}

/// The idempotency key of a request to fire a schedule, or of a backfill.
///
/// # Errors
/// When the header's value is not a valid key.
pub fn keyed(
    headers: &HeaderMap,
    schedule: &ScheduleName<'_>,
    backfill: Option<&Backfill>,
) -> Result<Option<Keyed>> {
    let mut content = Vec::new();
    if let Some(Backfill { from, to, overlap }) = backfill {
        content.extend_from_slice(&from.0.to_le_bytes());
        content.extend_from_slice(&to.0.to_le_bytes());
        content.push(match overlap {
            BackfillOverlap::Allow => 1,
            BackfillOverlap::Skip => 2,
            BackfillOverlap::Wait => 3,
        });
    }
    let verb = if backfill.is_some() { "backfill" } else { "fire" };
    Ok(Head::read(headers)?.key()?.map(|key| key.for_schedule(schedule, verb, &content)))
}

/// A request without a body that repeats safely.
///
/// # Errors
/// When it has a key.
pub fn no_key(headers: &HeaderMap) -> Result<()> {
    Head::read(headers)?.refuse_key("repeating the request is safe without a key")
}

fn read_short_text(reader: &mut Reader<'_>) -> Result<Option<String>> {
    let Some(text) = read_optional_text(reader)? else { return Ok(None) };
    if text.is_empty() || text.len() > limits::SCHEDULE_TEXT_BYTES_MAX {
        return Err(invalid(format!("this must have 1 to {} bytes", limits::SCHEDULE_TEXT_BYTES_MAX)));
    }
    Ok(Some(text.into_owned()))
}

fn read_time(reader: &mut Reader<'_>) -> Result<Option<Wall>> {
    let Some(text) = read_optional_text(reader)? else { return Ok(None) };
    match Moment::parse(&text) {
        Some(moment) => Ok(Some(moment.wall().unwrap_or_default())),
        None => Err(invalid("this must be a valid RFC 3339 time, such as `2010-10-02T07:20:39Z`")),
    }
}

/// Reads one of some words, or null.
fn read_one_of<T: Copy>(reader: &mut Reader<'_>, words: &[(&str, T)]) -> Result<Option<T>> {
    let Some(text) = read_optional_text(reader)? else { return Ok(None) };
    match words.iter().find(|(word, _)| *word == text) {
        Some((_, value)) => Ok(Some(*value)),
        None => {
            let words: Vec<String> = words.iter().map(|(word, _)| format!("`{word}`")).collect();
            Err(invalid(format!("this must be one of {}", words.join(", "))))
        }
    }
}

#[cfg(test)]
mod tests;
