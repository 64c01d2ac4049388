//! Backups under way: each holds the state as of one applied entry, and the files with its bodies, while a client copies
//! them piece by piece.
//!
//! Nothing is flushed or stopped for a backup, and no thread belongs to it. What it holds costs memory and disk: the
//! memtables and tables of that moment, and body segments that a compaction has replaced since. So there are few backups at
//! a time, and one that nobody reads from ends by itself. All backups together read a bounded number of bytes in a second,
//! so that the disk has time for others.

use crate::reads::{ReadFailure, Snapshot};
use crate::store::{NodeDisk, StateReader};
use driver::snapshot::{Taken, take};
use format::header::{SnapshotHeader, StoreId};
use model::{Key, Wall, limits, parse_hex};
use node::Unavailable;
use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use storage::bodies::{PinnedBodies, PinnedSegment};
use storage::snapshot::read_rows;

/// The name of a backup under way: 16 hex digits, which its client has chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BackupId(u64);

impl fmt::Display for BackupId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// The text is not the name of a backup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParseBackupIdError;

impl FromStr for BackupId {
    type Err = ParseBackupIdError;

    fn from_str(text: &str) -> Result<Self, ParseBackupIdError> {
        parse_hex(text, 16).map(|number| Self(number as u64)).ok_or(ParseBackupIdError)
    }
}

/// Why no backup begins.
#[derive(Debug)]
pub enum CannotBegin {
    /// As many are under way as there may be.
    TooMany,
    Unavailable(Unavailable),
}

/// A backup under way.
#[derive(Debug)]
pub struct Backup {
    id: BackupId,
    header: SnapshotHeader,
    bodies: PinnedBodies<NodeDisk>,
    rows: Mutex<Rows>,
    used: Mutex<Instant>,
}

#[derive(Debug)]
struct Rows {
    state: StateReader,
    /// The key after which each chunk begins, as far as chunks were read. The first begins at the first row.
    begins: Vec<Option<Key>>,
}

impl Backup {
    /// Holds what there is now.
    pub(crate) fn take(
        snapshot: &Snapshot,
        id: BackupId,
        store: StoreId,
        taken: Wall,
    ) -> Result<Self, ReadFailure> {
        let shard = (store, snapshot.slots.first);
        let Taken { header, state, bodies } =
            take::<_, _, ReadFailure>(shard, &snapshot.bodies, || snapshot.newest(), taken)?;
        let rows = Mutex::new(Rows { state, begins: vec![None] });
        Ok(Self { id, header, bodies, rows, used: Mutex::new(Instant::now()) })
    }

    #[must_use]
    pub const fn id(&self) -> BackupId {
        self.id
    }

    #[must_use]
    pub const fn header(&self) -> &SnapshotHeader {
        &self.header
    }

    /// The segments with the bodies, in order.
    pub fn segments(&self) -> impl ExactSizeIterator<Item = &PinnedSegment> {
        self.bodies.segments()
    }

    pub(crate) fn read_rows(&self, chunk: u32) -> Result<Option<Vec<u8>>, ReadFailure> {
        let (state, after) = {
            let rows = lock(&self.rows);
            let Some(after) = rows.begins.get(chunk as usize) else { return Ok(None) };
            (rows.state.clone(), after.clone())
        };
        let read = read_rows(&state, &self.header, chunk, after.as_deref(), limits::BACKUP_READ_BYTES)?;
        let mut rows = lock(&self.rows);
        if let (Some(last), true) = (read.last, rows.begins.len() == chunk as usize + 1) {
            rows.begins.push(Some(last));
        }
        drop(rows);
        self.use_now();
        Ok(Some(read.bytes))
    }

    pub(crate) fn read_segment(&self, segment: &str, from: u64) -> Result<Option<Vec<u8>>, ReadFailure> {
        let read = self.bodies.read(segment, from, limits::BACKUP_READ_BYTES)?;
        self.use_now();
        Ok(read)
    }

    fn use_now(&self) {
        *lock(&self.used) = Instant::now();
    }
}

/// The backups under way.
#[derive(Debug, Default)]
pub(crate) struct Backups {
    state: Mutex<State>,
    /// When the next bytes may be read.
    next_read: Mutex<Option<Instant>>,
}

#[derive(Debug, Default)]
struct State {
    under_way: Vec<Arc<Backup>>,
    /// Those that are being taken.
    seats: usize,
}

/// The right to one more backup.
#[derive(Debug)]
pub(crate) struct Seat(Arc<Backups>);

impl Drop for Seat {
    fn drop(&mut self) {
        lock(&self.0.state).seats -= 1;
    }
}

impl Backups {
    /// Ends the backup with this name, if one is under way, because its client has begun again.
    pub(crate) fn take_seat(self: &Arc<Self>, id: BackupId) -> Result<Seat, CannotBegin> {
        self.end(id);
        let mut state = lock(&self.state);
        if state.under_way.len() + state.seats >= limits::BACKUPS_MAX {
            return Err(CannotBegin::TooMany);
        }
        state.seats += 1;
        Ok(Seat(Arc::clone(self)))
    }

    pub(crate) fn add(&self, seat: Seat, backup: Backup) -> Arc<Backup> {
        let mut state = lock(&self.state);
        // The same request was sent twice. Both responses name one backup.
        if let Some(earlier) = state.under_way.iter().find(|earlier| earlier.id == backup.id).cloned() {
            drop(state);
            discard(vec![Arc::new(backup)]);
            return earlier;
        }
        let backup = Arc::new(backup);
        state.under_way.push(Arc::clone(&backup));
        drop(state);
        drop(seat);
        backup
    }

    pub(crate) fn find(&self, id: BackupId) -> Option<Arc<Backup>> {
        lock(&self.state).under_way.iter().find(|backup| backup.id == id).cloned()
    }

    pub(crate) fn end(&self, id: BackupId) -> bool {
        let mut state = lock(&self.state);
        let found = state.under_way.iter().position(|backup| backup.id == id);
        let ended = found.map(|at| state.under_way.remove(at));
        drop(state);
        let existed = ended.is_some();
        discard(ended.into_iter().collect());
        existed
    }

    /// Ends the backups that nobody reads from.
    pub(crate) fn end_idle(&self, now: Instant) {
        let idle_max = Duration::from_millis(limits::BACKUP_IDLE_MS_MAX);
        let is_idle =
            |backup: &mut Arc<Backup>| now.saturating_duration_since(*lock(&backup.used)) >= idle_max;
        let ended: Vec<_> = lock(&self.state).under_way.extract_if(.., is_idle).collect();
        if !ended.is_empty() {
            tracing::warn!("a backup has ended because nobody read from it for ten minutes");
            discard(ended);
        }
    }

    /// Waits until these bytes may be read.
    pub(crate) async fn pace(&self, bytes: usize) {
        let takes = Duration::from_secs_f64(bytes as f64 / limits::BACKUP_BYTES_PER_SECOND as f64);
        let at = {
            let mut next = lock(&self.next_read);
            let at = next.unwrap_or_else(Instant::now).max(Instant::now());
            *next = Some(at + takes);
            at
        };
        tokio::time::sleep_until(at.into()).await;
    }
}

/// Lets backups go on another thread: the last handle of a removed file frees its space, which takes time.
fn discard(ended: Vec<Arc<Backup>>) {
    if !ended.is_empty() {
        tokio::task::spawn_blocking(move || drop(ended));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_backup_has_sixteen_digits() {
        let id = BackupId(0x0123_4567_89ab_cdef);
        assert_eq!((id.to_string().as_str(), id.to_string().parse()), ("0123456789abcdef", Ok(id)));
        for text in ["", "0123", "0123456789ABCDEF", "+123456789abcdef", "0123456789abcdef0"] {
            assert_eq!(text.parse::<BackupId>(), Err(ParseBackupIdError), "{text}");
        }
    }

    #[test]
    fn no_more_backups_are_taken_at_once_than_may_be_under_way() {
        let backups = Arc::new(Backups::default());
        let seats: Vec<Seat> =
            (0..limits::BACKUPS_MAX as u64).map(|id| backups.take_seat(BackupId(id)).unwrap()).collect();
        assert!(matches!(backups.take_seat(BackupId(9)), Err(CannotBegin::TooMany)));
        drop(seats);
        backups.take_seat(BackupId(9)).unwrap();
    }
}
