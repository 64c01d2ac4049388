//! Files of a directory.

use super::Listed;
use crate::error::{Result, UpkeepError};
use std::fs::File;
use std::io;
use std::path::Path;

/// The names of the directories in a directory, sorted.
pub(super) fn folders(path: &Path, shown: &Path) -> Result<Vec<String>> {
    let failed = |source| UpkeepError::io(shown, source);
    let mut names = Vec::new();
    for entry in std::fs::read_dir(path).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if entry.path().is_dir() {
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    names.sort();
    Ok(names)
}

/// The files in a directory, sorted; none if it does not exist.
pub(super) fn list(path: &Path, shown: &Path) -> Result<Vec<Listed>> {
    let failed = |source| UpkeepError::io(shown, source);
    let entries = match std::fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    let mut files = Vec::new();
    for entry in entries {
        let entry = entry.map_err(failed)?;
        let about = match entry.path().metadata() {
            Ok(about) => about,
            // A writer of the archive gives a file its name meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(failed(error)),
        };
        if about.is_file() {
            files.push(Listed { name: entry.file_name().to_string_lossy().into_owned(), bytes: about.len() });
        }
    }
    files.sort();
    Ok(files)
}

pub(super) fn sync(path: &Path, shown: &Path) -> Result<()> {
    File::open(path)
        .and_then(|directory| directory.sync_all())
        .map_err(|source| UpkeepError::io(shown, source))
}
