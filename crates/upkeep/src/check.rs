//! Examines the store of a running node: what a backup would copy is read and checked, and not kept.
//!
//! It goes on after a finding, so one run finds most of what is wrong. The caller reads the parts, from a node or in its
//! process, and decides how fast.

use crate::error::{Result, UpkeepError};
use crate::finding::Finding;
use crate::matching::Matching;
use crate::rows::ChunkOrder;
use crate::segments;
use format::header::SnapshotHeader;
use format::snapshot::Following;
use model::Cursor;
use storage::bodies::CopyKind;
use storage::disk::DiskFile;

/// Findings that are kept. If more than this is wrong, the first ones say enough.
pub const FINDINGS_MAX: usize = 20;

/// Takes the parts of a store one after the other: first all rows, then all segments. Its memory is bounded by the number of
/// streams that have removed events, and by the streams of one slot.
#[derive(Debug)]
pub struct Check {
    order: ChunkOrder,
    matching: Matching,
    last: Cursor,
    events: u64,
    rows: u64,
    findings: Vec<Finding>,
}

/// What was read, and what was found.
#[derive(Clone, Debug)]
pub struct Checked {
    /// Events that are kept; if something is wrong, all events that could be read.
    pub events: u64,
    pub rows: u64,
    /// The first [`FINDINGS_MAX`] of them; none if everything is as it was written.
    pub findings: Vec<Finding>,
}

impl Check {
    /// Begins with the beginning of the rows, encoded.
    ///
    /// # Errors
    /// It is not one.
    pub fn begin(header: &[u8]) -> Result<Self> {
        let header = SnapshotHeader::decode(header)
            .map_err(|error| UpkeepError::Sent { what: format!("no header of rows: {error}") })?;
        Ok(Self {
            order: ChunkOrder::new(header),
            matching: Matching::default(),
            last: Cursor::START,
            events: 0,
            rows: 0,
            findings: Vec::new(),
        })
    }

    /// Takes a chunk of rows, and says whether others follow.
    ///
    /// # Errors
    /// It was damaged on its way, or is not the next one.
    pub fn rows(&mut self, chunk: &[u8]) -> Result<Following> {
        let (head, rows) = self.order.next(chunk)?;
        let (rows_before, mut unreadable) = (self.rows, None);
        for (key, value) in &rows {
            match self.matching.row(key, value) {
                Ok(()) => self.rows += 1,
                Err(error) => unreadable = Some(error),
            }
        }
        if let Some(error) = unreadable {
            let rows = rows_before + rows.len() as u64;
            self.note(Finding::of_state(format!(
                "one of the first {rows} rows of the state cannot be read: {error}"
            )));
        }
        Ok(head.following)
    }

    /// Takes note that a part of the state cannot be read, or is not what was written.
    pub fn state_is_damaged(&mut self, why: impl ToString) {
        self.note(Finding::of_state(why));
    }

    /// Takes a segment, or a copy of one. `name` is for the finding if it is damaged or cannot be read.
    pub fn segment(&mut self, name: &str, file: impl DiskFile, kind: CopyKind) {
        let (matching, events, before) = (&mut self.matching, &mut self.events, self.last);
        let mut last = before;
        let read = segments::read_file(name, file, kind, self.order.header.store, |record, _| {
            matching.body(record);
            *events += 1;
            last = record.cursor();
            Ok(())
        });
        match read {
            Ok(summary) if summary.records > 0 && summary.first <= before => {
                let what = format!("{name}: its events do not follow those of the segment before");
                self.note(Finding::of_segment(what, before));
            }
            Ok(summary) => self.last = self.last.max(summary.last),
            Err(error) => {
                self.last = self.last.max(last);
                self.note(Finding::of_segment(error, last));
            }
        }
    }

    /// Compares rows and events, if all of them could be read.
    #[must_use]
    pub fn end(mut self) -> Checked {
        let mut events = self.events;
        if self.findings.is_empty() {
            match self.matching.end() {
                Ok(kept) => events = kept,
                Err(what) => self.note(Finding::of_mismatch(what)),
            }
        }
        Checked { events, rows: self.rows, findings: self.findings }
    }

    fn note(&mut self, finding: Finding) {
        if self.findings.len() < FINDINGS_MAX {
            self.findings.push(finding);
        }
    }
}
