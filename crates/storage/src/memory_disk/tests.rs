//! What a crash may leave, and what it must not change.

use super::*;
use seeded_rng::Rng;
use std::collections::BTreeSet;
use std::io::ErrorKind;

fn content(disk: &MemoryDisk, name: &str) -> Option<Vec<u8>> {
    let file = disk.open(name).ok()?;
    let mut bytes = vec![0; file.len().ok()? as usize];
    file.read_at(&mut bytes, 0).ok()?;
    Some(bytes)
}

/// What a crash with this seed leaves.
fn crash(disk: &MemoryDisk, seed: u64) -> MemoryDisk {
    let mut rng = Rng::new(seed);
    disk.crash(&mut || rng.next_u64())
}

/// Every outcome of many crashes.
fn outcomes<T: Ord>(disk: &MemoryDisk, look: impl Fn(&MemoryDisk) -> T) -> BTreeSet<T> {
    (0..300).map(|seed| look(&crash(disk, seed))).collect()
}

fn synced_file(disk: &MemoryDisk, bytes: &[u8]) -> MemoryFile {
    let file = disk.create("a").expect("created");
    file.write_at(bytes, 0).expect("written");
    file.sync().expect("synced");
    disk.sync_dir().expect("synced");
    file
}

#[test]
fn what_was_synced_is_never_lost() {
    let disk = MemoryDisk::new();
    synced_file(&disk, &[7; 2_000]);
    assert_eq!(outcomes(&disk, |disk| content(disk, "a")), [Some(vec![7; 2_000])].into());
}

#[test]
fn each_unsynced_sector_is_old_or_new_or_in_between() {
    let disk = MemoryDisk::new();
    let file = synced_file(&disk, &[0; 1_024]);
    file.write_at(&[1; 1_024], 0).expect("written");
    file.write_at(&[2; 512], 512).expect("written");
    let sectors = outcomes(&disk, |disk| content(disk, "a").map(|bytes| (bytes[0], bytes[512])));
    let all = [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2)].map(Some);
    assert_eq!(sectors, all.into());
    let torn_inside = outcomes(&disk, |disk| {
        content(disk, "a").is_some_and(|bytes| bytes.chunks(512).any(|s| s.iter().any(|byte| *byte != s[0])))
    });
    assert_eq!(torn_inside, [false].into(), "a sector is whole");
}

#[test]
fn a_file_that_grew_keeps_any_of_its_lengths_and_zeros_where_data_was_lost() {
    let disk = MemoryDisk::new();
    let file = synced_file(&disk, &[1; 512]);
    file.write_at(&[2; 512], 512).expect("written");
    let found = outcomes(&disk, |disk| content(disk, "a").map(|bytes| (bytes.len(), bytes.last().copied())));
    let all = [(512, Some(1)), (1_024, Some(0)), (1_024, Some(2))].map(Some);
    assert_eq!(found, all.into());
}

#[test]
fn a_truncation_that_was_not_synced_may_be_undone() {
    let disk = MemoryDisk::new();
    let file = synced_file(&disk, &[1; 1_024]);
    file.set_len(512).expect("cut");
    let lengths = outcomes(&disk, |disk| content(disk, "a").map(|bytes| bytes.len()));
    assert_eq!(lengths, [Some(512), Some(1_024)].into());
}

#[test]
fn a_synced_file_without_a_synced_name_may_be_lost() {
    let disk = MemoryDisk::new();
    let file = disk.create("a").expect("created");
    file.write_at(b"x", 0).expect("written");
    file.sync().expect("synced");
    assert_eq!(outcomes(&disk, |disk| content(disk, "a")), [None, Some(b"x".to_vec())].into());
}

#[test]
fn renames_and_removals_that_were_not_synced_may_be_undone() {
    let disk = MemoryDisk::new();
    synced_file(&disk, b"a");
    disk.rename("a", "b").expect("renamed");
    let names = |disk: &MemoryDisk| disk.list().expect("listed").concat();
    assert_eq!(outcomes(&disk, names), ["a".to_owned(), "b".to_owned()].into());
    disk.sync_dir().expect("synced");
    disk.remove("b").expect("removed");
    assert_eq!(outcomes(&disk, names), [String::new(), "b".to_owned()].into());
}

#[test]
fn the_same_random_numbers_give_the_same_disk() {
    let disk = MemoryDisk::new();
    let file = synced_file(&disk, &[0; 8_192]);
    file.write_at(&[1; 8_192], 0).expect("written");
    for seed in 0..50 {
        let [first, second] = [0, 1].map(|_| content(&crash(&disk, seed), "a"));
        assert_eq!(first, second);
    }
}

#[test]
fn the_end_of_the_process_keeps_everything_but_a_later_power_cut_does_not() {
    let disk = MemoryDisk::new();
    let file = synced_file(&disk, &[0; 512]);
    file.write_at(&[1; 512], 0).expect("written");
    let restarted = disk.restart();
    assert_eq!(content(&restarted, "a"), Some(vec![1; 512]));
    assert_eq!(outcomes(&restarted, |disk| content(disk, "a")).len(), 2);
    file.write_at(&[2; 512], 0).expect("written");
    assert_eq!(content(&restarted, "a"), Some(vec![1; 512]), "a disk of its own");
}

#[test]
fn after_a_failed_sync_a_later_one_succeeds_but_the_data_is_lost() {
    let disk = MemoryDisk::new();
    let file = synced_file(&disk, &[0; 512]);
    file.write_at(&[1; 512], 0).expect("written");
    disk.fail_at(disk.operations(), ErrorKind::Other);
    file.sync().expect_err("it was told to fail");
    file.sync().expect("it reports success");
    assert_eq!(content(&disk, "a"), Some(vec![1; 512]), "reads still show it");
    assert_eq!(outcomes(&disk, |disk| content(disk, "a")), [Some(vec![0; 512])].into());
}

#[test]
fn a_crash_ends_everything_in_the_middle_of_the_operation() {
    let disk = MemoryDisk::new();
    let file = synced_file(&disk, &[0; 1_024]);
    disk.crash_at(disk.operations());
    let error = file.write_at(&[1; 1_024], 0).expect_err("the end");
    assert!(is_crash(&error));
    assert!(is_crash(&file.sync().expect_err("the end")));
    assert!(is_crash(&file.read_at(&mut [0; 8], 0).expect_err("the end")));
    assert!(is_crash(&disk.list().expect_err("the end")));
    assert!(!is_crash(&ErrorKind::Other.into()));
    assert_eq!(
        outcomes(&disk, |disk| content(disk, "a")).len(),
        4,
        "each sector of the last write was kept or lost"
    );
}

#[test]
fn the_chosen_operation_or_read_fails_and_no_other() {
    let disk = MemoryDisk::new();
    let file = synced_file(&disk, b"abc");
    disk.fail_at(disk.operations() + 1, ErrorKind::StorageFull);
    disk.fail_read_at(disk.reads(), ErrorKind::Other);
    file.write_at(b"x", 0).expect("written");
    assert_eq!(file.write_at(b"y", 0).expect_err("told to fail").kind(), ErrorKind::StorageFull);
    file.write_at(b"z", 1).expect("written");
    assert_eq!(file.read_at(&mut [0; 8], 0).expect_err("told to fail").kind(), ErrorKind::Other);
    assert_eq!(content(&disk, "a"), Some(b"xzc".to_vec()));
}

#[test]
fn a_full_disk_takes_what_fits_and_removal_frees_space() {
    let disk = MemoryDisk::new();
    disk.set_capacity(Some(1_000));
    let file = disk.create("a").expect("created");
    file.reserve(600).expect("space");
    assert_eq!(disk.used_bytes(), 600);
    let other = disk.create("b").expect("created");
    assert_eq!(other.reserve(401).expect_err("full").kind(), ErrorKind::StorageFull);
    assert_eq!(other.write_at(&[1; 500], 0).expect_err("full").kind(), ErrorKind::StorageFull);
    assert_eq!(other.len().expect("a length"), 400, "part was written");
    file.write_at(&[2; 600], 0).expect("reserved");
    disk.remove("b").expect("removed");
    assert_eq!(disk.used_bytes(), 600);
}
