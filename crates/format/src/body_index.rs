//! What the body file holds besides records: the index and trailer at the end of a sealed segment, and the
//! rows of the side file that counts removals.
//!
//! ```text
//! point     position u64, offset u64                              where in the file a record begins
//! trailer   records u64, first cursor, last cursor (u64 u16 each), points u32, their checksum u32,
//!           checksum u32, "BODYEND1"                              the last bytes of the file
//! removal   segment u64, records u64, since u64
//! ```
//!
//! All integers are little-endian. The trailer's checksum is seeded with the identity of its segment, so that
//! the bytes of an event at the end of an unfinished file never pass for a trailer.

use crate::header::{BodySegmentHeader, StoreId};
use alloc::vec::Vec;
use crc32c::{crc32c, crc32c_append};
use model::{Cursor, Position, Slot, Wall};

/// Bytes of a point.
pub const POINT_BYTES: usize = 16;
/// Bytes of a trailer.
pub const TRAILER_BYTES: usize = 48;
/// Bytes of a removal.
pub const REMOVAL_BYTES: usize = 24;

const MAGIC: &[u8; 8] = b"BODYEND1";
const CHECKED_BYTES: usize = TRAILER_BYTES - 12;

/// The record at this offset in its file has this position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BodyPoint {
    pub position: Position,
    pub offset: u64,
}

/// The last bytes of a sealed segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BodyTrailer {
    /// Records in the file.
    pub records: u64,
    /// The first and last event that were ever in the segment. A rewritten segment may no longer hold them.
    pub first: Cursor,
    pub last: Cursor,
    /// How many points precede the trailer.
    pub points: u32,
    /// CRC-32C of the points.
    pub points_checksum: u32,
}

/// How many records of a segment were removed, and when that began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BodyRemoval {
    /// The segment's first logical offset.
    pub segment: u64,
    pub records: u64,
    /// When the first removal was noted.
    pub since: Wall,
}

/// The bytes of an index with this many points, and its trailer.
#[must_use]
pub const fn ending_bytes(points: usize) -> u64 {
    (points * POINT_BYTES + TRAILER_BYTES) as u64
}

/// Appends points and trailer to `out`. Returns the trailer with its number of points and their checksum
/// filled in.
pub fn encode_ending(
    segment: &BodySegmentHeader,
    points: &[BodyPoint],
    trailer: BodyTrailer,
    out: &mut Vec<u8>,
) -> BodyTrailer {
    let start = out.len();
    for point in points {
        out.extend_from_slice(&point.position.0.to_le_bytes());
        out.extend_from_slice(&point.offset.to_le_bytes());
    }
    let points_checksum = crc32c(&out[start..]);
    let at = out.len();
    out.extend_from_slice(&trailer.records.to_le_bytes());
    for cursor in [trailer.first, trailer.last] {
        out.extend_from_slice(&cursor.position.0.to_le_bytes());
        out.extend_from_slice(&cursor.slot.0.to_le_bytes());
    }
    out.extend_from_slice(&(points.len() as u32).to_le_bytes());
    out.extend_from_slice(&points_checksum.to_le_bytes());
    let checksum = crc32c_append(seed(segment), &out[at..]);
    out.extend_from_slice(&checksum.to_le_bytes());
    out.extend_from_slice(MAGIC);
    BodyTrailer { points: points.len() as u32, points_checksum, ..trailer }
}

/// Reads the last bytes of a segment; `None` when they are not its trailer.
#[must_use]
pub fn decode_trailer(segment: &BodySegmentHeader, bytes: &[u8; TRAILER_BYTES]) -> Option<BodyTrailer> {
    let (fields, ending) = bytes.split_at(CHECKED_BYTES);
    let checksum = crc32c_append(seed(segment), fields);
    if ending[..4] != checksum.to_le_bytes() || &ending[4..] != MAGIC {
        return None;
    }
    let rest = &mut { fields };
    Some(BodyTrailer {
        records: take(rest).map(u64::from_le_bytes)?,
        first: take_cursor(rest)?,
        last: take_cursor(rest)?,
        points: take(rest).map(u32::from_le_bytes)?,
        points_checksum: take(rest).map(u32::from_le_bytes)?,
    })
}

/// Reads the points before a trailer; `None` when they are not the ones that it describes.
#[must_use]
pub fn decode_points(trailer: &BodyTrailer, bytes: &[u8]) -> Option<Vec<BodyPoint>> {
    if bytes.len() != trailer.points as usize * POINT_BYTES || crc32c(bytes) != trailer.points_checksum {
        return None;
    }
    let mut points = Vec::with_capacity(trailer.points as usize);
    let rest = &mut { bytes };
    while !rest.is_empty() {
        let position = Position(take(rest).map(u64::from_le_bytes)?);
        points.push(BodyPoint { position, offset: take(rest).map(u64::from_le_bytes)? });
    }
    Some(points)
}

pub fn encode_removals(removals: &[BodyRemoval], out: &mut Vec<u8>) {
    for removal in removals {
        for number in [removal.segment, removal.records, removal.since.0] {
            out.extend_from_slice(&number.to_le_bytes());
        }
    }
}

/// Reads removals; `None` when bytes are left over.
#[must_use]
pub fn decode_removals(bytes: &[u8]) -> Option<Vec<BodyRemoval>> {
    let mut removals = Vec::with_capacity(bytes.len() / REMOVAL_BYTES);
    let rest = &mut { bytes };
    while !rest.is_empty() {
        let segment = take(rest).map(u64::from_le_bytes)?;
        let records = take(rest).map(u64::from_le_bytes)?;
        removals.push(BodyRemoval { segment, records, since: Wall(take(rest).map(u64::from_le_bytes)?) });
    }
    Some(removals)
}

fn seed(segment: &BodySegmentHeader) -> u32 {
    let StoreId(store) = segment.store;
    let sum = crc32c_append(crc32c(&store.to_le_bytes()), &segment.first.to_le_bytes());
    crc32c_append(sum, &segment.generation.to_le_bytes())
}

fn take_cursor(rest: &mut &[u8]) -> Option<Cursor> {
    let position = Position(take(rest).map(u64::from_le_bytes)?);
    Some(Cursor::new(position, Slot(take(rest).map(u16::from_le_bytes)?)))
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (head, after) = rest.split_first_chunk::<N>()?;
    *rest = after;
    Some(*head)
}
