//! What each [`Disk`] must do, and a macro that runs a check over each kind of disk.

use crate::disk::{Disk, DiskFile};
use std::io::ErrorKind;

/// Makes a test of each named check, over a disk in memory, over one that writes later, and over a
/// real one.
macro_rules! over_each_disk {
    ($($name:ident;)*) => {
        mod in_memory {
            $(#[test] fn $name() { super::$name($crate::memory_disk::MemoryDisk::new()); })*
        }
        mod behind {
            $(#[test] fn $name() {
                super::$name($crate::write_behind::WriteBehind::new($crate::memory_disk::MemoryDisk::new()));
            })*
        }
        mod on_disk {
            $(#[test] fn $name() {
                let directory = tempfile::tempdir().expect("a directory");
                super::$name($crate::real_disk::RealDisk::open(directory.path()).expect("a disk"));
            })*
        }
    };
}
pub(crate) use over_each_disk;

over_each_disk! {
    a_file_is_created_once;
    only_existing_files_are_opened;
    names_are_listed_in_order;
    a_rename_replaces_what_was_there;
    a_removed_file_stays_usable_while_it_is_open;
    a_write_is_read_back_at_once_by_every_handle;
    a_write_for_later_is_read_back_at_once;
    a_gap_reads_as_zeros;
    a_read_is_short_only_at_the_end;
    cutting_and_lengthening_leave_zeros;
    reserving_changes_neither_length_nor_content;
    clones_are_the_same_directory;
    syncing_succeeds;
}

fn content(file: &impl DiskFile) -> Vec<u8> {
    let mut bytes = vec![0xaa; file.len().expect("a length") as usize + 8];
    let read = file.read_at(&mut bytes, 0).expect("read");
    bytes.truncate(read);
    bytes
}

fn a_file_is_created_once(disk: impl Disk) {
    let file = disk.create("a").expect("created");
    assert!(file.is_empty().expect("a length"));
    assert_eq!(disk.create("a").expect_err("there already").kind(), ErrorKind::AlreadyExists);
}

fn only_existing_files_are_opened(disk: impl Disk) {
    assert_eq!(disk.open("a").expect_err("not there").kind(), ErrorKind::NotFound);
    assert_eq!(disk.remove("a").expect_err("not there").kind(), ErrorKind::NotFound);
    assert_eq!(disk.rename("a", "b").expect_err("not there").kind(), ErrorKind::NotFound);
}

fn names_are_listed_in_order(disk: impl Disk) {
    assert_eq!(disk.list().expect("listed"), Vec::<String>::new());
    for name in ["b", "a-10", "a-9", "B"] {
        disk.create(name).expect("created");
    }
    assert_eq!(disk.list().expect("listed"), ["B", "a-10", "a-9", "b"]);
}

fn a_rename_replaces_what_was_there(disk: impl Disk) {
    let (old, new) = (disk.create("old").expect("created"), disk.create("new").expect("created"));
    old.write_at(b"old", 0).expect("written");
    new.write_at(b"new", 0).expect("written");
    disk.rename("new", "old").expect("renamed");
    assert_eq!(disk.list().expect("listed"), ["old"]);
    assert_eq!(content(&disk.open("old").expect("opens")), b"new");
    assert_eq!(content(&old), b"old", "an open handle keeps the old content");
}

fn a_removed_file_stays_usable_while_it_is_open(disk: impl Disk) {
    let file = disk.create("a").expect("created");
    disk.remove("a").expect("removed");
    file.write_at(b"still here", 0).expect("written");
    assert_eq!(content(&file), b"still here");
    assert_eq!(content(&disk.create("a").expect("created")), b"");
}

fn a_write_is_read_back_at_once_by_every_handle(disk: impl Disk) {
    let file = disk.create("a").expect("created");
    let other = disk.open("a").expect("opens");
    file.write_at(b"0123456789", 0).expect("written");
    other.write_at(b"ab", 4).expect("written");
    assert_eq!(content(&file), b"0123ab6789");
    assert_eq!(content(&other), b"0123ab6789");
}

fn a_write_for_later_is_read_back_at_once(disk: impl Disk) {
    let file = disk.create("a").expect("created");
    file.write_later(b"abc", 0).expect("written");
    assert_eq!(content(&file), b"abc");
    disk.write_out().expect("written");
    assert_eq!(disk.later_bytes(), 0);
    assert_eq!(content(&disk.open("a").expect("opened")), b"abc");
}

fn a_gap_reads_as_zeros(disk: impl Disk) {
    let file = disk.create("a").expect("created");
    file.write_at(b"x", 700).expect("written");
    assert_eq!(file.len().expect("a length"), 701);
    assert_eq!(content(&file), [&[0; 700][..], b"x"].concat());
}

fn a_read_is_short_only_at_the_end(disk: impl Disk) {
    let file = disk.create("a").expect("created");
    file.write_at(&[7; 100_000], 0).expect("written");
    let mut buffer = vec![0; 90_000];
    assert_eq!(file.read_at(&mut buffer, 0).expect("read"), 90_000);
    assert_eq!(file.read_at(&mut buffer, 90_000).expect("read"), 10_000);
    assert_eq!(file.read_at(&mut buffer, 100_000).expect("read"), 0);
    assert_eq!(file.read_at(&mut buffer, 1 << 40).expect("read"), 0);
}

fn cutting_and_lengthening_leave_zeros(disk: impl Disk) {
    let file = disk.create("a").expect("created");
    file.write_at(&[7; 2_000], 0).expect("written");
    file.set_len(1_000).expect("cut");
    assert_eq!(file.len().expect("a length"), 1_000);
    file.set_len(1_500).expect("lengthened");
    assert_eq!(content(&file), [[7; 1_000].as_slice(), &[0; 500]].concat());
}

fn reserving_changes_neither_length_nor_content(disk: impl Disk) {
    let file = disk.create("a").expect("created");
    file.write_at(b"abc", 0).expect("written");
    file.reserve(100_000).expect("space");
    file.reserve(0).expect("space");
    assert_eq!(content(&file), b"abc");
    file.set_len(3).expect("the reserved space is released");
    assert_eq!(content(&file), b"abc");
}

fn clones_are_the_same_directory(disk: impl Disk) {
    let clone = disk.clone();
    disk.create("a").expect("created").write_at(b"abc", 0).expect("written");
    assert_eq!(content(&clone.open("a").expect("opens")), b"abc");
}

fn syncing_succeeds(disk: impl Disk) {
    let file = disk.create("a").expect("created");
    file.write_at(b"abc", 0).expect("written");
    file.sync().expect("synced");
    disk.sync_dir().expect("synced");
}
