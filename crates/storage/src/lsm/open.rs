//! Creates and opens a state's directory.
//!
//! A directory is created under another name and renamed once it is complete. So if it exists, it was
//! complete once, and anything missing from it was lost. Opening then fails, because otherwise the tree's
//! library would start an empty tree in its place.

use super::check::{check, read, stored_progress, stored_tables, verify};
use super::config::LsmConfig;
use super::error::{at, io_error, state_error};
use super::flush::{PROGRESS_KEY, decode_progress};
use super::layers::{Shared, Tables};
use super::memtable::Memtable;
use super::{LsmReader, LsmState};
use crate::state::{Progress, StateError};
use format::header::{HEADER_BYTES_MAX, HeaderError, StateHeader, StoreId};
use lsm_tree::{AbstractTree, AnyTree, Cache, SequenceNumberCounter, Tree};
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

/// The directory of the tree within that of the state.
const TREE: &str = "tree";
/// The same, while it is being created.
const TREE_NEW: &str = "tree.new";
/// The file that says which store the tree belongs to. Its name must not begin with `v`: the library removes
/// unknown files with such names.
const HEADER: &str = "header";
/// The prefix of the library's temporary files. A crash may leave some.
const TEMPORARY: &str = ".tmp";

impl LsmState {
    /// Reads every table in `path` completely and compares it with what was written. Nothing else may have it
    /// open.
    ///
    /// # Errors
    /// `Damaged` when a file is missing or is not what was written, `Failed` when the disk fails.
    pub fn verify(path: &Path) -> Result<(), StateError> {
        verify(&path.join(TREE))
    }

    /// Reads how far the state in `path` has progressed, and changes nothing. Checks what [`Self::open`] would
    /// open. A state that does not exist has not progressed.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn check(path: &Path, store: StoreId) -> Result<Progress, StateError> {
        let tree = path.join(TREE);
        if !exists(&tree)? {
            return Ok(Progress::default());
        }
        check_header(&tree.join(HEADER), store)?;
        stored_progress(&tree)
    }

    /// A reader of the state in `path` as of its last completed flush. Changes nothing. `None` if there is no state.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn read(path: &Path, store: StoreId) -> Result<Option<LsmReader>, StateError> {
        let tree = path.join(TREE);
        if !exists(&tree)? {
            return Ok(None);
        }
        check_header(&tree.join(HEADER), store)?;
        let tables = Tables::of_newest_first(stored_tables(&tree)?);
        let row = tables.get(PROGRESS_KEY).map_err(|error| state_error("reading the progress", &error))?;
        let progress = progress_of(row.as_ref().map(|row| &*row.value), tables.count())?;
        Ok(Some(LsmReader::of_tables(tables, progress)))
    }

    /// Opens the state in `path`, or creates one for `store` if there is none. The caller must hold the lock
    /// of the data directory.
    ///
    /// # Errors
    /// `Refused` for the state of another store or of a newer version, `Damaged` when files are missing or
    /// are not what was written, `Failed` when the disk fails.
    pub fn open(path: &Path, store: StoreId, config: LsmConfig) -> Result<Self, StateError> {
        let tree_path = path.join(TREE);
        if !exists(&tree_path)? {
            create(path, store, &config)?;
        }
        // The process that put the tree or its manifest in place may have ended before it synced the names. The
        // library deletes what the manifest does not name, so a power cut must not bring back an older one.
        sync_names(path)?;
        sync_directory(&tree_path)?;
        check_header(&tree_path.join(HEADER), store)?;
        check(&tree_path)?;
        remove_temporary_files(&tree_path)?;

        let seqno = SequenceNumberCounter::default();
        let cache = config.cache();
        let tree = open_tree(&config, &tree_path, seqno.clone(), Arc::clone(&cache))?;
        let highest = tree.get_highest_seqno().unwrap_or_default();
        // Above every row's number. Otherwise a new version of a row could sort below an old one.
        seqno.set(highest.saturating_add(1));
        let progress = read_progress(&tree)?;
        Ok(Self {
            shared: Arc::new(Shared::new(tree, seqno, cache, config, progress)),
            active: Arc::new(Memtable::default()),
            active_bytes: 0,
            progress,
            seqno: highest,
            newest_reader: AtomicU64::default(),
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
        AnyTree::Blob(_) => {
            Err(StateError::Refused(format!("{} keeps its values in separate files", path.display())))
        }
    }
}

/// Creates a tree completely or not at all.
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
    fs::rename(&unfinished, &tree).map_err(|error| io_error(&at("renaming to", &tree), &error))
}

/// Syncs the names in the state's directory, and its own.
fn sync_names(path: &Path) -> Result<(), StateError> {
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
        Err(
            error @ (HeaderError::Newer { .. }
            | HeaderError::Older { .. }
            | HeaderError::OtherKind { .. }
            | HeaderError::Foreign),
        ) => Err(StateError::Refused(format!("{}: {error}", path.display()))),
        Err(error @ (HeaderError::Blank | HeaderError::Damaged)) => {
            Err(StateError::Damaged(format!("{}: {error}", path.display())))
        }
    }
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

fn read_progress(tree: &Tree) -> Result<Progress, StateError> {
    let tables = Tables::of(tree);
    let row = tables.get(PROGRESS_KEY).map_err(|error| state_error("reading the progress", &error))?;
    progress_of(row.as_ref().map(|row| &*row.value), tables.count())
}

/// An empty tree has no progress. Every other tree has one.
pub(super) fn progress_of(row: Option<&[u8]>, tables: usize) -> Result<Progress, StateError> {
    match row {
        Some(row) => decode_progress(row),
        None if tables == 0 => Ok(Progress::default()),
        None => Err(StateError::Damaged("the tables hold no progress".to_owned())),
    }
}
