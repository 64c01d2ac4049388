//! Segments that are pinned: what they hold, whatever happens to the body file meanwhile.

use super::*;
use crate::bodies::{CopyKind, PinnedBodies, SegmentCopy};
use crate::conformance::disk::over_each_disk;
use crate::disk::DiskFile;
use crate::memory_disk::MemoryDisk;
use std::cell::Cell;

over_each_disk! {
    pinned_segments_hold_the_bodies_up_to_the_state_that_was_taken;
    pinned_segments_can_be_read_after_they_were_rewritten;
    segments_that_are_rewritten_while_they_are_pinned_are_looked_at_again;
}

/// The positions in copies of all pinned segments, each read in small pieces.
fn copied<D: Disk>(pinned: &PinnedBodies<D>) -> Result<Vec<u64>, BodyError> {
    let disk = MemoryDisk::new();
    let mut found = Vec::new();
    for segment in pinned.segments() {
        let file = disk.create(&segment.name).expect("created");
        let mut at = 0;
        loop {
            let bytes = pinned.read(&segment.name, at, 700)?.expect("it is pinned");
            if bytes.is_empty() {
                break;
            }
            file.write_at(&bytes, at).expect("written");
            at += bytes.len() as u64;
        }
        assert_eq!(at, segment.bytes);
        let copy = SegmentCopy::open(&segment.name, file, segment.kind, StoreId(7))?;
        copy.records(|record, _| {
            found.push(record.position.0);
            Ok::<_, BodyError>(())
        })?;
    }
    Ok(found)
}

fn tens(from: u64, to: u64) -> Vec<u64> {
    (from..=to).map(|number| number * 10).collect()
}

fn pinned_segments_hold_the_bodies_up_to_the_state_that_was_taken(disk: impl Disk) {
    let (mut bodies, reader) = Bodies::open(disk, 0, options()).expect("opens");
    let ends: Vec<u64> = (1..=200).map(|number| append(&mut bodies, &[number * 10])).collect();
    for kept in [0_usize, 1, 2, 17, 100, 199, 200] {
        let end = kept.checked_sub(1).map_or(0, |last| ends[last]);
        let (taken, pinned) = reader.pin(|| ("the state", end)).expect("pinned");
        assert_eq!(taken, "the state");
        assert_eq!(copied(&pinned).expect("intact"), tens(1, kept as u64), "{kept}");
        let parts = pinned.segments().filter(|segment| segment.kind == CopyKind::Part).count();
        assert!(parts <= 1, "only the last one is not sealed");
    }
    assert!(reader.pin(|| ((), ends[199] + 1)).is_err(), "the state refers to more than there is");
    let (_, pinned) = reader.pin(|| ((), ends[199])).expect("pinned");
    assert_eq!(pinned.read("0000000000000000-00000009", 0, 100).expect("no error"), None);
}

fn rewrite<D: Disk>(bodies: &mut Bodies<D>, end: u64, removed: &[u64]) {
    bodies.sync_handle().run().expect("synced");
    bodies.persisted(flushed_to(end));
    let positions: Vec<Position> = removed.iter().map(|position| Position(*position)).collect();
    bodies.note_removed(&positions, model::Wall(0));
    while let Some(segment) = bodies.compaction_due(model::Wall(10_000)).expect("no error") {
        let is_live = |record: &BodyRecord<'_>| Ok::<_, BodyError>(!removed.contains(&record.position.0));
        bodies.compaction(segment).run(is_live).expect("rewritten");
    }
}

fn pinned_segments_can_be_read_after_they_were_rewritten(disk: impl Disk) {
    let (mut bodies, reader) = Bodies::open(disk, 0, options()).expect("opens");
    let mut end = 0;
    (1..=200).for_each(|number| end = append(&mut bodies, &[number * 10]));
    let (_, pinned) = reader.pin(|| ((), end)).expect("pinned");
    let removed: Vec<u64> = tens(1, 150);
    rewrite(&mut bodies, end, &removed);
    append(&mut bodies, &[2_010]);
    assert_eq!(read(&reader, Cursor::START, ALL, 900).expect("intact").len(), 51);
    assert_eq!(copied(&pinned).expect("intact"), tens(1, 200));
    let (_, pinned) = reader.pin(|| ((), bodies.end())).expect("pinned");
    assert_eq!(copied(&pinned).expect("intact"), tens(151, 201));
}

fn segments_that_are_rewritten_while_they_are_pinned_are_looked_at_again(disk: impl Disk) {
    let (bodies, reader) = Bodies::open(disk, 0, options()).expect("opens");
    let mut bodies = std::cell::RefCell::new(bodies);
    let mut end = 0;
    (1..=200).for_each(|number| end = append(bodies.get_mut(), &[number * 10]));
    let removed: Vec<u64> = tens(1, 150);
    let looks = Cell::new(0);
    let (look, pinned) = reader
        .pin(|| {
            looks.set(looks.get() + 1);
            if looks.get() == 1 {
                // The state that is taken here does not know yet that these were removed.
                rewrite(&mut bodies.borrow_mut(), end, &removed);
            }
            (looks.get(), end)
        })
        .expect("pinned");
    assert_eq!(look, 2, "the state must be taken after the segments were rewritten");
    assert_eq!(copied(&pinned).expect("intact"), tens(151, 200));
}

#[test]
fn a_copy_with_any_changed_byte_is_not_accepted() {
    let (mut bodies, reader) = Bodies::open(MemoryDisk::new(), 0, options()).expect("opens");
    let mut end = 0;
    (1..=60).for_each(|number| end = append(&mut bodies, &[number * 10]));
    let (_, pinned) = reader.pin(|| ((), end)).expect("pinned");
    assert!(pinned.segments().len() > 2);
    let disk = MemoryDisk::new();
    for segment in pinned.segments() {
        let bytes = pinned.read(&segment.name, 0, usize::MAX).expect("read").expect("it is pinned");
        let is_accepted = |bytes: &[u8], name: String| {
            let file = disk.create(&name).expect("created");
            file.write_at(bytes, 0).expect("written");
            let copy = SegmentCopy::open(&name, file, segment.kind, StoreId(7));
            copy.and_then(|copy| copy.records(|_, _| Ok(())).map(drop)).is_ok()
        };
        assert!(is_accepted(&bytes, segment.name.clone()));
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1 << (at % 8);
            assert!(
                !is_accepted(&changed, format!("{}-{at}", segment.name)),
                "byte {at} of {}",
                segment.name
            );
        }
        let mut cut = bytes.clone();
        cut.pop();
        assert!(!is_accepted(&cut, format!("{}-cut", segment.name)));
    }
}
