//! Schedules: clocks of the store that enqueue a task at each of their ticks.
//!
//! A *tick* is a moment at which a schedule is due. Which moments these are is not decided here: cron expressions and
//! time zones are evaluated by the proposer of a command, and `apply` checks that each tick follows the one before.
//! A *run* is a task that a schedule has enqueued.

use crate::command::Keyed;
use crate::ids::{Position, Slot, Wall};
use crate::name::ScheduleName;
use crate::queue::Enqueue;
use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use xxhash_rust::xxh3::xxh3_64;

/// Replace a schedule, or create it. A changed schedule begins again from now; an equal one changes nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PutSchedule<'a> {
    pub schedule: ScheduleName<'a>,
    /// In a box, because it is much larger than other commands.
    pub definition: Box<ScheduleDefinition<'a>>,
}

/// Replace all schedules of one owner: those that are not named are deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PutScheduleSet<'a> {
    /// By the rules of names.
    pub owner: ScheduleName<'a>,
    /// In the order of their names, each once.
    pub schedules: Vec<PutSchedule<'a>>,
}

/// When a schedule is due, and what it enqueues.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScheduleDefinition<'a> {
    pub rules: ScheduleRules<'a>,
    /// One task without an id. `keyed` is never set.
    pub enqueue: Enqueue<'a>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScheduleRules<'a> {
    pub timing: Timing<'a>,
    /// There are no ticks before this time.
    pub start: Option<Wall>,
    /// There are no ticks after this time.
    pub end: Option<Wall>,
    /// Days and ranges of time without ticks, as the client wrote them.
    pub exclusions: Vec<Cow<'a, str>>,
    /// After this many ticks that enqueued something, there are no more.
    pub runs_max: Option<u64>,
    /// Every tick happens later by a part of this time that is always the same for a schedule's name.
    pub jitter_ms: u64,
    pub catch_up: CatchUp,
    /// A tick that is later than this is missed.
    pub late_ms: u64,
    pub overlap: Overlap,
    /// Whether a run that becomes a dead letter pauses the schedule.
    pub pause_on_failure: bool,
}

/// Which moments are ticks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Timing<'a> {
    Cron {
        expression: Cow<'a, str>,
        /// The name of a time zone.
        zone: Cow<'a, str>,
    },
    /// This many milliseconds lie between two ticks. The first one is this long after the schedule was put, or at its
    /// start.
    Every(u64),
}

/// What becomes of the ticks that were missed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CatchUp {
    /// None of them enqueues anything.
    Skip,
    /// The last of them does.
    One,
    /// The last ones do, at most this many.
    All(u32),
}

/// What a tick does while a run before it is unfinished.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overlap {
    /// It enqueues its task nevertheless.
    Allow,
    /// It is skipped.
    Skip,
    /// It waits until that run is finished. A tick that comes while another one waits is skipped.
    BufferOne,
    /// It cancels that run, and enqueues its task.
    CancelOther,
}

/// Remove a schedule. Its runs stay in their queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeleteSchedule<'a> {
    pub schedule: ScheduleName<'a>,
}

/// Tell a schedule to do something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControlSchedule<'a> {
    pub keyed: Option<Keyed>,
    pub schedule: ScheduleName<'a>,
    pub action: ScheduleAction,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ScheduleAction {
    /// No ticks happen until the schedule is resumed.
    Pause,
    /// Ticks happen again, from now on.
    Resume,
    /// Enqueue the task now, whatever the schedule says.
    Fire,
    /// Enqueue the tasks of these ticks, which are in the past and in order.
    Backfill { ticks: Vec<Wall>, overlap: BackfillOverlap },
}

/// What a backfill does while a run is unfinished.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BackfillOverlap {
    /// All tasks are enqueued at once.
    Allow,
    /// Only one task is enqueued, and none while another run is unfinished.
    Skip,
    /// Each task is enqueued when the run before it is finished.
    Wait,
}

/// Let a schedule do what is due. The node proposes this.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdvanceSchedule<'a> {
    pub schedule: ScheduleName<'a>,
    /// The schedule as it was put at this position.
    pub generation: Position,
    /// Without it, only waiting ticks are started.
    pub step: Option<ScheduleStep<'a>>,
}

/// How a schedule goes on: first some ticks are skipped, then one happens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScheduleStep<'a> {
    /// All ticks up to this time have happened or were skipped.
    pub after: Wall,
    pub missed: Option<Missed>,
    pub tick: Option<Wall>,
    /// The first tick after those.
    pub next: NextTick<'a>,
}

/// Ticks that were missed and are not caught up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Missed {
    pub ticks: u64,
    pub last: Wall,
}

/// The next tick of a schedule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NextTick<'a> {
    /// The node has not said yet which it is.
    Unknown,
    At(Wall),
    /// There are no more.
    Never,
    /// It cannot be computed, for this reason.
    Broken(Cow<'a, str>),
}

/// Why a run exists. All but the first hold the position at which it was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RunCause {
    Tick,
    Fired(Position),
    Backfill(Position),
}

/// A task that a schedule has enqueued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScheduleRun {
    pub tick: Wall,
    pub cause: RunCause,
    pub task: Position,
}

/// The result of [`ControlSchedule`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScheduleControlled {
    /// The slot of the runs' queue.
    pub slot: Slot,
    pub runs: Vec<ScheduleRun>,
    /// Ticks that wait for a run to finish.
    pub waiting: u32,
    pub skipped: u32,
    /// The outcome comes from an idempotency record.
    pub replayed: bool,
}

/// Why a schedule is paused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Paused {
    ByRequest,
    /// One of its runs is a dead letter.
    ByFailure,
}

/// Why a tick that is due cannot enqueue its task. It stays due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeldBy {
    QueueFull,
    /// The queue has had as many types of tasks as it may.
    TooManyTypes,
}

impl ScheduleRules<'_> {
    /// By how much later the ticks of a schedule with this name happen.
    #[must_use]
    pub fn offset_ms(&self, schedule: &ScheduleName<'_>) -> u64 {
        let hash = u128::from(xxh3_64(schedule.as_str().as_bytes()));
        // The hash, scaled down to the time.
        ((hash * (u128::from(self.jitter_ms) + 1)) >> 64) as u64
    }
}

/// The id of the task that a tick enqueues: `nightly@2026-11-29T02:00:00.000Z`. If the run was asked for, its position
/// follows, because the same tick may be asked for again.
#[must_use]
pub fn run_id(schedule: &ScheduleName<'_>, tick: Wall, cause: RunCause) -> String {
    let mut id = format!("{schedule}@");
    id.push_str(&tick_text(tick));
    match cause {
        RunCause::Tick => {}
        RunCause::Fired(at) | RunCause::Backfill(at) => id.push_str(&format!(".{:016x}", at.0)),
    }
    id
}

/// A time as `2026-11-29T02:00:00.000Z`.
#[must_use]
pub fn tick_text(tick: Wall) -> String {
    let (days, of_day) = (tick.0 / 86_400_000, tick.0 % 86_400_000);
    // Days since the beginning of March of the year 0, so that a leap day is the last day of its year.
    let days = days + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    let (hour, minute) = (of_day / 3_600_000, of_day / 60_000 % 60);
    let (second, ms) = (of_day / 1_000 % 60, of_day % 1_000);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{ms:03}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tick_is_written_as_the_time_that_it_is() {
        for (ms, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (951_868_799_999, "2000-02-29T23:59:59.999Z"),
            (1_764_381_600_000, "2025-11-29T02:00:00.000Z"),
            (1_798_761_599_001, "2026-12-31T23:59:59.001Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
            (253_402_300_799_999, "9999-12-31T23:59:59.999Z"),
        ] {
            assert_eq!(tick_text(Wall(ms)), text);
        }
    }

    #[test]
    fn a_run_that_was_asked_for_has_an_id_of_its_own() {
        let name = ScheduleName::new("nightly").unwrap();
        let id = |cause| run_id(&name, Wall(1_764_381_600_000), cause);
        assert_eq!(id(RunCause::Tick), "nightly@2025-11-29T02:00:00.000Z");
        assert_eq!(id(RunCause::Fired(Position(255))), "nightly@2025-11-29T02:00:00.000Z.00000000000000ff");
        assert_ne!(id(RunCause::Fired(Position(1))), id(RunCause::Backfill(Position(2))));
    }
}
