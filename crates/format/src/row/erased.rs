//! The rows of erased subject keys: the value is the time of day. They are about all of a shard's slots, and so they are in
//! its first one.

use super::key::{Fill, PREFIX_BYTES, ShardRows, Take, kind};
use crate::wire::FormatError;
use model::{KeyId, Namespace, Slot};

const KEY_BYTES: usize = PREFIX_BYTES + 4;

/// The key of the row of an erased key in the shard whose first slot is `first`.
#[must_use]
pub fn erased_key(first: Slot, key: KeyId) -> [u8; KEY_BYTES] {
    Fill::new(first, Namespace::SYSTEM, kind::ERASED_KEY).with(key.0.to_be_bytes()).done()
}

/// The id in the key of such a row.
///
/// # Errors
/// [`FormatError`] when it is not the key of one.
pub fn parse_erased_key(key: &[u8]) -> Result<KeyId, FormatError> {
    let (_, _, mut take) = Take::of(key, kind::ERASED_KEY, "erased key's key")?;
    let id = KeyId(u32::from_be_bytes(take.next()?));
    take.end()?;
    Ok(id)
}

/// The rows of a shard's erased keys, by id. The shard's first slot is `first`.
#[must_use]
pub fn erased_rows(first: Slot) -> ShardRows {
    ShardRows::of(first, kind::ERASED_KEY)
}
