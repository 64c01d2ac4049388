//! What a restored store changes in its state. A user's rule:
//!
//! - A restored store never gives out a position that the original can have given out: positions are time, and new ones
//!   begin at the time of the restore, or after the last one of the backup if that is later. Tokens of leases and claims are
//!   positions.
//! - The time of day never goes back. The elapsed time goes on from the backup: leases, claims and deadlines have as much
//!   time left as they had, so a holder of that moment still holds it, and nobody else gets it early.
//! - The store remembers which store it comes from, and up to which cursor it has all that happened there.
//!
//! Nothing else is changed. This is not a command: the rows are written while the store is made, before there is a node.

use crate::damage::bad_row;
use crate::query::{ShardClock, shard_row};
use alloc::vec;
use alloc::vec::Vec;
use format::header::StoreId;
use format::row::{Origin, ShardRow, decode_origins, encode_origins, origins_key, shard_key};
use model::{Position, Slot, View, ViewError, Wall, WriteSet, limits};

/// The rows that a store changes which is restored at `now` from a backup of `from`. The slots begin with `first`.
///
/// # Errors
/// [`ViewError`]
pub fn restored(view: &impl View, first: Slot, from: StoreId, now: Wall) -> Result<WriteSet, ViewError> {
    let shard = shard_row(view, first)?;
    let mut origins = origins(view, first)?;
    origins.push(Origin { store: from, through: ShardClock::from(&shard).through(), restored: now });
    let forgotten = origins.len().saturating_sub(limits::ORIGINS_MAX);
    origins.drain(..forgotten);
    let shard =
        ShardRow { last: shard.last.max(Position::first_of(now)), wall: shard.wall.max(now), ..shard };
    Ok(WriteSet(vec![
        (shard_key(first).to_vec(), Some(shard.encode())),
        (origins_key(first).to_vec(), Some(encode_origins(&origins))),
    ]))
}

/// The stores whose history this one continues, oldest first. At most [`limits::ORIGINS_MAX`].
///
/// # Errors
/// [`ViewError`]
pub fn origins(view: &impl View, first: Slot) -> Result<Vec<Origin>, ViewError> {
    match view.get(&origins_key(first))? {
        None => Ok(Vec::new()),
        Some(value) => decode_origins(&value).map_err(|error| bad_row("origins", error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeMap;
    use model::{Cursor, Elapsed, Key, Value};

    const FIRST: Slot = Slot(0);

    fn store(last: u64, wall: u64) -> BTreeMap<Key, Value> {
        let row = ShardRow {
            last: Position(last << 16 | 5),
            wall: Wall(wall),
            elapsed: Elapsed(77),
            applied: 9,
            ..ShardRow::default()
        };
        BTreeMap::from([(shard_key(FIRST).to_vec(), row.encode())])
    }

    fn shard(rows: &BTreeMap<Key, Value>) -> ShardRow {
        ShardRow::decode(&rows[&shard_key(FIRST)[..]]).unwrap()
    }

    #[test]
    fn positions_and_the_time_of_day_go_on_from_the_restore_or_from_the_backup_whichever_is_later() {
        for (last, wall, now, want_last, want_wall) in [
            (1_000, 1_000, 5_000, Position(5_000 << 16), 5_000),
            (1_000, 1_000, 1_000, Position(1_000 << 16 | 5), 1_000),
            // The clock of the machine is behind that of the original.
            (9_000, 8_000, 5_000, Position(9_000 << 16 | 5), 8_000),
            (1_000, 8_000, 5_000, Position(5_000 << 16), 8_000),
        ] {
            let mut rows = store(last, wall);
            restored(&rows, FIRST, StoreId(1), Wall(now)).unwrap().change(&mut rows);
            let row = shard(&rows);
            assert_eq!((row.last, row.wall), (want_last, Wall(want_wall)), "{last} {wall} {now}");
            assert_eq!((row.elapsed, row.applied), (Elapsed(77), 9), "the rest stays as it was");
        }
    }

    #[test]
    fn a_store_has_all_that_happened_up_to_its_last_position_and_in_closed_milliseconds() {
        for (last, wall, through) in [
            (1_000, 1_000, Cursor::new(Position(1_000 << 16 | 5), Slot(u16::MAX))),
            (1_000, 1_001, Cursor::last_of(Wall(1_000))),
            (1_000, 4_000, Cursor::last_of(Wall(3_999))),
            (4_000, 1_000, Cursor::new(Position(4_000 << 16 | 5), Slot(u16::MAX))),
        ] {
            let mut rows = store(last, wall);
            restored(&rows, FIRST, StoreId(7), Wall(9_000)).unwrap().change(&mut rows);
            let want = Origin { store: StoreId(7), through, restored: Wall(9_000) };
            assert_eq!(origins(&rows, FIRST).unwrap(), [want], "{last} {wall}");
        }
    }

    #[test]
    fn the_last_origins_are_remembered() {
        let mut rows = store(1, 1);
        for number in 0..limits::ORIGINS_MAX as u64 + 3 {
            restored(&rows, FIRST, StoreId(number.into()), Wall(100 * number)).unwrap().change(&mut rows);
        }
        let origins = origins(&rows, FIRST).unwrap();
        assert_eq!(origins.len(), limits::ORIGINS_MAX);
        assert_eq!(origins[0].store, StoreId(3));
        assert!(origins.is_sorted_by_key(|origin| origin.through));
    }
}
