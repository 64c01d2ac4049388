//! The bytes of the log's and the body file's files: what each version writes, how it is read, and what
//! happens with flipped, missing and foreign bytes.

use crate::golden::check;
use crate::samples::Sample;
use format::body_index::{
    BodyPoint, BodyRemoval, BodyTrailer, POINT_BYTES, TRAILER_BYTES, decode_points, decode_removals,
    decode_trailer, encode_ending, encode_removals,
};
use format::frame::{
    EntryKind, FRAME_HEADER_BYTES, FrameHeader, FrameKind, FrameSeed, GroupRecord, HardState, LogEntry,
    Purged, decode_groups, encode_carry, encode_group, is_intact,
};
use format::header::{
    BodyAccountHeader, BodySegmentHeader, HEADER_BYTES_MAX, HeaderError, LogSegmentHeader, StateHeader,
    StoreHeader, StoreId,
};
use format::log_index::{Noted, SegmentIndex};
use format::membership::{Change, Membership, decode_changes, encode_changes};
use model::{Cursor, GroupId, Index, Position, Slot, Term, Wall};

const STORE: StoreId = StoreId(0x0102_0304_0506_0708_090a_0b0c_0d0e_0f10);
const LOG_SEGMENT: LogSegmentHeader = LogSegmentHeader {
    store: STORE,
    generation: 9,
    oldest: 7,
    previous: 8,
    previous_end: 67_000_000,
    previous_index: 66_990_000,
};
const BODY_SEGMENT: BodySegmentHeader =
    BodySegmentHeader { store: STORE, first: 1 << 33, generation: 2, end: 1 << 34 };
const ACCOUNT: BodyAccountHeader =
    BodyAccountHeader { store: STORE, persisted: 5 << 30, count: 2, checksum: 0xdead_beef };
const HARD_STATE: HardState = HardState { term: Term(3), vote: 1, commit: Index(41) };
const PURGED: Purged = Purged { through: Index(40), term: Term(2) };

fn headers() -> [Sample; 4] {
    [
        ("store", StoreHeader { store: STORE }.encode()),
        ("log_segment", LOG_SEGMENT.encode()),
        ("body_segment", BODY_SEGMENT.encode()),
        ("body_account", ACCOUNT.encode()),
    ]
}

fn records() -> Vec<u8> {
    let mut bytes = Vec::new();
    let entries = [(42, EntryKind::Normal, &b"first"[..]), (43, EntryKind::Configuration, b"")];
    let entries = entries.map(|(index, kind, bytes)| entry(index, 3, kind, bytes));
    encode_group(GroupId(1), Some(HARD_STATE), entries.into_iter(), &mut bytes);
    let other = entry(7, 1, EntryKind::Normal, b"other");
    encode_group(GroupId(2), None, [other].into_iter(), &mut bytes);
    encode_carry(GroupId(3), HARD_STATE, PURGED, &mut bytes);
    bytes
}

fn entry(index: u64, term: u64, kind: EntryKind, bytes: &[u8]) -> LogEntry<'_> {
    LogEntry { index: Index(index), term: Term(term), kind, bytes }
}

fn seed() -> FrameSeed {
    FrameSeed::new(STORE, 9)
}

fn frame(kind: FrameKind, records: &[u8]) -> Vec<u8> {
    let length = records.len() as u32;
    let header = FrameHeader { kind, length, offset: 8_192, durable_end: 8_000, opening: 5 };
    [&header.encode(seed(), records)[..], records].concat()
}

fn index() -> SegmentIndex {
    let mut index = SegmentIndex::default();
    for (group, first, last, term, offset) in
        [(1, 42, 43, 3, 4_096), (1, 44, 44, 4, 9_000), (2, 7, 7, 1, 4_096)]
    {
        let noted = Noted { first: Index(first), last: Index(last), term: Term(term), offset };
        index.note(GroupId(group), noted, 4_096);
    }
    index
}

const POINTS: [BodyPoint; 2] = [
    BodyPoint { position: Position(1 << 40), offset: 512 },
    BodyPoint { position: Position((1 << 40) + 9), offset: 9_000 },
];
const TRAILER: BodyTrailer = BodyTrailer {
    records: 17,
    first: Cursor::new(Position(1 << 40), Slot(5)),
    last: Cursor::new(Position((1 << 40) + 20), Slot(6)),
    points: 0,
    points_checksum: 0,
};
const REMOVED: [BodyRemoval; 2] = [
    BodyRemoval { segment: 0, records: 3, since: Wall(1_700_000_000_000) },
    BodyRemoval { segment: 1 << 33, records: 1, since: Wall(1_700_000_000_001) },
];

fn ending() -> (BodyTrailer, Vec<u8>) {
    let mut bytes = Vec::new();
    let trailer = encode_ending(&BODY_SEGMENT, &POINTS, TRAILER, &mut bytes);
    (trailer, bytes)
}

#[test]
fn the_bytes_of_headers_never_change() {
    check("header.hex", &headers());
}

#[test]
fn the_bytes_of_frames_never_change() {
    let mut sealed = Vec::new();
    index().encode(&mut sealed);
    let samples = [
        ("records", frame(FrameKind::Records, &records())),
        ("mark", frame(FrameKind::Mark, &[])),
        ("carry", frame(FrameKind::Carry, &records())),
        ("index", frame(FrameKind::Index, &sealed)),
    ];
    check("frame.hex", &samples);
}

#[test]
fn the_bytes_of_endings_and_removals_never_change() {
    let mut removed = Vec::new();
    encode_removals(&REMOVED, &mut removed);
    check("body_index.hex", &[("ending", ending().1), ("removals", removed)]);
}

fn membership() -> Membership {
    Membership {
        voters: vec![1, 2, 4],
        learners: vec![5],
        outgoing: vec![1, 2, 3],
        learners_next: vec![3],
        leaves: true,
    }
}

const CHANGES: [Change; 3] = [Change::Voter(4), Change::Learner(3), Change::Removed(1 << 40)];

#[test]
fn the_bytes_of_memberships_never_change() {
    let samples = [
        ("membership", membership().encode()),
        ("membership-single", Membership::of_voters([1]).encode()),
        ("changes", encode_changes(&CHANGES)),
        ("changes-none", encode_changes(&[])),
    ];
    check("membership.hex", &samples);
}

#[test]
fn memberships_and_changes_read_back_as_they_were() {
    for membership in [membership(), Membership::of_voters([1]), Membership::default()] {
        let bytes = membership.encode();
        assert_eq!(Membership::decode(&bytes), Ok(membership));
        (0..bytes.len()).for_each(|cut| assert!(Membership::decode(&bytes[..cut]).is_err(), "{cut}"));
    }
    for changes in [&CHANGES[..], &[]] {
        let bytes = encode_changes(changes);
        assert_eq!(decode_changes(&bytes).as_deref(), Ok(changes));
        (0..bytes.len()).for_each(|cut| assert!(decode_changes(&bytes[..cut]).is_err(), "{cut}"));
    }
    for replicas in [[2, 1], [1, 1], [0, 1]] {
        assert!(Membership::decode(&Membership::of_voters(replicas).encode()).is_err(), "{replicas:?}");
    }
}

#[test]
fn a_header_reads_back_as_it_was_from_a_whole_sector() {
    let [store, log, body, removals] = headers().map(|(_, mut bytes)| {
        assert!(bytes.len() <= HEADER_BYTES_MAX);
        bytes.resize(HEADER_BYTES_MAX, 0);
        bytes
    });
    assert_eq!(StoreHeader::decode(&store), Ok(StoreHeader { store: STORE }));
    assert_eq!(LogSegmentHeader::decode(&log), Ok(LOG_SEGMENT));
    assert_eq!(BodySegmentHeader::decode(&body), Ok(BODY_SEGMENT));
    assert_eq!(BodyAccountHeader::decode(&removals), Ok(ACCOUNT));
    assert_eq!(LogSegmentHeader::decode(&body), Err(HeaderError::OtherKind { found: 3 }));
    assert_eq!(LogSegmentHeader::decode(&[0; 512]), Err(HeaderError::Blank));
    assert_eq!(LogSegmentHeader::decode(b""), Err(HeaderError::Blank));
    assert_eq!(LogSegmentHeader::decode(b"#!/bin/sh"), Err(HeaderError::Foreign));
}

#[test]
fn a_newer_header_is_distinguished_from_a_damaged_one() {
    let mut bytes = LOG_SEGMENT.encode();
    bytes[12] = 3;
    assert_eq!(LogSegmentHeader::decode(&bytes), Err(HeaderError::Damaged));
    let end = bytes.len() - 4;
    // What a newer version adds is ignored here.
    bytes.truncate(end);
    bytes.extend_from_slice(b"more");
    bytes[16] += 4;
    let checksum = crc32c::crc32c(&bytes);
    bytes.extend_from_slice(&checksum.to_le_bytes());
    assert_eq!(LogSegmentHeader::decode(&bytes), Err(HeaderError::Newer { found: 3, known: 2 }));
}

/// Version 1 was never released. Its files differ in what follows their headers.
#[test]
fn every_kind_of_file_of_version_1_is_refused() {
    let mut encoded: Vec<Vec<u8>> = headers().into_iter().map(|(_, bytes)| bytes).collect();
    encoded.push(StateHeader { store: STORE }.encode());
    for bytes in &mut encoded {
        bytes[12] = 1;
        let end = bytes.len() - 4;
        let checksum = crc32c::crc32c(&bytes[..end]);
        bytes[end..].copy_from_slice(&checksum.to_le_bytes());
    }
    let older = HeaderError::Older { found: 1, oldest: 2 };
    assert_eq!(StoreHeader::decode(&encoded[0]), Err(older));
    assert_eq!(LogSegmentHeader::decode(&encoded[1]), Err(older));
    assert_eq!(BodySegmentHeader::decode(&encoded[2]), Err(older));
    assert_eq!(BodyAccountHeader::decode(&encoded[3]), Err(older));
    assert_eq!(StateHeader::decode(&encoded[4]), Err(older));
}

#[test]
fn a_header_with_any_flipped_bit_or_missing_byte_is_rejected() {
    let bytes = BODY_SEGMENT.encode();
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(BodySegmentHeader::decode(&flipped).is_err(), "{bit}");
    }
    for cut in 0..bytes.len() {
        assert!(BodySegmentHeader::decode(&bytes[..cut]).is_err(), "{cut}");
    }
}

fn parts(frame: &[u8]) -> (&[u8; FRAME_HEADER_BYTES], &[u8]) {
    frame.split_first_chunk().unwrap()
}

#[test]
fn a_frame_reads_back_only_at_its_offset_in_its_segment() {
    let bytes = frame(FrameKind::Records, &records());
    let (head, rest) = parts(&bytes);
    let header = FrameHeader::decode(seed(), head, 8_192).unwrap();
    assert_eq!((header.kind, header.durable_end, header.opening), (FrameKind::Records, 8_000, 5));
    assert_eq!(header.frame_bytes(), (bytes.len() as u64).next_multiple_of(8));
    assert!(is_intact(seed(), head, rest));
    assert_eq!(FrameHeader::decode(seed(), head, 8_200), None);
    for other in [FrameSeed::new(STORE, 8), FrameSeed::new(StoreId(1), 9)] {
        assert_eq!(FrameHeader::decode(other, head, 8_192), None);
        assert!(!is_intact(other, head, rest));
    }
}

#[test]
fn a_frame_with_any_flipped_bit_is_not_intact() {
    let bytes = frame(FrameKind::Records, &records());
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let (head, rest) = parts(&flipped);
        assert!(!is_intact(seed(), head, rest), "{bit}");
        let in_header = !(32..64).contains(&bit) && bit < FRAME_HEADER_BYTES * 8;
        assert_eq!(FrameHeader::decode(seed(), head, 8_192).is_none(), in_header, "{bit}");
    }
}

#[test]
fn group_records_read_back_as_they_were() {
    let bytes = records();
    let groups: Vec<GroupRecord<'_>> = decode_groups(&bytes).map(Result::unwrap).collect();
    let [first, second, carried] = &groups[..] else { panic!("three groups") };
    assert_eq!((first.group, first.hard_state, first.purged), (GroupId(1), Some(HARD_STATE), None));
    assert_eq!(first.entries.left(), 2);
    let entries: Vec<_> = first.entries.clone().map(Result::unwrap).collect();
    let want = [(42, EntryKind::Normal, &b"first"[..]), (43, EntryKind::Configuration, b"")];
    assert_eq!(entries, want.map(|(index, kind, bytes)| entry(index, 3, kind, bytes)));
    assert_eq!((second.group, second.hard_state), (GroupId(2), None));
    assert_eq!((carried.group, carried.hard_state), (GroupId(3), Some(HARD_STATE)));
    assert_eq!((carried.purged, carried.entries.left()), (Some(PURGED), 0));
}

#[test]
fn records_that_are_cut_or_changed_end_in_an_error_and_never_in_a_panic() {
    let bytes = records();
    let read = |bytes: &[u8]| {
        let mut whole = true;
        for group in decode_groups(bytes) {
            whole &=
                group.map(|group| group.entries.fold(true, |whole, entry| whole & entry.is_ok())) == Ok(true);
        }
        whole
    };
    assert!(read(&bytes));
    for cut in 1..bytes.len() {
        let at_a_boundary = decode_groups(&bytes[..cut]).all(|group| group.is_ok());
        assert!(!read(&bytes[..cut]) || at_a_boundary, "{cut}");
    }
    for at in 0..bytes.len() {
        for value in [0, 1, 0x7f, 0xff] {
            let mut changed = bytes.clone();
            changed[at] = value;
            read(&changed);
        }
    }
}

#[test]
fn an_ending_reads_back_only_for_its_own_segment() {
    let (trailer, bytes) = ending();
    let (points, end) = bytes.split_at(POINTS.len() * POINT_BYTES);
    let end: &[u8; TRAILER_BYTES] = end.try_into().unwrap();
    assert_eq!(decode_trailer(&BODY_SEGMENT, end), Some(trailer));
    assert_eq!(decode_points(&trailer, points), Some(POINTS.to_vec()));
    assert_eq!(decode_trailer(&BodySegmentHeader { generation: 1, ..BODY_SEGMENT }, end), None);
    assert_eq!(decode_trailer(&BodySegmentHeader { store: StoreId(1), ..BODY_SEGMENT }, end), None);
    for bit in 0..TRAILER_BYTES * 8 {
        let mut flipped = *end;
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(decode_trailer(&BODY_SEGMENT, &flipped), None, "{bit}");
    }
    assert_eq!(decode_points(&trailer, &points[1..]), None);
    let mut flipped = points.to_vec();
    flipped[3] ^= 1;
    assert_eq!(decode_points(&trailer, &flipped), None);
}

#[test]
fn removals_read_back_as_they_were() {
    let mut bytes = Vec::new();
    encode_removals(&REMOVED, &mut bytes);
    assert_eq!(decode_removals(&bytes), Some(REMOVED.to_vec()));
    assert_eq!(decode_removals(&bytes[1..]), None);
}
