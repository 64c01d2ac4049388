//! The work: a report that takes some tenths of a second of one core.

use serde_json::{Value, json};

/// How many orders a month has.
const ORDERS: u64 = 60_000_000;

/// Adds up the month's orders. Here they come from a generator, as if from a slow database.
pub(crate) fn make(month: &str) -> Value {
    let mut state =
        month.bytes().fold(0x9E37_79B9_7F4A_7C15_u64, |state, byte| state.rotate_left(7) ^ u64::from(byte));
    let (mut cents, mut largest) = (0_u64, 0_u64);
    for _ in 0..ORDERS {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let order = state % 20_000;
        cents = cents.wrapping_add(order);
        largest = largest.max(order);
    }
    json!({"month": month, "orders": ORDERS, "cents": cents, "largest": largest})
}
