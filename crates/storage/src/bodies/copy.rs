//! Reads a copy of one segment by itself, as a backup or a damaged store holds it, and checks every byte of it.

use super::error::BodyError;
use super::records::Scan;
use super::segment::RECORDS_AT;
use crate::disk::DiskFile;
use format::body::BodyRecord;
use format::body_index::{
    BodyTrailer, POINT_BYTES, TRAILER_BYTES, decode_points, decode_trailer, ending_bytes,
};
use format::header::{BodySegmentHeader, HEADER_BYTES_MAX, HeaderError, StoreId};
use model::Cursor;

/// How much of a segment a copy is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CopyKind {
    /// All of a segment that takes no more records.
    Sealed,
    /// The first records of a segment, without an index and a trailer.
    Part,
}

/// What a segment holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SegmentSummary {
    pub records: u64,
    pub first: Cursor,
    pub last: Cursor,
}

/// A copy whose header, index and trailer are intact.
#[derive(Debug)]
pub struct SegmentCopy<F> {
    name: String,
    file: F,
    header: BodySegmentHeader,
    records_end: u64,
    trailer: Option<BodyTrailer>,
}

impl<F: DiskFile> SegmentCopy<F> {
    /// Opens a copy of a segment of this store. `name` is for messages.
    ///
    /// # Errors
    /// `Damaged`, `Refused`, `OtherStore`, or the error of the disk.
    pub fn open(name: &str, file: F, kind: CopyKind, store: StoreId) -> Result<Self, BodyError> {
        let failed = |source| BodyError::io(name, source);
        let damaged = |offset, what| BodyError::Damaged { file: name.to_owned(), offset, what };
        let len = file.len().map_err(failed)?;
        let mut sector = [0; HEADER_BYTES_MAX];
        let read = file.read_at(&mut sector, 0).map_err(failed)?;
        let header = match BodySegmentHeader::decode(&sector[..read]) {
            Ok(header) if header.store != store => {
                return Err(BodyError::OtherStore { file: name.to_owned() });
            }
            Ok(header) => header,
            Err(HeaderError::Damaged | HeaderError::Blank) => return Err(damaged(0, "the segment's header")),
            Err(why) => return Err(BodyError::Refused { file: name.to_owned(), why }),
        };
        // The header is shorter than its sector.
        let after = header.encode().len();
        if read < HEADER_BYTES_MAX || sector[after..].iter().any(|byte| *byte != 0) {
            return Err(damaged(after as u64, "the segment's header"));
        }
        let (records_end, trailer) = match kind {
            CopyKind::Part => (len, None),
            CopyKind::Sealed => {
                let at = len.saturating_sub(TRAILER_BYTES as u64);
                let mut bytes = [0; TRAILER_BYTES];
                file.read_at(&mut bytes, at).map_err(failed)?;
                let trailer =
                    decode_trailer(&header, &bytes).ok_or_else(|| damaged(at, "the segment's trailer"))?;
                let end =
                    len.checked_sub(ending_bytes(trailer.points as usize)).filter(|end| *end >= RECORDS_AT);
                let end = end.ok_or_else(|| damaged(at, "the segment's trailer"))?;
                let mut points = vec![0; trailer.points as usize * POINT_BYTES];
                let read = file.read_at(&mut points, end).map_err(failed)?;
                decode_points(&trailer, &points[..read])
                    .ok_or_else(|| damaged(end, "the segment's index"))?;
                (end, Some(trailer))
            }
        };
        Ok(Self { name: name.to_owned(), file, header, records_end, trailer })
    }

    /// Reads every record, checks it, and calls `visit` with it and its bytes.
    ///
    /// # Errors
    /// `Damaged` when a record is not what was written, or there are more or fewer than the trailer says; the error of
    /// the disk; or that of `visit`.
    pub fn records<E: From<BodyError>>(
        &self,
        mut visit: impl FnMut(&BodyRecord<'_>, &[u8]) -> Result<(), E>,
    ) -> Result<SegmentSummary, E> {
        let damaged = |offset, what| BodyError::Damaged { file: self.name.clone(), offset, what };
        let mut summary = SegmentSummary::default();
        let mut scan = Scan::new(&self.name, &self.file, RECORDS_AT..self.records_end);
        while let Some(scanned) = scan.next()? {
            let cursor = scanned.record.cursor();
            if summary.records > 0 && cursor <= summary.last {
                return Err(damaged(scanned.offset, "a record's position").into());
            }
            if summary.records == 0 {
                summary.first = cursor;
            }
            summary.records += 1;
            summary.last = cursor;
            visit(&scanned.record, scanned.bytes)?;
        }
        if let Some(trailer) = &self.trailer {
            let covers =
                summary.records == 0 || trailer.first <= summary.first && summary.last <= trailer.last;
            let is_whole =
                self.header.generation > 0 || (trailer.first, trailer.last) == (summary.first, summary.last);
            if trailer.records != summary.records || !covers || !is_whole {
                return Err(damaged(self.records_end, "the number of records").into());
            }
        }
        Ok(summary)
    }
}
