//! Flipped bits: none hides an event, and none changes what an event says.

use super::*;
use crate::disk::DiskFile;
use crate::memory_disk::MemoryDisk;
use model::Wall;

pub(super) fn written() -> (MemoryDisk, u64) {
    let disk = MemoryDisk::new();
    let (mut bodies, _) = Bodies::open(disk.clone(), 0, options()).expect("opens");
    for position in 1..=60 {
        append(&mut bodies, &[position]);
    }
    let end = bodies.sync_handle().run().expect("synced");
    bodies.persisted(flushed_to(end));
    bodies.note_removed(&[Position(5)], Wall(0));
    let segment = bodies.compaction_due(Wall(1_000)).expect("space").expect("due");
    bodies.compaction(segment).run(|_| Ok::<_, std::io::Error>(true)).expect("rewritten");
    bodies.note_removed(&[Position(25)], Wall(0));
    bodies.sync_handle().run().expect("synced");
    (disk, end)
}

/// All positions, page by page and one by one. A record's checksum error counts as reported.
fn read_checked(disk: MemoryDisk, end: u64) -> Result<Vec<u64>, BodyError> {
    let (_, reader) = Bodies::open(disk, end, options())?;
    let damaged = BodyError::Damaged { file: String::new(), offset: 0, what: "reported by decode" };
    let (mut found, mut after) = (Vec::new(), Cursor::START);
    for position in 1..=60 {
        let Some(bytes) = reader.get(Position(position))? else { panic!("{position} is hidden") };
        match body::decode(&bytes) {
            Ok((record, _)) => assert_eq!(record.position.0, position),
            Err(_) => return Err(damaged),
        }
    }
    loop {
        let page = reader.page_after(after, cursor(60), 900)?;
        let mut rest = &page.bytes[..];
        while !rest.is_empty() {
            let Ok((record, len)) = body::decode(rest) else { return Err(damaged) };
            found.push(record.position.0);
            rest = &rest[len..];
        }
        after = page.through;
        if page.at_end {
            return Ok(found);
        }
    }
}

#[test]
fn a_flipped_bit_is_reported_or_harmless_wherever_it_is() {
    let (disk, end) = written();
    let mut reported = 0;
    for name in disk.list().expect("listed") {
        let length = disk.open(&name).and_then(|file| file.len()).expect("there");
        for at in (0..length).step_by(3) {
            let disk = disk.restart();
            assert!(disk.flip_bit(&name, at, (at % 8) as u8));
            match read_checked(disk, end) {
                Ok(found) => assert_eq!(found, (1..=60).collect::<Vec<_>>(), "{name} at {at}"),
                Err(BodyError::Damaged { .. } | BodyError::Refused { .. } | BodyError::TooShort { .. }) => {
                    reported += 1;
                }
                Err(error) => panic!("{name} at {at}: {error}"),
            }
        }
    }
    assert!(reported > 2_500, "almost every byte matters: {reported}");
}

#[test]
fn a_missing_segment_is_noticed() {
    let (disk, end) = written();
    for name in disk.list().expect("listed") {
        let disk = disk.restart();
        disk.remove(&name).expect("removed");
        match Bodies::open(disk, end, options()) {
            Ok(_) => assert_eq!(name, "account"),
            Err(BodyError::Damaged { .. } | BodyError::TooShort { .. }) => {}
            Err(error) => panic!("{name}: {error}"),
        }
    }
}

#[test]
fn a_failed_sync_is_final() {
    let disk = MemoryDisk::new();
    let (mut bodies, _) = Bodies::open(disk.clone(), 0, options()).expect("opens");
    append(&mut bodies, &[1]);
    disk.fail_at(disk.operations(), std::io::ErrorKind::Other);
    assert!(matches!(bodies.sync_handle().run(), Err(BodyError::Failed { .. })));
    assert!(matches!(bodies.sync_handle().run(), Err(BodyError::Poisoned)));
    assert!(matches!(bodies.append(&encoded(2), cursor(2)), Err(BodyError::Poisoned)));
}
