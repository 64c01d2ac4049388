//! What a read looks through, newest first: the active memtable, the one being flushed, the runs of tables.
//!
//! All three are immutable but for the active memtable, whose newer versions a snapshot's number hides. So a
//! reader that holds them sees its own moment for ever, and the files of its tables stay until it lets go.

use super::config::LsmConfig;
use super::error::view_error;
use super::memtable::Memtable;
use super::row::RowKey;
use super::scan::{MemtableSource, Merge, RowRange, RunSource, Source};
use super::{STATE_ROWS, row::RowValue};
use crate::state::Progress;
use lsm_tree::file::TABLES_FOLDER;
use lsm_tree::table::filter::standard_bloom::Builder as Bloom;
use lsm_tree::{AbstractTree, Cache, InternalValue, SeqNo, SequenceNumberCounter, Table, Tree};
use model::{KeyRange, Order, Value, ViewError, view::Visit};
use std::collections::BTreeSet;
use std::ops::{ControlFlow, Range};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What the node's thread and the disk work share.
pub(super) struct Shared {
    pub(super) tree: Tree,
    pub(super) seqno: SequenceNumberCounter,
    pub(super) cache: Arc<Cache>,
    pub(super) config: LsmConfig,
    /// Held for moments only, never over a sync.
    layers: Mutex<Layers>,
}

/// Everything below the active memtable.
#[derive(Clone)]
pub(super) struct Layers {
    /// What is being flushed.
    pub(super) sealed: Option<Sealed>,
    pub(super) flush: FlushStage,
    pub(super) tables: Arc<Tables>,
    /// What the tables hold.
    pub(super) flushed: Progress,
}

/// A memtable that takes no more commits.
#[derive(Clone)]
pub(super) struct Sealed {
    pub(super) memtable: Arc<Memtable>,
    /// Of its last commit.
    pub(super) progress: Progress,
    pub(super) seqno: SeqNo,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum FlushStage {
    /// None is out. If something is sealed, its flush found no space and may be begun again.
    Idle,
    Out,
    /// What is sealed may never become durable, and no other flush can follow it.
    Failed,
}

impl Shared {
    pub(super) fn new(
        tree: Tree,
        seqno: SequenceNumberCounter,
        cache: Arc<Cache>,
        config: LsmConfig,
        flushed: Progress,
    ) -> Self {
        let tables = Arc::new(Tables::of(&tree));
        let layers = Layers { sealed: None, flush: FlushStage::Idle, tables, flushed };
        Self { tree, seqno, cache, config, layers: Mutex::new(layers) }
    }

    pub(super) fn layers(&self) -> MutexGuard<'_, Layers> {
        self.layers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The number that the next file of a table will get.
    pub(super) fn next_table(&self) -> u64 {
        self.tree.table_id_counter.get()
    }

    /// Deletes the files of tables that a full disk left unfinished: they would fill it further at each try.
    /// Opening deletes what remains.
    pub(super) fn remove_unfinished(&self, tables: Range<u64>) {
        let known: BTreeSet<u64> = Tables::of(&self.tree).runs.iter().flatten().map(Table::id).collect();
        let folder = self.tree.config.path.join(TABLES_FOLDER);
        for table in tables.filter(|table| !known.contains(table)) {
            // One that cannot be deleted, or was never created, is left to the next opening.
            let _ = std::fs::remove_file(folder.join(table.to_string()));
        }
    }

    /// Lets reads see the tables that a compaction has written.
    pub(super) fn publish(&self, tables: Tables) {
        let mut layers = self.layers();
        let replaced = layers.replace_tables(tables);
        drop(layers);
        // The last holder of a table deletes its file: here, not on the node's thread.
        drop(replaced);
    }

    /// Lets reads see the tables that hold the sealed memtable, in its place.
    pub(super) fn publish_flush(&self, tables: Tables, flushed: Progress) {
        let mut layers = self.layers();
        let replaced = layers.replace_tables(tables);
        let memtable = layers.sealed.take();
        layers.flush = FlushStage::Idle;
        layers.flushed = flushed;
        drop(layers);
        // Freeing a full memtable takes milliseconds: here, not on the node's thread.
        drop((replaced, memtable));
    }
}

impl Layers {
    /// Of two threads that publish, the later may bring the older tables: they are not put back.
    fn replace_tables(&mut self, tables: Tables) -> Arc<Tables> {
        let tables = Arc::new(tables);
        if tables.version > self.tables.version {
            std::mem::replace(&mut self.tables, tables)
        } else {
            tables
        }
    }
}

/// The tables of one version of the tree.
pub(super) struct Tables {
    version: u64,
    /// Newest first; within a run tables are disjoint and sorted.
    runs: Vec<Vec<Table>>,
    first_level_runs: usize,
    bytes: u64,
}

impl Tables {
    /// Of the tree's newest version. Waits while the tree syncs a manifest: not for the node's thread.
    pub(super) fn of(tree: &Tree) -> Self {
        let version = tree.current_version();
        let runs: Vec<_> =
            version.iter_levels().flat_map(|level| level.iter()).map(|run| run.to_vec()).collect();
        // The size that a table knows of itself is that of its rows. A file that cannot be asked counts as
        // empty: this is a figure for people.
        let file_bytes = |table: &Table| table.path.metadata().map_or(0, |file| file.len());
        let bytes = runs.iter().flatten().map(file_bytes).sum();
        Self { version: version.id(), runs, first_level_runs: version.l0().run_count(), bytes }
    }

    pub(super) fn version(&self) -> u64 {
        self.version
    }

    pub(super) fn first_level_runs(&self) -> usize {
        self.first_level_runs
    }

    pub(super) fn count(&self) -> usize {
        self.runs.iter().map(Vec::len).sum()
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The newest row of `key`; a deleted one is a tombstone.
    pub(super) fn get(&self, key: &[u8]) -> Result<Option<InternalValue>, lsm_tree::Error> {
        let hash = Bloom::get_hash(key);
        for run in &self.runs {
            let at = run.partition_point(|table| table.metadata.key_range.max().as_ref() < key);
            let table = run.get(at).filter(|table| table.metadata.key_range.min().as_ref() <= key);
            if let Some(table) = table
                && let Some(row) = table.get(key, SeqNo::MAX, hash)?
            {
                return Ok(Some(row));
            }
        }
        Ok(None)
    }
}

/// Reads of the state's rows as of one commit.
pub(super) struct Snapshot<'a> {
    pub(super) active: &'a Memtable,
    pub(super) layers: &'a Layers,
    /// Versions below it are seen.
    pub(super) seqno: SeqNo,
}

impl Snapshot<'_> {
    pub(super) fn get(&self, key: &[u8]) -> Result<Option<Value>, ViewError> {
        let key = RowKey::of_parts(&[STATE_ROWS], key);
        for memtable in self.memtables() {
            if let Some(found) = memtable.get(&key, self.seqno) {
                return Ok(found.as_ref().map(RowValue::to_vec));
            }
        }
        let row = self.layers.tables.get(key.as_slice()).map_err(|error| view_error(&error))?;
        Ok(row.filter(|row| !row.is_tombstone()).map(|row| row.value.to_vec()))
    }

    pub(super) fn scan(
        &self,
        range: KeyRange<'_>,
        order: Order,
        visit: &mut Visit<'_>,
    ) -> Result<(), ViewError> {
        if range.from >= range.to {
            return Ok(());
        }
        let from = RowKey::of_parts(&[STATE_ROWS], range.from);
        let to = RowKey::of_parts(&[STATE_ROWS], range.to);
        let range = RowRange { from: &from, to: &to };
        let mut merge = Merge::of(self.sources(range, order), order).map_err(|error| view_error(&error))?;
        while let Some(row) = merge.next().map_err(|error| view_error(&error))? {
            let Some((_, key)) = row.key().split_first() else { continue };
            if let Some(value) = row.value()
                && visit(key, value) == ControlFlow::Break(())
            {
                break;
            }
        }
        Ok(())
    }

    /// Newest first.
    fn memtables(&self) -> impl Iterator<Item = &Memtable> {
        std::iter::once(self.active).chain(self.layers.sealed.iter().map(|sealed| &*sealed.memtable))
    }

    /// Newest first.
    fn sources<'r>(&'r self, range: RowRange<'r>, order: Order) -> Vec<Source<'r>> {
        let memtables = self
            .memtables()
            .map(|memtable| Source::Memtable(MemtableSource::new(memtable, range, order, self.seqno)));
        let runs = self.layers.tables.runs.iter().map(|run| Source::Run(RunSource::new(run, range, order)));
        memtables.chain(runs).collect()
    }
}
