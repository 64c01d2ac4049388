//! A full disk is reported, and a torn write is never taken for a body afterwards.

use super::*;
use crate::memory_disk::MemoryDisk;
use model::Wall;

#[test]
fn a_full_disk_is_reported_and_appending_continues_when_there_is_space() {
    for free in (0..9_000).step_by(250) {
        let disk = MemoryDisk::new();
        let (mut bodies, reader) = Bodies::open(disk.clone(), 0, options()).expect("opens");
        disk.set_capacity(Some(disk.used_bytes() + free));
        let mut last = 0;
        let error = loop {
            match bodies.append(&encoded(last + 1), cursor(last + 1)) {
                Ok(_) => last += 1,
                Err(error) => break error,
            }
        };
        assert!(matches!(error, BodyError::NoSpace(_)), "{error}");
        assert_eq!(read(&reader, Cursor::START, ALL, 900).expect("intact"), (1..=last).collect::<Vec<_>>());
        let end = bodies.end();
        disk.set_capacity(None);
        bodies.sync_handle().run().expect("synced");
        drop(Bodies::open(disk.restart(), end, options()).expect("opens"));
        append(&mut bodies, &[last + 1]);
        let end = bodies.sync_handle().run().expect("synced");
        let (_, reader) = Bodies::open(disk, end, options()).expect("opens");
        let want: Vec<u64> = (1..=last + 1).collect();
        assert_eq!(read(&reader, Cursor::START, ALL, 900).expect("intact"), want);
    }
}

#[test]
fn what_fits_into_a_prepared_segment_can_be_appended_to_a_full_disk() {
    let disk = MemoryDisk::new();
    let (mut bodies, _) = Bodies::open(disk.clone(), 0, options()).expect("opens");
    let mut last = 0;
    while !bodies.preparer().is_wanted() {
        last += 1;
        append(&mut bodies, &[last]);
    }
    bodies.preparer().prepare().expect("prepared");
    assert!(!bodies.preparer().is_wanted());
    while bodies.stats().segments == 1 {
        last += 1;
        append(&mut bodies, &[last]);
    }
    disk.set_capacity(Some(disk.used_bytes()));
    let before = last;
    let error = loop {
        match bodies.append(&encoded(last + 1), cursor(last + 1)) {
            Ok(_) => last += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(error, BodyError::NoSpace(_)), "{error}");
    assert_eq!(bodies.stats().segments, 2, "it is the next segment that has no space");
    assert!(last > before + 5, "a whole segment was reserved");
    disk.set_capacity(None);
    let end = bodies.sync_handle().run().expect("synced");
    let (_, reader) = Bodies::open(disk, end, options()).expect("opens");
    assert_eq!(read(&reader, Cursor::START, ALL, 900).expect("intact"), (1..=last).collect::<Vec<_>>());
}

#[test]
fn a_full_disk_without_space_for_a_next_segment_is_no_failure() {
    let disk = MemoryDisk::new();
    let (mut bodies, _) = Bodies::open(disk.clone(), 0, options()).expect("opens");
    append(&mut bodies, &(1..=10).collect::<Vec<_>>());
    disk.set_capacity(Some(disk.used_bytes() + 100));
    assert!(matches!(bodies.preparer().prepare(), Err(BodyError::NoSpace(_))));
    assert!(!disk.list().expect("listed").iter().any(|name| name.ends_with(".new")));
    disk.set_capacity(None);
    bodies.preparer().prepare().expect("space now");
    append(&mut bodies, &[11]);
}

#[test]
fn a_rewrite_without_space_leaves_the_old_segment() {
    let disk = MemoryDisk::new();
    let (mut bodies, reader) = Bodies::open(disk.clone(), 0, options()).expect("opens");
    append(&mut bodies, &(1..=40).collect::<Vec<_>>());
    append(&mut bodies, &[41]);
    let end = bodies.sync_handle().run().expect("synced");
    bodies.persisted(flushed_to(end));
    bodies.note_removed(&[Position(1)], Wall(0));
    let segment = bodies.compaction_due(Wall(1_000)).expect("space").expect("due");
    disk.set_capacity(Some(disk.used_bytes() + 2_000));
    let live = |record: &BodyRecord<'_>| Ok::<_, std::io::Error>(record.position.0 > 1);
    let error = bodies.compaction(segment).run(live).expect_err("no space");
    assert!(matches!(error, BodyError::NoSpace(_)), "{error}");
    assert!(!disk.list().expect("listed").iter().any(|name| name.ends_with(".new")));
    assert_eq!(read(&reader, Cursor::START, ALL, 900).expect("intact").len(), 41);
    disk.set_capacity(None);
    bodies.compaction(segment).run(live).expect("space now");
    assert_eq!(read(&reader, Cursor::START, ALL, 900).expect("intact").len(), 40);
}
