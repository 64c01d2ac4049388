//! Entries of a log as archives hold them: a [`LogArchiveHeader`](crate::header::LogArchiveHeader), then pieces.
//!
//! ```text
//! length u32 (of the record), check u32 (CRC-32C of the length), checksum u32 (CRC-32C of the length and the record),
//! a group record with consecutive entries, as in a frame of the log ([`crate::frame`])
//! ```
//!
//! All integers are little-endian. Checksums are seeded with the store that the log belongs to. A piece says in its
//! entries where it belongs, so none can be missing or repeated without being noticed. The length has a check of its own, so
//! that a search for pieces behind a broken one need not read what follows each byte.

use crate::frame::{LogEntry, decode_groups, encode_group};
use crate::header::StoreId;
use crate::wire::{FormatError, Reader};
use alloc::vec::Vec;
use crc32c::{crc32c, crc32c_append};
use model::GroupId;

/// The bytes before the record of a piece.
pub const PIECE_HEADER_BYTES: usize = 12;
/// No record of a piece is longer. A piece has at least one entry, however long that is.
pub const PIECE_BYTES_MAX: usize = 16 << 20;

/// The fields before the record of a piece. They are reliable only once [`PieceHeader::entries`] has checked them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PieceHeader {
    /// The bytes of the record.
    pub length: u32,
    checksum: u32,
}

/// Encodes a piece of consecutive entries.
#[must_use]
pub fn encode_piece<'a>(
    store: StoreId,
    group: GroupId,
    entries: impl Iterator<Item = LogEntry<'a>>,
) -> Vec<u8> {
    let mut out = alloc::vec![0; PIECE_HEADER_BYTES];
    encode_group(group, None, entries, &mut out);
    let length = (out.len() - PIECE_HEADER_BYTES) as u32;
    let check = check(store, length);
    let checksum = crc32c_append(check, &out[PIECE_HEADER_BYTES..]);
    for (at, field) in [length, check, checksum].into_iter().enumerate() {
        out[4 * at..4 * at + 4].copy_from_slice(&field.to_le_bytes());
    }
    out
}

impl PieceHeader {
    /// # Errors
    /// No piece of this store begins with these bytes.
    pub fn decode(store: StoreId, bytes: &[u8; PIECE_HEADER_BYTES]) -> Result<Self, FormatError> {
        let mut reader = Reader::new(bytes);
        let (length, found, checksum) = (reader.u32()?, reader.u32()?, reader.u32()?);
        if found != check(store, length) {
            return Err(FormatError::Checksum);
        }
        if length as usize > PIECE_BYTES_MAX {
            return Err(FormatError::invalid("a piece's length", u64::from(length)));
        }
        Ok(Self { length, checksum })
    }

    /// The entries of the piece, whose record has these bytes. They are consecutive, and there is at least one.
    ///
    /// # Errors
    /// They are not what was written, or are of another store or group.
    pub fn entries<'a>(
        &self,
        store: StoreId,
        group: GroupId,
        record: &'a [u8],
    ) -> Result<Vec<LogEntry<'a>>, FormatError> {
        let found = crc32c_append(check(store, self.length), record);
        if record.len() != self.length as usize || found != self.checksum {
            return Err(FormatError::Checksum);
        }
        let not_a_piece = FormatError::invalid("a piece's record", record.len() as u64);
        let mut groups = decode_groups(record);
        let (Some(Ok(found)), None) = (groups.next(), groups.next()) else { return Err(not_a_piece) };
        if found.group != group {
            return Err(FormatError::invalid("a piece's group", u64::from(found.group.0)));
        }
        let entries: Vec<_> = found.entries.collect::<Result<_, _>>().map_err(|_| not_a_piece)?;
        let follows = |pair: &[LogEntry<'_>]| pair[1].index.0.checked_sub(1) == Some(pair[0].index.0);
        if entries.is_empty() || !entries.windows(2).all(follows) {
            return Err(not_a_piece);
        }
        Ok(entries)
    }
}

fn check(store: StoreId, length: u32) -> u32 {
    crc32c_append(crc32c(&store.0.to_le_bytes()), &length.to_le_bytes())
}
