//! The events as of a closed time never change.

use super::shown::{Shown, ShownEvent};
use crate::ledger::Ledger;
use model::{Cursor, Wall};

/// The results of reads as of closed times.
#[derive(Debug, Default)]
pub struct ClosedTimes {
    reads: Vec<(Wall, Vec<Cursor>)>,
}

impl ClosedTimes {
    /// Records what a read as of a newly closed time returns.
    pub fn record(&mut self, wall: Wall, shown: &Shown, ledger: &Ledger) {
        self.reads.push((wall, as_of(wall, shown, ledger)));
    }

    /// # Errors
    /// The same read now has a different result.
    pub fn check(&self, shown: &Shown, ledger: &Ledger) -> Result<(), String> {
        for (wall, before) in &self.reads {
            let now = as_of(*wall, shown, ledger);
            let stays = |cursor: &Cursor| now.contains(cursor) || is_removable(*cursor, ledger);
            if now.iter().any(|cursor| !before.contains(cursor)) || !before.iter().all(stays) {
                return Err(format!(
                    "as of {wall} there were {} events, and now there are {}",
                    before.len(),
                    now.len()
                ));
            }
        }
        Ok(())
    }
}

/// Whether the event's stream may have become removable since then.
fn is_removable(cursor: Cursor, ledger: &Ledger) -> bool {
    let slot_is = |stream: &String| model::slot_of(model::Namespace::ROOT, stream) == cursor.slot;
    ledger.removable.iter().any(slot_is)
}

fn as_of(wall: Wall, shown: &Shown, ledger: &Ledger) -> Vec<Cursor> {
    let in_time = |event: &&ShownEvent| {
        event.cursor <= Cursor::last_of(wall) && !ledger.removable.contains(&event.stream)
    };
    shown.events.iter().filter(in_time).map(|event| event.cursor).collect()
}
