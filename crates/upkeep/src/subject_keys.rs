//! The copy of a store's subject keys, next to its backups.
//!
//! ```text
//! keys-STORE/SUBJECT-KEYS     as in the data directory: wrapped
//! ```
//!
//! There is one copy for all backups and the archive of a store, so that a key that is erased is in none of them. It is
//! brought up to date before anything that is sealed with a newer key is kept, and it never goes back. When something was
//! erased in the meantime, the copy begins again. What a directory had before is written over.

use crate::backups::BackupDirectory;
use crate::error::{Result, UpkeepError};
use crate::place::{Lock, Place};
use format::header::{StoreId, SubjectKeysHeader};
use format::subject_key::{KeyRecord, RECORD_BYTES, RECORDS_AT};
use model::KeyId;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use subject_keys::file;

pub use subject_keys::{Examined, KeysState};

const PREFIX: &str = "keys-";

/// A copy that is being brought up to date. Nobody else changes it meanwhile.
#[derive(Debug)]
pub struct KeysCopy {
    place: Place,
    folder: String,
    /// What the place has, to be written over.
    old: Option<File>,
    had: KeysState,
    records: Vec<u8>,
    header: Option<SubjectKeysHeader>,
    _lock: Lock,
}

/// Whether the node has more records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// Ask for those after [`KeysCopy::after`].
    More,
    All,
}

/// What a node has sent of its keys.
#[derive(Debug)]
pub struct SentKeys<'a> {
    header: SubjectKeysHeader,
    pub state: KeysState,
    records: &'a [[u8; RECORD_BYTES]],
}

impl<'a> SentKeys<'a> {
    /// Reads the header of the file of keys, the last key, how many are erased, and records.
    ///
    /// # Errors
    /// It is something else.
    pub fn read(sent: &'a [u8]) -> Result<Self> {
        let header = SubjectKeysHeader::decode(sent).map_err(|error| wrong(&error.to_string()))?;
        let rest = sent.get(SubjectKeysHeader::BYTES..).unwrap_or_default();
        let (last, rest) = rest.split_first_chunk().ok_or_else(|| wrong("it is too short"))?;
        let (erased, rest) = rest.split_first_chunk().ok_or_else(|| wrong("it is too short"))?;
        let (records, incomplete) = rest.as_chunks::<RECORD_BYTES>();
        if !incomplete.is_empty() {
            return Err(wrong("its last record is incomplete"));
        }
        let (last, erased) = (KeyId(u32::from_le_bytes(*last)), u32::from_le_bytes(*erased));
        Ok(Self { header, state: KeysState { last, erased }, records })
    }
}

fn wrong(what: &str) -> UpkeepError {
    UpkeepError::Sent { what: format!("no keys of subjects: {what}") }
}

impl BackupDirectory {
    /// Begins to bring the copy of a store's keys up to date.
    ///
    /// # Errors
    /// [`UpkeepError::InUse`]: another process does so.
    pub fn keys_copy(&self, store: StoreId) -> Result<KeysCopy> {
        let (place, folder) = (self.place().clone(), folder(store));
        place.create_folder(&folder)?;
        let lock = place.lock(&folder)?;
        let mut copy = KeysCopy {
            old: None,
            had: KeysState::default(),
            records: Vec::new(),
            header: None,
            _lock: lock,
            place,
            folder,
        };
        if let Some(fetched) = copy.place.fetch(&copy.name())?
            // One that is damaged is replaced.
            && let Ok((_, examined)) = file::examine(fetched.path())
        {
            copy.had = KeysState { last: KeyId(examined.places), erased: examined.erased };
            let end = RECORDS_AT + examined.places as usize * RECORD_BYTES;
            copy.records = fetched.bytes()?.get(RECORDS_AT..end).unwrap_or_default().to_vec();
            copy.old = OpenOptions::new().write(true).open(fetched.path()).ok();
        }
        Ok(copy)
    }

    /// The copy of a store's keys, if there is one.
    ///
    /// # Errors
    /// It is damaged.
    pub fn subject_keys(&self, store: StoreId) -> Result<Option<CopiedKeys>> {
        let Some(fetched) = self.place().fetch(&format!("{}/{}", folder(store), file::NAME))? else {
            return Ok(None);
        };
        let damaged = |what: &dyn ToString| UpkeepError::damaged(&fetched.shown, what.to_string());
        let (header, examined) = file::examine(fetched.path()).map_err(|error| damaged(&error))?;
        if header.store != store {
            return Err(damaged(&"it belongs to another store"));
        }
        let records = fetched.bytes()?.get(RECORDS_AT..).unwrap_or_default().to_vec();
        Ok(Some(CopiedKeys { header, records, examined, shown: fetched.shown.clone() }))
    }
}

/// A whole copy.
#[derive(Debug)]
pub struct CopiedKeys {
    pub(crate) header: SubjectKeysHeader,
    pub(crate) records: Vec<u8>,
    pub examined: Examined,
    /// What it is called in messages.
    pub shown: PathBuf,
}

fn folder(store: StoreId) -> String {
    format!("{PREFIX}{store}")
}

impl KeysCopy {
    fn name(&self) -> String {
        format!("{}/{}", self.folder, file::NAME)
    }

    /// The last key that it has.
    #[must_use]
    pub fn after(&self) -> KeyId {
        KeyId((self.records.len() / RECORD_BYTES) as u32)
    }

    /// Takes what the node has sent: records after [`Self::after`].
    ///
    /// # Errors
    /// They are others.
    pub fn take(&mut self, sent: &SentKeys<'_>) -> Result<Taken> {
        self.header = Some(sent.header);
        if self.had.last > KeyId::NONE && sent.state.erased != self.had.erased {
            // An older record has changed, and no one says which.
            self.had = KeysState::default();
            self.records.clear();
            return Ok(Taken::More);
        }
        for record in sent.records {
            // A place that was never used stays so.
            if record.iter().any(|byte| *byte != 0) {
                let id = KeyRecord::decode(record).map_err(|error| wrong(&error.to_string()))?.id();
                let next = self.after().0 + 1;
                if id.0 != next {
                    return Err(wrong(&format!("key {} in place of {next}", id.0)));
                }
            }
            self.records.extend_from_slice(record);
        }
        Ok(if sent.records.is_empty() { Taken::All } else { Taken::More })
    }

    /// Makes the copy durable.
    ///
    /// # Errors
    /// The place has the copy as it was.
    pub fn finish(self) -> Result<()> {
        let Some(header) = self.header else { return Ok(()) };
        if self.had.last > KeyId::NONE && self.had.last == self.after() {
            return Ok(());
        }
        let (name, shown) = (self.name(), self.place.shown_file(&self.name()));
        self.place.put_bytes(&name, &file::whole(&header, &self.records))?;
        // The old file of a directory may hold keys that are erased. It has no name any more.
        if let Some(old) = self.old {
            let failed = |source| UpkeepError::io(&shown, source);
            let len = old.metadata().map_err(failed)?.len();
            let zeros = vec![0; usize::try_from(len).unwrap_or(0)];
            old.write_all_at(&zeros, 0).and_then(|()| old.sync_all()).map_err(failed)?;
        }
        Ok(())
    }
}
