//! A subject's key, and what is done with it. A key is 64 random bytes: 32 for AES-256-GCM, which seals envelopes, and 32
//! for HMAC-SHA256, which replaces fingerprints.
//!
//! A sealed envelope is a random nonce of 12 bytes, the encrypted envelope, and a tag of 16 bytes. It opens only in the
//! stream, with the type and under the key that it was sealed for.
//!
//! A fingerprint is a hash of what was sent, and stays in the state. Of little data it would tell what the data was, so a
//! sealed event has one that cannot be computed without the key. The time that it holds is kept: retries are compared
//! with it.

use crate::wrapping::NoRandomBytes;
use model::{Filled, Fingerprint, KeyId};
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use ring::hmac::{self, HMAC_SHA256};
use ring::rand::{SecureRandom, SystemRandom};
use std::fmt;

const NONCE_BYTES: usize = 12;
const SECRET_BYTES: usize = 64;
/// By how much a sealed envelope is longer.
pub const SEAL_BYTES: usize = NONCE_BYTES + 16;

/// What an envelope is sealed together with.
#[derive(Clone, Copy, Debug)]
pub struct Event<'a> {
    pub stream: &'a str,
    pub event_type: &'a str,
    pub filled: Filled,
}

/// What a sealed envelope was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Opened {
    Envelope(Vec<u8>),
    /// Its subject is erased.
    Erased,
}

/// The key of a subject. It does not show itself.
#[derive(Clone)]
pub(crate) struct SubjectKey(Box<[u8; SECRET_BYTES]>);

impl fmt::Debug for SubjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SubjectKey(..)")
    }
}

/// The bytes are not what was sealed with this key for this event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DoesNotOpen;

impl SubjectKey {
    pub(crate) fn new(secret: [u8; SECRET_BYTES]) -> Self {
        Self(Box::new(secret))
    }

    pub(crate) fn draw() -> Result<Self, NoRandomBytes> {
        let mut secret = [0; SECRET_BYTES];
        SystemRandom::new().fill(&mut secret).map_err(|_| NoRandomBytes)?;
        Ok(Self::new(secret))
    }

    pub(crate) fn secret(&self) -> &[u8; SECRET_BYTES] {
        &self.0
    }

    pub(crate) fn seal(
        &self,
        id: KeyId,
        event: Event<'_>,
        envelope: &[u8],
    ) -> Result<Vec<u8>, NoRandomBytes> {
        let mut nonce = [0; NONCE_BYTES];
        SystemRandom::new().fill(&mut nonce).map_err(|_| NoRandomBytes)?;
        let mut sealed = Vec::with_capacity(envelope.len() + SEAL_BYTES);
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(envelope);
        let tag = self.cipher().and_then(|cipher| {
            let (nonce, aad) = (Nonce::assume_unique_for_key(nonce), Aad::from(bound(id, event)));
            cipher.seal_in_place_separate_tag(nonce, aad, &mut sealed[NONCE_BYTES..]).ok()
        });
        // Only an envelope of more than 64 GiB fails here.
        sealed.extend_from_slice(tag.ok_or(NoRandomBytes)?.as_ref());
        Ok(sealed)
    }

    pub(crate) fn open(&self, id: KeyId, event: Event<'_>, sealed: &[u8]) -> Result<Vec<u8>, DoesNotOpen> {
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE_BYTES>().ok_or(DoesNotOpen)?;
        let mut envelope = sealed.to_vec();
        let cipher = self.cipher().ok_or(DoesNotOpen)?;
        let (nonce, aad) = (Nonce::assume_unique_for_key(*nonce), Aad::from(bound(id, event)));
        let len = cipher.open_in_place(nonce, aad, &mut envelope).map_err(|_| DoesNotOpen)?.len();
        envelope.truncate(len);
        Ok(envelope)
    }

    pub(crate) fn fingerprint(&self, sent: Fingerprint) -> Fingerprint {
        let key = hmac::Key::new(HMAC_SHA256, &self.0[32..]);
        let mut hash = [0; 16];
        hash.copy_from_slice(&hmac::sign(&key, &sent.content_bits().to_le_bytes()).as_ref()[..16]);
        Fingerprint::new(u128::from_le_bytes(hash), sent.time_bits())
    }

    fn cipher(&self) -> Option<LessSafeKey> {
        UnboundKey::new(&AES_256_GCM, &self.0[..32]).ok().map(LessSafeKey::new)
    }
}

fn bound(id: KeyId, event: Event<'_>) -> Vec<u8> {
    let mut bound = Vec::with_capacity(event.stream.len() + event.event_type.len() + 16);
    bound.extend_from_slice(&id.0.to_le_bytes());
    bound.push(event.filled.0);
    for text in [event.stream, event.event_type] {
        bound.extend_from_slice(&(text.len() as u32).to_le_bytes());
        bound.extend_from_slice(text.as_bytes());
    }
    bound
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVENT: Event<'static> = Event { stream: "anna", event_type: "joined", filled: Filled(5) };
    const ID: KeyId = KeyId(3);

    #[test]
    fn an_envelope_opens_only_as_it_was_sealed() {
        let (key, other) = (SubjectKey::draw().unwrap(), SubjectKey::draw().unwrap());
        let sealed = key.seal(ID, EVENT, b"{\"data\":1}").unwrap();
        assert_eq!(sealed.len(), 10 + SEAL_BYTES);
        assert_eq!(key.open(ID, EVENT, &sealed).unwrap(), b"{\"data\":1}");
        for (name, opened) in [
            ("another key", other.open(ID, EVENT, &sealed)),
            ("another id", key.open(KeyId(4), EVENT, &sealed)),
            ("another stream", key.open(ID, Event { stream: "ben", ..EVENT }, &sealed)),
            ("another type", key.open(ID, Event { event_type: "left", ..EVENT }, &sealed)),
            ("other members filled in", key.open(ID, Event { filled: Filled(4), ..EVENT }, &sealed)),
            ("a byte less", key.open(ID, EVENT, &sealed[..sealed.len() - 1])),
            ("nothing", key.open(ID, EVENT, b"")),
        ] {
            assert_eq!(opened, Err(DoesNotOpen), "{name}");
        }
        for bit in 0..sealed.len() * 8 {
            let mut flipped = sealed.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(key.open(ID, EVENT, &flipped), Err(DoesNotOpen), "{bit}");
        }
    }

    #[test]
    fn the_same_envelope_is_sealed_differently_each_time() {
        let key = SubjectKey::draw().unwrap();
        assert_ne!(key.seal(ID, EVENT, b"same").unwrap(), key.seal(ID, EVENT, b"same").unwrap());
    }

    #[test]
    fn a_fingerprint_depends_on_the_key_and_keeps_the_time() {
        let (key, other) = (SubjectKey::draw().unwrap(), SubjectKey::draw().unwrap());
        let sent = Fingerprint::new(u128::MAX / 3, 1_286_004_039_266);
        assert_eq!(key.fingerprint(sent), key.fingerprint(sent));
        assert_ne!(key.fingerprint(sent), other.fingerprint(sent));
        assert_ne!(key.fingerprint(sent), sent);
        assert_eq!(key.fingerprint(sent).time_bits(), 1_286_004_039_266);
        let untimed = key.fingerprint(Fingerprint::new(u128::MAX / 3, 0));
        assert_eq!(untimed.time_bits(), 0);
        assert_eq!(
            untimed.content_bits(),
            key.fingerprint(sent).content_bits(),
            "a retry may have the time filled in"
        );
    }
}
