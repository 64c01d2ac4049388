//! Nothing is visible before it is durable, and before its body can be read. What one reader has seen, every
//! later reader sees: neither the state nor the cursor ever goes back, not even across a crash.

use crate::process::Process;
use crate::reference::Reference;
use model::Cursor;
use storage::state::Reader as _;

/// The latest that any reader has seen.
#[derive(Debug, Default)]
pub struct Visible {
    cursor: Cursor,
}

impl Visible {
    /// Readers see more than before, or after a restart just as much.
    ///
    /// # Errors
    /// The promise that does not hold.
    pub fn shown(&mut self, process: &Process, reference: &mut Reference) -> Result<(), String> {
        let (index, cursor) = (process.reader().progress().index, process.visible());
        if index > process.durable() {
            return Err(format!("entry {index} is visible, but the log is synced to {}", process.durable()));
        }
        if cursor < self.cursor {
            return Err(format!("readers saw events up to {}, and now up to {cursor}", self.cursor));
        }
        self.cursor = cursor;
        reference.apply_through(index)?;
        let (last, stored) = (reference.last_event(), process.bodies().last());
        if stored < last {
            return Err(format!("{last} is visible, but the bodies end at {stored}"));
        }
        if cursor < last {
            return Err(format!("{last} is in the state that readers see, but the cursor is {cursor}"));
        }
        Ok(())
    }
}
