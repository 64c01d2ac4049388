//! The state on disk: one log-structured merge tree of sorted tables (`lsm-tree`). It needs no journal of its
//! own, because the node's log serves as one.
//!
//! It guarantees what [`crate::state`] requires: a commit is in memory and atomic with its progress, a
//! completed flush is durable, and a crash leaves exactly the last completed flush. It knows nothing about
//! the log, the bodies, or the meaning of rows, and starts no thread.
//!
//! ```text
//!    node's thread                  any thread                      any thread
//!   ┌────────┐ begin_flush ┌────────┐ LsmFlush::run ┌────────────┐ LsmCompactor::step
//!   │ active │────────────▶│ sealed │──────────────▶│ tables, L0 │─────────▶ L1 ─▶ L2 ...
//!   └────────┘             └────────┘               └────────────┘
//!     commit                       └──── Layers: what a read looks through, newest first ────┘
//! ```
//!
//! Memtables and snapshots are our own; tables and their compaction are lsm-tree's. So the node's thread
//! never waits for lsm-tree's lock on its versions, which is held while a manifest is synced. Nor is an
//! eviction watermark needed: a reader holds the memtables and tables as they were, so a flush or a
//! compaction keeps only the newest version of each row (docs/decisions has the reasons and measurements).
//!
//! | module | what it does |
//! |---|---|
//! | [`config`] | the sizes that bound memory, and the tree's tuning |
//! | [`open`], [`check`] | creates a directory completely or not at all; reports damage and foreign files |
//! | [`row`], [`memtable`] | rows in memory |
//! | [`layers`], [`scan`] | reads through memtables and tables, newest first |
//! | [`flush`], [`compact`] | the disk work |

mod check;
mod compact;
mod config;
mod error;
mod flush;
mod layers;
mod memtable;
mod open;
mod row;
mod scan;
#[cfg(test)]
mod tests;

pub use check::TableFile;
pub use compact::LsmCompactor;
pub use config::LsmConfig;
pub use flush::LsmFlush;

use crate::state::{Pressure, Progress, Reader, State, StateError, StateFigures};
use layers::{FlushStage, Layers, Sealed, Shared, Snapshot};
use lsm_tree::SeqNo;
use memtable::{Memtable, OldVersions};
use model::{KeyRange, Order, Value, View, ViewError, WriteSet, view::Visit};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The tag of the engine's own rows: the progress.
const ENGINE_ROWS: u8 = 0;
/// The tag of the state's rows.
const STATE_ROWS: u8 = 1;
/// A key and its tag must fit into lsm-tree's 16 bits of length.
const KEY_BYTES_MAX: usize = u16::MAX as usize - 1;

/// The state of one node, in one directory; see the module.
pub struct LsmState {
    shared: Arc<Shared>,
    active: Arc<Memtable>,
    active_bytes: u64,
    progress: Progress,
    /// The sequence number of the last commit.
    seqno: SeqNo,
    /// The newest reader sees the versions below this.
    newest_reader: AtomicU64,
    readers: Arc<()>,
}

impl LsmState {
    fn with_layers<T>(&self, read: impl FnOnce(&Snapshot<'_>) -> T) -> T {
        let layers = self.shared.layers();
        read(&Snapshot { active: &self.active, layers: &layers, seqno: SeqNo::MAX })
    }
}

impl fmt::Debug for LsmState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LsmState")
            .field("progress", &self.progress)
            .field("active_bytes", &self.active_bytes)
            .finish_non_exhaustive()
    }
}

impl View for LsmState {
    fn get(&self, key: &[u8]) -> Result<Option<Value>, ViewError> {
        self.with_layers(|snapshot| snapshot.get(key))
    }

    fn scan(&self, range: KeyRange<'_>, order: Order, visit: &mut Visit<'_>) -> Result<(), ViewError> {
        // `visit` may read this view again, so the layers are not locked while it runs.
        let layers = Layers::clone(&self.shared.layers());
        Snapshot { active: &self.active, layers: &layers, seqno: SeqNo::MAX }.scan(range, order, visit)
    }
}

impl State for LsmState {
    type Reader = LsmReader;
    type Flush = LsmFlush;
    type Compactor = LsmCompactor;

    fn progress(&self) -> Progress {
        self.progress
    }

    fn commit(&mut self, writes: &WriteSet, progress: Progress) -> Result<(), StateError> {
        // Tables cannot hold such a key, but would report that only during a flush.
        if writes.0.iter().any(|(key, _)| key.len() > KEY_BYTES_MAX) {
            return Err(StateError::Failed(format!("a key has more than {KEY_BYTES_MAX} bytes")));
        }
        let old = match Arc::strong_count(&self.active) {
            1 => OldVersions::Unseen,
            _ => OldVersions::SeenBelow(self.newest_reader.load(Ordering::Relaxed)),
        };
        self.seqno = self.shared.seqno.next();
        self.active_bytes = self.active.commit(writes, STATE_ROWS, self.seqno, old);
        self.progress = progress;
        Ok(())
    }

    fn reader(&self) -> LsmReader {
        let seqno = self.seqno.saturating_add(1);
        self.newest_reader.store(seqno, Ordering::Relaxed);
        LsmReader(Arc::new(ReadMoment {
            active: Arc::clone(&self.active),
            layers: Layers::clone(&self.shared.layers()),
            seqno,
            progress: self.progress,
            _counted: Arc::clone(&self.readers),
        }))
    }

    fn unflushed_bytes(&self) -> u64 {
        self.active_bytes
    }

    fn pressure(&self) -> Pressure {
        let first_level_runs = self.shared.layers().tables.first_level_runs();
        let config = &self.shared.config;
        config.memory_pressure(self.active_bytes).max(config.first_level_pressure(first_level_runs))
    }

    fn figures(&self) -> StateFigures {
        let layers = self.shared.layers();
        StateFigures {
            unflushed_bytes: self.active_bytes
                + layers.sealed.as_ref().map_or(0, |sealed| sealed.memtable.bytes()),
            sealed_memtables: layers.sealed.iter().count() as u64,
            cache_bytes: self.shared.cache.size(),
            table_bytes: layers.tables.bytes(),
            tables: layers.tables.count() as u64,
            first_level_runs: layers.tables.first_level_runs() as u64,
            replaced: self.shared.replaced_count() as u64,
            readers: Arc::strong_count(&self.readers).saturating_sub(1) as u64,
        }
    }

    fn begin_flush(&mut self) -> Result<LsmFlush, StateError> {
        let mut layers = self.shared.layers();
        match layers.flush {
            FlushStage::Idle => {}
            FlushStage::Out => return Err(StateError::Failed("a flush is already running".to_owned())),
            FlushStage::Failed => return Err(StateError::Failed("an earlier flush failed".to_owned())),
        }
        if layers.sealed.is_none() {
            if self.active.is_empty() && self.progress == layers.flushed {
                return Ok(LsmFlush::nothing(layers.flushed));
            }
            let memtable = std::mem::take(&mut self.active);
            self.active_bytes = 0;
            layers.sealed = Some(Sealed { memtable, progress: self.progress, seqno: self.seqno });
        }
        layers.flush = FlushStage::Out;
        Ok(layers.sealed.clone().map_or_else(
            || LsmFlush::nothing(layers.flushed),
            |sealed| LsmFlush::of(Arc::clone(&self.shared), sealed),
        ))
    }

    fn compactor(&self) -> LsmCompactor {
        LsmCompactor::new(Arc::clone(&self.shared))
    }
}

/// The state as of one commit: the memtables and tables of that moment, kept for as long as the reader lives.
#[derive(Clone)]
pub struct LsmReader(Arc<ReadMoment>);

struct ReadMoment {
    active: Arc<Memtable>,
    layers: Layers,
    /// Versions below this are visible.
    seqno: SeqNo,
    progress: Progress,
    _counted: Arc<()>,
}

impl LsmReader {
    /// A reader of tables that nothing changes.
    fn of_tables(tables: layers::Tables, progress: Progress) -> Self {
        let tables = Arc::new(tables);
        Self(Arc::new(ReadMoment {
            active: Arc::default(),
            layers: Layers { sealed: None, flush: FlushStage::Idle, tables, flushed: progress },
            seqno: SeqNo::MAX,
            progress,
            _counted: Arc::default(),
        }))
    }

    fn snapshot(&self) -> Snapshot<'_> {
        Snapshot { active: &self.0.active, layers: &self.0.layers, seqno: self.0.seqno }
    }
}

impl LsmReader {
    /// The files of the tables that this reads. They stay as long as the reader does.
    #[must_use]
    pub fn table_files(&self) -> Vec<TableFile> {
        self.0.layers.tables.files()
    }
}

impl fmt::Debug for LsmReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LsmReader").field("progress", &self.0.progress).finish_non_exhaustive()
    }
}

impl View for LsmReader {
    fn get(&self, key: &[u8]) -> Result<Option<Value>, ViewError> {
        self.snapshot().get(key)
    }

    fn scan(&self, range: KeyRange<'_>, order: Order, visit: &mut Visit<'_>) -> Result<(), ViewError> {
        self.snapshot().scan(range, order, visit)
    }
}

impl Reader for LsmReader {
    fn progress(&self) -> Progress {
        self.0.progress
    }
}
