//! The segments of the body file and what is known about each. The owner, the readers and the jobs share
//! this.
//!
//! ```text
//! sealed  0000000000000000-00000002.bodies   header │ live records │ index │ trailer    (rewritten twice)
//! sealed  0000000004000000-00000000.bodies   header │ records      │ index │ trailer
//! tail    0000000007ffe1c4-00000000.bodies   header │ records ...
//! ```
//!
//! A name consists of the logical offset of the first record and the generation. Logical offsets count the
//! bytes of all records ever appended. Only the tail and the cut at opening use them; events are found by
//! position.

use super::removals::Ledger;
use super::roll::{Prepared, Roll};
use super::{BodyError, BodyOptions};
use crate::disk::{Disk, DiskFile};
use format::body_index::{BodyPoint, BodyTrailer, POINT_BYTES, decode_points};
use format::header::{BodySegmentHeader, HEADER_BYTES_MAX};
use model::{Cursor, Position};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// Where a segment's first record begins.
pub(super) const RECORDS_AT: u64 = HEADER_BYTES_MAX as u64;
/// A file that does not have its final content yet.
pub(super) const COMPACT_NAME: &str = "compact.new";
pub(super) const ACCOUNT_NAME: &str = "account";
pub(super) const ACCOUNT_NEW_NAME: &str = "account.new";

const SUFFIX: &str = ".bodies";
const NEXT_PREFIX: &str = "next-";
const NEXT_SUFFIX: &str = ".new";

pub(super) fn file_name(first: u64, generation: u32) -> String {
    format!("{}{SUFFIX}", segment_name(first, generation))
}

/// The name of a file for a next segment, which gets its final name after the segment has begun.
pub(super) fn next_name(number: u64) -> String {
    format!("{NEXT_PREFIX}{number}{NEXT_SUFFIX}")
}

pub(super) fn is_next_name(name: &str) -> bool {
    name.starts_with(NEXT_PREFIX) && name.ends_with(NEXT_SUFFIX)
}

pub(super) fn parse_name(name: &str) -> Option<(u64, u32)> {
    let (first, generation) = name.strip_suffix(SUFFIX)?.split_once('-')?;
    let first = u64::from_str_radix(first, 16).ok()?;
    let generation = u32::from_str_radix(generation, 16).ok()?;
    (file_name(first, generation) == name).then_some((first, generation))
}

/// The name under which a segment's file is known, without its suffix.
pub(super) fn segment_name(first: u64, generation: u32) -> String {
    format!("{first:016x}-{generation:08x}")
}

/// Everything that the body file's handles share. Locks are taken in the order of the fields, held only
/// briefly, and never during disk work.
#[derive(Debug)]
pub(super) struct Shared<D: Disk> {
    pub(super) disk: D,
    pub(super) options: BodyOptions,
    layout: RwLock<Layout<D::File>>,
    ledger: Mutex<Ledger>,
    unsynced: Mutex<Unsynced<D::File>>,
    /// A file for the next segment, if one is ready.
    pub(super) next: Mutex<Option<Prepared<D::File>>>,
    points: Mutex<PointCache>,
    /// Recovery never cuts below this logical offset.
    pub(super) persisted: AtomicU64,
    /// The logical offset up to which the files were synced since they were opened. It decides only when to sync
    /// next: names may not be durable yet.
    pub(super) synced: AtomicU64,
    /// Held while the side file is written.
    pub(super) saving: Mutex<()>,
    /// Held while rolls are finished.
    pub(super) finishing: Mutex<()>,
    pub(super) next_number: AtomicU64,
    failed: AtomicBool,
}

/// The segments, in order.
#[derive(Debug)]
pub(super) struct Layout<F> {
    pub(super) sealed: Vec<Arc<Sealed<F>>>,
    pub(super) tail: Tail<F>,
}

/// A segment that takes no more records.
#[derive(Debug)]
pub(super) struct Sealed<F> {
    pub(super) name: String,
    pub(super) file: Arc<F>,
    pub(super) header: BodySegmentHeader,
    /// The logical offset after its last record.
    pub(super) end: u64,
    /// Where its records end in the file.
    pub(super) records_end: u64,
    pub(super) trailer: BodyTrailer,
}

/// The segment that records are appended to.
#[derive(Debug)]
pub(super) struct Tail<F> {
    pub(super) name: String,
    pub(super) file: Arc<F>,
    pub(super) header: BodySegmentHeader,
    pub(super) records_end: u64,
    pub(super) records: u64,
    /// The first event in it.
    pub(super) first: Cursor,
    /// The last event of the whole body file, in this segment or before it.
    pub(super) last: Cursor,
    pub(super) points: Vec<BodyPoint>,
}

/// What the next sync must cover besides the tail.
#[derive(Debug)]
pub(super) struct Unsynced<F> {
    pub(super) files: Vec<Arc<F>>,
    /// What is left to do for segments that have been sealed, oldest first.
    pub(super) rolls: Vec<Roll<F>>,
    /// How many names were created or changed so far, and how many of them are durable.
    pub(super) names: u64,
    pub(super) names_synced: u64,
}

type PointCache = VecDeque<((u64, u32), Arc<Vec<BodyPoint>>)>;

impl<D: Disk> Shared<D> {
    pub(super) fn new(
        disk: D,
        options: BodyOptions,
        layout: Layout<D::File>,
        ledger: Ledger,
        persisted: u64,
    ) -> Self {
        let unsynced = Unsynced { files: Vec::new(), rolls: Vec::new(), names: 1, names_synced: 0 };
        Self {
            disk,
            options,
            layout: RwLock::new(layout),
            ledger: Mutex::new(ledger),
            unsynced: Mutex::new(unsynced),
            next: Mutex::default(),
            points: Mutex::default(),
            persisted: AtomicU64::new(persisted),
            synced: AtomicU64::new(persisted),
            saving: Mutex::default(),
            finishing: Mutex::default(),
            next_number: AtomicU64::new(0),
            failed: AtomicBool::new(false),
        }
    }

    pub(super) fn layout(&self) -> RwLockReadGuard<'_, Layout<D::File>> {
        self.layout.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn layout_mut(&self) -> RwLockWriteGuard<'_, Layout<D::File>> {
        self.layout.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        lock(&self.ledger)
    }

    pub(super) fn unsynced(&self) -> MutexGuard<'_, Unsynced<D::File>> {
        lock(&self.unsynced)
    }

    pub(super) fn check(&self) -> Result<(), BodyError> {
        if self.failed.load(Ordering::Acquire) { Err(BodyError::Poisoned) } else { Ok(()) }
    }

    /// Lack of space and a failed liveness check leave the body file usable. Any other error makes it
    /// unusable.
    pub(super) fn poisons<T>(&self, result: Result<T, BodyError>) -> Result<T, BodyError> {
        if let Err(error) = &result
            && !matches!(error, BodyError::NoSpace(_) | BodyError::Liveness(_))
        {
            self.failed.store(true, Ordering::Release);
        }
        result
    }

    /// A sealed segment's index, from memory or from its file.
    pub(super) fn points(&self, segment: &Sealed<D::File>) -> Result<Arc<Vec<BodyPoint>>, BodyError> {
        let key = (segment.header.first, segment.header.generation);
        {
            let mut cache = lock(&self.points);
            if let Some(at) = cache.iter().position(|(known, _)| *known == key)
                && let Some(cached) = cache.remove(at)
            {
                let points = Arc::clone(&cached.1);
                cache.push_back(cached);
                return Ok(points);
            }
        }
        let points = Arc::new(segment.read_points()?);
        let mut cache = lock(&self.points);
        while cache.len() >= self.options.indexes_max.max(1) {
            cache.pop_front();
        }
        cache.push_back((key, Arc::clone(&points)));
        Ok(points)
    }
}

impl<F> Layout<F> {
    /// The index of the first sealed segment that may hold events after the cursor; the number of sealed
    /// segments when only the tail may.
    pub(super) fn sealed_after(&self, after: Cursor) -> usize {
        self.sealed.partition_point(|segment| segment.trailer.last <= after)
    }

    /// The sealed segment that contains the position, if any.
    pub(super) fn sealed_with(&self, position: Position) -> Option<&Arc<Sealed<F>>> {
        let at = self.sealed.partition_point(|segment| segment.trailer.last.position < position);
        self.sealed.get(at).filter(|segment| segment.trailer.first.position <= position)
    }

    pub(super) fn end(&self) -> u64 {
        self.tail.end()
    }
}

impl<F> Tail<F> {
    pub(super) fn end(&self) -> u64 {
        self.header.first + (self.records_end - RECORDS_AT)
    }

    pub(super) fn holds(&self, position: Position) -> bool {
        self.records > 0 && self.first.position <= position && position <= self.last.position
    }
}

impl<F: DiskFile> Sealed<F> {
    pub(super) fn damaged(&self, offset: u64, what: &'static str) -> BodyError {
        BodyError::Damaged { file: self.name.clone(), offset, what }
    }

    /// The length of the file in bytes.
    pub(super) fn file_bytes(&self) -> u64 {
        self.records_end + format::body_index::ending_bytes(self.trailer.points as usize)
    }

    /// Checks the segment's index.
    pub(super) fn check_points(&self) -> Result<(), BodyError> {
        self.read_points().map(drop)
    }

    fn read_points(&self) -> Result<Vec<BodyPoint>, BodyError> {
        let mut bytes = vec![0; self.trailer.points as usize * POINT_BYTES];
        let read = self.file.read_at(&mut bytes, self.records_end);
        let read = read.map_err(|source| BodyError::io(&self.name, source))?;
        decode_points(&self.trailer, &bytes[..read])
            .ok_or_else(|| self.damaged(self.records_end, "the segment's index"))
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
