//! How many records follow a cursor, without reading all of them.
//!
//! The number of records of each segment is known. Only in the segment that the cursor is in, records are counted one
//! by one, or estimated by their bytes if that is too much to read.

use super::{BodyReader, Source};
use crate::bodies::BodyError;
use crate::bodies::records::peek;
use crate::bodies::segment::RECORDS_AT;
use crate::disk::Disk;
use model::Cursor;
use std::sync::Arc;

/// How many records follow a cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BodyCount {
    pub records: u64,
    /// They were counted, not estimated.
    pub is_exact: bool,
    /// What was read for it.
    pub bytes: u64,
}

/// The segment that a cursor is in.
struct Partial<F> {
    source: Source<F>,
    /// All its records.
    records: u64,
    /// Its first event. Everything follows a cursor before it.
    first: Cursor,
    /// The records of later segments.
    later: u64,
}

impl<D: Disk> BodyReader<D> {
    /// How many records follow a cursor, up to `until` or the end of the file, whatever they are about. What was
    /// removed counts until its segment is rewritten.
    ///
    /// It reads at most `bytes_max`, and the index of the segment. If the rest of the cursor's segment is longer, its
    /// records are estimated: each counts as the mean record of the segment, so the result is wrong by less than the
    /// number of the segment's records. Records after `until` are left out only where records are counted one by one.
    ///
    /// # Errors
    /// `Damaged` or `Failed`: the node must stop.
    pub fn count_after(&self, after: Cursor, until: Cursor, bytes_max: u64) -> Result<BodyCount, BodyError> {
        let partial = self.partial_after(after)?.filter(|_| after < until);
        let Some(Partial { source, records, first, later }) = partial else {
            return Ok(BodyCount { records: 0, is_exact: true, bytes: 0 });
        };
        let exact = |records, bytes| BodyCount { records: later + records, is_exact: true, bytes };
        if after < first {
            return Ok(exact(records, 0));
        }
        let left = source.end - source.begin;
        if left <= bytes_max {
            return Ok(exact(self.count_in(&source, after, until)?, left));
        }
        let share = u128::from(records) * u128::from(left);
        let share = share.div_ceil(u128::from(source.end - RECORDS_AT));
        Ok(BodyCount { records: later + share as u64, is_exact: false, bytes: 0 })
    }

    /// The segment that the cursor is in, or the first one after it; `None` if nothing follows.
    fn partial_after(&self, after: Cursor) -> Result<Option<Partial<D::File>>, BodyError> {
        let (sealed, later) = {
            let layout = self.shared.layout();
            let at = layout.sealed_after(after);
            let Some(sealed) = layout.sealed.get(at) else {
                let tail = &layout.tail;
                let (records, first) = (tail.records, tail.first);
                let source = self.tail_source(tail, after);
                return Ok(source.map(|source| Partial { source, records, first, later: 0 }));
            };
            let later = layout.sealed[at + 1..].iter().map(|sealed| sealed.trailer.records).sum::<u64>();
            (Arc::clone(sealed), later + layout.tail.records)
        };
        let segment = (sealed.header.first, sealed.header.generation);
        let points = self.shared.points(&sealed)?;
        let source = self.source(&sealed, self.begin(after, segment, &points));
        let (records, first) = (sealed.trailer.records, sealed.trailer.first);
        Ok(Some(Partial { source, records, first, later }))
    }

    fn count_in(&self, source: &Source<D::File>, after: Cursor, until: Cursor) -> Result<u64, BodyError> {
        let mut bytes = Vec::new();
        source.read(source.begin, source.end - source.begin, &mut bytes)?;
        let (mut at, mut records) = (0, 0);
        while at < bytes.len() {
            let glance = peek(&bytes[at..]).ok().flatten();
            let glance = glance.filter(|glance| at + glance.len <= bytes.len());
            let Some(glance) = glance else { return Err(source.damaged(source.begin + at as u64)) };
            records += u64::from(after < glance.cursor && glance.cursor <= until);
            at += glance.len;
        }
        Ok(records)
    }
}
