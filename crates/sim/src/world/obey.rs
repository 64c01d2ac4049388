//! Steps of the process, and what follows from them.

use super::{ASKING_MICROS, CHECK_MICROS, CLAIMS_MICROS, QUIET_CHECK_MICROS, STALLED_MICROS, World};
use crate::checkers::bounded::Bounded;
use crate::process::{Ended, Process, SimEffect, SimInput, Stepped, Work};
use crate::world::Event;
use driver::{Effect, Input, LogJob};
use node::{ClosedTime, DiskSpace, Now};

/// Each time readers may see more, they look at everything with a chance of one in this many.
const LOOK_ONE_IN: u64 = 40;

/// How long the disk hangs.
const HANG_MICROS: u64 = 120_000_000;

impl World {
    /// Gives the node one input.
    pub(super) fn step(&mut self, input: SimInput) -> Result<(), String> {
        self.with_process(|process, now| process.step(now, input))
    }

    /// Does something with the process, if there is one, and then what follows from it.
    pub(super) fn with_process(
        &mut self,
        act: impl FnOnce(&mut Process, Now) -> Result<Stepped, Ended>,
    ) -> Result<(), String> {
        let now = self.machine.now(self.schedule.now());
        let Some(process) = &mut self.machine.process else { return Ok(()) };
        match act(process, now) {
            Ok(Stepped { effects, work, ended }) => {
                if ended.is_none() {
                    Bounded::stepped(process)?;
                }
                work.into_iter().for_each(|work| self.later(work));
                let boot = self.machine.boot;
                for effect in effects {
                    self.note(&effect);
                    self.obey(effect)?;
                    // A reader has met a failing disk, and the process has ended.
                    if self.machine.boot != boot {
                        return Ok(());
                    }
                }
                ended.map_or(Ok(()), |ended| self.ended(&ended))
            }
            Err(ended) => self.ended(&ended),
        }
    }

    fn note(&mut self, effect: &SimEffect) {
        match effect {
            // The state is large, and follows from the steps before.
            Effect::Show { visible, .. } => self.trace.step(format_args!("Show {visible}")),
            Effect::Log(LogJob::Write { records, .. }) => {
                self.trace.step(format_args!("Log {} bytes", records.len()));
                self.trace.bytes(records);
            }
            effect => self.trace.step(format_args!("{effect:?}")),
        }
    }

    fn obey(&mut self, effect: SimEffect) -> Result<(), String> {
        match effect {
            Effect::Log(LogJob::Write { records, .. }) => {
                self.bounded.logged(&records)?;
                self.reference.log(&records)?;
            }
            // A node that is not ready serves no readers.
            Effect::Show { .. } if self.ready => {
                self.shown()?;
                // Readers look at any time, not only when all is calm.
                if self.rng.one_in(LOOK_ONE_IN) {
                    self.look()?;
                }
            }
            Effect::Outcome { reply, result } => self.answered(&reply, result)?,
            Effect::TimeClosed { reply, result: Ok(ClosedTime::Through(wall)) } => {
                if wall != reply || !self.ready {
                    return Err(format!(
                        "closed {wall}, not {reply}, by a node that is ready: {}",
                        self.ready
                    ));
                }
                if let Some(shown) = self.read_all()? {
                    self.closed.record(reply, &shown, &self.ledger);
                }
            }
            Effect::TimeClosed { result: Ok(ClosedTime::TooFarAhead { ms }), .. } => {
                return Err(format!("a time in the past is {ms} ms ahead"));
            }
            Effect::Ready { replayed_entries } => self.is_ready(replayed_entries)?,
            Effect::DiskSpace(space) => self.bounded.read_only = space != DiskSpace::Enough,
            Effect::Wait(Some(at)) => self.wake_at(at),
            Effect::Continue => self.schedule.after(10, Event::Continue { boot: self.machine.boot }),
            Effect::Stopped => self.stopped()?,
            Effect::TimeClosed { result: Err(_), .. }
            | Effect::CompactionOutOfSpace { .. }
            | Effect::Woken { .. }
            | Effect::TasksDied(_)
            | Effect::Show { .. }
            | Effect::Wait(None)
            | Effect::Log(_)
            | Effect::Flush(_)
            | Effect::Compact(_)
            | Effect::React(_)
            | Effect::WriteBodies(_) => {}
        }
        Ok(())
    }

    fn is_ready(&mut self, replayed_entries: u64) -> Result<(), String> {
        if std::mem::take(&mut self.stopped_well) && replayed_entries > 0 {
            return Err(format!("a start after a graceful stop replayed {replayed_entries} entries"));
        }
        self.shown()?;
        if let Some(process) = &self.machine.process {
            self.reference.apply_through(process.replay().0)?;
        }
        self.reference.ended();
        self.ready = true;
        self.look()
    }

    /// Readers see more.
    fn shown(&mut self) -> Result<(), String> {
        let Some(process) = &self.machine.process else { return Ok(()) };
        self.visible.shown(process, &mut self.reference)?;
        self.clocks.check(process, self.schedule.now().0 / 1_000)
    }

    fn later(&mut self, work: Work) {
        let micros = match work {
            Work::TakeLogJobs => self.rng.between(1, 50),
            // Now and then the disk hangs, for longer than any time-out.
            Work::SyncLog | Work::Flush if self.rng.one_in(1_500) => {
                self.schedule.after(STALLED_MICROS, Event::Stalled { boot: self.machine.boot, work });
                self.hanging = self.ready.then_some(work);
                HANG_MICROS
            }
            Work::SyncLog => self.rng.between(50, 3_000),
            // Usually at once, and sometimes so late that flushes and crashes come before it.
            Work::WriteBodies => {
                if self.rng.one_in(8) {
                    40_000
                } else {
                    5
                }
            }
            // Usually at once, and sometimes so late that the reaction has changed.
            Work::React => {
                if self.rng.one_in(8) {
                    self.rng.between(1_000, 60_000)
                } else {
                    self.rng.between(5, 200)
                }
            }
            Work::Flush | Work::Compact => self.rng.between(500, 60_000),
        };
        self.schedule.after(micros, Event::Work { boot: self.machine.boot, work });
    }

    pub(super) fn work(&mut self, work: Work) -> Result<(), String> {
        self.with_process(|process, now| process.work(now, work))?;
        if work == Work::Flush {
            self.machine.flushed();
        }
        if self.bounded.stalled == Some(work) {
            self.bounded.stalled = None;
            self.step(Input::DiskResponds)?;
        }
        if self.hanging == Some(work) {
            self.hanging = None;
            if work == Work::SyncLog {
                let most = self.machine.limits.standstill.stall_ms.min(HANG_MICROS / 1_000);
                self.clocks.hung((HANG_MICROS / 1_000).saturating_sub(most));
            }
        }
        if work == Work::SyncLog && self.rng.one_in(8) {
            self.schedule.after(100, Event::Idle { boot: self.machine.boot });
        }
        if self.machine.process.as_ref().is_some_and(Process::is_check_due) {
            return self.look_at_disk();
        }
        Ok(())
    }

    /// The disk has not responded for a while.
    pub(super) fn stalled(&mut self, work: Work) -> Result<(), String> {
        self.bounded.stalled = Some(work);
        self.step(Input::DiskStalled { why: format!("{work:?} hangs") })
    }

    pub(super) fn idle(&mut self) -> Result<(), String> {
        self.with_process(|process, _| process.mark_log().map(|()| Stepped::default()))
    }

    pub(super) fn check_slowly(&mut self) -> Result<(), String> {
        let now = self.schedule.now().0;
        if now > ASKING_MICROS {
            self.machine.heal();
        }
        let is_busy = now < 2 * ASKING_MICROS || self.is_anyone_waiting() || !self.ready;
        if is_busy || now < CLAIMS_MICROS {
            let after = if is_busy { CHECK_MICROS } else { QUIET_CHECK_MICROS };
            self.schedule.after(after, Event::Check { boot: self.machine.boot });
        }
        self.look_at_disk()
    }

    pub(super) fn look_at_disk(&mut self) -> Result<(), String> {
        let space = self.machine.space();
        self.with_process(|process, now| process.check(now, space))
    }
}
