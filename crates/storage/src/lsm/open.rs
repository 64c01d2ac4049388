//! Creating and opening a state's directory.
//!
//! A directory is created under another name and renamed when it is complete, so one that is there was
//! complete once. What is missing from it later was lost, and is refused: the tree's library would begin an
//! empty tree in its place. The library also reads its manifest without the checksum that it stores beside
//! it, and asserts what it finds; so the manifest is checked here first.

use super::LsmState;
use super::config::LsmConfig;
use super::error::{at, io_error, state_error};
use super::flush::{PROGRESS_KEY, decode_progress};
use super::layers::{Shared, Tables};
use super::memtable::Memtable;
use crate::state::{Progress, StateError};
use format::header::{HEADER_BYTES_MAX, HeaderError, StateHeader, StoreId};
use lsm_tree::{AbstractTree, AnyTree, Cache, SequenceNumberCounter, Tree};
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use xxhash_rust::xxh3::xxh3_128;

/// The directory of the tree within the state's own.
const TREE: &str = "tree";
/// The same while it is being created.
const TREE_NEW: &str = "tree.new";
/// The file that says whose tree it is. (The library removes unknown files that begin with `v`.)
const HEADER: &str = "header";
/// The library's pointer to its manifest: number (8 bytes), XXH3-128 of the manifest's file (16), its type.
const CURRENT: &str = "current";
const CURRENT_BYTES: usize = 25;
/// What the library calls its temporary files; a crash may leave some.
const TEMPORARY: &str = ".tmp";

impl LsmState {
    /// Opens the state in `path`, or creates one for `store` if there is none. The caller holds the lock of
    /// the data directory.
    ///
    /// # Errors
    /// `Refused` for the state of another store or a newer version, `Damaged` when files are missing or not
    /// as they were written, `Failed` when the disk fails.
    pub fn open(path: &Path, store: StoreId, config: LsmConfig) -> Result<Self, StateError> {
        let tree_path = path.join(TREE);
        if !exists(&tree_path)? {
            create(path, store, &config)?;
        }
        check_header(&tree_path.join(HEADER), store)?;
        check_manifest(&tree_path)?;
        remove_temporary_files(&tree_path)?;

        let seqno = SequenceNumberCounter::default();
        let cache = config.cache();
        let tree = open_tree(&config, &tree_path, seqno.clone(), Arc::clone(&cache))?;
        let highest = tree.get_highest_seqno().unwrap_or_default();
        // Above every row, or a new version of a row could sort below an old one.
        seqno.set(highest.saturating_add(1));
        let progress = read_progress(&tree)?;
        Ok(Self {
            shared: Arc::new(Shared::new(tree, seqno, cache, config, progress)),
            active: Arc::new(Memtable::default()),
            active_bytes: 0,
            progress,
            seqno: highest,
            readers: Arc::default(),
        })
    }
}

fn exists(path: &Path) -> Result<bool, StateError> {
    path.try_exists().map_err(|error| io_error(&at("looking for", path), &error))
}

fn open_tree(
    config: &LsmConfig,
    path: &Path,
    seqno: SequenceNumberCounter,
    cache: Arc<Cache>,
) -> Result<Tree, StateError> {
    match config.tree(path, seqno, cache).open().map_err(|error| state_error(&at("opening", path), &error))? {
        AnyTree::Standard(tree) => Ok(tree),
        AnyTree::Blob(_) => Err(StateError::Refused(format!("{} keeps its values apart", path.display()))),
    }
}

/// Creates a tree whole or not at all.
fn create(path: &Path, store: StoreId, config: &LsmConfig) -> Result<(), StateError> {
    let unfinished = path.join(TREE_NEW);
    if exists(&unfinished)? {
        fs::remove_dir_all(&unfinished).map_err(|error| io_error(&at("removing", &unfinished), &error))?;
    }
    fs::create_dir_all(&unfinished).map_err(|error| io_error(&at("creating", &unfinished), &error))?;
    drop(open_tree(config, &unfinished, SequenceNumberCounter::default(), config.cache())?);
    write_header(&unfinished.join(HEADER), store)?;
    sync_directory(&unfinished)?;
    let tree = path.join(TREE);
    fs::rename(&unfinished, &tree).map_err(|error| io_error(&at("renaming to", &tree), &error))?;
    sync_directory(path)?;
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).map_or(Ok(()), sync_directory)
}

fn write_header(path: &Path, store: StoreId) -> Result<(), StateError> {
    let written = File::create(path).and_then(|mut file| {
        file.write_all(&StateHeader { store }.encode())?;
        file.sync_all()
    });
    written.map_err(|error| io_error(&at("writing", path), &error))
}

fn sync_directory(path: &Path) -> Result<(), StateError> {
    let synced = File::open(path).and_then(|directory| directory.sync_all());
    synced.map_err(|error| io_error(&at("syncing", path), &error))
}

fn check_header(path: &Path, store: StoreId) -> Result<(), StateError> {
    let bytes = read(path)?;
    let header = bytes.get(..bytes.len().min(HEADER_BYTES_MAX)).unwrap_or_default();
    match StateHeader::decode(header) {
        Ok(found) if found.store == store => Ok(()),
        Ok(found) => Err(StateError::Refused(format!(
            "the state in {} belongs to store {}, not to store {store}",
            path.display(),
            found.store
        ))),
        Err(error @ (HeaderError::Newer { .. } | HeaderError::OtherKind { .. } | HeaderError::Foreign)) => {
            Err(StateError::Refused(format!("{}: {error}", path.display())))
        }
        Err(error @ (HeaderError::Blank | HeaderError::Damaged)) => {
            Err(StateError::Damaged(format!("{}: {error}", path.display())))
        }
    }
}

/// A file of a complete directory: that it is not there is damage.
fn read(path: &Path) -> Result<Vec<u8>, StateError> {
    fs::read(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => StateError::Damaged(format!("{} is missing", path.display())),
        _ => io_error(&at("reading", path), &error),
    })
}

fn check_manifest(tree: &Path) -> Result<(), StateError> {
    let current_path = tree.join(CURRENT);
    let damaged =
        |path: &PathBuf| StateError::Damaged(format!("{} is not as it was written", path.display()));
    let current = read(&current_path)?;
    let (Ok(current), Some(number), Some(checksum)) = (
        <[u8; CURRENT_BYTES]>::try_from(current.as_slice()),
        current.first_chunk().copied().map(u64::from_le_bytes),
        current.get(8..).and_then(|rest| rest.first_chunk()).copied().map(u128::from_le_bytes),
    ) else {
        return Err(damaged(&current_path));
    };
    let manifest_path = tree.join(format!("v{number}"));
    if current[CURRENT_BYTES - 1] != 0 || xxh3_128(&read(&manifest_path)?) != checksum {
        return Err(damaged(&manifest_path));
    }
    Ok(())
}

fn remove_temporary_files(tree: &Path) -> Result<(), StateError> {
    let failed = |error| io_error(&at("cleaning", tree), &error);
    for entry in fs::read_dir(tree).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if entry.file_name().to_string_lossy().starts_with(TEMPORARY) {
            fs::remove_file(entry.path()).map_err(failed)?;
        }
    }
    Ok(())
}

/// An empty tree has no progress yet; any other has.
fn read_progress(tree: &Tree) -> Result<Progress, StateError> {
    let tables = Tables::of(tree);
    match tables.get(PROGRESS_KEY).map_err(|error| state_error("reading the progress", &error))? {
        Some(row) => decode_progress(&row.value),
        None if tables.count() == 0 => Ok(Progress::default()),
        None => Err(StateError::Damaged("the tables hold no progress".to_owned())),
    }
}
