//! Crashes, kills, stops and starts.

use super::{ACKNOWLEDGED_BEFORE_CRASH_MIN, CHECK_MICROS, Event, World};
use crate::process::Ended;
use driver::Input;

impl World {
    /// The node has stopped gracefully: its threads finish, and it starts again.
    pub(super) fn stopped(&mut self) -> Result<(), String> {
        let Some(process) = self.machine.process.take() else { return Ok(()) };
        match process.finish() {
            Ok(()) => {
                self.stopping = false;
                // The last flush may be missing if the node takes the disk for full. The log holds what it would
                // have written.
                self.stopped_well = !self.machine.is_ailing() && !self.bounded.read_only;
                self.machine.stopped();
                self.forget_waiting();
                self.boot()
            }
            Err(ended) => self.ended(&ended),
        }
    }

    /// The process ended on its own. Only a prepared crash or a failing disk may cause that.
    pub(super) fn ended(&mut self, ended: &Ended) -> Result<(), String> {
        if !is_crash(ended) && !self.machine.is_ailing() {
            return Err(format!("the process ended: {ended}"));
        }
        self.crash()
    }

    /// The process is killed. Nothing that it wrote is lost, synced or not.
    pub(super) fn kill(&mut self) -> Result<(), String> {
        if self.machine.process.is_none() {
            return Ok(());
        }
        self.stopping = false;
        self.stopped_well = false;
        self.machine.stopped();
        self.forget_waiting();
        self.boot()
    }

    pub(super) fn crash(&mut self) -> Result<(), String> {
        self.report.crashes += 1;
        self.report.counts |= self.ledger.acknowledgements >= ACKNOWLEDGED_BEFORE_CRASH_MIN;
        self.stopping = false;
        self.stopped_well = false;
        self.machine.crash(&mut self.rng);
        self.forget_waiting();
        self.boot()
    }

    /// Starts the process. If a crash happens during the start, it starts again.
    pub(super) fn boot(&mut self) -> Result<(), String> {
        self.ready = false;
        self.timer = None;
        (self.bounded.read_only, self.bounded.stalled, self.hanging) = (false, None, None);
        if self.rng.one_in(8) {
            self.machine.crash_soon(&mut self.rng);
        }
        if self.rng.one_in(8) {
            self.machine.fail_read_soon(&mut self.rng);
        }
        loop {
            match self.machine.start(self.schedule.now()) {
                Ok(()) => {
                    self.schedule.after(CHECK_MICROS, Event::Check { boot: self.machine.boot });
                    return self.step(Input::Start);
                }
                Err(ended) if is_crash(&ended) || self.machine.is_ailing() => {
                    self.report.crashes += 1;
                    self.stopped_well = false;
                    self.machine.crash(&mut self.rng);
                }
                Err(ended) => return Err(format!("the process does not start: {ended}")),
            }
        }
    }
}

/// Whether the simulated power failed in the middle of an operation.
fn is_crash(ended: &Ended) -> bool {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(ended);
    while let Some(error) = cause {
        if error.downcast_ref::<std::io::Error>().is_some_and(storage::memory_disk::is_crash) {
            return true;
        }
        cause = error.source();
    }
    false
}
