//! Prepares segments before they are needed, on the caller's thread, so that the writer never has to zero
//! one.

use super::LogError;
use super::index::{Shared, lock};
use super::rotation::new_name;
use super::segment::{Spare, rewrite_header};
use crate::disk::{Disk, DiskFile};
use format::header::LogSegmentHeader;
use std::mem;
use std::sync::Arc;

/// The size of one write of zeros. Measured: if a segment is zeroed in longer writes, its syncs stay slower.
const ZEROS_BYTES: usize = 64 << 10;
/// How much is zeroed between two syncs, so that a sync of the log never waits for a whole segment.
const SYNC_EVERY_BYTES: u64 = 4 << 20;

/// What [`LogPreparer::prepare`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prepared {
    /// Nothing was needed.
    Nothing,
    /// Something was done. More may be needed.
    Some,
}

/// Prepares spare segments, and removes surplus ones and those that may hold removed data. Cheap to clone.
#[derive(Clone, Debug)]
pub struct LogPreparer<D: Disk> {
    pub(super) shared: Arc<Shared<D>>,
}

impl<D: Disk> LogPreparer<D> {
    /// Whether [`Self::prepare`] has something to do. Check this after opening, after each purge, and from
    /// time to time while the log is written.
    #[must_use]
    pub fn is_wanted(&self) -> bool {
        self.lacks_spare() || self.surplus() > 0
    }

    /// Zeroes one spare segment if none is ready, or removes spares above the maximum. Blocks.
    ///
    /// # Errors
    /// `NoSpace`: the log continues without a spare. After any other error the node must stop.
    pub fn prepare(&self) -> Result<Prepared, LogError> {
        let _one_at_a_time = lock(&self.shared.preparing);
        self.shared.check()?;
        let result = if self.surplus() > 0 {
            self.trim().map(|()| Prepared::Some)
        } else if self.lacks_spare() {
            self.zero_one().map(|()| Prepared::Some)
        } else {
            Ok(Prepared::Nothing)
        };
        self.shared.poisons(result)
    }

    /// Removes all spare segments that were in use before, because they may still hold the bytes of removed
    /// events. [`Self::prepare`] creates new ones. Blocks.
    ///
    /// # Errors
    /// The node must stop.
    pub fn scrub_spares(&self) -> Result<(), LogError> {
        let _one_at_a_time = lock(&self.shared.preparing);
        self.shared.check()?;
        let used = {
            let mut pool = lock(&self.shared.pool);
            let spares = mem::take(&mut pool.spares);
            let (used, fresh) = spares.into_iter().partition(|spare| spare.generation > 0);
            pool.spares = fresh;
            used
        };
        let result = self.remove(used);
        self.shared.poisons(result)
    }

    fn lacks_spare(&self) -> bool {
        let options = self.shared.options;
        let pool = lock(&self.shared.pool);
        options.spares_max > 0 && !pool.spares.iter().any(|spare| spare.space >= options.segment_bytes)
    }

    fn surplus(&self) -> usize {
        lock(&self.shared.pool).spares.len().saturating_sub(self.shared.options.spares_max)
    }

    fn trim(&self) -> Result<(), LogError> {
        let surplus = {
            let mut pool = lock(&self.shared.pool);
            let count = pool.spares.len().saturating_sub(self.shared.options.spares_max);
            pool.spares.sort_by_key(|spare| spare.space);
            pool.spares.drain(..count).collect()
        };
        self.remove(surplus)
    }

    /// Removes files for good. If the last segment's header still lists them as part of the log, opening the
    /// log would miss them, so that header is rewritten first.
    fn remove(&self, spares: Vec<Spare<D::File>>) -> Result<(), LogError> {
        let youngest = spares.iter().map(|spare| spare.generation).max().unwrap_or(0);
        if lock(&self.shared.pool).oldest_on_disk <= youngest {
            self.write_oldest()?;
        }
        for Spare { name, file, .. } in spares {
            drop(file);
            self.shared.disk.remove(&name).map_err(|source| LogError::io(&name, source))?;
        }
        let directory = |source| LogError::Failed { file: "the log's directory".to_owned(), source };
        self.shared.disk.sync_dir().map_err(directory)
    }

    /// Writes the oldest generation needed now into the last segment's header, which is one sector.
    fn write_oldest(&self) -> Result<(), LogError> {
        let _headers = lock(&self.shared.headers);
        let (name, header) = {
            let content = lock(&self.shared.content);
            let Some(segment) = content.segments.back() else { return Ok(()) };
            let header = LogSegmentHeader { oldest: content.oldest(), ..segment.header };
            (segment.name.clone(), header)
        };
        let failed = |source| LogError::Failed { file: name.clone(), source };
        // Uses a file handle of its own: if two threads sync one handle, only one of them sees a failure.
        let file = self.shared.disk.open(&name).map_err(failed)?;
        rewrite_header(&file, &header).map_err(failed)?;
        file.sync().map_err(failed)?;
        lock(&self.shared.pool).oldest_on_disk = header.oldest;
        Ok(())
    }

    fn zero_one(&self) -> Result<(), LogError> {
        let name = new_name(&mut lock(&self.shared.pool));
        let file = self.shared.disk.create(&name).map_err(|source| LogError::io(&name, source))?;
        let zeroed = zero(&file, self.shared.options.segment_bytes)
            .and_then(|()| self.shared.disk.sync_dir())
            .map_err(|source| LogError::io(&name, source));
        if let Err(error) = zeroed {
            if let LogError::NoSpace(_) = error {
                self.shared.disk.remove(&name).map_err(|source| LogError::io(&name, source))?;
            }
            return Err(error);
        }
        let space = self.shared.options.segment_bytes;
        lock(&self.shared.pool).spares.push(Spare { name, file: Arc::new(file), generation: 0, space });
        Ok(())
    }
}

fn zero<F: DiskFile>(file: &F, length: u64) -> std::io::Result<()> {
    let zeros = vec![0; ZEROS_BYTES];
    let mut at = 0;
    while at < length {
        let count = (length - at).min(ZEROS_BYTES as u64);
        file.write_at(&zeros[..count as usize], at)?;
        at += count;
        if at.is_multiple_of(SYNC_EVERY_BYTES) {
            file.sync()?;
        }
    }
    file.sync()
}
