//! The rows of reactions. They are about all of a shard's slots, as a reaction follows everything that happens in
//! the shard, and so they are in its first one.

use super::key::{Fill, PREFIX_BYTES, ShardRows, Take, kind};
use super::value::{LAYOUT, layout};
use crate::lease::{get_cursor, put_cursor};
use crate::reaction::{get_settings, put_settings};
use crate::wire::{FormatError, Reader, Writer};
use alloc::vec::Vec;
use model::{Cursor, Namespace, Position, ReactionName, ReactionSettings, Slot};

/// The key of a reaction's row in the shard whose first slot is `first`.
#[must_use]
pub fn reaction_key(first: Slot, reaction: &str) -> Vec<u8> {
    let mut key = Vec::with_capacity(PREFIX_BYTES + reaction.len());
    key.extend_from_slice(&Fill::<PREFIX_BYTES>::new(first, Namespace::SYSTEM, kind::REACTION).done());
    key.extend_from_slice(reaction.as_bytes());
    key
}

/// The name in the key of a reaction's row.
///
/// # Errors
/// [`FormatError`] when it is not such a key.
pub fn parse_reaction_key(key: &[u8]) -> Result<ReactionName<'_>, FormatError> {
    let (_, _, Take(name)) = Take::of(key, kind::REACTION, "reaction's key")?;
    let damaged = FormatError::Text { what: "reaction name" };
    let name = core::str::from_utf8(name).map_err(|_| damaged)?;
    ReactionName::new(name).map_err(|_| damaged)
}

/// The key of the row with the number of reactions. A request that waits for changes of reactions waits for this row.
#[must_use]
pub fn reactions_key(first: Slot) -> [u8; PREFIX_BYTES] {
    Fill::new(first, Namespace::SYSTEM, kind::REACTIONS).done()
}

/// The rows of a shard's reactions, by name. The shard's first slot is `first`.
#[must_use]
pub fn reaction_rows(first: Slot) -> ShardRows {
    ShardRows::of(first, kind::REACTION)
}

/// A reaction and how far it has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReactionRow<'a> {
    pub settings: ReactionSettings<'a>,
    /// The position that the last change of the settings took.
    pub version: Position,
    pub cursor: Cursor,
    /// How many tasks it has enqueued since it was created.
    pub tasks: u64,
}

impl<'a> ReactionRow<'a> {
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(128);
        let mut writer = Writer::new(&mut out);
        writer.u8(LAYOUT);
        put_settings(&mut writer, &self.settings);
        writer.u64(self.version.0);
        put_cursor(&mut writer, self.cursor);
        writer.varint(self.tasks);
        out
    }

    /// # Errors
    /// [`FormatError`] when these are not the bytes of a reaction's row.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, FormatError> {
        let mut reader = Reader::new(bytes);
        layout(&mut reader, "reaction row")?;
        let row = Self {
            settings: get_settings(&mut reader)?,
            version: Position(reader.u64()?),
            cursor: get_cursor(&mut reader)?,
            tasks: reader.varint()?,
        };
        reader.end()?;
        Ok(row)
    }
}
