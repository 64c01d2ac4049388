//! The rows of tokens. They are about all of a shard's slots, and so they are in its first one.

use super::key::{Fill, PREFIX_BYTES, ShardRows, Take, kind};
use super::value::LAYOUT;
use crate::token::{
    get_allowance, get_hash, get_optional, get_settings, put_allowance, put_hash, put_optional, put_settings,
};
use crate::wire::{FormatError, Reader, Writer};
use alloc::vec::Vec;
use model::{Namespace, Slot, TokenHash, TokenId, TokenSettings, Wall};

/// Bytes of the key of a token's row.
const KEY_BYTES: usize = PREFIX_BYTES + 8;
/// The layout of a token with an allowance, which is behind everything else.
const LIMITED: u8 = 2;

/// The key of a token's row in the shard whose first slot is `first`.
#[must_use]
pub fn token_key(first: Slot, token: TokenId) -> [u8; KEY_BYTES] {
    Fill::new(first, Namespace::SYSTEM, kind::TOKEN).with(token.0.to_be_bytes()).done()
}

/// The id in the key of a token's row.
///
/// # Errors
/// [`FormatError`] when it is not such a key.
pub fn parse_token_key(key: &[u8]) -> Result<TokenId, FormatError> {
    let (_, _, mut take) = Take::of(key, kind::TOKEN, "token's key")?;
    let id = TokenId(u64::from_be_bytes(take.next()?));
    take.end()?;
    Ok(id)
}

/// The key of the row that says when a token was last used. It is apart from the token, so that its use changes nothing
/// that requests wait for.
#[must_use]
pub fn token_use_key(first: Slot, token: TokenId) -> [u8; KEY_BYTES] {
    Fill::new(first, Namespace::ROOT, kind::TOKEN_USE).with(token.0.to_be_bytes()).done()
}

/// The key of the row with the number of tokens. A request that waits for changes of tokens waits for this row.
#[must_use]
pub fn tokens_key(first: Slot) -> [u8; PREFIX_BYTES] {
    Fill::new(first, Namespace::SYSTEM, kind::TOKENS).done()
}

/// The rows of a shard's tokens, by id. The shard's first slot is `first`.
#[must_use]
pub fn token_rows(first: Slot) -> ShardRows {
    ShardRows::of(first, kind::TOKEN)
}

/// A token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenRow<'a> {
    pub hash: TokenHash,
    pub settings: TokenSettings<'a>,
    pub created: Wall,
    /// It is valid before this time of day.
    pub expires: Option<Wall>,
}

impl<'a> TokenRow<'a> {
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(128);
        let mut writer = Writer::new(&mut out);
        let is_limited = !self.settings.allowance.is_unlimited();
        writer.u8(if is_limited { LIMITED } else { LAYOUT });
        put_hash(&mut writer, self.hash);
        put_settings(&mut writer, &self.settings);
        writer.u64(self.created.0);
        put_optional(&mut writer, self.expires.map(|expires| expires.0));
        if is_limited {
            put_allowance(&mut writer, &self.settings.allowance);
        }
        out
    }

    /// # Errors
    /// [`FormatError`] when these are not the bytes of a token's row.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, FormatError> {
        let mut reader = Reader::new(bytes);
        let layout = reader.u8()?;
        if !matches!(layout, LAYOUT | LIMITED) {
            return Err(FormatError::invalid("token row", u64::from(layout)));
        }
        let mut row = Self {
            hash: get_hash(&mut reader)?,
            settings: get_settings(&mut reader)?,
            created: Wall(reader.u64()?),
            expires: get_optional(&mut reader)?.map(Wall),
        };
        if layout == LIMITED {
            row.settings.allowance = get_allowance(&mut reader)?;
        }
        reader.end()?;
        Ok(row)
    }
}
