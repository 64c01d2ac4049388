//! The archives that read the log.
//!
//! An archive asks for the entries after the last one that it has, again and again. The log keeps what an archive does not
//! have yet, within the engine's bound, until the archive has not asked for ten minutes. The node looks at that once a
//! second, and when an archive asks for the first time. A start knows from a list which archives there were, and keeps all of
//! the log for them until they ask.

use crate::backup::BackupId;
use crate::node_task::FromThread;
use crate::reads::{ReadFailure, Snapshot};
use crate::store::NodeDisk;
use driver::archive::{ArchivedLog, LogRead};
use model::{Index, limits};
use node::Unavailable;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use storage::directory::ArchiveList;
use storage::state::Reader as _;
use tokio::sync::mpsc;

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
    list: ArchiveList,
    /// To the node's loop.
    reports: mpsc::UnboundedSender<FromThread>,
    reading: Mutex<Vec<Reading>>,
    /// Held while the list is written.
    writing: Mutex<()>,
}

/// An archive, the last entry that it has, and when it said so.
#[derive(Debug)]
struct Reading {
    id: BackupId,
    has: Index,
    asked: Instant,
}

impl Archives {
    /// Those in the list may have nothing.
    pub(crate) fn new(
        log: ArchivedLog<NodeDisk>,
        list: ArchiveList,
        reports: mpsc::UnboundedSender<FromThread>,
    ) -> Arc<Self> {
        let asked = Instant::now();
        let known = |name: &String| Some(Reading { id: name.parse().ok()?, has: Index(0), asked });
        let reading = list.read().iter().filter_map(known).take(limits::ARCHIVES_MAX).collect();
        Arc::new(Self { log, list, reports, reading: Mutex::new(reading), writing: Mutex::default() })
    }

    /// Notes which entries the archive has. False if too many others read the log.
    pub(crate) fn has(&self, id: BackupId, through: Index) -> bool {
        let (mut reading, asked) = (self.reading(), Instant::now());
        if let Some(known) = reading.iter_mut().find(|known| known.id == id) {
            *known = Reading { id, has: through, asked };
            return true;
        }
        if reading.len() >= limits::ARCHIVES_MAX {
            return false;
        }
        reading.push(Reading { id, has: through, asked });
        drop(reading);
        // After the loop has ended, nothing is purged.
        let _ = self.reports.send(FromThread::Archives);
        true
    }

    /// The log need not keep anything for this archive.
    pub(crate) fn end(&self, id: BackupId) {
        self.reading().retain(|known| known.id != id);
        let _ = self.reports.send(FromThread::Archives);
    }

    /// The archives that read the log.
    pub(crate) fn names(&self) -> Vec<BackupId> {
        self.reading().iter().map(|known| known.id).collect()
    }

    /// Keeps the list of archives as it is now, for the next start.
    pub(crate) fn keep_list(&self) {
        let _one_at_a_time = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let names: Vec<_> = self.names().iter().map(ToString::to_string).collect();
        if let Err(error) = self.list.write(&names) {
            tracing::warn!(%error, "the list of archives cannot be written: after a start, the log may be purged too early");
        }
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
