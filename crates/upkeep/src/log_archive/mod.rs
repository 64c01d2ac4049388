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
//! off before more is added. In a bucket, where nothing can be appended, each piece is a file of its own. Where entries are missing, a restore can go on only from a later backup.

mod read;
mod write;

pub use read::{Stretch, StretchEnd};
pub use write::LogArchiveWriter;

use crate::error::Result;
use crate::place::{Listed, Place};
use format::header::StoreId;
use model::Index;

const LOG_PREFIX: &str = "log-";
const LOG_SUFFIX: &str = ".log";

/// See the module.
#[derive(Clone, Debug)]
pub struct LogArchive {
    place: Place,
    folder: String,
    store: StoreId,
}

/// A file of an archive, and the first entry in it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct LogFile {
    first: Index,
    /// What it is called in the place.
    name: String,
    bytes: u64,
}

impl LogArchive {
    /// The archive of a store in a directory of backups. It need not exist.
    pub(crate) fn new(place: Place, store: StoreId) -> Self {
        Self { place, folder: format!("{LOG_PREFIX}{store}"), store }
    }

    /// Its files, in the order of their entries. None if it does not exist.
    fn files(&self) -> Result<Vec<LogFile>> {
        let file = |file: Listed| {
            let first = u64::from_str_radix(file.name.strip_suffix(LOG_SUFFIX)?, 16).ok().map(Index)?;
            let is_its_name = file_name(first) == file.name;
            is_its_name.then(|| LogFile { first, name: self.name_of(&file.name), bytes: file.bytes })
        };
        Ok(self.place.list(&self.folder)?.into_iter().filter_map(file).collect())
    }

    /// What a file is called in the place.
    fn name_of(&self, file: &str) -> String {
        format!("{}/{file}", self.folder)
    }

    /// Removes the files whose entries all come before this one, and returns their bytes.
    ///
    /// # Errors
    /// [`UpkeepError`](crate::UpkeepError)
    pub(crate) fn prune(&self, before: Index) -> Result<u64> {
        let files = self.files()?;
        let unneeded = files.windows(2).take_while(|pair| pair[1].first <= before);
        let mut bytes = 0;
        for file in unneeded.map(|pair| &pair[0]) {
            bytes += file.bytes;
            self.place.remove(&file.name)?;
        }
        Ok(bytes)
    }
}

fn file_name(first: Index) -> String {
    format!("{:016x}{LOG_SUFFIX}", first.0)
}
