//! Reads bodies back while the body file is appended to and rewritten.
//!
//! A reader takes the lock only to find out which file to read and how far, and then reads without it.
//! Appended bytes never change, and a replaced file can still be read through handles that were opened
//! before.
//!
//! Records that are returned are not checked here, because `format::body::decode` checks them. Records that
//! are *not* returned, because their headers place them before or after the page, are checked, so that a
//! flipped bit cannot hide an event.

mod count;

pub use count::BodyCount;

use super::BodyError;
use super::records::{PEEK_BYTES, is_intact, peek};
use super::segment::{RECORDS_AT, Sealed, Shared, Tail, lock};
use crate::disk::{Disk, DiskFile};
use format::body_index::BodyPoint;
use model::{Cursor, Position};
use std::sync::{Arc, Mutex};

/// The least number of bytes to read when records are read one after the other.
const PAGE_BYTES_MIN: usize = 4 << 10;

/// A sequence of consecutive bodies.
#[derive(Clone, Debug, Default)]
pub struct BodyPage {
    /// Whole encoded records, in order. Read each with `format::body::decode`, which checks it.
    pub bytes: Vec<u8>,
    /// Everything up to this cursor has been returned, in this page or in earlier ones.
    pub through: Cursor,
    /// When the page was read, there was nothing more up to `until`.
    pub at_end: bool,
    /// The page may hold removed events: check each one against the state.
    pub may_hold_removed: bool,
    /// The segment's file, and where in it the first record is.
    file: String,
    offset: u64,
}

impl BodyPage {
    /// The error for a record that does not decode, `at` bytes into the page. The node must stop.
    #[must_use]
    pub fn damaged(&self, at: usize) -> BodyError {
        BodyError::Damaged { file: self.file.clone(), offset: self.offset + at as u64, what: "a record" }
    }
}

/// Reads bodies. Cheap to clone, with bounded memory.
#[derive(Debug)]
pub struct BodyReader<D: Disk> {
    pub(super) shared: Arc<Shared<D>>,
    /// Where the last page ended, for a reader that continues from there.
    hint: Mutex<Option<Hint>>,
}

impl<D: Disk> Clone for BodyReader<D> {
    fn clone(&self) -> Self {
        Self::new(Arc::clone(&self.shared))
    }
}

#[derive(Clone, Copy, Debug)]
struct Hint {
    through: Cursor,
    /// The segment's first logical offset and generation.
    segment: (u64, u32),
    offset: u64,
}

/// A part of a file to read.
struct Source<F> {
    file: Arc<F>,
    name: String,
    segment: (u64, u32),
    /// Where to begin: at a record at or before the requested one.
    begin: u64,
    /// Where to end: where the records end, or where the next block of them begins.
    end: u64,
    /// The last event that the segment covers.
    last: Cursor,
    is_tail: bool,
    may_hold_removed: bool,
}

impl<F: DiskFile> Source<F> {
    fn damaged(&self, offset: u64) -> BodyError {
        BodyError::Damaged { file: self.name.clone(), offset, what: "a record" }
    }

    fn read(&self, offset: u64, length: u64, buffer: &mut Vec<u8>) -> Result<(), BodyError> {
        let length = length.min(self.end.saturating_sub(offset)) as usize;
        buffer.resize(length, 0);
        let read = self.file.read_at(buffer, offset).map_err(|source| BodyError::io(&self.name, source))?;
        if read < length { Err(self.damaged(offset + read as u64)) } else { Ok(()) }
    }
}

impl<D: Disk> BodyReader<D> {
    pub(super) fn new(shared: Arc<Shared<D>>) -> Self {
        Self { shared, hint: Mutex::default() }
    }

    /// The records with `after < cursor <= until`, in order: about `bytes_max` bytes, but at least one record
    /// if there is one. A page may be short. Continue from `through` until `at_end`.
    ///
    /// # Errors
    /// `Damaged` or `Failed`: the node must stop.
    pub fn page_after(&self, after: Cursor, until: Cursor, bytes_max: usize) -> Result<BodyPage, BodyError> {
        let mut page = BodyPage { through: after, ..BodyPage::default() };
        while page.bytes.is_empty() && !page.at_end {
            let Some(source) = self.source_after(page.through)? else {
                page.at_end = true;
                break;
            };
            self.read_page(&source, until, bytes_max, &mut page)?;
        }
        Ok(page)
    }

    /// One encoded record; `None` when it does not exist (any more). Read it with `format::body::decode`,
    /// which checks it.
    ///
    /// # Errors
    /// `Damaged` or `Failed`: the node must stop.
    pub fn get(&self, position: Position) -> Result<Option<Vec<u8>>, BodyError> {
        Ok(self.get_many(&[position])?.pop().flatten())
    }

    /// One encoded record for each position, in the order of `positions`. Use ascending or descending order,
    /// so that neighbours share one read of the disk.
    ///
    /// # Errors
    /// `Damaged` or `Failed`: the node must stop.
    pub fn get_many(&self, positions: &[Position]) -> Result<Vec<Option<Vec<u8>>>, BodyError> {
        let mut block = Block { segment: (0, u32::MAX), begin: 0, bytes: Vec::new() };
        positions.iter().map(|position| self.get_one(*position, &mut block)).collect()
    }

    /// The error for the record at this position, which [`Self::get`] has returned and which does not decode.
    /// The node must stop.
    #[must_use]
    pub fn damaged(&self, position: Position) -> BodyError {
        let found = self.block_with(position).and_then(|source| {
            let source = source.ok_or(BodyError::Poisoned)?;
            let mut bytes = Vec::new();
            source.read(source.begin, source.end - source.begin, &mut bytes)?;
            Ok(source.damaged(source.begin + offset_of(&bytes, position) as u64))
        });
        found.unwrap_or_else(|error| error)
    }

    /// The last event that was appended.
    #[must_use]
    pub fn last(&self) -> Cursor {
        self.shared.layout().tail.last
    }

    /// Where to read what follows a cursor; `None` when nothing does.
    fn source_after(&self, after: Cursor) -> Result<Option<Source<D::File>>, BodyError> {
        let sealed = {
            let layout = self.shared.layout();
            match layout.sealed.get(layout.sealed_after(after)) {
                Some(sealed) => Arc::clone(sealed),
                None => return Ok(self.tail_source(&layout.tail, after)),
            }
        };
        let segment = (sealed.header.first, sealed.header.generation);
        let points = self.shared.points(&sealed)?;
        let begin = self.begin(after, segment, &points);
        Ok(Some(self.source(&sealed, begin)))
    }

    /// The same in the segment that records are appended to.
    fn tail_source(&self, tail: &Tail<D::File>, after: Cursor) -> Option<Source<D::File>> {
        if tail.last <= after || tail.records == 0 {
            return None;
        }
        let segment = (tail.header.first, tail.header.generation);
        Some(Source {
            file: Arc::clone(&tail.file),
            name: tail.name.clone(),
            segment,
            begin: self.begin(after, segment, &tail.points),
            end: tail.records_end,
            last: tail.last,
            is_tail: true,
            may_hold_removed: self.shared.ledger().may_hold_removed(segment.0),
        })
    }

    fn source(&self, sealed: &Sealed<D::File>, begin: u64) -> Source<D::File> {
        Source {
            file: Arc::clone(&sealed.file),
            name: sealed.name.clone(),
            segment: (sealed.header.first, sealed.header.generation),
            begin,
            end: sealed.records_end,
            last: sealed.trailer.last,
            is_tail: false,
            may_hold_removed: self.shared.ledger().may_hold_removed(sealed.header.first),
        }
    }

    fn begin(&self, after: Cursor, segment: (u64, u32), points: &[BodyPoint]) -> u64 {
        let hint = lock(&self.hint).filter(|hint| hint.through == after && hint.segment == segment);
        if let Some(hint) = hint {
            return hint.offset;
        }
        let next = points.partition_point(|point| point.position <= after.position);
        next.checked_sub(1).map_or(RECORDS_AT, |next| points[next].offset)
    }

    /// Reads what belongs to the page from one segment. `page.through` says where to start.
    fn read_page(
        &self,
        source: &Source<D::File>,
        until: Cursor,
        bytes_max: usize,
        page: &mut BodyPage,
    ) -> Result<(), BodyError> {
        let after = page.through;
        let mut bytes = std::mem::take(&mut page.bytes);
        let mut begin = source.begin;
        let mut length = bytes_max.max(PAGE_BYTES_MIN) as u64;
        let run = loop {
            source.read(begin, length, &mut bytes)?;
            let run = find_run(source, begin, &bytes, after, until, bytes_max)?;
            if !run.is_empty() || run.is_final() || begin + bytes.len() as u64 == source.end {
                break run;
            }
            // Only records before the page, or part of one that is longer than what was read.
            begin += run.start as u64;
            length = length.max(run.needed as u64);
        };
        page.may_hold_removed = source.may_hold_removed;
        let end_of_run = begin + run.end as u64;
        match run.stop {
            Stop::Until => {
                page.at_end = true;
                page.through = until.max(after);
            }
            _ if end_of_run == source.end => {
                page.at_end = source.is_tail;
                page.through = source.last.min(until).max(after);
                page.at_end |= page.through >= until;
            }
            _ => page.through = run.last.unwrap_or(after),
        }
        (page.file, page.offset) = (source.name.clone(), begin + run.start as u64);
        let hint = Hint { through: page.through, segment: source.segment, offset: end_of_run };
        *lock(&self.hint) = Some(hint);
        bytes.truncate(run.end);
        bytes.drain(..run.start);
        page.bytes = bytes;
        Ok(())
    }

    fn get_one(&self, position: Position, block: &mut Block) -> Result<Option<Vec<u8>>, BodyError> {
        let Some(source) = self.block_with(position)? else { return Ok(None) };
        let length = (source.end - source.begin) as usize;
        let is_read = block.segment == source.segment && block.begin == source.begin;
        if !is_read || block.bytes.len() < length {
            source.read(source.begin, length as u64, &mut block.bytes)?;
            (block.segment, block.begin) = (source.segment, source.begin);
        }
        let bytes = &block.bytes[..length];
        match find_record(bytes, position) {
            Search::Found(record) => Ok(Some(record.to_vec())),
            Search::Absent => Ok(None),
            Search::Broken(offset) => Err(source.damaged(source.begin + offset as u64)),
        }
    }

    /// The part of a file that contains the position, if any does.
    fn block_with(&self, position: Position) -> Result<Option<Source<D::File>>, BodyError> {
        let sealed = {
            let layout = self.shared.layout();
            match layout.sealed_with(position) {
                Some(sealed) => Arc::clone(sealed),
                None if !layout.tail.holds(position) => return Ok(None),
                None => {
                    let tail = &layout.tail;
                    let (begin, end) = between(&tail.points, position, tail.records_end);
                    let source = Source {
                        file: Arc::clone(&tail.file),
                        name: tail.name.clone(),
                        segment: (tail.header.first, tail.header.generation),
                        begin,
                        end,
                        last: tail.last,
                        is_tail: true,
                        may_hold_removed: false,
                    };
                    return Ok(Some(source));
                }
            }
        };
        let points = self.shared.points(&sealed)?;
        let (begin, end) = between(&points, position, sealed.records_end);
        Ok(Some(Source { end, ..self.source(&sealed, begin) }))
    }
}

/// The bytes that were read last. The next of many positions may be among them.
struct Block {
    segment: (u64, u32),
    begin: u64,
    bytes: Vec<u8>,
}

/// From the last point at or before the position to the next point.
fn between(points: &[BodyPoint], position: Position, records_end: u64) -> (u64, u64) {
    let next = points.partition_point(|point| point.position <= position);
    let begin = next.checked_sub(1).map_or(RECORDS_AT, |next| points[next].offset);
    (begin, points.get(next).map_or(records_end, |point| point.offset))
}

enum Search<'a> {
    Found(&'a [u8]),
    Absent,
    /// Where a broken record begins.
    Broken(usize),
}

/// Where the record at a position begins, as far as the headers before it can be read.
fn offset_of(bytes: &[u8], position: Position) -> usize {
    let mut at = 0;
    while let Ok(Some(glance)) = peek(bytes.get(at..).unwrap_or_default()) {
        if glance.cursor.position == position {
            break;
        }
        at += glance.len;
    }
    at
}

fn find_record(bytes: &[u8], position: Position) -> Search<'_> {
    let mut at = 0;
    while at < bytes.len() {
        let Ok(Some(glance)) = peek(&bytes[at..]) else { return first_broken(bytes) };
        let Some(record) = bytes.get(at..at + glance.len) else { return first_broken(bytes) };
        if glance.cursor.position == position {
            return Search::Found(record);
        }
        at += glance.len;
    }
    // The record is missing only if everything that was read is intact.
    first_broken(bytes)
}

fn first_broken(bytes: &[u8]) -> Search<'_> {
    let mut at = 0;
    while at < bytes.len() {
        match format::body::decode(&bytes[at..]) {
            Ok((_, len)) => at += len,
            Err(_) => return Search::Broken(at),
        }
    }
    Search::Absent
}

/// The bytes of a buffer that belong to a page, and why it ends there.
struct Run {
    start: usize,
    end: usize,
    last: Option<Cursor>,
    stop: Stop,
    /// How many bytes from `start` on are needed to hold at least one record.
    needed: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stop {
    /// The next record is after `until`.
    Until,
    /// The page is long enough.
    Full,
    /// The buffer ends.
    Buffer,
}

impl Run {
    const fn is_empty(&self) -> bool {
        self.start == self.end
    }

    fn is_final(&self) -> bool {
        self.stop == Stop::Until
    }
}

fn find_run<F: DiskFile>(
    source: &Source<F>,
    begin: u64,
    bytes: &[u8],
    after: Cursor,
    until: Cursor,
    bytes_max: usize,
) -> Result<Run, BodyError> {
    let mut run = Run { start: 0, end: 0, last: None, stop: Stop::Buffer, needed: PEEK_BYTES };
    loop {
        let at = run.end;
        let damaged = || source.damaged(begin + at as u64);
        let Some(glance) = peek(&bytes[at..]).map_err(|_| damaged())? else {
            if at < bytes.len() && begin + bytes.len() as u64 == source.end {
                return Err(damaged());
            }
            break;
        };
        if begin + (at + glance.len) as u64 > source.end {
            return Err(damaged());
        }
        let Some(record) = bytes.get(at..at + glance.len) else {
            run.needed = at - run.start + glance.len;
            break;
        };
        if glance.cursor <= after || glance.cursor > until {
            if !is_intact(record) {
                return Err(damaged());
            }
            if glance.cursor > until {
                run.stop = Stop::Until;
                break;
            }
            run.start = at + glance.len;
        } else {
            if run.last.is_some() && run.end - run.start >= bytes_max {
                run.stop = Stop::Full;
                break;
            }
            run.last = Some(glance.cursor);
        }
        run.end = at + glance.len;
    }
    Ok(run)
}
