//! The operator's key. It is never in the data directory, and a copy of the keys' file is worth nothing without it.
//!
//! The 32 bytes that the operator gives are not used as they are: what wraps keys is derived from them with HMAC-SHA256.
//! What hides subjects is a key of its own, which is drawn with the file and wrapped in its header. Nobody knows the
//! subjects of the keys in a file, so they could not be hidden in another way when the operator's key is replaced.

use crate::sealing::SubjectKey;
use format::header::WRAPPED_TAG_KEY_BYTES;
use format::subject_key::{NONCE_BYTES, SubjectTag, WRAPPED_BYTES};
use model::KeyId;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use ring::hmac::{self, HMAC_SHA256};
use ring::rand::{SecureRandom, SystemRandom};
use std::fmt;

/// Bytes of the operator's key.
const KEY_BYTES: usize = 32;

/// What the key that hides subjects is wrapped as, so that it is taken for nothing else.
const TAG_KEY: &[u8] = b"mainstay: key that tags subjects";

/// The operator's key. It does not show itself.
#[derive(Clone)]
pub struct WrappingKey {
    wrap: LessSafeKey,
}

/// The key that hides whose the keys of a file are. It does not show itself.
#[derive(Clone)]
pub(crate) struct TagKey {
    secret: Box<[u8; KEY_BYTES]>,
    hash: hmac::Key,
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
        let derived = hmac::sign(&root, b"mainstay: wrap subject keys");
        let wrap = UnboundKey::new(&AES_256_GCM, derived.as_ref()).map_err(|_| BadWrappingKey)?;
        Ok(Self { wrap: LessSafeKey::new(wrap) })
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

    /// Wraps the key that hides subjects.
    pub(crate) fn wrap_tag_key(&self, key: &TagKey) -> Result<[u8; WRAPPED_TAG_KEY_BYTES], NoRandomBytes> {
        let mut wrapped = [0; WRAPPED_TAG_KEY_BYTES];
        let (nonce, rest) = wrapped.split_at_mut(NONCE_BYTES);
        let (secret, tag) = rest.split_at_mut(KEY_BYTES);
        secret.copy_from_slice(&*key.secret);
        let mut drawn = [0; NONCE_BYTES];
        SystemRandom::new().fill(&mut drawn).map_err(|_| NoRandomBytes)?;
        nonce.copy_from_slice(&drawn);
        let drawn = Nonce::assume_unique_for_key(drawn);
        let sealed = self.wrap.seal_in_place_separate_tag(drawn, Aad::from(TAG_KEY), secret);
        tag.copy_from_slice(sealed.map_err(|_| NoRandomBytes)?.as_ref());
        Ok(wrapped)
    }

    /// The key that hides subjects, if this key has wrapped it.
    pub(crate) fn unwrap_tag_key(&self, mut wrapped: [u8; WRAPPED_TAG_KEY_BYTES]) -> Option<TagKey> {
        let (nonce, rest) = wrapped.split_first_chunk_mut::<NONCE_BYTES>()?;
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let secret = self.wrap.open_in_place(nonce, Aad::from(TAG_KEY), rest).ok()?;
        <[u8; KEY_BYTES]>::try_from(secret).ok().map(TagKey::new)
    }
}

impl fmt::Debug for TagKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TagKey(..)")
    }
}

impl TagKey {
    fn new(secret: [u8; KEY_BYTES]) -> Self {
        Self { secret: Box::new(secret), hash: hmac::Key::new(HMAC_SHA256, &secret) }
    }

    pub(crate) fn draw() -> Result<Self, NoRandomBytes> {
        let mut secret = [0; KEY_BYTES];
        SystemRandom::new().fill(&mut secret).map_err(|_| NoRandomBytes)?;
        Ok(Self::new(secret))
    }

    /// What stands for a subject in the file.
    pub(crate) fn tag(&self, subject: &str) -> SubjectTag {
        let mut tag = [0; 16];
        tag.copy_from_slice(&hmac::sign(&self.hash, subject.as_bytes()).as_ref()[..16]);
        SubjectTag(tag)
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
        let tags = TagKey::draw().unwrap();
        let (id, subject, key) = (KeyId(7), tags.tag("anna"), SubjectKey::draw().unwrap());
        let (nonce, wrapped) = one.wrap(id, subject, &key).unwrap();
        assert_eq!(one.unwrap(id, subject, nonce, wrapped).unwrap().secret(), key.secret());
        assert!(one.unwrap(KeyId(8), subject, nonce, wrapped).is_none());
        assert!(one.unwrap(id, tags.tag("ben"), nonce, wrapped).is_none());
        assert!(other.unwrap(id, subject, nonce, wrapped).is_none());
        assert!(!wrapped.windows(32).any(|part| part == &key.secret()[..32]));
    }

    #[test]
    fn what_hides_subjects_is_the_same_under_every_operators_key_and_opens_only_with_the_right_one() {
        let (one, other) =
            (WrappingKey::parse(TEXT).unwrap(), WrappingKey::parse(&TEXT.replace('1', "2")).unwrap());
        let tags = TagKey::draw().unwrap();
        let wrapped = one.wrap_tag_key(&tags).unwrap();
        assert!(other.unwrap_tag_key(wrapped).is_none());
        let again = other.wrap_tag_key(&one.unwrap_tag_key(wrapped).unwrap()).unwrap();
        assert!(one.unwrap_tag_key(again).is_none());
        assert_eq!(other.unwrap_tag_key(again).unwrap().tag("anna"), tags.tag("anna"));
        assert!(!wrapped.windows(KEY_BYTES).any(|part| part == *tags.secret));
        assert_ne!(tags.tag("anna"), tags.tag("ben"));
        assert_ne!(tags.tag("anna"), TagKey::draw().unwrap().tag("anna"), "in another file");
        assert_eq!(format!("{tags:?}"), "TagKey(..)");
    }
}
