//! The node's own commands: which of them go into an entry, and when the node must wake to propose them.
//!
//! They go into the entries of clients' commands, of which they take at most a share
//! ([`ENTRY_OWN_COMMANDS_MAX`]). While clients' commands flow they never get an entry of their own, so a client
//! never waits for a sync that it did not cause.
//!
//! [`ENTRY_OWN_COMMANDS_MAX`]: model::limits::ENTRY_OWN_COMMANDS_MAX

use crate::clock::{Mono, Now};
use crate::ticks;
use model::{Command, Effect, Elapsed, EntryClock, SlotRange, View, ViewError};
use shard::Agenda;

/// How long no client's command was proposed before the node counts as idle.
const IDLE_MS: u64 = 10;
/// Timers by wall are checked at least this often, because the wall clock may step.
const TIMER_WAIT_MS_MAX: u64 = 60_000;
/// Timers by elapsed are checked at least once a day, so that a wait is never too long to add to a clock.
const ELAPSED_WAIT_MS_MAX: u64 = 86_400_000;
/// The scans that one step of the search for timers makes, and the pause between two steps.
const SEARCH_SCANS_MAX: usize = 256;
const SEARCH_PAUSE_MS: u64 = 1;

/// The work of one shard that its node proposes.
#[derive(Debug)]
pub(crate) struct OwnWork {
    agenda: Agenda,
    /// When the search for timers that the state held before may continue.
    search_next: Mono,
    /// The node is idle from then on.
    busy_until: Mono,
}

impl OwnWork {
    pub(crate) fn new(slots: SlotRange) -> Self {
        Self { agenda: Agenda::new(slots), search_next: Mono(0), busy_until: Mono(0) }
    }

    /// Forgets which commands were proposed, because they may never be applied, and searches for what is due.
    pub(crate) fn search_again(&mut self, slots: SlotRange, applied: Elapsed) {
        self.agenda = Agenda::new(slots);
        self.agenda.applied(applied);
    }

    pub(crate) fn note(&mut self, effects: &[Effect]) {
        self.agenda.note(effects);
    }

    /// An entry with this elapsed time is applied, and all before it.
    pub(crate) fn applied(&mut self, elapsed: Elapsed) {
        self.agenda.applied(elapsed);
    }

    /// A client's command is proposed.
    pub(crate) fn client_proposes(&mut self, now: Now) {
        self.busy_until = now.mono.after_ms(IDLE_MS);
    }

    /// Whether an entry of the node's own is due.
    pub(crate) fn is_entry_due(&self, now: Now, clock: EntryClock) -> bool {
        self.busy_until <= now.mono && self.agenda.next().are_due(clock)
    }

    /// Adds the commands for the next entry to `commands`. If the view does not have some rows at hand, the
    /// others are added nevertheless.
    pub(crate) fn commands(
        &mut self,
        view: &impl View,
        clock: EntryClock,
        commands: &mut Vec<Command<'static>>,
    ) -> Result<(), ViewError> {
        self.agenda.due(view, clock, commands)?;
        ticks::propose(&mut self.agenda, view, clock.wall, commands)
    }

    /// Whether it is time for the next step of the search for timers.
    pub(crate) fn is_search_due(&self, now: Now) -> bool {
        self.agenda.is_searching() && self.search_next <= now.mono
    }

    /// Does the next step of the search.
    pub(crate) fn search(&mut self, view: &impl View, now: Now) -> Result<(), ViewError> {
        self.agenda.search(view, SEARCH_SCANS_MAX)?;
        self.search_next = now.mono.after_ms(SEARCH_PAUSE_MS);
        Ok(())
    }

    /// When the node must wake, although nothing else happens. `elapsed` stands still for `grace_ms` more.
    pub(crate) fn wake_at(&self, now: Now, clock: EntryClock, grace_ms: u64) -> Option<Mono> {
        let next = self.agenda.next();
        let due = if next.are_due(clock) {
            // An idle node has an entry in flight. Its end is a reason to look again.
            Some(self.busy_until).filter(|at| *at > now.mono)
        } else {
            let by_wall = next.wall.map(|at| at.0.saturating_sub(clock.wall.0).min(TIMER_WAIT_MS_MAX));
            let by_elapsed = next.elapsed.map(|at| {
                at.0.saturating_sub(clock.elapsed.0).min(ELAPSED_WAIT_MS_MAX).saturating_add(grace_ms)
            });
            // Wait one millisecond more, so that the deadline has certainly passed.
            by_wall.into_iter().chain(by_elapsed).min().map(|ms| now.mono.after_ms(ms + 1))
        };
        let search = self.agenda.is_searching().then_some(self.search_next);
        due.into_iter().chain(search).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{AcquireLease, Elapsed, Entry, Key, LeaseName, Value, Wall};
    use shard::{BEHAVIOUR, Shard, ShardOptions};
    use std::collections::BTreeMap;

    #[test]
    fn a_long_search_for_timers_pauses_after_each_step() {
        let acquire = |number| {
            Command::AcquireLease(AcquireLease {
                lease: LeaseName::new(format!("l-{number}")).unwrap(),
                holder: "h".into(),
                ttl_ms: 60_000,
                hold_off_ms: 0,
                permits: 1,
                wait_ms: 0,
            })
        };
        let commands = (0..2 * SEARCH_SCANS_MAX).map(acquire).collect();
        let entry = Entry { behaviour: BEHAVIOUR, wall: Wall(1), elapsed: Elapsed(0), commands };
        let mut state = BTreeMap::<Key, Value>::new();
        Shard::new(ShardOptions::default()).apply(&entry, &state).unwrap().writes.change(&mut state);

        let mut work = OwnWork::new(SlotRange::ALL);
        let at = |mono| Now { wall: Wall(1), mono: Mono(mono) };
        for step in 0..3 {
            assert!(work.is_search_due(at(step)));
            work.search(&state, at(step)).unwrap();
            assert!(!work.is_search_due(at(step)), "other work comes first");
        }
    }
}
