//! The log is flushed when enough has been written, so a replay is bounded. And nothing is proposed while the node
//! must wait: no entry while the state's disk work lags too far behind, and no command of the node's own while the
//! disk is full or does not respond.

use crate::process::{Process, Work};
use crate::reference::{entries_of, is_clients};

/// What the node has to observe now.
#[derive(Clone, Copy, Debug, Default)]
pub struct Bounded {
    /// The node was told that the disk is full.
    pub read_only: bool,
    /// The state says that its disk work lags too far behind.
    pub lagging: bool,
    /// The node was told that this work of its disk does not end.
    pub stalled: Option<Work>,
}

impl Bounded {
    /// The node hands these records to its log.
    ///
    /// # Errors
    /// It had to wait.
    pub fn logged(&self, records: &[u8]) -> Result<(), String> {
        for (index, bytes) in entries_of(records)? {
            if bytes.is_empty() {
                continue;
            }
            if self.lagging {
                return Err(format!("entry {index} was proposed although the state's disk work lags"));
            }
            let entry = format::entry::decode(&bytes).map_err(|error| error.to_string())?;
            if (self.read_only || self.stalled.is_some()) && !entry.commands.iter().all(is_clients) {
                return Err(format!(
                    "entry {index} has commands of the node's own on a disk that is full or hangs"
                ));
            }
        }
        Ok(())
    }

    /// A step has ended.
    ///
    /// # Errors
    /// A flush should have begun.
    pub fn stepped(process: &Process) -> Result<(), String> {
        match process.overdue_flush() {
            Some(bytes) => Err(format!("{bytes} bytes were logged since the last flush began")),
            None => Ok(()),
        }
    }
}
