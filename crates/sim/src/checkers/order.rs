//! What a reader has seen stays, in the same order, and no event ever appears before it.

use super::shown::{Shown, ShownEvent};
use crate::ledger::Ledger;

/// A reader of the whole store that remembers everything.
#[derive(Debug, Default)]
pub struct Reader {
    seen: Vec<ShownEvent>,
}

impl Reader {
    /// # Errors
    /// An event that was seen is gone or has changed, or a new event is before the last one that was seen.
    pub fn check(&mut self, shown: &Shown, ledger: &Ledger) -> Result<(), String> {
        let stays = |event: &&ShownEvent| !ledger.removable.contains(&event.stream);
        let mut now = shown.events.iter().filter(stays);
        self.seen.retain(|event| !ledger.removable.contains(&event.stream));
        for seen in &self.seen {
            match now.next() {
                Some(event) if event == seen => {}
                other => return Err(format!("{seen:?} was seen before, but now {other:?} is there")),
            }
        }
        self.seen.extend(now.cloned());
        Ok(())
    }
}
