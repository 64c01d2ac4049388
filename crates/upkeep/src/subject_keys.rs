//! The copy of a store's subject keys, next to its backups.
//!
//! ```text
//! keys-STORE/SUBJECT-KEYS     as in the data directory: wrapped
//! ```
//!
//! There is one copy for all backups and the archive of a store, so that a key that is erased is in none of them. It is
//! brought up to date before anything that is sealed with a newer key is kept, and it never goes back. What was erased in the
//! meantime makes the copy begin again: the old one is written over, and removed.

use crate::backups::BackupDirectory;
use crate::error::{Result, UpkeepError};
use format::header::{StoreId, SubjectKeysHeader};
use format::subject_key::{KeyRecord, RECORD_BYTES, RECORDS_AT};
use model::KeyId;
use rustix::fs::{FlockOperation, flock};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use subject_keys::file::{self, Examined};

const PREFIX: &str = "keys-";

/// A copy that is being brought up to date.
#[derive(Debug)]
pub struct KeysCopy {
    directory: PathBuf,
    /// What the directory has.
    kept: Kept,
    /// The records after those.
    new: Vec<u8>,
    /// What the node has sent first.
    header: Option<SubjectKeysHeader>,
    /// Closed when everything is done.
    _lock: Option<File>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Kept {
    records: u32,
    erased: u32,
}

/// Whether the node has more records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// Ask for those after [`KeysCopy::after`].
    More,
    All,
}

impl BackupDirectory {
    /// Begins to bring the copy of a store's keys up to date. Waits while another process does so.
    ///
    /// # Errors
    /// [`UpkeepError`]
    pub fn keys_copy(&self, store: StoreId) -> Result<KeysCopy> {
        let directory = self.path().join(format!("{PREFIX}{store}"));
        let lock = match File::open(&directory) {
            Ok(open) => {
                flock(&open, FlockOperation::LockExclusive)
                    .map_err(|errno| UpkeepError::io(&directory, errno.into()))?;
                Some(open)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(UpkeepError::io(&directory, error)),
        };
        let kept = match file::examine(&directory.join(file::NAME)) {
            Ok((_, examined)) => Kept { records: examined.places, erased: examined.erased },
            // Whatever is there is replaced.
            Err(_) => Kept::default(),
        };
        Ok(KeysCopy { directory, kept, new: Vec::new(), header: None, _lock: lock })
    }

    /// The copy of a store's keys, if there is one, and what it has.
    ///
    /// # Errors
    /// It is damaged.
    pub fn subject_keys(&self, store: StoreId) -> Result<Option<(PathBuf, Examined)>> {
        let path = self.path().join(format!("{PREFIX}{store}")).join(file::NAME);
        if !path.exists() {
            return Ok(None);
        }
        let (header, examined) = file::examine(&path)?;
        if header.store != store {
            return Err(UpkeepError::damaged(&path, "it belongs to another store"));
        }
        Ok(Some((path, examined)))
    }
}

impl KeysCopy {
    /// The last key that it has.
    #[must_use]
    pub fn after(&self) -> KeyId {
        KeyId(self.kept.records + (self.new.len() / RECORD_BYTES) as u32)
    }

    /// Takes what the node has sent: the header, how many keys are erased, and records after [`Self::after`].
    ///
    /// # Errors
    /// It is something else.
    pub fn take(&mut self, sent: &[u8]) -> Result<Taken> {
        let wrong = |what: String| UpkeepError::Sent { what: format!("no keys of subjects: {what}") };
        let header = SubjectKeysHeader::decode(sent).map_err(|error| wrong(error.to_string()))?;
        let rest = sent.get(SubjectKeysHeader::BYTES..).unwrap_or_default();
        let (erased, records) = rest.split_first_chunk().ok_or_else(|| wrong("it is too short".into()))?;
        let (records, incomplete) = records.as_chunks::<RECORD_BYTES>();
        if !incomplete.is_empty() {
            return Err(wrong("its last record is incomplete".into()));
        }
        self.header = Some(header);
        let erased = u32::from_le_bytes(*erased);
        if self.kept.records > 0 && erased != self.kept.erased {
            // An older record has changed, and no one says which.
            self.kept = Kept { records: 0, erased };
            self.new.clear();
            return Ok(Taken::More);
        }
        for record in records {
            // A place that was never used stays so.
            if record.iter().any(|byte| *byte != 0) {
                let id = KeyRecord::decode(record).map_err(|error| wrong(error.to_string()))?.id();
                if id.0 != self.after().0 + 1 {
                    return Err(wrong(format!("key {} in place of {}", id.0, self.after().0 + 1)));
                }
            }
            self.new.extend_from_slice(record);
        }
        Ok(if records.is_empty() { Taken::All } else { Taken::More })
    }

    /// Makes the copy durable.
    ///
    /// # Errors
    /// [`UpkeepError::Io`]: the directory has the copy as it was.
    pub fn finish(self) -> Result<()> {
        let Some(header) = self.header else { return Ok(()) };
        let path = self.directory.join(file::NAME);
        let failed = |source| UpkeepError::io(&path, source);
        if self.kept.records > 0 {
            if self.new.is_empty() {
                return Ok(());
            }
            let at = RECORDS_AT as u64 + u64::from(self.kept.records) * RECORD_BYTES as u64;
            let open = OpenOptions::new().write(true).open(&path).map_err(failed)?;
            return open.write_all_at(&self.new, at).and_then(|()| open.sync_all()).map_err(failed);
        }
        std::fs::create_dir_all(&self.directory)
            .and_then(|()| file::write_whole(&self.directory, &file::whole(&header, &self.new)))
            .map_err(failed)?;
        let parent = self.directory.parent().unwrap_or(Path::new("."));
        File::open(parent).and_then(|parent| parent.sync_all()).map_err(failed)
    }
}
