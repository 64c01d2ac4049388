//! Flipped bits: nothing that was synced is dropped silently.

use super::*;
use crate::disk::DiskFile;
use crate::memory_disk::MemoryDisk;
use format::frame::{FRAME_HEADER_BYTES, FrameHeader, FrameKind, FrameSeed};

/// Where the first frame of a new log begins, after the carry frame and the first mark.
const FIRST_FRAME: u64 = 4096 + 2 * FRAME_HEADER_BYTES as u64;
/// What a frame holds before the bytes of its only entry: its header, and those of the group and the entry.
const BEFORE_ENTRY: usize = FRAME_HEADER_BYTES + 16 + 21;

/// Four segments with synced entries, marked as durable.
fn written() -> (MemoryDisk, Model) {
    let disk = MemoryDisk::new();
    let mut log = open(&disk);
    let mut model = Model::default();
    let group = model.groups.entry(GROUP).or_default();
    for index in 1..=24 {
        let body = vec![index as u8; 1500];
        let state = hard_state(2, 1, index);
        log.writer.write(&record(GROUP, Some(state), index, 2, &[&body])).expect("space");
        log.writer.sync().expect("synced");
        group.write(Some(state), index, 2, &[body]);
    }
    log.writer.mark().expect("space");
    log.writer.sync().expect("synced");
    assert_eq!(log.writer.stats().segments, 4);
    (disk, model)
}

fn length(disk: &MemoryDisk, name: &str) -> u64 {
    disk.open(name).and_then(|file| file.len()).expect("there")
}

#[test]
fn a_flipped_bit_is_refused_or_harmless_wherever_it_is() {
    let (disk, model) = written();
    let mut refused = 0;
    for name in disk.list().expect("listed") {
        for at in (0..length(&disk, &name)).step_by(37) {
            let disk = disk.restart();
            assert!(disk.flip_bit(&name, at, (at % 8) as u8));
            let found = Log::open(disk, options()).and_then(|log| held(&log));
            match found {
                Ok(found) => assert_eq!(found, model, "{name} at {at}"),
                Err(LogError::Damaged { file, .. } | LogError::Refused { file, .. }) => {
                    assert_eq!(file, name, "at {at}");
                    refused += 1;
                }
                Err(error) => panic!("{name} at {at}: {error}"),
            }
        }
    }
    assert!(refused > 900, "almost every byte matters: {refused}");
}

#[test]
fn damage_below_the_durable_end_is_reported_with_its_offset() {
    let disk = MemoryDisk::new();
    let mut log = open(&disk);
    write(&mut log.writer, 1, 1, &[b"first"]);
    log.writer.sync().expect("synced");
    write(&mut log.writer, 2, 1, &[b"second"]);
    log.writer.sync().expect("synced");
    let name = disk.list().expect("listed").remove(0);
    assert!(disk.flip_bit(&name, FIRST_FRAME + 40, 3));
    let error = Log::open(disk, options()).expect_err("damaged");
    let LogError::Damaged { file, offset, .. } = error else { panic!("{error}") };
    assert_eq!((file, offset), (name, FIRST_FRAME));
}

#[test]
fn a_broken_frame_above_the_durable_end_is_a_torn_tail() {
    let disk = MemoryDisk::new();
    let mut log = open(&disk);
    write(&mut log.writer, 1, 1, &[b"synced"]);
    log.writer.sync().expect("synced");
    write(&mut log.writer, 2, 1, &[b"not synced"]);
    let name = disk.list().expect("listed").remove(0);
    let end = FIRST_FRAME + format::frame::frame_bytes(BEFORE_ENTRY - FRAME_HEADER_BYTES + 6);
    assert!(disk.flip_bit(&name, end + 40, 3));
    let log = open(&disk);
    assert_eq!(log.groups[&GROUP].last, Index(1));
}

#[test]
fn after_a_mark_damage_to_the_last_synced_frame_is_noticed() {
    let disk = MemoryDisk::new();
    let mut log = open(&disk);
    write(&mut log.writer, 1, 1, &[b"synced"]);
    assert!(!log.writer.is_mark_wanted());
    log.writer.sync().expect("synced");
    assert!(log.writer.is_mark_wanted());
    log.writer.mark().expect("space");
    assert!(!log.writer.is_mark_wanted());
    let name = disk.list().expect("listed").remove(0);
    assert!(disk.flip_bit(&name, FIRST_FRAME + 40, 3));
    let error = Log::open(disk, options()).expect_err("damaged");
    assert!(matches!(error, LogError::Damaged { offset: FIRST_FRAME, .. }), "{error}");
}

#[test]
fn a_missing_segment_is_noticed() {
    let (disk, _) = written();
    let names = disk.list().expect("listed");
    for name in &names[..3] {
        let disk = disk.restart();
        disk.remove(name).expect("removed");
        let error = Log::open(disk, options()).expect_err("missing");
        assert!(matches!(error, LogError::Damaged { .. }), "{error}");
    }
}

/// Bytes sent by a client cannot be made to look like a frame, because the seed contains the store's id.
#[test]
fn frames_inside_entries_are_not_taken_for_frames() {
    for (store, is_taken) in [(StoreId(1), false), (options().store, true)] {
        let disk = MemoryDisk::new();
        let mut log = open(&disk);
        write(&mut log.writer, 1, 1, &[b"1"]);
        log.writer.sync().expect("synced");
        let around = FIRST_FRAME + 72;
        let offset = (around + BEFORE_ENTRY as u64).next_multiple_of(8);
        let header =
            FrameHeader { kind: FrameKind::Mark, length: 0, offset, durable_end: 1 << 30, opening: 9 };
        let forged = header.encode(FrameSeed::new(store, 1), &[]);
        let pad = vec![0; (offset - around) as usize - BEFORE_ENTRY];
        write(&mut log.writer, 2, 1, &[&[&pad[..], &forged].concat()]);
        let name = disk.list().expect("listed").remove(0);
        assert!(disk.flip_bit(&name, around + 33, 0), "the frame around it is torn");
        match Log::open(disk, options()) {
            Ok(log) => assert_eq!((log.groups[&GROUP].last, is_taken), (Index(1), false)),
            // A client that knew the store's id could do it, which shows that the test would notice.
            Err(error) => assert!(is_taken, "{error}"),
        }
    }
}

/// A crash tears a frame and leaves the next one intact. Then a new frame overwrites the torn one, and ends
/// exactly where the next one begins.
#[test]
fn a_frame_from_before_a_crash_does_not_follow_one_written_after_it() {
    let disk = MemoryDisk::new();
    let mut log = open(&disk);
    let left_behind = 8192;
    let body = vec![b'a'; left_behind - FIRST_FRAME as usize - BEFORE_ENTRY];
    write(&mut log.writer, 1, 1, &[&body]);
    write(&mut log.writer, 2, 1, &[b"left behind"]);
    let name = disk.list().expect("listed").remove(0);
    assert!(disk.flip_bit(&name, FIRST_FRAME + 1_000, 0), "torn");
    let mut log = open(&disk);
    assert!(!log.groups.contains_key(&GROUP));
    // The mark of this opening comes first.
    write(&mut log.writer, 1, 2, &[&body[FRAME_HEADER_BYTES..]]);
    log.writer.sync().expect("synced");
    let mut header = [0; FRAME_HEADER_BYTES];
    disk.open(&name).and_then(|file| file.read_at(&mut header, left_behind as u64)).expect("read");
    let seed = FrameSeed::new(options().store, 1);
    assert!(FrameHeader::decode(seed, &header, left_behind as u64).is_some(), "it is still there");
    let log = open(&disk);
    assert_eq!(log.groups[&GROUP].last, Index(1));
}

#[test]
fn a_sealed_segment_that_is_damaged_while_the_log_is_open_is_reported_by_reads() {
    let disk = MemoryDisk::new();
    let mut log = open(&disk);
    let first = disk.list().expect("listed");
    (1..=80).for_each(|index| write(&mut log.writer, index, 1, &[&[b'd'; 700]]));
    log.writer.sync().expect("synced");
    assert!(log.writer.stats().segments > 3, "void: the indexes of all segments are cached");
    for offset in (0..16 << 10).step_by(64) {
        let _ = disk.flip_bit(&first[0], offset, 0);
    }
    let read = log.reader.entries(GROUP, Index(1), 0).map(|page| page.entries.len());
    assert!(matches!(read, Err(LogError::Damaged { .. })), "{read:?}");
}
