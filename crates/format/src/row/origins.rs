//! Where a store comes from: the stores of whose backups it was restored. The row is in the shard's first slot, is
//! written when a backup is restored, and `apply` never reads it.

use super::key::{Fill, PREFIX_BYTES, kind};
use super::value::{LAYOUT, layout};
use crate::header::StoreId;
use crate::lease::{get_cursor, put_cursor};
use crate::wire::{FormatError, Reader, Writer};
use alloc::vec::Vec;
use model::{Cursor, Namespace, Slot, Wall};

/// The key of the origins of the shard whose first slot is `first`.
#[must_use]
pub fn origins_key(first: Slot) -> [u8; PREFIX_BYTES] {
    Fill::new(first, Namespace::SYSTEM, kind::ORIGINS).done()
}

/// A store whose history this one continues.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    pub store: StoreId,
    /// This store has all that happened there up to this cursor, and nothing that happened later.
    pub through: Cursor,
    /// The time of day of the restore.
    pub restored: Wall,
}

const ORIGIN_BYTES: usize = 34;

/// Encodes origins, oldest first.
#[must_use]
pub fn encode_origins(origins: &[Origin]) -> Vec<u8> {
    let mut out = Vec::with_capacity(2 + origins.len() * ORIGIN_BYTES);
    let mut writer = Writer::new(&mut out);
    writer.u8(LAYOUT);
    writer.varint(origins.len() as u64);
    for origin in origins {
        writer.u128(origin.store.0);
        put_cursor(&mut writer, origin.through);
        writer.u64(origin.restored.0);
    }
    out
}

/// # Errors
/// [`FormatError`] when these are not the bytes of origins.
pub fn decode_origins(bytes: &[u8]) -> Result<Vec<Origin>, FormatError> {
    let mut reader = Reader::new(bytes);
    layout(&mut reader, "origins")?;
    let count = reader.count(ORIGIN_BYTES)?;
    let mut origins = Vec::with_capacity(count);
    for _ in 0..count {
        let (store, through) = (StoreId(reader.u128()?), get_cursor(&mut reader)?);
        origins.push(Origin { store, through, restored: Wall(reader.u64()?) });
    }
    reader.end()?;
    Ok(origins)
}
