//! The segments of a backup: copies of files with event bodies.

use crate::error::{Result, UpkeepError};
use crate::place::Fetched;
use format::body::BodyRecord;
use format::header::StoreId;
use storage::bodies::{CopyKind, SegmentCopy, SegmentSummary};
use storage::disk::DiskFile;
use storage::real_disk::RealFile;

/// Reads a copy completely, and calls `visit` with each record and its bytes.
///
/// # Errors
/// It is damaged or cannot be read, or the error of `visit`.
pub(crate) fn read(
    file: &Fetched,
    kind: CopyKind,
    store: StoreId,
    visit: impl FnMut(&BodyRecord<'_>, &[u8]) -> Result<()>,
) -> Result<SegmentSummary> {
    let opened =
        RealFile::open_to_read(file.path()).map_err(|source| UpkeepError::io(&file.shown, source))?;
    read_file(&file.shown.display().to_string(), opened, kind, store, visit)
}

/// Reads a segment, or a copy of one, completely, and calls `visit` with each record and its bytes.
///
/// # Errors
/// As [`read`]. They call the segment `name`.
pub(crate) fn read_file(
    name: &str,
    file: impl DiskFile,
    kind: CopyKind,
    store: StoreId,
    visit: impl FnMut(&BodyRecord<'_>, &[u8]) -> Result<()>,
) -> Result<SegmentSummary> {
    SegmentCopy::open(name, file, kind, store)?.records(visit)
}
