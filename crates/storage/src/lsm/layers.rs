//! What a read searches, newest first: the active memtable, the memtable being flushed, the runs of tables.
//!
//! The last two are immutable. In the active memtable, a snapshot's sequence number hides newer versions. So
//! a reader that holds all three never sees a change, and the files of its tables stay until it is dropped.

use super::check::{TableFile, manifest_number, named_tables};
use super::config::LsmConfig;
use super::error::{state_error, view_error};
use super::memtable::Memtable;
use super::row::RowKey;
use super::scan::{MemtableSource, Merge, RowRange, RunSource, Source};
use super::{STATE_ROWS, row::RowValue};
use crate::state::{Progress, StateError};
use lsm_tree::file::TABLES_FOLDER;
use lsm_tree::table::filter::standard_bloom::Builder as Bloom;
use lsm_tree::{AbstractTree, Cache, InternalValue, SeqNo, SequenceNumberCounter, Table, Tree};
use model::{KeyRange, Order, Value, ViewError, view::Visit};
use std::collections::BTreeSet;
use std::ops::{ControlFlow, Range};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What the node's thread and the disk work share.
pub(super) struct Shared {
    pub(super) tree: Tree,
    pub(super) seqno: SequenceNumberCounter,
    pub(super) cache: Arc<Cache>,
    pub(super) config: LsmConfig,
    /// Held only briefly, never during a sync.
    layers: Mutex<Layers>,
    replaced: Mutex<Replaced>,
    /// The manifest on disk is newer than the one in memory, so that the library would overwrite it.
    manifest_is_ahead: AtomicBool,
}

/// Layers that were replaced. They are kept here until no reader uses them, so that the last reader never frees a
/// memtable or deletes the files of tables: that may take milliseconds, and the reader may be the node's thread.
#[derive(Default)]
struct Replaced {
    memtables: Vec<Arc<Memtable>>,
    tables: Vec<Arc<Tables>>,
}

/// Everything below the active memtable.
#[derive(Clone)]
pub(super) struct Layers {
    /// The memtable that is being flushed.
    pub(super) sealed: Option<Sealed>,
    pub(super) flush: FlushStage,
    pub(super) tables: Arc<Tables>,
    /// The progress of the tables.
    pub(super) flushed: Progress,
}

/// A memtable that takes no more commits.
#[derive(Clone)]
pub(super) struct Sealed {
    pub(super) memtable: Arc<Memtable>,
    /// The progress and the sequence number of its last commit.
    pub(super) progress: Progress,
    pub(super) seqno: SeqNo,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum FlushStage {
    /// No flush is running. If something is sealed, its flush found no space and may be started again.
    Idle,
    Out,
    /// The sealed memtable may never become durable, and no other flush can follow it.
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
        Self {
            tree,
            seqno,
            cache,
            config,
            layers: Mutex::new(layers),
            replaced: Mutex::default(),
            manifest_is_ahead: AtomicBool::default(),
        }
    }

    /// Classifies an error of a flush or a compaction, which may have written a manifest.
    ///
    /// After a manifest was put in place, the library still syncs its name. If that fails, the library goes on with
    /// the older manifest, and would write the next one into the file that is in use. So the node must stop, even
    /// if only space is missing. A compaction that is writing its manifest at this moment is not held up.
    pub(super) fn manifest_error(&self, doing: &str, error: &lsm_tree::Error) -> StateError {
        // Another thread may write a manifest meanwhile. Reading the version waits for that.
        let before = self.tree.current_version().id();
        let on_disk = manifest_number(&self.tree.config.path);
        let after = self.tree.current_version().id();
        if on_disk.is_ok_and(|number| number == before || number == after) {
            return state_error(doing, error);
        }
        self.manifest_is_ahead.store(true, Ordering::Relaxed);
        StateError::Failed(format!("{doing}: {error}, after the new manifest was put in place"))
    }

    /// Refuses to write a manifest over the one that is in use; see [`Self::manifest_error`].
    pub(super) fn may_write_manifest(&self) -> Result<(), StateError> {
        match self.manifest_is_ahead.load(Ordering::Relaxed) {
            true => Err(StateError::Failed("an earlier manifest may not be durable".to_owned())),
            false => Ok(()),
        }
    }

    pub(super) fn layers(&self) -> MutexGuard<'_, Layers> {
        self.layers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The number of the next table file.
    pub(super) fn next_table(&self) -> u64 {
        self.tree.table_id_counter.get()
    }

    /// Deletes the table files that a full disk left unfinished. Otherwise each retry would fill the disk
    /// further. Opening deletes what remains.
    pub(super) fn remove_unfinished(&self, tables: Range<u64>) {
        let known: BTreeSet<u64> = Tables::of(&self.tree).runs.iter().flatten().map(Table::id).collect();
        let tree = &self.tree.config.path;
        // The manifest on disk may name a table that the tree does not know: its last sync may have failed after
        // its rename. Without that table the state would never open again.
        let Ok(named) = named_tables(tree) else { return };
        let folder = tree.join(TABLES_FOLDER);
        for table in tables.filter(|table| !known.contains(table) && !named.contains(table)) {
            // A file that cannot be deleted, or was never created, is left for the next opening.
            let _ = std::fs::remove_file(folder.join(table.to_string()));
        }
    }

    /// Makes the tables that a compaction has written visible to reads.
    pub(super) fn publish(&self, tables: Tables) {
        let replaced = self.layers().replace_tables(tables);
        self.replaced().tables.push(replaced);
        self.free_unused();
    }

    /// Makes the tables with the rows of the sealed memtable visible to reads, in its place.
    pub(super) fn publish_flush(&self, tables: Tables, flushed: Progress) {
        let mut layers = self.layers();
        let replaced = layers.replace_tables(tables);
        let memtable = layers.sealed.take();
        layers.flush = FlushStage::Idle;
        layers.flushed = flushed;
        drop(layers);
        let mut all = self.replaced();
        all.tables.push(replaced);
        all.memtables.extend(memtable.map(|sealed| sealed.memtable));
    }

    /// Frees what was replaced and is no longer used. Not for the node's thread.
    pub(super) fn free_unused(&self) {
        // Nothing outside can get another reference to what only this list still holds.
        let unused = {
            let mut replaced = self.replaced();
            let Replaced { memtables, tables } = &mut *replaced;
            (take_unused(memtables), take_unused(tables))
        };
        drop(unused);
    }

    /// How many replaced memtables and lists of tables are not freed yet.
    pub(super) fn replaced_count(&self) -> usize {
        let replaced = self.replaced();
        replaced.memtables.len() + replaced.tables.len()
    }

    fn replaced(&self) -> MutexGuard<'_, Replaced> {
        self.replaced.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn take_unused<T>(replaced: &mut Vec<Arc<T>>) -> Vec<Arc<T>> {
    let (unused, used) = std::mem::take(replaced).into_iter().partition(|one| Arc::strong_count(one) == 1);
    *replaced = used;
    unused
}

impl Layers {
    /// If two threads publish, the second may bring older tables. Those are ignored.
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
    /// Newest first. The tables of one run are disjoint and sorted.
    runs: Vec<Vec<Table>>,
    first_level_runs: usize,
    bytes: u64,
}

impl Tables {
    /// The tables of the tree's newest version. This waits while the tree syncs a manifest, so the node's
    /// thread must not call it.
    pub(super) fn of(tree: &Tree) -> Self {
        let version = tree.current_version();
        let runs: Vec<_> =
            version.iter_levels().flat_map(|level| level.iter()).map(|run| run.to_vec()).collect();
        // A table knows only the size of its rows, so the sizes come from the file system. A file whose size
        // cannot be read counts as empty, because this is only a metric.
        let file_bytes = |table: &Table| table.path.metadata().map_or(0, |file| file.len());
        let bytes = runs.iter().flatten().map(file_bytes).sum();
        Self { version: version.id(), runs, first_level_runs: version.l0().run_count(), bytes }
    }

    /// Each table as a run of its own, newest first.
    pub(super) fn of_newest_first(tables: Vec<Table>) -> Self {
        let (first_level_runs, runs) = (tables.len(), tables.into_iter().map(|table| vec![table]).collect());
        Self { version: 0, runs, first_level_runs, bytes: 0 }
    }

    pub(super) fn files(&self) -> Vec<TableFile> {
        let tables = self.runs.iter().flatten();
        tables.map(|table| TableFile::new(table.id(), &table.path, table.checksum().into_u128())).collect()
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

    /// The newest row of `key`. A deleted row is a tombstone.
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
    /// Versions below this are visible.
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
