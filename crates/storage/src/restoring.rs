//! A data directory that a backup is being restored to.
//!
//! ```text
//! RESTORING ──▶ log/ bodies/ state/ SUBJECT-KEYS ──▶ STORE ──▶ RESTORING removed
//! ```
//!
//! The directory becomes a store when it gets its `STORE` file, which is last. A restore that was interrupted before that
//! leaves `RESTORING`: no node starts there, and the next restore begins again. What is removed then was written by a
//! restore, because nothing else creates files next to `RESTORING`.

use crate::directory::{
    DataDirectory, DirectoryError, LOCK_NAME, LOST_AND_FOUND, PARTS, STORE_NAME, STORE_NEW_NAME,
    SUBJECT_KEYS, create_directories, draw_store, error, lock, write_store,
};
use std::fs::File;
use std::io;
use std::path::Path;

/// Says that a restore has begun.
pub(crate) const RESTORING_NAME: &str = "RESTORING";
/// See the module. Locked until it is dropped.
#[derive(Debug)]
pub struct RestoringDirectory(DataDirectory);

impl RestoringDirectory {
    /// Begins a restore in a directory that does not exist, is empty, or is what an interrupted restore has left. The
    /// store gets a new identity.
    ///
    /// # Errors
    /// [`DirectoryError`]: it is in use, or it holds something else. Nothing in it has changed.
    pub fn begin(path: &Path) -> Result<Self, DirectoryError> {
        let failed = |source| error(path, source);
        create_directories(path).map_err(failed)?;
        check_content(path)?;
        let lock = lock(path)?;
        // Again, now that no other restore can be at work.
        check_content(path)?;
        File::create(path.join(RESTORING_NAME)).and_then(|file| file.sync_all()).map_err(failed)?;
        sync(path).map_err(failed)?;
        for part in PARTS {
            match std::fs::remove_dir_all(path.join(part)) {
                Err(source) if source.kind() != io::ErrorKind::NotFound => return Err(failed(source)),
                _ => {}
            }
        }
        for name in SUBJECT_KEYS {
            match std::fs::remove_file(path.join(name)) {
                Err(source) if source.kind() != io::ErrorKind::NotFound => return Err(failed(source)),
                _ => {}
            }
        }
        let store = draw_store().map_err(failed)?;
        Ok(Self(DataDirectory::of_new_store(store, path, lock)))
    }

    /// What it is going to be. Its parts are empty at first.
    #[must_use]
    pub const fn target(&self) -> &DataDirectory {
        &self.0
    }

    /// Makes the directory a store. Its files must be durable.
    ///
    /// # Errors
    /// `Io`
    pub fn finish(self) -> Result<(), DirectoryError> {
        let path = self.0.path();
        let failed = |source| error(path, source);
        sync(path).map_err(failed)?;
        write_store(path, self.0.store()).map_err(failed)?;
        std::fs::remove_file(path.join(RESTORING_NAME)).map_err(failed)?;
        sync(path).map_err(failed)
    }
}

fn sync(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// The directory is empty, or a restore has begun there and has not ended.
fn check_content(path: &Path) -> Result<(), DirectoryError> {
    let failed = |source| error(path, source);
    let begun = path.join(RESTORING_NAME).exists() && !path.join(STORE_NAME).exists();
    for entry in std::fs::read_dir(path).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name();
        let name = name.to_string_lossy();
        let left = [LOCK_NAME, LOST_AND_FOUND].contains(&&*name);
        let written = [RESTORING_NAME, STORE_NEW_NAME].contains(&&*name)
            || PARTS.contains(&&*name)
            || SUBJECT_KEYS.contains(&&*name);
        if !(left || begun && written) {
            return Err(DirectoryError::NotEmpty {
                path: path.display().to_string(),
                found: name.into_owned(),
            });
        }
    }
    Ok(())
}
