//! What programs see of the file system, and what a power cut leaves of it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use fault_fs::{Fate, FaultFs, Kind, Tree};
use seeded_rng::Rng;
use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::Path;

fn mount() -> FaultFs {
    FaultFs::mount(Tree::default())
        .unwrap_or_else(|error| panic!("NOT RUN: nothing can be mounted here: {error}"))
}

/// Everything below the directory: paths, and the content of files.
fn everything(directory: &Path) -> BTreeSet<(String, Vec<u8>)> {
    let mut found = BTreeSet::new();
    let mut directories = vec![directory.to_owned()];
    while let Some(within) = directories.pop() {
        for entry in fs::read_dir(within).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(directory).unwrap().to_string_lossy().into_owned();
            if path.is_dir() {
                found.insert((name, Vec::new()));
                directories.push(path);
            } else {
                found.insert((name, fs::read(&path).unwrap()));
            }
        }
    }
    found
}

/// What each of many power cuts leaves.
fn outcomes(disk: &FaultFs) -> BTreeSet<BTreeSet<(String, Vec<u8>)>> {
    let left = |seed| {
        let mut rng = Rng::new(seed);
        let disk = FaultFs::mount(disk.after_power_cut(&mut || rng.next_u64())).unwrap();
        everything(disk.path())
    };
    (0..40).map(left).collect()
}

fn these(files: &[(&str, &str)]) -> BTreeSet<(String, Vec<u8>)> {
    files.iter().map(|(name, content)| ((*name).to_owned(), content.as_bytes().to_vec())).collect()
}

fn sync_directory(path: &Path) {
    File::open(path).unwrap().sync_all().unwrap();
}

#[test]
fn programs_see_what_they_wrote_and_renamed_and_removed() {
    let disk = mount();
    let at = |name: &str| disk.path().join(name);
    fs::create_dir(at("new")).unwrap();
    fs::write(at("new/a"), b"one").unwrap();
    fs::write(at("new/b"), b"two").unwrap();
    fs::rename(at("new/b"), at("new/a")).unwrap();
    fs::rename(at("new"), at("old")).unwrap();
    assert_eq!(everything(disk.path()), these(&[("old", ""), ("old/a", "two")]));
    assert_eq!(fs::remove_dir(at("old")).unwrap_err().kind(), ErrorKind::DirectoryNotEmpty);
    fs::remove_dir_all(at("old")).unwrap();
    assert_eq!(everything(disk.path()), these(&[]));
}

#[test]
fn a_power_cut_keeps_what_was_synced_and_any_of_what_was_not() {
    let disk = mount();
    let at = |name: &str| disk.path().join(name);
    fs::create_dir(at("d")).unwrap();
    sync_directory(disk.path());
    let mut file = File::create(at("d/a")).unwrap();
    file.write_all(b"one").unwrap();
    let half = [these(&[("d", "")]), these(&[("d", ""), ("d/a", "")]), these(&[("d", ""), ("d/a", "one")])];
    let empty = these(&[("d", ""), ("d/a", "\0\0\0")]);
    assert!(outcomes(&disk).is_superset(&half.clone().into()));
    assert!(outcomes(&disk).is_subset(&half.into_iter().chain([empty]).collect()));
    file.sync_data().unwrap();
    assert_eq!(outcomes(&disk), [these(&[("d", "")]), these(&[("d", ""), ("d/a", "one")])].into());
    sync_directory(&at("d"));
    assert_eq!(outcomes(&disk), [these(&[("d", ""), ("d/a", "one")])].into());
    fs::remove_file(at("d/a")).unwrap();
    assert_eq!(outcomes(&disk).len(), 2, "the removal was not synced");
}

#[test]
fn after_a_failed_sync_reads_show_the_data_and_a_power_cut_loses_it() {
    let disk = mount();
    let path = disk.path().join("a");
    let mut file = File::create(&path).unwrap();
    file.sync_all().unwrap();
    sync_directory(disk.path());
    file.write_all(b"lost").unwrap();
    disk.rule(|operation| if operation.kind == Kind::Sync { Fate::Failed } else { Fate::Done });
    file.sync_data().unwrap_err();
    disk.release();
    file.sync_data().unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"lost");
    assert_eq!(outcomes(&disk), [these(&[("a", "\0\0\0\0")])].into());
}

#[test]
fn power_that_is_cut_and_comes_back_leaves_nothing_of_the_old_content_in_caches() {
    let disk = mount();
    let at = |name: &str| disk.path().join(name);
    fs::create_dir(at("d")).unwrap();
    fs::write(at("d/a"), b"old").unwrap();
    File::open(at("d/a")).unwrap().sync_all().unwrap();
    [at("d"), disk.path().to_owned()].iter().for_each(|path| sync_directory(path));
    for round in 0..20 {
        fs::write(at("d/a"), b"new").unwrap();
        fs::write(at("d/b"), b"more").unwrap();
        let mut rng = Rng::new(round);
        disk.cut_power(&mut || rng.next_u64()).unwrap();
        let found = everything(disk.path());
        let [a, b] = ["a", "b"].map(|name| fs::read(at("d").join(name)).ok());
        let size = fs::metadata(at("d/a")).unwrap().len();
        assert!(
            a.as_ref()
                .is_some_and(|a| a.len() as u64 == size && found.contains(&("d/a".to_owned(), a.clone())))
        );
        assert_eq!(b.is_some(), found.iter().any(|(name, _)| name == "d/b"));
    }
}

#[test]
fn after_a_programs_end_everything_is_there_and_a_power_cut_may_still_lose_it() {
    let disk = mount();
    let at = |name: &str| disk.path().join(name);
    fs::create_dir(at("d")).unwrap();
    fs::write(at("d/a"), b"one").unwrap();
    let last = disk.operations();
    disk.rule(move |operation| if operation.number >= last { Fate::Ends } else { Fate::Done });
    fs::rename(at("d/a"), at("d/b")).unwrap_err();
    disk.restart().unwrap();
    assert_eq!(everything(disk.path()), these(&[("d", ""), ("d/b", "one")]));
    assert!(outcomes(&disk).contains(&these(&[])));
}

#[test]
fn a_rule_fails_skips_or_ends_the_operation_it_names() {
    let disk = mount();
    let path = disk.path().join("a");
    disk.rule(|operation| if operation.kind == Kind::Create { Fate::NoSpace } else { Fate::Done });
    assert_eq!(File::create(&path).unwrap_err().kind(), ErrorKind::StorageFull);
    disk.rule(|operation| if operation.kind == Kind::SyncDirectory { Fate::Skipped } else { Fate::Done });
    File::create(&path).unwrap();
    sync_directory(disk.path());
    assert_eq!(outcomes(&disk).len(), 2, "the sync was skipped");
    let last = disk.operations();
    disk.rule(move |operation| if operation.number >= last { Fate::Ends } else { Fate::Done });
    fs::write(disk.path().join("b"), b"x").unwrap_err();
    File::open(&path).unwrap().sync_all().unwrap_err();
    disk.release();
    assert!(outcomes(&disk).iter().any(|left| left.contains(&("b".to_owned(), Vec::new()))));
}

#[test]
fn an_operation_that_waits_holds_up_nothing_else() {
    let disk = mount();
    let [slow, other] = ["slow", "other"].map(|name| disk.path().join(name));
    fs::write(&other, b"there").unwrap();
    disk.rule(|operation| match (operation.kind, operation.path.as_str()) {
        (Kind::Write, "slow") => Fate::Waits,
        _ => Fate::Done,
    });
    let writer = std::thread::spawn(move || fs::write(slow, b"at last"));
    while disk.waiting() == 0 {
        std::thread::yield_now();
    }
    assert_eq!(fs::read(&other).unwrap(), b"there");
    disk.release();
    writer.join().unwrap().unwrap();
    assert_eq!(fs::read(disk.path().join("slow")).unwrap(), b"at last");
}

#[test]
fn a_full_file_system_takes_what_fits_and_removal_frees_space() {
    let disk = mount();
    let [first, second] = ["a", "b"].map(|name| disk.path().join(name));
    disk.set_capacity(Some(1_000));
    fs::write(&first, [7; 600]).unwrap();
    assert_eq!(fs::write(&second, [7; 600]).unwrap_err().kind(), ErrorKind::StorageFull);
    fs::remove_file(&first).unwrap();
    fs::write(&second, [7; 600]).unwrap();
}

#[test]
fn a_file_with_two_names_is_one_file_before_and_after_a_power_cut() {
    let disk = mount();
    let at = |name: &str| disk.path().join(name);
    fs::write(at("a"), b"one").unwrap();
    File::open(at("a")).unwrap().sync_all().unwrap();
    sync_directory(disk.path());
    fs::hard_link(at("a"), at("b")).unwrap();
    assert_eq!(fs::hard_link(at("a"), at("b")).unwrap_err().kind(), ErrorKind::AlreadyExists);
    assert_eq!(outcomes(&disk), [these(&[("a", "one")]), these(&[("a", "one"), ("b", "one")])].into());
    sync_directory(disk.path());
    OpenOptions::new().write(true).open(at("b")).unwrap().write_all(b"two").unwrap();
    assert_eq!(fs::read(at("a")).unwrap(), b"two");
    let both = |content| these(&[("a", content), ("b", content)]);
    assert_eq!(outcomes(&disk), [both("one"), both("two")].into());
    File::open(at("a")).unwrap().sync_all().unwrap();
    fs::rename(at("b"), at("c")).unwrap();
    fs::remove_file(at("a")).unwrap();
    sync_directory(disk.path());
    assert_eq!(outcomes(&disk), [these(&[("c", "two")])].into());
}
