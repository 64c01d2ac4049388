//! Schedules, as bodies of 200 responses.

use super::page;
use super::queue::{write_bool_member, write_name, write_number_member, write_text_member};
use super::task_state;
use crate::json;
use crate::request::queue::tasks::write_duration;
use crate::time::write_wall;
use calendar::Calendar;
use model::schedule::run_id;
use model::{
    CatchUp, HeldBy, NextTick, Overlap, Paused, RunCause, ScheduleControlled, ScheduleDefinition,
    ScheduleName, ScheduleRun, TaskState, Timing, Wall, limits,
};

/// Everything about one schedule.
#[derive(Clone, Debug)]
pub struct Schedule<'a> {
    pub name: &'a ScheduleName<'a>,
    pub owner: Option<&'a str>,
    pub definition: &'a ScheduleDefinition<'a>,
    /// When it was put, or changed for the last time.
    pub put: Wall,
    pub paused: Option<Paused>,
    pub next: &'a NextTick<'a>,
    /// All ticks up to this time have happened or were skipped.
    pub after: Wall,
    /// Why the next tick is due and does not happen, and since when.
    pub held: Option<(HeldBy, Wall)>,
    /// Ticks that enqueued a task, since the schedule was put.
    pub ticks: u64,
    /// The last runs with their states, oldest first.
    pub runs: Vec<(ScheduleRun, Option<TaskState>)>,
    pub waiting: usize,
    pub counts: Counts,
}

/// What has become of the ticks of a schedule, since it was first put.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub runs: u64,
    pub missed: u64,
    pub overlapped: u64,
    pub dropped: u64,
    pub conflicts: u64,
}

impl Schedule<'_> {
    /// Writes the schedule as an object.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"schedule\":");
        json::write_text(out, self.name.as_str());
        if let Some(owner) = self.owner {
            write_text_member(out, "owner", owner);
        }
        write_text_member(out, "state", state(self.paused, self.next, self.held.is_some()));
        if let Some(paused) = self.paused {
            let by = match paused {
                Paused::ByRequest => "request",
                Paused::ByFailure => "failure",
            };
            write_text_member(out, "paused_by", by);
        }
        if let NextTick::Broken(why) = self.next {
            write_text_member(out, "problem", why);
        }
        if let Some((by, since)) = self.held {
            let by = match by {
                HeldBy::QueueFull => "queue_full",
                HeldBy::TooManyTypes => "too_many_task_types",
            };
            write_text_member(out, "held_by", by);
            write_time(out, "held_since", since);
        }
        write_time(out, "since", self.put);
        write_next(out, &self.upcoming());
        write_text_member(out, "tzdata", calendar::tzdata_version());
        self.write_runs(out);
        write_number_member(out, "waiting", self.waiting as u64);
        write_number_member(out, "ticks", self.ticks);
        let Counts { runs, missed, overlapped, dropped, conflicts } = self.counts;
        write_name(out, "counts");
        out.extend_from_slice(b"{\"runs\":");
        json::write_number(out, runs);
        for (name, count) in
            [("missed", missed), ("overlapped", overlapped), ("dropped", dropped), ("conflicts", conflicts)]
        {
            write_number_member(out, name, count);
        }
        out.push(b'}');
        write_name(out, "definition");
        out.push(b'{');
        write_definition(out, self.definition);
        out.extend_from_slice(b"}}");
    }

    fn write_runs(&self, out: &mut Vec<u8>) {
        write_name(out, "runs");
        out.push(b'[');
        for (at, (run, state)) in self.runs.iter().enumerate() {
            if at > 0 {
                out.push(b',');
            }
            write_run(out, self.name, *run);
            write_text_member(out, "state", state.map_or("gone", task_state));
            out.push(b'}');
        }
        out.push(b']');
    }

    /// When the next ticks happen, if nothing changes.
    fn upcoming(&self) -> Vec<Wall> {
        if self.paused.is_some() {
            return Vec::new();
        }
        let first = match self.next {
            NextTick::Never | NextTick::Broken(_) => return Vec::new(),
            NextTick::Unknown => None,
            NextTick::At(tick) => Some(*tick),
        };
        let left = self.definition.rules.runs_max.map_or(u64::MAX, |max| max.saturating_sub(self.ticks));
        let left = usize::try_from(left).unwrap_or(usize::MAX).min(limits::SCHEDULE_TICKS_SHOWN);
        let offset_ms = self.definition.rules.offset_ms(self.name);
        let Ok(calendar) = Calendar::new(&self.definition.rules, self.put) else { return Vec::new() };
        let after = first.unwrap_or(self.after);
        let ticks = first.into_iter().chain(calendar.after(after));
        ticks.take(left).map(|tick| Wall(tick.0.saturating_add(offset_ms))).collect()
    }
}

/// The ticks of a schedule that was put at `now`.
#[must_use]
pub fn first_ticks(name: &ScheduleName<'_>, definition: &ScheduleDefinition<'_>, now: Wall) -> Vec<Wall> {
    let preview = Schedule {
        name,
        owner: None,
        definition,
        put: now,
        paused: None,
        next: &NextTick::Unknown,
        after: now,
        held: None,
        ticks: 0,
        runs: Vec::new(),
        waiting: 0,
        counts: Counts::default(),
    };
    preview.upcoming()
}

/// Writes `{"schedule":...,"changed":...,"next":[...],"tzdata":...}`. Without `changed`, it is a preview.
pub fn write_put(out: &mut Vec<u8>, name: &ScheduleName<'_>, changed: Option<bool>, next: &[Wall]) {
    out.extend_from_slice(b"{\"schedule\":");
    json::write_text(out, name.as_str());
    if let Some(changed) = changed {
        write_bool_member(out, "changed", changed);
    }
    write_next(out, next);
    write_text_member(out, "tzdata", calendar::tzdata_version());
    out.push(b'}');
}

/// Writes `{"owner":...,"schedules":[...]}`, with what a put has done if there was one.
pub fn write_set<'a>(
    out: &mut Vec<u8>,
    owner: &str,
    names: impl Iterator<Item = &'a str>,
    put: Option<(u32, u32)>,
) {
    out.extend_from_slice(b"{\"owner\":");
    json::write_text(out, owner);
    write_name(out, "schedules");
    out.push(b'[');
    for (at, name) in names.enumerate() {
        if at > 0 {
            out.push(b',');
        }
        json::write_text(out, name);
    }
    out.push(b']');
    if let Some((changed, deleted)) = put {
        write_number_member(out, "changed", changed.into());
        write_number_member(out, "deleted", deleted.into());
    }
    out.push(b'}');
}

/// Writes `{"schedule":...,"deleted":...}`.
pub fn write_deleted(out: &mut Vec<u8>, name: &str, existed: bool) {
    out.extend_from_slice(b"{\"schedule\":");
    json::write_text(out, name);
    write_bool_member(out, "deleted", existed);
    out.push(b'}');
}

/// Writes `{"schedule":...,"runs":[...],"waiting":...,"skipped":...,"replayed":...}`.
pub fn write_controlled(out: &mut Vec<u8>, name: &ScheduleName<'_>, done: &ScheduleControlled) {
    out.extend_from_slice(b"{\"schedule\":");
    json::write_text(out, name.as_str());
    write_name(out, "runs");
    out.push(b'[');
    for (at, run) in done.runs.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        write_run(out, name, *run);
        out.push(b'}');
    }
    out.push(b']');
    write_number_member(out, "waiting", done.waiting.into());
    write_number_member(out, "skipped", done.skipped.into());
    write_bool_member(out, "replayed", done.replayed);
    out.push(b'}');
}

/// One schedule in a list.
#[derive(Clone, Copy, Debug)]
pub struct Listed<'a> {
    pub name: &'a str,
    pub owner: Option<&'a str>,
    pub state: &'static str,
    /// When the next tick happens.
    pub next: Option<Wall>,
    pub last: Option<Wall>,
}

/// Writes `{"schedules":[...],"next":...}`
pub fn write_list<'a>(out: &mut Vec<u8>, schedules: impl Iterator<Item = Listed<'a>>, next: Option<&str>) {
    page::write_list(out, "schedules", schedules, next, |out, schedule| {
        out.extend_from_slice(b"{\"schedule\":");
        json::write_text(out, schedule.name);
        if let Some(owner) = schedule.owner {
            write_text_member(out, "owner", owner);
        }
        write_text_member(out, "state", schedule.state);
        for (name, time) in [("next", schedule.next), ("last", schedule.last)] {
            if let Some(time) = time {
                write_time(out, name, time);
            }
        }
        out.push(b'}');
    });
}

/// How a schedule is, in one word.
#[must_use]
pub const fn state(paused: Option<Paused>, next: &NextTick<'_>, is_held: bool) -> &'static str {
    match (paused, next) {
        (_, NextTick::Broken(_)) => "broken",
        (_, NextTick::Never) => "finished",
        (Some(_), _) => "paused",
        _ if is_held => "held",
        _ => "active",
    }
}

/// Writes a definition's members as they can be read again.
fn write_definition(out: &mut Vec<u8>, definition: &ScheduleDefinition<'_>) {
    let rules = &definition.rules;
    match &rules.timing {
        Timing::Cron { expression, zone } => {
            out.extend_from_slice(b"\"cron\":");
            json::write_text(out, expression);
            write_text_member(out, "zone", zone);
        }
        Timing::Every(ms) => {
            out.extend_from_slice(b"\"every\":");
            write_duration(out, *ms);
        }
    }
    for (name, time) in [("start", rules.start), ("end", rules.end)] {
        if let Some(time) = time {
            write_time(out, name, time);
        }
    }
    for (at, exclusion) in rules.exclusions.iter().enumerate() {
        out.extend_from_slice(if at == 0 { b",\"exclude\":[" } else { b"," });
        json::write_text(out, exclusion);
    }
    if !rules.exclusions.is_empty() {
        out.push(b']');
    }
    if let Some(runs_max) = rules.runs_max {
        write_number_member(out, "runs_max", runs_max);
    }
    if rules.jitter_ms > 0 {
        write_name(out, "jitter");
        write_duration(out, rules.jitter_ms);
    }
    match rules.catch_up {
        CatchUp::Skip => write_text_member(out, "catch_up", "skip"),
        CatchUp::One => write_text_member(out, "catch_up", "one"),
        CatchUp::All(ticks) => {
            write_text_member(out, "catch_up", "all");
            write_number_member(out, "catch_up_max", ticks.into());
        }
    }
    write_name(out, "late");
    write_duration(out, rules.late_ms);
    write_text_member(
        out,
        "overlap",
        match rules.overlap {
            Overlap::Allow => "allow",
            Overlap::Skip => "skip",
            Overlap::BufferOne => "buffer_one",
            Overlap::CancelOther => "cancel_other",
        },
    );
    write_bool_member(out, "pause_on_failure", rules.pause_on_failure);
    write_text_member(out, "queue", definition.enqueue.queue.as_str());
    if let Some(task) = definition.enqueue.tasks.first() {
        write_name(out, "task");
        out.push(b'{');
        out.extend_from_slice(&task.envelope);
        out.push(b'}');
    }
}

/// Writes a run without its end.
fn write_run(out: &mut Vec<u8>, name: &ScheduleName<'_>, run: ScheduleRun) {
    out.extend_from_slice(b"{\"tick\":\"");
    write_wall(out, run.tick);
    out.push(b'"');
    write_text_member(out, "task", &run_id(name, run.tick, run.cause));
    write_text_member(
        out,
        "cause",
        match run.cause {
            RunCause::Tick => "tick",
            RunCause::Fired(_) => "fired",
            RunCause::Backfill(_) => "backfill",
        },
    );
}

fn write_next(out: &mut Vec<u8>, next: &[Wall]) {
    write_name(out, "next");
    out.push(b'[');
    for (at, time) in next.iter().enumerate() {
        out.extend_from_slice(if at == 0 { b"\"" } else { b",\"" });
        write_wall(out, *time);
        out.push(b'"');
    }
    out.push(b']');
}

fn write_time(out: &mut Vec<u8>, name: &str, time: Wall) {
    write_name(out, name);
    out.push(b'"');
    write_wall(out, time);
    out.push(b'"');
}
