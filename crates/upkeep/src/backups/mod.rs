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
use format::header::StoreId;
use model::Index;
use rustix::fs::{FlockOperation, flock};
use rustix::rand::{GetRandomFlags, getrandom};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

const MARKER: &str = "BACKUPS";
const LAYOUT: u32 = 1;
const LOCK: &str = "LOCK";
const HELD_AS: &str = "HELD_AS";
const UNFINISHED: &str = "unfinished";
const REMOVED_PREFIX: &str = "removed-";
const SEGMENTS_PREFIX: &str = "segments-";
const LOST_AND_FOUND: &str = "lost+found";
pub(crate) const MANIFEST: &str = "manifest.json";
pub(crate) const SUMS: &str = "SHA256SUMS";
pub(crate) const SEGMENT_SUFFIX: &str = ".bodies";
pub(crate) const PART_SUFFIX: &str = ".part";

/// See the module.
#[derive(Clone, Debug)]
pub struct BackupDirectory {
    path: PathBuf,
}

/// The right to change the directory, until it is dropped.
#[derive(Debug)]
pub struct Locked {
    _lock: File,
}

/// A backup in the directory.
#[derive(Clone, Debug)]
pub struct Backup {
    pub name: String,
    pub manifest: Manifest,
    path: PathBuf,
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
    /// Opens a directory of backups.
    ///
    /// # Errors
    /// [`UpkeepError`]: there is none.
    pub fn open(path: &Path) -> Result<Self> {
        match std::fs::read_to_string(path.join(MARKER)) {
            Ok(text) => check_layout(path, &text)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(UpkeepError::NoBackups { path: path.display().to_string() });
            }
            Err(error) => return Err(UpkeepError::io(path, error)),
        }
        Ok(Self { path: path.to_owned() })
    }

    /// Opens a directory of backups, or makes an empty directory one. It is created if it does not exist.
    ///
    /// # Errors
    /// [`UpkeepError`]: it holds something else.
    pub fn create(path: &Path) -> Result<Self> {
        let failed = |source| UpkeepError::io(path, source);
        std::fs::create_dir_all(path).map_err(failed)?;
        if !path.join(MARKER).exists() {
            for entry in std::fs::read_dir(path).map_err(failed)? {
                let name = entry.map_err(failed)?.file_name().to_string_lossy().into_owned();
                if name != LOST_AND_FOUND && name != format!("{MARKER}.new") {
                    return Err(UpkeepError::NotBackups { path: path.display().to_string(), found: name });
                }
            }
            let text = format!("Mainstay backups, layout {LAYOUT}\n");
            write_whole(&path.join(MARKER), text.as_bytes())?;
        }
        Self::open(path)
    }

    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Locks the directory.
    ///
    /// # Errors
    /// [`UpkeepError::InUse`]
    pub fn lock(&self) -> Result<Locked> {
        lock(&self.path).map(|lock| Locked { _lock: lock })
    }

    /// The name under which nodes hold a backup for this directory while it is under way. A backup that was interrupted ends
    /// when the next one begins under the same name.
    ///
    /// # Errors
    /// [`UpkeepError`]
    pub fn held_as(&self, _: &Locked) -> Result<String> {
        kept_name(&self.path.join(HELD_AS))
    }

    /// What the directory has of the log of a store.
    #[must_use]
    pub fn log_archive(&self, store: StoreId) -> LogArchive {
        LogArchive::new(&self.path, store)
    }

    /// The backups, oldest first.
    ///
    /// # Errors
    /// A manifest cannot be read.
    pub fn backups(&self) -> Result<Vec<Backup>> {
        self.names()?.iter().map(|name| self.read(name)).collect()
    }

    /// One backup: the one with this name, or the newest.
    ///
    /// # Errors
    /// [`UpkeepError::Unknown`], or its manifest cannot be read.
    pub fn backup(&self, name: Option<&str>) -> Result<Backup> {
        let names = self.names()?;
        let found = match name {
            None => names.last(),
            Some(name) => names.iter().find(|known| *known == name),
        };
        if let Some(found) = found {
            return self.read(found);
        }
        let path = self.path.display().to_string();
        let Some(name) = name else { return Err(UpkeepError::NoBackups { path }) };
        let known = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        Err(UpkeepError::Unknown { path, name: name.to_owned(), known })
    }

    /// The names of the backups, oldest first.
    fn names(&self) -> Result<Vec<String>> {
        let mut names = names_in(&self.path)?;
        names.retain(|name| is_backup_name(name) && self.path.join(name).is_dir());
        Ok(names)
    }

    fn read(&self, name: &str) -> Result<Backup> {
        let path = self.path.join(name);
        Ok(Backup { name: name.to_owned(), manifest: Manifest::read(&path.join(MANIFEST))?, path })
    }

    /// Removes all backups but the newest `keep`, and the segments that no other backup needs. What an interrupted backup
    /// has left is removed too.
    ///
    /// # Errors
    /// [`UpkeepError`]
    pub fn prune(&self, keep: usize) -> Result<Pruned> {
        let _locked = self.lock()?;
        let mut backups = self.backups()?;
        let kept = backups.split_off(backups.len().saturating_sub(keep));
        let mut pruned = Pruned::default();
        for backup in &backups {
            // Renamed first: what is removed only in part must not look like a backup.
            let removed = self.path.join(format!("{REMOVED_PREFIX}{}", backup.name));
            std::fs::rename(&backup.path, &removed)
                .map_err(|source| UpkeepError::io(&backup.path, source))?;
            pruned.backups.push(backup.name.clone());
        }
        sync_directory(&self.path)?;
        for name in names_in(&self.path)? {
            if name.starts_with(REMOVED_PREFIX) || name == UNFINISHED {
                let path = self.path.join(name);
                std::fs::remove_dir_all(&path).map_err(|source| UpkeepError::io(&path, source))?;
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
        let directory = self.path.join(format!("{SEGMENTS_PREFIX}{store}"));
        for name in names_in(&directory)? {
            let finished = name.strip_suffix(&format!(".{}", new::UNFINISHED_EXTENSION)).unwrap_or(&name);
            let is_segment = finished.ends_with(SEGMENT_SUFFIX);
            if is_segment && !needed.contains(&name) {
                let path = directory.join(&name);
                let failed = |source| UpkeepError::io(&path, source);
                pruned.bytes += path.metadata().map_err(failed)?.len();
                pruned.segments += 1;
                std::fs::remove_file(&path).map_err(failed)?;
            }
        }
        if kept.iter().all(|backup| backup.manifest.store != store) {
            // Only if nothing else is there.
            let _ = std::fs::remove_dir(&directory);
        }
        Ok(())
    }

    fn segments_of(&self, store: StoreId) -> PathBuf {
        self.path.join(format!("{SEGMENTS_PREFIX}{store}"))
    }
}

impl Backup {
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The files with its rows, in order.
    #[must_use]
    pub fn row_files(&self) -> Vec<PathBuf> {
        self.manifest.state.iter().map(|file| self.path.join(file)).collect()
    }

    /// The file of one of its segments.
    #[must_use]
    pub fn segment_file(&self, segment: &SegmentFile) -> PathBuf {
        self.path.join(segment.path_in_backup(&self.manifest.store))
    }
}

fn check_layout(path: &Path, text: &str) -> Result<()> {
    let found = text.trim_end().strip_prefix("Mainstay backups, layout ").and_then(|text| text.parse().ok());
    match found {
        Some(LAYOUT) => Ok(()),
        Some(found) => Err(UpkeepError::Newer { path: path.display().to_string(), found }),
        None => {
            Err(UpkeepError::damaged(&path.join(MARKER), "it does not say which layout the directory has"))
        }
    }
}

/// `20261130T001233.123Z`
fn is_backup_name(name: &str) -> bool {
    let form = b"dddddddd\x54dddddd.ddd\x5a";
    let matches = |(byte, form): (u8, u8)| if form == b'd' { byte.is_ascii_digit() } else { byte == form };
    name.len() == form.len() && name.bytes().zip(*form).all(matches)
}

/// Locks a directory until the file is closed.
pub(crate) fn lock(directory: &Path) -> Result<File> {
    let path = directory.join(LOCK);
    let lock = File::create(&path).map_err(|source| UpkeepError::io(&path, source))?;
    match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(lock),
        Err(rustix::io::Errno::WOULDBLOCK) => {
            Err(UpkeepError::InUse { path: directory.display().to_string() })
        }
        Err(errno) => Err(UpkeepError::io(&path, errno.into())),
    }
}

/// The name in a file, which is drawn once.
pub(crate) fn kept_name(path: &Path) -> Result<String> {
    match std::fs::read_to_string(path) {
        Ok(name) => Ok(name.trim_end().to_owned()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let name = draw_name().map_err(|source| UpkeepError::io(path, source))?;
            write_whole(path, format!("{name}\n").as_bytes())?;
            Ok(name)
        }
        Err(error) => Err(UpkeepError::io(path, error)),
    }
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

/// The names in a directory, sorted.
pub(crate) fn names_in(path: &Path) -> Result<Vec<String>> {
    let failed = |source| UpkeepError::io(path, source);
    let mut names = Vec::new();
    for entry in std::fs::read_dir(path).map_err(failed)? {
        names.push(entry.map_err(failed)?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

fn sync_directory(path: &Path) -> Result<()> {
    File::open(path)
        .and_then(|directory| directory.sync_all())
        .map_err(|source| UpkeepError::io(path, source))
}

/// Writes a file completely or not at all, and makes it durable.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    let new = path.with_added_extension("new");
    let written = File::create(&new).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    written.and_then(|()| std::fs::rename(&new, path)).map_err(|source| UpkeepError::io(path, source))?;
    sync_directory(path.parent().unwrap_or(Path::new(".")))
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
        assert_eq!(names_in(scratch.path()).unwrap(), ["thesis.txt"]);
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
