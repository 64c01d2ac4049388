//! How a log behaves when nothing fails.

use super::*;
use crate::conformance::disk::over_each_disk;
use crate::disk::DiskFile;
use crate::log::Prepared;
use crate::memory_disk::MemoryDisk;
use format::terms::Terms;

over_each_disk! {
    entries_survive_a_restart;
    an_entry_replaces_all_entries_from_its_index_on;
    a_group_starts_over_after_a_gap;
    groups_share_frames_but_not_entries;
    an_entry_longer_than_a_segment_is_kept;
    purging_recycles_segments_and_keeps_hard_states;
    a_purge_of_everything_keeps_the_next_index;
    readers_find_nothing_in_recycled_segments;
    a_prepared_segment_is_used_next;
    surplus_spares_are_removed_and_not_missed;
    scrubbing_leaves_no_old_bytes_in_spares;
    a_page_stops_at_its_bound_but_holds_at_least_one_entry;
    another_stores_log_is_refused;
    a_file_that_is_not_ours_is_refused;
}

fn entries_survive_a_restart(disk: impl Disk) {
    let mut log = open(&disk);
    assert_eq!(log.groups, BTreeMap::new());
    let body = vec![b'x'; 900];
    for index in 1..=100 {
        let state = Some(hard_state(3, 1, index - 1));
        log.writer.write(&record(GROUP, state, index, 3, &[&body])).expect("space");
        log.writer.sync().expect("synced");
    }
    assert!(log.writer.stats().segments > 5);
    drop(log);
    let log = open(&disk);
    let group = &log.groups[&GROUP];
    assert_eq!(group.hard_state, hard_state(3, 1, 99));
    assert_eq!((group.first, group.last), (Index(1), Index(100)));
    let entries = read_all(&log.reader, GROUP, group).expect("intact");
    assert_eq!(entries.len(), 100);
    assert!(entries.iter().zip(1..).all(|(entry, index)| *entry == (index, 3, body.clone())));
    assert_eq!(entry_at(&log.reader, GROUP, 50), Some((Term(3), body)));
    assert_eq!(entry_at(&log.reader, GROUP, 0), None);
    assert_eq!(entry_at(&log.reader, GROUP, 101), None);
    assert_eq!(entry_at(&log.reader, GroupId(2), 1), None);
}

fn an_entry_replaces_all_entries_from_its_index_on(disk: impl Disk) {
    let mut log = open(&disk);
    let long = vec![b'o'; 3000];
    for index in 1..=12 {
        write(&mut log.writer, index, 1, &[&long]);
    }
    write(&mut log.writer, 4, 2, &[b"new 4", b"new 5"]);
    // Twice in one frame: there too, the later one counts.
    let mut twice = record(GROUP, None, 6, 2, &[b"old 6", b"old 7"]);
    twice.extend(record(GROUP, None, 6, 3, &[b"new 6"]));
    log.writer.write(&twice).expect("space");
    log.writer.sync().expect("synced");
    for reopened in [false, true] {
        if reopened {
            log = open(&disk);
        }
        let mut terms = Terms::default();
        for (first, term) in [(1, 1), (4, 2), (6, 3)] {
            terms.set(Index(first), Term(term));
        }
        let group = RecoveredGroup { first: Index(1), last: Index(6), terms, ..RecoveredGroup::default() };
        if reopened {
            assert_eq!(log.groups[&GROUP], group);
        }
        let entries = read_all(&log.reader, GROUP, &group).expect("intact");
        let old = (1..4).map(|index| (index, 1, long.clone()));
        let new = [(4, 2, b"new 4".to_vec()), (5, 2, b"new 5".to_vec()), (6, 3, b"new 6".to_vec())];
        assert_eq!(entries, old.chain(new).collect::<Vec<_>>(), "reopened: {reopened}");
    }
}

fn a_group_starts_over_after_a_gap(disk: impl Disk) {
    let mut log = open(&disk);
    write(&mut log.writer, 1, 1, &[b"1", b"2"]);
    write(&mut log.writer, 100, 5, &[b"100"]);
    log.writer.sync().expect("synced");
    let log = open(&disk);
    assert_eq!((log.groups[&GROUP].first, log.groups[&GROUP].last), (Index(100), Index(100)));
    assert_eq!(entry_at(&log.reader, GROUP, 2), None);
    assert_eq!(entry_at(&log.reader, GROUP, 100), Some((Term(5), b"100".to_vec())));
}

fn groups_share_frames_but_not_entries(disk: impl Disk) {
    let mut log = open(&disk);
    let mut frame = Vec::new();
    for index in 1..=40 {
        frame.clear();
        for group in [1, 2, 9] {
            let body = format!("{group}/{index}").repeat(40);
            let state = hard_state(1, u64::from(group), index);
            frame.extend(record(GroupId(group), Some(state), index, 1, &[body.as_bytes()]));
        }
        log.writer.write(&frame).expect("space");
    }
    log.writer.sync().expect("synced");
    let log = open(&disk);
    for group in [1, 2, 9] {
        let found = &log.groups[&GroupId(group)];
        assert_eq!(found.hard_state, hard_state(1, u64::from(group), 40));
        for (index, _, bytes) in read_all(&log.reader, GroupId(group), found).expect("intact") {
            assert_eq!(bytes, format!("{group}/{index}").repeat(40).as_bytes());
        }
    }
}

fn an_entry_longer_than_a_segment_is_kept(disk: impl Disk) {
    let mut log = open(&disk);
    let long = vec![b'l'; 50 << 10];
    write(&mut log.writer, 1, 1, &[b"before"]);
    write(&mut log.writer, 2, 1, &[&long]);
    write(&mut log.writer, 3, 1, &[b"after"]);
    log.writer.sync().expect("synced");
    let log = open(&disk);
    let entries = read_all(&log.reader, GROUP, &log.groups[&GROUP]).expect("intact");
    assert_eq!(entries[1], (2, 1, long));
    assert_eq!(entries[2], (3, 1, b"after".to_vec()));
}

fn purging_recycles_segments_and_keeps_hard_states(disk: impl Disk) {
    let mut log = open(&disk);
    let body = vec![b'p'; 2000];
    log.writer.write(&record(GroupId(2), Some(hard_state(8, 3, 0)), 0, 0, &[])).expect("space");
    for index in 1..=200 {
        log.writer.write(&record(GROUP, Some(hard_state(4, 2, index)), index, 4, &[&body])).expect("space");
        log.writer.sync().expect("synced");
        log.writer.purge(GROUP, Index(index.saturating_sub(5))).expect("space");
    }
    assert!(disk.list().expect("listed").len() <= 6, "segments are used again");
    log.writer.sync().expect("synced");
    let log = open(&disk);
    assert_eq!(log.groups[&GroupId(2)].hard_state, hard_state(8, 3, 0), "written 50 segments ago");
    assert_eq!(log.groups[&GROUP].hard_state, hard_state(4, 2, 200));
    assert_eq!((log.groups[&GROUP].first, log.groups[&GROUP].last), (Index(196), Index(200)));
}

fn a_purge_of_everything_keeps_the_next_index(disk: impl Disk) {
    let mut log = open(&disk);
    write(&mut log.writer, 1, 1, &[b"1", b"2", b"3"]);
    log.writer.purge(GROUP, Index(3)).expect("space");
    log.writer.rotate().expect("space");
    log.writer.sync().expect("synced");
    log.preparer.scrub_spares().expect("scrubbed");
    let mut log = open(&disk);
    assert_eq!((log.groups[&GROUP].first, log.groups[&GROUP].last), (Index(4), Index(3)));
    assert_eq!(log.groups[&GROUP].terms.at(Index(3)), Some(Term(1)), "a replica may be asked for it");
    write(&mut log.writer, 4, 1, &[b"4"]);
    assert_eq!(entry_at(&log.reader, GROUP, 4), Some((Term(1), b"4".to_vec())));
}

fn readers_find_nothing_in_recycled_segments(disk: impl Disk) {
    let mut log = open(&disk);
    let body = vec![b'r'; 3000];
    for index in 1..=40 {
        write(&mut log.writer, index, 1, &[&body]);
        // The reader still has the segment's index when the segment is used again.
        let found = entry_at(&log.reader, GROUP, index.saturating_sub(8).max(1));
        assert!(found.is_some(), "{index}");
        log.writer.purge(GROUP, Index(index.saturating_sub(10))).expect("space");
    }
    assert_eq!(entry_at(&log.reader, GROUP, 3), None);
}

fn a_prepared_segment_is_used_next(disk: impl Disk) {
    let mut log = open(&disk);
    assert!(log.preparer.is_wanted());
    assert_eq!(log.preparer.prepare().expect("space"), Prepared::Some);
    assert!(!log.preparer.is_wanted());
    assert_eq!(log.preparer.prepare().expect("space"), Prepared::Nothing);
    let files = disk.list().expect("listed");
    assert_eq!(files.len(), 2);
    log.writer.rotate().expect("space");
    assert_eq!(disk.list().expect("listed"), files, "no file was created");
    write(&mut log.writer, 1, 1, &[b"1"]);
    log.writer.sync().expect("synced");
    let length = |name: &String| disk.open(name).and_then(|file| file.len()).expect("there");
    assert_eq!(length(&files[1]), 16 << 10, "the prepared file has not grown");
    let log = open(&disk);
    assert_eq!(entry_at(&log.reader, GROUP, 1), Some((Term(1), b"1".to_vec())));
}

fn surplus_spares_are_removed_and_not_missed(disk: impl Disk) {
    let mut log = open(&disk);
    let body = vec![b's'; 3000];
    for index in 1..=40 {
        write(&mut log.writer, index, 1, &[&body]);
    }
    log.writer.purge(GROUP, Index(39)).expect("space");
    log.writer.sync().expect("synced");
    assert!(log.writer.stats().spares > 2);
    while log.preparer.is_wanted() {
        log.preparer.prepare().expect("space");
    }
    assert_eq!(log.writer.stats().spares, 2);
    drop(log);
    let log = open(&disk);
    let entries = read_all(&log.reader, GROUP, &log.groups[&GROUP]).expect("intact");
    assert_eq!(entries, [(40, 1, body)]);
    assert_eq!(log.groups[&GROUP].first, Index(40));
}

fn scrubbing_leaves_no_old_bytes_in_spares(disk: impl Disk) {
    let mut log = open(&disk);
    let secret = b"a name that was to be forgotten".repeat(60);
    for index in 1..=20 {
        write(&mut log.writer, index, 1, &[&secret]);
    }
    log.writer.rotate().expect("space");
    log.writer.purge(GROUP, Index(20)).expect("space");
    log.writer.sync().expect("synced");
    log.preparer.scrub_spares().expect("scrubbed");
    while log.preparer.is_wanted() {
        log.preparer.prepare().expect("space");
    }
    for name in disk.list().expect("listed") {
        let file = disk.open(&name).expect("opens");
        let mut content = vec![0; file.len().expect("a length") as usize];
        file.read_at(&mut content, 0).expect("read");
        assert!(!content.windows(11).any(|bytes| bytes == b"a name that"), "{name}");
    }
    assert_eq!(open(&disk).groups[&GROUP].last, Index(20));
}

fn a_page_stops_at_its_bound_but_holds_at_least_one_entry(disk: impl Disk) {
    let mut log = open(&disk);
    write(&mut log.writer, 1, 1, &[&[0; 700], &[1; 200], &[2; 200], &[3; 10]]);
    for (from, bytes_max, want) in
        [(1, 0, 1), (1, 700, 1), (1, 900, 2), (1, 1109, 3), (1, 1110, 4), (2, 10, 1), (4, 9999, 1)]
    {
        let page = log.reader.entries(GROUP, Index(from), bytes_max).expect("intact");
        assert_eq!(page.entries.len(), want, "from {from}, {bytes_max} bytes");
    }
}

fn another_stores_log_is_refused(disk: impl Disk) {
    drop(open(&disk));
    let options = LogOptions { store: StoreId(8), ..options() };
    let error = Log::open(disk, options).expect_err("another store's");
    assert!(matches!(error, LogError::OtherStore { .. }), "{error}");
}

fn a_file_that_is_not_ours_is_refused(disk: impl Disk) {
    drop(open(&disk));
    disk.create("notes.txt").expect("created");
    let error = Log::open(disk, options()).expect_err("not ours");
    assert!(matches!(&error, LogError::Refused { file, .. } if file == "notes.txt"), "{error}");
}

#[test]
fn a_failed_sync_is_final() {
    let disk = MemoryDisk::new();
    let mut log = open(&disk);
    write(&mut log.writer, 1, 1, &[b"1"]);
    disk.fail_at(disk.operations(), std::io::ErrorKind::Other);
    assert!(matches!(log.writer.sync(), Err(LogError::Failed { .. })));
    assert!(
        matches!(log.writer.sync(), Err(LogError::Poisoned)),
        "although the disk would report success now"
    );
    assert!(matches!(log.writer.write(&record(GROUP, None, 2, 1, &[b"2"])), Err(LogError::Poisoned)));
    assert!(matches!(log.writer.mark(), Err(LogError::Poisoned)));
    assert!(matches!(log.preparer.prepare(), Err(LogError::Poisoned)));
}

#[test]
fn bytes_that_are_not_records_are_never_written() {
    let disk = MemoryDisk::new();
    let mut log = open(&disk);
    assert!(matches!(log.writer.write(b"nonsense"), Err(LogError::BadRecords)));
}
