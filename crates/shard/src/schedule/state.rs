//! A schedule during one command.

use crate::damage::{bad_row, contradiction};
use crate::overlay::Overlay;
use alloc::string::ToString;
use alloc::vec::Vec;
use format::row::{
    ScheduleRow, ScheduleTally, ScheduleTimerKey, ScheduleTotals, schedule_definition_key, schedule_key,
    schedule_tally_key,
};
use model::{Namespace, NextTick, Position, ScheduleName, Slot, Timer, View, ViewError, Wall};

/// A schedule with its row, as it was and as it is now.
#[derive(Debug)]
pub(crate) struct Schedule<'n> {
    pub(crate) name: ScheduleName<'n>,
    pub(crate) row: ScheduleRow,
    /// The row before this command, if there was one.
    before: Option<ScheduleRow>,
}

impl<'n> Schedule<'n> {
    pub(crate) fn load(name: &ScheduleName<'n>, view: &impl View) -> Result<Option<Self>, ViewError> {
        let Some(row) = load_row(name, view)? else { return Ok(None) };
        Ok(Some(Self { name: name.clone(), before: Some(row.clone()), row }))
    }

    /// A schedule that begins now.
    pub(crate) fn new(name: &ScheduleName<'n>, generation: Position, now: Wall) -> Self {
        let row = ScheduleRow {
            generation,
            owner: None,
            paused: None,
            offset_ms: 0,
            after: now,
            next: NextTick::Unknown,
            held: None,
            ticks: 0,
            runs: Vec::new(),
            queue: alloc::string::String::new(),
            waiting: Vec::new(),
            wake: false,
            totals: ScheduleTotals::default(),
            due: None,
        };
        Self { name: name.clone(), row, before: None }
    }

    /// Whether it was there before this command.
    pub(crate) fn is_known(&self) -> bool {
        self.before.is_some()
    }

    pub(crate) fn slot(&self) -> Slot {
        self.name.slot(Namespace::ROOT)
    }

    /// Stores the schedule and sets its timer.
    pub(crate) fn save<V: View>(mut self, overlay: &mut Overlay<'_, '_, V>) -> Result<(), ViewError> {
        self.set_timer(overlay);
        if self.before.as_ref() == Some(&self.row) {
            return Ok(());
        }
        overlay.put(schedule_key(self.slot(), self.name.as_str()), self.row.encode());
        let (before, now) = (self.before.as_ref(), Some(&self.row));
        count(before, now, overlay)
    }

    /// Leaves the schedule as it was.
    pub(crate) fn forget<V: View>(self, overlay: &mut Overlay<'_, '_, V>) {
        if let Some(before) = &self.before {
            overlay.put(schedule_key(self.slot(), self.name.as_str()), before.encode());
        }
    }

    /// Deletes the schedule and its timer.
    pub(crate) fn delete<V: View>(self, overlay: &mut Overlay<'_, '_, V>) -> Result<(), ViewError> {
        let (slot, name) = (self.slot(), self.name.as_str());
        overlay.delete(schedule_key(slot, name));
        overlay.delete(schedule_definition_key(slot, name));
        if let Some(before) = &self.before {
            clear_timer(slot, before, overlay);
        }
        count(self.before.as_ref(), None, overlay)
    }

    /// Runs something that may end tasks of this schedule, and so change its row.
    pub(crate) fn while_stored<V: View, T>(
        &mut self,
        overlay: &mut Overlay<'_, '_, V>,
        run: impl FnOnce(&mut Overlay<'_, '_, V>) -> Result<T, ViewError>,
    ) -> Result<T, ViewError> {
        overlay.put(schedule_key(self.slot(), self.name.as_str()), self.row.encode());
        let result = run(overlay)?;
        let row = load_row(&self.name, overlay)?;
        let row = row.ok_or_else(|| contradiction("a schedule was deleted by its own run"))?;
        if row != self.row {
            // That change has been counted, and has set the timer, so this command goes on from there.
            count(self.before.as_ref(), Some(&self.row), overlay)?;
            self.before = Some(row.clone());
            self.row = row;
        }
        Ok(result)
    }

    /// When something is due for the schedule.
    fn due(&self, now: Wall) -> Option<Wall> {
        if self.row.paused.is_some() {
            return None;
        }
        let next = match &self.row.next {
            NextTick::Unknown => Some(self.row.after),
            NextTick::At(tick) => Some(self.happens(*tick)),
            NextTick::Never | NextTick::Broken(_) => None,
        };
        let waiting = (self.row.wake && !self.row.waiting.is_empty()).then_some(now);
        let due = next.into_iter().chain(waiting).min()?;
        Some(self.row.held.map_or(due, |held| due.max(held.retry)))
    }

    /// When a tick happens.
    pub(crate) fn happens(&self, tick: Wall) -> Wall {
        Wall(tick.0.saturating_add(self.row.offset_ms))
    }

    fn set_timer<V: View>(&mut self, overlay: &mut Overlay<'_, '_, V>) {
        let (slot, now) = (self.slot(), overlay.shard.wall);
        self.row.due = self.due(now);
        let timer = |row: &ScheduleRow| (row.due, row.generation);
        let is_set = self.before.as_ref().map(timer) == Some(timer(&self.row));
        if !is_set && let Some(before) = &self.before {
            clear_timer(slot, before, overlay);
        }
        let Some(due) = self.row.due else { return };
        if !is_set {
            let timer = ScheduleTimerKey { slot, due, generation: self.row.generation };
            overlay.put(timer.encode(), self.name.to_string().into_bytes());
        }
        // What the node has proposed may have changed nothing, and then it must look again.
        if !is_set || due <= now {
            overlay.set_timer(slot, Timer::Schedules(due));
        }
    }
}

fn clear_timer<V: View>(slot: Slot, row: &ScheduleRow, overlay: &mut Overlay<'_, '_, V>) {
    if let Some(due) = row.due {
        overlay.delete(ScheduleTimerKey { slot, due, generation: row.generation }.encode());
    }
}

pub(crate) fn load_row(name: &ScheduleName<'_>, view: &impl View) -> Result<Option<ScheduleRow>, ViewError> {
    let slot = name.slot(Namespace::ROOT);
    let Some(value) = view.get(&schedule_key(slot, name.as_str()))? else { return Ok(None) };
    ScheduleRow::decode(&value).map(Some).map_err(|error| bad_row("schedule row", error))
}

/// The bytes of what a client has put.
pub(crate) fn definition(name: &ScheduleName<'_>, view: &impl View) -> Result<Vec<u8>, ViewError> {
    let key = schedule_definition_key(name.slot(Namespace::ROOT), name.as_str());
    view.get(&key)?.ok_or_else(|| contradiction("a schedule has no definition"))
}

/// The counts of all schedules of the shard whose first slot this is.
pub(crate) fn tally(first: Slot, view: &impl View) -> Result<ScheduleTally, ViewError> {
    match view.get(&schedule_tally_key(first))? {
        None => Ok(ScheduleTally::default()),
        Some(value) => ScheduleTally::decode(&value).map_err(|error| bad_row("count of schedules", error)),
    }
}

/// Counts a change of one schedule.
fn count<V: View>(
    before: Option<&ScheduleRow>,
    now: Option<&ScheduleRow>,
    overlay: &mut Overlay<'_, '_, V>,
) -> Result<(), ViewError> {
    let first = overlay.first_slot();
    let old = tally(first, overlay)?;
    let mut new = old;
    let is = |row: Option<&ScheduleRow>, test: fn(&ScheduleRow) -> bool| u64::from(row.is_some_and(test));
    let moved = |total: &mut u64, test: fn(&ScheduleRow) -> bool| {
        *total = (*total + is(now, test)).saturating_sub(is(before, test));
    };
    moved(&mut new.schedules, |_| true);
    moved(&mut new.paused, |row| row.paused.is_some());
    moved(&mut new.broken, |row| matches!(row.next, NextTick::Broken(_)));
    moved(&mut new.held, |row| row.held.is_some());
    if let Some(now) = now {
        let (runs, skipped) = before.map_or((0, 0), |before| (before.totals.runs, skipped(&before.totals)));
        new.runs += now.totals.runs.saturating_sub(runs);
        new.skipped += skipped_since(&now.totals, skipped);
    }
    if new != old {
        overlay.put(schedule_tally_key(first), new.encode());
    }
    Ok(())
}

/// All ticks that enqueued nothing.
pub(crate) fn skipped(totals: &ScheduleTotals) -> u64 {
    totals.missed + totals.overlapped + totals.dropped + totals.conflicts
}

fn skipped_since(totals: &ScheduleTotals, before: u64) -> u64 {
    skipped(totals).saturating_sub(before)
}
