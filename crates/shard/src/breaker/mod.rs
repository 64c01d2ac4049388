//! Shared circuit breakers: one state for all workers, decided by `mainstay-resilience`.
//!
//! ```text
//!   permit: a read ──► closed: admitted            record: a command ──► counts in the window, may trip
//!             │  └───► open: rejected                       └──► of a probe: closes or opens again
//!             └──────► a probe may be free: the command AskBreaker, which gives it to one caller
//! ```
//!
//! A permit of a closed breaker changes nothing, so it needs no command and no write to disk. What may start a probe is
//! a command, so of all callers in the cluster one gets it. A probe that is never heard of again is given up by
//! comparing times when someone asks. So a breaker needs no timer.
//!
//! | file | what it does |
//! |---|---|
//! | `put.rs`, `delete.rs` | replace the settings, or remove the breaker |
//! | `control.rs` | hold it open or closed |
//! | `ask.rs`, `record.rs` | admit a call, and count its outcome |
//! | `recent.rs` | the permits whose outcomes were recorded last |
//! | `tasks.rs` | the tasks of queues that name a breaker |
//! | `state.rs` | the library's state as a row |

pub(crate) mod ask;
pub(crate) mod control;
pub(crate) mod delete;
pub(crate) mod put;
mod recent;
pub(crate) mod record;
mod state;
#[cfg(test)]
mod task_tests;
pub(crate) mod tasks;
#[cfg(test)]
mod tests;

use crate::damage::bad_row;
use crate::overlay::Overlay;
use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;
use format::row::{BreakerRow, BreakerTally, breaker_key, breaker_tally_key};
use mainstay_resilience::breaker::{Circuit, Config, Forced, Request, State, Ticket};
use mainstay_resilience::{Decide, Decision, Input, Outcome as Call, Reason, Time};
use model::{
    BreakerCircuit, BreakerDecision, BreakerForced, BreakerReason, BreakerSettings, Elapsed, Namespace, Slot,
    View, ViewError, Wall, slot_of,
};
use xxhash_rust::xxh3::xxh3_128;

/// While probes run, or a growing share is admitted, asking again may help long before the time that the policy names.
const RETRY_MS_MAX: u64 = 1_000;

/// A breaker during one command or read.
#[derive(Debug)]
pub(crate) struct Breaker {
    name: String,
    pub(crate) config: Config,
    pub(crate) state: State,
    pub(crate) row: BreakerRow,
    /// What is stored; `None` if the breaker has no row yet.
    stored: Option<Stored>,
}

/// What others hear of when it changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stored {
    generation: u32,
    circuit: BreakerCircuit,
    opened: u64,
}

impl Breaker {
    /// The breaker with this name. One that has never been used has the default settings, and is closed.
    pub(crate) fn load(name: &str, view: &impl View) -> Result<Self, ViewError> {
        let stored = row(view, name)?;
        let settings = stored.as_ref().and_then(|row| row.settings.clone()).unwrap_or_default();
        let config = state::config(&settings);
        let state = match &stored {
            Some(row) => state::restore(&row.state),
            None => config.state(),
        };
        let before = stored.as_ref().map(|row| Stored {
            generation: state.generation(),
            circuit: shown(&state),
            opened: row.opened,
        });
        let row = stored.unwrap_or_else(|| BreakerRow {
            settings: None,
            state: state::save(&state),
            changed: Wall(0),
            opened: 0,
            workers: Vec::new(),
            failure: None,
        });
        Ok(Self { name: name.to_owned(), config, state, row, stored: before })
    }

    pub(crate) fn settings(&self) -> BreakerSettings {
        self.row.settings.clone().unwrap_or_default()
    }

    pub(crate) fn set(&mut self, settings: BreakerSettings, now: Elapsed) {
        self.config = state::config(&settings);
        self.row.settings = Some(settings);
        // No outcomes: the state only adapts to the settings.
        let ticket = Ticket::from_parts(self.state.generation(), 0, 0);
        self.config.tell(&mut self.state, Input::at(time(now)), ticket, Call::Neutral, 0);
    }

    pub(crate) fn circuit(&self) -> BreakerCircuit {
        shown(&self.state)
    }

    /// Whether a call is admitted. Only a probe changes the breaker.
    pub(crate) fn ask(&mut self, now: Elapsed, random: u64) -> BreakerDecision {
        let now = time(now);
        match self.config.ask(&mut self.state, Input { now, random }, Request::default()) {
            Decision::Admit(ticket) => {
                let (generation, probe, _) = ticket.parts();
                BreakerDecision::Admitted { generation, probe }
            }
            Decision::Wait { until } => self.rejected(BreakerReason::Ramp, Some(until), now),
            Decision::Reject(rejected) => {
                let reason = match rejected.reason {
                    Reason::BreakerForced => BreakerReason::Forced,
                    Reason::BreakerProbing => BreakerReason::Probing,
                    Reason::BreakerRamp => BreakerReason::Ramp,
                    _ => BreakerReason::Open,
                };
                self.rejected(reason, rejected.retry_at, now)
            }
        }
    }

    fn rejected(&self, reason: BreakerReason, retry_at: Option<Time>, now: Time) -> BreakerDecision {
        let left_ms = retry_at.map(|at| at.since(now).as_nanos().div_ceil(1_000_000));
        let left_ms = left_ms.map(|ms| u64::try_from(ms).unwrap_or(u64::MAX));
        let retry_ms = match reason {
            BreakerReason::Open => left_ms.unwrap_or(0),
            BreakerReason::Forced => self.settings().open_ms,
            BreakerReason::Probing | BreakerReason::Ramp => left_ms.unwrap_or(0).min(RETRY_MS_MAX),
        };
        BreakerDecision::Rejected { reason, retry_ms: retry_ms.max(1) }
    }

    pub(crate) fn force(&mut self, forced: BreakerForced, now: Elapsed) {
        let forced = match forced {
            BreakerForced::No => Forced::No,
            BreakerForced::Open => Forced::Open,
            BreakerForced::Closed => Forced::Closed,
        };
        self.config.force(&mut self.state, Input::at(time(now)), forced);
    }

    /// Writes the breaker. Who watches it hears of transitions and of `change`.
    pub(crate) fn save<V: View>(
        mut self,
        change: Change,
        overlay: &mut Overlay<'_, '_, V>,
    ) -> Result<(), ViewError> {
        let key = key(&self.name);
        let (generation, circuit) = (self.state.generation(), self.circuit());
        let now = Stored { generation, circuit, opened: self.row.opened };
        if self.stored.is_none_or(|before| before.generation != generation) {
            self.row.changed = overlay.shard.wall;
            overlay.notify(key.clone());
        } else if change == Change::Told {
            overlay.notify(key.clone());
        }
        count(self.stored, Some(now), overlay)?;
        self.row.state = state::save(&self.state);
        if self.stored.is_none() {
            // So that its probes have other numbers than those of a breaker with this name that was deleted.
            self.row.state.probe_last = overlay.shard.elapsed.0 as u32;
        }
        overlay.put(key, self.row.encode());
        Ok(())
    }

    /// Deletes the breaker's row.
    fn remove<V: View>(self, overlay: &mut Overlay<'_, '_, V>) -> Result<(), ViewError> {
        overlay.delete(key(&self.name));
        overlay.notify(key(&self.name));
        count(self.stored, None, overlay)
    }
}

fn shown(state: &State) -> BreakerCircuit {
    match state.circuit() {
        Circuit::Closed => BreakerCircuit::Closed,
        Circuit::Open => BreakerCircuit::Open,
        Circuit::HalfOpen => BreakerCircuit::HalfOpen,
    }
}

/// The counts of all breakers of the shard whose first slot this is.
pub(crate) fn tally(first: Slot, view: &impl View) -> Result<BreakerTally, ViewError> {
    match view.get(&breaker_tally_key(first))? {
        None => Ok(BreakerTally::default()),
        Some(value) => BreakerTally::decode(&value).map_err(|error| bad_row("count of breakers", error)),
    }
}

fn of(tally: &mut BreakerTally, circuit: BreakerCircuit) -> &mut u64 {
    match circuit {
        BreakerCircuit::Closed => &mut tally.closed,
        BreakerCircuit::Open => &mut tally.open,
        BreakerCircuit::HalfOpen => &mut tally.half_open,
    }
}

/// Counts a change of one breaker.
fn count<V: View>(
    before: Option<Stored>,
    now: Option<Stored>,
    overlay: &mut Overlay<'_, '_, V>,
) -> Result<(), ViewError> {
    let counted = |stored: Option<Stored>| stored.map(|stored| (stored.circuit, stored.opened));
    if counted(before) == counted(now) {
        return Ok(());
    }
    let first = overlay.first_slot();
    let mut tally = tally(first, overlay)?;
    if let Some(before) = before {
        let count = of(&mut tally, before.circuit);
        *count = count.saturating_sub(1);
    }
    if let Some(now) = now {
        *of(&mut tally, now.circuit) += 1;
        tally.opened += now.opened.saturating_sub(before.map_or(0, |before| before.opened));
    }
    overlay.put(breaker_tally_key(first), tally.encode());
    Ok(())
}

/// Whether those who watch a breaker hear of a change that is not a transition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Told,
    Quiet,
}

/// The breaker's own row; `None` if it has not been used.
pub(crate) fn row(view: &impl View, name: &str) -> Result<Option<BreakerRow>, ViewError> {
    let Some(value) = view.get(&key(name))? else { return Ok(None) };
    BreakerRow::decode(&value).map(Some).map_err(|error| bad_row("breaker row", error))
}

pub(crate) fn key(name: &str) -> Vec<u8> {
    breaker_key(slot(name), name)
}

fn slot(name: &str) -> Slot {
    slot_of(Namespace::ROOT, name)
}

fn hash(name: &str) -> u128 {
    xxh3_128(name.as_bytes())
}

pub(crate) const fn time(elapsed: Elapsed) -> Time {
    Time::from_millis(elapsed.0)
}
