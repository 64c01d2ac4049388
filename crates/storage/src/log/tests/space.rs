//! A full disk is reported, and a torn write is never taken for data afterwards.

use super::*;
use crate::disk::DiskFile;
use crate::log::Prepared;
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
        let entries = read_all(&log.reader, GROUP, &log.groups[&GROUP]).expect("intact");
        assert_eq!(entries.len() as u64, last + 1);
        assert_eq!(entries[last as usize].2, b"there is space again");
    }
}

#[test]
fn a_disk_without_space_for_a_spare_still_takes_what_fits() {
    let disk = MemoryDisk::new();
    let mut log = open(&disk);
    disk.set_capacity(Some(disk.used_bytes() + 6_000));
    assert!(matches!(log.preparer.prepare(), Err(LogError::NoSpace(_))));
    assert_eq!(disk.list().expect("listed").len(), 1, "the unfinished spare is gone");
    write(&mut log.writer, 1, 1, &[b"1"]);
    log.writer.sync().expect("synced");
}

/// A purge and a mark may find no space either. They can be left out until there is some, because the log
/// holds the same without them.
#[test]
fn on_a_full_disk_purges_and_marks_fail_but_the_log_keeps_what_it_holds() {
    let mut refused = 0;
    for free in (0..40_000).step_by(500) {
        let disk = MemoryDisk::new();
        let mut log = open(&disk);
        disk.set_capacity(Some(disk.used_bytes() + free));
        let body = vec![b'p'; 900];
        let mut last = 0;
        while log.writer.write(&record(GROUP, None, last + 1, 1, &[&body])).is_ok() {
            last += 1;
        }
        log.writer.sync().expect("synced");
        for result in [log.writer.purge(GROUP, Index(last)), log.writer.mark(), log.writer.rotate()] {
            match result {
                Ok(()) => {}
                Err(LogError::NoSpace(_)) => refused += 1,
                Err(error) => panic!("{error}"),
            }
        }
        log.writer.sync().expect("the log is still usable");
        let held = open(&disk.restart()).groups.get(&GROUP).map_or(Index(0), |group| group.last);
        assert_eq!(held, Index(last));
        disk.set_capacity(None);
        log.writer.purge(GROUP, Index(last)).expect("space");
        write(&mut log.writer, last + 1, 2, &[b"there is space again"]);
        log.writer.sync().expect("synced");
        let group = &open(&disk).groups[&GROUP];
        assert_eq!((group.first, group.last), (Index(last + 1), Index(last + 1)), "free {free}");
    }
    assert!(refused > 40, "{refused}");
}

#[test]
fn a_log_that_keeps_no_spares_prepares_none() {
    let options = LogOptions { spares_max: 0, ..options() };
    let log = Log::open(MemoryDisk::new(), options).expect("the log opens");
    assert!(!log.preparer.is_wanted());
    assert_eq!(log.preparer.prepare().expect("there is space"), Prepared::Nothing);
}

#[test]
fn spares_have_the_length_of_a_segment_and_outlive_a_restart() {
    let disk = MemoryDisk::new();
    // Not a multiple of the writes that fill it with zeros.
    let options = LogOptions { segment_bytes: 80 << 10, ..options() };
    let log = Log::open(disk.clone(), options).expect("the log opens");
    assert!(log.preparer.is_wanted());
    while log.preparer.prepare().expect("there is space") == Prepared::Some {}
    let length = |name: &String| disk.open(name).expect("there").len().expect("a length");
    let names = disk.list().expect("listed");
    assert!(names.iter().any(|name| length(name) == 80 << 10));
    assert!(names.iter().all(|name| length(name) <= 80 << 10));
    drop(log);
    let log = Log::open(disk.clone(), options).expect("the log opens");
    assert!(!log.preparer.is_wanted(), "the spare is kept");
    assert_eq!(disk.list().expect("listed"), names);
}

#[test]
fn a_log_without_space_for_a_whole_segment_begins_a_smaller_one() {
    let disk = MemoryDisk::new();
    let mut log = open(&disk);
    let segment = log.writer.stats();
    assert_eq!((segment.segments, segment.bytes), (1, 16 << 10));
    disk.set_capacity(Some(disk.used_bytes() + (6 << 10)));
    let mut last = 0;
    while log.writer.write(&record(GROUP, None, last + 1, 1, &[&[b'f'; 700]])).is_ok() {
        last += 1;
    }
    assert_eq!(log.writer.stats().segments, 2);
    let written = disk.used_bytes() - (16 << 10);
    assert!(written > 4 << 10, "only {written} bytes of the second segment");
}
