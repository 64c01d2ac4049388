//! Tokens.

use crate::damage::bad_row;
use alloc::vec::Vec;
use core::ops::ControlFlow;
use format::row::{TokenRow, decode_number, parse_token_key, token_rows, token_use_key};
use model::{Order, Slot, TokenHash, TokenId, TokenSettings, View, ViewError, Wall};

/// A token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenView {
    pub id: TokenId,
    pub hash: TokenHash,
    pub settings: TokenSettings<'static>,
    pub created: Wall,
    /// It is valid before this time of day.
    pub expires: Option<Wall>,
    /// When its use was last recorded.
    pub used: Option<Wall>,
}

/// Reads the tokens of the shard whose first slot is `first`, by id. There are at most
/// [`model::limits::TOKENS_MAX`].
///
/// # Errors
/// [`ViewError`].
pub fn tokens(view: &impl View, first: Slot) -> Result<Vec<TokenView>, ViewError> {
    let mut found = Vec::new();
    view.scan(token_rows(first).as_range(), Order::Ascending, &mut |key, value| {
        let token = parse_token_key(key).and_then(|id| {
            let row = TokenRow::decode(value)?;
            let settings = row.settings.into_owned();
            let (hash, created, expires) = (row.hash, row.created, row.expires);
            Ok(TokenView { id, hash, settings, created, expires, used: None })
        });
        found.push(token);
        ControlFlow::Continue(())
    })?;
    found
        .into_iter()
        .map(|token| {
            let token = token.map_err(|error| bad_row("token row", error))?;
            Ok(TokenView { used: used(view, first, token.id)?, ..token })
        })
        .collect()
}

fn used(view: &impl View, first: Slot, token: TokenId) -> Result<Option<Wall>, ViewError> {
    let Some(value) = view.get(&token_use_key(first, token))? else { return Ok(None) };
    let moment = decode_number(&value).map_err(|error| bad_row("use of a token", error))?;
    Ok(Some(Wall(moment)))
}
