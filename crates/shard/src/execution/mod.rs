//! Executions: the commands, one file each, and the row that they share.
//!
//! | file | what it does |
//! |---|---|
//! | `begin.rs` | say whether the work under a key is new, in progress, or done |
//! | `complete.rs` | store the response |
//! | `abandon.rs` | free the key |
//! | `expire.rs` | free the keys whose time is over |
//!
//! A key has a row from its `begin` until its time is over, and with it exactly one timer. Time counts in `elapsed`.

pub(crate) mod abandon;
pub(crate) mod begin;
pub(crate) mod complete;
pub(crate) mod expire;

use crate::damage::bad_row;
use crate::overlay::Overlay;
use alloc::vec::Vec;
use format::row::{ExecutionRow, ExecutionState, ExecutionTimerKey, execution_key};
use model::{Cursor, Elapsed, ExecutionKey, Namespace, Position, Slot, Timer, Value, View, ViewError};

/// One key during a command.
pub(crate) struct Execution<'n> {
    key: &'n ExecutionKey<'n>,
    slot: Slot,
    /// Its row, as it is stored.
    stored: Option<Value>,
}

impl<'n> Execution<'n> {
    pub(crate) fn load(key: &'n ExecutionKey<'n>, view: &impl View) -> Result<Self, ViewError> {
        let slot = key.slot(Namespace::ROOT);
        let stored = view.get(&row_key(slot, key))?;
        Ok(Self { key, slot, stored })
    }

    pub(crate) fn row(&self) -> Result<Option<ExecutionRow<'_>>, ViewError> {
        let row = self.stored.as_deref().map(ExecutionRow::decode).transpose();
        row.map_err(|error| bad_row("execution row", error))
    }

    /// The token of the execution, if it was begun and no one has ended it. One whose time is over counts, until the
    /// key is someone else's or the node has removed it: its owner has done the work, and no one else has begun it.
    pub(crate) fn is_in_progress(&self, token: Cursor) -> Result<bool, ViewError> {
        Ok(self.has(token)?.is_some_and(|row| matches!(row.state, ExecutionState::Begun { .. })))
    }

    /// Whether it was completed with this token.
    pub(crate) fn is_completed(&self, token: Cursor) -> Result<bool, ViewError> {
        Ok(self.has(token)?.is_some_and(|row| matches!(row.state, ExecutionState::Completed(_))))
    }

    fn has(&self, token: Cursor) -> Result<Option<ExecutionRow<'_>>, ViewError> {
        let here = token.slot == self.slot;
        Ok(self.row()?.filter(|row| here && row.token == token.position))
    }

    fn cursor(&self, token: Position) -> Cursor {
        Cursor::new(token, self.slot)
    }

    /// Writes a row in the place of the stored one, with its timer.
    fn put<V: View>(
        &self,
        row: &ExecutionRow<'_>,
        overlay: &mut Overlay<'_, '_, V>,
    ) -> Result<(), ViewError> {
        let before = self.row()?.map(|row| row.expires);
        if before != Some(row.expires) {
            if let Some(before) = before {
                overlay.delete(self.timer(before));
            }
            overlay.put(self.timer(row.expires), Vec::new());
            overlay.set_timer(self.slot, Timer::Executions(row.expires));
        }
        overlay.put(row_key(self.slot, self.key), row.encode());
        Ok(())
    }

    /// Removes the row and its timer, and tells the requests that wait for the key.
    fn remove<V: View>(&self, overlay: &mut Overlay<'_, '_, V>) -> Result<(), ViewError> {
        if let Some(row) = self.row()? {
            overlay.delete(self.timer(row.expires));
            overlay.delete(row_key(self.slot, self.key));
            self.notify(overlay);
        }
        Ok(())
    }

    fn notify<V: View>(&self, overlay: &mut Overlay<'_, '_, V>) {
        overlay.notify(row_key(self.slot, self.key));
    }

    fn timer(&self, deadline: Elapsed) -> Vec<u8> {
        let key = self.key.clone();
        ExecutionTimerKey { slot: self.slot, deadline, namespace: Namespace::ROOT, key }.encode()
    }
}

fn row_key(slot: Slot, key: &ExecutionKey<'_>) -> Vec<u8> {
    execution_key(slot, Namespace::ROOT, key.as_str())
}
