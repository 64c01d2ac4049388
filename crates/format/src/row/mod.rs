//! The rows of a shard's state: how each key and each value is written.
//!
//! A key begins with the slot (u16), the namespace (u32) and the kind (u8), all big-endian, so that the rows
//! of a slot lie together and those of one kind in their order. Rows of the shard as a whole lie at its first
//! slot in [`Namespace::SYSTEM`].
//!
//! | kind | key after the prefix | value | written |
//! |---|---|---|---|
//! | stream | name | [`StreamRow`] | on creation, settings, retention, delete |
//! | revision | stream id, revision | [`RevisionRow`] | once an event |
//! | dedup | stream id, id hash | [`DedupRow`] | once an event that its client named |
//! | idempotency | key hash | [`IdempotencyRow`] | once a request with an idempotency key |
//! | shard | | [`ShardRow`] | once an entry |
//! | wall timer | wall, slot, namespace, stream id | stream's name | when a stream with `max_age` gets its first event |
//! | record timer | elapsed, slot, namespace, key hash | nothing | once a request with an idempotency key |
//! | clean-up | position it was queued at, slot, namespace, stream id | stream's name | when a stream's first kept revision moves |
//!
//! Every value begins with the number of its layout.

mod key;
mod value;

pub use key::{
    CleanUpKey, KindRange, PREFIX_BYTES, RecordTimerKey, WallTimerKey, clean_ups, dedup_key, idempotency_key,
    parse_stream_key, record_timers, revision_key, shard_key, stream_key, stream_kind_prefix, wall_timers,
};
pub use value::{
    Author, CleanUpWork, DedupRow, IdempotencyRow, RevisionRow, ShardRow, StreamRow, decode_name,
};

#[cfg(doc)]
use model::Namespace;
