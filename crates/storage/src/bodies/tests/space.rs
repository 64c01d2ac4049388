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
fn what_was_reserved_can_be_appended() {
    for free in (0..60_000).step_by(900) {
        let disk = MemoryDisk::new();
        let (mut bodies, _) = Bodies::open(disk.clone(), 0, options()).expect("opens");
        append(&mut bodies, &[1, 2, 3]);
        disk.set_capacity(Some(disk.used_bytes() + free));
        let mut last = 3;
        let error = loop {
            if let Err(error) = bodies.reserve(2_000) {
                break error;
            }
            append(&mut bodies, &[last + 1, last + 2]);
            append(&mut bodies, &[last + 3, last + 4, last + 5]);
            last += 5;
        };
        assert!(matches!(error, BodyError::NoSpace(_)), "{error}");
        disk.set_capacity(None);
        let end = bodies.sync_handle().run().expect("synced");
        let (_, reader) = Bodies::open(disk, end, options()).expect("opens");
        assert_eq!(read(&reader, Cursor::START, ALL, 900).expect("intact").len() as u64, last);
    }
}

#[test]
fn a_rewrite_without_space_leaves_the_old_segment() {
    let disk = MemoryDisk::new();
    let (mut bodies, reader) = Bodies::open(disk.clone(), 0, options()).expect("opens");
    append(&mut bodies, &(1..=40).collect::<Vec<_>>());
    append(&mut bodies, &[41]);
    let end = bodies.sync_handle().run().expect("synced");
    bodies.persisted(end);
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
