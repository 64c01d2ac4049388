//! Keys. They are big-endian, so that byte order is the order of their fields.

use super::execution::ExecutionTimerKey;
use super::lease::LeaseTimerKey;
use super::limit::LimitTimerKey;
use super::queue::TaskTimerKey;
use super::schedule::ScheduleTimerKey;
use crate::wire::FormatError;
use alloc::vec::Vec;
use model::{
    Elapsed, IdHash, KeyHash, KeyRange, Namespace, Position, Revision, Slot, SlotRange, StreamId, StreamName,
    Wall,
};

/// Slot, namespace, kind.
pub const PREFIX_BYTES: usize = 7;

/// Every row. The kind of a row is never 255, so no key is above the end.
pub const ALL_ROWS: KeyRange<'static> = KeyRange { from: &[], to: &[0xff; PREFIX_BYTES] };

/// Numbers that never change. Stream rows come first in their slot, so that listing streams finds them at
/// once. The kinds from 129 on are in [`Namespace::SYSTEM`], and come last in their slot.
pub(super) mod kind {
    pub(in crate::row) const STREAM: u8 = 1;
    pub(in crate::row) const REVISION: u8 = 2;
    pub(in crate::row) const DEDUP: u8 = 3;
    pub(in crate::row) const IDEMPOTENCY: u8 = 4;
    pub(in crate::row) const LEASE: u8 = 5;
    pub(in crate::row) const VALUE: u8 = 6;
    pub(in crate::row) const LEASE_WAITER: u8 = 21;

    pub(in crate::row) const QUEUE_NAME: u8 = 7;
    pub(in crate::row) const QUEUE: u8 = 8;
    pub(in crate::row) const TASK_TYPE: u8 = 9;
    pub(in crate::row) const TASK: u8 = 10;
    pub(in crate::row) const ENVELOPE: u8 = 11;
    pub(in crate::row) const RESULT: u8 = 12;
    pub(in crate::row) const PROGRESS: u8 = 13;
    pub(in crate::row) const FAILURES: u8 = 14;
    pub(in crate::row) const TASK_ID: u8 = 15;
    pub(in crate::row) const READY: u8 = 16;
    pub(in crate::row) const TASK_KEY: u8 = 17;
    pub(in crate::row) const BLOCKED: u8 = 18;
    pub(in crate::row) const CLAIM_REQUEST: u8 = 19;
    pub(in crate::row) const DEAD: u8 = 20;
    pub(in crate::row) const UNIQUE: u8 = 37;
    pub(in crate::row) const ATTEMPTS: u8 = 38;
    pub(in crate::row) const DEAD_CLASS: u8 = 39;
    pub(in crate::row) const DEAD_OF_CLASS: u8 = 40;
    pub(in crate::row) const GROUP_NAME: u8 = 41;
    pub(in crate::row) const GROUP: u8 = 42;
    pub(in crate::row) const GROUP_THEN: u8 = 43;
    pub(in crate::row) const GROUP_ON_DEAD: u8 = 44;
    pub(in crate::row) const GROUP_MEMBER: u8 = 45;

    pub(in crate::row) const EXECUTION: u8 = 47;

    pub(in crate::row) const BREAKER: u8 = 48;
    pub(in crate::row) const BREAKER_RECENT: u8 = 49;
    pub(in crate::row) const BREAKER_TALLY: u8 = 50;

    pub(in crate::row) const LIMIT: u8 = 29;
    pub(in crate::row) const LIMIT_KEY: u8 = 30;
    pub(in crate::row) const LIMIT_LIST: u8 = 31;
    pub(in crate::row) const LIMIT_WAITING: u8 = 32;
    pub(in crate::row) const COHORT: u8 = 33;
    pub(in crate::row) const COHORT_TASK: u8 = 34;
    pub(in crate::row) const COHORT_TURN: u8 = 35;

    pub(in crate::row) const SCHEDULE: u8 = 23;
    pub(in crate::row) const SCHEDULE_DEFINITION: u8 = 24;
    pub(in crate::row) const SCHEDULE_SET: u8 = 25;
    pub(in crate::row) const SCHEDULE_TALLY: u8 = 26;

    pub(in crate::row) const TENANT: u8 = 53;
    pub(in crate::row) const FAIR: u8 = 54;
    pub(in crate::row) const FAIR_TYPE: u8 = 55;
    pub(in crate::row) const SHARE: u8 = 56;
    pub(in crate::row) const TENANT_TURN: u8 = 57;
    pub(in crate::row) const SHARE_COHORT: u8 = 58;

    pub(in crate::row) const TOKEN_USE: u8 = 59;

    pub(in crate::row) const SHARD: u8 = 129;
    pub(in crate::row) const WALL_TIMER: u8 = 130;
    pub(in crate::row) const RECORD_TIMER: u8 = 131;
    pub(in crate::row) const CLEAN_UP: u8 = 132;
    pub(in crate::row) const MEMBERSHIP: u8 = 133;
    pub(in crate::row) const LEASE_TIMER: u8 = 136;
    pub(in crate::row) const TASK_WALL: u8 = 134;
    pub(in crate::row) const TASK_ELAPSED: u8 = 135;
    pub(in crate::row) const EXECUTION_TIMER: u8 = 143;
    pub(in crate::row) const LIMIT_TIMER: u8 = 139;
    pub(in crate::row) const SCHEDULE_TIMER: u8 = 137;
    pub(in crate::row) const REACTION: u8 = 147;
    pub(in crate::row) const REACTIONS: u8 = 148;
    pub(in crate::row) const TOKEN: u8 = 152;
    pub(in crate::row) const TOKENS: u8 = 153;
    pub(in crate::row) const ORIGINS: u8 = 154;
    pub(in crate::row) const ERASED_KEY: u8 = 155;
}

/// All rows of one kind that are about a shard as a whole. They are in its first slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShardRows {
    from: [u8; PREFIX_BYTES],
    to: [u8; PREFIX_BYTES],
}

impl ShardRows {
    pub(super) fn of(first: Slot, kind: u8) -> Self {
        let key = |kind| Fill::new(first, Namespace::SYSTEM, kind).done();
        Self { from: key(kind), to: key(kind + 1) }
    }

    #[must_use]
    pub const fn as_range(&self) -> KeyRange<'_> {
        KeyRange { from: &self.from, to: &self.to }
    }
}

/// Writes a key of fixed length from left to right.
pub(super) struct Fill<const N: usize> {
    key: [u8; N],
    len: usize,
}

impl<const N: usize> Fill<N> {
    pub(super) fn new(slot: Slot, namespace: Namespace, kind: u8) -> Self {
        Self { key: [0; N], len: 0 }.with(slot.0.to_be_bytes()).with(namespace.0.to_be_bytes()).with([kind])
    }

    pub(super) fn with<const M: usize>(mut self, bytes: [u8; M]) -> Self {
        self.key[self.len..self.len + M].copy_from_slice(&bytes);
        self.len += M;
        self
    }

    pub(super) fn done(self) -> [u8; N] {
        debug_assert_eq!(self.len, N);
        self.key
    }
}

/// Reads a key from left to right.
pub(super) struct Take<'a>(pub(super) &'a [u8]);

impl<'a> Take<'a> {
    pub(super) fn of(
        key: &'a [u8],
        kind: u8,
        what: &'static str,
    ) -> Result<(Slot, Namespace, Self), FormatError> {
        let mut take = Self(key);
        let slot = Slot(u16::from_be_bytes(take.next()?));
        let namespace = Namespace(u32::from_be_bytes(take.next()?));
        let [found] = take.next()?;
        if found != kind {
            return Err(FormatError::invalid(what, u64::from(found)));
        }
        Ok((slot, namespace, take))
    }

    pub(super) fn next<const N: usize>(&mut self) -> Result<[u8; N], FormatError> {
        let (head, rest) = self.0.split_first_chunk::<N>().ok_or(FormatError::Truncated)?;
        self.0 = rest;
        Ok(*head)
    }

    pub(super) fn rest(self) -> &'a [u8] {
        self.0
    }

    pub(super) fn end(self) -> Result<(), FormatError> {
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

/// What the key of an event's row says; `None` for the key of another kind of row.
///
/// # Errors
/// [`FormatError`] for an event's key that is too short or too long.
pub fn parse_revision_key(key: &[u8]) -> Result<Option<(Slot, Namespace, StreamId, Revision)>, FormatError> {
    let Ok((slot, namespace, mut take)) = Take::of(key, kind::REVISION, "revision key") else {
        return Ok(None);
    };
    let stream = StreamId(u64::from_be_bytes(take.next()?));
    let revision = Revision(u64::from_be_bytes(take.next()?));
    take.end()?;
    Ok(Some((slot, namespace, stream, revision)))
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

/// Bytes of a timer's key after the prefix, if it is about a stream: moment, namespace, stream id.
const STREAM_TIMER_BYTES: usize = 20;

/// The timers of one kind in one slot, from a point on. It owns its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimerRange {
    from: [u8; PREFIX_BYTES + STREAM_TIMER_BYTES],
    to: [u8; PREFIX_BYTES],
}

impl TimerRange {
    fn new(slot: Slot, kind: u8, moment: u64, stream: StreamId) -> Self {
        let from = Fill::new(slot, Namespace::SYSTEM, kind)
            .with(moment.to_be_bytes())
            .with(Namespace::ROOT.0.to_be_bytes())
            .with(stream.0.to_be_bytes());
        Self { from: from.done(), to: Fill::new(slot, Namespace::SYSTEM, kind + 1).done() }
    }

    /// The wall timers of a slot, in order of time and then of stream.
    #[must_use]
    pub fn wall_timers(slot: Slot, (deadline, stream): (Wall, StreamId)) -> Self {
        Self::new(slot, kind::WALL_TIMER, deadline.0, stream)
    }

    /// The record timers of a slot, in order of time.
    #[must_use]
    pub fn record_timers(slot: Slot, from: Elapsed) -> Self {
        Self::new(slot, kind::RECORD_TIMER, from.0, StreamId(0))
    }

    /// The clean-up work of a slot, in the order in which it was queued.
    #[must_use]
    pub fn clean_ups(slot: Slot, from: Position) -> Self {
        Self::new(slot, kind::CLEAN_UP, from.0, StreamId(0))
    }

    #[must_use]
    pub const fn as_range(&self) -> KeyRange<'_> {
        KeyRange { from: &self.from, to: &self.to }
    }
}

/// The time of day at which a stream's oldest event exceeds its `max_age`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WallTimerKey {
    pub slot: Slot,
    pub deadline: Wall,
    pub namespace: Namespace,
    pub stream: StreamId,
}

impl WallTimerKey {
    #[must_use]
    pub fn encode(&self) -> [u8; PREFIX_BYTES + STREAM_TIMER_BYTES] {
        Fill::new(self.slot, Namespace::SYSTEM, kind::WALL_TIMER)
            .with(self.deadline.0.to_be_bytes())
            .with(self.namespace.0.to_be_bytes())
            .with(self.stream.0.to_be_bytes())
            .done()
    }

    /// # Errors
    /// [`FormatError`] when it is not the key of a wall timer.
    pub fn decode(key: &[u8]) -> Result<Self, FormatError> {
        let (slot, _, mut take) = Take::of(key, kind::WALL_TIMER, "wall timer's key")?;
        let timer = Self {
            slot,
            deadline: Wall(u64::from_be_bytes(take.next()?)),
            namespace: Namespace(u32::from_be_bytes(take.next()?)),
            stream: StreamId(u64::from_be_bytes(take.next()?)),
        };
        take.end()?;
        Ok(timer)
    }
}

/// The elapsed time at which an idempotency record expires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordTimerKey {
    pub slot: Slot,
    pub deadline: Elapsed,
    pub namespace: Namespace,
    pub key: KeyHash,
}

impl RecordTimerKey {
    #[must_use]
    pub fn encode(&self) -> [u8; 35] {
        Fill::new(self.slot, Namespace::SYSTEM, kind::RECORD_TIMER)
            .with(self.deadline.0.to_be_bytes())
            .with(self.namespace.0.to_be_bytes())
            .with(self.key.0.to_be_bytes())
            .done()
    }

    /// # Errors
    /// [`FormatError`] when it is not the key of a record timer.
    pub fn decode(key: &[u8]) -> Result<Self, FormatError> {
        let (slot, _, mut take) = Take::of(key, kind::RECORD_TIMER, "record timer's key")?;
        let timer = Self {
            slot,
            deadline: Elapsed(u64::from_be_bytes(take.next()?)),
            namespace: Namespace(u32::from_be_bytes(take.next()?)),
            key: KeyHash(u128::from_be_bytes(take.next()?)),
        };
        take.end()?;
        Ok(timer)
    }
}

/// A stream with rows that nothing can read any more. Streams of a slot are in the order in which they were
/// queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CleanUpKey {
    pub slot: Slot,
    /// When the work was queued: the shard's last position, or its wall if that was later.
    pub queued: Position,
    pub namespace: Namespace,
    pub stream: StreamId,
}

impl CleanUpKey {
    #[must_use]
    pub fn encode(&self) -> [u8; PREFIX_BYTES + STREAM_TIMER_BYTES] {
        Fill::new(self.slot, Namespace::SYSTEM, kind::CLEAN_UP)
            .with(self.queued.0.to_be_bytes())
            .with(self.namespace.0.to_be_bytes())
            .with(self.stream.0.to_be_bytes())
            .done()
    }

    /// # Errors
    /// [`FormatError`] when it is not the key of clean-up work.
    pub fn decode(key: &[u8]) -> Result<Self, FormatError> {
        let (slot, _, mut take) = Take::of(key, kind::CLEAN_UP, "clean-up's key")?;
        let work = Self {
            slot,
            queued: Position(u64::from_be_bytes(take.next()?)),
            namespace: Namespace(u32::from_be_bytes(take.next()?)),
            stream: StreamId(u64::from_be_bytes(take.next()?)),
        };
        take.end()?;
        Ok(work)
    }
}

/// The key of any timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimerKey {
    Wall(WallTimerKey),
    Record(RecordTimerKey),
    CleanUp(CleanUpKey),
    /// Without the lease's name.
    Lease {
        slot: Slot,
        deadline: Elapsed,
    },
    Task(TaskTimerKey),
    /// Without the execution's key.
    Execution {
        slot: Slot,
        deadline: Elapsed,
    },
    Limit(LimitTimerKey),
    Schedule(ScheduleTimerKey),
}

/// A search for the earliest timer of each kind in each of a shard's slots. It skips from slot to slot: for
/// each row that a scan of [`Self::as_range`] finds first, [`Self::pass`] says where the next scan begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimerSearch {
    from: [u8; PREFIX_BYTES],
    to: [u8; PREFIX_BYTES + 1],
}

impl TimerSearch {
    #[must_use]
    pub fn new(slots: SlotRange) -> Self {
        let mut to = [0xff; PREFIX_BYTES + 1];
        if let Some(behind) = slots.last.0.checked_add(1) {
            to = [0; PREFIX_BYTES + 1];
            to[..2].copy_from_slice(&behind.to_be_bytes());
        }
        Self { from: Fill::new(slots.first, Namespace::SYSTEM, kind::WALL_TIMER).done(), to }
    }

    /// Where to look for the next row.
    #[must_use]
    pub const fn as_range(&self) -> KeyRange<'_> {
        KeyRange { from: &self.from, to: &self.to }
    }

    /// Moves beyond the row that was found, and returns its key if it is a timer's: the first of its kind in
    /// its slot.
    ///
    /// # Errors
    /// [`FormatError`] when it is not the key of a row.
    pub fn pass(&mut self, key: &[u8]) -> Result<Option<TimerKey>, FormatError> {
        let mut take = Take(key);
        let slot = Slot(u16::from_be_bytes(take.next()?));
        let namespace = Namespace(u32::from_be_bytes(take.next()?));
        let [found] = take.next()?;
        let (timer, next) = match found {
            _ if namespace != Namespace::SYSTEM => (None, kind::WALL_TIMER),
            kind::SHARD => (None, kind::WALL_TIMER),
            kind::WALL_TIMER => (Some(TimerKey::Wall(WallTimerKey::decode(key)?)), kind::RECORD_TIMER),
            kind::RECORD_TIMER => (Some(TimerKey::Record(RecordTimerKey::decode(key)?)), kind::CLEAN_UP),
            kind::CLEAN_UP => (Some(TimerKey::CleanUp(CleanUpKey::decode(key)?)), kind::CLEAN_UP + 1),
            kind::LEASE_TIMER => {
                let LeaseTimerKey { slot, deadline, .. } = LeaseTimerKey::decode(key)?;
                (Some(TimerKey::Lease { slot, deadline }), kind::LEASE_TIMER + 1)
            }
            kind::EXECUTION_TIMER => {
                let ExecutionTimerKey { slot, deadline, .. } = ExecutionTimerKey::decode(key)?;
                (Some(TimerKey::Execution { slot, deadline }), kind::EXECUTION_TIMER + 1)
            }
            kind::MEMBERSHIP => (None, kind::TASK_WALL),
            kind::TASK_WALL | kind::TASK_ELAPSED => {
                (Some(TimerKey::Task(TaskTimerKey::decode(key)?)), found + 1)
            }
            kind::LIMIT_TIMER => (Some(TimerKey::Limit(LimitTimerKey::decode(key)?)), kind::LIMIT_TIMER + 1),
            kind::SCHEDULE_TIMER => {
                (Some(TimerKey::Schedule(ScheduleTimerKey::decode(key)?)), kind::SCHEDULE_TIMER + 1)
            }
            kind::REACTION | kind::REACTIONS => (None, kind::REACTIONS + 1),
            kind::TOKEN | kind::TOKENS => (None, kind::TOKENS + 1),
            kind::ORIGINS | kind::ERASED_KEY => (None, kind::ERASED_KEY + 1),
            other => return Err(FormatError::invalid("kind of row", u64::from(other))),
        };
        self.from = Fill::new(slot, Namespace::SYSTEM, next).done();
        Ok(timer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SLOT: Slot = Slot(7);

    fn wall_timer(slot: Slot, deadline: u64, stream: u64) -> WallTimerKey {
        WallTimerKey { slot, deadline: Wall(deadline), namespace: Namespace::ROOT, stream: StreamId(stream) }
    }

    #[test]
    fn timers_and_work_survive_their_keys() {
        let (slot, namespace, stream) = (SLOT, Namespace(3), StreamId(1 << 40));
        let timer = WallTimerKey { deadline: Wall(99), slot, namespace, stream };
        assert_eq!(WallTimerKey::decode(&timer.encode()), Ok(timer));
        let timer = RecordTimerKey { deadline: Elapsed(99), slot, namespace, key: KeyHash(5) };
        assert_eq!(RecordTimerKey::decode(&timer.encode()), Ok(timer));
        let work = CleanUpKey { queued: Position(99), slot, namespace, stream };
        assert_eq!(CleanUpKey::decode(&work.encode()), Ok(work));
        assert!(WallTimerKey::decode(&work.encode()).is_err());
    }

    #[test]
    fn a_range_of_timers_holds_those_of_its_kind_and_slot_from_its_point_on() {
        let key = wall_timer(SLOT, 50, 9).encode();
        let at = |deadline, stream| (Wall(deadline), StreamId(stream));
        for (range, holds) in [
            (TimerRange::wall_timers(SLOT, at(0, 0)), true),
            (TimerRange::wall_timers(SLOT, at(50, 9)), true),
            (TimerRange::wall_timers(SLOT, at(50, 10)), false),
            (TimerRange::wall_timers(SLOT, at(51, 0)), false),
            (TimerRange::wall_timers(Slot(6), at(0, 0)), false),
            (TimerRange::record_timers(SLOT, Elapsed(0)), false),
            (TimerRange::clean_ups(SLOT, Position::ZERO), false),
        ] {
            let KeyRange { from, to } = range.as_range();
            assert_eq!((from..to).contains(&&key[..]), holds, "{range:?}");
        }
    }

    #[test]
    fn every_row_of_a_name_lies_in_the_names_slot() {
        let (namespace, stream) = (Namespace::ROOT, StreamId(5));
        let (slot, deadline, queued) = (SLOT, Elapsed(1), Position(1));
        let keys: [&[u8]; 7] = [
            &stream_key(slot, namespace, "cart"),
            &revision_key(slot, namespace, stream, Revision(0)),
            &dedup_key(slot, namespace, stream, IdHash(1)),
            &idempotency_key(slot, namespace, KeyHash(1)),
            &wall_timer(slot, 1, 5).encode(),
            &RecordTimerKey { slot, deadline, namespace, key: KeyHash(1) }.encode(),
            &CleanUpKey { slot, queued, namespace, stream }.encode(),
        ];
        assert!(keys.iter().all(|key| key.starts_with(&SLOT.0.to_be_bytes())));
    }

    #[test]
    fn a_search_finds_the_first_timer_of_each_kind_in_each_slot_of_its_shard() {
        let record = RecordTimerKey {
            slot: Slot(8),
            deadline: Elapsed(4),
            namespace: Namespace::ROOT,
            key: KeyHash(1),
        };
        let work = CleanUpKey {
            slot: Slot(8),
            queued: Position(3),
            namespace: Namespace::ROOT,
            stream: StreamId(2),
        };
        let mut keys = Vec::from([
            stream_key(SLOT, Namespace::ROOT, "a"),
            revision_key(SLOT, Namespace::ROOT, StreamId(1), Revision(0)).to_vec(),
            shard_key(SLOT).to_vec(),
            membership_key(SLOT).to_vec(),
            crate::row::origins_key(SLOT).to_vec(),
            wall_timer(SLOT, 5, 1).encode().to_vec(),
            wall_timer(SLOT, 6, 1).encode().to_vec(),
            stream_key(Slot(8), Namespace::ROOT, "b"),
            record.encode().to_vec(),
            work.encode().to_vec(),
            wall_timer(Slot(u16::MAX), 7, 1).encode().to_vec(),
        ]);
        keys.sort();
        let found = |first: u16, last: u16| {
            let mut search = TimerSearch::new(SlotRange { first: Slot(first), last: Slot(last) });
            let (mut found, mut scans) = (Vec::new(), 0);
            loop {
                let KeyRange { from, to } = search.as_range();
                let Some(key) = keys.iter().find(|key| (from..to).contains(&&key[..])) else { break };
                scans += 1;
                found.extend(search.pass(key).unwrap());
            }
            assert!(scans <= 10, "{scans} scans");
            found
        };
        let first = TimerKey::Wall(wall_timer(SLOT, 5, 1));
        let last = TimerKey::Wall(wall_timer(Slot(u16::MAX), 7, 1));
        let (record, work) = (TimerKey::Record(record), TimerKey::CleanUp(work));
        assert_eq!(found(0, u16::MAX), [first, record, work, last]);
        assert_eq!(found(0, 7), [first]);
        assert_eq!(found(8, 9), [record, work]);
        assert_eq!(found(9, u16::MAX - 1), []);
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
