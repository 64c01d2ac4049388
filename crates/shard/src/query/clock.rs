//! How far the shard has come.

use crate::damage::bad_row;
use format::row::{ShardRow, shard_key};
use model::{Cursor, Elapsed, Position, Slot, View, ViewError, Wall};

/// The shard as of the last entry in the view.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ShardClock {
    /// The last position assigned; zero when none was.
    pub last_position: Position,
    pub wall: Wall,
    pub elapsed: Elapsed,
    /// The greatest position of a removed event; zero when none was removed.
    pub removed_through: Position,
    /// How many entries were applied since the store began.
    pub applied: u64,
    /// Idempotency records kept, and the bytes of their rows.
    pub records: u64,
    pub records_bytes: u64,
}

impl ShardClock {
    /// Whether no later event can get a position in this millisecond: then a read as of it always has the
    /// same result.
    #[must_use]
    pub fn is_closed(&self, wall: Wall) -> bool {
        self.wall > wall || self.last_position.wall() > wall
    }

    /// All that ever gets a cursor up to this one has happened: the last position, and the milliseconds that are closed.
    #[must_use]
    pub fn through(&self) -> Cursor {
        let last = Cursor::new(self.last_position, Slot(u16::MAX));
        let closed = self.wall.0.checked_sub(1).map_or(Cursor::START, |wall| Cursor::last_of(Wall(wall)));
        last.max(closed)
    }
}

impl From<&ShardRow> for ShardClock {
    fn from(row: &ShardRow) -> Self {
        Self {
            last_position: row.last,
            wall: row.wall,
            elapsed: row.elapsed,
            removed_through: row.removed_through,
            applied: row.applied,
            records: row.records,
            records_bytes: row.records_bytes,
        }
    }
}

/// Reads the clock of the shard whose first slot is `first`.
///
/// # Errors
/// [`ViewError`].
pub fn clock(view: &impl View, first: Slot) -> Result<ShardClock, ViewError> {
    Ok(ShardClock::from(&shard_row(view, first)?))
}

/// The row of the shard whose first slot is `first`; a default one if no entry was applied.
pub(crate) fn shard_row(view: &impl View, first: Slot) -> Result<ShardRow, ViewError> {
    match view.get(&shard_key(first))? {
        None => Ok(ShardRow::default()),
        Some(value) => ShardRow::decode(&value).map_err(|error| bad_row("shard row", error)),
    }
}
