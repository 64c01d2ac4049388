//! The step to the next segment: the thread that appends waits for nothing but the system's cache, and a crash
//! at any point loses nothing that a flushed state refers to.

use super::*;
use crate::memory_disk::MemoryDisk;

/// Appends until the next append begins a new segment, and returns the last position.
fn fill_segment(bodies: &mut Bodies<MemoryDisk>, mut last: u64) -> u64 {
    let segments = bodies.stats().segments;
    while bodies.stats().bytes + encoded(last + 1).len() as u64 <= options().segment_bytes * segments as u64 {
        last += 1;
        append(bodies, &[last]);
    }
    assert_eq!(bodies.stats().segments, segments);
    last
}

#[test]
fn a_prepared_roll_changes_no_name_and_no_length() {
    let disk = MemoryDisk::new();
    let (mut bodies, reader) = Bodies::open(disk.clone(), 0, options()).expect("opens");
    let last = fill_segment(&mut bodies, 0);
    bodies.preparer().prepare().expect("prepared");
    let (names, operations) = (disk.list().expect("listed"), disk.operations());
    append(&mut bodies, &[last + 1]);
    assert_eq!(bodies.stats().segments, 2);
    assert_eq!(disk.operations() - operations, 3, "index and trailer, header, the record");
    assert_eq!(disk.list().expect("listed"), names);
    assert_eq!(read(&reader, Cursor::START, ALL, 900).expect("intact"), (1..=last + 1).collect::<Vec<_>>());
    bodies.preparer().prepare().expect("finished");
    assert!(!disk.list().expect("listed").iter().any(|name| name.ends_with(".new")), "it has its name now");
}

#[test]
fn a_segment_that_is_sealed_during_a_sync_is_synced_by_the_next_one() {
    let disk = MemoryDisk::new();
    let (mut bodies, _) = Bodies::open(disk.clone(), 0, options()).expect("opens");
    append(&mut bodies, &[1]);
    let sync = bodies.sync_handle();
    sync.sync_files().expect("synced");
    // Another thread appends, and seals the segment, while the sync is under way.
    let last = fill_segment(&mut bodies, 1) + 1;
    append(&mut bodies, &[last]);
    assert_eq!(bodies.stats().segments, 2);
    sync.forget_synced();
    let end = bodies.sync_handle().run().expect("synced");
    let lost = disk.crash(&mut || 0);
    let (_, reader) = Bodies::open(lost, end, options()).expect("everything up to the end was synced");
    assert_eq!(read(&reader, Cursor::START, ALL, 900).expect("intact"), (1..=last).collect::<Vec<_>>());
}

#[test]
fn segments_that_were_never_given_their_names_are_cut_off() {
    let disk = MemoryDisk::new();
    let (mut bodies, _) = Bodies::open(disk.clone(), 0, options()).expect("opens");
    append(&mut bodies, &[1]);
    let end = bodies.sync_handle().run().expect("synced");
    for position in 2..60 {
        append(&mut bodies, &[position]);
    }
    assert!(bodies.stats().segments > 3);
    let (bodies, reader) = Bodies::open(disk.restart(), end, options()).expect("opens");
    assert_eq!((bodies.end(), bodies.stats().segments), (end, 1));
    assert_eq!(read(&reader, Cursor::START, ALL, 900).expect("intact"), [1]);
}
