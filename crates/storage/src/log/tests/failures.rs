//! A failed write or sync ends the process, but the machine stays up. The next process can read everything
//! that was written, although some of it may exist only in the system's cache and count as written there.

use super::*;
use crate::memory_disk::MemoryDisk;
use seeded_rng::Rng;
use std::io::ErrorKind;

/// Makes the next sync fail, and returns the disk as the next process finds it.
fn fail_sync(disk: &MemoryDisk, mut log: OpenedLog<MemoryDisk>) -> MemoryDisk {
    disk.fail_at(disk.operations(), ErrorKind::Other);
    assert!(matches!(log.writer.sync(), Err(LogError::Failed { .. })));
    disk.restart()
}

/// The last entry of the group after a power cut, which must be the same after each of many.
fn last_after_any_power_cut(disk: &MemoryDisk) -> Index {
    let mut found = Vec::new();
    for seed in 0..100 {
        let mut rng = Rng::new(seed);
        let log = open(&disk.crash(&mut || rng.next_u64()));
        let group = &log.groups[&GROUP];
        read_all(&log.reader, GROUP, group).expect("intact");
        found.push(group.last);
    }
    found.dedup();
    assert_eq!(found.len(), 1, "{found:?}");
    found[0]
}

#[test]
fn frames_of_a_failed_sync_are_written_again_before_anything_follows_them() {
    for length in [100, 3_000, 9_000] {
        let disk = MemoryDisk::new();
        let mut log = open(&disk);
        let body = vec![b'b'; length];
        write(&mut log.writer, 1, 1, &[&body]);
        log.writer.sync().expect("synced");
        for index in 2..=4 {
            write(&mut log.writer, index, 1, &[&body]);
        }
        let disk = fail_sync(&disk, log);
        let mut log = open(&disk);
        assert_eq!(log.groups[&GROUP].last, Index(4), "what was written can still be read");
        write(&mut log.writer, 5, 2, &[b"acknowledged"]);
        log.writer.sync().expect("synced");
        log.writer.mark().expect("space");
        log.writer.sync().expect("synced");
        assert_eq!(last_after_any_power_cut(&disk), Index(5), "length {length}");
    }
}

#[test]
fn a_segment_whose_first_sync_failed_is_written_again() {
    let disk = MemoryDisk::new();
    let mut log = open(&disk);
    write(&mut log.writer, 1, 1, &[b"in the first segment"]);
    log.writer.sync().expect("synced");
    let mut failed = 0;
    // A rotation writes the index, syncs it, creates a file, and writes and syncs its beginning.
    for operation in 0..12 {
        let disk = disk.restart();
        let mut log = open(&disk);
        disk.fail_at(disk.operations() + operation, ErrorKind::Other);
        if log.writer.rotate().is_ok() {
            continue;
        }
        failed += 1;
        let disk = disk.restart();
        let mut log = open(&disk);
        write(&mut log.writer, 2, 1, &[b"acknowledged"]);
        log.writer.sync().expect("synced");
        assert_eq!(last_after_any_power_cut(&disk), Index(2), "operation {operation}");
    }
    assert!(failed >= 4, "{failed}");
}
