//! Create or revoke a token, or record that it was used.
//!
//! *A token is valid from the entry that creates it until the one that revokes it, or until its time is over.* Its time
//! counts from the entry's clock. A token cannot be changed, so that no one gets another role without a new secret; only
//! the initial token, which the configuration of the node gives, is replaced. Tokens whose time is over are kept until they are
//! revoked, and count. Recording the use of a token that does not exist changes nothing.

use crate::damage::bad_row;
use crate::overlay::Overlay;
use format::row::{TokenRow, decode_number, encode_number, token_key, token_use_key, tokens_key};
use model::{
    ChangeToken, Outcome, Refusal, TokenChange, TokenHash, TokenId, TokenSettings, View, ViewError, Wall,
    limits,
};

/// Decides the command.
pub(crate) fn apply<V: View>(
    change: &ChangeToken<'_>,
    overlay: &mut Overlay<'_, '_, V>,
) -> Result<Outcome, ViewError> {
    let exists = overlay.get(&token_key(overlay.first_slot(), change.token))?.is_some();
    match &change.change {
        TokenChange::Create { .. } if exists && change.token != TokenId::INITIAL => {
            Ok(Outcome::Refused(Refusal::TokenExists))
        }
        TokenChange::Create { hash, settings, ttl_ms } => {
            let tokens = count(overlay)? + u64::from(!exists);
            if tokens > limits::TOKENS_MAX {
                return Ok(Outcome::Refused(Refusal::TooManyTokens));
            }
            let outcome = create(change.token, *hash, settings, *ttl_ms, overlay);
            set_count(tokens, overlay);
            Ok(outcome)
        }
        TokenChange::Revoke | TokenChange::Use if !exists => Ok(Outcome::Refused(Refusal::NoToken)),
        TokenChange::Revoke => {
            let first = overlay.first_slot();
            overlay.delete(token_key(first, change.token).to_vec());
            overlay.delete(token_use_key(first, change.token).to_vec());
            set_count(count(overlay)?.saturating_sub(1), overlay);
            Ok(Outcome::TokenRevoked)
        }
        TokenChange::Use => {
            let key = token_use_key(overlay.first_slot(), change.token).to_vec();
            overlay.put(key, encode_number(overlay.shard.wall.0));
            Ok(Outcome::TokenUsed)
        }
    }
}

fn create<V: View>(
    token: TokenId,
    hash: TokenHash,
    settings: &TokenSettings<'_>,
    ttl_ms: Option<u64>,
    overlay: &mut Overlay<'_, '_, V>,
) -> Outcome {
    let created = overlay.shard.wall;
    let expires = ttl_ms.map(|ttl_ms| Wall(created.0.saturating_add(ttl_ms)));
    let row = TokenRow { hash, settings: settings.clone(), created, expires };
    overlay.put(token_key(overlay.first_slot(), token).to_vec(), row.encode());
    Outcome::TokenCreated { created, expires }
}

/// How many tokens there are.
fn count<V: View>(overlay: &Overlay<'_, '_, V>) -> Result<u64, ViewError> {
    let Some(value) = overlay.get(&tokens_key(overlay.first_slot()))? else { return Ok(0) };
    decode_number(&value).map_err(|error| bad_row("number of tokens", error))
}

/// Writes the number of tokens, and tells the requests that wait for changes of tokens.
fn set_count<V: View>(count: u64, overlay: &mut Overlay<'_, '_, V>) {
    let key = tokens_key(overlay.first_slot()).to_vec();
    overlay.put(key.clone(), encode_number(count));
    overlay.notify(key);
}
