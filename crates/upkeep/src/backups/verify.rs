//! Reads a backup completely: the sum of each file, every chunk and every record, and whether rows and events match. And what
//! was archived.

use super::{Backup, BackupDirectory, MANIFEST, SUMS};
use crate::digest;
use crate::error::{Result, UpkeepError};
use crate::log_archive::Stretch;
use crate::matching::Matching;
use crate::{rows, segments};
use format::header::{SnapshotHeader, StoreId};
use model::Cursor;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// A backup in which everything is as it was written.
#[derive(Clone, Copy, Debug)]
pub struct Verified {
    pub header: SnapshotHeader,
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
        let bytes = self.check_sums()?;
        let (mut matching, mut count) = (Matching::default(), 0);
        let files = self.row_files();
        let manifest = self.path().join(MANIFEST);
        let header = rows::read_all(&files, |rows| {
            count += rows.len() as u64;
            for (key, value) in rows {
                matching.row(key, value).map_err(|error| UpkeepError::damaged(&manifest, error))?;
            }
            Ok(())
        })?;
        if Some(header.store) != self.manifest.store_id() || header.index.0 != self.manifest.entry {
            return Err(UpkeepError::damaged(&manifest, "its rows belong to another backup"));
        }
        let mut last = Cursor::START;
        for segment in &self.manifest.segments {
            let path = self.segment_file(segment);
            let summary = segments::read(&path, segment.kind(), header.store, |record, _| {
                matching.body(record);
                Ok(())
            })?;
            if summary.records > 0 && summary.first <= last {
                return Err(UpkeepError::damaged(
                    &path,
                    "its events do not follow those of the segment before",
                ));
            }
            last = last.max(summary.last);
        }
        if last > header.through {
            return Err(UpkeepError::damaged(&manifest, "its events are later than its rows"));
        }
        let events = matching.end().map_err(|what| UpkeepError::damaged(&manifest, what))?;
        Ok(Verified { header, events, rows: count, bytes })
    }

    /// Compares every file with its sum, and returns the bytes of all.
    fn check_sums(&self) -> Result<u64> {
        let sums_path = self.path().join(SUMS);
        let sums = read_sums(&sums_path)?;
        let segments = self.manifest.segments.iter().map(|one| one.path_in_backup(&self.manifest.store));
        let state = self.manifest.state.iter().cloned();
        let mut all = 0;
        for name in [MANIFEST.to_owned()].into_iter().chain(state).chain(segments) {
            let Some(sum) = sums.get(&name) else {
                return Err(UpkeepError::damaged(&sums_path, format!("it has no sum of {name}")));
            };
            let path = self.path().join(&name);
            let (found, bytes) = digest::of_file(&path)?;
            if found != *sum {
                return Err(UpkeepError::damaged(&path, format!("its SHA-256 is not the one in {SUMS}")));
            }
            all += bytes;
        }
        Ok(all)
    }
}

/// Sums by the names of files.
pub(super) fn read_sums(path: &Path) -> Result<BTreeMap<String, String>> {
    let text = std::fs::read_to_string(path).map_err(|source| UpkeepError::io(path, source))?;
    let line = |line: &str| line.split_once("  ").map(|(sum, name)| (name.to_owned(), sum.to_owned()));
    let sums: Option<BTreeMap<_, _>> = text.lines().map(line).collect();
    sums.ok_or_else(|| UpkeepError::damaged(path, "it has a line without a name"))
}
