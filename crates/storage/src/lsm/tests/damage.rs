//! Missing, foreign or changed files cause an error, never a panic and never wrong rows.

use super::{STORE, all_rows, open, scatter, tiny};
use crate::conformance::state::{Row, at, compact, flush};
use crate::lsm::LsmState;
use crate::state::{State, StateError};
use format::header::{StateHeader, StoreId};
use model::{View, WriteSet};
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A store with tables in several levels, closed.
fn store() -> (TempDir, Vec<Row>) {
    let directory = TempDir::new().unwrap();
    let mut state = open(directory.path()).unwrap();
    for index in 1..=9_u64 {
        let mut writes: Vec<_> = (0..20)
            .map(|row| (scatter(index * 100 + row).to_be_bytes().to_vec(), Some(vec![index as u8; 20])))
            .collect();
        writes.sort();
        state.commit(&WriteSet(writes), at(index)).unwrap();
        flush(&mut state);
        if index == 8 {
            compact(&state);
        }
    }
    let rows = all_rows(&state).unwrap();
    assert!(state.figures().tables > 4 && rows.len() == 180);
    (directory, rows)
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let tree = directory.join("tree");
    let mut files: Vec<_> = [tree.clone(), tree.join("tables")]
        .iter()
        .flat_map(|directory| fs::read_dir(directory).unwrap())
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file())
        .collect();
    files.sort();
    files
}

/// The result of reading the whole store.
fn read(directory: &Path) -> Result<Vec<Row>, String> {
    let state = open(directory).map_err(|error| error.to_string())?;
    let rows = all_rows(&state).map_err(|error| error.to_string())?;
    for (key, value) in &rows {
        let found = state.get(key).map_err(|error| error.to_string())?;
        assert_eq!(found.as_ref(), Some(value));
    }
    Ok(rows)
}

#[test]
fn a_flipped_bit_is_an_error_or_has_no_effect() {
    let (directory, rows) = store();
    let (mut flips, mut refused) = (0, 0);
    for path in files(directory.path()) {
        let whole = fs::read(&path).unwrap();
        // Every byte of the small files, and of the ends of tables, which hold the tables of contents.
        let step = |at: usize| if whole.len() - at <= 300 { 3 } else { 61 };
        let mut at = 0;
        while at < whole.len() {
            let mut flipped = whole.clone();
            flipped[at] ^= 1 << (at % 8);
            fs::write(&path, &flipped).unwrap();
            match read(directory.path()) {
                Ok(found) => assert_eq!(found, rows, "{} at {at}", path.display()),
                Err(_) => refused += 1,
            }
            assert!(LsmState::verify(directory.path()).is_err() || path.ends_with("header"));
            flips += 1;
            at += step(at);
        }
        fs::write(&path, &whole).unwrap();
    }
    assert_eq!(read(directory.path()), Ok(rows), "intact again");
    LsmState::verify(directory.path()).unwrap();
    assert!(refused * 10 > flips * 8, "{refused} of {flips} were noticed");
}

#[test]
fn a_file_cut_short_or_missing_is_an_error() {
    let (directory, rows) = store();
    for path in files(directory.path()) {
        let whole = fs::read(&path).unwrap();
        for len in [0, 1, whole.len() / 2, whole.len() - 1] {
            fs::write(&path, &whole[..len]).unwrap();
            assert!(read(directory.path()).is_err(), "{} cut to {len}", path.display());
        }
        fs::remove_file(&path).unwrap();
        assert!(read(directory.path()).is_err(), "{} missing", path.display());
        fs::write(&path, &whole).unwrap();
    }
    assert_eq!(read(directory.path()), Ok(rows), "intact again");
}

#[test]
fn another_stores_state_or_a_newer_one_is_refused() {
    let (directory, _) = store();
    let header = directory.path().join("tree/header");
    let refused = |store: StoreId, word: &str| match LsmState::open(directory.path(), store, tiny()) {
        Err(StateError::Refused(why)) => assert!(why.contains(word), "{why}"),
        other => panic!("{other:?}"),
    };
    refused(StoreId(8), "belongs to store");

    let mut newer = StateHeader { store: STORE }.encode();
    newer[12] += 1;
    let checksum = crc32c::crc32c(&newer[..newer.len() - 4]).to_le_bytes();
    let at = newer.len() - 4;
    newer[at..].copy_from_slice(&checksum);
    fs::write(&header, &newer).unwrap();
    refused(STORE, "newer");

    fs::write(&header, b"notes of a person").unwrap();
    refused(STORE, "not a Mainstay file");
}

#[test]
fn an_interrupted_creation_starts_again() {
    let directory = TempDir::new().unwrap();
    fs::create_dir_all(directory.path().join("tree.new/tables")).unwrap();
    fs::write(directory.path().join("tree.new/v0"), b"half").unwrap();
    let mut state = open(directory.path()).unwrap();
    state.commit(&WriteSet(vec![(b"k".to_vec(), Some(b"v".to_vec()))]), at(1)).unwrap();
    flush(&mut state);
    drop(state);
    assert_eq!(read(directory.path()), Ok(vec![(b"k".to_vec(), b"v".to_vec())]));
    assert!(!directory.path().join("tree.new").exists());
}

#[test]
fn leftovers_of_a_crash_are_removed() {
    let (directory, rows) = store();
    let leftovers =
        ["tree/.tmpAbC123", "tree/tables/4711", "tree/v4711"].map(|name| directory.path().join(name));
    leftovers.iter().for_each(|path| fs::write(path, b"half a table").unwrap());
    assert_eq!(read(directory.path()), Ok(rows));
    assert!(leftovers.iter().all(|path| !path.exists()));
}
