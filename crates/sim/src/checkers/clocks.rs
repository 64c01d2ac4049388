//! Wall and elapsed never go backwards, whatever the machine's clocks do.

use crate::process::Process;
use model::{Elapsed, Slot, Wall};

/// The latest clocks seen.
#[derive(Debug, Default)]
pub struct Clocks {
    wall: Wall,
    elapsed: Elapsed,
}

impl Clocks {
    /// # Errors
    /// A clock went backwards.
    pub fn check(&mut self, process: &Process) -> Result<(), String> {
        let clock = shard::query::clock(&process.reader(), Slot(0)).map_err(|error| error.to_string())?;
        if clock.wall < self.wall || clock.elapsed < self.elapsed {
            return Err(format!("clocks ran backwards: {self:?}, then {clock:?}"));
        }
        (self.wall, self.elapsed) = (clock.wall, clock.elapsed);
        Ok(())
    }
}
