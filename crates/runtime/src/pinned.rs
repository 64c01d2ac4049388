//! A store as it is at one moment, held for a reader of all of it in this process.
//!
//! It holds what a backup holds: the state as of one applied entry, and the segments with its bodies. Two things differ. It is
//! no backup of a client, so it counts against no bound of theirs. And nothing that its reader finds stops the node: that is
//! for reads of clients, and of the node's own work.

use crate::handle::{Handle, wall_now};
use crate::reads::ReadFailure;
use crate::store::{NodeDisk, StateReader};
use driver::snapshot::{Taken, take};
use format::header::SnapshotHeader;
use model::{ViewError, limits};
use storage::bodies::{PinnedBodies, PinnedFile, PinnedFiles};
use storage::lsm::TableFile;
use storage::snapshot::{RowsChunk, read_rows};

/// Reads one pinned segment.
pub type SegmentFile = PinnedFile<NodeDisk>;
/// The pinned segments, in order. Each is let go when it is dropped.
pub type SegmentFiles = PinnedFiles<NodeDisk>;

/// See the module. Memory and disk: the memtables and tables of the moment, and the segments that were replaced since.
#[derive(Debug)]
pub struct PinnedStore {
    header: SnapshotHeader,
    state: StateReader,
    bodies: PinnedBodies<NodeDisk>,
}

impl Handle {
    /// Pins the store as it is now. It may wait for the disk, so it is for a thread of its own.
    ///
    /// # Errors
    /// The state cannot be read, or the bodies are not those that it refers to.
    pub fn pin(&self) -> Result<PinnedStore, ReadFailure> {
        let snapshot = self.reads.snapshot();
        let shard = (self.store, snapshot.slots.first);
        let Taken { header, state, bodies } =
            take::<_, _, ReadFailure>(shard, &snapshot.bodies, || snapshot.newest(), wall_now())?;
        Ok(PinnedStore { header, state, bodies })
    }
}

impl PinnedStore {
    #[must_use]
    pub const fn header(&self) -> &SnapshotHeader {
        &self.header
    }

    /// The files of the state's tables.
    #[must_use]
    pub fn table_files(&self) -> Vec<TableFile> {
        self.state.table_files()
    }

    /// The rows after a key, or from the first one, as the chunk with this number: about 1 MiB.
    ///
    /// # Errors
    /// The state cannot be read.
    pub fn rows(&self, chunk: u32, after: Option<&[u8]>) -> Result<RowsChunk, ViewError> {
        read_rows(&self.state, &self.header, chunk, after, limits::BACKUP_READ_BYTES)
    }

    /// Lets the state go, and returns the segments.
    #[must_use]
    pub fn into_segments(self) -> SegmentFiles {
        self.bodies.into_iter()
    }
}
