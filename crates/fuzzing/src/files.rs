//! Frames of the log and chunks of snapshots. Checksums are made here, so that a fuzzer gets past them.

use format::frame::{
    self, EntryKind, FRAME_HEADER_BYTES, FrameHeader, FrameKind, FrameSeed, GroupRecord, LogEntry,
};
use format::header::{SnapshotHeader, StoreId};
use format::snapshot::{CHUNK_HEADER_BYTES, ChunkHeader, Following, encode_chunk, put_row};

const STORE: StoreId = StoreId(7);

/// A frame: a byte for its kind, one for a bit to flip, and its records.
pub fn frame(bytes: &[u8]) {
    let Some(([kind, flip], records)) = bytes.split_first_chunk::<2>() else { return };
    let kinds = [FrameKind::Records, FrameKind::Mark, FrameKind::Carry, FrameKind::Index];
    let seed = FrameSeed::new(STORE, 3);
    let length = u32::try_from(records.len()).unwrap_or(u32::MAX);
    let kind = kinds[usize::from(*kind) % kinds.len()];
    let header = FrameHeader { kind, length, offset: 64, durable_end: u64::from(*flip), opening: 9 };
    let mut encoded = header.encode(seed, records);
    assert_eq!(FrameHeader::decode(seed, &encoded, 64), Some(header));
    assert!(frame::is_intact(seed, &encoded, records));
    assert_eq!(header.frame_bytes(), frame::frame_bytes(records.len()));
    // No flipped bit of a header passes. The last byte of the frame's checksum is not part of its check.
    let bit = usize::from(*flip) % (8 * FRAME_HEADER_BYTES);
    encoded[bit / 8] ^= 1 << (bit % 8);
    let passes =
        FrameHeader::decode(seed, &encoded, 64).is_some() && frame::is_intact(seed, &encoded, records);
    assert!(!passes, "bit {bit} of a frame's header is not checked");
    records_of(records);
}

/// Group records: those that are read to their end are written as they were read.
fn records_of(records: &[u8]) {
    let mut again = Vec::with_capacity(records.len());
    for record in frame::decode_groups(records) {
        let Ok(record) = record else { return };
        let GroupRecord { group, hard_state, purged, entries } = record;
        assert!(u64::from(entries.left()) <= u64::from(u32::MAX));
        let entries: Result<Vec<LogEntry<'_>>, _> = entries.collect();
        let Ok(entries) = entries else { return };
        for entry in entries.iter().filter(|entry| entry.kind == EntryKind::Configuration) {
            let _ = format::membership::decode_changes(entry.bytes);
        }
        match (hard_state, purged) {
            (hard_state, None) => frame::encode_group(group, hard_state, entries.into_iter(), &mut again),
            (Some(hard_state), Some(purged)) if entries.is_empty() => {
                frame::encode_carry(group, hard_state, purged, &mut again);
            }
            // Nobody writes this.
            _ => return,
        }
    }
    assert_eq!(again, records);
}

/// A chunk of rows: a byte for its number, one for the number of rows, and the rows.
pub fn snapshot(bytes: &[u8]) {
    let Some(([number, count], rows)) = bytes.split_first_chunk::<2>() else { return };
    let snapshot = SnapshotHeader { store: STORE, ..SnapshotHeader::default() };
    let following = if number & 1 == 0 { Following::More } else { Following::Nothing };
    let chunk = encode_chunk(&snapshot, u32::from(*number), following, u32::from(*count), rows);
    let Some((head, rest)) = chunk.split_first_chunk::<CHUNK_HEADER_BYTES>() else { return };
    let head = ChunkHeader::decode(&snapshot, head).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!((head.number, head.following, head.rows), (u32::from(*number), following, u32::from(*count)));
    if let Ok(read) = head.rows(rest) {
        let mut again = Vec::with_capacity(rest.len());
        read.iter().for_each(|(key, value)| put_row(key, value, &mut again));
        let chunk = encode_chunk(&snapshot, head.number, following, head.rows, &again);
        let (_, again) = chunk.split_at(CHUNK_HEADER_BYTES);
        let head = chunk.first_chunk().map(|bytes| ChunkHeader::decode(&snapshot, bytes));
        let head = head.and_then(Result::ok).unwrap_or_else(|| panic!("a chunk's header"));
        assert_eq!(head.rows(again).as_ref(), Ok(&read));
    }
    // Any header, and any rows that it might describe.
    if let Some((head, rest)) = bytes.split_first_chunk::<CHUNK_HEADER_BYTES>()
        && let Ok(head) = ChunkHeader::decode(&snapshot, head)
    {
        let _ = head.rows(rest);
    }
}
