//! Reads the events that are left in a body file which cannot be opened: every intact record of every segment, whatever is
//! missing or damaged around it. Nothing is changed.
//!
//! A segment is read from its first byte on. Where no record can be read, the next one is looked for byte by byte: a record
//! says how long it is, what it consists of, and has a checksum.

use super::BodyError;
use super::segment::{RECORDS_AT, file_name, parse_name};
use crate::disk::{Disk, DiskFile};
use format::body::{self, BodyRecord};
use format::body_index::{TRAILER_BYTES, decode_trailer, ending_bytes};
use format::header::{BodySegmentHeader, HEADER_BYTES_MAX, HeaderError, StoreId};
use model::{Cursor, limits};
use std::cmp::Reverse;
use std::ops::Range;

/// More than any record has.
const RECORD_BYTES_MAX: usize = 2 * limits::LINE_BYTES_MAX;
/// Bytes that are read at a time. The longest record fits twice.
const WINDOW_BYTES: usize = 2 * RECORD_BYTES_MAX;
/// If a read fails, parts of this size are read one by one.
const PAGE_BYTES: usize = 4 << 10;

/// A part of a segment in which no event can be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    pub file: String,
    pub bytes: Range<u64>,
    pub why: String,
}

/// See the module. Gives the records in the order of their positions, each once.
#[derive(Debug)]
pub struct Salvage<D: Disk> {
    disk: D,
    store: StoreId,
    /// The segments that are left to read, the next one last.
    segments: Vec<(u64, Reverse<u32>)>,
    open: Option<Segment<D::File>>,
    last: Option<Cursor>,
}

/// What comes next in a body file.
#[derive(Debug)]
pub enum Salvaged<'a> {
    Record(BodyRecord<'a>),
    Unreadable(Unreadable),
}

/// Where a record is in the window of the open segment.
enum Step {
    Record(Range<usize>),
    Unreadable(Unreadable),
    EndOfSegment,
}

impl<D: Disk> Salvage<D> {
    /// Begins to read the segments of a store.
    ///
    /// # Errors
    /// The directory cannot be listed.
    pub fn begin(disk: D, store: StoreId) -> Result<Self, BodyError> {
        let names = disk.list().map_err(|source| BodyError::io("the body file's directory", source))?;
        let named = names.iter().filter_map(|name| parse_name(name));
        // Of two generations of a segment, the later one first: the records of the other are in it, or were removed.
        let mut segments: Vec<_> = named.map(|(first, generation)| (first, Reverse(generation))).collect();
        segments.sort_unstable();
        segments.reverse();
        Ok(Self { disk, store, segments, open: None, last: None })
    }

    /// The next record, or the next part without one; `None` at the end.
    pub fn read_next(&mut self) -> Option<Salvaged<'_>> {
        let range = loop {
            let Some(open) = &mut self.open else {
                let (first, Reverse(generation)) = self.segments.pop()?;
                match Segment::open(&self.disk, file_name(first, generation), self.store) {
                    Ok(segment) => self.open = Some(segment),
                    Err(unreadable) => return Some(Salvaged::Unreadable(unreadable)),
                }
                continue;
            };
            match open.step(&mut self.last) {
                Step::Record(range) => break range,
                Step::Unreadable(unreadable) => return Some(Salvaged::Unreadable(unreadable)),
                Step::EndOfSegment => self.open = None,
            }
        };
        let (record, _) = body::decode(self.open.as_ref()?.buffer.get(range)?).ok()?;
        Some(Salvaged::Record(record))
    }
}

#[derive(Debug)]
struct Segment<F> {
    name: String,
    file: F,
    length: u64,
    next: u64,
    end: End,
    /// The bytes of the file from `buffer_at` on.
    buffer: Vec<u8>,
    buffer_at: u64,
}

/// Where the records of a segment end.
#[derive(Clone, Copy, Debug)]
enum End {
    /// Its trailer says so.
    At(u64),
    /// With its file, or where only zeros follow.
    Within(u64),
}

impl<F: DiskFile> Segment<F> {
    fn open<D: Disk<File = F>>(disk: &D, name: String, store: StoreId) -> Result<Self, Unreadable> {
        let whole =
            |end, why: &dyn ToString| Unreadable { file: name.clone(), bytes: 0..end, why: why.to_string() };
        let file = disk.open(&name).map_err(|error| whole(0, &error))?;
        let length = file.len().map_err(|error| whole(0, &error))?;
        let (buffer, end) = (Vec::new(), End::Within(length));
        let mut segment =
            Self { name: name.clone(), file, length, next: RECORDS_AT, end, buffer, buffer_at: 0 };
        match BodySegmentHeader::decode(segment.bytes(0, HEADER_BYTES_MAX)) {
            Ok(header) if header.store != store => return Err(whole(length, &"it belongs to another store")),
            Ok(header) => segment.find_end(&header),
            Err(HeaderError::Damaged | HeaderError::Blank | HeaderError::Foreign) => {}
            Err(error) => return Err(whole(length, &error)),
        }
        Ok(segment)
    }

    fn find_end(&mut self, header: &BodySegmentHeader) {
        let length = self.length;
        let bytes = length.checked_sub(TRAILER_BYTES as u64).map(|at| self.bytes(at, TRAILER_BYTES));
        let trailer = bytes.and_then(<[u8]>::first_chunk).and_then(|bytes| decode_trailer(header, bytes));
        if let Some(end) =
            trailer.and_then(|trailer| length.checked_sub(ending_bytes(trailer.points as usize)))
        {
            self.end = End::At(end);
        }
    }

    /// Goes on to the next record after the cursor, or over the bytes before it.
    fn step(&mut self, last: &mut Option<Cursor>) -> Step {
        let (End::At(end) | End::Within(end)) = self.end;
        let mut from = self.next;
        let mut is_blank = matches!(self.end, End::Within(_));
        while self.next < end {
            let at = self.next;
            match self.record_at(at, end) {
                Some(_) if at > from => return self.unreadable(from..at),
                Some((cursor, range)) => {
                    self.next = at + range.len() as u64;
                    if last.is_none_or(|last| cursor > last) {
                        *last = Some(cursor);
                        return Step::Record(range);
                    }
                    from = self.next;
                }
                None => {
                    is_blank &= self.bytes(at, 1) == [0];
                    self.next += 1;
                }
            }
        }
        if from >= end || is_blank { Step::EndOfSegment } else { self.unreadable(from..end) }
    }

    fn unreadable(&self, bytes: Range<u64>) -> Step {
        Step::Unreadable(Unreadable { file: self.name.clone(), bytes, why: "no intact event".to_owned() })
    }

    /// The record that begins at `at`, and where it is in the buffer.
    fn record_at(&mut self, at: u64, end: u64) -> Option<(Cursor, Range<usize>)> {
        let header = self.bytes(at, body::HEADER_BYTES);
        let length = body::may_begin(header).then(|| body::peek(header).ok())??.len;
        if length > RECORD_BYTES_MAX || at + length as u64 > end {
            return None;
        }
        let (record, _) = body::decode(self.bytes(at, length)).ok()?;
        let (cursor, start) = (record.cursor(), (at - self.buffer_at) as usize);
        Some((cursor, start..start + length))
    }

    /// At most this many bytes from `at` on; fewer at the end of the file.
    fn bytes(&mut self, at: u64, length: usize) -> &[u8] {
        let held = self.buffer_at..self.buffer_at + self.buffer.len() as u64;
        let wanted = at..(at + length as u64).min(self.length);
        if wanted.start < held.start || wanted.end > held.end {
            self.fill(at);
        }
        let start = (at - self.buffer_at) as usize;
        let end = self.buffer.len().min(start + length);
        self.buffer.get(start..end).unwrap_or_default()
    }

    /// Reads what can be read. The rest becomes bytes that no record has.
    fn fill(&mut self, at: u64) {
        const UNREADABLE: u8 = 0xff;
        let length = self.length.saturating_sub(at).min(WINDOW_BYTES as u64) as usize;
        (self.buffer_at, self.buffer) = (at, vec![UNREADABLE; length]);
        if matches!(self.file.read_at(&mut self.buffer, at), Ok(read) if read == length) {
            return;
        }
        for (nth, page) in self.buffer.chunks_mut(PAGE_BYTES).enumerate() {
            let at = at + (nth * PAGE_BYTES) as u64;
            if self.file.read_at(page, at).is_err() {
                page.fill(UNREADABLE);
            }
        }
    }
}
