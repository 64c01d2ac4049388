//! Examines a running node: what a backup would copy is read and checked, and not kept.

use crate::error::{Result, UpkeepError};
use crate::matching::Matching;
use crate::place::Fetched;
use crate::rows::ChunkOrder;
use crate::segments;
use format::header::SnapshotHeader;
use format::snapshot::Following;
use model::Cursor;
use std::path::Path;
use storage::bodies::CopyKind;

/// Takes the parts of a backup one after the other: first all rows, then all segments.
#[derive(Debug)]
pub struct Check {
    order: ChunkOrder,
    matching: Matching,
    last: Cursor,
    rows: u64,
}

/// A store in which everything is as it was written.
#[derive(Clone, Copy, Debug)]
pub struct Checked {
    pub events: u64,
    pub rows: u64,
}

impl Check {
    /// Begins with the beginning of the rows, as the node has sent it.
    ///
    /// # Errors
    /// It is not one.
    pub fn begin(header: &[u8]) -> Result<Self> {
        let header = SnapshotHeader::decode(header)
            .map_err(|error| UpkeepError::Sent { what: format!("no header of rows: {error}") })?;
        let (order, matching) = (ChunkOrder::new(header), Matching::default());
        Ok(Self { order, matching, last: Cursor::START, rows: 0 })
    }

    /// Takes a chunk of rows, and says whether others follow.
    ///
    /// # Errors
    /// It is damaged, or not the next one.
    pub fn rows(&mut self, chunk: &[u8]) -> Result<Following> {
        let (head, rows) = self.order.next(chunk)?;
        for (key, value) in &rows {
            self.matching
                .row(key, value)
                .map_err(|error| UpkeepError::Sent { what: format!("a row that cannot be read: {error}") })?;
        }
        self.rows += rows.len() as u64;
        Ok(head.following)
    }

    /// Takes a segment, a copy of which is in this file.
    ///
    /// # Errors
    /// It is damaged.
    pub fn segment(&mut self, path: &Path, kind: CopyKind) -> Result<()> {
        let (matching, file) = (&mut self.matching, Fetched::local(path));
        let summary = segments::read(&file, kind, self.order.header.store, |record, _| {
            matching.body(record);
            Ok(())
        })?;
        if summary.records > 0 && summary.first <= self.last {
            let what = "its events do not follow those of the segment before";
            return Err(UpkeepError::damaged(path, what));
        }
        self.last = self.last.max(summary.last);
        Ok(())
    }

    /// # Errors
    /// Rows and events do not match.
    pub fn end(&self) -> Result<Checked> {
        let what = |what| UpkeepError::Sent { what: format!("what does not match: {what}") };
        Ok(Checked { events: self.matching.end().map_err(what)?, rows: self.rows })
    }
}
