//! Reads a backup completely: the sum of each file, every chunk and every record, and whether rows and events match. And what
//! was archived.

use super::{Backup, BackupDirectory, MANIFEST, SUMS};
use crate::digest;
use crate::error::{Result, UpkeepError};
use crate::log_archive::Stretch;
use crate::matching::Matching;
use crate::needed_keys::NeededKeys;
use crate::place::Fetched;
use crate::{rows, segments};
use format::header::{SnapshotHeader, StoreId};
use model::Cursor;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// A backup in which everything is as it was written.
#[derive(Clone, Debug)]
pub struct Verified {
    pub header: SnapshotHeader,
    pub keys: NeededKeys,
    pub events: u64,
    pub rows: u64,
    /// The bytes of all its files.
    pub bytes: u64,
}

/// What reading an archive of a store's log has found.
#[derive(Debug)]
pub struct VerifiedArchive {
    /// The identity of the store.
    pub store: String,
    /// What it has without a gap, in order; none if there is no archive.
    pub stretches: Result<Vec<Stretch>>,
}

impl BackupDirectory {
    /// Reads what was archived of the stores that these are backups of.
    #[must_use]
    pub fn verify_archives(&self, backups: &[Backup]) -> Vec<VerifiedArchive> {
        let stores: BTreeSet<_> = backups.iter().filter_map(|backup| backup.manifest.store_id()).collect();
        let verify = |store: StoreId| VerifiedArchive {
            store: store.to_string(),
            stretches: self.log_archive(store).stretches(),
        };
        stores.into_iter().map(verify).collect()
    }
}

impl Backup {
    /// # Errors
    /// The first thing that is wrong.
    pub fn verify(&self) -> Result<Verified> {
        let mut sums = Sums { sums: read_sums(&self.file(SUMS)?)?, shown: self.shown_file(SUMS), bytes: 0 };
        let manifest = self.shown_file(MANIFEST);
        sums.check(MANIFEST, &self.file(MANIFEST)?)?;
        let (mut matching, mut keys, mut count) = (Matching::default(), NeededKeys::default(), 0);
        let files = self.manifest.state.iter().map(|name| {
            let file = self.file(name)?;
            sums.check(name, &file)?;
            Ok(file)
        });
        let header = rows::read_all(files, |rows| {
            count += rows.len() as u64;
            for (key, value) in rows {
                keys.row(key);
                matching.row(key, value).map_err(|error| UpkeepError::damaged(&manifest, error))?;
            }
            Ok(())
        })?;
        if Some(header.store) != self.manifest.store_id() || header.index.0 != self.manifest.entry {
            return Err(UpkeepError::damaged(&manifest, "its rows belong to another backup"));
        }
        let mut last = Cursor::START;
        for segment in &self.manifest.segments {
            let file = self.segment_file(segment)?;
            sums.check(&segment.path_in_backup(&self.manifest.store), &file)?;
            let summary = segments::read(&file, segment.kind(), header.store, |record, _| {
                keys.body(record);
                matching.body(record);
                Ok(())
            })?;
            if summary.records > 0 && summary.first <= last {
                let what = "its events do not follow those of the segment before";
                return Err(UpkeepError::damaged(&file.shown, what));
            }
            last = last.max(summary.last);
        }
        if last > header.through {
            return Err(UpkeepError::damaged(&manifest, "its events are later than its rows"));
        }
        let events = matching.end().map_err(|what| UpkeepError::damaged(&manifest, what))?;
        Ok(Verified { header, keys, events, rows: count, bytes: sums.bytes })
    }
}

/// Compares files with their sums.
struct Sums {
    sums: BTreeMap<String, String>,
    /// What the file with the sums is called in messages.
    shown: PathBuf,
    /// The bytes of all files that were compared.
    bytes: u64,
}

impl Sums {
    /// `name` is the path seen from the backup's directory.
    fn check(&mut self, name: &str, file: &Fetched) -> Result<()> {
        let Some(sum) = self.sums.get(name) else {
            return Err(UpkeepError::damaged(&self.shown, format!("it has no sum of {name}")));
        };
        let (found, bytes) = digest::of_file(file)?;
        if found != *sum {
            return Err(UpkeepError::damaged(&file.shown, format!("its SHA-256 is not the one in {SUMS}")));
        }
        self.bytes += bytes;
        Ok(())
    }
}

/// Sums by the names of files.
pub(super) fn read_sums(file: &Fetched) -> Result<BTreeMap<String, String>> {
    let text = file.text()?;
    let line = |line: &str| line.split_once("  ").map(|(sum, name)| (name.to_owned(), sum.to_owned()));
    let sums: Option<BTreeMap<_, _>> = text.lines().map(line).collect();
    sums.ok_or_else(|| UpkeepError::damaged(&file.shown, "it has a line without a name"))
}
