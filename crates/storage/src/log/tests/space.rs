//! A full disk is reported, and a torn write is never taken for data afterwards.

use super::*;
use crate::memory_disk::MemoryDisk;

#[test]
fn a_full_disk_is_reported_and_the_log_continues_when_there_is_space() {
    for free in (0..9_000).step_by(300) {
        let disk = MemoryDisk::new();
        let mut log = open(&disk);
        disk.set_capacity(Some(disk.used_bytes() + free));
        let body = vec![b'f'; 700];
        let mut last = 0;
        let error = loop {
            match log.writer.write(&record(GROUP, None, last + 1, 1, &[&body])) {
                Ok(()) => last += 1,
                Err(error) => break error,
            }
        };
        assert!(matches!(error, LogError::NoSpace(_)), "{error}");
        // What did not fit does not exist, whether the process ends now or continues.
        log.writer.sync().expect("synced");
        let reopened = disk.restart();
        assert_eq!(open(&reopened).groups.get(&GROUP).map_or(0, |group| group.last.0), last);
        disk.set_capacity(None);
        write(&mut log.writer, last + 1, 2, &[b"there is space again"]);
        log.writer.sync().expect("synced");
        let log = open(&disk);
        let entries = read_all(&log.reader, GROUP, log.groups[&GROUP]).expect("intact");
        assert_eq!(entries.len() as u64, last + 1);
        assert_eq!(entries[last as usize].2, b"there is space again");
    }
}

#[test]
fn what_was_reserved_can_be_written() {
    for free in (0..120_000).step_by(1_700) {
        let disk = MemoryDisk::new();
        let mut log = open(&disk);
        write(&mut log.writer, 1, 1, &[&[b'a'; 5_000]]);
        disk.set_capacity(Some(disk.used_bytes() + free));
        let mut last = 1;
        let error = loop {
            // Reserved as the documentation of `reserve` asks: before each proposal.
            if let Err(error) = log.writer.reserve(6_000) {
                break error;
            }
            for length in [200, 1_000, 4_000] {
                last += 1;
                write(&mut log.writer, last, 1, &[&vec![b'b'; length]]);
            }
            log.writer.sync().expect("synced");
        };
        assert!(matches!(error, LogError::NoSpace(_)), "{error}");
        assert!(disk.used_bytes() <= disk.used_bytes() + free);
        disk.set_capacity(None);
        assert_eq!(open(&disk).groups[&GROUP].last, Index(last));
    }
}

#[test]
fn a_disk_without_space_for_a_spare_still_takes_what_fits() {
    let disk = MemoryDisk::new();
    let mut log = open(&disk);
    disk.set_capacity(Some(disk.used_bytes() + 6_000));
    assert!(matches!(log.preparer.prepare(), Err(LogError::NoSpace(_))));
    assert_eq!(disk.list().expect("listed").len(), 1, "the unfinished spare is gone");
    log.writer.reserve(1_000).expect("there is space for this");
    write(&mut log.writer, 1, 1, &[b"1"]);
    log.writer.sync().expect("synced");
}
