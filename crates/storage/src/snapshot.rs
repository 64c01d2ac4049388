//! Snapshots of a node's data: reading the rows of a state, and installing rows and bodies in empty stores.
//!
//! ```text
//!   Reader ──read_rows──▶ chunk ─┐                        ┌─▶ state
//!                                ├─▶ a backup, a replica ─┤             Install
//!   BodyReader ──pin──▶ segments ┘                        └─▶ bodies, log
//! ```
//!
//! What is read is fixed when the snapshot is taken: a reader of the state at one applied entry, and the segments that
//! hold the bodies up to that entry ([`crate::bodies::PinnedBodies`]). Nothing is flushed or stopped for it.
//!
//! An installed store has the same rows and the same bodies, and begins with a log that holds nothing up to the entry of
//! the snapshot. Logical offsets of bodies are those of the new body file: no row refers to them. Neither crashes nor
//! errors are handled here: what was begun and not finished must be thrown away.

use crate::bodies::{Bodies, BodyError, BodyOptions};
use crate::disk::Disk;
use crate::log::{Log, LogError, LogOptions};
use crate::state::{Compactor, Due, FlushJob, Progress, State, StateError};
use format::frame::{HardState, Purged, encode_carry};
use format::header::SnapshotHeader;
use format::row::ALL_ROWS;
use format::snapshot::{Following, KeyAndValue, encode_chunk, put_row};
use model::{Cursor, GroupId, Index, Key, KeyRange, Order, Position, Term, View, ViewError, Wall, WriteSet};
use std::ops::ControlFlow;

/// Rows in memory before they are flushed.
const FLUSH_BYTES: u64 = 16 << 20;

/// Some rows of a snapshot, encoded.
#[derive(Clone, Debug)]
pub struct RowsChunk {
    pub bytes: Vec<u8>,
    /// The last key, after which the next chunk begins; `None` when there is no next chunk.
    pub last: Option<Key>,
}

/// The rows after a key, or from the first one, as the chunk with this number: about `bytes_max` bytes, and at least one
/// row if there is one.
///
/// # Errors
/// [`ViewError`]
pub fn read_rows(
    view: &impl View,
    snapshot: &SnapshotHeader,
    number: u32,
    after: Option<&[u8]>,
    bytes_max: usize,
) -> Result<RowsChunk, ViewError> {
    let from = after.map(|key| [key, &[0]].concat()).unwrap_or_default();
    let (mut rows, mut count, mut last, mut more) = (Vec::new(), 0_u32, None, false);
    let range = KeyRange { from: &from, ..ALL_ROWS };
    view.scan(range, Order::Ascending, &mut |key, value| {
        if rows.len() >= bytes_max {
            more = true;
            return ControlFlow::Break(());
        }
        put_row(key, value, &mut rows);
        count += 1;
        last = Some(key.to_vec());
        ControlFlow::Continue(())
    })?;
    let following = if more { Following::More } else { Following::Nothing };
    let bytes = encode_chunk(snapshot, number, following, count, &rows);
    Ok(RowsChunk { bytes, last: last.filter(|_| more) })
}

/// Why a snapshot could not be installed.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    #[error(transparent)]
    State(#[from] StateError),
    #[error(transparent)]
    Bodies(#[from] BodyError),
    #[error(transparent)]
    Log(#[from] LogError),
}

/// Which entry of which group a snapshot shows.
#[derive(Clone, Copy, Debug)]
pub struct InstalledAt {
    pub group: GroupId,
    pub index: Index,
    pub term: Term,
}

/// Fills empty stores with a snapshot: first all rows, then all bodies.
#[derive(Debug)]
pub struct Install<D: Disk, S: State> {
    state: S,
    bodies: Bodies<D>,
}

impl<D: Disk, S: State> Install<D, S> {
    /// `state` and the directory of bodies must be empty.
    ///
    /// # Errors
    /// [`InstallError`]
    pub fn begin(state: S, bodies: D, options: BodyOptions) -> Result<Self, InstallError> {
        let (bodies, _) = Bodies::open(bodies, 0, options)?;
        Ok(Self { state, bodies })
    }

    /// Adds rows, in ascending order of the keys.
    ///
    /// # Errors
    /// [`InstallError`]
    pub fn rows(&mut self, rows: &[KeyAndValue<'_>]) -> Result<(), InstallError> {
        let writes = rows.iter().map(|(key, value)| (key.to_vec(), Some(value.to_vec()))).collect();
        self.change(&WriteSet(writes))
    }

    /// Changes rows after all were added.
    ///
    /// # Errors
    /// [`InstallError`]
    pub fn change(&mut self, writes: &WriteSet) -> Result<(), InstallError> {
        self.state.commit(writes, Progress::default())?;
        if self.state.unflushed_bytes() < FLUSH_BYTES {
            return Ok(());
        }
        self.sync_bodies()?;
        self.flush()
    }

    /// Takes note of events that were removed after they were added.
    pub fn removed(&mut self, positions: &[Position], now: Wall) {
        self.bodies.note_removed(positions, now);
    }

    /// The state as installed so far.
    #[must_use]
    pub fn state(&self) -> &S {
        &self.state
    }

    /// Adds encoded records, in order. `last` is the cursor of the last of them.
    ///
    /// # Errors
    /// [`InstallError`]
    pub fn records(&mut self, records: &[u8], last: Cursor) -> Result<(), InstallError> {
        self.bodies.append(records, last)?;
        Ok(())
    }

    /// Makes the bodies durable that were added so far. Call it from time to time.
    ///
    /// # Errors
    /// [`InstallError`]
    pub fn sync_bodies(&self) -> Result<(), InstallError> {
        self.bodies.sync_handle().run()?;
        Ok(())
    }

    /// Changes the last rows, makes everything durable, and begins the log.
    ///
    /// # Errors
    /// [`InstallError`]
    pub fn finish(
        mut self,
        changes: &WriteSet,
        at: InstalledAt,
        log: D,
        options: LogOptions,
    ) -> Result<Progress, InstallError> {
        let bodies_end = self.bodies.sync_handle().run()?;
        let progress = Progress { group: at.group, index: at.index, term: at.term, bodies_end };
        self.state.commit(changes, progress)?;
        self.flush()?;
        let mut carried = Vec::new();
        let hard_state = HardState { term: at.term, vote: 0, commit: at.index };
        encode_carry(at.group, hard_state, Purged { through: at.index, term: at.term }, &mut carried);
        let names = log.clone();
        let mut log = Log::open(log, options)?;
        // A store to which nothing was applied has a log without a beginning, as a new one has.
        if at.index > Index(0) {
            log.writer.write(&carried)?;
            log.writer.sync()?;
        }
        names.sync_dir().map_err(|source| LogError::io("the log's directory", source))?;
        Ok(progress)
    }

    fn flush(&mut self) -> Result<(), InstallError> {
        self.state.begin_flush()?.run()?;
        let compactor = self.state.compactor();
        while compactor.step()? == Due::More {}
        Ok(())
    }
}
