//! How far the shard has come.

use crate::damage::bad_row;
use format::row::{ShardRow, shard_key};
use model::{Elapsed, Position, Slot, View, ViewError, Wall};

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
}

/// Reads the clock of the shard whose first slot is `first`.
///
/// # Errors
/// [`ViewError`].
pub fn clock(view: &impl View, first: Slot) -> Result<ShardClock, ViewError> {
    let Some(value) = view.get(&shard_key(first))? else { return Ok(ShardClock::default()) };
    let row = ShardRow::decode(&value).map_err(|error| bad_row("shard row", error))?;
    Ok(ShardClock {
        last_position: row.last,
        wall: row.wall,
        elapsed: row.elapsed,
        removed_through: row.removed_through,
        applied: row.applied,
        records: row.records,
        records_bytes: row.records_bytes,
    })
}
