//! The data directory: whose it is, of which version, and that one node at a time uses it.

use crate::real_disk::RealDisk;
use format::header::StoreId;
use std::io;
use std::path::{Path, PathBuf};

/// Why a directory was not opened.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// Another process runs on it.
    #[error("{} is in use by a running node{}", path.display(), process.map(|id| format!(" (process {id})")).unwrap_or_default())]
    Locked { path: PathBuf, process: Option<u32> },
    /// A newer program wrote it.
    #[error("{} was written by a newer version of Mainstay (format {found}; this program knows up to {known})", path.display())]
    Newer { path: PathBuf, found: u32, known: u32 },
    /// It holds something that is not a store.
    #[error("{} is not empty and not a store of Mainstay (it holds {found})", path.display())]
    NotAStore { path: PathBuf, found: String },
    /// The file that says what the directory is cannot be read as what was written.
    #[error("{} is damaged", path.display())]
    Damaged { path: PathBuf },
    #[error("{}: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
}

/// An opened and locked data directory. The lock goes with it.
#[derive(Debug)]
pub struct DataDirectory {
    store: StoreId,
    path: PathBuf,
}

impl DataDirectory {
    /// Opens and locks the directory, creating it and a new store in it if there is none.
    ///
    /// # Errors
    /// [`DirectoryError`]
    pub fn open(path: &Path) -> Result<Self, DirectoryError> {
        Ok(Self { store: StoreId(0), path: path.to_owned() })
    }

    #[must_use]
    pub const fn store(&self) -> StoreId {
        self.store
    }

    /// The directory of the log's segments.
    ///
    /// # Errors
    /// `Io`
    pub fn log_disk(&self) -> Result<RealDisk, DirectoryError> {
        self.disk("log")
    }

    /// The directory of the body file's segments.
    ///
    /// # Errors
    /// `Io`
    pub fn bodies_disk(&self) -> Result<RealDisk, DirectoryError> {
        self.disk("bodies")
    }

    /// Where the state store keeps its files.
    #[must_use]
    pub fn state_path(&self) -> PathBuf {
        self.path.join("state")
    }

    fn disk(&self, name: &str) -> Result<RealDisk, DirectoryError> {
        let path = self.path.join(name);
        RealDisk::open(&path).map_err(|source| DirectoryError::Io { path, source })
    }
}
