//! Archives: their bytes, and what happens with flipped, missing and foreign ones.

use crate::golden;
use crate::samples::Sample;
use format::archive::{PIECE_BYTES_MAX, PIECE_HEADER_BYTES, PieceHeader, encode_piece};
use format::frame::{EntryKind, LogEntry};
use format::header::{HEADER_BYTES_MAX, HeaderError, LogArchiveHeader, StoreId};
use model::{GroupId, Index, Term};

const STORE: StoreId = StoreId(0x0102_0304_0506_0708_090a_0b0c_0d0e_0f10);
const GROUP: GroupId = GroupId(1);
const HEADER: LogArchiveHeader = LogArchiveHeader { store: STORE, first: Index(7_001) };

fn entry(index: u64, bytes: &[u8]) -> LogEntry<'_> {
    LogEntry { index: Index(index), term: Term(3), kind: EntryKind::Normal, bytes }
}

fn piece(entries: &[LogEntry<'_>]) -> Vec<u8> {
    encode_piece(STORE, GROUP, entries.iter().copied())
}

fn whole() -> Vec<u8> {
    piece(&[entry(7_001, b"one"), entry(7_002, b""), entry(7_003, &[7; 100])])
}

fn samples() -> Vec<Sample> {
    vec![("header", HEADER.encode()), ("piece", whole())]
}

/// The numbers of the entries of a piece of this store, if these are the bytes of one.
pub(crate) fn read(bytes: &[u8]) -> Option<Vec<u64>> {
    let (head, record) = bytes.split_first_chunk::<PIECE_HEADER_BYTES>()?;
    let entries = PieceHeader::decode(STORE, head).ok()?.entries(STORE, GROUP, record).ok()?;
    assert!(entries.len() <= bytes.len());
    Some(entries.iter().map(|entry| entry.index.0).collect())
}

#[test]
fn the_bytes_of_archives_never_change() {
    golden::check("archive.hex", &samples());
}

#[test]
fn an_archive_reads_back_as_it_was() {
    let header = HEADER.encode();
    assert_eq!(header.len(), LogArchiveHeader::BYTES);
    assert!(header.len() <= HEADER_BYTES_MAX);
    assert_eq!(LogArchiveHeader::decode(&header), Ok(HEADER));
    assert_eq!(LogArchiveHeader::decode(&[0; 512]), Err(HeaderError::Blank));
    assert_eq!(read(&whole()), Some(vec![7_001, 7_002, 7_003]));
}

#[test]
fn a_piece_with_any_flipped_bit_or_missing_byte_is_rejected() {
    let bytes = whole();
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(read(&flipped), None, "{bit}");
    }
    (0..bytes.len()).for_each(|cut| assert_eq!(read(&bytes[..cut]), None, "{cut}"));
    assert_eq!(read(&[&bytes[..], &[0]].concat()), None);
}

#[test]
fn a_piece_has_consecutive_entries_of_one_store_and_group() {
    for (bytes, why) in [
        (piece(&[]), "no entry"),
        (piece(&[entry(1, b""), entry(3, b"")]), "a gap"),
        (piece(&[entry(2, b""), entry(2, b"")]), "twice"),
        (encode_piece(StoreId(1), GROUP, [entry(1, b"")].into_iter()), "another store"),
        (encode_piece(STORE, GroupId(2), [entry(1, b"")].into_iter()), "another group"),
    ] {
        assert_eq!(read(&bytes), None, "{why}");
    }
    let long = piece(&[entry(1, &vec![0; PIECE_BYTES_MAX])]);
    let head = long.first_chunk::<PIECE_HEADER_BYTES>().unwrap();
    PieceHeader::decode(STORE, head).unwrap_err();
}
