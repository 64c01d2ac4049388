//! What a schedule that is due does next.
//!
//! ```text
//!   missed ticks, too late ─────────────┐  ticks that are due in time      now
//!   │ skipped, and counted │ caught up  │  │                              │
//!   ───┴───┴───┴───┴───┴───┴────┴────┴───────┴────────────────────────────┼──────┴──── next
//! ```
//!
//! One step lets one tick happen. The node takes the next step when that one is applied.

use crate::ticks::Calendar;
use model::{CatchUp, Missed, NextTick, ScheduleRules, ScheduleStep, Wall, limits};
use std::borrow::Cow;
use std::collections::VecDeque;

/// How far a schedule has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// When it was put.
    pub put: Wall,
    /// All ticks up to this time have happened or were skipped.
    pub after: Wall,
    /// The next tick, if it is known.
    pub next: Option<Wall>,
    /// That tick has tried to happen. It is not skipped any more, however late it is.
    pub held: Option<Wall>,
    /// By how much later each tick happens.
    pub offset_ms: u64,
}

/// The step of a schedule that has more ticks or may have some; `None` if nothing is due.
#[must_use]
pub fn step(rules: &ScheduleRules<'_>, standing: &Standing, now: Wall) -> Option<ScheduleStep<'static>> {
    let calendar = Calendar::new(rules, standing.put);
    let following = |after: Wall| match &calendar {
        Ok(calendar) => calendar.next(after).map_or(NextTick::Never, NextTick::At),
        Err(error) => NextTick::Broken(Cow::Owned(error.to_string())),
    };
    let Some(first) = standing.next else {
        let next = following(standing.after);
        return Some(ScheduleStep { after: standing.after, missed: None, tick: None, next });
    };
    let happens = |tick: Wall| tick.0.saturating_add(standing.offset_ms);
    if happens(first) > now.0 {
        return None;
    }
    let is_late = |tick: Wall| happens(tick).saturating_add(rules.late_ms) < now.0;
    if standing.held.is_some() || !is_late(first) {
        let next = following(first);
        return Some(ScheduleStep { after: standing.after, missed: None, tick: Some(first), next });
    }
    Some(catch_up(rules.catch_up, standing.after, first, is_late, following))
}

/// Skips missed ticks, a bounded number of them, and lets the first of those happen that are caught up.
fn catch_up(
    rule: CatchUp,
    after: Wall,
    first: Wall,
    is_late: impl Fn(Wall) -> bool,
    following: impl Fn(Wall) -> NextTick<'static>,
) -> ScheduleStep<'static> {
    let keep = match rule {
        CatchUp::Skip => 0,
        CatchUp::One => 1,
        CatchUp::All(ticks) => ticks.min(limits::SCHEDULE_CATCH_UP_MAX) as usize,
    };
    let mut kept = VecDeque::from([first]);
    let mut missed: Option<Missed> = None;
    let mut last = first;
    let mut rest = NextTick::Unknown;
    for _ in 0..limits::SCHEDULE_STEP_TICKS_MAX {
        if kept.len() > keep
            && let Some(skipped) = kept.pop_front()
        {
            missed = Some(Missed { ticks: missed.map_or(0, |missed| missed.ticks) + 1, last: skipped });
        }
        rest = following(last);
        match rest {
            NextTick::At(tick) if is_late(tick) => {
                kept.push_back(tick);
                last = tick;
            }
            _ => break,
        }
    }
    let is_all = !matches!(rest, NextTick::At(tick) if is_late(tick));
    // If there are more missed ticks than one step looks at, it is too early to say which are caught up.
    let tick = if is_all { kept.pop_front() } else { None };
    let next = kept.front().map_or(rest, |tick| NextTick::At(*tick));
    ScheduleStep { after, missed, tick, next }
}
