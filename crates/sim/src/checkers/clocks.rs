//! Wall and elapsed never go backwards, whatever the machine's clocks do. And elapsed is never ahead of the time
//! that has really passed, of which a stall of the node counts only up to a bound.

use crate::process::Process;
use model::{Elapsed, Slot, Wall};

/// The latest clocks seen.
#[derive(Debug, Default)]
pub struct Clocks {
    wall: Wall,
    elapsed: Elapsed,
    /// How much of the pauses of the process may count.
    paused_ms: u64,
    /// For how long a disk hung without that counting.
    hung_ms: u64,
}

impl Clocks {
    /// The process stood still for this long, of which `stall_ms` may count.
    pub fn paused(&mut self, ms: u64, stall_ms: u64) {
        self.paused_ms += ms.min(stall_ms);
    }

    /// The log's disk hung while an entry was in flight, and this much of that time must not count.
    pub fn hung(&mut self, ms: u64) {
        self.hung_ms += ms;
    }

    /// `passed_ms` is the time since the run began, without pauses.
    ///
    /// # Errors
    /// A clock went backwards, or elapsed is ahead.
    pub fn check(&mut self, process: &Process, passed_ms: u64) -> Result<(), String> {
        let clock = shard::query::clock(&process.reader(), Slot(0)).map_err(|error| error.to_string())?;
        if clock.wall < self.wall || clock.elapsed < self.elapsed {
            return Err(format!("clocks ran backwards: {self:?}, then {clock:?}"));
        }
        (self.wall, self.elapsed) = (clock.wall, clock.elapsed);
        // The millisecond that has begun may count.
        let most = (passed_ms + self.paused_ms + 1).saturating_sub(self.hung_ms);
        if clock.elapsed.0 > most {
            return Err(format!("{} elapsed, but only {most} ms have passed", clock.elapsed));
        }
        Ok(())
    }
}
