//! The keys of subjects, wrapped, as their file holds them: a
//! [`SubjectKeysHeader`](crate::header::SubjectKeysHeader), then one record for each key, in the order of their ids.
//!
//! ```text
//! state u8 (1 kept, 2 erased), 3 zeros, id u32, subject 16 bytes, nonce 12 bytes, wrapped 80 bytes, 8 zeros,
//! checksum u32 (CRC-32C of all before it)
//! ```
//!
//! All integers are little-endian. The first record has the id 1. A record is erased by writing over it: what was between
//! its id and its checksum is then zero, and neither the key nor whose it was can be found. Records begin at a multiple of their
//! length, so none lies in two sectors.

use crate::wire::{FormatError, Reader, Writer};
use alloc::vec::Vec;
use model::KeyId;

/// Where the first record begins. Between the header and it are zeros.
pub const RECORDS_AT: usize = 128;
/// Bytes of a record.
pub const RECORD_BYTES: usize = 128;
/// Bytes of a wrapped key: the key, and a tag.
pub const WRAPPED_BYTES: usize = 80;
pub const NONCE_BYTES: usize = 12;

const CHECKED: usize = RECORD_BYTES - 4;
const KEPT: u8 = 1;
const ERASED: u8 = 2;

/// A keyed hash of a subject. It does not say who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SubjectTag(pub [u8; 16]);

/// One record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyRecord {
    Kept { id: KeyId, subject: SubjectTag, nonce: [u8; NONCE_BYTES], wrapped: [u8; WRAPPED_BYTES] },
    Erased { id: KeyId },
}

impl KeyRecord {
    #[must_use]
    pub const fn id(&self) -> KeyId {
        match self {
            Self::Kept { id, .. } | Self::Erased { id } => *id,
        }
    }

    #[must_use]
    pub fn encode(&self) -> [u8; RECORD_BYTES] {
        let mut out = Vec::with_capacity(RECORD_BYTES);
        let mut writer = Writer::new(&mut out);
        match self {
            Self::Kept { id, subject, nonce, wrapped } => {
                writer.u32(u32::from(KEPT));
                writer.u32(id.0);
                writer.bytes(&subject.0);
                writer.bytes(nonce);
                writer.bytes(wrapped);
            }
            Self::Erased { id } => {
                writer.u32(u32::from(ERASED));
                writer.u32(id.0);
            }
        }
        let mut record = [0; RECORD_BYTES];
        record[..out.len()].copy_from_slice(&out);
        let checksum = crc32c::crc32c(&record[..CHECKED]);
        record[CHECKED..].copy_from_slice(&checksum.to_le_bytes());
        record
    }

    /// # Errors
    /// [`FormatError`] when these are not the bytes of a record.
    pub fn decode(bytes: &[u8; RECORD_BYTES]) -> Result<Self, FormatError> {
        let (checked, checksum) = bytes.split_at(CHECKED);
        if crc32c::crc32c(checked).to_le_bytes() != *checksum {
            return Err(FormatError::Checksum);
        }
        let mut reader = Reader::new(checked);
        let (state, id) = (reader.u32()?, KeyId(reader.u32()?));
        if id == KeyId::NONE {
            return Err(FormatError::invalid("id of a subject key", 0));
        }
        match u8::try_from(state) {
            Ok(KEPT) => Ok(Self::Kept {
                id,
                subject: SubjectTag(array(&mut reader)?),
                nonce: array(&mut reader)?,
                wrapped: array(&mut reader)?,
            }),
            Ok(ERASED) => Ok(Self::Erased { id }),
            _ => Err(FormatError::invalid("state of a subject key", u64::from(state))),
        }
    }
}

fn array<const N: usize>(reader: &mut Reader<'_>) -> Result<[u8; N], FormatError> {
    reader.bytes(N)?.try_into().map_err(|_| FormatError::Truncated)
}
