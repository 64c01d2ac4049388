//! Keys. They are big-endian, so that byte order is the order of their fields.

use crate::wire::FormatError;
use alloc::vec::Vec;
use model::{
    Elapsed, IdHash, KeyHash, KeyRange, Namespace, Position, Revision, Slot, StreamId, StreamName, Wall,
};

/// Slot, namespace, kind.
pub const PREFIX_BYTES: usize = 7;

/// Numbers that never change. Stream rows come first in their slot, so that listing streams finds them at
/// once.
mod kind {
    pub(super) const STREAM: u8 = 1;
    pub(super) const REVISION: u8 = 2;
    pub(super) const DEDUP: u8 = 3;
    pub(super) const IDEMPOTENCY: u8 = 4;

    pub(super) const SHARD: u8 = 129;
    pub(super) const WALL_TIMER: u8 = 130;
    pub(super) const RECORD_TIMER: u8 = 131;
    pub(super) const CLEAN_UP: u8 = 132;
    pub(super) const MEMBERSHIP: u8 = 133;
}

/// Writes a key of fixed length from left to right.
struct Fill<const N: usize> {
    key: [u8; N],
    len: usize,
}

impl<const N: usize> Fill<N> {
    fn new(slot: Slot, namespace: Namespace, kind: u8) -> Self {
        Self { key: [0; N], len: 0 }.with(slot.0.to_be_bytes()).with(namespace.0.to_be_bytes()).with([kind])
    }

    fn with<const M: usize>(mut self, bytes: [u8; M]) -> Self {
        self.key[self.len..self.len + M].copy_from_slice(&bytes);
        self.len += M;
        self
    }

    fn done(self) -> [u8; N] {
        debug_assert_eq!(self.len, N);
        self.key
    }
}

/// Reads a key from left to right.
struct Take<'a>(&'a [u8]);

impl<'a> Take<'a> {
    fn of(key: &'a [u8], kind: u8, what: &'static str) -> Result<(Slot, Namespace, Self), FormatError> {
        let mut take = Self(key);
        let slot = Slot(u16::from_be_bytes(take.next()?));
        let namespace = Namespace(u32::from_be_bytes(take.next()?));
        let [found] = take.next()?;
        if found != kind {
            return Err(FormatError::invalid(what, u64::from(found)));
        }
        Ok((slot, namespace, take))
    }

    fn next<const N: usize>(&mut self) -> Result<[u8; N], FormatError> {
        let (head, rest) = self.0.split_first_chunk::<N>().ok_or(FormatError::Truncated)?;
        self.0 = rest;
        Ok(*head)
    }

    fn end(self) -> Result<(), FormatError> {
        if self.0.is_empty() { Ok(()) } else { Err(FormatError::Trailing) }
    }
}

/// The key of a stream's row.
#[must_use]
pub fn stream_key(slot: Slot, namespace: Namespace, name: &str) -> Vec<u8> {
    let mut key = Vec::with_capacity(PREFIX_BYTES + name.len());
    key.extend_from_slice(&stream_kind_prefix(slot, namespace));
    key.extend_from_slice(name.as_bytes());
    key
}

/// The prefix of all stream rows of a slot and namespace.
#[must_use]
pub fn stream_kind_prefix(slot: Slot, namespace: Namespace) -> [u8; PREFIX_BYTES] {
    Fill::new(slot, namespace, kind::STREAM).done()
}

/// The slot, namespace and name in a stream row's key; `None` for the key of another kind of row.
///
/// # Errors
/// [`FormatError`] for a stream row's key without a valid name.
pub fn parse_stream_key(key: &[u8]) -> Result<Option<(Slot, Namespace, StreamName<'_>)>, FormatError> {
    let Ok((slot, namespace, Take(name))) = Take::of(key, kind::STREAM, "stream key") else {
        return Ok(None);
    };
    let damaged = FormatError::Text { what: "stream name" };
    let name = core::str::from_utf8(name).map_err(|_| damaged)?;
    Ok(Some((slot, namespace, StreamName::new(name).map_err(|_| damaged)?)))
}

/// The key of one event's row.
#[must_use]
pub fn revision_key(slot: Slot, namespace: Namespace, stream: StreamId, revision: Revision) -> [u8; 23] {
    Fill::new(slot, namespace, kind::REVISION)
        .with(stream.0.to_be_bytes())
        .with(revision.0.to_be_bytes())
        .done()
}

/// The key of the row for an event's identity.
#[must_use]
pub fn dedup_key(slot: Slot, namespace: Namespace, stream: StreamId, id: IdHash) -> [u8; 31] {
    Fill::new(slot, namespace, kind::DEDUP).with(stream.0.to_be_bytes()).with(id.0.to_be_bytes()).done()
}

/// The key of an idempotency record.
#[must_use]
pub fn idempotency_key(slot: Slot, namespace: Namespace, key: KeyHash) -> [u8; 23] {
    Fill::new(slot, namespace, kind::IDEMPOTENCY).with(key.0.to_be_bytes()).done()
}

/// The key of the row of the shard whose first slot is `first`.
#[must_use]
pub fn shard_key(first: Slot) -> [u8; PREFIX_BYTES] {
    Fill::new(first, Namespace::SYSTEM, kind::SHARD).done()
}

/// The key of the row that says which replicas the shard whose first slot is `first` has. The engine writes
/// it, and `apply` never reads it.
#[must_use]
pub fn membership_key(first: Slot) -> [u8; PREFIX_BYTES] {
    Fill::new(first, Namespace::SYSTEM, kind::MEMBERSHIP).done()
}

/// A range of the keys of one kind. It owns its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KindRange {
    from: [u8; PREFIX_BYTES],
    to: [u8; PREFIX_BYTES],
}

impl KindRange {
    fn new(first: Slot, kind: u8) -> Self {
        let next = kind + 1;
        Self {
            from: Fill::new(first, Namespace::SYSTEM, kind).done(),
            to: Fill::new(first, Namespace::SYSTEM, next).done(),
        }
    }

    #[must_use]
    pub const fn as_range(&self) -> KeyRange<'_> {
        KeyRange { from: &self.from, to: &self.to }
    }
}

/// The time of day at which a stream's oldest event exceeds its `max_age`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WallTimerKey {
    pub deadline: Wall,
    pub slot: Slot,
    pub namespace: Namespace,
    pub stream: StreamId,
}

impl WallTimerKey {
    #[must_use]
    pub fn encode(&self, first: Slot) -> [u8; 29] {
        Fill::new(first, Namespace::SYSTEM, kind::WALL_TIMER)
            .with(self.deadline.0.to_be_bytes())
            .with(self.slot.0.to_be_bytes())
            .with(self.namespace.0.to_be_bytes())
            .with(self.stream.0.to_be_bytes())
            .done()
    }

    /// # Errors
    /// [`FormatError`] when it is not the key of a wall timer.
    pub fn decode(key: &[u8]) -> Result<Self, FormatError> {
        let (_, _, mut take) = Take::of(key, kind::WALL_TIMER, "wall timer's key")?;
        let timer = Self {
            deadline: Wall(u64::from_be_bytes(take.next()?)),
            slot: Slot(u16::from_be_bytes(take.next()?)),
            namespace: Namespace(u32::from_be_bytes(take.next()?)),
            stream: StreamId(u64::from_be_bytes(take.next()?)),
        };
        take.end()?;
        Ok(timer)
    }
}

/// All wall timers, in order of time.
#[must_use]
pub fn wall_timers(first: Slot) -> KindRange {
    KindRange::new(first, kind::WALL_TIMER)
}

/// The elapsed time at which an idempotency record expires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordTimerKey {
    pub deadline: Elapsed,
    pub slot: Slot,
    pub namespace: Namespace,
    pub key: KeyHash,
}

impl RecordTimerKey {
    #[must_use]
    pub fn encode(&self, first: Slot) -> [u8; 37] {
        Fill::new(first, Namespace::SYSTEM, kind::RECORD_TIMER)
            .with(self.deadline.0.to_be_bytes())
            .with(self.slot.0.to_be_bytes())
            .with(self.namespace.0.to_be_bytes())
            .with(self.key.0.to_be_bytes())
            .done()
    }

    /// # Errors
    /// [`FormatError`] when it is not the key of a record timer.
    pub fn decode(key: &[u8]) -> Result<Self, FormatError> {
        let (_, _, mut take) = Take::of(key, kind::RECORD_TIMER, "record timer's key")?;
        let timer = Self {
            deadline: Elapsed(u64::from_be_bytes(take.next()?)),
            slot: Slot(u16::from_be_bytes(take.next()?)),
            namespace: Namespace(u32::from_be_bytes(take.next()?)),
            key: KeyHash(u128::from_be_bytes(take.next()?)),
        };
        take.end()?;
        Ok(timer)
    }
}

/// All record timers, in order of time.
#[must_use]
pub fn record_timers(first: Slot) -> KindRange {
    KindRange::new(first, kind::RECORD_TIMER)
}

/// A stream with rows that nothing can read any more. Streams are in the order in which they were queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CleanUpKey {
    /// When the work was queued: the shard's last position, or its wall if that was later.
    pub queued: Position,
    pub slot: Slot,
    pub namespace: Namespace,
    pub stream: StreamId,
}

impl CleanUpKey {
    #[must_use]
    pub fn encode(&self, first: Slot) -> [u8; 29] {
        Fill::new(first, Namespace::SYSTEM, kind::CLEAN_UP)
            .with(self.queued.0.to_be_bytes())
            .with(self.slot.0.to_be_bytes())
            .with(self.namespace.0.to_be_bytes())
            .with(self.stream.0.to_be_bytes())
            .done()
    }

    /// # Errors
    /// [`FormatError`] when it is not the key of clean-up work.
    pub fn decode(key: &[u8]) -> Result<Self, FormatError> {
        let (_, _, mut take) = Take::of(key, kind::CLEAN_UP, "clean-up's key")?;
        let work = Self {
            queued: Position(u64::from_be_bytes(take.next()?)),
            slot: Slot(u16::from_be_bytes(take.next()?)),
            namespace: Namespace(u32::from_be_bytes(take.next()?)),
            stream: StreamId(u64::from_be_bytes(take.next()?)),
        };
        take.end()?;
        Ok(work)
    }
}

/// All clean-up work, oldest first.
#[must_use]
pub fn clean_ups(first: Slot) -> KindRange {
    KindRange::new(first, kind::CLEAN_UP)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timers_and_work_survive_their_keys() {
        let (slot, namespace, stream) = (Slot(7), Namespace(3), StreamId(1 << 40));
        let timer = WallTimerKey { deadline: Wall(99), slot, namespace, stream };
        assert_eq!(WallTimerKey::decode(&timer.encode(Slot(0))), Ok(timer));
        let timer = RecordTimerKey { deadline: Elapsed(99), slot, namespace, key: KeyHash(5) };
        assert_eq!(RecordTimerKey::decode(&timer.encode(Slot(0))), Ok(timer));
        let work = CleanUpKey { queued: Position(99), slot, namespace, stream };
        assert_eq!(CleanUpKey::decode(&work.encode(Slot(0))), Ok(work));
        assert!(WallTimerKey::decode(&work.encode(Slot(0))).is_err());
    }

    #[test]
    fn a_kinds_range_holds_its_rows_and_no_others() {
        let timer = WallTimerKey {
            deadline: Wall(u64::MAX),
            slot: Slot(u16::MAX),
            namespace: Namespace::ROOT,
            stream: StreamId(u64::MAX),
        };
        let key = timer.encode(Slot(9));
        for (range, holds) in [
            (wall_timers(Slot(9)), true),
            (wall_timers(Slot(8)), false),
            (record_timers(Slot(9)), false),
            (clean_ups(Slot(9)), false),
        ] {
            let KeyRange { from, to } = range.as_range();
            assert_eq!((from..to).contains(&&key[..]), holds);
        }
    }

    #[test]
    fn a_streams_rows_are_in_the_order_of_revisions() {
        let key = |revision| revision_key(Slot(1), Namespace::ROOT, StreamId(5), Revision(revision));
        assert!(key(0) < key(255) && key(255) < key(256) && key(256) < key(u64::MAX));
        assert!(key(u64::MAX) < revision_key(Slot(1), Namespace::ROOT, StreamId(6), Revision(0)));
    }

    #[test]
    fn a_streams_key_gives_its_name_back() {
        let key = stream_key(Slot(300), Namespace::ROOT, "żółw");
        let (slot, namespace, name) = parse_stream_key(&key).unwrap().unwrap();
        assert_eq!((slot, namespace, name.as_str()), (Slot(300), Namespace::ROOT, "żółw"));
        assert_eq!(parse_stream_key(&shard_key(Slot(0))), Ok(None));
        assert!(parse_stream_key(&stream_key(Slot(0), Namespace::ROOT, "")).is_err());
    }
}
