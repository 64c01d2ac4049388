//! What a later version has written.

use crate::stores::{self, offline};
use crate::{api, start};
use crc32c::crc32c;
use format::header::{FileKind, HEADER_BYTES_MAX};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

const MAGIC: &[u8] = b"MAINSTAY";
const KIND_AT: usize = 8;
const VERSION_AT: usize = 12;
const LENGTH_AT: usize = 16;
const FIELDS_AT: usize = 20;

/// All files below a directory, with their contents. `LOCK` only says which process was the last.
fn files(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in directory.read_dir().unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.file_name().is_none_or(|name| name != "LOCK") {
            let bytes = std::fs::read(&path).unwrap();
            found.insert(path, bytes);
        }
    }
    found
}

/// The same file as if the next version of its format had written it, and its kind.
fn of_the_next_version(file: &[u8]) -> Option<(u32, Vec<u8>)> {
    let header = file.get(..HEADER_BYTES_MAX.min(file.len()))?;
    if !header.starts_with(MAGIC) {
        return None;
    }
    let number = |at: usize| u32::from_le_bytes(header[at..at + 4].try_into().unwrap());
    let checksum_at = FIELDS_AT + number(LENGTH_AT) as usize;
    let mut file = file.to_vec();
    file[VERSION_AT..VERSION_AT + 4].copy_from_slice(&(number(VERSION_AT) + 1).to_le_bytes());
    let checksum = crc32c(&file[..checksum_at]);
    file[checksum_at..checksum_at + 4].copy_from_slice(&checksum.to_le_bytes());
    Some((number(KIND_AT), file))
}

#[test]
fn a_file_of_a_later_format_is_refused_by_name_and_nothing_is_changed() {
    let stored = stores::all().pop().unwrap();
    let scratch = tempfile::tempdir().unwrap();
    let data = stored.unpack("data", scratch.path());
    let before = files(&data);
    let mut kinds = Vec::new();
    for (path, bytes) in &before {
        let Some((kind, later)) = of_the_next_version(bytes) else { continue };
        kinds.push(kind);
        std::fs::write(path, &later).unwrap();
        let refused = api::start(Path::new(env!("CARGO_BIN_EXE_mainstay")), &data).map(drop).unwrap_err();
        let (name, said) = (path.file_name().unwrap().to_str().unwrap(), &refused.errors);
        assert_eq!(refused.status.and_then(|status| status.code()), Some(1), "{name}: {said}");
        // The file `STORE` stands for the whole directory.
        let named = if name == "STORE" { data.to_str().unwrap() } else { name };
        assert!(said.contains(named) && said.contains("newer"), "{name}: {said}");
        let mut after = files(&data);
        assert_eq!(after.insert(path.clone(), bytes.clone()).as_ref(), Some(&later), "{name}");
        let changed: Vec<_> =
            before.keys().chain(after.keys()).filter(|path| before.get(*path) != after.get(*path)).collect();
        assert!(changed.is_empty(), "{name}: a refused start has changed {changed:?}");
        std::fs::write(path, bytes).unwrap();
    }
    kinds.sort_unstable();
    kinds.dedup();
    let all = [
        FileKind::Store,
        FileKind::LogSegment,
        FileKind::BodySegment,
        FileKind::BodyAccount,
        FileKind::State,
    ];
    assert_eq!(kinds, all.map(|kind| kind as u32));
    drop(start(&data));
}

#[test]
fn a_directory_of_backups_of_a_later_layout_is_refused() {
    let stored = stores::all().pop().unwrap();
    let scratch = tempfile::tempdir().unwrap();
    let backups = stored.unpack("backups", scratch.path());
    let marker = backups.join("BACKUPS");
    let text = std::fs::read_to_string(&marker).unwrap();
    std::fs::write(&marker, text.replace("layout 1", "layout 2")).unwrap();
    let (backups, data) = (backups.to_str().unwrap(), scratch.path().join("restored"));
    for arguments in [
        &["backups", "verify", backups][..],
        &["backups", "list", backups],
        &["restore", backups, "--data", data.to_str().unwrap()],
    ] {
        offline(arguments).fails(1, "newer");
    }
    assert!(!data.exists());
}
