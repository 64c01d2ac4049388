//! What a shard's node must propose on its own, and when.
//!
//! Time enters through the log: nothing expires until an entry says so. The leader's node keeps an agenda and
//! asks it for the commands that are due. Each timer is a row in the slot of what it is about, so a shard's
//! timers are in up to 65,536 places. The agenda knows, for each slot and kind of timer, a point that no timer
//! is before:
//!
//! ```text
//!   search, once, slot by slot ──┐
//!                                ├──► events     slot ► wall, stream    ──┐
//!   effects: TimerSet ───────────┤    records    slot ► elapsed          ──┼──► commands that are due
//!                                │    leases     slot ► elapsed          ──┤    (a bounded number)
//!                                │    executions slot ► elapsed          ──┤
//!                                ├──► limits     slot ► elapsed          ──┤
//!                                └──► clean-up   slot ► position queued  ──┘
//! ```
//!
//! A scan of a slot's timers begins at its point, and never before it. So its cost does not depend on how many
//! timers were deleted there: a store may keep deleted rows for a while, and a scan has to pass over them. The
//! points are not in the state. Keeping them there would cost a write for each timer, and a new leader can find
//! them by one search.
//!
//! The memory that an agenda takes is bounded by the number of slots. What it proposes is not a decision: each
//! command checks, when it is applied, what is due by the entry's own clocks. Proposing a command twice, or too
//! early, changes nothing.

use crate::damage::bad_row;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::ops::ControlFlow;
use format::FormatError;
use format::row::{
    ExecutionTimerKey, LimitRange, LimitTimerKey, QueueRange, RecordTimerKey, ScheduleTimerKey,
    ScheduleTimers, TaskTimerKey, TimerKey, TimerRange, TimerSearch, WallTimerKey, decode_name,
};
use model::{
    AdvanceLimits, AdvanceTasks, CleanUp, Command, Effect, Elapsed, EntryClock, ExpireEvents,
    ExpireExecutions, ExpireLeases, ExpireRecords, KeyRange, Namespace, Order, Position, ScheduleName, Slot,
    SlotRange, StreamId, StreamName, TaskDue, Timer, View, ViewError, Wall, limits,
};

/// Slots in which one entry cleans up, and as many in which it deletes idempotency records, hands over leases,
/// frees the keys of executions, opens the keys of limits, or advances tasks by either clock.
const SLOTS_MAX: usize = 8;
/// Streams whose events one entry expires.
const EXPIRIES_MAX: usize = limits::ENTRY_OWN_COMMANDS_MAX - 7 * SLOTS_MAX;

/// The timers of one shard; see the module.
#[derive(Clone, Debug)]
pub struct Agenda {
    /// What is left to search for timers that the state held before; `None` at the end.
    search: Option<TimerSearch>,
    events: Points<(Wall, StreamId)>,
    records: Points<Elapsed>,
    leases: Points<Elapsed>,
    executions: Points<Elapsed>,
    /// The elapsed time of the last entry that is known to be applied.
    applied: Elapsed,
    clean_ups: Points<Position>,
    tasks_by_wall: Points<TaskDue>,
    tasks_by_elapsed: Points<TaskDue>,
    limits: Points<Elapsed>,
    schedules: Points<(Wall, Position)>,
}

/// The next moments at which something may be due.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Deadlines {
    pub wall: Option<Wall>,
    pub elapsed: Option<Elapsed>,
    /// When the oldest clean-up work was queued. It is due at once.
    pub clean_up: Option<Position>,
}

impl Deadlines {
    /// Whether something may be due at `clock`.
    #[must_use]
    pub fn are_due(&self, clock: EntryClock) -> bool {
        self.clean_up.is_some()
            || self.wall.is_some_and(|wall| wall <= clock.wall)
            || self.elapsed.is_some_and(|elapsed| elapsed <= clock.elapsed)
    }
}

impl Agenda {
    /// The agenda of a node that begins to lead. It knows no timers until [`Self::search`] has found them.
    #[must_use]
    pub fn new(slots: SlotRange) -> Self {
        Self {
            search: Some(TimerSearch::new(slots)),
            events: Points::default(),
            records: Points::default(),
            leases: Points::default(),
            executions: Points::default(),
            applied: Elapsed(0),
            clean_ups: Points::default(),
            tasks_by_wall: Points::default(),
            tasks_by_elapsed: Points::default(),
            limits: Points::default(),
            schedules: Points::default(),
        }
    }

    /// Whether slots remain to be searched.
    #[must_use]
    pub fn is_searching(&self) -> bool {
        self.search.is_some()
    }

    /// Searches on, for timers that the state held before, with at most `scans_max` scans. Each scan reads one
    /// row; each slot with rows takes two to six.
    ///
    /// # Errors
    /// [`ViewError`]: the search continues where it was.
    pub fn search(&mut self, view: &impl View, scans_max: usize) -> Result<(), ViewError> {
        for _ in 0..scans_max {
            let Some(search) = self.search else { break };
            let (mut next, mut found) = (search, None);
            view.scan(search.as_range(), Order::Ascending, &mut |key, _| {
                found = Some(next.pass(key));
                ControlFlow::Break(())
            })?;
            match found {
                None => self.search = None,
                Some(Err(error)) => return Err(bad_row("timer", error)),
                Some(Ok(timer)) => {
                    self.search = Some(next);
                    match timer {
                        Some(TimerKey::Wall(key)) => self.events.note(key.slot, (key.deadline, key.stream)),
                        Some(TimerKey::Record(key)) => self.records.note(key.slot, key.deadline),
                        Some(TimerKey::Lease { slot, deadline }) => self.leases.note(slot, deadline),
                        Some(TimerKey::Execution { slot, deadline }) => self.executions.note(slot, deadline),
                        Some(TimerKey::CleanUp(key)) => self.clean_ups.note(key.slot, key.queued),
                        Some(TimerKey::Task(key)) => self.note_task(key.slot, key.due),
                        Some(TimerKey::Limit(key)) => self.limits.note(key.slot, key.due),
                        Some(TimerKey::Schedule(key)) => {
                            self.schedules.note(key.slot, (key.due, key.generation));
                        }
                        None => {}
                    }
                }
            }
        }
        Ok(())
    }

    /// Learns that an entry with this elapsed time is applied, and all before it.
    pub fn applied(&mut self, elapsed: Elapsed) {
        self.applied = self.applied.max(elapsed);
    }

    /// Learns which timers an applied entry set.
    pub fn note(&mut self, effects: &[Effect]) {
        for effect in effects {
            let Effect::TimerSet { slot, timer } = *effect else { continue };
            match timer {
                Timer::Events(wall) => self.events.note(slot, (wall, StreamId(0))),
                Timer::Records(elapsed) => self.records.note(slot, elapsed),
                Timer::Leases(elapsed) => self.leases.note(slot, elapsed),
                Timer::Executions(elapsed) => self.executions.note(slot, elapsed),
                Timer::CleanUp(queued) => self.clean_ups.note(slot, queued),
                Timer::Tasks(due) => self.note_task(slot, due),
                Timer::Limits(elapsed) => self.limits.note(slot, elapsed),
                Timer::Schedules(wall) => self.schedules.note(slot, (wall, Position::ZERO)),
            }
        }
    }

    /// Adds the commands that are due at `clock` to `commands`, at most [`limits::ENTRY_OWN_COMMANDS_MAX`].
    /// They count as proposed: if one of them is not applied, begin again with a new agenda.
    ///
    /// Each kind of work has a share of its own, so that none starves another.
    ///
    /// # Errors
    /// [`ViewError`]. Propose the commands added before it.
    pub fn due(
        &mut self,
        view: &impl View,
        clock: EntryClock,
        commands: &mut Vec<Command<'static>>,
    ) -> Result<(), ViewError> {
        self.clean_up(commands);
        self.expire_records(view, clock.elapsed, commands)?;
        self.expire_leases(clock.elapsed, commands);
        self.expire_executions(view, clock.elapsed, commands)?;
        advance_tasks(&mut self.tasks_by_elapsed, TaskDue::Elapsed(clock.elapsed), view, commands)?;
        advance_tasks(&mut self.tasks_by_wall, TaskDue::Wall(clock.wall), view, commands)?;
        self.advance_limits(view, clock.elapsed, commands)?;
        self.expire_events(view, clock.wall, commands)
    }

    /// Adds the schedules that are due at `now` to `due`, at most `schedules_max`. The node says what is to come of them.
    /// They count as proposed, like those of [`Self::due`].
    ///
    /// # Errors
    /// [`ViewError`]. Propose what was found before it.
    pub fn due_schedules(
        &mut self,
        view: &impl View,
        now: Wall,
        schedules_max: usize,
        due: &mut Vec<DueSchedule>,
    ) -> Result<(), ViewError> {
        let mut left = schedules_max;
        while left > 0
            && let Some((slot, from)) = self.schedules.first()
            && from.0 <= now
        {
            let (found, next) = schedules_of(view, slot, from, now, left)?;
            // A scan that finds nothing counts too: the timer that it looked for was cancelled.
            left -= found.len().max(1);
            self.schedules.set(slot, next);
            due.extend(found);
        }
        Ok(())
    }

    /// Takes back that a schedule counts as proposed.
    pub fn not_proposed(&mut self, due: &DueSchedule) {
        self.schedules.note(due.schedule.slot(Namespace::ROOT), (due.due, due.generation));
    }

    /// When something may be due.
    #[must_use]
    pub fn next(&self) -> Deadlines {
        let wall = |due| if let TaskDue::Wall(wall) = due { Some(wall) } else { None };
        let elapsed = |due| if let TaskDue::Elapsed(elapsed) = due { Some(elapsed) } else { None };
        Deadlines {
            wall: earliest(
                earliest(
                    self.events.earliest().map(|(wall, _)| wall),
                    self.schedules.earliest().map(|(wall, _)| wall),
                ),
                self.tasks_by_wall.earliest().and_then(wall),
            ),
            elapsed: earliest(
                earliest(self.executions.earliest(), self.tasks_by_elapsed.earliest().and_then(elapsed)),
                earliest(earliest(self.records.earliest(), self.leases.earliest()), self.limits.earliest()),
            ),
            clean_up: self.clean_ups.first().map(|(_, queued)| queued),
        }
    }

    fn note_task(&mut self, slot: Slot, due: TaskDue) {
        match due {
            TaskDue::Wall(_) => self.tasks_by_wall.note(slot, due),
            TaskDue::Elapsed(_) => self.tasks_by_elapsed.note(slot, due),
        }
    }

    fn clean_up(&mut self, commands: &mut Vec<Command<'static>>) {
        let slots = self.clean_ups.len().min(SLOTS_MAX);
        for _ in 0..slots {
            let Some((slot, from)) = self.clean_ups.first() else { break };
            self.clean_ups.set(slot, None);
            let rows_max = (limits::ENTRY_OWN_ROWS_MAX / slots) as u32;
            commands.push(Command::CleanUp(CleanUp { slot, from, rows_max }));
        }
    }

    fn expire_records(
        &mut self,
        view: &impl View,
        now: Elapsed,
        commands: &mut Vec<Command<'static>>,
    ) -> Result<(), ViewError> {
        // A record may have been replaced by one that expires later.
        let first = |slot, from| first_record(view, slot, from);
        self.records.take_due(now, first, |slot, from| {
            let rows_max = (limits::ENTRY_OWN_ROWS_MAX / SLOTS_MAX) as u32;
            commands.push(Command::ExpireRecords(ExpireRecords { slot, from, rows_max }));
        })
    }

    /// This does not look up whether a timer is still set. Almost all are, because a timer is only replaced by an
    /// earlier one. An entry in flight may be about to do that. Its timer is later than its own elapsed time, so the
    /// command begins at that of the last applied entry.
    fn expire_leases(&mut self, now: Elapsed, commands: &mut Vec<Command<'static>>) {
        for _ in 0..SLOTS_MAX {
            let Some((slot, from)) = self.leases.first().filter(|(_, from)| *from <= now) else { break };
            self.leases.set(slot, None);
            let from = from.min(self.applied);
            let leases_max = (limits::ENTRY_OWN_LEASES_MAX / SLOTS_MAX) as u32;
            commands.push(Command::ExpireLeases(ExpireLeases { slot, from, leases_max }));
        }
    }

    fn expire_executions(
        &mut self,
        view: &impl View,
        now: Elapsed,
        commands: &mut Vec<Command<'static>>,
    ) -> Result<(), ViewError> {
        // Most executions are completed before their time is over.
        let first = |slot, from| first_execution(view, slot, from);
        self.executions.take_due(now, first, |slot, from| {
            let executions_max = (limits::ENTRY_OWN_EXECUTIONS_MAX / SLOTS_MAX) as u32;
            commands.push(Command::ExpireExecutions(ExpireExecutions { slot, from, executions_max }));
        })
    }

    fn advance_limits(
        &mut self,
        view: &impl View,
        now: Elapsed,
        commands: &mut Vec<Command<'static>>,
    ) -> Result<(), ViewError> {
        let slots = self.limits.due(now);
        // The timer may have been cancelled.
        let first = |slot, from| first_limit(view, slot, from);
        self.limits.take_due(now, first, |slot, from| {
            let keys_max = (limits::ADVANCE_LIMITS_MAX / slots) as u32;
            commands.push(Command::AdvanceLimits(AdvanceLimits { slot, from, keys_max }));
        })
    }

    fn expire_events(
        &mut self,
        view: &impl View,
        now: Wall,
        commands: &mut Vec<Command<'static>>,
    ) -> Result<(), ViewError> {
        let mut left = EXPIRIES_MAX;
        while left > 0
            && let Some((slot, from)) = self.events.first()
            && from.0 <= now
        {
            let DueStreams { streams, next } = due_streams(view, slot, from, now, left)?;
            // A scan that finds nothing counts too: the timer that it looked for was cancelled.
            left -= streams.len().max(1);
            self.events.set(slot, next);
            commands.extend(streams.into_iter().map(|stream| Command::ExpireEvents(ExpireEvents { stream })));
        }
        Ok(())
    }
}

fn earliest<T: Ord>(one: Option<T>, other: Option<T>) -> Option<T> {
    one.into_iter().chain(other).min()
}

/// Proposes to advance the tasks that are due by one clock.
fn advance_tasks(
    points: &mut Points<TaskDue>,
    now: TaskDue,
    view: &impl View,
    commands: &mut Vec<Command<'static>>,
) -> Result<(), ViewError> {
    let slots = points.due(now);
    // The timer may have been cancelled, or set again for later.
    let first = |slot, from| first_task(view, slot, from);
    points.take_due(now, first, |slot, from| {
        let tasks_max = (limits::ADVANCE_TASKS_MAX / slots) as u32;
        commands.push(Command::AdvanceTasks(AdvanceTasks { slot, from, tasks_max }));
    })
}

/// When the first task of a slot is due by this clock.
fn first_task(view: &impl View, slot: Slot, from: TaskDue) -> Result<Option<TaskDue>, ViewError> {
    let range = QueueRange::timers(slot, from);
    first_timer(view, range.as_range(), "task timer", |key| TaskTimerKey::decode(key).map(|timer| timer.due))
}

fn first_execution(view: &impl View, slot: Slot, from: Elapsed) -> Result<Option<Elapsed>, ViewError> {
    let range = ExecutionTimerKey::timers(slot, from);
    let deadline = |key: &[u8]| ExecutionTimerKey::decode(key).map(|timer| timer.deadline);
    first_timer(view, range.as_range(), "execution timer", deadline)
}

/// When the first key of a limit is due in a slot.
fn first_limit(view: &impl View, slot: Slot, from: Elapsed) -> Result<Option<Elapsed>, ViewError> {
    let range = LimitRange::timers(slot, from);
    first_timer(view, range.as_range(), "limit timer", |key| {
        LimitTimerKey::decode(key).map(|timer| timer.due)
    })
}

fn first_record(view: &impl View, slot: Slot, from: Elapsed) -> Result<Option<Elapsed>, ViewError> {
    let range = TimerRange::record_timers(slot, from);
    let deadline = |key: &[u8]| RecordTimerKey::decode(key).map(|timer| timer.deadline);
    first_timer(view, range.as_range(), "record timer", deadline)
}

/// When the first timer of a range is due.
fn first_timer<T>(
    view: &impl View,
    range: KeyRange<'_>,
    what: &str,
    due: impl Fn(&[u8]) -> Result<T, FormatError>,
) -> Result<Option<T>, ViewError> {
    let mut first = None;
    view.scan(range, Order::Ascending, &mut |key, _| {
        first = Some(due(key));
        ControlFlow::Break(())
    })?;
    first.transpose().map_err(|error| bad_row(what, error))
}

struct DueStreams {
    streams: Vec<StreamName<'static>>,
    /// The first timer after theirs.
    next: Option<(Wall, StreamId)>,
}

fn due_streams(
    view: &impl View,
    slot: Slot,
    from: (Wall, StreamId),
    now: Wall,
    streams_max: usize,
) -> Result<DueStreams, ViewError> {
    let mut due = DueStreams { streams: Vec::new(), next: None };
    let mut bad: Option<FormatError> = None;
    let range = TimerRange::wall_timers(slot, from);
    view.scan(range.as_range(), Order::Ascending, &mut |key, value| {
        let timer = WallTimerKey::decode(key).and_then(|key| Ok((key, decode_name(value)?)));
        match timer {
            Ok((key, stream)) if key.deadline <= now && due.streams.len() < streams_max => {
                due.streams.push(stream.into_owned());
                return ControlFlow::Continue(());
            }
            Ok((key, _)) => due.next = Some((key.deadline, key.stream)),
            Err(error) => bad = Some(error),
        }
        ControlFlow::Break(())
    })?;
    bad.map_or(Ok(due), |error| Err(bad_row("wall timer", error)))
}

/// A schedule whose timer has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DueSchedule {
    pub schedule: ScheduleName<'static>,
    pub due: Wall,
    pub generation: Position,
}

type SchedulePoint = (Wall, Position);

/// The schedules of one slot that are due, and the first timer after theirs.
fn schedules_of(
    view: &impl View,
    slot: Slot,
    from: SchedulePoint,
    now: Wall,
    schedules_max: usize,
) -> Result<(Vec<DueSchedule>, Option<SchedulePoint>), ViewError> {
    let (mut due, mut next) = (Vec::new(), None);
    let mut bad: Option<FormatError> = None;
    view.scan(ScheduleTimers::new(slot, from).as_range(), Order::Ascending, &mut |key, value| {
        match schedule_timer(key, value) {
            Ok((key, schedule)) if key.due <= now && due.len() < schedules_max => {
                due.push(DueSchedule { schedule, due: key.due, generation: key.generation });
                return ControlFlow::Continue(());
            }
            Ok((key, _)) => next = Some((key.due, key.generation)),
            Err(error) => bad = Some(error),
        }
        ControlFlow::Break(())
    })?;
    bad.map_or(Ok((due, next)), |error| Err(bad_row("schedule timer", error)))
}

fn schedule_timer(
    key: &[u8],
    value: &[u8],
) -> Result<(ScheduleTimerKey, ScheduleName<'static>), FormatError> {
    let damaged = FormatError::Text { what: "schedule name" };
    let name = core::str::from_utf8(value).map_err(|_| damaged)?;
    let name = ScheduleName::new(name).map_err(|_| damaged)?;
    Ok((ScheduleTimerKey::decode(key)?, name.into_owned()))
}

/// For each slot with timers of one kind, a point that none of them is before.
#[derive(Clone, Debug)]
struct Points<T> {
    by_slot: BTreeMap<Slot, T>,
    in_order: BTreeSet<(T, Slot)>,
}

impl<T> Default for Points<T> {
    fn default() -> Self {
        Self { by_slot: BTreeMap::new(), in_order: BTreeSet::new() }
    }
}

impl<T: Copy + Ord> Points<T> {
    /// In how many slots something may be due, at most [`SLOTS_MAX`].
    fn due(&self, now: T) -> usize {
        self.in_order.iter().take(SLOTS_MAX).take_while(|(from, _)| *from <= now).count()
    }

    /// Takes at most [`SLOTS_MAX`] slots in which something is due. `first` searches the state for a slot's first timer.
    fn take_due(
        &mut self,
        now: T,
        first: impl Fn(Slot, T) -> Result<Option<T>, ViewError>,
        mut take: impl FnMut(Slot, T),
    ) -> Result<(), ViewError> {
        for _ in 0..self.due(now) {
            let Some((slot, from)) = self.first() else { break };
            let first = first(slot, from)?;
            if let Some(from) = first.filter(|due| *due <= now) {
                self.set(slot, None);
                take(slot, from);
            } else {
                self.set(slot, first);
            }
        }
        Ok(())
    }

    /// A timer of the slot is at `point`.
    fn note(&mut self, slot: Slot, point: T) {
        if self.by_slot.get(&slot).is_none_or(|earlier| point < *earlier) {
            self.set(slot, Some(point));
        }
    }

    fn set(&mut self, slot: Slot, point: Option<T>) {
        let before = match point {
            Some(point) => self.by_slot.insert(slot, point),
            None => self.by_slot.remove(&slot),
        };
        if let Some(before) = before {
            self.in_order.remove(&(before, slot));
        }
        if let Some(point) = point {
            self.in_order.insert((point, slot));
        }
    }

    fn first(&self) -> Option<(Slot, T)> {
        self.in_order.first().map(|(point, slot)| (*slot, *point))
    }

    fn earliest(&self) -> Option<T> {
        self.first().map(|(_, point)| point)
    }

    fn len(&self) -> usize {
        self.by_slot.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limit;
    use crate::testing::{Store, name};
    use alloc::format;
    use alloc::string::ToString;
    use model::Namespace;

    fn kinds(commands: &[Command<'_>]) -> [usize; 5] {
        let count = |is: fn(&Command<'_>) -> bool| commands.iter().filter(|command| is(command)).count();
        [
            count(|command| matches!(command, Command::ExpireEvents(_))),
            count(|command| matches!(command, Command::ExpireRecords(_))),
            count(|command| matches!(command, Command::CleanUp(_))),
            count(|command| matches!(command, Command::ExpireLeases(_))),
            count(|command| matches!(command, Command::ExpireExecutions(_))),
        ]
    }

    fn due(agenda: &mut Agenda, store: &Store) -> Vec<Command<'static>> {
        let mut commands = Vec::new();
        agenda.due(&store.rows, store.entry_clock(), &mut commands).unwrap();
        commands
    }

    /// Many streams with events to expire, records to expire and rows to clean up, and many leases and executions.
    fn busy(streams: usize) -> Store {
        let mut store = Store::default();
        for at in 0..streams {
            store.run(&format!("keep a{at} age 1000; append a{at} x; key k{at} append b{at} x y"));
            store.run(&format!("delete b{at}; acquire l{at} by a; begin k{at} by a"));
        }
        store.run("wait 90000000");
        store
    }

    #[test]
    fn no_kind_of_work_starves_another() {
        let mut store = busy(200);
        let commands = due(&mut store.agenda.clone(), &store);
        assert_eq!(kinds(&commands), [EXPIRIES_MAX, SLOTS_MAX, SLOTS_MAX, SLOTS_MAX, SLOTS_MAX]);
        assert!(commands.len() <= limits::ENTRY_OWN_COMMANDS_MAX);
        while let Some(command) = store.due() {
            store.apply(command);
        }
        assert_eq!(store.rows_of_events(), 0);
        assert_eq!(store.clock().records, 0);
        assert_eq!(store.rows_of_leases(), [0, 0, 0]);
        assert_eq!(store.rows_of_executions(), [0, 0]);
        assert_eq!(store.agenda.next(), Deadlines::default());
    }

    #[test]
    fn a_search_finds_what_the_effects_have_reported() {
        let mut store = busy(50);
        let mut found = Agenda::new(SlotRange::ALL);
        let mut turns = 0;
        while found.is_searching() {
            found.search(&store.rows, 10).unwrap();
            turns += 1;
        }
        assert!(turns > 10);
        assert_eq!(found.next(), store.agenda.next());
        store.agenda = found;
        while let Some(command) = store.due() {
            store.apply(command);
        }
        assert_eq!((store.rows_of_events(), store.clock().records), (0, 0));
    }

    #[test]
    fn a_search_covers_only_the_shards_own_slots() {
        let store = busy(20);
        let slot = name("a7").slot(Namespace::ROOT);
        let mut agenda = Agenda::new(SlotRange { first: slot, last: slot });
        agenda.search(&store.rows, 1_000).unwrap();
        let [Command::ExpireEvents(expire)] = &due(&mut agenda, &store)[..] else { panic!() };
        assert_eq!(expire.stream.as_str(), "a7");
    }

    #[test]
    fn a_hand_over_does_not_miss_a_timer_that_an_entry_in_flight_sets() {
        let mut store = Store::default();
        store.run("acquire lock by a ttl 2000");
        let mut agenda = store.agenda.clone();
        agenda.applied(store.elapsed);
        // The agenda does not hear of this one, whose timer is earlier.
        store.run("acquire lock by b ttl 9000 wait 100; wait 3000");
        let [Command::ExpireLeases(expire)] = &due(&mut agenda, &store)[..] else { panic!() };
        store.apply(Command::ExpireLeases(*expire));
        let mut left = Agenda::new(SlotRange::ALL);
        left.search(&store.rows, 1_000).unwrap();
        assert_eq!(left.next(), Deadlines::default(), "the lease is free, and its timer is gone");
    }

    #[test]
    fn a_timer_that_was_cancelled_proposes_nothing() {
        let mut store = Store::default();
        store.run("keep cart age 1000; append cart a; delete cart; clean cart 100; wait 60000");
        store.agenda.clean_ups = Points::default();
        assert!(store.agenda.next().are_due(store.entry_clock()));
        assert_eq!(store.due(), None);
        assert!(!store.agenda.next().are_due(store.entry_clock()));
    }

    #[test]
    fn streams_of_one_slot_that_expire_together_are_not_proposed_twice() {
        let mut store = Store::default();
        let all = 3 * EXPIRIES_MAX + EXPIRIES_MAX / 2;
        for at in 0..all {
            store.run(&format!("keep a{at}{{t}} age 1000; append a{at}{{t}} x"));
        }
        store.run("wait 60000");
        let mut agenda = store.agenda.clone();
        let mut streams = BTreeSet::new();
        // None of them is applied in between.
        loop {
            let commands = due(&mut agenda, &store);
            assert_eq!(commands.len(), (all - streams.len()).min(EXPIRIES_MAX));
            if commands.is_empty() {
                break;
            }
            for command in commands {
                let Command::ExpireEvents(expire) = command else { panic!("{command:?}") };
                streams.insert(expire.stream.to_string());
            }
        }
        assert_eq!(streams.len(), all);
    }
    #[test]
    fn what_one_entry_does_is_bounded_however_much_is_due() {
        let store = busy(200);
        let mut limited = limit::tests::Script::default();
        for at in 0..20 {
            limited.run(&format!("set q{at} api{at}; add q{at} a{at}; add q{at} b{at}; claim q{at} 2"));
            limited.run(&format!("throttle a{at} api{at} 50"));
        }
        limited.store.run("wait 90000000");
        let mut commands = due(&mut store.agenda.clone(), &store);
        commands.extend(due(&mut limited.store.agenda.clone(), &limited.store));
        let mut sums = BTreeMap::new();
        for command in commands {
            let (of, at_most) = match command {
                Command::CleanUp(CleanUp { rows_max, .. }) => ("rows to clean up", rows_max),
                Command::ExpireRecords(ExpireRecords { rows_max, .. }) => ("records", rows_max),
                Command::ExpireLeases(ExpireLeases { leases_max, .. }) => ("leases", leases_max),
                Command::ExpireExecutions(ExpireExecutions { executions_max, .. }) => {
                    ("keys", executions_max)
                }
                Command::AdvanceTasks(AdvanceTasks { tasks_max, .. }) => ("tasks", tasks_max),
                Command::AdvanceLimits(AdvanceLimits { keys_max, .. }) => ("limits", keys_max),
                _ => continue,
            };
            *sums.entry(of).or_insert(0) += at_most as usize;
        }
        let bounds = [
            ("keys", limits::ENTRY_OWN_EXECUTIONS_MAX),
            ("leases", limits::ENTRY_OWN_LEASES_MAX),
            ("limits", limits::ADVANCE_LIMITS_MAX),
            ("records", limits::ENTRY_OWN_ROWS_MAX),
            ("rows to clean up", limits::ENTRY_OWN_ROWS_MAX),
            ("tasks", limits::ADVANCE_TASKS_MAX),
        ];
        assert_eq!(sums, bounds.into());
    }

    #[test]
    fn a_key_that_was_completed_before_its_time_was_over_proposes_nothing() {
        let mut store = Store::default();
        store.run("begin pay by a ttl 1000; complete pay with 201; wait 1000");
        assert!(store.agenda.next().are_due(store.entry_clock()));
        assert_eq!(store.due(), None);
    }
}
