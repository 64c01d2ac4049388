//! What a reader has seen stays, in the same order, and nothing ever appears before it.

use super::shown::{Shown, ShownEvent};
use crate::ledger::Ledger;

/// A reader of the whole store that remembers everything.
#[derive(Debug, Default)]
pub struct Reader {
    seen: Vec<ShownEvent>,
}

impl Reader {
    /// # Errors
    /// Something that was seen is gone or has changed, or something new is before the last event that was
    /// seen.
    pub fn check(&mut self, shown: &Shown, ledger: &Ledger) -> Result<(), String> {
        let stays = |event: &&ShownEvent| !ledger.removable.contains(&event.stream);
        let mut now = shown.events.iter().filter(stays);
        self.seen.retain(|event| !ledger.removable.contains(&event.stream));
        for seen in &self.seen {
            match now.next() {
                Some(event) if event == seen => {}
                other => return Err(format!("{seen:?} was seen; in its place is {other:?}")),
            }
        }
        self.seen.extend(now.cloned());
        Ok(())
    }
}
