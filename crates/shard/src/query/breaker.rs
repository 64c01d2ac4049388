//! Reads of breakers: how one is, whether it admits a call, and the list of them.

use super::names::{Part, checked, list};
use crate::breaker::{Breaker, tally, time};
use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;
use format::row::{BreakerFailure, BreakerTally, BreakerWorker, NamedRows, breaker_key};
use mainstay_resilience::breaker::Snapshot;
use mainstay_resilience::{Decide, Time};
use model::{
    BreakerCircuit, BreakerDecision, BreakerForced, BreakerName, BreakerSettings, Elapsed, Namespace, Slot,
    View, ViewError, Wall,
};

/// A worker is shown as failing from this many calls on, if at least half of them failed.
const WORKER_CALLS_MIN: u32 = 5;

/// Everything about one breaker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BreakerView {
    pub settings: BreakerSettings,
    pub circuit: BreakerCircuit,
    pub forced: BreakerForced,
    /// The share of calls that is admitted; 0 while it is open or half-open.
    pub admitted_percent: u8,
    /// How long until a probe may start, while it is open.
    pub open_ms: Option<u64>,
    /// Transitions so far.
    pub generation: u32,
    /// When the last one was.
    pub changed: Wall,
    /// How often it has opened by itself.
    pub opened: u64,
    /// What the window holds.
    pub calls: u64,
    pub failures: u64,
    pub slow: u64,
    pub consecutive_failures: u32,
    pub probes: u32,
    /// When the first of the probes is given up.
    pub probe_ms: Option<u64>,
    pub workers: Vec<WorkerView>,
    pub failure: Option<FailedCall>,
}

/// A worker that has recorded outcomes of late.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkerView {
    pub name: String,
    /// Of its last calls.
    pub calls: u32,
    pub failures: u32,
    /// It fails where others succeed: the fault is more likely its own than that of what is called.
    pub is_suspect: bool,
}

/// The last failure that counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedCall {
    pub class: String,
    pub worker: String,
    pub at: Wall,
}

/// Whether a call is admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PermitRead {
    /// Nothing has to be changed for this decision.
    Decided(BreakerDecision),
    /// A probe may be free: propose [`model::AskBreaker`].
    Ask,
}

/// The key of a breaker's row, which the node notifies of when it changes.
#[must_use]
pub fn breaker_row_key(name: &BreakerName<'_>) -> Vec<u8> {
    breaker_key(name.slot(Namespace::ROOT), name.as_str())
}

/// Decides whether a call is admitted at `now`, without changing anything. `random` draws the calls that a recovering
/// breaker admits.
///
/// # Errors
/// [`ViewError`].
pub fn breaker_permit(
    view: &impl View,
    name: &BreakerName<'_>,
    now: Elapsed,
    random: u64,
) -> Result<PermitRead, ViewError> {
    let decision = Breaker::load(name.as_str(), view)?.ask(now, random);
    Ok(match decision {
        BreakerDecision::Admitted { probe, .. } if probe != 0 => PermitRead::Ask,
        decision => PermitRead::Decided(decision),
    })
}

/// Reads one breaker as of `now`. One that has never been used is closed, and has the default settings.
///
/// # Errors
/// [`ViewError`].
pub fn breaker(view: &impl View, name: &BreakerName<'_>, now: Elapsed) -> Result<BreakerView, ViewError> {
    let breaker = Breaker::load(name.as_str(), view)?;
    let now = time(now);
    let Snapshot { admitted_percent, open_until, window, consecutive_failures, probes_under_way, .. } =
        breaker.config.snapshot(&breaker.state, now);
    let left_ms = |until: Time| {
        let ms = until.since(now).as_nanos().div_ceil(1_000_000);
        Some(u64::try_from(ms).unwrap_or(u64::MAX)).filter(|ms| *ms > 0)
    };
    let probes = breaker.row.state.probes.iter();
    let probe_ms = probes.filter_map(|(_, until)| left_ms(Time::from_nanos(*until))).min();
    let (settings, circuit) = (breaker.settings(), breaker.circuit());
    let row = breaker.row;
    Ok(BreakerView {
        settings,
        circuit,
        forced: row.state.forced,
        admitted_percent,
        open_ms: open_until.and_then(left_ms),
        generation: row.state.generation,
        changed: row.changed,
        opened: row.opened,
        calls: window.calls,
        failures: window.failures,
        slow: window.slow,
        consecutive_failures,
        probes: probes_under_way,
        probe_ms,
        workers: workers(&row.workers),
        failure: row.failure.map(|BreakerFailure { class, worker, at }| FailedCall { class, worker, at }),
    })
}

/// Those that have recorded last, in the order of their names.
fn workers(rows: &[BreakerWorker]) -> Vec<WorkerView> {
    let sum = |part: fn(&BreakerWorker) -> u32| rows.iter().map(|row| u64::from(part(row))).sum::<u64>();
    let (calls, failures) = (sum(|row| row.calls), sum(|row| row.failures));
    let view = |row: &BreakerWorker| {
        let others = (calls - u64::from(row.calls), failures - u64::from(row.failures));
        let fails = row.calls >= WORKER_CALLS_MIN && row.failures >= row.calls.div_ceil(2);
        let others_succeed = others.0 >= u64::from(WORKER_CALLS_MIN) && others.1 * 10 <= others.0;
        WorkerView {
            name: row.name.clone(),
            calls: row.calls,
            failures: row.failures,
            is_suspect: fails && others_succeed,
        }
    };
    let mut workers: Vec<WorkerView> = rows.iter().map(view).collect();
    workers.sort_by(|one, other| one.name.cmp(&other.name));
    workers
}

/// How many breakers there are, by state. `first` is the shard's first slot.
///
/// # Errors
/// [`ViewError`].
pub fn breaker_tally(view: &impl View, first: Slot) -> Result<BreakerTally, ViewError> {
    tally(first, view)
}

/// Names of breakers after `after` in the order of slots and names, at most `limit`.
///
/// # Errors
/// [`ViewError`].
pub fn breakers(
    view: &impl View,
    after: Option<&BreakerName<'_>>,
    limit: usize,
) -> Result<Vec<BreakerName<'static>>, ViewError> {
    let after = after.map(|name| (name.slot(Namespace::ROOT), name.as_str()));
    let part = Part { after, limit, rows_max: usize::MAX };
    let found = list(view, NamedRows::BREAKERS, part, |name, _| Ok(Some(name.to_owned())))?;
    found.items.into_iter().map(|name| checked(BreakerName::new(name))).collect()
}
