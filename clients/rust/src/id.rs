//! Ids for events that have none: unique, so that a retry is recognised and two different events are never
//! taken for the same one.
//!
//! The form is that of UUID version 7 (RFC 9562): 48 bits of milliseconds, then 74 random bits. They come
//! from std's SipHash over a counter, the process and the time, under keys from the operating system. This
//! saves a dependency, and an id is not a secret.

use std::hash::{BuildHasher, RandomState};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

static KEYS: LazyLock<(RandomState, RandomState)> = LazyLock::new(Default::default);
static COUNTER: AtomicU64 = AtomicU64::new(0);

/// A new id.
pub(crate) fn new_id() -> String {
    let ms = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64);
    // The process id is included because a fork copies the keys and the counter.
    let name = (COUNTER.fetch_add(1, Ordering::Relaxed), std::process::id(), ms);
    let (a, b) = (KEYS.0.hash_one(name), KEYS.1.hash_one(name));
    format!(
        "{:08x}-{:04x}-7{:03x}-{:04x}-{:012x}",
        (ms >> 16) & 0xffff_ffff,
        ms & 0xffff,
        a & 0xfff,
        0x8000 | ((a >> 12) & 0x3fff),
        b & 0xffff_ffff_ffff,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn ids_are_uuids_of_version_7_and_never_repeat() {
        let ids: BTreeSet<String> = (0..10_000).map(|_| new_id()).collect();
        assert_eq!(ids.len(), 10_000);
        for id in ids {
            let parts: Vec<usize> = id.split('-').map(str::len).collect();
            assert_eq!(parts, [8, 4, 4, 4, 12], "{id}");
            assert_eq!(&id[14..15], "7", "{id}");
            assert!(matches!(&id[19..20], "8" | "9" | "a" | "b"), "{id}");
        }
    }
}
