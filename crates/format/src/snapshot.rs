//! The rows of a state as of one applied entry, as backups hold them: a [`SnapshotHeader`], then chunks.
//!
//! ```text
//! number u32 (from 0), flags u32 (1: the last chunk), rows u32, length u32 (of all that follows the checksum),
//! checksum u32 (CRC-32C of the fields and the rows),
//! rows: key and value, each with its length before it, in ascending order of the keys
//! ```
//!
//! All integers are little-endian. The checksum is seeded with the snapshot that the chunk belongs to, so that a chunk of
//! another one never passes for it; and each chunk has its number, so that none can be missing or repeated.

use crate::header::SnapshotHeader;
use crate::wire::{FormatError, Reader, Writer};
use alloc::vec::Vec;
use crc32c::{crc32c, crc32c_append};

/// The bytes before a chunk's rows.
pub const CHUNK_HEADER_BYTES: usize = 20;
/// No chunk has more bytes of rows than this. One row may have several MiB.
pub const CHUNK_BYTES_MAX: usize = 64 << 20;

const CHECKED_BYTES: usize = 16;
const LAST: u32 = 1;

/// A row of a chunk.
pub type KeyAndValue<'a> = (&'a [u8], &'a [u8]);

/// Whether chunks follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Following {
    More,
    Nothing,
}

/// The fields before a chunk's rows. They are reliable only once [`ChunkHeader::rows`] has checked them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChunkHeader {
    pub number: u32,
    pub following: Following,
    pub rows: u32,
    /// The bytes of the rows.
    pub length: u32,
    checksum: u32,
    seeded: u32,
}

/// Appends one row to a chunk's rows.
pub fn put_row(key: &[u8], value: &[u8], rows: &mut Vec<u8>) {
    let mut writer = Writer::new(rows);
    writer.prefixed(key);
    writer.prefixed(value);
}

/// Encodes a chunk of `count` rows, which [`put_row`] has written.
#[must_use]
pub fn encode_chunk(
    snapshot: &SnapshotHeader,
    number: u32,
    following: Following,
    count: u32,
    rows: &[u8],
) -> Vec<u8> {
    let flags = match following {
        Following::More => 0,
        Following::Nothing => LAST,
    };
    let mut out = Vec::with_capacity(CHUNK_HEADER_BYTES + rows.len());
    for field in [number, flags, count, rows.len() as u32] {
        out.extend_from_slice(&field.to_le_bytes());
    }
    let checksum = crc32c_append(crc32c_append(seed(snapshot), &out), rows);
    out.extend_from_slice(&checksum.to_le_bytes());
    out.extend_from_slice(rows);
    out
}

impl ChunkHeader {
    /// # Errors
    /// The bytes cannot be those of a chunk.
    pub fn decode(snapshot: &SnapshotHeader, bytes: &[u8; CHUNK_HEADER_BYTES]) -> Result<Self, FormatError> {
        let mut reader = Reader::new(bytes);
        let (number, flags, rows, length) = (reader.u32()?, reader.u32()?, reader.u32()?, reader.u32()?);
        let checksum = reader.u32()?;
        let following = match flags {
            0 => Following::More,
            LAST => Following::Nothing,
            other => return Err(FormatError::invalid("a chunk's flags", u64::from(other))),
        };
        if length as usize > CHUNK_BYTES_MAX {
            return Err(FormatError::invalid("a chunk's length", u64::from(length)));
        }
        let seeded = crc32c_append(seed(snapshot), &bytes[..CHECKED_BYTES]);
        Ok(Self { number, following, rows, length, checksum, seeded })
    }

    /// The keys and values of the chunk, whose rows have these bytes.
    ///
    /// # Errors
    /// They are not what was written.
    pub fn rows<'a>(&self, bytes: &'a [u8]) -> Result<Vec<KeyAndValue<'a>>, FormatError> {
        if bytes.len() != self.length as usize || crc32c_append(self.seeded, bytes) != self.checksum {
            return Err(FormatError::Checksum);
        }
        let mut reader = Reader::new(bytes);
        let mut rows = Vec::new();
        while !reader.is_empty() {
            rows.push((reader.prefixed()?, reader.prefixed()?));
        }
        let ascend = rows.windows(2).all(|pair| pair[0].0 < pair[1].0);
        if rows.len() != self.rows as usize || !ascend {
            return Err(FormatError::invalid("a chunk's rows", u64::from(self.rows)));
        }
        Ok(rows)
    }
}

/// Of the header without its checksum: the checksum of bytes that end with their own is the same for all of them.
fn seed(snapshot: &SnapshotHeader) -> u32 {
    let header = snapshot.encode();
    crc32c(header.split_last_chunk::<4>().map_or(&header[..], |(fields, _)| fields))
}
