//! Trace ids: the W3C `traceparent` header, and new ids for requests without one.
//!
//! The rules are those of W3C Trace Context, section 3.2 (`traceparent`). An invalid header counts as absent,
//! because a trace is never a reason to fail a request.

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::str::FromStr;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// A trace's 128 bits, never all zero. Shown as 32 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceId(u128);

impl TraceId {
    /// A new id, derived from a counter and a random 64-bit seed. Ids never repeat within a process.
    #[must_use]
    pub fn fresh() -> Self {
        static SEED: LazyLock<u64> = LazyLock::new(|| RandomState::new().hash_one(0_u8));
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let n = NEXT.fetch_add(1, Relaxed);
        // SplitMix64 (Steele, Lea, Flood 2014) from the random seed of the process: distinct for each `n`.
        let high = split_mix(SEED.wrapping_add(n.wrapping_mul(0x9e37_79b9_7f4a_7c15)));
        let low = split_mix(high ^ n);
        Self((u128::from(high) << 64 | u128::from(low)).max(1))
    }

    #[must_use]
    pub const fn get(self) -> u128 {
        self.0
    }

    pub(crate) fn from_bits(bits: u128) -> Option<Self> {
        (bits != 0).then_some(Self(bits))
    }
}

/// A new id of a span, never 0.
#[must_use]
pub fn fresh_span_id() -> u64 {
    (TraceId::fresh().get() as u64).max(1)
}

fn split_mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A `traceparent` header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceParent {
    pub trace_id: TraceId,
    /// The caller's span. Never 0.
    pub parent_id: u64,
    /// Bit 0: the caller records this trace.
    pub flags: u8,
}

/// The text is not a valid `traceparent`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParseTraceParentError;

impl fmt::Display for ParseTraceParentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a valid W3C traceparent")
    }
}

impl std::error::Error for ParseTraceParentError {}

/// Characters of version 00: `00-` 32 `-` 16 `-` 2.
const LENGTH: usize = 55;

impl FromStr for TraceParent {
    type Err = ParseTraceParentError;

    /// Later versions are read like this one, ignoring whatever follows after another `-`. Version `ff` is
    /// forbidden.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse(text).ok_or(ParseTraceParentError)
    }
}

fn parse(text: &str) -> Option<TraceParent> {
    let (known, rest) = text.split_at_checked(LENGTH)?;
    let mut parts = known.split('-');
    let version = hex(parts.next()?, 2)?;
    let trace_id = TraceId::from_bits(hex(parts.next()?, 32)?)?;
    let parent_id = hex(parts.next()?, 16)? as u64;
    let flags = hex(parts.next()?, 2)? as u8;
    let whole = match version {
        0 => rest.is_empty(),
        0xff => false,
        _ => rest.is_empty() || rest.starts_with('-'),
    };
    (whole && parent_id != 0 && parts.next().is_none()).then_some(TraceParent { trace_id, parent_id, flags })
}

fn hex(text: &str, digits: usize) -> Option<u128> {
    let wire = text.len() == digits && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    wire.then(|| u128::from_str_radix(text, 16).ok()).flatten()
}

impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{}-{:016x}-{:02x}", self.trace_id, self.parent_id, self.flags)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALID: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn a_traceparent_survives_reading_and_writing() {
        let parsed: TraceParent = VALID.parse().unwrap();
        assert_eq!(parsed.trace_id.to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!((parsed.parent_id, parsed.flags), (0x00f0_67aa_0ba9_02b7, 1));
        assert_eq!(parsed.to_string(), VALID);
    }

    #[test]
    fn an_invalid_traceparent_is_rejected() {
        for (text, valid) in [
            (VALID, true),
            ("", false),
            ("00", false),
            // Upper case.
            ("00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01", false),
            // All zero: trace, parent.
            ("00-00000000000000000000000000000000-00f067aa0ba902b7-01", false),
            ("00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01", false),
            // Version 00 ends here. Later versions may continue after a dash. Version ff is forbidden.
            ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more", false),
            ("cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more", true),
            ("cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01more", false),
            ("ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", false),
            // Dashes moved, a sign, a multi-byte character across the cut.
            ("0-04bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", false),
            ("00-+bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", false),
            ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0é", false),
        ] {
            assert_eq!(text.parse::<TraceParent>().is_ok(), valid, "{text}");
        }
    }

    #[test]
    fn fresh_ids_do_not_repeat() {
        let ids: std::collections::HashSet<_> = (0..10_000).map(|_| TraceId::fresh()).collect();
        assert_eq!(ids.len(), 10_000);
    }
}
