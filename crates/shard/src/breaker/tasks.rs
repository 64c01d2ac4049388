//! A queue's breaker: which of its tasks may begin, and what becomes of them.
//!
//! *While the breaker is open, its tasks wait, and spend no attempts. When its time is over, as many tasks begin as probes
//! may run. When it has closed, one task more may run than have ended since, so that their number doubles again and again,
//! until the ramp is over and all may run.* A task that is completed counts as a success, and one that fails or loses its
//! worker as a failure. One that is given back or cancelled says nothing.
//!
//! The probe of a task lasts as long as its claim, because a claim always ends: its worker settles it, or is lost.

use super::{Breaker, Change, time};
use crate::limit::key::LimitKey;
use crate::overlay::Overlay;
use crate::queue::task::Task;
use alloc::string::String;
use core::time::Duration;
use format::row::{BreakerMode, Gate};
use mainstay_resilience::Decide;
use model::{
    BreakerDecision, BreakerForced, BreakerName, BreakerPermit, BreakerRecord, CallOutcome, Elapsed, View,
    ViewError, breaker_gate, gate_breaker,
};

/// Longer than any claim lasts without a heartbeat.
const CLAIM: Duration = Duration::from_hours(24 * 366);

/// How many tasks may begin now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Begins {
    UpTo(u64),
    /// None before this time, unless something is recorded before; `None` if time does not change that.
    NoneUntil(Option<Elapsed>),
}

impl Breaker {
    /// How many tasks may begin now, when this many run.
    pub(crate) fn begins(&self, running: u64, now: Elapsed) -> Begins {
        let (state, settings) = (&self.row.state, self.settings());
        let all = u64::from(settings.probes.max(1));
        let at_once = u64::from(settings.probes_at_once).clamp(1, all);
        match (state.forced, state.mode) {
            (BreakerForced::Open, _) => Begins::NoneUntil(None),
            (BreakerForced::Closed, _) | (BreakerForced::No, BreakerMode::Closed) => Begins::UpTo(u64::MAX),
            (BreakerForced::No, BreakerMode::Ramp) => {
                let end = Elapsed(millis(state.since).saturating_add(settings.ramp_ms));
                let may_run = self.config.snapshot(&self.state, time(now)).window.calls.saturating_add(1);
                match may_run.checked_sub(running) {
                    _ if now >= end => Begins::UpTo(u64::MAX),
                    None | Some(0) => Begins::NoneUntil(Some(end)),
                    Some(more) => Begins::UpTo(more),
                }
            }
            (BreakerForced::No, BreakerMode::Open(until)) if now.0 < millis(until) => {
                Begins::NoneUntil(Some(Elapsed(millis(until))))
            }
            (BreakerForced::No, BreakerMode::Open(_)) => Begins::UpTo(at_once),
            (BreakerForced::No, BreakerMode::HalfOpen) => {
                let probes =
                    state.probes.iter().map(|(_, until)| millis(*until)).filter(|until| now.0 < *until);
                let first = probes.clone().min();
                let under_way = probes.count() as u64;
                let settled = u64::from(state.probes_succeeded.saturating_add(state.probes_failed));
                let settled = if under_way == 0 && settled >= all { 0 } else { settled };
                let free = at_once.saturating_sub(under_way);
                match free.min(all.saturating_sub(under_way).saturating_sub(settled)) {
                    0 => Begins::NoneUntil(first.map(Elapsed)),
                    free => Begins::UpTo(free),
                }
            }
        }
    }
}

const fn millis(nanos: u64) -> u64 {
    nanos.div_ceil(1_000_000)
}

/// A task of the breaker with this name begins to run. Returns the generation, and the number of its probe or 0.
pub(crate) fn begin<V: View>(name: &str, overlay: &mut Overlay<'_, '_, V>) -> Result<(u32, u32), ViewError> {
    let mut breaker = Breaker::load(name, overlay)?;
    breaker.config = breaker.config.clone().probe_for(CLAIM);
    // The number draws no rejection: how many tasks may begin is decided already.
    match breaker.ask(overlay.shard.elapsed, 0) {
        BreakerDecision::Admitted { generation, probe } => {
            if probe != 0 {
                breaker.save(Change::Told, overlay)?;
            }
            Ok((generation, probe))
        }
        BreakerDecision::Rejected { .. } => Ok((breaker.state.generation(), 0)),
    }
}

/// Records how the attempt of a running task has ended, if a breaker has admitted it. The caller takes the task away from
/// its gates after that, which lets others go on.
pub(crate) fn end<V: View>(
    task: &mut Task,
    worker: &str,
    outcome: CallOutcome<'_>,
    overlay: &mut Overlay<'_, '_, V>,
) -> Result<(), ViewError> {
    let Some((generation, probe)) = task.row.call.take() else { return Ok(()) };
    let Some(name) = task.gates().iter().find_map(|gate| gate_breaker(&gate.limit)) else { return Ok(()) };
    let mut breaker = Breaker::load(name, overlay)?;
    let Ok(of) = BreakerName::new(name) else { return Ok(()) };
    let permit = BreakerPermit::new(&of, generation, probe, 0);
    let record = BreakerRecord { permit, worker: worker.into(), outcome };
    if breaker.record(&record, overlay.shard.elapsed, overlay.shard.wall) {
        breaker.save(Change::Quiet, overlay)?;
    }
    Ok(())
}

/// Tasks that wait for the breaker may go on: something else than a task has changed it.
pub(crate) fn let_go_on<V: View>(name: &str, overlay: &mut Overlay<'_, '_, V>) -> Result<(), ViewError> {
    let gate = gate(name);
    if LimitKey::of(&gate, overlay)?.row.waiting > 0 {
        overlay.freed(&gate);
    }
    Ok(())
}

/// What stands for a breaker among the gates of a task.
pub(crate) fn gate(name: &str) -> Gate {
    Gate { limit: breaker_gate(name), key: String::new(), cost: 1 }
}
