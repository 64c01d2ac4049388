//! The log thread's work: write what has arrived, sync once for all of it, report.

use crate::report::DiskFailure;
use consensus::Ticket;
use model::{GroupId, Index};
use storage::disk::Disk;
use storage::log::{LogError, LogPreparer, LogStats, LogWriter};

/// A job for the log.
#[derive(Debug)]
pub enum LogJob {
    /// Write these records. They are durable after the next [`LogWork::sync`].
    Write { ticket: Ticket, records: Vec<u8> },
    /// Entries up to `through` are no longer needed.
    Purge { group: GroupId, through: Index },
    /// Begin a new segment, so that the one before can be purged even if nothing more is written.
    Rotate,
    /// Purged segments may hold removed events: replace them with fresh ones.
    Scrub,
}

/// Log writes that became durable together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Synced(pub Vec<Ticket>);

/// The log and the writes that wait for its next sync.
#[derive(Debug)]
pub struct LogWork<D: Disk> {
    writer: LogWriter<D>,
    preparer: LogPreparer<D>,
    unsynced: Vec<Ticket>,
    unsynced_bytes: u64,
    marked: bool,
}

impl<D: Disk> LogWork<D> {
    #[must_use]
    pub fn new(writer: LogWriter<D>, preparer: LogPreparer<D>) -> Self {
        Self { writer, preparer, unsynced: Vec::new(), unsynced_bytes: 0, marked: true }
    }

    /// Does a job, except for its sync.
    ///
    /// # Errors
    /// The node must stop.
    pub fn take(&mut self, job: LogJob) -> Result<(), DiskFailure> {
        match job {
            LogJob::Write { ticket, records } => {
                self.writer.write(&records)?;
                self.unsynced_bytes += records.len() as u64;
                self.unsynced.push(ticket);
            }
            // On a full disk the entries stay until the next flush, which purges them too.
            LogJob::Purge { group, through } => unless_full(self.writer.purge(group, through))?,
            // On a full disk the segment stays as it is until the next removal.
            LogJob::Rotate => unless_full(self.writer.rotate())?,
            LogJob::Scrub => {
                // Purged segments become spares only with a sync.
                self.writer.sync()?;
                self.preparer.scrub_spares()?;
            }
        }
        Ok(())
    }

    /// Bytes written since the last sync; 0 if no write waits for one.
    #[must_use]
    pub fn unsynced_bytes(&self) -> u64 {
        self.unsynced_bytes
    }

    /// Makes all writes so far durable. `None` if none was waiting.
    ///
    /// # Errors
    /// The node must stop, and must report none of these writes: a later sync may succeed although pages were
    /// lost.
    pub fn sync(&mut self) -> Result<Option<Synced>, DiskFailure> {
        if self.unsynced.is_empty() {
            return Ok(None);
        }
        self.writer.sync()?;
        self.unsynced_bytes = 0;
        self.marked = !self.writer.is_mark_wanted();
        Ok(Some(Synced(std::mem::take(&mut self.unsynced))))
    }

    /// Whether the log's durable end should be recorded in the log once it is idle.
    #[must_use]
    pub fn is_mark_due(&self) -> bool {
        !self.marked && self.unsynced.is_empty()
    }

    /// Records the log's durable end in the log, so that a later start can tell a torn tail from damage.
    ///
    /// # Errors
    /// The node must stop.
    pub fn mark(&mut self) -> Result<(), DiskFailure> {
        if self.is_mark_due() {
            unless_full(self.writer.mark())?;
            self.marked = true;
        }
        Ok(())
    }

    #[must_use]
    pub fn stats(&self) -> LogStats {
        self.writer.stats()
    }
}

/// Work that may be left undone while the disk has no space.
fn unless_full(result: Result<(), LogError>) -> Result<(), LogError> {
    match result {
        Ok(()) | Err(LogError::NoSpace(_)) => Ok(()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use format::frame::{EntryKind, LogEntry, encode_group};
    use format::header::StoreId;
    use model::Term;
    use storage::log::{Log, LogOptions};
    use storage::memory_disk::MemoryDisk;

    #[test]
    fn the_durable_end_is_recorded_once_after_each_time_that_something_was_written() {
        let log = Log::open(MemoryDisk::new(), LogOptions::new(StoreId(7))).unwrap();
        let mut work = LogWork::new(log.writer, log.preparer);
        assert!(!work.is_mark_due());
        for index in 2..4 {
            let entry = LogEntry { index: Index(index), term: Term(1), kind: EntryKind::Normal, bytes: b"x" };
            let mut records = Vec::new();
            encode_group(GroupId(1), None, [entry].into_iter(), &mut records);
            work.take(LogJob::Write { ticket: Ticket(index), records }).unwrap();
            assert!(!work.is_mark_due(), "the write is not durable yet");
            assert_eq!(work.sync().unwrap(), Some(Synced(vec![Ticket(index)])));
            assert!(work.is_mark_due());
            work.mark().unwrap();
            assert!(!work.is_mark_due());
        }
    }
}
