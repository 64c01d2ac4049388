//! The events of orderly clients.

use model::Fingerprint;
use xxhash_rust::xxh3::xxh3_128;

/// The type of all of them.
pub const ORDERLY_TYPE: &str = "test.happened";

/// The fingerprint of an event with this text, without a time.
#[must_use]
pub fn fingerprint_of(text: &[u8]) -> Fingerprint {
    Fingerprint::new(xxh3_128(text).rotate_left(1), 0)
}

/// The same in the words of the model.
#[must_use]
pub fn content_of(text: &[u8]) -> u128 {
    fingerprint_of(text).0 >> 48
}
