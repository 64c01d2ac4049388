//! The copy of a store's subject keys, next to its backups.
//!
//! ```text
//! keys-STORE/SUBJECT-KEYS     as in the data directory: wrapped
//! ```
//!
//! There is one copy for all backups and the archive of a store, so that a key that is erased is in none of them. It is
//! brought up to date before anything that is sealed with a newer key is kept, and it never goes back. When something was
//! erased in the meantime, or the operator's key was replaced, the copy begins again. What a directory had before is written
//! over.

use crate::backups::BackupDirectory;
use crate::error::{Result, UpkeepError};
use crate::place::{Lock, Place};
use format::header::{StoreId, SubjectKeysHeader};
use format::subject_key::{KeyRecord, RECORD_BYTES, RECORDS_AT};
use model::KeyId;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use storage::directory::DataDirectory;
use subject_keys::{KeysError, WrappingKey, file};

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

/// Which keys a node has. If two are equal, so are the files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeysVersion {
    /// Tells with which key of the operator they are wrapped.
    header: SubjectKeysHeader,
    pub state: KeysState,
}

/// What a node has sent of its keys.
#[derive(Debug)]
pub struct SentKeys<'a> {
    pub version: KeysVersion,
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
        Ok(Self { version: KeysVersion { header, state: KeysState { last, erased } }, records })
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
            && let Ok((header, examined)) = file::examine(fetched.path())
        {
            copy.header = Some(header);
            copy.had = KeysState { last: KeyId(examined.places), erased: examined.erased };
            let end = RECORDS_AT + examined.places as usize * RECORD_BYTES;
            copy.records = fetched.bytes()?.get(RECORDS_AT..end).unwrap_or_default().to_vec();
            copy.old = OpenOptions::new().write(true).open(fetched.path()).ok();
        }
        Ok(copy)
    }

    /// What the copy of a store's keys is called in messages.
    pub(crate) fn shown_keys(&self, store: StoreId) -> String {
        self.place().shown_file(&file_name(store)).display().to_string()
    }

    /// The copy of a store's keys, if there is one.
    ///
    /// # Errors
    /// It is damaged.
    pub fn subject_keys(&self, store: StoreId) -> Result<Option<CopiedKeys>> {
        let Some(fetched) = self.place().fetch(&file_name(store))? else {
            return Ok(None);
        };
        let damaged = |what: &dyn ToString| UpkeepError::damaged(&fetched.shown, what.to_string());
        let (header, examined) = file::examine(fetched.path()).map_err(|error| damaged(&error))?;
        if header.store != store {
            return Err(damaged(&"it belongs to another store"));
        }
        Ok(Some(CopiedKeys::of_file(fetched.path(), fetched.shown.clone(), header, examined)?))
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

impl CopiedKeys {
    /// The keys that are in a data directory, if there are any and their file is whole.
    ///
    /// # Errors
    /// The file cannot be read.
    pub(crate) fn of_data_directory(directory: &DataDirectory) -> Result<Option<Self>> {
        let path = directory.path().join(file::NAME);
        if !path.exists() {
            return Ok(None);
        }
        match file::examine(&path) {
            Ok((header, examined)) if header.store == directory.store() => {
                Ok(Some(Self::of_file(&path, path.clone(), header, examined)?))
            }
            Ok(_) | Err(KeysError::Damaged { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// The keys in a file that was examined.
    fn of_file(path: &Path, shown: PathBuf, header: SubjectKeysHeader, examined: Examined) -> Result<Self> {
        let bytes = std::fs::read(path).map_err(|source| UpkeepError::io(&shown, source))?;
        let records = bytes.get(RECORDS_AT..).unwrap_or_default().to_vec();
        Ok(Self { header, records, examined, shown })
    }

    /// What stands for a copy that is lost.
    pub(crate) fn without_keys(store: StoreId, wrapping: &WrappingKey) -> Result<Self> {
        let header = file::new_header(store, wrapping)?;
        Ok(Self { header, records: Vec::new(), examined: Examined::default(), shown: PathBuf::new() })
    }

    /// Whether it has this key, or says that it is erased.
    pub(crate) fn has(&self, id: KeyId) -> bool {
        let (records, _) = self.records.as_chunks::<RECORD_BYTES>();
        let record = (id.0 as usize).checked_sub(1).and_then(|place| records.get(place));
        record.is_some_and(|record| record.iter().any(|byte| *byte != 0))
    }
}

fn folder(store: StoreId) -> String {
    format!("{PREFIX}{store}")
}

fn file_name(store: StoreId) -> String {
    format!("{}/{}", folder(store), file::NAME)
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
        let KeysVersion { header, state } = sent.version;
        let had = self.header.replace(header);
        let is_wrapped_otherwise = had.is_some_and(|had| had != header);
        if is_wrapped_otherwise || (self.had.last > KeyId::NONE && state.erased != self.had.erased) {
            // Older records have changed, and no one says which.
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

#[cfg(test)]
mod tests {
    use super::*;
    use format::subject_key::SubjectTag;

    const STORE: StoreId = StoreId(7);
    const KEYS: u32 = 5;

    /// What a node sends whose keys are wrapped with the key of an operator: at most two records.
    fn sent(operator: u8, after: KeyId) -> Vec<u8> {
        let mut sent = SubjectKeysHeader { store: STORE, tag_key: [operator; 60] }.encode();
        sent.extend_from_slice(&KEYS.to_le_bytes());
        sent.extend_from_slice(&0_u32.to_le_bytes());
        for id in (after.0 + 1..=KEYS).take(2) {
            sent.extend_from_slice(&record(operator, id));
        }
        sent
    }

    fn record(operator: u8, id: u32) -> [u8; RECORD_BYTES] {
        let (nonce, wrapped) = ([operator; 12], [operator; 80]);
        KeyRecord::Kept { id: KeyId(id), subject: SubjectTag([id as u8; 16]), nonce, wrapped }.encode()
    }

    /// Copies everything from a node whose operator's key is replaced after this many responses. Returns how many there were.
    fn copy(directory: &BackupDirectory, operators: [u8; 2], replaced_after: u32) -> u32 {
        let (mut copy, mut responses) = (directory.keys_copy(STORE).unwrap(), 0);
        loop {
            let operator = operators[usize::from(responses >= replaced_after)];
            responses += 1;
            let sent = sent(operator, copy.after());
            if copy.take(&SentKeys::read(&sent).unwrap()).unwrap() == Taken::All {
                copy.finish().unwrap();
                return responses;
            }
        }
    }

    #[test]
    fn a_copy_has_only_keys_that_are_wrapped_with_one_key_of_the_operator() {
        let at = |scratch: &tempfile::TempDir| BackupDirectory::create(&scratch.path().join("b")).unwrap();
        let check = |directory: &BackupDirectory, operator: u8, case: &str| {
            let copied = directory.subject_keys(STORE).unwrap().unwrap();
            let want: Vec<u8> = (1..=KEYS).flat_map(|id| record(operator, id)).collect();
            assert!(copied.records == want && copied.header.tag_key == [operator; 60], "{case}");
        };
        // Two responses with two keys, one with the last one, and one without any.
        for replaced_after in 0..=3 {
            let scratch = tempfile::tempdir().unwrap();
            copy(&at(&scratch), [1, 2], replaced_after);
            check(&at(&scratch), 2, &format!("replaced after {replaced_after} responses"));
        }
        let scratch = tempfile::tempdir().unwrap();
        assert_eq!(copy(&at(&scratch), [1, 1], 0), 4);
        check(&at(&scratch), 1, "never replaced");
        assert_eq!(copy(&at(&scratch), [1, 1], 0), 1, "nothing is new");
        assert_eq!(copy(&at(&scratch), [2, 2], 0), 5, "what was copied before is begun again");
        check(&at(&scratch), 2, "replaced between two copies");
    }
}
