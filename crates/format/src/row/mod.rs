//! The rows of a shard's state: the encoding of each key and each value.
//!
//! A key begins with the slot (u16), the namespace (u32) and the kind (u8), all big-endian. So the rows of a
//! slot are adjacent, and those of one kind are in order. Everything about a name is in the name's slot, timers
//! included, so that a shard can be split between two slots without rewriting a row. Only the shard's own row
//! is about all of its slots; it is in the first one. Rows in [`Namespace::SYSTEM`] come last in their slot.
//!
//! | kind | namespace | key after the prefix | value | written |
//! |---|---|---|---|---|
//! | stream | the name's | name | [`StreamRow`] | on creation, settings, retention, delete |
//! | revision | the name's | stream id, revision | [`RevisionRow`] | once for each event |
//! | dedup | the name's | stream id, id hash | [`DedupRow`] | once for each event whose client gave it its id |
//! | idempotency | the name's | key hash | [`IdempotencyRow`] | once for each request with an idempotency key |
//! | lease | the name's | name | [`LeaseRow`] | on each change of who holds it or waits for it |
//! | waiting holder | the name's | length of the name, name, holder | [`LeaseWaiterRow`] | when a holder begins to wait, and when its neighbours in the queue change |
//! | value | the name's | name | [`ValueRow`] | on each write of the value |
//! | shard | system | | [`ShardRow`] | once for each entry |
//! | wall timer | system | wall, namespace, stream id | stream's name | when a stream gets a `max_age` or its first event, and after each expiry |
//! | record timer | system | elapsed, namespace, key hash | nothing | once for each request with an idempotency key |
//! | clean-up | system | position at which it was queued, namespace, stream id | stream's name | when a stream has removed events whose rows remain |
//! | lease timer | system | elapsed, namespace, name | nothing | when a lease is granted, and each time it has come due |
//! | membership | system | | [`crate::membership::Membership`] | once for each configuration entry |
//!
//! Every value begins with the number of its layout.

mod key;
mod lease;
mod stored_value;
mod value;

pub use key::{
    CleanUpKey, PREFIX_BYTES, RecordTimerKey, TimerKey, TimerRange, TimerSearch, WallTimerKey, dedup_key,
    idempotency_key, membership_key, parse_stream_key, revision_key, shard_key, stream_key,
    stream_kind_prefix,
};
pub use lease::{
    LeaseHolder, LeaseQueueEnds, LeaseRow, LeaseTimerKey, LeaseTimers, LeaseWaiterRow, lease_key,
    lease_waiter_key,
};
pub use stored_value::{ValueContent, ValueRow, value_key};
pub use value::{
    Author, CleanUpWork, DedupRow, IdempotencyRow, RevisionRow, ShardRow, StreamRow, decode_name,
};

#[cfg(doc)]
use model::Namespace;
