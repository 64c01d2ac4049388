//! The step from one segment to the next. The thread that appends only swaps files; all that may wait for the
//! disk is done by another thread.
//!
//! ```text
//!   prepare        next-N.new, with reserved space                              (another thread, in advance)
//!   roll           index and trailer ──▶ old file, header ──▶ next-N.new, swap  (writes into the system's cache)
//!   finish         release what the old file did not use; next-N.new ──▶ its name   (another thread, or a sync)
//! ```
//!
//! A sync finishes all rolls before it, so a flushed state never refers to records in a file without its name.
//! Opening the body file removes files that were not given one: their records come after the flushed state.

use super::BodyError;
use super::append::{Bodies, end_segment, write_header};
use super::segment::{RECORDS_AT, Sealed, Shared, Tail, file_name, lock, next_name};
use crate::disk::{Disk, DiskFile, is_no_space};
use format::body_index::BodyTrailer;
use format::header::BodySegmentHeader;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// A file for the next segment.
#[derive(Debug)]
pub(super) struct Prepared<F> {
    name: String,
    file: F,
}

/// A segment has been sealed, and the next one begun. The files do not say so yet.
#[derive(Debug)]
pub(super) struct Roll<F> {
    sealed: Arc<Sealed<F>>,
    /// The name of the next segment's file.
    name: String,
    /// The name that it should have.
    wanted: String,
}

impl<F> Clone for Roll<F> {
    fn clone(&self) -> Self {
        Self { sealed: Arc::clone(&self.sealed), name: self.name.clone(), wanted: self.wanted.clone() }
    }
}

/// Prepares files for the next segments, and finishes rolls, on the caller's thread. Cheap to clone.
#[derive(Clone, Debug)]
pub struct BodyPreparer<D: Disk> {
    pub(super) shared: Arc<Shared<D>>,
}

impl<D: Disk> BodyPreparer<D> {
    /// Whether [`Self::prepare`] has something to do. Check this from time to time while bodies are appended.
    #[must_use]
    pub fn is_wanted(&self) -> bool {
        self.shared.has_rolls() || self.shared.lacks_next()
    }

    /// Finishes rolls, and prepares a file for the next segment once the last one is half full. Blocks.
    ///
    /// # Errors
    /// `NoSpace`: bodies can still be appended while the disk has space for them. After any other error the
    /// node must stop.
    pub fn prepare(&self) -> Result<(), BodyError> {
        self.shared.check()?;
        let result = self.shared.finish_rolls().and_then(|()| {
            if self.shared.lacks_next() {
                let next = self.shared.create_next()?;
                *lock(&self.shared.next) = Some(next);
            }
            Ok(())
        });
        self.shared.poisons(result)
    }
}

impl<D: Disk> Bodies<D> {
    /// For another thread that prepares the next segment.
    #[must_use]
    pub fn preparer(&self) -> BodyPreparer<D> {
        BodyPreparer { shared: Arc::clone(&self.shared) }
    }

    /// Seals the tail and begins the next segment.
    pub(super) fn roll(&self) -> Result<(), BodyError> {
        let prepared = lock(&self.shared.next).take();
        let next = match prepared {
            Some(next) => next,
            None => self.shared.create_next()?,
        };
        match self.shared.seal(&next) {
            Ok((sealed, header)) => {
                self.shared.swap(Arc::new(sealed), header, next);
                Ok(())
            }
            Err(error) => {
                *lock(&self.shared.next) = Some(next);
                Err(error)
            }
        }
    }
}

impl<D: Disk> Shared<D> {
    fn has_rolls(&self) -> bool {
        !self.unsynced().rolls.is_empty()
    }

    fn lacks_next(&self) -> bool {
        let half_full = {
            let layout = self.layout();
            layout.tail.records > 0 && layout.tail.records_end > self.options.segment_bytes / 2
        };
        half_full && lock(&self.next).is_none()
    }

    fn create_next(&self) -> Result<Prepared<D::File>, BodyError> {
        let name = next_name(self.next_number.fetch_add(1, Ordering::Relaxed));
        let failed = |source| BodyError::io(&name, source);
        let file = self.disk.create(&name).map_err(failed)?;
        if let Err(source) = reserve(&file, self.options.segment_bytes, RECORDS_AT) {
            self.disk.remove(&name).map_err(failed)?;
            return Err(failed(source));
        }
        Ok(Prepared { name, file })
    }

    /// Writes the tail's index and trailer, and the next segment's header.
    fn seal(&self, next: &Prepared<D::File>) -> Result<(Sealed<D::File>, BodySegmentHeader), BodyError> {
        let (sealed, ending) = {
            let layout = self.layout();
            let tail = &layout.tail;
            let (trailer, ending) = ending(tail);
            let (name, file, header) = (tail.name.clone(), Arc::clone(&tail.file), tail.header);
            let (end, records_end) = (tail.end(), tail.records_end);
            (Sealed { name, file, header, end, records_end, trailer }, ending)
        };
        let written = sealed.file.write_later(&ending, sealed.records_end);
        written.map_err(|source| BodyError::io(&sealed.name, source))?;
        let header =
            BodySegmentHeader { store: sealed.header.store, first: sealed.end, generation: 0, end: 0 };
        write_header(&next.file, &header).map_err(|source| BodyError::io(&next.name, source))?;
        Ok((sealed, header))
    }

    fn swap(&self, sealed: Arc<Sealed<D::File>>, header: BodySegmentHeader, next: Prepared<D::File>) {
        let wanted = file_name(header.first, header.generation);
        let mut layout = self.layout_mut();
        let mut unsynced = self.unsynced();
        unsynced.files.push(Arc::clone(&sealed.file));
        unsynced.rolls.push(Roll { sealed: Arc::clone(&sealed), name: next.name, wanted: wanted.clone() });
        layout.tail = Tail::new(wanted, Arc::new(next.file), header, layout.tail.last);
        layout.sealed.push(sealed);
    }

    /// Does what is left of each roll, in order.
    pub(super) fn finish_rolls(&self) -> Result<(), BodyError> {
        let _one_at_a_time = lock(&self.finishing);
        loop {
            let Some(Roll { sealed, name, wanted }) = self.unsynced().rolls.first().cloned() else {
                return Ok(());
            };
            // Truncating at the end releases the space that was reserved after it.
            let cut = sealed.file.set_len(sealed.file_bytes());
            cut.map_err(|source| BodyError::io(&sealed.name, source))?;
            self.disk.rename(&name, &wanted).map_err(|source| BodyError::io(&wanted, source))?;
            let mut unsynced = self.unsynced();
            unsynced.names += 1;
            unsynced.rolls.remove(0);
        }
    }
}

fn ending<F>(tail: &Tail<F>) -> (BodyTrailer, Vec<u8>) {
    let mut bytes = Vec::new();
    let trailer = end_segment(&tail.header, &tail.points, (tail.records, tail.first, tail.last), &mut bytes);
    (trailer, bytes)
}

/// Reserves the space of a whole segment, or only the needed space if the disk does not have that much.
fn reserve<F: DiskFile>(file: &F, segment_bytes: u64, needed: u64) -> std::io::Result<()> {
    match file.reserve(segment_bytes.max(needed)) {
        Err(error) if is_no_space(&error) && needed < segment_bytes => file.reserve(needed),
        result => result,
    }
}
