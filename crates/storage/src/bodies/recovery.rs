//! Opens the body file: which segments there are, and where it ends. Everything is read and checked first;
//! only then is anything changed.
//!
//! The state says where the end is. Bodies after the end belong to entries that the state does not hold yet;
//! they are cut off, and appended again when the log is replayed. Bodies before the end were synced before
//! the state was flushed. If any of them are missing, the file is damaged and is not opened. Only the tail is
//! read here. The content of sealed segments is checked when it is read.

use super::append::{end_segment, write_header};
use super::records::{Scan, Summary};
use super::removals::{Account, read_account};
use super::segment::{
    ACCOUNT_NAME, ACCOUNT_NEW_NAME, COMPACT_NAME, Layout, RECORDS_AT, Sealed, Shared, Tail, file_name,
    is_next_name, next_name, parse_name,
};
use super::{Bodies, BodyError, BodyOptions, BodyReader};
use crate::disk::{Disk, DiskFile};
use format::body::BodyRecord;
use format::body_index::{BodyTrailer, TRAILER_BYTES, decode_trailer, ending_bytes};
use format::header::{BodySegmentHeader, HEADER_BYTES_MAX, HeaderError};
use model::Cursor;
use std::sync::Arc;

/// What reading a body file found, before anything on the disk is changed.
#[derive(Debug)]
pub struct CheckedBodies<D: Disk> {
    disk: D,
    options: BodyOptions,
    account: Account,
    sealed: Vec<Arc<Sealed<D::File>>>,
    tail: Option<Tail<D::File>>,
    last: Cursor,
    end: u64,
    /// Files that are not needed.
    surplus: Vec<String>,
    /// Sealed segments without an index and a trailer, and what to write at their ends.
    unended: Vec<Unended<D::File>>,
}

/// A sealed segment, and the index and trailer that it lacks.
type Unended<F> = (Arc<Sealed<F>>, Vec<u8>);

/// Reads the body file, and changes nothing.
pub(super) fn check<D: Disk>(disk: D, end: u64, options: BodyOptions) -> Result<CheckedBodies<D>, BodyError> {
    let account = read_account(&disk, options)?;
    if account.persisted > end {
        return Err(BodyError::StateTooOld { given: end, known: account.persisted });
    }
    let FoundFiles { mut segments, surplus } = find(&disk, end, options)?;
    check_chain(&segments, end)?;
    let tail = match segments.last() {
        Some(last) if last.header.end == 0 => segments.pop(),
        _ => None,
    };
    let (mut sealed, mut unended) = (Vec::new(), Vec::new());
    let ends: Vec<u64> = segments.iter().skip(1).map(|next| next.header.first).collect();
    let last_end = tail.as_ref().map_or(end, |tail| tail.header.first);
    for (segment, segment_end) in segments.into_iter().zip(ends.into_iter().chain([last_end])) {
        let (segment, ending) = segment.into_sealed(segment_end, options)?;
        let segment = Arc::new(segment);
        unended.extend(ending.map(|ending| (Arc::clone(&segment), ending)));
        sealed.push(segment);
    }
    let last = sealed.last().map_or(Cursor::START, |segment| segment.trailer.last);
    let tail = tail.map(|tail| tail.into_tail(end, last, options)).transpose()?;
    Ok(CheckedBodies { disk, options, account, sealed, tail, last, end, surplus, unended })
}

impl<D: Disk> CheckedBodies<D> {
    /// How many segments there are.
    #[must_use]
    pub fn segments(&self) -> usize {
        self.sealed.len() + usize::from(self.tail.is_some())
    }

    /// Reads every record up to the end, checks it, and calls `visit` with it. Reports each segment that is damaged, with the
    /// last event before the damage, and goes on with the next one.
    ///
    /// # Errors
    /// The error of `visit`.
    pub fn examine<E>(
        &self,
        mut visit: impl FnMut(&BodyRecord<'_>) -> Result<(), E>,
        mut damaged: impl FnMut(BodyError, Cursor),
    ) -> Result<(), E> {
        let sealed = self.sealed.iter().map(|segment| (&segment.name, &segment.file, segment.records_end));
        let tail = self.tail.iter().map(|tail| (&tail.name, &tail.file, tail.records_end));
        let mut last = Cursor::START;
        for (name, file, records_end) in sealed.chain(tail) {
            let mut scan = Scan::new(name, &**file, RECORDS_AT..records_end);
            loop {
                match scan.next() {
                    Ok(Some(scanned)) => {
                        last = scanned.record.cursor();
                        visit(&scanned.record)?;
                    }
                    Ok(None) => break,
                    Err(error) => {
                        damaged(error, last);
                        break;
                    }
                }
            }
        }
        // One that lacks its index gets it when the body file is opened.
        let lacks_index = |segment| self.unended.iter().any(|(unended, _)| Arc::ptr_eq(unended, segment));
        for segment in self.sealed.iter().filter(|segment| !lacks_index(*segment)) {
            if let Err(error) = segment.check_points() {
                damaged(error, segment.trailer.last);
            }
        }
        Ok(())
    }

    /// Cuts the body file back to its end, or begins a new one if there was none. This is the first change on
    /// the disk. Everything after the end is lost for good, so first make sure that the log can be replayed
    /// from there.
    ///
    /// # Errors
    /// [`BodyError`].
    pub fn open(self) -> Result<(Bodies<D>, BodyReader<D>), BodyError> {
        let Self { disk, options, account, sealed, tail, last, end, surplus, unended } = self;
        for name in surplus {
            disk.remove(&name).map_err(|source| BodyError::io(&name, source))?;
        }
        for (segment, ending) in &unended {
            let failed = |source| BodyError::io(&segment.name, source);
            segment.file.write_at(ending, segment.records_end).map_err(failed)?;
            segment.file.set_len(segment.file_bytes()).map_err(failed)?;
        }
        let tail = match tail {
            Some(tail) => {
                let failed = |source| BodyError::io(&tail.name, source);
                if tail.file.len().map_err(failed)? > tail.records_end {
                    tail.file.set_len(tail.records_end).map_err(failed)?;
                }
                tail
            }
            None => begin_tail(&disk, end, last, options)?,
        };
        let layout = Layout { sealed, tail };
        let ledger = account.into_ledger(&layout);
        let shared = Shared::new(disk, options, layout, ledger, end);
        shared.unsynced().files = unended.into_iter().map(|(segment, _)| Arc::clone(&segment.file)).collect();
        Ok(Bodies::of(Arc::new(shared)))
    }
}

/// Every file in the directory.
struct FoundFiles<F> {
    /// The segments that begin before the end, in order.
    segments: Vec<Found<F>>,
    /// Files that are not needed: unfinished ones, segments after the end, and segments that were replaced.
    surplus: Vec<String>,
}

/// A segment's file and its header.
struct Found<F> {
    name: String,
    file: Arc<F>,
    header: BodySegmentHeader,
    /// The length of the file in bytes.
    len: u64,
}

fn find<D: Disk>(disk: &D, end: u64, options: BodyOptions) -> Result<FoundFiles<D::File>, BodyError> {
    let (mut segments, mut surplus) = (Vec::new(), Vec::new());
    let names = disk.list().map_err(|source| BodyError::io("the body file's directory", source))?;
    for name in names {
        match (name.as_str(), parse_name(&name)) {
            (COMPACT_NAME | ACCOUNT_NEW_NAME, _) => surplus.push(name),
            _ if is_next_name(&name) => surplus.push(name),
            (ACCOUNT_NAME, _) => {}
            (_, Some(named)) if named.0 >= end => match open_segment(disk, name.clone(), named, options) {
                // The power may have failed before its header was on disk.
                Ok(_) | Err(BodyError::Damaged { .. }) if named.1 == 0 => surplus.push(name),
                // Only segments that recovery never cuts are rewritten.
                Ok(_) => return Err(unknown(name)),
                Err(error) => return Err(error),
            },
            (_, Some(named)) => segments.push(open_segment(disk, name, named, options)?),
            (_, None) => return Err(BodyError::Refused { file: name, why: HeaderError::Foreign }),
        }
    }
    segments.sort_by_key(|segment| (segment.header.first, u32::MAX - segment.header.generation));
    let segments = without_replaced(segments, &mut surplus);
    Ok(FoundFiles { segments, surplus })
}

fn open_segment<D: Disk>(
    disk: &D,
    name: String,
    named: (u64, u32),
    options: BodyOptions,
) -> Result<Found<D::File>, BodyError> {
    let failed = |source| BodyError::io(&name, source);
    let file = disk.open(&name).map_err(failed)?;
    let len = file.len().map_err(failed)?;
    let mut sector = [0; HEADER_BYTES_MAX];
    let read = file.read_at(&mut sector, 0).map_err(failed)?;
    match BodySegmentHeader::decode(&sector[..read]) {
        Ok(header) if header.store != options.store => Err(BodyError::OtherStore { file: name }),
        Ok(header) if (header.first, header.generation) == named => {
            Ok(Found { name, file: Arc::new(file), header, len })
        }
        Ok(_) | Err(HeaderError::Damaged | HeaderError::Blank) => {
            Err(BodyError::Damaged { file: name, offset: 0, what: "the segment's header" })
        }
        Err(why) => Err(BodyError::Refused { file: name, why }),
    }
}

/// Removes the segments that a rewrite had already replaced when the process ended.
fn without_replaced<F>(segments: Vec<Found<F>>, surplus: &mut Vec<String>) -> Vec<Found<F>> {
    let mut kept: Vec<Found<F>> = Vec::new();
    for segment in segments {
        match kept.last().map(|last| last.header) {
            Some(last) if segment.header.first < last.end && segment.header.generation < last.generation => {
                surplus.push(segment.name);
            }
            _ => kept.push(segment),
        }
    }
    kept
}

/// Each segment must end where the next one begins, the first must begin at 0, and the last must reach the
/// end.
fn check_chain<F>(found: &[Found<F>], end: u64) -> Result<(), BodyError> {
    let mut at = 0;
    for (nth, segment) in found.iter().enumerate() {
        if segment.header.first != at {
            let (file, what) = (segment.name.clone(), "the segment before this one is missing");
            return Err(BodyError::Damaged { file, offset: 0, what });
        }
        at = match (segment.header.end, found.get(nth + 1)) {
            (0, Some(next)) => next.header.first,
            (0, None) => segment.header.first + segment.len.saturating_sub(RECORDS_AT),
            (rewritten_end, _) => rewritten_end,
        };
    }
    match found.last() {
        _ if at < end => Err(BodyError::TooShort { found: at, wanted: end }),
        // Only segments that recovery never cuts are rewritten.
        Some(last) if at > end && last.header.end > 0 => Err(unknown(last.name.clone())),
        _ => Ok(()),
    }
}

/// The state is older than a rewritten segment, so it does not belong to this body file.
fn unknown(file: String) -> BodyError {
    BodyError::Damaged {
        file,
        offset: 0,
        what: "it was rewritten, but the state does not refer to its events",
    }
}

impl<F: DiskFile> Found<F> {
    fn damaged(&self, offset: u64, what: &'static str) -> BodyError {
        BodyError::Damaged { file: self.name.clone(), offset, what }
    }

    fn failed(&self, source: std::io::Error) -> BodyError {
        BodyError::io(&self.name, source)
    }

    /// Reads the segment's content up to the end.
    fn into_tail(self, end: u64, last: Cursor, options: BodyOptions) -> Result<Tail<F>, BodyError> {
        let records_end = RECORDS_AT + (end - self.header.first);
        let summary = summarise(&self, records_end, options)?;
        let tail = Tail::new(self.name, self.file, self.header, last);
        let Summary { records, first, last, points, .. } = summary;
        Ok(Tail { records_end, records, first, last, points, ..tail })
    }

    /// Reads a segment that has a successor. If it was never rewritten, the power may have failed before its
    /// index and trailer were synced. They are then returned, to be written again.
    fn into_sealed(self, end: u64, options: BodyOptions) -> Result<(Sealed<F>, Option<Vec<u8>>), BodyError> {
        let trailer = self.trailer()?;
        let mut missing = None;
        let ending = |trailer: BodyTrailer| ending_bytes(trailer.points as usize);
        let (records_end, trailer) = if self.header.end > 0 {
            let trailer = trailer.ok_or_else(|| self.damaged(self.len, "the segment's trailer"))?;
            (self.len - ending(trailer).min(self.len), trailer)
        } else {
            let records_end = RECORDS_AT + (end - self.header.first);
            match trailer.filter(|trailer| records_end + ending(*trailer) == self.len) {
                Some(trailer) => (records_end, trailer),
                None => {
                    let (trailer, bytes) = self.ending(records_end, options)?;
                    missing = Some(bytes);
                    (records_end, trailer)
                }
            }
        };
        let Self { name, file, header, .. } = self;
        Ok((Sealed { name, file, header, end, records_end, trailer }, missing))
    }

    fn trailer(&self) -> Result<Option<BodyTrailer>, BodyError> {
        let mut bytes = [0; TRAILER_BYTES];
        let Some(at) = self.len.checked_sub(TRAILER_BYTES as u64) else { return Ok(None) };
        self.file.read_at(&mut bytes, at).map_err(|source| self.failed(source))?;
        Ok(decode_trailer(&self.header, &bytes))
    }

    /// The index and trailer that belong after the records.
    fn ending(&self, records_end: u64, options: BodyOptions) -> Result<(BodyTrailer, Vec<u8>), BodyError> {
        let summary = summarise(self, records_end, options)?;
        let mut ending = Vec::new();
        let held = (summary.records, summary.first, summary.last);
        let trailer = end_segment(&self.header, &summary.points, held, &mut ending);
        Ok((trailer, ending))
    }
}

/// Checks all records up to where they must end.
fn summarise<F: DiskFile>(
    segment: &Found<F>,
    records_end: u64,
    options: BodyOptions,
) -> Result<Summary, BodyError> {
    if segment.len < records_end {
        let found = segment.header.first + segment.len.saturating_sub(RECORDS_AT);
        let wanted = segment.header.first + (records_end - RECORDS_AT);
        return Err(BodyError::TooShort { found, wanted });
    }
    let mut summary = Summary::new(options.stride_bytes);
    let mut scan = Scan::new(&segment.name, &*segment.file, RECORDS_AT..records_end);
    while let Some(scanned) = scan.next()? {
        let cursor = scanned.record.cursor();
        if summary.records > 0 && cursor <= summary.last {
            return Err(segment.damaged(scanned.offset, "a record's position"));
        }
        summary.note(cursor, scanned.offset);
    }
    Ok(summary)
}

fn begin_tail<D: Disk>(
    disk: &D,
    end: u64,
    last: Cursor,
    options: BodyOptions,
) -> Result<Tail<D::File>, BodyError> {
    let header = BodySegmentHeader { store: options.store, first: end, generation: 0, end: 0 };
    let name = file_name(end, 0);
    let failed = |source| BodyError::io(&name, source);
    let unnamed = next_name(0);
    let file = disk.create(&unnamed).map_err(failed)?;
    write_header(&file, &header).map_err(failed)?;
    disk.rename(&unnamed, &name).map_err(failed)?;
    Ok(Tail::new(name, Arc::new(file), header, last))
}
