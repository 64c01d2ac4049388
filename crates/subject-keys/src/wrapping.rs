//! The operator's key. It is never in the data directory, and a copy of the keys' file is worth nothing without it.
//!
//! The 32 bytes that the operator gives are not used as they are: what wraps keys and what hides subjects are derived from
//! them with HMAC-SHA256.

use crate::sealing::SubjectKey;
use format::subject_key::{NONCE_BYTES, SubjectTag, WRAPPED_BYTES};
use model::KeyId;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use ring::hmac::{self, HMAC_SHA256};
use ring::rand::{SecureRandom, SystemRandom};
use std::fmt;

/// Bytes of the operator's key.
const KEY_BYTES: usize = 32;

/// The operator's key. It does not show itself.
#[derive(Clone)]
pub struct WrappingKey {
    wrap: LessSafeKey,
    tags: hmac::Key,
}

impl fmt::Debug for WrappingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WrappingKey(..)")
    }
}

/// A text that is not an operator's key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a key is 64 hex digits; `openssl rand -hex 32` makes one")]
pub struct BadWrappingKey;

/// The system has no random bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the system has no random bytes")]
pub struct NoRandomBytes;

impl WrappingKey {
    /// Reads a key as text: 64 hex digits, with white space around them.
    ///
    /// # Errors
    /// [`BadWrappingKey`]
    pub fn parse(text: &str) -> Result<Self, BadWrappingKey> {
        let digits = text.trim().as_bytes();
        if digits.len() != 2 * KEY_BYTES {
            return Err(BadWrappingKey);
        }
        let mut secret = [0; KEY_BYTES];
        for (byte, pair) in secret.iter_mut().zip(digits.chunks(2)) {
            let digit = |at: usize| char::from(pair[at]).to_digit(16).ok_or(BadWrappingKey);
            *byte = (digit(0)? * 16 + digit(1)?) as u8;
        }
        let root = hmac::Key::new(HMAC_SHA256, &secret);
        let derive = |what: &[u8]| hmac::sign(&root, what);
        let wrap = UnboundKey::new(&AES_256_GCM, derive(b"mainstay: wrap subject keys").as_ref());
        let tags = hmac::Key::new(HMAC_SHA256, derive(b"mainstay: tag subjects").as_ref());
        Ok(Self { wrap: LessSafeKey::new(wrap.map_err(|_| BadWrappingKey)?), tags })
    }

    /// What stands for a subject in the file.
    pub(crate) fn tag(&self, subject: &str) -> SubjectTag {
        let mut tag = [0; 16];
        tag.copy_from_slice(&hmac::sign(&self.tags, subject.as_bytes()).as_ref()[..16]);
        SubjectTag(tag)
    }

    /// Wraps a key.
    pub(crate) fn wrap(
        &self,
        id: KeyId,
        subject: SubjectTag,
        key: &SubjectKey,
    ) -> Result<([u8; NONCE_BYTES], [u8; WRAPPED_BYTES]), NoRandomBytes> {
        let mut nonce = [0; NONCE_BYTES];
        SystemRandom::new().fill(&mut nonce).map_err(|_| NoRandomBytes)?;
        let mut wrapped = [0; WRAPPED_BYTES];
        let (secret, tag) = wrapped.split_at_mut(key.secret().len());
        secret.copy_from_slice(key.secret());
        let aad = Aad::from(bound(id, subject));
        let sealed = self.wrap.seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), aad, secret);
        tag.copy_from_slice(sealed.map_err(|_| NoRandomBytes)?.as_ref());
        Ok((nonce, wrapped))
    }

    /// The key that was wrapped, if this key has wrapped it.
    pub(crate) fn unwrap(
        &self,
        id: KeyId,
        subject: SubjectTag,
        nonce: [u8; NONCE_BYTES],
        mut wrapped: [u8; WRAPPED_BYTES],
    ) -> Option<SubjectKey> {
        let nonce = Nonce::assume_unique_for_key(nonce);
        let secret = self.wrap.open_in_place(nonce, Aad::from(bound(id, subject)), &mut wrapped).ok()?;
        secret.try_into().ok().map(SubjectKey::new)
    }

    /// Nothing, wrapped: what only this key opens.
    pub(crate) fn check(&self) -> Result<[u8; 28], NoRandomBytes> {
        let mut check = [0; 28];
        let (nonce, tag) = check.split_at_mut(NONCE_BYTES);
        SystemRandom::new().fill(nonce).map_err(|_| NoRandomBytes)?;
        let mut drawn = [0; NONCE_BYTES];
        drawn.copy_from_slice(nonce);
        let sealed =
            self.wrap.seal_in_place_separate_tag(Nonce::assume_unique_for_key(drawn), Aad::empty(), &mut []);
        tag.copy_from_slice(sealed.map_err(|_| NoRandomBytes)?.as_ref());
        Ok(check)
    }

    /// Whether this key has made the check.
    pub(crate) fn has_made(&self, check: [u8; 28]) -> bool {
        let (mut nonce, mut tag) = ([0; NONCE_BYTES], [0; 16]);
        nonce.copy_from_slice(&check[..NONCE_BYTES]);
        tag.copy_from_slice(&check[NONCE_BYTES..]);
        self.wrap.open_in_place(Nonce::assume_unique_for_key(nonce), Aad::empty(), &mut tag).is_ok()
    }
}

/// A wrapped key opens only as what it was wrapped as.
fn bound(id: KeyId, subject: SubjectTag) -> [u8; 20] {
    let mut bound = [0; 20];
    bound[..4].copy_from_slice(&id.0.to_le_bytes());
    bound[4..].copy_from_slice(&subject.0);
    bound
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

    #[test]
    fn a_key_is_64_hex_digits() {
        for (text, fits) in [
            (TEXT, true),
            (&format!("  {}\n", TEXT.to_uppercase()), true),
            (&TEXT[1..], false),
            (&format!("{TEXT}0"), false),
            (&TEXT.replace('f', "g"), false),
            ("", false),
            ("+00102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f", false),
        ] {
            assert_eq!(WrappingKey::parse(text).is_ok(), fits, "{text}");
        }
        assert_eq!(format!("{:?}", WrappingKey::parse(TEXT).unwrap()), "WrappingKey(..)");
    }

    #[test]
    fn a_wrapped_key_opens_only_as_what_it_was_and_with_the_key_that_wrapped_it() {
        let (one, other) =
            (WrappingKey::parse(TEXT).unwrap(), WrappingKey::parse(&TEXT.replace('1', "2")).unwrap());
        let (id, subject, key) = (KeyId(7), one.tag("anna"), SubjectKey::draw().unwrap());
        let (nonce, wrapped) = one.wrap(id, subject, &key).unwrap();
        assert_eq!(one.unwrap(id, subject, nonce, wrapped).unwrap().secret(), key.secret());
        assert!(one.unwrap(KeyId(8), subject, nonce, wrapped).is_none());
        assert!(one.unwrap(id, one.tag("ben"), nonce, wrapped).is_none());
        assert!(other.unwrap(id, subject, nonce, wrapped).is_none());
        assert!(!wrapped.windows(32).any(|part| part == &key.secret()[..32]));
        assert!(one.has_made(one.check().unwrap()) && !other.has_made(one.check().unwrap()));
        assert_ne!(one.tag("anna"), other.tag("anna"));
    }
}
