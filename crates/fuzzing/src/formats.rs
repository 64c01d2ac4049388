//! Entries, outcomes, rows, and the smaller formats of files. What is decoded is encoded again, and must then be the same.

use format::FormatError;
use format::body;
use format::body_index::{decode_removals, encode_removals};
use format::header::{
    BodyAccountHeader, BodySegmentHeader, LogSegmentHeader, SnapshotHeader, StateHeader, StoreHeader,
};
use format::log_index::SegmentIndex;
use format::membership::{Membership, decode_changes, encode_changes};
use format::row::{self as rows, QueueKeys};
use model::EntryClock;

/// An entry of the log.
pub fn entry(bytes: &[u8]) {
    let Ok(entry) = format::entry::decode(bytes) else { return };
    let clock = EntryClock { wall: entry.wall, elapsed: entry.elapsed };
    let mut again = Vec::with_capacity(bytes.len());
    format::entry::encode(entry.behaviour, clock, &entry.commands, &mut again);
    assert_eq!(format::entry::decode(&again).as_ref(), Ok(&entry), "{again:x?}");
}

/// An outcome, as idempotency records hold it.
pub fn outcome(bytes: &[u8]) {
    let Ok(outcome) = format::outcome::decode(bytes) else { return };
    let mut again = Vec::with_capacity(bytes.len());
    format::outcome::encode(&outcome, &mut again);
    assert_eq!(format::outcome::decode(&again).as_ref(), Ok(&outcome), "{again:x?}");
}

/// A key or a value of the state: the first byte says of which kind.
pub fn row(bytes: &[u8]) {
    if let Some((kind, bytes)) = bytes.split_first() {
        let (_, read) = ROWS[usize::from(*kind) % ROWS.len()];
        read(bytes);
    }
}

/// A file's header, an index, a list of removals, or a membership: the first byte says which.
pub fn small(bytes: &[u8]) {
    if let Some((kind, bytes)) = bytes.split_first() {
        let (_, read) = SMALL[usize::from(*kind) % SMALL.len()];
        read(bytes);
    }
}

/// Reads one kind of bytes, checks that they are written back as they were, and returns whether they are valid.
pub type Read = fn(&[u8]) -> bool;

/// What was decoded is equal to what its encoding decodes to.
fn same<T: PartialEq + std::fmt::Debug, E: PartialEq + std::fmt::Debug, B: AsRef<[u8]>>(
    bytes: &[u8],
    value: Result<T, E>,
    encode: impl Fn(&T) -> B,
    check: impl Fn(&[u8], &T),
) -> bool {
    let Ok(value) = value else { return false };
    let again = encode(&value);
    let again = again.as_ref();
    assert!(
        again.len() <= bytes.len() + 16,
        "{value:?} takes {} bytes, and not {}",
        again.len(),
        bytes.len()
    );
    check(again, &value);
    true
}

/// An entry of a table for a type with `decode` and `encode`.
macro_rules! kept {
    ($type:ident) => {
        (stringify!($type), |bytes| {
            let check = |again: &[u8], value: &rows::$type| {
                assert_eq!(rows::$type::decode(again).as_ref(), Ok(value), "{again:x?}");
            };
            same(bytes, rows::$type::decode(bytes), |value| value.encode(), check)
        })
    };
}

/// The same for a pair of functions; what is encoded may be borrowed from what was decoded.
macro_rules! pair {
    ($decode:path, $encode:expr) => {
        (stringify!($decode), |bytes| {
            let check =
                |again: &[u8], value: &_| assert_eq!($decode(again).as_ref(), Ok(value), "{again:x?}");
            same(bytes, $decode(bytes), $encode, check)
        })
    };
}

/// The same for what is only read.
macro_rules! read {
    ($decode:path) => {
        (stringify!($decode), |bytes| $decode(bytes).is_ok())
    };
}

/// The same for the header of a file: the bytes are those of its fields, and get the rest of a header here.
macro_rules! header {
    ($type:ident) => {
        (stringify!($type), |bytes| {
            let bytes = &mended(bytes);
            let check = |again: &[u8], value: &$type| assert_eq!($type::decode(again).as_ref(), Ok(value));
            same(bytes, $type::decode(bytes), |value| value.encode(), check)
        })
    };
}

/// Where the length of a header's fields is, and where they begin.
const LENGTH_AT: usize = 16;
const FIELDS_AT: usize = 20;

/// The bytes with the checksum that a header of this length would have, so that a fuzzer need not find it.
fn mended(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    if let Some(length) = bytes.get(LENGTH_AT..FIELDS_AT) {
        let length = length.iter().rev().fold(0, |sum, byte| (sum << 8) | usize::from(*byte));
        if let Some(checked) = bytes.get(..FIELDS_AT.saturating_add(length)) {
            let checksum = crc32c::crc32c(checked).to_le_bytes();
            let at = checked.len();
            bytes.truncate(at);
            bytes.extend_from_slice(&checksum);
        }
    }
    bytes
}

fn failures(bytes: &[u8]) -> Result<Vec<rows::FailureRow>, FormatError> {
    rows::FailureRow::decode_all(bytes)
}

fn attempts(bytes: &[u8]) -> Result<Vec<rows::AttemptRow>, FormatError> {
    rows::AttemptRow::decode_all(bytes)
}

fn body_record(bytes: &[u8]) -> Result<body::BodyRecord<'_>, FormatError> {
    let (record, length) = body::decode(bytes)?;
    assert!(length <= bytes.len());
    assert_eq!(body::peek(bytes).map(|peek| (peek.position, peek.len)), Ok((record.position, length)));
    Ok(record)
}

fn queue_name(bytes: &[u8]) -> Result<(), ()> {
    rows::NamedRows::QUEUES.name(bytes).map(drop).map_err(drop)
}

fn queue_next(bytes: &[u8]) -> Result<(), ()> {
    let _ = rows::NamedRows::QUEUES.next(bytes);
    Ok(())
}

fn removals(bytes: &[u8]) -> Result<Vec<format::body_index::BodyRemoval>, ()> {
    decode_removals(bytes).ok_or(())
}

/// Keys and values of the state.
pub const ROWS: [(&str, Read); 74] = [
    kept!(ShardRow),
    kept!(StreamRow),
    kept!(RevisionRow),
    kept!(DedupRow),
    kept!(IdempotencyRow),
    kept!(WallTimerKey),
    kept!(RecordTimerKey),
    kept!(CleanUpKey),
    kept!(QueueRow),
    kept!(TypeRow),
    kept!(TaskRow),
    kept!(TaskIdRow),
    kept!(KeyRow),
    kept!(UniqueRow),
    kept!(DeadClassRow),
    kept!(ClaimRequestRow),
    kept!(TaskTimerKey),
    kept!(TenantRow),
    kept!(FairRow),
    kept!(FairTypeRow),
    kept!(ShareRow),
    kept!(LimitRow),
    kept!(LimitKeyRow),
    kept!(LimitListRow),
    kept!(LimitTimerKey),
    kept!(CohortRow),
    kept!(LeaseRow),
    kept!(LeaseWaiterRow),
    kept!(LeaseTimerKey),
    kept!(ValueRow),
    kept!(ExecutionRow),
    kept!(ExecutionTimerKey),
    kept!(ScheduleRow),
    kept!(ScheduleTally),
    kept!(ScheduleTimerKey),
    kept!(ReactionRow),
    kept!(TokenRow),
    kept!(BreakerRow),
    kept!(BreakerTally),
    kept!(RecentRow),
    kept!(GroupRow),
    kept!(MemberRow),
    pair!(failures, |value| rows::FailureRow::encode_all(value)),
    pair!(attempts, |value| rows::AttemptRow::encode_all(value)),
    pair!(rows::decode_origins, |value| rows::encode_origins(value)),
    pair!(rows::decode_definition, rows::encode_definition),
    pair!(rows::decode_schedule_set, |value| {
        let names: Vec<&str> = value.iter().map(|name| name.as_str()).collect();
        rows::encode_schedule_set(&names)
    }),
    pair!(rows::decode_follower, rows::encode_follower),
    pair!(rows::decode_part, |value| rows::encode_part(value)),
    pair!(rows::decode_number, |value| rows::encode_number(*value)),
    pair!(rows::decode_cohort_hash, |value| rows::encode_cohort_hash(*value)),
    pair!(body_record, |record| {
        let mut out = Vec::new();
        body::encode(record, &mut out);
        out
    }),
    read!(body::peek),
    read!(rows::decode_name),
    read!(rows::parse_stream_key),
    read!(rows::parse_revision_key),
    read!(rows::parse_reaction_key),
    read!(rows::parse_token_key),
    read!(QueueKeys::parse_type),
    read!(QueueKeys::parse_task),
    read!(QueueKeys::parse_ready),
    read!(QueueKeys::parse_blocked),
    read!(QueueKeys::parse_dead),
    read!(QueueKeys::parse_dead_of_class),
    read!(QueueKeys::parse_tenant),
    read!(QueueKeys::parse_tenant_turn),
    read!(QueueKeys::parse_share_cohort),
    read!(QueueKeys::parse_cohort_task),
    read!(QueueKeys::parse_cohort_turn),
    read!(rows::LimitKeys::parse_key),
    read!(rows::LimitKeys::parse_list),
    read!(rows::GroupKeys::parse_member),
    read!(queue_name),
    read!(queue_next),
];

/// Headers of files, indexes and lists.
pub const SMALL: [(&str, Read); 10] = [
    header!(StoreHeader),
    header!(LogSegmentHeader),
    header!(BodySegmentHeader),
    header!(BodyAccountHeader),
    header!(StateHeader),
    header!(SnapshotHeader),
    pair!(SegmentIndex::decode, |index: &SegmentIndex| {
        let mut out = Vec::new();
        index.encode(&mut out);
        assert_eq!(out.len(), index.encoded_bytes());
        out
    }),
    pair!(Membership::decode, Membership::encode),
    pair!(decode_changes, |changes| encode_changes(changes)),
    pair!(removals, |removals| {
        let mut out = Vec::new();
        encode_removals(removals, &mut out);
        out
    }),
];
