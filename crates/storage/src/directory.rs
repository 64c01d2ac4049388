//! The data directory. Opening it checks which store it holds and in which version, and makes sure that only
//! one node at a time uses it.
//!
//! ```text
//! STORE     says that this is a store, its format and its id; written last when a store is created
//! LOCK      locked while a node runs; holds its process id, for the error message of a second node
//! ARCHIVES  CHECKED  admin-token: notes of a node, which it can do without
//! log/      bodies/      state/
//! ```
//!
//! A directory that holds anything else is not touched, so that a wrong path does not become a store. If the
//! creation of a store was interrupted, the next start completes it.

use crate::real_disk::RealDisk;
use crate::restoring::RESTORING_NAME;
use format::header::{HeaderError, StoreHeader, StoreId};
use rustix::fs::{FlockOperation, flock};
use rustix::rand::{GetRandomFlags, getrandom};
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

pub(crate) const STORE_NAME: &str = "STORE";
pub(crate) const STORE_NEW_NAME: &str = "STORE.new";
pub(crate) const LOCK_NAME: &str = "LOCK";
/// What file systems put into their root directory.
pub(crate) const LOST_AND_FOUND: &str = "lost+found";
/// The archives that read the log.
const ARCHIVES_NAME: &str = "ARCHIVES";
const ARCHIVES_NEW_NAME: &str = "ARCHIVES.new";
/// The keys of subjects, which another crate reads and writes.
pub(crate) const SUBJECT_KEYS: [&str; 3] = ["SUBJECT-KEYS", "SUBJECT-KEYS.new", "SUBJECT-KEYS.old"];
/// What the last check of the data has found.
const CHECKED_NAME: &str = "CHECKED";
const CHECKED_NEW_NAME: &str = "CHECKED.new";
/// More than a node writes there.
const CHECKED_BYTES_MAX: u64 = 64 << 10;
/// The token of the first administrator, and the same until it is valid.
pub const ADMIN_TOKEN_NAME: &str = "admin-token";
pub const ADMIN_TOKEN_NEW_NAME: &str = "admin-token.new";
const LOG: &str = "log";
const BODIES: &str = "bodies";
const STATE: &str = "state";
/// The directories in it.
pub(crate) const PARTS: [&str; 3] = [LOG, BODIES, STATE];

/// Whether a file or directory with this name belongs into a data directory.
#[must_use]
pub fn belongs(name: &str) -> bool {
    [STORE_NAME, STORE_NEW_NAME, LOCK_NAME, RESTORING_NAME, LOST_AND_FOUND].contains(&name)
        || SUBJECT_KEYS.contains(&name)
        || [ARCHIVES_NAME, ARCHIVES_NEW_NAME, CHECKED_NAME, CHECKED_NEW_NAME].contains(&name)
        || [ADMIN_TOKEN_NAME, ADMIN_TOKEN_NEW_NAME].contains(&name)
        || PARTS.contains(&name)
}

/// Why a directory was not opened.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// Another process is using it.
    #[error("{path} is in use by a running node{}", process.map(|id| format!(" (process {id})")).unwrap_or_default())]
    Locked { path: String, process: Option<u32> },
    /// A newer version of the program wrote it.
    #[error(
        "{path} was written by a newer version of Mainstay (format {found}; this version reads formats up to {known})"
    )]
    Newer { path: String, found: u32, known: u32 },
    /// A version from before the first release wrote it.
    #[error(
        "{path} was written by a version of Mainstay from before the first release (format {found}; this version \
         reads formats from {oldest} on); export its events with that version, and import them into a new store"
    )]
    Older { path: String, found: u32, oldest: u32 },
    /// It holds something that is not a store.
    #[error("{path} is not empty and is not a Mainstay store: it holds `{found}`")]
    NotAStore { path: String, found: String },
    /// A backup was to be restored to a directory that is not empty.
    #[error("{path} is not empty: it holds `{found}`")]
    NotEmpty { path: String, found: String },
    /// A restore was interrupted there.
    #[error("{path} holds an unfinished restore: run `mainstay restore` again with this directory")]
    Unfinished { path: String },
    /// There is nothing to examine.
    #[error("{path} holds no store")]
    Missing { path: String },
    /// The file that describes the store is damaged.
    #[error("{path} is damaged: {why}")]
    Damaged { path: String, why: HeaderError },
    #[error("{path}: {source}")]
    Io { path: String, source: io::Error },
}

/// An open and locked data directory. Dropping it releases the lock.
#[derive(Debug)]
pub struct DataDirectory {
    store: StoreId,
    path: PathBuf,
    /// The system releases the lock when the file is closed, however the process ends.
    _lock: File,
}

impl DataDirectory {
    /// A locked directory that is to become a store with this identity.
    pub(crate) fn of_new_store(store: StoreId, path: &Path, lock: File) -> Self {
        Self { store, path: path.to_owned(), _lock: lock }
    }

    /// Opens and locks the directory. If it does not exist or is empty, it is created with a new store.
    ///
    /// # Errors
    /// [`DirectoryError`]. Nothing that was in the directory has been changed.
    pub fn open(path: &Path) -> Result<Self, DirectoryError> {
        let failed = |source| error(path, source);
        create_directories(path).map_err(failed)?;
        check_content(path)?;
        let lock = lock(path)?;
        let store = match std::fs::read(path.join(STORE_NAME)) {
            Ok(bytes) => read_store(path, &bytes)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => create_store(path).map_err(failed)?,
            Err(error) => return Err(failed(error)),
        };
        // The restore that made this a store was interrupted before its last step.
        match std::fs::remove_file(path.join(RESTORING_NAME)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
        Ok(Self { store, path: path.to_owned(), _lock: lock })
    }

    /// Opens and locks a store that exists, and creates nothing but the lock.
    ///
    /// # Errors
    /// [`DirectoryError`]
    pub fn open_existing(path: &Path) -> Result<Self, DirectoryError> {
        match std::fs::read(path.join(STORE_NAME)) {
            Ok(bytes) => {
                let lock = lock(path)?;
                Ok(Self { store: read_store(path, &bytes)?, path: path.to_owned(), _lock: lock })
            }
            Err(found) if found.kind() == io::ErrorKind::NotFound => {
                Err(DirectoryError::Missing { path: path.display().to_string() })
            }
            Err(source) => Err(error(path, source)),
        }
    }

    #[must_use]
    pub const fn store(&self) -> StoreId {
        self.store
    }

    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The directory of the log's segments.
    ///
    /// # Errors
    /// `Io`
    pub fn log_disk(&self) -> Result<RealDisk, DirectoryError> {
        self.disk(LOG)
    }

    /// Whether the directory of the log's segments is there.
    #[must_use]
    pub fn has_log(&self) -> bool {
        self.path.join(LOG).is_dir()
    }

    /// The directory of the body file's segments.
    ///
    /// # Errors
    /// `Io`
    pub fn bodies_disk(&self) -> Result<RealDisk, DirectoryError> {
        self.disk(BODIES)
    }

    /// The list of the archives that read the log.
    #[must_use]
    pub fn archive_list(&self) -> ArchiveList {
        ArchiveList { directory: self.path.clone() }
    }

    /// The directory in which the state store keeps its files.
    #[must_use]
    pub fn state_path(&self) -> PathBuf {
        self.path.join(STATE)
    }

    fn disk(&self, name: &str) -> Result<RealDisk, DirectoryError> {
        let path = self.path.join(name);
        RealDisk::open(&path).map_err(|source| error(&path, source))
    }
}

/// Names of archives in a file, so that a start knows that the log is still to be read. If it is lost, an archive may find a gap
/// and begin again with a backup.
#[derive(Clone, Debug)]
pub struct ArchiveList {
    directory: PathBuf,
}

impl ArchiveList {
    /// The names in the list; none if it cannot be read.
    #[must_use]
    pub fn read(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.directory.join(ARCHIVES_NAME)).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// Replaces the list.
    ///
    /// # Errors
    /// The list is as it was, or as it was to be.
    pub fn write(&self, names: &[String]) -> io::Result<()> {
        let lines: String = names.iter().map(|name| format!("{name}\n")).collect();
        replace(&self.directory, (ARCHIVES_NAME, ARCHIVES_NEW_NAME), lines.as_bytes())
    }
}

/// What the last check of the data has found, as text in a file, for the next start. If it is lost, the data is checked again.
#[derive(Clone, Debug)]
pub struct CheckRecord {
    directory: PathBuf,
}

impl CheckRecord {
    /// The record in this data directory.
    #[must_use]
    pub fn of(directory: &Path) -> Self {
        Self { directory: directory.to_owned() }
    }

    /// The text, of at most 64 KiB; empty if it cannot be read.
    #[must_use]
    pub fn read(&self) -> String {
        let mut text = String::new();
        let read = File::open(self.directory.join(CHECKED_NAME))
            .and_then(|file| file.take(CHECKED_BYTES_MAX).read_to_string(&mut text));
        read.map(|_| text).unwrap_or_default()
    }

    /// Replaces the text.
    ///
    /// # Errors
    /// The text is as it was, or as it was to be.
    pub fn write(&self, text: &str) -> io::Result<()> {
        replace(&self.directory, (CHECKED_NAME, CHECKED_NEW_NAME), text.as_bytes())
    }
}

pub(crate) fn error(path: &Path, source: io::Error) -> DirectoryError {
    DirectoryError::Io { path: path.display().to_string(), source }
}

/// Creates the directory and its parents, each durably in its own parent.
pub(crate) fn create_directories(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    create_directories(parent)?;
    match std::fs::create_dir(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    File::open(parent)?.sync_all()
}

/// A directory without a store must be empty, except for what an interrupted creation leaves.
fn check_content(path: &Path) -> Result<(), DirectoryError> {
    let failed = |source| error(path, source);
    if path.join(STORE_NAME).exists() {
        return Ok(());
    }
    if path.join(RESTORING_NAME).exists() {
        return Err(DirectoryError::Unfinished { path: path.display().to_string() });
    }
    for entry in std::fs::read_dir(path).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name();
        let name = name.to_string_lossy();
        if ![STORE_NEW_NAME, LOCK_NAME, LOST_AND_FOUND].contains(&&*name) {
            let path = path.display().to_string();
            return Err(DirectoryError::NotAStore { path, found: name.into_owned() });
        }
    }
    Ok(())
}

pub(crate) fn lock(path: &Path) -> Result<File, DirectoryError> {
    let name = path.join(LOCK_NAME);
    let failed = |source| error(&name, source);
    let mut options = OpenOptions::new();
    let mut file = options.read(true).write(true).create(true).truncate(false).open(&name).map_err(failed)?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(rustix::io::Errno::WOULDBLOCK) => {
            let mut holder = String::new();
            // The process id is only for the message. If it cannot be read, it is left out.
            let _ = file.read_to_string(&mut holder);
            let process = holder.trim().parse().ok();
            return Err(DirectoryError::Locked { path: path.display().to_string(), process });
        }
        Err(errno) => return Err(failed(errno.into())),
    }
    // On a full disk, the message lacks the process id. The lock still holds.
    let _ = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
    Ok(file)
}

fn read_store(path: &Path, bytes: &[u8]) -> Result<StoreId, DirectoryError> {
    let name = || path.join(STORE_NAME).display().to_string();
    match StoreHeader::decode(bytes) {
        Ok(header) => Ok(header.store),
        Err(HeaderError::Newer { found, known }) => {
            Err(DirectoryError::Newer { path: path.display().to_string(), found, known })
        }
        Err(HeaderError::Older { found, oldest }) => {
            Err(DirectoryError::Older { path: path.display().to_string(), found, oldest })
        }
        Err(HeaderError::Foreign | HeaderError::OtherKind { .. }) => {
            Err(DirectoryError::NotAStore { path: path.display().to_string(), found: STORE_NAME.to_owned() })
        }
        Err(why @ (HeaderError::Blank | HeaderError::Damaged)) => {
            Err(DirectoryError::Damaged { path: name(), why })
        }
    }
}

/// Creates a store.
fn create_store(path: &Path) -> io::Result<StoreId> {
    let store = draw_store()?;
    write_store(path, store)?;
    Ok(store)
}

/// A new identity.
pub(crate) fn draw_store() -> io::Result<StoreId> {
    let mut id = [0; 16];
    let mut drawn = 0;
    while drawn < id.len() {
        drawn += getrandom(&mut id[drawn..], GetRandomFlags::empty())?;
    }
    Ok(StoreId(u128::from_le_bytes(id)))
}

/// Writes the file that makes the directory a store. The file is complete and durable before it gets its
/// final name.
pub(crate) fn write_store(path: &Path, store: StoreId) -> io::Result<()> {
    replace(path, (STORE_NAME, STORE_NEW_NAME), &StoreHeader { store }.encode())
}

/// Writes a file of the directory completely or not at all, and makes it durable. The second name is that of the file while
/// it is written.
fn replace(directory: &Path, (name, new): (&str, &str), bytes: &[u8]) -> io::Result<()> {
    let new = directory.join(new);
    let mut file = File::create(&new)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&new, directory.join(name))?;
    File::open(directory)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::Disk;

    fn scratch() -> tempfile::TempDir {
        tempfile::tempdir().expect("a directory")
    }

    #[test]
    fn a_store_is_created_once_and_keeps_its_id() {
        let scratch = scratch();
        let path = scratch.path().join("a/b/data");
        let directory = DataDirectory::open(&path).expect("created");
        let store = directory.store();
        assert_ne!(store, StoreId(0));
        directory.log_disk().expect("a disk").create("x").expect("created");
        drop(directory);
        let directory = DataDirectory::open(&path).expect("opens");
        assert_eq!(directory.store(), store);
        assert_eq!(directory.log_disk().expect("a disk").list().expect("listed"), ["x"]);
        let other = DataDirectory::open(&scratch.path().join("other")).expect("created");
        assert_ne!(other.store(), store);
    }

    #[test]
    fn a_directory_in_use_is_refused_and_its_process_named() {
        let scratch = scratch();
        let first = DataDirectory::open(scratch.path()).expect("created");
        let error = DataDirectory::open(scratch.path()).expect_err("in use");
        assert!(error.to_string().ends_with(&format!("running node (process {})", std::process::id())));
        drop(first);
        DataDirectory::open(scratch.path()).expect("free again");
    }

    #[test]
    fn a_directory_with_other_content_is_refused_and_not_touched() {
        let scratch = scratch();
        std::fs::write(scratch.path().join("thesis.txt"), "years of work").expect("written");
        let error = DataDirectory::open(scratch.path()).expect_err("not ours");
        assert!(error.to_string().contains("`thesis.txt`"), "{error}");
        assert_eq!(std::fs::read_dir(scratch.path()).expect("listed").count(), 1);
        std::fs::write(scratch.path().join(STORE_NAME), "another program's").expect("written");
        let error = DataDirectory::open(scratch.path()).expect_err("not ours");
        assert!(matches!(error, DirectoryError::NotAStore { .. }), "{error}");
    }

    #[test]
    fn a_path_that_is_a_file_is_refused() {
        let scratch = scratch();
        let path = scratch.path().join("file");
        std::fs::write(&path, "").expect("written");
        let error = DataDirectory::open(&path).expect_err("a file");
        assert!(matches!(error, DirectoryError::Io { .. }), "{error}");
    }

    /// A directory whose store file says that it has this version.
    fn of_version(version: u8) -> tempfile::TempDir {
        let scratch = scratch();
        let mut bytes = StoreHeader { store: StoreId(7) }.encode();
        bytes[12] = version;
        let end = bytes.len() - 4;
        let checksum = crc32c::crc32c(&bytes[..end]);
        bytes[end..].copy_from_slice(&checksum.to_le_bytes());
        std::fs::write(scratch.path().join(STORE_NAME), bytes).expect("written");
        scratch
    }

    #[test]
    fn a_newer_store_is_refused_by_its_version() {
        let error = DataDirectory::open(of_version(9).path()).expect_err("newer");
        assert!(matches!(error, DirectoryError::Newer { found: 9, known: 2, .. }), "{error}");
    }

    #[test]
    fn a_store_from_before_the_first_release_is_refused_and_the_way_out_named() {
        let error = DataDirectory::open(of_version(1).path()).expect_err("older");
        assert!(matches!(error, DirectoryError::Older { found: 1, oldest: 2, .. }), "{error}");
        assert!(error.to_string().ends_with("import them into a new store"), "{error}");
    }

    #[test]
    fn a_damaged_store_file_is_refused() {
        let scratch = scratch();
        drop(DataDirectory::open(scratch.path()).expect("created"));
        let name = scratch.path().join(STORE_NAME);
        let mut bytes = std::fs::read(&name).expect("read");
        bytes[25] ^= 4;
        std::fs::write(&name, &bytes).expect("written");
        let error = DataDirectory::open(scratch.path()).expect_err("damaged");
        assert!(matches!(error, DirectoryError::Damaged { .. }), "{error}");
        std::fs::write(&name, "").expect("written");
        let error = DataDirectory::open(scratch.path()).expect_err("damaged");
        assert!(matches!(error, DirectoryError::Damaged { .. }), "{error}");
    }

    #[test]
    fn an_interrupted_creation_is_completed() {
        let scratch = scratch();
        std::fs::create_dir(scratch.path().join(LOST_AND_FOUND)).expect("created");
        std::fs::write(scratch.path().join(LOCK_NAME), "").expect("written");
        std::fs::write(scratch.path().join(STORE_NEW_NAME), "MAIN").expect("written");
        DataDirectory::open(scratch.path()).expect("created");
    }
}
