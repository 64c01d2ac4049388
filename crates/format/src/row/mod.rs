//! The rows of a shard's state: the encoding of each key and each value.
//!
//! A key begins with the slot (u16), the namespace (u32) and the kind (u8), all big-endian. So the rows of a
//! slot are adjacent, and those of one kind are in order. The rows of the shard as a whole are in its first
//! slot, in [`Namespace::SYSTEM`].
//!
//! | kind | key after the prefix | value | written |
//! |---|---|---|---|
//! | stream | name | [`StreamRow`] | on creation, settings, retention, delete |
//! | revision | stream id, revision | [`RevisionRow`] | once for each event |
//! | dedup | stream id, id hash | [`DedupRow`] | once for each event whose client gave it its id |
//! | idempotency | key hash | [`IdempotencyRow`] | once for each request with an idempotency key |
//! | shard | | [`ShardRow`] | once for each entry |
//! | wall timer | wall, slot, namespace, stream id | stream's name | when a stream gets a `max_age` or its first event, and after each expiry |
//! | record timer | elapsed, slot, namespace, key hash | nothing | once for each request with an idempotency key |
//! | clean-up | position at which it was queued, slot, namespace, stream id | stream's name | when a stream's first kept revision moves |
//! | membership | | [`crate::membership::Membership`] | once for each configuration entry |
//!
//! Every value begins with the number of its layout.

mod key;
mod value;

pub use key::{
    CleanUpKey, KindRange, PREFIX_BYTES, RecordTimerKey, WallTimerKey, clean_ups, dedup_key, idempotency_key,
    membership_key, parse_stream_key, record_timers, revision_key, shard_key, stream_key, stream_kind_prefix,
    wall_timers,
};
pub use value::{
    Author, CleanUpWork, DedupRow, IdempotencyRow, RevisionRow, ShardRow, StreamRow, decode_name,
};

#[cfg(doc)]
use model::Namespace;
