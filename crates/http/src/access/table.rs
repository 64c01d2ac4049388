//! The tokens of the store, by id.

use super::identities::Key;
use crate::allowance::Meter;
use model::{TokenHash, TokenId, TokenSettings, Wall};
use ring::digest::{SHA256, digest};
use shard::query::TokenView;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use subtle::ConstantTimeEq as _;
use telemetry::LimitOf;

/// Who vouches for a caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// The state has a row with this hash of the token.
    Row(TokenHash),
    /// A rule names the client's certificate.
    Certificate,
    /// Another service has signed the token with this key.
    Jwt(Box<Key>),
}

/// A token as the state has it, or what stands for one. Its secret is not here.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) id: TokenId,
    source: Source,
    pub(crate) settings: TokenSettings<'static>,
    expires: Option<Wall>,
    /// What it may use; `None` if that is not limited.
    pub(crate) meter: Option<Arc<Meter>>,
    /// When its use was last recorded, in milliseconds of wall; 0 if never.
    noted: AtomicU64,
}

impl Known {
    /// A caller who has no token of the store.
    pub(crate) fn elsewhere(
        source: Source,
        settings: TokenSettings<'static>,
        expires: Option<Wall>,
        meter: Option<Arc<Meter>>,
    ) -> Self {
        Self { id: TokenId::EXTERNAL, source, settings, expires, meter, noted: AtomicU64::new(0) }
    }

    pub(super) const fn source(&self) -> &Source {
        &self.source
    }

    /// When it is valid no longer.
    pub(super) fn expires(&self) -> Option<Wall> {
        self.expires
    }

    pub(super) fn is_expired(&self, now: Wall) -> bool {
        self.expires.is_some_and(|expires| now >= expires)
    }

    /// Whether its use should be recorded now. True at most once in `every_ms`.
    pub(super) fn should_note(&self, now: Wall, every_ms: u64) -> bool {
        if !matches!(self.source, Source::Row(_)) {
            return false;
        }
        let noted = self.noted.load(Ordering::Relaxed);
        now.0.saturating_sub(noted) >= every_ms
            && self.noted.compare_exchange(noted, now.0, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }
}

/// All tokens at one moment.
#[derive(Debug, Default)]
pub(super) struct Table(HashMap<TokenId, Arc<Known>>);

impl Table {
    /// A table of what was read. What `before` knows of their use is kept.
    pub(super) fn new(found: Vec<TokenView>, before: Option<&Self>) -> Self {
        let known = |view: TokenView| {
            let before = before.and_then(|before| before.0.get(&view.id));
            let allowance = view.settings.allowance;
            let meter = before.and_then(|known| known.meter.clone()).filter(|meter| meter.is_for(&allowance));
            let meter = meter.or_else(|| Meter::new(LimitOf::Token, allowance));
            let noted = before.map(|known| &known.noted);
            let noted = noted.map_or(0, |noted| noted.load(Ordering::Relaxed));
            let noted = noted.max(view.used.map_or(0, |used| used.0));
            let (id, source, settings, expires) =
                (view.id, Source::Row(view.hash), view.settings, view.expires);
            (id, Arc::new(Known { id, source, settings, expires, meter, noted: AtomicU64::new(noted) }))
        };
        Self(found.into_iter().map(known).collect())
    }

    /// The token that this text is. Its id finds one candidate, and only one: a text of any other form can only be the
    /// initial token, which an operator chose. The whole hashes are compared, in the same time wherever they differ.
    pub(super) fn find(&self, text: &str) -> Option<&Arc<Known>> {
        let by_id = api::access::id_of(text).and_then(|id| self.0.get(&id));
        let candidate = by_id.or_else(|| self.0.get(&TokenId::INITIAL))?;
        let Source::Row(TokenHash(known)) = &candidate.source else { return None };
        let TokenHash(sent) = hash(text);
        bool::from(known.ct_eq(&sent)).then_some(candidate)
    }

    /// Whether it still holds this token, unchanged.
    pub(super) fn holds(&self, token: &Known) -> bool {
        self.0.get(&token.id).is_some_and(|known| {
            known.source == token.source && known.settings == token.settings && known.expires == token.expires
        })
    }
}

/// The hash of a token. A fast one is enough, because a token is not a password: its 32 random bytes cannot be guessed.
pub(crate) fn hash(token: &str) -> TokenHash {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, token.as_bytes()).as_ref());
    TokenHash(hash)
}

#[cfg(test)]
mod tests {
    use super::*;
    use api::access::write_token;
    use model::{Allowance, Role};

    fn view(id: TokenId, token: &str) -> TokenView {
        let settings = TokenSettings {
            role: Role::Read,
            prefixes: Vec::new(),
            name: "".into(),
            allowance: Allowance::default(),
        };
        TokenView { id, hash: hash(token), settings, created: Wall(0), expires: None, used: None }
    }

    #[test]
    fn the_hash_is_sha_256() {
        let TokenHash(hash) = hash("abc");
        assert_eq!(hash[..4], [0xba, 0x78, 0x16, 0xbf]);
        assert_eq!(hash[28..], [0xf2, 0x00, 0x15, 0xad]);
    }

    #[test]
    fn only_the_whole_secret_finds_a_token() {
        let (one, two) = (write_token(TokenId(1), &[1; 32]), write_token(TokenId(2), &[2; 32]));
        let given = "a token that an operator has chosen";
        let table = Table::new(
            vec![view(TokenId(1), &one), view(TokenId(2), &two), view(TokenId::INITIAL, given)],
            None,
        );
        let find = |text: &str| table.find(text).map(|known| known.id);
        assert_eq!(
            (find(&one), find(&two), find(given)),
            (Some(TokenId(1)), Some(TokenId(2)), Some(TokenId::INITIAL))
        );
        // The id of one with the secret of another, and secrets that differ in one place only.
        assert_eq!(find(&write_token(TokenId(1), &[2; 32])), None);
        for at in 0..32 {
            let mut secret = [1; 32];
            secret[at] ^= 1;
            assert_eq!(find(&write_token(TokenId(1), &secret)), None, "{at}");
        }
        for text in ["", "a", &given[1..], "mst_", "initial"] {
            assert_eq!(find(text), None, "{text}");
        }
    }

    /// A comparison of a part of the hashes would find a token for other text. Here they share all but the last byte.
    #[test]
    fn all_bytes_of_the_hashes_are_compared() {
        let text = write_token(TokenId(1), &[1; 32]);
        for at in 0..32 {
            let mut stored = view(TokenId(1), &text);
            stored.hash.0[at] ^= 0x80;
            assert!(Table::new(vec![stored], None).find(&text).is_none(), "{at}");
        }
    }

    #[test]
    fn a_use_is_noted_once_in_a_while_even_if_the_table_is_renewed() {
        let text = write_token(TokenId(1), &[1; 32]);
        let table = Table::new(vec![view(TokenId(1), &text)], None);
        let noted = |table: &Table, now| table.find(&text).unwrap().should_note(Wall(now), 1_000);
        assert!(noted(&table, 5_000) && !noted(&table, 5_999));
        let renewed = Table::new(vec![view(TokenId(1), &text)], Some(&table));
        assert!(!noted(&renewed, 5_999) && noted(&renewed, 6_000));
    }
}
