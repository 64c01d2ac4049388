//! The data directory of a node that cannot start any more, as far as a restore can use it.
//!
//! The state of a store is made again from a backup and the entries that followed it. Some of these are nowhere but in the log
//! of the lost node: those that were written after the newest backup, or in the second that an archive is behind. The log
//! is a file of its own, so it is often whole when the state or the bodies are not.
//!
//! ```text
//!   backup ──▶ archive ──▶ log of the lost node
//!   ───────────────── entries ─────────────────▶
//! ```
//!
//! Nothing in the directory is changed, and no node starts there in the meantime.

use crate::error::{Result, UpkeepError};
use crate::log_archive::{LogArchive, Stretch, StretchEnd};
use crate::restore::GROUP;
use crate::subject_keys::CopiedKeys;
use format::frame::LogEntry;
use format::header::StoreId;
use model::{GroupId, Index};
use node::following;
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;
use storage::directory::DataDirectory;
use storage::log::{Log, LogError, LogOptions, LogReader, RecoveredGroup};
use storage::real_disk::RealDisk;

/// How many bytes of entries are read at a time.
const PAGE_BYTES: usize = 4 << 20;

/// See the module.
#[derive(Debug)]
pub struct LostNode {
    directory: DataDirectory,
    log: LogReader<RealDisk>,
    groups: BTreeMap<GroupId, RecoveredGroup>,
}

impl LostNode {
    /// Opens what is left of a node.
    ///
    /// # Errors
    /// A node is using it, it is not of this store, or its log is damaged or missing.
    pub fn open(path: &Path, store: StoreId) -> Result<Self> {
        let directory = DataDirectory::open_existing(path)?;
        if directory.store() != store {
            let (path, found) = (path.display().to_string(), directory.store());
            return Err(UpkeepError::LogOfOther { path, found, wanted: store });
        }
        if !directory.has_log() {
            return Err(UpkeepError::NoLog { path: path.display().to_string() });
        }
        let log = Log::check(directory.log_disk()?, LogOptions::new(store));
        let log = log.map_err(|source| lost_log(path, source))?;
        Ok(Self { directory, log: log.reader(), groups: log.groups() })
    }

    /// Visits the entries of the log after this one, in order and without gaps, until `visit` breaks or there are no more. All
    /// are taken that a start would take: a write that was never acknowledged may be among the last.
    ///
    /// # Errors
    /// The entries after `after` are not in the log any more, the log is damaged, or the error of `visit`.
    pub fn entries_after(
        &self,
        after: Index,
        mut visit: impl FnMut(&LogEntry<'_>) -> Result<ControlFlow<()>>,
    ) -> Result<Stretch> {
        let mut stretch = Stretch { last: after, end: StretchEnd::Newest };
        let held = self.groups.get(&GROUP).filter(|held| held.last > after);
        let Some(held) = held else { return Ok(stretch) };
        if held.first > following(after) {
            let path = self.directory.path().display().to_string();
            return Err(UpkeepError::LogBegins { path, first: held.first.0, last: after.0 });
        }
        while stretch.last < held.last {
            let page = self.log.entries(GROUP, following(stretch.last), PAGE_BYTES);
            let page = page.map_err(|source| lost_log(self.directory.path(), source))?;
            if page.entries.is_empty() {
                break;
            }
            for stored in &page.entries {
                let (index, term, kind) = (stored.index, stored.term, stored.kind);
                if visit(&LogEntry { index, term, kind, bytes: &stored.bytes })?.is_break() {
                    return Ok(Stretch { end: StretchEnd::Asked, ..stretch });
                }
                stretch.last = index;
            }
        }
        Ok(stretch)
    }

    /// The keys that the events of the log are sealed with, if there is a file of them and it is whole.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn subject_keys(&self) -> Result<Option<CopiedKeys>> {
        CopiedKeys::of_data_directory(&self.directory)
    }
}

fn lost_log(path: &Path, source: LogError) -> UpkeepError {
    UpkeepError::LostLog { path: path.display().to_string(), source }
}

/// The entries after a backup, wherever they are.
#[derive(Debug)]
pub struct LaterEntries<'a> {
    pub archive: LogArchive,
    pub lost: Option<&'a LostNode>,
}

impl LaterEntries<'_> {
    /// Visits the entries after this one, as [`LogArchive::entries_after`]: first those of the archive. Also returns the last
    /// one that the archive had.
    ///
    /// # Errors
    /// A file cannot be read or is damaged, the log does not go on where the archive ends, or the error of `visit`.
    pub fn after(
        &self,
        after: Index,
        mut visit: impl FnMut(&LogEntry<'_>) -> Result<ControlFlow<()>>,
    ) -> Result<(Stretch, Index)> {
        let archived = self.archive.entries_after(after, &mut visit)?;
        let Some(lost) = self.lost.filter(|_| archived.end != StretchEnd::Asked) else {
            return Ok((archived, archived.last));
        };
        let logged = lost.entries_after(archived.last, visit)?;
        let is_further = logged.last > archived.last || logged.end == StretchEnd::Asked;
        Ok((if is_further { logged } else { archived }, archived.last))
    }
}
