//! The archives that read the log.
//!
//! An archive asks for the entries after the last one that it has, again and again. The log keeps what an archive does not
//! have yet, within the engine's bound, until the archive has not asked for ten minutes. The node looks at that once a
//! second, so what is kept is at most a second older than what the archive has.

use crate::backup::BackupId;
use crate::reads::{ReadFailure, Snapshot};
use crate::store::NodeDisk;
use driver::archive::{ArchivedLog, LogRead};
use model::{Index, limits};
use node::Unavailable;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use storage::state::Reader as _;

/// For how long an archive counts as reading after it has asked.
const HERE_FOR: Duration = Duration::from_secs(60);

/// Why an archive cannot read the log.
#[derive(Debug)]
pub enum CannotArchive {
    /// As many archives read it as may.
    TooMany,
    Unavailable(Unavailable),
}

/// The archives that read the log.
#[derive(Debug)]
pub(crate) struct Archives {
    log: ArchivedLog<NodeDisk>,
    reading: Mutex<Vec<Reading>>,
}

/// An archive, the last entry that it has, and when it said so.
#[derive(Debug)]
struct Reading {
    id: BackupId,
    has: Index,
    asked: Instant,
}

impl Archives {
    pub(crate) fn new(log: ArchivedLog<NodeDisk>) -> Arc<Self> {
        Arc::new(Self { log, reading: Mutex::default() })
    }

    /// Notes which entries the archive has. False if too many others read the log.
    pub(crate) fn has(&self, id: BackupId, through: Index) -> bool {
        let (mut reading, asked) = (self.reading(), Instant::now());
        if let Some(known) = reading.iter_mut().find(|known| known.id == id) {
            *known = Reading { id, has: through, asked };
            return true;
        }
        let may_join = reading.len() < limits::ARCHIVES_MAX;
        if may_join {
            reading.push(Reading { id, has: through, asked });
        }
        may_join
    }

    /// The log need not keep anything for this archive.
    pub(crate) fn end(&self, id: BackupId) {
        self.reading().retain(|known| known.id != id);
    }

    /// How many archives have asked within the last minute.
    pub(crate) fn reading_now(&self, now: Instant) -> usize {
        let is_here = |known: &&Reading| now.saturating_duration_since(known.asked) < HERE_FOR;
        self.reading().iter().filter(is_here).count()
    }

    /// The last entry that all archives have; `None` if there are none. Those that have not asked for long are forgotten.
    pub(crate) fn have(&self, now: Instant) -> Option<Index> {
        let idle_max = Duration::from_millis(limits::ARCHIVE_IDLE_MS_MAX);
        let mut reading = self.reading();
        for ended in reading.extract_if(.., |known| now.saturating_duration_since(known.asked) >= idle_max) {
            let id = ended.id;
            tracing::warn!(%id, "an archive has not asked for entries for ten minutes: the log keeps none for it");
        }
        reading.iter().map(|known| known.has).min()
    }

    /// The entries after this one that were applied by the time of the snapshot, as many as a request reads.
    pub(crate) fn read(&self, snapshot: &Snapshot, after: Index) -> Result<LogRead, ReadFailure> {
        let last = snapshot.state.progress().index;
        Ok(self.log.read(after, last, limits::ARCHIVE_READ_BYTES)?)
    }

    fn reading(&self) -> MutexGuard<'_, Vec<Reading>> {
        self.reading.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
