//! What readers see of schedules, and their rows.

use crate::rows::Kinds;
use format::row::{ScheduleTally, ScheduleTimerKey};
use model::limits::SCHEDULE_RUNS_KEPT;
use model::{Key, NextTick, Position, ScheduleName, Slot, Value, Wall};
use reference_model::Simple;
use reference_model::schedule::draw::NAMES;
use shard::query;
use std::collections::{BTreeMap, BTreeSet};

/// Compares all schedules with the model.
pub(crate) fn compare(model: &Simple, rows: &BTreeMap<Key, Value>, kinds: &Kinds<'_>) {
    let mut timers = BTreeSet::new();
    for name in NAMES {
        let found = query::schedule(rows, &ScheduleName::new(name).unwrap()).unwrap();
        let ours = model.schedule(name).map(|at| &model.schedules[at]);
        assert_eq!(found.is_some(), ours.is_some(), "{name}");
        let (Some(found), Some(ours)) = (found, ours) else { continue };
        let row = found.row;
        assert_eq!((row.generation.0, &row.owner, row.paused), (ours.generation, &ours.owner, ours.paused));
        assert_eq!((row.after.0, &row.next, row.ticks), (ours.after, &ours.next, ours.ticks), "{name}");
        assert_eq!(row.held.map(|held| held.retry.0), ours.held, "{name}");
        let runs: Vec<_> = ours.runs[ours.runs.len().saturating_sub(SCHEDULE_RUNS_KEPT)..].to_vec();
        assert_eq!(row.runs, runs, "{name}");
        let waiting: Vec<_> = ours.waiting.iter().map(|(tick, cause)| (Wall(*tick), *cause)).collect();
        assert_eq!(row.waiting, waiting, "{name}");
        let counts = ours.counts;
        let ours_counted = (counts.runs, counts.missed, counts.overlapped, counts.dropped, counts.conflicts);
        let totals = row.totals;
        assert_eq!(
            (totals.runs, totals.missed, totals.overlapped, totals.dropped, totals.conflicts),
            ours_counted,
            "{name}"
        );
        let queue = &model.queues.all[ours.definition.queue];
        let states: Vec<_> =
            runs.iter().map(|run| queue.find_position(run.task.0).map(|task| task.state.name())).collect();
        assert_eq!(found.runs, states, "{name}");
        // Each has one timer, which comes no later than what is due.
        let due = model.schedule_due(ours);
        assert!(due.is_none_or(|due| row.due.is_some_and(|timer| timer.0 <= due)), "{row:?} but {due:?}");
        timers.extend(row.due.map(|due| {
            ScheduleTimerKey { slot: Slot(ours.slot), due, generation: row.generation }.encode().to_vec()
        }));
    }
    assert_eq!(kinds.keys(137), timers, "timers");
    assert_eq!((kinds.count(23), kinds.count(24)), (model.schedules.len(), model.schedules.len()));
    compare_tally(model, &query::schedule_tally(rows, Slot(0)).unwrap());
    compare_list(model, rows);
}

fn compare_tally(model: &Simple, tally: &ScheduleTally) {
    let count = |is: fn(&reference_model::schedule::Schedule) -> bool| {
        model.schedules.iter().filter(|schedule| is(schedule)).count() as u64
    };
    assert_eq!(tally.schedules, count(|_| true));
    assert_eq!(tally.paused, count(|schedule| schedule.paused.is_some()));
    assert_eq!(tally.broken, count(|schedule| matches!(schedule.next, NextTick::Broken(_))));
    assert_eq!(tally.held, count(|schedule| schedule.held.is_some()));
    // Those of schedules that were deleted count too.
    let runs: u64 = model.schedules.iter().map(|schedule| schedule.counts.runs).sum();
    assert!(tally.runs >= runs);
}

fn compare_list(model: &Simple, rows: &BTreeMap<Key, Value>) {
    let mut ours: Vec<(u16, &str)> =
        model.schedules.iter().map(|schedule| (schedule.slot, &schedule.name[..])).collect();
    ours.sort_unstable();
    let mut listed = Vec::new();
    let mut after = None;
    loop {
        let page = query::schedules(rows, after.as_ref(), 2).unwrap();
        let Some((last, _)) = page.last() else { break };
        after = Some(last.clone());
        listed.extend(page.into_iter().map(|(name, row)| (name, row.generation)));
    }
    let found: Vec<_> = listed.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(found, ours.iter().map(|(_, name)| *name).collect::<Vec<_>>());
    assert!(listed.iter().all(|(_, generation)| *generation > Position::ZERO));
}
