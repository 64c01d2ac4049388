//! The entries of a store's log in a directory of backups: what happened between and after the backups.
//!
//! ```text
//! log-STORE/
//!     LOCK                      locked by the process that adds entries
//!     READS_AS                  the name under which a node knows the archive
//!     0000000000000001.log      a header, then pieces with entries, from the one in the name on
//!     0000000000000e12.log      those that follow; or later ones, after some that the archive has missed
//! ```
//!
//! A piece is in the archive when it is on the disk. What a power cut leaves of another at the end of the last file is cut
//! off before more is added. Where entries are missing, a restore can go on only from a later backup.

mod read;
mod write;

pub use read::{Stretch, StretchEnd};
pub use write::LogArchiveWriter;

use crate::backups::names_in;
use crate::error::Result;
use format::header::StoreId;
use model::Index;
use std::path::{Path, PathBuf};

const LOG_PREFIX: &str = "log-";
const LOG_SUFFIX: &str = ".log";

/// See the module.
#[derive(Clone, Debug)]
pub struct LogArchive {
    path: PathBuf,
    store: StoreId,
}

/// A file of an archive, and the first entry in it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct LogFile {
    first: Index,
    path: PathBuf,
}

impl LogArchive {
    /// The archive of a store in a directory of backups. It need not exist.
    #[must_use]
    pub fn new(backups: &Path, store: StoreId) -> Self {
        Self { path: backups.join(format!("{LOG_PREFIX}{store}")), store }
    }

    /// Its files, in the order of their entries. None if it does not exist.
    fn files(&self) -> Result<Vec<LogFile>> {
        if !self.path.exists() {
            return Ok(Vec::new());
        }
        let file = |name: String| {
            let first = u64::from_str_radix(name.strip_suffix(LOG_SUFFIX)?, 16).ok()?;
            (file_name(Index(first)) == name)
                .then(|| LogFile { first: Index(first), path: self.path.join(name) })
        };
        Ok(names_in(&self.path)?.into_iter().filter_map(file).collect())
    }

    /// Removes the files whose entries all come before this one, and returns their bytes.
    ///
    /// # Errors
    /// [`UpkeepError`](crate::UpkeepError)
    pub(crate) fn prune(&self, before: Index) -> Result<u64> {
        let files = self.files()?;
        let unneeded = files.windows(2).take_while(|pair| pair[1].first <= before);
        let mut bytes = 0;
        for LogFile { path, .. } in unneeded.map(|pair| &pair[0]) {
            let failed = |source| crate::UpkeepError::io(path, source);
            bytes += path.metadata().map_err(failed)?.len();
            std::fs::remove_file(path).map_err(failed)?;
        }
        Ok(bytes)
    }
}

fn file_name(first: Index) -> String {
    format!("{:016x}{LOG_SUFFIX}", first.0)
}
