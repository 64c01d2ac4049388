//! Snapshots: their bytes, and what happens with flipped, missing and repeated ones.

use crate::golden;
use crate::samples::Sample;
use format::header::{HEADER_BYTES_MAX, HeaderError, SnapshotHeader, StoreId};
use format::row::{Origin, decode_origins, encode_origins, origins_key};
use format::snapshot::{CHUNK_HEADER_BYTES, ChunkHeader, Following, encode_chunk, put_row};
use model::{Cursor, Elapsed, Index, Position, Slot, Term, Wall};

const HEADER: SnapshotHeader = SnapshotHeader {
    store: StoreId(0x0102_0304_0506_0708_090a_0b0c_0d0e_0f10),
    index: Index(7_001),
    term: Term(3),
    bodies_end: 1 << 33,
    through: Cursor::new(Position(1 << 40), Slot(u16::MAX)),
    wall: Wall(1_700_000_000_123),
    elapsed: Elapsed(86_400_000),
    taken: Wall(1_700_000_000_125),
};
const ROWS: [(&[u8], &[u8]); 3] = [(b"a", b"one"), (b"ab", b""), (b"b", &[7; 200])];
const ORIGINS: [Origin; 2] = [
    Origin { store: StoreId(7), through: Cursor::new(Position(9), Slot(2)), restored: Wall(11) },
    Origin {
        store: HEADER.store,
        through: Cursor::new(Position(1 << 40), Slot(u16::MAX)),
        restored: Wall(1_700_000_100_000),
    },
];

fn chunk(number: u32, following: Following) -> Vec<u8> {
    let mut rows = Vec::new();
    ROWS.iter().for_each(|(key, value)| put_row(key, value, &mut rows));
    encode_chunk(&HEADER, number, following, ROWS.len() as u32, &rows)
}

fn samples() -> Vec<Sample> {
    vec![
        ("header", HEADER.encode()),
        ("chunk", chunk(0, Following::More)),
        ("chunk-last", chunk(1, Following::Nothing)),
        ("chunk-empty", encode_chunk(&HEADER, 0, Following::Nothing, 0, &[])),
        ("origins-key", origins_key(Slot(0)).to_vec()),
        ("origins", encode_origins(&ORIGINS)),
    ]
}

/// The number and rows of a chunk of any snapshot, if these are the bytes of one.
pub(crate) fn read(bytes: &[u8]) -> Option<(u32, usize)> {
    let (head, rest) = bytes.split_first_chunk::<CHUNK_HEADER_BYTES>()?;
    let header = ChunkHeader::decode(&HEADER, head).ok()?;
    Some((header.number, header.rows(rest).ok()?.len()))
}

#[test]
fn the_bytes_of_snapshots_never_change() {
    golden::check("snapshot.hex", &samples());
}

#[test]
fn a_snapshot_reads_back_as_it_was() {
    let header = HEADER.encode();
    assert_eq!(header.len(), SnapshotHeader::BYTES);
    assert!(header.len() <= HEADER_BYTES_MAX);
    assert_eq!(SnapshotHeader::decode(&header), Ok(HEADER));
    assert_eq!(SnapshotHeader::decode(&[0; 512]), Err(HeaderError::Blank));
    let bytes = chunk(4, Following::Nothing);
    let (head, rest) = bytes.split_first_chunk::<CHUNK_HEADER_BYTES>().unwrap();
    let read = ChunkHeader::decode(&HEADER, head).unwrap();
    assert_eq!((read.number, read.following), (4, Following::Nothing));
    assert_eq!(read.rows(rest).unwrap(), ROWS);
    assert_eq!(decode_origins(&encode_origins(&ORIGINS)).unwrap(), ORIGINS);
}

#[test]
fn a_chunk_with_any_flipped_bit_or_of_another_snapshot_is_rejected() {
    let bytes = chunk(0, Following::More);
    assert_eq!(read(&bytes), Some((0, 3)));
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(read(&flipped), None, "{bit}");
    }
    (0..bytes.len()).for_each(|cut| assert_eq!(read(&bytes[..cut]), None, "{cut}"));
    assert_eq!(read(&encode_chunk(&SnapshotHeader::default(), 0, Following::More, 0, &[])), None);
    let mut header = HEADER.encode();
    for bit in 0..header.len() * 8 {
        header[bit / 8] ^= 1 << (bit % 8);
        assert!(SnapshotHeader::decode(&header).is_err(), "{bit}");
        header[bit / 8] ^= 1 << (bit % 8);
    }
}

#[test]
fn rows_that_do_not_ascend_are_rejected() {
    for keys in [[b"b", b"a"], [b"a", b"a"]] {
        let mut rows = Vec::new();
        keys.iter().for_each(|key| put_row(*key, b"", &mut rows));
        assert_eq!(read(&encode_chunk(&HEADER, 0, Following::More, 2, &rows)), None);
    }
}

#[test]
fn origins_that_end_early_or_late_are_rejected() {
    let bytes = encode_origins(&ORIGINS);
    (0..bytes.len()).for_each(|cut| assert!(decode_origins(&bytes[..cut]).is_err(), "{cut}"));
    assert!(decode_origins(&[&bytes[..], &[0]].concat()).is_err());
}
