//! Where backups are kept: files with names such as `segments-STORE/x.bodies`, each of them whole or absent.
//!
//! | place | a file is whole, because | a backup has its name, because | one writer at a time, by |
//! |---|---|---|---|
//! | a directory | it is renamed when it is on the disk | its directory is renamed | a lock of the system |
//! | a bucket ([`Objects`]) | an object appears at once | its manifest is put last | a lock in the bucket |
//! | a stream ([`tar`](self)) | the manifest is last, and has the sums of all | the same | there is one |
//!
//! A file is written on this machine first, checked there, and then put. It is read by fetching it: a file of a directory
//! is read where it is, and an object from a temporary copy. So what is checked never depends on the kind of place, and of
//! a bucket no more than one file at a time is on this machine.

mod directory;
mod objects;
mod tar_stream;
mod unpack;

pub use objects::{HeldLock, Objects};
pub use unpack::{Unpacked, unpack};

pub(crate) use tar_stream::TarStream;

use crate::error::{Result, UpkeepError};
use rustix::fs::{FlockOperation, flock};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use tempfile::{NamedTempFile, TempDir};

/// A backup that is written into a directory, until it gets its name.
pub(crate) const UNFINISHED: &str = "unfinished";
/// What a file that is not whole yet is called in a directory.
pub(crate) const STAGED_EXTENSION: &str = "new";
const REMOVED_PREFIX: &str = "removed-";
const LOCK: &str = "LOCK";

/// See the module.
#[derive(Clone, Debug)]
pub(crate) enum Place {
    Directory {
        path: PathBuf,
        /// What it is called in messages.
        shown: PathBuf,
    },
    Bucket {
        objects: Arc<dyn Objects>,
        /// Where files are before they are put.
        staging: Arc<TempDir>,
    },
    Stream {
        stream: Arc<Mutex<TarStream>>,
        staging: Arc<TempDir>,
    },
}

/// An existing file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Listed {
    /// Its name in its folder.
    pub name: String,
    pub bytes: u64,
}

/// A file that can be read on this machine, until this is dropped.
#[derive(Debug)]
pub(crate) struct Fetched {
    path: PathBuf,
    /// What it is called in messages.
    pub(crate) shown: PathBuf,
    _copy: Option<NamedTempFile>,
}

/// The right to change a place, until it is dropped.
#[derive(Debug)]
pub(crate) enum Lock {
    Directory { _file: File },
    Bucket(Box<dyn HeldLock>),
    Stream,
}

impl Fetched {
    /// A file that is on this machine anyway.
    #[cfg(test)]
    pub(crate) fn local(path: &Path) -> Self {
        Self { path: path.to_owned(), shown: path.to_owned(), _copy: None }
    }

    /// A file that is written here, and will be at a place.
    pub(crate) fn staged(path: PathBuf, shown: PathBuf) -> Self {
        Self { path, shown, _copy: None }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn open(&self) -> Result<File> {
        File::open(&self.path).map_err(|source| UpkeepError::io(&self.shown, source))
    }

    /// Everything in it. For small files.
    pub(crate) fn bytes(&self) -> Result<Vec<u8>> {
        std::fs::read(&self.path).map_err(|source| UpkeepError::io(&self.shown, source))
    }

    /// Text that was written into it.
    pub(crate) fn text(&self) -> Result<String> {
        String::from_utf8(self.bytes()?).map_err(|_| UpkeepError::damaged(&self.shown, "it is not UTF-8"))
    }
}

impl Lock {
    /// # Errors
    /// It was lost: another process may have it.
    pub(crate) fn check(&self) -> Result<()> {
        match self {
            Self::Bucket(held) => held.check(),
            Self::Directory { .. } | Self::Stream => Ok(()),
        }
    }
}

impl Place {
    /// What it is called in messages.
    pub(crate) fn shown(&self) -> PathBuf {
        match self {
            Self::Directory { shown, .. } => shown.clone(),
            Self::Bucket { objects, .. } => objects.label().into(),
            Self::Stream { .. } => "the stream".into(),
        }
    }

    /// What a file is called in messages.
    pub(crate) fn shown_file(&self, name: &str) -> PathBuf {
        self.shown().join(name)
    }

    fn failed(&self, name: &str) -> impl Fn(std::io::Error) -> UpkeepError {
        let shown = self.shown_file(name);
        move |source| UpkeepError::io(&shown, source)
    }

    /// The folders in it, sorted.
    pub(crate) fn folders(&self) -> Result<Vec<String>> {
        match self {
            Self::Directory { path, shown } => directory::folders(path, shown),
            Self::Bucket { objects, .. } => objects.folders(),
            Self::Stream { .. } => Ok(Vec::new()),
        }
    }

    /// The files in a folder, sorted; none if there is no such folder. An empty name: those in no folder.
    pub(crate) fn list(&self, folder: &str) -> Result<Vec<Listed>> {
        match self {
            Self::Directory { path, shown } => directory::list(&path.join(folder), &shown.join(folder)),
            Self::Bucket { objects, .. } => objects.list(folder),
            Self::Stream { .. } => Ok(Vec::new()),
        }
    }

    /// A file, or `None` if it is not there.
    pub(crate) fn fetch(&self, name: &str) -> Result<Option<Fetched>> {
        let shown = self.shown_file(name);
        match self {
            Self::Directory { path, .. } => {
                let path = path.join(name);
                match path.try_exists() {
                    Ok(true) => Ok(Some(Fetched { path, shown, _copy: None })),
                    Ok(false) => Ok(None),
                    Err(error) => Err(UpkeepError::io(&shown, error)),
                }
            }
            Self::Bucket { objects, staging } => {
                let failed = |source| UpkeepError::io(staging.path(), source);
                let mut copy = NamedTempFile::new_in(staging.path()).map_err(failed)?;
                if !objects.get(name, copy.as_file_mut())? {
                    return Ok(None);
                }
                Ok(Some(Fetched { path: copy.path().to_owned(), shown, _copy: Some(copy) }))
            }
            Self::Stream { .. } => Ok(None),
        }
    }

    /// A file that must be there.
    pub(crate) fn fetch_known(&self, name: &str) -> Result<Fetched> {
        let fetched = self.fetch(name)?;
        fetched.ok_or_else(|| self.failed(name)(std::io::ErrorKind::NotFound.into()))
    }

    /// Where a file is written before it is put. In a directory, it is still there after an interruption.
    pub(crate) fn staged(&self, name: &str) -> PathBuf {
        match self {
            Self::Directory { path, .. } => path.join(name).with_added_extension(STAGED_EXTENSION),
            Self::Bucket { staging, .. } | Self::Stream { staging, .. } => {
                staging.path().join(name.replace('/', "+"))
            }
        }
    }

    /// Keeps the file that was written where [`staged`](Self::staged) says. It is whole and durable when this returns, and
    /// no longer staged.
    pub(crate) fn put(&self, name: &str) -> Result<()> {
        let (staged, failed) = (self.staged(name), self.failed(name));
        match self {
            Self::Directory { path, shown } => {
                File::open(&staged).and_then(|file| file.sync_all()).map_err(&failed)?;
                std::fs::rename(&staged, path.join(name)).map_err(&failed)?;
                let folder = Path::new(name).parent().unwrap_or(Path::new(""));
                directory::sync(&path.join(folder), &shown.join(folder))
            }
            Self::Bucket { objects, .. } => {
                objects.put(&staged, name)?;
                std::fs::remove_file(&staged).map_err(failed)
            }
            Self::Stream { stream, .. } => {
                let mut stream = stream.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                stream.append(&staged, name).map_err(&failed)?;
                std::fs::remove_file(&staged).map_err(failed)
            }
        }
    }

    /// Writes and puts a small file.
    pub(crate) fn put_bytes(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let staged = self.staged(name);
        std::fs::write(&staged, bytes).map_err(self.failed(name))?;
        self.put(name)
    }

    /// Makes a folder, if the place has such things.
    pub(crate) fn create_folder(&self, folder: &str) -> Result<()> {
        match self {
            Self::Directory { path, .. } => {
                std::fs::create_dir_all(path.join(folder)).map_err(self.failed(folder))
            }
            Self::Bucket { .. } | Self::Stream { .. } => Ok(()),
        }
    }

    /// Removes a file.
    pub(crate) fn remove(&self, name: &str) -> Result<()> {
        match self {
            Self::Directory { path, .. } => std::fs::remove_file(path.join(name)).map_err(self.failed(name)),
            Self::Bucket { objects, .. } => objects.remove(name),
            Self::Stream { .. } => Ok(()),
        }
    }

    /// Removes a folder and everything in it, if it is there.
    pub(crate) fn remove_folder(&self, folder: &str) -> Result<()> {
        match self {
            Self::Directory { path, .. } => match std::fs::remove_dir_all(path.join(folder)) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(self.failed(folder)(error)),
                _ => Ok(()),
            },
            Self::Bucket { .. } => {
                let files = self.list(folder)?;
                files.iter().try_for_each(|file| self.remove(&format!("{folder}/{}", file.name)))
            }
            Self::Stream { .. } => Ok(()),
        }
    }

    /// Removes a folder if nothing is in it.
    pub(crate) fn remove_empty_folder(&self, folder: &str) {
        if let Self::Directory { path, .. } = self {
            let _ = std::fs::remove_dir(path.join(folder));
        }
    }

    /// Locks a folder, or the whole place if the name is empty.
    pub(crate) fn lock(&self, folder: &str) -> Result<Lock> {
        let name = if folder.is_empty() { LOCK.to_owned() } else { format!("{folder}/{LOCK}") };
        match self {
            Self::Directory { path, shown } => {
                let file = File::create(path.join(&name)).map_err(self.failed(&name))?;
                match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                    Ok(()) => Ok(Lock::Directory { _file: file }),
                    Err(rustix::io::Errno::WOULDBLOCK) => {
                        Err(UpkeepError::InUse { path: shown.join(folder).display().to_string() })
                    }
                    Err(errno) => Err(self.failed(&name)(errno.into())),
                }
            }
            Self::Bucket { objects, .. } => Ok(Lock::Bucket(objects.lock(&name)?)),
            Self::Stream { .. } => Ok(Lock::Stream),
        }
    }

    /// The folder for the files of a backup that is being written.
    pub(crate) fn folder_of_new(&self, backup: &str) -> String {
        match self {
            Self::Directory { .. } => UNFINISHED.to_owned(),
            Self::Bucket { .. } | Self::Stream { .. } => backup.to_owned(),
        }
    }

    /// Gives a backup its name, when all its files were put, the manifest last.
    pub(crate) fn name_backup(&self, backup: &str) -> Result<()> {
        match self {
            Self::Directory { path, shown } => {
                let unfinished = path.join(UNFINISHED);
                std::fs::rename(&unfinished, path.join(backup)).map_err(self.failed(backup))?;
                directory::sync(path, shown)
            }
            // It counts since its manifest is there.
            Self::Bucket { .. } => Ok(()),
            Self::Stream { stream, .. } => {
                let mut stream = stream.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                stream.end().map_err(self.failed(backup))
            }
        }
    }

    /// Makes a backup no longer count, before its files are removed: a part of a backup must not look like one.
    pub(crate) fn forget_backup(&self, backup: &str) -> Result<()> {
        match self {
            Self::Directory { path, shown } => {
                let removed = path.join(format!("{REMOVED_PREFIX}{backup}"));
                std::fs::rename(path.join(backup), removed).map_err(self.failed(backup))?;
                directory::sync(path, shown)
            }
            Self::Bucket { .. } => self.remove(&format!("{backup}/{}", crate::backups::MANIFEST)),
            Self::Stream { .. } => Ok(()),
        }
    }

    /// Whether a folder is left of a backup that was interrupted or removed. `names_no_backup`: it has the name of a backup, and
    /// is none.
    pub(crate) fn is_left_over(&self, folder: &str, names_no_backup: impl Fn() -> bool) -> bool {
        match self {
            Self::Directory { .. } => folder.starts_with(REMOVED_PREFIX) || folder == UNFINISHED,
            Self::Bucket { .. } => names_no_backup(),
            Self::Stream { .. } => false,
        }
    }

    /// Whether a folder with the name of a backup, but without a manifest, is a backup that was interrupted. Otherwise it is
    /// damaged.
    pub(crate) const fn may_lack_manifest(&self) -> bool {
        !matches!(self, Self::Directory { .. })
    }

    /// Whether what was put before should be read again only if it must be.
    pub(crate) const fn is_far(&self) -> bool {
        matches!(self, Self::Bucket { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_a_directory_is_there_when_it_was_put_and_not_before() {
        let scratch = tempfile::tempdir().unwrap();
        let place = Place::Directory { path: scratch.path().to_owned(), shown: scratch.path().to_owned() };
        place.create_folder("a").unwrap();
        std::fs::write(place.staged("a/b"), "text").unwrap();
        assert!(place.fetch("a/b").unwrap().is_none());
        place.put("a/b").unwrap();
        assert_eq!(place.fetch_known("a/b").unwrap().text().unwrap(), "text");
        assert_eq!(place.list("a").unwrap(), [Listed { name: "b".to_owned(), bytes: 4 }]);
        assert_eq!(place.list("none").unwrap(), []);
    }
}
