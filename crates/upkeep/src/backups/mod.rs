//! A directory with backups of one or more stores.
//!
//! ```text
//! BACKUPS                               what the directory is, and the number of its layout
//! LOCK                                  locked while backups are added or removed
//! HELD_AS                               the name under which a node holds a backup for the directory
//! segments-STORE/                       sealed segments, which backups of that store share: by name and length
//! 20261130T001233.123Z/                 a backup, named by the time of day of its last entry
//!     manifest.json                     what it is, for people and programs
//!     state-00000.rows ...              the rows of the state
//!     0000000007ffe1c4-00000000.part    the events of the segment that was not sealed yet
//!     SHA256SUMS                        of all its files, also the shared ones; for `sha256sum --check`
//! log-STORE/                            what happened between and after them ([`crate::log_archive`])
//! keys-STORE/                           the keys that its events are sealed with, wrapped ([`crate::subject_keys`])
//! unfinished/                           a backup that is being written, or was interrupted
//! ```
//!
//! A backup is written in `unfinished/`, and gets its name when all its files are complete, checked and on the disk. So a
//! directory with a backup's name is a whole backup. An interrupted one is begun again, and finds the segments that it
//! has copied already.

mod manifest;
mod new;
mod verify;

pub use format::snapshot::Following;
pub use manifest::{Manifest, SegmentFile};
pub use new::{Added, Begun, Missing, NewBackup, Reuse};
pub use storage::bodies::CopyKind;
pub use verify::{Verified, VerifiedArchive};

use crate::error::{Result, UpkeepError};
use crate::log_archive::LogArchive;
use crate::place::TarStream;
use crate::place::{Fetched, Lock, Objects, Place, STAGED_EXTENSION};
use format::header::StoreId;
use model::Index;
use rustix::rand::{GetRandomFlags, getrandom};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

const MARKER: &str = "BACKUPS";
const LAYOUT: u32 = 1;
const HELD_AS: &str = "HELD_AS";
const SEGMENTS_PREFIX: &str = "segments-";
const LOST_AND_FOUND: &str = "lost+found";
pub(crate) const MANIFEST: &str = "manifest.json";
pub(crate) const SUMS: &str = "SHA256SUMS";
pub(crate) const SEGMENT_SUFFIX: &str = ".bodies";
pub(crate) const PART_SUFFIX: &str = ".part";

/// See the module.
#[derive(Clone, Debug)]
pub struct BackupDirectory {
    place: Place,
}

/// The right to change the directory, until it is dropped.
#[derive(Debug)]
pub struct Locked {
    lock: Lock,
}

/// A backup in the directory.
#[derive(Clone, Debug)]
pub struct Backup {
    pub name: String,
    pub manifest: Manifest,
    place: Place,
}

/// What removing backups has done.
#[derive(Clone, Debug, Default)]
pub struct Pruned {
    /// The names of the backups that were removed.
    pub backups: Vec<String>,
    /// How many segments no backup needs any more.
    pub segments: u64,
    pub bytes: u64,
}

impl BackupDirectory {
    pub(crate) const fn place(&self) -> &Place {
        &self.place
    }

    /// Opens a directory of backups.
    ///
    /// # Errors
    /// [`UpkeepError`]: there is none.
    pub fn open(path: &Path) -> Result<Self> {
        Self::open_as(path, path)
    }

    /// Opens a directory of backups that is called otherwise in messages.
    ///
    /// # Errors
    /// [`UpkeepError`]: there is none.
    pub fn open_as(path: &Path, shown: &Path) -> Result<Self> {
        Self::open_at(Place::Directory { path: path.to_owned(), shown: shown.to_owned() })
    }

    /// Opens a directory of backups in a bucket.
    ///
    /// # Errors
    /// [`UpkeepError`]: there is none, or the bucket cannot be used.
    pub fn open_bucket(objects: Arc<dyn Objects>) -> Result<Self> {
        Self::open_at(Place::Bucket { objects, staging: staging()? })
    }

    fn open_at(place: Place) -> Result<Self> {
        let Some(marker) = place.fetch(MARKER)? else {
            return Err(UpkeepError::NoBackups { path: place.shown().display().to_string() });
        };
        check_layout(&marker)?;
        Ok(Self { place })
    }

    /// Opens a directory of backups, or makes an empty directory one. It is created if it does not exist.
    ///
    /// # Errors
    /// [`UpkeepError`]: it holds something else.
    pub fn create(path: &Path) -> Result<Self> {
        std::fs::create_dir_all(path).map_err(|source| UpkeepError::io(path, source))?;
        Self::create_at(Place::Directory { path: path.to_owned(), shown: path.to_owned() })
    }

    /// Opens a directory of backups in a bucket, or makes an empty part of a bucket one.
    ///
    /// # Errors
    /// [`UpkeepError`]: it holds something else, or the bucket cannot be used.
    pub fn create_bucket(objects: Arc<dyn Objects>) -> Result<Self> {
        Self::create_at(Place::Bucket { objects, staging: staging()? })
    }

    /// A directory of backups that is written as a tar stream. It takes one backup, which is whole when that is finished.
    ///
    /// # Errors
    /// [`UpkeepError`]: nothing can be written.
    pub fn stream(out: Box<dyn Write + Send>) -> Result<Self> {
        let stream = Arc::new(Mutex::new(TarStream::new(out)));
        Self::create_at(Place::Stream { stream, staging: staging()? })
    }

    fn create_at(place: Place) -> Result<Self> {
        if place.fetch(MARKER)?.is_none() {
            let files = place.list("")?.into_iter().map(|file| file.name);
            for name in place.folders()?.into_iter().chain(files) {
                if name != LOST_AND_FOUND && name != format!("{MARKER}.{STAGED_EXTENSION}") {
                    let path = place.shown().display().to_string();
                    return Err(UpkeepError::NotBackups { path, found: name });
                }
            }
            place.put_bytes(MARKER, format!("Mainstay backups, layout {LAYOUT}\n").as_bytes())?;
        }
        match place {
            Place::Stream { .. } => Ok(Self { place }),
            place => Self::open_at(place),
        }
    }

    /// What it is called in messages.
    #[must_use]
    pub fn shown(&self) -> PathBuf {
        self.place.shown()
    }

    /// Locks the directory.
    ///
    /// # Errors
    /// [`UpkeepError::InUse`]
    pub fn lock(&self) -> Result<Locked> {
        Ok(Locked { lock: self.place.lock("")? })
    }

    /// The name under which nodes hold a backup for this directory while it is under way. A backup that was interrupted ends
    /// when the next one begins under the same name.
    ///
    /// # Errors
    /// [`UpkeepError`]
    pub fn held_as(&self, _: &Locked) -> Result<String> {
        kept_name(&self.place, HELD_AS)
    }

    /// What the directory has of the log of a store.
    #[must_use]
    pub fn log_archive(&self, store: StoreId) -> LogArchive {
        LogArchive::new(self.place.clone(), store)
    }

    /// The backups, oldest first.
    ///
    /// # Errors
    /// A manifest cannot be read.
    pub fn backups(&self) -> Result<Vec<Backup>> {
        let backups = self.names()?.into_iter().map(|name| self.read(&name));
        backups.filter_map(Result::transpose).collect()
    }

    /// One backup: the one with this name, or the newest.
    ///
    /// # Errors
    /// [`UpkeepError::Unknown`], or its manifest cannot be read.
    pub fn backup(&self, name: Option<&str>) -> Result<Backup> {
        let names = self.names()?;
        for found in names.iter().rev().filter(|known| name.is_none_or(|name| *known == name)) {
            if let Some(backup) = self.read(found)? {
                return Ok(backup);
            }
        }
        let path = self.shown().display().to_string();
        let Some(name) = name else { return Err(UpkeepError::NoBackups { path }) };
        let known = self.backups()?.into_iter().map(|backup| backup.name).collect::<Vec<_>>().join(", ");
        let known = if known.is_empty() { "none".to_owned() } else { known };
        Err(UpkeepError::Unknown { path, name: name.to_owned(), known })
    }

    /// The names of folders that may be backups, oldest first.
    fn names(&self) -> Result<Vec<String>> {
        let mut names = self.place.folders()?;
        names.retain(|name| is_backup_name(name));
        Ok(names)
    }

    /// A backup; `None` if it was never finished.
    fn read(&self, name: &str) -> Result<Option<Backup>> {
        let manifest = format!("{name}/{MANIFEST}");
        let file = match self.place.fetch(&manifest)? {
            None if self.place.may_lack_manifest() => return Ok(None),
            None => self.place.fetch_known(&manifest)?,
            Some(file) => file,
        };
        let manifest = Manifest::read(&file)?;
        Ok(Some(Backup { name: name.to_owned(), manifest, place: self.place.clone() }))
    }

    /// Removes all backups but the newest `keep`, and the segments that no other backup needs. What an interrupted backup
    /// has left is removed too.
    ///
    /// # Errors
    /// [`UpkeepError`]
    pub fn prune(&self, keep: usize) -> Result<Pruned> {
        let locked = self.lock()?;
        let mut backups = self.backups()?;
        let kept = backups.split_off(backups.len().saturating_sub(keep));
        let mut pruned = Pruned::default();
        for backup in &backups {
            locked.check()?;
            self.place.forget_backup(&backup.name)?;
            pruned.backups.push(backup.name.clone());
        }
        for name in self.place.folders()? {
            locked.check()?;
            let names_no_backup = || is_backup_name(&name) && kept.iter().all(|backup| backup.name != name);
            if self.place.is_left_over(&name, names_no_backup) {
                self.place.remove_folder(&name)?;
            } else if let Some(store) = name.strip_prefix(SEGMENTS_PREFIX) {
                self.prune_segments(store, &kept, &mut pruned)?;
            }
        }
        let oldest: BTreeMap<_, _> =
            kept.iter().rev().map(|backup| (backup.manifest.store_id(), backup)).collect();
        for (store, backup) in oldest {
            let archive = store.map(|store| self.log_archive(store));
            let before = Index(backup.manifest.entry + 1);
            pruned.bytes += archive.map_or(Ok(0), |archive| archive.prune(before))?;
        }
        Ok(pruned)
    }

    fn prune_segments(&self, store: &str, kept: &[Backup], pruned: &mut Pruned) -> Result<()> {
        let of_store = kept.iter().filter(|backup| backup.manifest.store == store);
        let sealed = of_store.flat_map(|backup| backup.manifest.segments.iter().filter(|one| one.sealed));
        let needed: BTreeSet<String> = sealed.map(SegmentFile::shared_name).collect();
        let folder = segments_of(store);
        for file in self.place.list(&folder)? {
            let finished = file.name.strip_suffix(&format!(".{STAGED_EXTENSION}")).unwrap_or(&file.name);
            let is_segment = finished.ends_with(SEGMENT_SUFFIX);
            if is_segment && !needed.contains(&file.name) {
                pruned.bytes += file.bytes;
                pruned.segments += 1;
                self.place.remove(&format!("{folder}/{}", file.name))?;
            }
        }
        if kept.iter().all(|backup| backup.manifest.store != store) {
            self.place.remove_empty_folder(&folder);
        }
        Ok(())
    }
}

impl Locked {
    /// # Errors
    /// The lock was lost.
    fn check(&self) -> Result<()> {
        self.lock.check()
    }
}

impl Backup {
    /// One of its own files.
    fn file(&self, name: &str) -> Result<Fetched> {
        self.place.fetch_known(&format!("{}/{name}", self.name))
    }

    /// What a file is called in messages.
    fn shown_file(&self, name: &str) -> PathBuf {
        self.place.shown_file(&format!("{}/{name}", self.name))
    }

    /// The files with its rows, in order.
    pub(crate) fn row_files(&self) -> impl Iterator<Item = Result<Fetched>> {
        self.manifest.state.iter().map(|file| self.file(file))
    }

    /// The file of one of its segments.
    pub(crate) fn segment_file(&self, segment: &SegmentFile) -> Result<Fetched> {
        self.place.fetch_known(&segment.name_in_place(&self.manifest.store, &self.name))
    }
}

/// The folder of the segments that backups of a store share.
fn segments_of(store: &str) -> String {
    format!("{SEGMENTS_PREFIX}{store}")
}

/// A directory for files that are on their way. It is removed when nothing uses it any longer.
fn staging() -> Result<Arc<tempfile::TempDir>> {
    let made = tempfile::Builder::new().prefix("mainstay-backup-").tempdir();
    made.map(Arc::new).map_err(|source| UpkeepError::io(&std::env::temp_dir(), source))
}

fn check_layout(marker: &Fetched) -> Result<()> {
    let text = marker.text()?;
    let found = text.trim_end().strip_prefix("Mainstay backups, layout ").and_then(|text| text.parse().ok());
    match found {
        Some(LAYOUT) => Ok(()),
        Some(found) => Err(UpkeepError::Newer { path: marker.shown.display().to_string(), found }),
        None => Err(UpkeepError::damaged(&marker.shown, "it does not say which layout the directory has")),
    }
}

/// `20261130T001233.123Z`
fn is_backup_name(name: &str) -> bool {
    let form = b"dddddddd\x54dddddd.ddd\x5a";
    let matches = |(byte, form): (u8, u8)| if form == b'd' { byte.is_ascii_digit() } else { byte == form };
    name.len() == form.len() && name.bytes().zip(*form).all(matches)
}

/// The name in a file, which is drawn once.
pub(crate) fn kept_name(place: &Place, file: &str) -> Result<String> {
    if let Some(kept) = place.fetch(file)? {
        return Ok(kept.text()?.trim_end().to_owned());
    }
    let name = draw_name().map_err(|source| UpkeepError::io(&place.shown_file(file), source))?;
    place.put_bytes(file, format!("{name}\n").as_bytes())?;
    Ok(name)
}

/// A name for a backup under way that nobody else has.
///
/// # Errors
/// The system has no random numbers.
pub fn draw_name() -> io::Result<String> {
    let mut bytes = [0; 8];
    let mut drawn = 0;
    while drawn < bytes.len() {
        drawn += getrandom(&mut bytes[drawn..], GetRandomFlags::empty())?;
    }
    Ok(format!("{:016x}", u64::from_le_bytes(bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_finished_backups_have_the_name_of_one() {
        for (name, is_one) in [
            ("20261130T001233.123Z", true),
            ("unfinished", false),
            ("removed-20261130T001233.123Z", false),
            ("20261130T001233.123", false),
            ("20261130t001233.123Z", false),
        ] {
            assert_eq!(is_backup_name(name), is_one, "{name}");
        }
    }

    #[test]
    fn a_directory_that_holds_something_else_is_refused_and_not_touched() {
        let scratch = tempfile::tempdir().unwrap();
        std::fs::write(scratch.path().join("thesis.txt"), "years of work").unwrap();
        let error = BackupDirectory::create(scratch.path()).unwrap_err();
        assert!(error.to_string().contains("`thesis.txt`"), "{error}");
        let names: Vec<_> =
            std::fs::read_dir(scratch.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, ["thesis.txt"]);
        assert!(matches!(BackupDirectory::open(scratch.path()), Err(UpkeepError::NoBackups { .. })));
        let newer = tempfile::tempdir().unwrap();
        std::fs::write(newer.path().join(MARKER), "Mainstay backups, layout 2\n").unwrap();
        assert!(matches!(BackupDirectory::create(newer.path()), Err(UpkeepError::Newer { found: 2, .. })));
    }

    #[test]
    fn one_process_at_a_time_changes_a_directory() {
        let scratch = tempfile::tempdir().unwrap();
        let directory = BackupDirectory::create(scratch.path()).unwrap();
        let locked = directory.lock().unwrap();
        assert!(matches!(directory.lock(), Err(UpkeepError::InUse { .. })));
        drop(locked);
        directory.lock().unwrap();
    }
}
