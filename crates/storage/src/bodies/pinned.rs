//! The segments that hold the bodies of one state, kept as they are for as long as they are read.
//!
//! A compaction replaces a segment by another file and removes the name of the old one, which can still be read through
//! its handle. So a reader of many segments, such as a backup, holds the handles of all of them. What they take on the
//! disk is free again when it lets them go.

use super::error::BodyError;
use super::segment::{Layout, RECORDS_AT, segment_name};
use super::{BodyReader, CopyKind};
use crate::disk::{Disk, DiskFile};
use std::io;
use std::sync::Arc;

/// How often the segments may change while they are looked at. A compaction takes much longer than a look.
const LOOKS_MAX: usize = 100;

/// A segment, or the first part of one, that does not change any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PinnedSegment {
    /// The logical offset of its first record and its generation, as its file's name has them.
    pub name: String,
    pub kind: CopyKind,
    pub bytes: u64,
    /// It may hold events that were removed.
    pub may_hold_removed: bool,
}

/// See the module. The memory of it is bounded by the number of segments.
#[derive(Debug)]
pub struct PinnedBodies<D: Disk> {
    segments: Vec<(PinnedSegment, Arc<D::File>)>,
}

impl<D: Disk> BodyReader<D> {
    /// Takes a state with `take`, which also says where its bodies end, and pins the segments that hold them: exactly
    /// those bodies which the state refers to, and removed ones that are still on the disk.
    ///
    /// # Errors
    /// The segments went on changing, or they do not hold what the state refers to. The node must stop.
    pub fn pin<T>(&self, take: impl Fn() -> (T, u64)) -> Result<(T, PinnedBodies<D>), BodyError> {
        for _ in 0..LOOKS_MAX {
            let before = identities(&self.shared.layout());
            let (taken, end) = take();
            let layout = self.shared.layout();
            let after = identities(&layout);
            // No rewritten segment may lack what this state refers to. Those from before were rewritten by an older
            // state, because readers see a state before a compaction begins to use it.
            let is_same = after.starts_with(&before) && after[before.len()..].iter().all(|new| new.1 == 0);
            if is_same {
                let segments = self.segments_up_to(&layout, end)?;
                return Ok((taken, PinnedBodies { segments }));
            }
        }
        Err(BodyError::Poisoned)
    }

    fn segments_up_to(&self, layout: &Layout<D::File>, end: u64) -> Result<Segments<D::File>, BodyError> {
        let ledger = self.shared.ledger();
        let mut segments = Vec::new();
        for sealed in layout.sealed.iter().filter(|sealed| sealed.header.first < end) {
            let (first, generation) = (sealed.header.first, sealed.header.generation);
            let (kind, bytes) = match (sealed.end <= end, generation) {
                (true, _) => (CopyKind::Sealed, sealed.file_bytes()),
                (false, 0) => (CopyKind::Part, RECORDS_AT + (end - first)),
                // Only segments below a flushed state are rewritten.
                (false, _) => return Err(BodyError::TooShort { found: end, wanted: sealed.end }),
            };
            let name = segment_name(first, generation);
            let may_hold_removed = ledger.may_hold_removed(first);
            segments.push((PinnedSegment { name, kind, bytes, may_hold_removed }, Arc::clone(&sealed.file)));
        }
        let tail = &layout.tail;
        if tail.end() < end {
            return Err(BodyError::TooShort { found: tail.end(), wanted: end });
        }
        if tail.header.first < end {
            let name = segment_name(tail.header.first, tail.header.generation);
            let bytes = RECORDS_AT + (end - tail.header.first);
            let may_hold_removed = ledger.may_hold_removed(tail.header.first);
            let segment = PinnedSegment { name, kind: CopyKind::Part, bytes, may_hold_removed };
            segments.push((segment, Arc::clone(&tail.file)));
        }
        Ok(segments)
    }
}

type Segments<F> = Vec<(PinnedSegment, Arc<F>)>;

fn identities<F>(layout: &Layout<F>) -> Vec<(u64, u32)> {
    layout.sealed.iter().map(|sealed| (sealed.header.first, sealed.header.generation)).collect()
}

impl<D: Disk> PinnedBodies<D> {
    /// The segments, in order.
    pub fn segments(&self) -> impl ExactSizeIterator<Item = &PinnedSegment> {
        self.segments.iter().map(|(segment, _)| segment)
    }

    /// Up to `bytes_max` bytes of a segment's file from `offset` on; empty at its end. `None` when no segment has the name.
    /// The bytes are not checked: [`super::SegmentCopy`] does that with a whole copy.
    ///
    /// # Errors
    /// The disk failed, or the file is shorter than it was. The node must stop.
    pub fn read(&self, name: &str, offset: u64, bytes_max: usize) -> Result<Option<Vec<u8>>, BodyError> {
        let Some((segment, file)) = self.segments.iter().find(|(segment, _)| segment.name == name) else {
            return Ok(None);
        };
        let length = segment.bytes.saturating_sub(offset).min(bytes_max as u64) as usize;
        let mut bytes = vec![0; length];
        let read = file.read_at(&mut bytes, offset).map_err(|source| BodyError::io(name, source))?;
        if read < length {
            let (file, offset) = (name.to_owned(), offset + read as u64);
            return Err(BodyError::Damaged { file, offset, what: "a record" });
        }
        Ok(Some(bytes))
    }
}

impl<D: Disk> IntoIterator for PinnedBodies<D> {
    type Item = PinnedFile<D>;
    type IntoIter = PinnedFiles<D>;

    fn into_iter(self) -> PinnedFiles<D> {
        PinnedFiles(self.segments.into_iter())
    }
}

/// The segments, in order, each on its own. Those that were not taken are let go with this.
#[derive(Debug)]
pub struct PinnedFiles<D: Disk>(std::vec::IntoIter<(PinnedSegment, Arc<D::File>)>);

impl<D: Disk> Iterator for PinnedFiles<D> {
    type Item = PinnedFile<D>;

    fn next(&mut self) -> Option<PinnedFile<D>> {
        self.0.next().map(|(segment, file)| PinnedFile { segment, file })
    }
}

/// One pinned segment, as a file that ends where the pinned part of it does, and that can only be read.
#[derive(Debug)]
pub struct PinnedFile<D: Disk> {
    segment: PinnedSegment,
    file: Arc<D::File>,
}

impl<D: Disk> PinnedFile<D> {
    #[must_use]
    pub const fn segment(&self) -> &PinnedSegment {
        &self.segment
    }
}

fn read_only() -> io::Error {
    io::Error::new(io::ErrorKind::Unsupported, "a pinned segment does not change")
}

impl<D: Disk> DiskFile for PinnedFile<D> {
    fn write_at(&self, _: &[u8], _: u64) -> io::Result<()> {
        Err(read_only())
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let left = self.segment.bytes.saturating_sub(offset);
        let length = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        self.file.read_at(&mut buffer[..length], offset)
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.segment.bytes)
    }

    fn set_len(&self, _: u64) -> io::Result<()> {
        Err(read_only())
    }

    fn reserve(&self, _: u64) -> io::Result<()> {
        Err(read_only())
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }
}
