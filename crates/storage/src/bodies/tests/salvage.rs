//! What can still be read of a damaged body file.

use super::damage::written;
use super::*;
use crate::bodies::segment::RECORDS_AT;
use crate::bodies::{Salvage, Salvaged, Unreadable};
use crate::disk::DiskFile;
use crate::memory_disk::MemoryDisk;
use std::io::ErrorKind;

/// The positions of what is salvaged, each record compared with what was written, and the parts without any.
fn salvage(disk: &MemoryDisk) -> (Vec<u64>, Vec<Unreadable>) {
    let mut bodies = Salvage::begin(disk.clone(), options().store).expect("listed");
    let (mut found, mut unreadable) = (Vec::new(), Vec::new());
    while let Some(next) = bodies.read_next() {
        match next {
            Salvaged::Record(record) => {
                let mut bytes = Vec::new();
                body::encode(&record, &mut bytes);
                assert_eq!(bytes, encoded(record.position.0));
                found.push(record.position.0);
            }
            Salvaged::Unreadable(part) => unreadable.push(part),
        }
    }
    assert!(found.is_sorted_by(|one, next| one < next), "in order and once: {found:?}");
    (found, unreadable)
}

fn segments(disk: &MemoryDisk) -> Vec<String> {
    let names = disk.list().expect("listed");
    let segments: Vec<_> = names.into_iter().filter(|name| name.ends_with(".bodies")).collect();
    assert!(segments.len() > 3, "void: {segments:?}");
    segments
}

fn all() -> Vec<u64> {
    (1..=60).collect()
}

#[test]
fn every_event_of_a_whole_body_file_is_salvaged() {
    let (disk, _) = written();
    assert_eq!(salvage(&disk), (all(), vec![]));
}

#[test]
fn a_flipped_bit_costs_no_more_than_the_event_that_it_is_in() {
    let (disk, _) = written();
    let mut lost = 0;
    for name in segments(&disk) {
        let length = disk.open(&name).and_then(|file| file.len()).expect("there");
        for at in 0..length {
            let disk = disk.restart();
            assert!(disk.flip_bit(&name, at, (at % 8) as u8));
            let (found, unreadable) = salvage(&disk);
            assert!(found.len() >= 59, "{name} at {at}: {found:?}");
            if found.len() == 59 {
                lost += 1;
                let is_told = |part: &Unreadable| part.file == name && part.bytes.contains(&at);
                assert!(unreadable.iter().any(is_told), "{name} at {at}: {unreadable:?}");
            }
        }
    }
    assert!(lost > 10_000, "almost every byte is an event's: {lost}");
}

#[test]
fn a_segment_that_is_missing_or_of_another_store_costs_its_own_events_only() {
    let (disk, _) = written();
    let mut left = 0;
    for name in segments(&disk) {
        let missing = disk.restart();
        missing.remove(&name).expect("removed");
        let (found, unreadable) = salvage(&missing);
        assert!(found.len() < 60 && unreadable.is_empty(), "{name}: {unreadable:?}");
        left += found.len();

        let other = disk.restart();
        let header = format::header::BodySegmentHeader { store: StoreId(8), first: 0, generation: 0, end: 0 };
        other.open(&name).and_then(|file| file.write_at(&header.encode(), 0)).expect("written");
        let (others, unreadable) = salvage(&other);
        assert_eq!(others, found, "{name}");
        assert!(matches!(&unreadable[..], [part] if part.file == name && part.why.contains("another store")));
    }
    assert_eq!(left, 60 * (segments(&disk).len() - 1), "each event is in one segment");
}

#[test]
fn what_follows_a_hole_of_zeros_is_salvaged_and_the_hole_is_told() {
    let (disk, _) = written();
    let name = &segments(&disk)[1];
    let file = disk.open(name).expect("opened");
    let mut bytes = vec![0; 4_000];
    file.read_at(&mut bytes, 0).expect("read");
    let length = |at: u64| body::peek(&bytes[at as usize..]).expect("a record").len as u64;
    let second = RECORDS_AT + length(RECORDS_AT);
    let third = second + length(second);
    // Within events, and one whole event.
    for (hole, lost) in [(1_500..2_500, 2..10), (second..third, 1..2)] {
        let disk = disk.restart();
        let zeros = vec![0; (hole.end - hole.start) as usize];
        disk.open(name).and_then(|file| file.write_at(&zeros, hole.start)).expect("written");
        let (found, unreadable) = salvage(&disk);
        assert!(lost.contains(&(60 - found.len())), "{hole:?}: {found:?}");
        let [part] = &unreadable[..] else { panic!("{hole:?}: {unreadable:?}") };
        let (from, until) = (part.bytes.start, part.bytes.end);
        assert!(part.file == *name && from <= hole.start && until >= hole.end, "{hole:?}: {part:?}");
        assert!(until - from < 2_000, "no more than the events that it touches: {hole:?}: {part:?}");
    }
}

#[test]
fn a_file_that_was_cut_off_costs_what_was_cut_off() {
    let (disk, _) = written();
    let (name, mut before) = (&segments(&disk)[1], 0);
    let length = disk.open(name).and_then(|file| file.len()).expect("there");
    for at in 0..length {
        let disk = disk.restart();
        disk.open(name).and_then(|file| file.set_len(at)).expect("cut");
        let (found, _) = salvage(&disk);
        assert!(found.len() >= before, "{at}");
        before = found.len();
    }
    assert_eq!(before, 60);
}

#[test]
fn zeros_after_the_last_event_are_no_damage() {
    let (disk, _) = written();
    let name = segments(&disk).pop().expect("there");
    let file = disk.open(&name).expect("opened");
    file.set_len(file.len().expect("known") + 10_000).expect("extended");
    assert_eq!(salvage(&disk), (all(), vec![]));
}

#[test]
fn a_read_that_fails_is_repeated_in_small_parts() {
    let (disk, _) = written();
    for read in 0..segments(&disk).len() as u64 * 2 {
        let disk = disk.restart();
        disk.fail_read_at(disk.reads() + read, ErrorKind::Other);
        assert_eq!(salvage(&disk).0, all(), "read {read}");
    }
}
