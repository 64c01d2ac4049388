//! Merges tables, so that reads search few of them and deleted rows leave the disk.
//!
//! Leveled compaction merges levels that have grown too large. But a deleted row stays while its tombstone is
//! in a level that does not grow. So a level with many tombstones, compared with the rows that removing them
//! would rewrite, is merged into the next one even if neither is too large.

use super::layers::{FlushStage, Shared, Tables};
use crate::state::{Compactor, Due, StateError};
use lsm_tree::compaction::{CompactionStrategy, Leveled, PullDown};
use lsm_tree::{AbstractTree, SeqNo, Table};
use std::fmt;
use std::sync::Arc;

/// A level is merged when at least one in this many rewritten rows is a tombstone. Deleting a row then costs
/// a few microseconds of compaction, and at most one row in eight is kept needlessly.
const ROWS_A_TOMBSTONE_MAX: u64 = 8;

/// Compaction of one tree, on one thread at a time; see [`crate::state::Compactor`].
#[derive(Clone)]
pub struct LsmCompactor {
    shared: Arc<Shared>,
    leveled: Arc<Leveled>,
}

impl LsmCompactor {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        let leveled = Arc::new(shared.config.strategy());
        Self { shared, leveled }
    }

    fn compact(&self, strategy: Arc<dyn CompactionStrategy>) -> Result<Due, StateError> {
        self.shared.may_write_manifest()?;
        let tree = &self.shared.tree;
        let before = tree.current_version().id();
        let first_table = self.shared.next_table();
        // Only the newest version of each row is kept; see the module `lsm`.
        let compacted = tree.compact(strategy, SeqNo::MAX);
        if let Err(error) = compacted {
            self.remove_unfinished(first_table);
            return Err(self.shared.manifest_error("compacting", &error));
        }
        let tables = Tables::of(tree);
        if tables.version() == before {
            return Ok(Due::Nothing);
        }
        self.shared.publish(tables);
        Ok(Due::More)
    }

    /// Deletes what a failed compaction has written, unless a flush may be writing at the same time.
    fn remove_unfinished(&self, first_table: u64) {
        let layers = self.shared.layers();
        // While the lock is held no flush begins, so all numbers up to the next one belong to this compaction
        // or to known tables.
        let tables = first_table..self.shared.next_table();
        let flush_is_out = layers.flush == FlushStage::Out;
        drop(layers);
        if !flush_is_out {
            self.shared.remove_unfinished(tables);
        }
    }

    fn levels(&self) -> Vec<LevelRows> {
        let version = self.shared.tree.current_version();
        let sum = |tables: &mut dyn Iterator<Item = &Table>| {
            tables.fold(LevelRows::default(), |sum, table| LevelRows {
                rows: sum.rows + table.metadata.item_count,
                tombstones: sum.tombstones + table.metadata.tombstone_count,
            })
        };
        version.iter_levels().map(|level| sum(&mut level.iter().flat_map(|run| run.iter()))).collect()
    }
}

impl fmt::Debug for LsmCompactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LsmCompactor").finish_non_exhaustive()
    }
}

impl Compactor for LsmCompactor {
    fn free_unused(&self) {
        self.shared.free_unused();
    }

    fn step(&self) -> Result<Due, StateError> {
        if self.compact(self.leveled.clone())? == Due::More {
            return Ok(Due::More);
        }
        match worth_pulling_down(&self.levels()) {
            Some((level, into)) => self.compact(Arc::new(PullDown(level, into))),
            None => Ok(Due::Nothing),
        }
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct LevelRows {
    /// Tombstones included.
    rows: u64,
    tombstones: u64,
}

/// The first level whose tombstones are worth a merge, and the level to merge it into: the next one with
/// rows, or the last one, where tombstones end. The last level is merged into itself.
fn worth_pulling_down(levels: &[LevelRows]) -> Option<(u8, u8)> {
    let last = levels.len().checked_sub(1)?;
    levels.iter().enumerate().find_map(|(at, level)| {
        let into = (at + 1..=last).find(|below| levels[*below].rows > 0).unwrap_or(last);
        let rewritten = level.rows + if into == at { 0 } else { levels[into].rows };
        let worth = level.tombstones > 0 && level.tombstones * ROWS_A_TOMBSTONE_MAX >= rewritten;
        if worth { u8::try_from(at).ok().zip(u8::try_from(into).ok()) } else { None }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tombstones_are_merged_when_they_are_worth_the_rewrite() {
        let none = (0, 0);
        for (levels, want) in [
            ([none, none, none], None),
            ([(10, 0), none, (90, 0)], None),
            // 10 tombstones against 100 rows, and against 80.
            ([(10, 10), none, (90, 0)], None),
            ([(10, 10), none, (70, 0)], Some((0, 2))),
            ([(10, 10), (500, 0), (10, 0)], None),
            ([(10, 1), (50, 10), (20, 0)], Some((1, 2))),
            // There is nothing below, so they go to the last level, where tombstones end.
            ([(10, 5), none, none], Some((0, 2))),
            ([none, none, (70, 10)], Some((2, 2))),
            ([none, none, (90, 10)], None),
        ] {
            let rows = levels.map(|(rows, tombstones)| LevelRows { rows, tombstones });
            assert_eq!(worth_pulling_down(&rows), want, "{levels:?}");
        }
    }
}
