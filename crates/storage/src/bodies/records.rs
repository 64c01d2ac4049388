//! Reads encoded records one after another.

use super::BodyError;
use crate::disk::DiskFile;
use format::body::{self, BodyRecord};
use format::body_index::BodyPoint;
use model::{Cursor, Slot};
use std::ops::Range;

/// Bytes of a record that [`peek`] needs.
pub(super) const PEEK_BYTES: usize = body::PEEK_BYTES + 2;

const CHUNK_BYTES: usize = 1 << 20;

/// What a record's first bytes say. This is reliable only if the record is intact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Glance {
    pub(super) cursor: Cursor,
    /// The length of the record in bytes.
    pub(super) len: usize,
}

/// These are not the first bytes of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NoRecord;

/// Reads the first bytes of the record at the start of `bytes`; `None` when there are fewer than
/// [`PEEK_BYTES`].
pub(super) fn peek(bytes: &[u8]) -> Result<Option<Glance>, NoRecord> {
    let Some(slot) = bytes.get(body::PEEK_BYTES..PEEK_BYTES) else { return Ok(None) };
    let found = body::peek(bytes).map_err(|_| NoRecord)?;
    let slot = Slot(u16::from_le_bytes([slot[0], slot[1]]));
    Ok(Some(Glance { cursor: Cursor::new(found.position, slot), len: found.len }))
}

/// Whether the record at the start of `bytes` is as it was written.
pub(super) fn is_intact(bytes: &[u8]) -> bool {
    body::decode(bytes).is_ok()
}

/// Checks the records of a file one after the other.
pub(super) struct Scan<'a, F> {
    name: &'a str,
    file: &'a F,
    next: u64,
    end: u64,
    buffer: Vec<u8>,
    buffer_at: u64,
}

/// An intact record and where it begins.
pub(super) struct Scanned<'a> {
    pub(super) offset: u64,
    pub(super) record: BodyRecord<'a>,
    pub(super) bytes: &'a [u8],
}

impl<'a, F: DiskFile> Scan<'a, F> {
    pub(super) fn new(name: &'a str, file: &'a F, range: Range<u64>) -> Self {
        Self { name, file, next: range.start, end: range.end, buffer: Vec::new(), buffer_at: range.start }
    }

    /// The next record; `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<Scanned<'_>>, BodyError> {
        let offset = self.next;
        if offset == self.end {
            return Ok(None);
        }
        let damaged = BodyError::Damaged { file: self.name.to_owned(), offset, what: "a record" };
        let Some(start) = self.fill(offset, PEEK_BYTES)? else { return Err(damaged) };
        let Ok(Some(glance)) = peek(&self.buffer[start..]) else { return Err(damaged) };
        let Some(start) = self.fill(offset, glance.len)? else { return Err(damaged) };
        let bytes = &self.buffer[start..start + glance.len];
        let Ok((record, len)) = body::decode(bytes) else { return Err(damaged) };
        self.next = offset + len as u64;
        Ok(Some(Scanned { offset, record, bytes }))
    }

    /// The range of the buffer that holds `length` bytes from `at` on; `None` when the records end before.
    fn fill(&mut self, at: u64, length: usize) -> Result<Option<usize>, BodyError> {
        if at + length as u64 > self.end {
            return Ok(None);
        }
        let start = (at - self.buffer_at) as usize;
        if start + length <= self.buffer.len() {
            return Ok(Some(start));
        }
        let wanted = (self.end - at).min(length.max(CHUNK_BYTES) as u64) as usize;
        self.buffer.resize(wanted, 0);
        self.buffer_at = at;
        let read = self.file.read_at(&mut self.buffer, at);
        let read = read.map_err(|source| BodyError::io(self.name, source))?;
        self.buffer.truncate(read);
        Ok((length <= read).then_some(0))
    }
}

/// A sparse index that is being built.
#[derive(Debug)]
pub(super) struct Summary {
    pub(super) records: u64,
    pub(super) first: Cursor,
    pub(super) last: Cursor,
    pub(super) points: Vec<BodyPoint>,
    stride: u64,
}

impl Summary {
    pub(super) const fn new(stride: u64) -> Self {
        Self { records: 0, first: Cursor::START, last: Cursor::START, points: Vec::new(), stride }
    }

    pub(super) fn note(&mut self, cursor: Cursor, offset: u64) {
        if self.records == 0 {
            self.first = cursor;
        }
        self.records += 1;
        self.last = cursor;
        if is_point(self.points.last(), offset, self.stride) {
            self.points.push(BodyPoint { position: cursor.position, offset });
        }
    }
}

pub(super) fn is_point(last: Option<&BodyPoint>, offset: u64, stride: u64) -> bool {
    last.is_none_or(|last| offset - last.offset >= stride)
}
