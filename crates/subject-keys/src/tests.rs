//! Keys and their file: what a start finds, whatever came before it.

use crate::file::{self, Examined, NAME, NEW_NAME, OLD_NAME};
use crate::{Event, KeysError, Opened, Replaced, SubjectKeys, WrappingKey, replace_key};
use format::header::{StoreId, SubjectKeysHeader};
use format::subject_key::{RECORD_BYTES, RECORDS_AT};
use model::{Filled, Fingerprint, KeyId};
use std::fs::OpenOptions;
use std::future::Future;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

const STORE: StoreId = StoreId(7);
const EVENT: Event<'static> = Event { stream: "s", event_type: "t", filled: Filled(0) };

fn wrapping(digit: &str) -> WrappingKey {
    WrappingKey::parse(&digit.repeat(64)).unwrap()
}

fn open(directory: &Path) -> SubjectKeys {
    SubjectKeys::open(directory, STORE, wrapping("a")).unwrap()
}

fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

fn seal(keys: &SubjectKeys, subject: &str, text: &str) -> (KeyId, Vec<u8>) {
    let id = wait(keys.of(subject)).unwrap();
    let (sealed, _) = keys.seal(id, EVENT, text.as_bytes(), Fingerprint(1)).unwrap().unwrap();
    (id, sealed)
}

/// Writes bytes over a record.
fn spoil(directory: &Path, place: usize, at: usize, bytes: &[u8]) {
    let file = OpenOptions::new().write(true).open(directory.join(NAME)).unwrap();
    file.write_all_at(bytes, (RECORDS_AT + place * RECORD_BYTES + at) as u64).unwrap();
}

#[test]
fn a_key_is_drawn_once_for_each_subject_and_is_there_after_a_restart() {
    let scratch = tempfile::tempdir().unwrap();
    let keys = open(scratch.path());
    let (anna, sealed) = seal(&keys, "anna", "secret");
    let (ben, _) = seal(&keys, "ben", "secret");
    assert_eq!((anna, ben), (KeyId(1), KeyId(2)));
    assert_eq!(wait(keys.of("anna")).unwrap(), anna);
    assert_eq!((keys.find("anna"), keys.find("cleo")), (Some(anna), None));
    drop(keys);
    let keys = open(scratch.path());
    assert_eq!((wait(keys.of("anna")).unwrap(), wait(keys.of("cleo")).unwrap()), (anna, KeyId(3)));
    assert_eq!(keys.open_sealed(anna, EVENT, &sealed).unwrap(), Opened::Envelope(b"secret".to_vec()));
    assert!(matches!(
        keys.open_sealed(ben, EVENT, &sealed),
        Err(KeysError::DoesNotOpen { id: KeyId(2), .. })
    ));
    assert!(matches!(keys.open_sealed(KeyId(9), EVENT, &sealed), Err(KeysError::Missing { .. })));
    assert!(matches!(keys.open_sealed(KeyId(0), EVENT, &sealed), Err(KeysError::Missing { .. })));
}

#[test]
fn an_erased_key_is_gone_from_memory_and_from_the_disk_and_its_number_is_not_used_again() {
    let scratch = tempfile::tempdir().unwrap();
    let keys = open(scratch.path());
    let (anna, sealed) = seal(&keys, "anna", "secret");
    let (ben, other) = seal(&keys, "ben", "secret");
    let before = std::fs::read(scratch.path().join(NAME)).unwrap();
    wait(keys.erase(anna)).unwrap();
    for keys in [keys, open(scratch.path())] {
        assert_eq!(keys.open_sealed(anna, EVENT, &sealed).unwrap(), Opened::Erased);
        assert_eq!(keys.open_sealed(ben, EVENT, &other).unwrap(), Opened::Envelope(b"secret".to_vec()));
        assert_eq!(keys.seal(anna, EVENT, b"", Fingerprint(1)).unwrap(), None);
        assert!(keys.is_erased(anna) && !keys.is_erased(ben));
        assert_eq!(keys.count().erased, 1);
    }
    let after = std::fs::read(scratch.path().join(NAME)).unwrap();
    let record = &after[RECORDS_AT..][..RECORD_BYTES];
    assert!(record[8..RECORD_BYTES - 4].iter().all(|byte| *byte == 0), "the key's place holds nothing of it");
    assert_eq!(before.len(), after.len());
    // Someone who comes back is another subject.
    let keys = open(scratch.path());
    assert_eq!(wait(keys.of("anna")).unwrap(), KeyId(3));
    wait(keys.erase(anna)).unwrap();
    assert_eq!(keys.find("anna"), Some(KeyId(3)), "to erase the old key again changes nothing");
}

#[test]
fn requests_for_one_new_subject_at_a_time_get_one_key() {
    let scratch = tempfile::tempdir().unwrap();
    let keys = open(scratch.path());
    let threads: Vec<_> = (0..8)
        .map(|_| {
            let keys = keys.clone();
            std::thread::spawn(move || {
                (0..50).map(|n| wait(keys.of(&n.to_string())).unwrap()).collect::<Vec<_>>()
            })
        })
        .collect();
    let found: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
    assert!(found.iter().all(|ids| *ids == found[0]));
    assert_eq!(keys.count().last, KeyId(50));
}

#[test]
fn what_a_power_cut_leaves_of_unused_records_is_no_damage() {
    let scratch = tempfile::tempdir().unwrap();
    let keys = open(scratch.path());
    for subject in ["anna", "ben", "cleo"] {
        wait(keys.of(subject)).unwrap();
    }
    drop(keys);
    // The second record was not written, and half of a fourth one was.
    spoil(scratch.path(), 1, 0, &[0; RECORD_BYTES]);
    spoil(scratch.path(), 3, 0, &[9; 50]);
    let keys = open(scratch.path());
    assert_eq!(
        (keys.find("anna"), keys.find("ben"), keys.find("cleo")),
        (Some(KeyId(1)), None, Some(KeyId(3)))
    );
    assert!(matches!(keys.open_sealed(KeyId(2), EVENT, b""), Err(KeysError::Missing { .. })));
    assert_eq!(wait(keys.of("dora")).unwrap(), KeyId(4));
    drop(keys);
    assert_eq!(open(scratch.path()).find("dora"), Some(KeyId(4)));
}

#[test]
fn a_file_that_is_damaged_or_of_another_store_or_key_is_refused() {
    let scratch = tempfile::tempdir().unwrap();
    wait(open(scratch.path()).of("anna")).unwrap();
    let refused =
        |store, key| SubjectKeys::open(scratch.path(), store, wrapping(key)).unwrap_err().to_string();
    assert!(refused(StoreId(8), "a").contains("another store"));
    assert!(refused(STORE, "b").contains("another key"));
    let whole = std::fs::read(scratch.path().join(NAME)).unwrap();
    for bit in (0..whole.len() * 8).filter(|bit| !(100 * 8..RECORDS_AT * 8).contains(bit)) {
        let mut flipped = whole.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        std::fs::write(scratch.path().join(NAME), &flipped).unwrap();
        assert!(refused(STORE, "a").contains("damaged"), "{bit}");
        assert!(file::examine(&scratch.path().join(NAME)).is_err(), "{bit}");
    }
    let (mut older, fields) = (whole.clone(), SubjectKeysHeader::BYTES - 4);
    older[12] = 1;
    let checksum = crc32c::crc32c(&older[..fields]);
    older[fields..fields + 4].copy_from_slice(&checksum.to_le_bytes());
    std::fs::write(scratch.path().join(NAME), &older).unwrap();
    assert!(refused(STORE, "a").contains("before the first release"));
    std::fs::write(scratch.path().join(NAME), &whole[..RECORDS_AT - 1]).unwrap();
    assert!(SubjectKeys::open(scratch.path(), STORE, wrapping("a")).is_err());
}

#[test]
fn keys_are_erased_in_a_copy_that_is_older_than_some_of_them() {
    let scratch = tempfile::tempdir().unwrap();
    let keys = open(scratch.path());
    let (anna, sealed) = seal(&keys, "anna", "secret");
    drop(keys);
    file::erase_all(&scratch.path().join(NAME), &[anna, KeyId(3), KeyId(0)]).unwrap();
    let keys = open(scratch.path());
    assert_eq!(keys.open_sealed(anna, EVENT, &sealed).unwrap(), Opened::Erased);
    assert_eq!(keys.open_sealed(KeyId(3), EVENT, &sealed).unwrap(), Opened::Erased);
    assert_eq!(
        wait(keys.of("ben")).unwrap(),
        KeyId(4),
        "the id of a key that is erased elsewhere is not given out"
    );
}

#[test]
fn an_erased_key_that_the_file_never_had_is_not_given_out() {
    let scratch = tempfile::tempdir().unwrap();
    let keys = open(scratch.path());
    wait(keys.of("anna")).unwrap();
    wait(keys.erase(KeyId(4))).unwrap();
    assert!(keys.is_erased(KeyId(4)) && keys.count().erased == 1);
    assert_eq!(wait(keys.of("ben")).unwrap(), KeyId(5));
    drop(keys);
    let keys = open(scratch.path());
    assert!(keys.is_erased(KeyId(4)) && keys.count().erased == 1);
    assert!(matches!(keys.open_sealed(KeyId(2), EVENT, b""), Err(KeysError::Missing { .. })));
    assert_eq!((keys.find("ben"), wait(keys.of("cleo")).unwrap()), (Some(KeyId(5)), KeyId(6)));
}

#[test]
fn a_file_that_cannot_be_written_gives_out_no_key_and_is_not_tried_again() {
    let scratch = tempfile::tempdir().unwrap();
    let keys = open(scratch.path());
    let (anna, _) = seal(&keys, "anna", "secret");
    keys.fail_from_now_on();
    assert!(matches!(wait(keys.of("ben")), Err(KeysError::Io { .. })));
    assert!(matches!(wait(keys.of("ben")), Err(KeysError::Failed)));
    assert!(matches!(wait(keys.erase(anna)), Err(KeysError::Failed)));
    assert_eq!(keys.find("ben"), None);
    assert_eq!(wait(keys.of("anna")).unwrap(), anna, "keys that exist can be used");
}

/// Keys of anna, who is erased, ben and cleo, and a place that was never used. Returns what is sealed for anna and cleo.
fn fill(directory: &Path) -> [(KeyId, Vec<u8>); 2] {
    let keys = open(directory);
    let (anna, cleo) = (seal(&keys, "anna", "secret"), seal(&keys, "cleo", "hers"));
    wait(keys.erase(anna.0)).unwrap();
    wait(keys.erase(KeyId(4))).unwrap();
    seal(&keys, "ben", "his");
    [anna, cleo]
}

/// Whatever came before: the keys are wrapped with the key of this digit, and with no other.
fn check_keys(directory: &Path, digit: &str, [anna, cleo]: &[(KeyId, Vec<u8>); 2]) {
    let other = if digit == "a" { "b" } else { "a" };
    let refused = SubjectKeys::open(directory, STORE, wrapping(other)).unwrap_err();
    assert!(matches!(refused, KeysError::OtherKey { .. }), "{refused}");
    let keys = SubjectKeys::open(directory, STORE, wrapping(digit)).unwrap();
    assert_eq!(keys.open_sealed(anna.0, EVENT, &anna.1).unwrap(), Opened::Erased);
    assert_eq!(keys.open_sealed(cleo.0, EVENT, &cleo.1).unwrap(), Opened::Envelope(b"hers".to_vec()));
    assert_eq!(
        (keys.find("anna"), keys.find("cleo"), keys.find("ben")),
        (None, Some(KeyId(2)), Some(KeyId(5))),
        "subjects are found"
    );
    assert!(matches!(keys.open_sealed(KeyId(3), EVENT, b""), Err(KeysError::Missing { .. })));
    assert_eq!((keys.count().last, keys.count().erased), (KeyId(5), 2));
    assert!(!directory.join(NEW_NAME).exists() && !directory.join(OLD_NAME).exists());
}

#[test]
fn the_operators_key_is_replaced_and_nothing_else() {
    let scratch = tempfile::tempdir().unwrap();
    let sealed = fill(scratch.path());
    let path = scratch.path().join(NAME);
    let before = std::fs::read(&path).unwrap();
    // Who looks into the file by another name sees what becomes of it.
    let other_name = scratch.path().join("other-name");
    std::fs::hard_link(&path, &other_name).unwrap();
    let replaced = replace_key(scratch.path(), STORE, &wrapping("a"), &wrapping("b")).unwrap();
    let examined = Examined { places: 5, kept: 2, erased: 2 };
    assert_eq!(replaced, Replaced::Keys(examined));
    let after = std::fs::read(&path).unwrap();
    assert_eq!(before.len(), after.len());
    let records = before[RECORDS_AT..].chunks(RECORD_BYTES).zip(after[RECORDS_AT..].chunks(RECORD_BYTES));
    let same: Vec<bool> = records.map(|(before, after)| before[24..116] == after[24..116]).collect();
    assert_eq!(
        same,
        [true, false, true, true, false],
        "the erased keys and the unused place are as they were"
    );
    let old = std::fs::read(&other_name).unwrap();
    assert!(old.len() == before.len() && old.iter().all(|byte| *byte == 0), "the old file is written over");
    check_keys(scratch.path(), "b", &sealed);

    // And back, with a new key of a new subject.
    wait(SubjectKeys::open(scratch.path(), STORE, wrapping("b")).unwrap().of("dora")).unwrap();
    replace_key(scratch.path(), STORE, &wrapping("b"), &wrapping("c")).unwrap();
    let keys = SubjectKeys::open(scratch.path(), STORE, wrapping("c")).unwrap();
    assert_eq!((keys.find("dora"), keys.find("ben")), (Some(KeyId(6)), Some(KeyId(5))));
}

#[test]
fn a_key_that_cannot_be_replaced_leaves_everything_as_it_was() {
    let scratch = tempfile::tempdir().unwrap();
    let replace =
        |store, old, new| replace_key(scratch.path(), store, &wrapping(old), &wrapping(new)).unwrap_err();
    assert!(matches!(replace(STORE, "a", "b"), KeysError::NoKeys { .. }));
    let sealed = fill(scratch.path());
    let before = std::fs::read(scratch.path().join(NAME)).unwrap();
    assert!(matches!(replace(STORE, "c", "b"), KeysError::OtherKey { .. }));
    assert!(matches!(replace(STORE, "c", "c"), KeysError::OtherKey { .. }));
    assert!(matches!(replace(STORE, "a", "a"), KeysError::SameKey { .. }));
    assert!(matches!(replace(StoreId(8), "a", "b"), KeysError::OtherStore { .. }));
    assert_eq!(std::fs::read(scratch.path().join(NAME)).unwrap(), before);
    spoil(scratch.path(), 1, 50, &[0]);
    let spoiled = std::fs::read(scratch.path().join(NAME)).unwrap();
    assert!(matches!(replace(STORE, "a", "b"), KeysError::Damaged { .. }));
    assert_eq!(std::fs::read(scratch.path().join(NAME)).unwrap(), spoiled);
    assert_eq!(std::fs::read_dir(scratch.path()).unwrap().count(), 1, "nothing else was written");
    std::fs::write(scratch.path().join(NAME), before).unwrap();
    check_keys(scratch.path(), "a", &sealed);
}

/// What a replacement leaves if it is killed: which key the file is wrapped with, the content of the file by its new name,
/// and by its old one.
enum Killed {
    WhileTheNewFileIsWritten,
    BeforeTheOldFileHasAnotherName,
    BeforeTheRenaming,
    BeforeTheOldFileIsWrittenOver,
    BeforeTheOtherNameIsRemoved,
}

#[test]
fn whatever_a_killed_replacement_leaves_is_written_over_by_the_next_start_or_replacement() {
    use Killed::*;
    for killed in [
        WhileTheNewFileIsWritten,
        BeforeTheOldFileHasAnotherName,
        BeforeTheRenaming,
        BeforeTheOldFileIsWrittenOver,
        BeforeTheOtherNameIsRemoved,
    ] {
        for again in [false, true] {
            let scratch = tempfile::tempdir().unwrap();
            let sealed = fill(scratch.path());
            let [path, new, other, seen] =
                [NAME, NEW_NAME, OLD_NAME, "seen"].map(|name| scratch.path().join(name));
            let before = std::fs::read(&path).unwrap();
            replace_key(scratch.path(), STORE, &wrapping("a"), &wrapping("b")).unwrap();
            let after = std::fs::read(&path).unwrap();
            let (digit, left) = match killed {
                WhileTheNewFileIsWritten => ("a", (&new, &after[..300])),
                BeforeTheOldFileHasAnotherName | BeforeTheRenaming => ("a", (&new, &after[..])),
                BeforeTheOldFileIsWrittenOver => ("b", (&other, &before[..])),
                BeforeTheOtherNameIsRemoved => ("b", (&other, &[0; 768][..])),
            };
            std::fs::write(&path, if digit == "a" { &before } else { &after }).unwrap();
            std::fs::write(left.0, left.1).unwrap();
            std::fs::hard_link(left.0, &seen).unwrap();
            if matches!(killed, BeforeTheRenaming) {
                std::fs::hard_link(&path, &other).unwrap();
            }
            if again {
                let replaced = replace_key(scratch.path(), STORE, &wrapping("a"), &wrapping("b")).unwrap();
                assert_eq!(matches!(replaced, Replaced::Before(_)), digit == "b");
            }
            check_keys(scratch.path(), if again { "b" } else { digit }, &sealed);
            assert!(std::fs::read(&seen).unwrap().iter().all(|byte| *byte == 0), "it is written over");
        }
    }
}
