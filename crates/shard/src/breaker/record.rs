//! Record the outcomes of calls.
//!
//! *Each permit's outcome counts once. It counts only while the breaker is as it was when the call was admitted: what
//! was under way before a trip decides nothing after it.* A failure of a class that the settings ignore counts
//! neither as a failure nor as a success. A success that took as long as the settings say counts as slow: a share of
//! these trips the breaker too, and a slow probe has failed. If the settings ask for failures of several workers,
//! those of one alone do not trip the breaker, however many they are.

use super::recent::Recent;
use super::{Breaker, Change, tasks, time};
use crate::overlay::Overlay;
use alloc::borrow::ToOwned;
use format::row::{BreakerFailure, BreakerRow, BreakerWorker};
use mainstay_resilience::breaker::{Circuit, Ticket};
use mainstay_resilience::{Decide, Input, Outcome as Call, Recorded};
use model::{
    BreakerRecord, BreakerRecorded, CallOutcome, Elapsed, Outcome, RecordBreaker, View, ViewError, Wall,
    breaker_source, limits,
};

/// Decides the command.
pub(crate) fn apply<V: View>(
    record: &RecordBreaker<'_>,
    overlay: &mut Overlay<'_, '_, V>,
) -> Result<Outcome, ViewError> {
    let name = record.breaker.as_str();
    let mut breaker = Breaker::load(name, overlay)?;
    let mut recent = Recent::default();
    let mut recorded = BreakerRecorded::default();
    for one in &record.records {
        if !one.permit.is_of(&record.breaker) {
            recorded.stale += 1;
        } else if recent.contains(name, one.permit.nonce, overlay)? {
            recorded.replayed += 1;
        } else if breaker.record(one, overlay.shard.elapsed, overlay.shard.wall) {
            recent.insert(one.permit.nonce);
            recorded.counted += 1;
        } else {
            recorded.stale += 1;
        }
    }
    recorded.circuit = breaker.circuit();
    if recorded.counted > 0 {
        recent.save(name, overlay);
        breaker.save(Change::Quiet, overlay)?;
        tasks::let_go_on(name, overlay)?;
    }
    Ok(Outcome::BreakerRecorded(recorded))
}

impl Breaker {
    /// Counts the outcome of a call. Returns false if it is stale.
    pub(super) fn record(&mut self, record: &BreakerRecord<'_>, now: Elapsed, wall: Wall) -> bool {
        let call = self.call(&record.outcome);
        let BreakerRecord { permit, worker, .. } = record;
        let ticket = Ticket::from_parts(permit.generation, permit.probe, breaker_source(worker));
        match self.config.tell(&mut self.state, Input::at(time(now)), ticket, call, 1) {
            Recorded::Stale => return false,
            Recorded::Changed(transition) if transition.to == Circuit::Open => self.row.opened += 1,
            Recorded::Changed(_) | Recorded::Counted => {}
        }
        if call != Call::Neutral && !worker.is_empty() {
            note_worker(&mut self.row, worker, call, now);
        }
        if let (Call::Failure, CallOutcome::Failed { class }) = (call, &record.outcome) {
            let (class, worker) = ((**class).to_owned(), (**worker).to_owned());
            self.row.failure = Some(BreakerFailure { class, worker, at: wall });
        }
        true
    }

    fn call(&self, outcome: &CallOutcome<'_>) -> Call {
        let ignored = self.row.settings.iter().flat_map(|settings| &settings.ignore);
        let slow = self.row.settings.as_ref().and_then(|settings| settings.slow);
        match outcome {
            CallOutcome::Ok => Call::Success,
            CallOutcome::OkIn { took_ms } if slow.is_some_and(|slow| *took_ms >= slow.after_ms) => Call::Slow,
            CallOutcome::OkIn { .. } => Call::Success,
            CallOutcome::Failed { class } if ignored.into_iter().any(|other| other == class) => Call::Neutral,
            CallOutcome::Failed { .. } => Call::Failure,
            CallOutcome::Ignored => Call::Neutral,
        }
    }
}

/// Counts a call of a worker. The one that has been silent for longest makes way for a new one.
fn note_worker(row: &mut BreakerRow, name: &str, call: Call, now: Elapsed) {
    let at = row.workers.iter().position(|worker| worker.name == name).unwrap_or_else(|| {
        if row.workers.len() >= limits::BREAKER_WORKERS_KEPT {
            let silent = row.workers.iter().enumerate().min_by_key(|(_, worker)| worker.last);
            if let Some(at) = silent.map(|(at, _)| at) {
                row.workers.remove(at);
            }
        }
        row.workers.push(BreakerWorker { name: name.to_owned(), calls: 0, failures: 0, last: now });
        row.workers.len() - 1
    });
    let Some(worker) = row.workers.get_mut(at) else { return };
    if worker.calls >= limits::BREAKER_WORKER_CALLS {
        worker.calls /= 2;
        worker.failures /= 2;
    }
    worker.calls += 1;
    worker.failures += u32::from(call == Call::Failure);
    worker.last = now;
}
