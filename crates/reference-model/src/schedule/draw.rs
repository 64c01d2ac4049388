//! Random commands with few schedules and owners, and with ticks a few milliseconds apart, so that ticks often meet
//! unfinished runs, full queues and changes of their schedule. Intervals are the only timing: what a calendar says is for
//! the proposer of a step, and here that is this module.

use super::Schedule;
use crate::Simple;
use crate::queue::draw as queues;
use model::{
    AdvanceSchedule, BackfillOverlap, CatchUp, Command, ControlSchedule, DeleteSchedule, Enqueue,
    Fingerprint, KeyHash, Keyed, Missed, NewTask, NextTick, Overlap, Position, PutSchedule, PutScheduleSet,
    ScheduleAction, ScheduleDefinition, ScheduleName, ScheduleRules, ScheduleStep, Slot, TaskOptions, Timing,
    Wall,
};
use seeded_rng::Rng;

/// Two of them share a slot, also with queues.
pub const NAMES: [&str; 4] = ["nightly", "hourly-{7}", "żółw", "report-{7}"];
const OWNERS: [&str; 2] = ["app", "nightly"];

fn named(name: &'static str) -> ScheduleName<'static> {
    match ScheduleName::new(name) {
        Ok(name) => name,
        Err(error) => unreachable!("{error}"),
    }
}

/// A command that a client sends. Intervals are a few milliseconds.
pub fn command(rng: &mut Rng, model: &Simple) -> Command<'static> {
    command_with(rng, model, 1)
}

/// A command that a client sends. Intervals are a few times `unit_ms`.
pub fn command_with(rng: &mut Rng, model: &Simple, unit_ms: u64) -> Command<'static> {
    let schedule = named(rng.pick(&NAMES));
    match rng.below(20) {
        0..=5 => {
            Command::PutSchedule(PutSchedule { schedule, definition: Box::new(definition(rng, unit_ms)) })
        }
        6 => {
            let mut names: Vec<_> = NAMES.into_iter().filter(|_| rng.one_in(2)).map(named).collect();
            names.sort();
            let put = |schedule| PutSchedule { schedule, definition: Box::new(definition(rng, unit_ms)) };
            let schedules = names.into_iter().map(put).collect();
            Command::PutScheduleSet(PutScheduleSet { owner: named(rng.pick(&OWNERS)), schedules })
        }
        7 => Command::DeleteSchedule(DeleteSchedule { schedule }),
        number => {
            let action = match number {
                8..=9 => ScheduleAction::Pause,
                10..=13 => ScheduleAction::Resume,
                14..=16 => ScheduleAction::Fire,
                _ => backfill(rng, model),
            };
            let keyed = (number >= 14 && rng.one_in(3)).then(|| Keyed {
                key: KeyHash(u128::from(rng.below(4)) << 64 | 6),
                fingerprint: Fingerprint(rng.pick(&[2, 2, 3])),
                slot: Slot(0),
            });
            Command::ControlSchedule(ControlSchedule { keyed, schedule, action })
        }
    }
}

fn backfill(rng: &mut Rng, model: &Simple) -> ScheduleAction {
    let mut ticks: Vec<Wall> =
        (0..rng.below(4)).map(|_| Wall(model.wall.saturating_sub(rng.below(100)))).collect();
    if rng.one_in(10) {
        ticks.push(Wall(model.wall + 600));
    }
    ticks.sort_unstable();
    ticks.dedup();
    let overlap = rng.pick(&[BackfillOverlap::Allow, BackfillOverlap::Skip, BackfillOverlap::Wait]);
    ScheduleAction::Backfill { ticks, overlap }
}

fn definition(rng: &mut Rng, unit_ms: u64) -> ScheduleDefinition<'static> {
    let rules = ScheduleRules {
        timing: Timing::Every(unit_ms * rng.pick(&[7, 20, 20, 300])),
        start: None,
        end: None,
        exclusions: Vec::new(),
        runs_max: rng.one_in(4).then(|| rng.pick(&[1, 3, 6])),
        jitter_ms: unit_ms * rng.pick(&[0, 0, 30]),
        catch_up: rng.pick(&[CatchUp::One, CatchUp::Skip, CatchUp::All(2)]),
        late_ms: unit_ms * rng.pick(&[0, 25, 400]),
        overlap: rng.pick(&[Overlap::Allow, Overlap::Skip, Overlap::BufferOne, Overlap::CancelOther]),
        pause_on_failure: rng.one_in(4),
    };
    let queue = queues::name(rng.index(queues::NAMES.len()));
    let task = NewTask {
        id: None,
        fingerprint: Fingerprint(u128::from(rng.below(2))),
        task_type: "send".into(),
        run_after: None,
        priority: 5,
        key: rng.one_in(3).then(|| "key-1".into()),
        claim_ms: None,
        retry: None,
        envelope: b"\"type\":\"send\"".to_vec().into(),
        options: TaskOptions::default(),
    };
    ScheduleDefinition { rules, enqueue: Enqueue { keyed: None, queue, tasks: vec![task] } }
}

/// A command that a node proposes on its own, or one that no node would propose.
pub fn own_command(rng: &mut Rng, model: &Simple) -> Command<'static> {
    let at = rng.index(NAMES.len());
    let Some(at) = model.schedule(NAMES[at]) else {
        let (schedule, generation) = (named(NAMES[at]), Position(rng.below(1 << 20)));
        return Command::AdvanceSchedule(AdvanceSchedule { schedule, generation, step: None });
    };
    let schedule = &model.schedules[at];
    let catch_up = rng.pick(&[CatchUp::One, CatchUp::Skip, CatchUp::All(2)]);
    let mut step = step(schedule, catch_up, model.wall);
    if rng.one_in(3)
        && let Some(step) = &mut step
    {
        spoil(rng, step);
    }
    let earlier = rng.one_in(20).then(|| Position(schedule.generation - 1));
    Command::AdvanceSchedule(AdvanceSchedule {
        schedule: named(NAMES[NAMES.iter().position(|name| *name == schedule.name).unwrap_or_default()]),
        generation: earlier.unwrap_or(Position(schedule.generation)),
        step,
    })
}

fn spoil(rng: &mut Rng, step: &mut ScheduleStep<'static>) {
    let moved = |rng: &mut Rng, wall: Wall| Wall(wall.0 + rng.below(30) - 10.min(wall.0));
    match rng.below(6) {
        // The tick is skipped instead, whether it is late or not.
        5 => {
            if let Some(tick) = step.tick.take() {
                step.missed = Some(Missed { ticks: 1, last: tick });
            }
        }
        0 => step.after = moved(rng, step.after),
        1 => step.tick = step.tick.map(|tick| moved(rng, tick)),
        2 => step.missed = Some(Missed { ticks: rng.below(3), last: moved(rng, step.after) }),
        3 => step.tick = None,
        _ => {
            step.next = match rng.below(3) {
                0 => NextTick::Unknown,
                1 => NextTick::Never,
                _ => NextTick::At(step.after),
            }
        }
    }
}

/// The step that a node would propose at `now`; `None` if the schedule has no tick then.
#[must_use]
pub fn step(schedule: &Schedule, catch_up: CatchUp, now: u64) -> Option<ScheduleStep<'static>> {
    let definition = &schedule.definition;
    let put = schedule.generation >> 16;
    let next = |after: u64| {
        NextTick::At(Wall(put + ((after - put) / definition.every_ms + 1) * definition.every_ms))
    };
    let after = Wall(schedule.after);
    let first = match schedule.next {
        NextTick::Unknown => {
            return Some(ScheduleStep {
                after,
                missed: None,
                tick: None,
                next: next(schedule.after.max(put)),
            });
        }
        NextTick::At(first) => first.0,
        NextTick::Never | NextTick::Broken(_) => return None,
    };
    if first + definition.offset_ms > now {
        return None;
    }
    let mut late = Vec::new();
    let mut tick = first;
    while tick + definition.offset_ms + definition.late_ms < now {
        late.push(tick);
        tick += definition.every_ms;
    }
    let keep = match catch_up {
        CatchUp::Skip => 0,
        CatchUp::One => 1,
        CatchUp::All(ticks) => ticks as usize,
    };
    if late.len() <= keep || schedule.held.is_some() {
        return Some(ScheduleStep { after, missed: None, tick: Some(Wall(first)), next: next(first) });
    }
    let (skipped, kept) = late.split_at(late.len() - keep);
    let last = skipped[skipped.len() - 1];
    let tick = kept.first().copied();
    let missed = Some(Missed { ticks: skipped.len() as u64, last: Wall(last) });
    Some(ScheduleStep { after, missed, tick: tick.map(Wall), next: next(tick.unwrap_or(last)) })
}
