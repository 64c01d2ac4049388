//! The file of wrapped keys: `SUBJECT-KEYS` in a data directory, and the same in a directory of backups.
//!
//! A key's record is written at the end and synced before the key is used. What a power cut leaves of records that nobody
//! has used is zeros, or a record whose key has sealed nothing; a place with zeros is never used again. A record is erased
//! by writing over it in place, so that the disk's block holds the key no more.

use crate::replacing;
use crate::sealing::SubjectKey;
use crate::wrapping::{NoRandomBytes, TagKey, WrappingKey};
use format::header::{HeaderError, StoreId, SubjectKeysHeader};
use format::subject_key::{KeyRecord, RECORD_BYTES, RECORDS_AT, SubjectTag};
use model::{KeyId, limits};
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read as _};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// The name of the file, in a data directory.
pub const NAME: &str = "SUBJECT-KEYS";
/// Its name while it is written as a whole.
pub const NEW_NAME: &str = "SUBJECT-KEYS.new";
/// The name of the one that was replaced, until it is written over.
pub const OLD_NAME: &str = "SUBJECT-KEYS.old";

/// Why keys cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    #[error("{path}: {source}")]
    Io { path: String, source: io::Error },
    #[error("{path} is damaged: {what}; replace it by the copy in the newest backup")]
    Damaged { path: String, what: String },
    /// A version from before the first release wrote it.
    #[error(
        "{path} was written by a version of Mainstay from before the first release; export the events with that \
         version, and import them into a new store"
    )]
    Older { path: String },
    #[error("{path} was wrapped with another key than the one that is given")]
    OtherKey { path: String },
    #[error("{path} is wrapped with the new key already, which is the old one too")]
    SameKey { path: String },
    #[error("{path} does not exist: the store has no keys of subjects")]
    NoKeys { path: String },
    #[error("{path} belongs to another store")]
    OtherStore { path: String },
    #[error("{path} has no key {}, with which an event is sealed; replace it by the copy in the newest backup", id.0)]
    Missing { path: String, id: KeyId },
    #[error("an event does not open with the key {} of {path}: it, or the file, is not of this store", id.0)]
    DoesNotOpen { path: String, id: KeyId },
    #[error("there are keys of {} subjects already", limits::SUBJECTS_MAX)]
    Full,
    #[error("too many requests wait for keys of new subjects")]
    Busy,
    /// The file could not be written before. What it holds now is read at the next start.
    #[error("the file of subject keys failed earlier")]
    Failed,
    #[error(transparent)]
    NoRandomBytes(#[from] NoRandomBytes),
}

/// What a file of keys holds, as far as that can be said without the wrapping key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Examined {
    /// Places for keys, used or not.
    pub places: u32,
    pub kept: u32,
    pub erased: u32,
}

/// The open file.
#[derive(Debug)]
pub(crate) struct KeysFile {
    file: File,
    pub(crate) path: PathBuf,
    pub(crate) header: SubjectKeysHeader,
    /// Places for records, used or not. The next record gets the id after this.
    count: u32,
}

/// A key as the file has it.
pub(crate) struct Found {
    pub(crate) id: KeyId,
    /// `None` if it is erased.
    pub(crate) key: Option<(SubjectTag, SubjectKey)>,
}

impl KeysFile {
    /// Opens the file of a data directory and reads all keys. If there is none, it is created.
    pub(crate) fn open(
        directory: &Path,
        store: StoreId,
        wrapping: &WrappingKey,
    ) -> Result<(Self, TagKey, Vec<Found>), KeysError> {
        let path = directory.join(NAME);
        replacing::clear(directory).map_err(|source| failed(&path, source))?;
        if !path.exists() {
            let header = new_header(store, wrapping)?;
            write_whole(directory, &whole(&header, &[])).map_err(|source| failed(&path, source))?;
        }
        let (header, tags, found) = read_keys(&path, store, wrapping)?;
        let count = found.last().map_or(0, |last| last.id.0);
        let file = OpenOptions::new().read(true).write(true).open(&path);
        let file = file.map_err(|source| failed(&path, source))?;
        Ok((Self { file, path, header, count }, tags, found))
    }

    /// The id of the next key.
    pub(crate) const fn next(&self) -> Option<KeyId> {
        if self.count < limits::SUBJECTS_MAX { Some(KeyId(self.count + 1)) } else { None }
    }

    /// Writes a record at the end. It is durable after [`Self::sync`].
    pub(crate) fn append(&mut self, record: &KeyRecord) -> Result<(), KeysError> {
        self.write(record)?;
        self.count += 1;
        Ok(())
    }

    /// Writes over a record. The erasure is durable after [`Self::sync`]. A key that the file does not have, because it is
    /// older, is erased too: its id is never given out.
    pub(crate) fn erase(&mut self, id: KeyId) -> Result<(), KeysError> {
        self.write(&KeyRecord::Erased { id })?;
        self.count = self.count.max(id.0);
        Ok(())
    }

    pub(crate) fn sync(&self) -> Result<(), KeysError> {
        self.file.sync_data().map_err(|source| failed(&self.path, source))
    }

    /// Every write fails from now on.
    #[cfg(test)]
    pub(crate) fn spoil(&mut self) {
        self.file = File::open(&self.path).unwrap();
    }

    fn write(&self, record: &KeyRecord) -> Result<(), KeysError> {
        self.file
            .write_all_at(&record.encode(), offset(record.id()))
            .map_err(|source| failed(&self.path, source))
    }
}

/// Erases keys in a file that no node uses. Those that it does not have, because it is older, are erased too, so that their ids
/// are never given out.
///
/// # Errors
/// [`KeysError`]
pub fn erase_all(path: &Path, keys: &[KeyId]) -> Result<(), KeysError> {
    read(path)?;
    let file = OpenOptions::new().write(true).open(path).map_err(|source| failed(path, source))?;
    for id in keys.iter().filter(|id| (1..=limits::SUBJECTS_MAX).contains(&id.0)) {
        let record = KeyRecord::Erased { id: *id }.encode();
        file.write_all_at(&record, offset(*id)).map_err(|source| failed(path, source))?;
    }
    file.sync_all().map_err(|source| failed(path, source))
}

/// Reads a file of keys, and checks everything that can be checked without the wrapping key.
///
/// # Errors
/// [`KeysError::Io`], [`KeysError::Damaged`].
pub fn examine(path: &Path) -> Result<(SubjectKeysHeader, Examined), KeysError> {
    let (header, records) = read(path)?;
    let mut examined = Examined { places: records.len() as u32, ..Examined::default() };
    for (place, record) in records.iter().enumerate() {
        match decode(path, place, record)? {
            None => {}
            Some(KeyRecord::Kept { .. }) => examined.kept += 1,
            Some(KeyRecord::Erased { .. }) => examined.erased += 1,
        }
    }
    Ok((header, examined))
}

/// The header of a file without any keys yet.
///
/// # Errors
/// The system has no random bytes.
pub fn new_header(store: StoreId, wrapping: &WrappingKey) -> Result<SubjectKeysHeader, KeysError> {
    Ok(SubjectKeysHeader { store, tag_key: wrapping.wrap_tag_key(&TagKey::draw()?)? })
}

/// The bytes of a file with a header and records.
#[must_use]
pub fn whole(header: &SubjectKeysHeader, records: &[u8]) -> Vec<u8> {
    let mut bytes = header.encode();
    bytes.resize(RECORDS_AT, 0);
    bytes.extend_from_slice(records);
    bytes
}

/// Writes the file of a directory that has none, as a whole, readable by its owner only.
///
/// # Errors
/// The directory has no file, or a whole one.
pub fn write_whole(directory: &Path, bytes: &[u8]) -> io::Result<()> {
    write_new(directory, bytes)?;
    std::fs::rename(directory.join(NEW_NAME), directory.join(NAME))?;
    sync_directory(directory)
}

/// Makes the names in a directory durable.
pub(crate) fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

/// Writes and syncs the file that is to get the name of the other one.
pub(crate) fn write_new(directory: &Path, bytes: &[u8]) -> io::Result<File> {
    let mut options = OpenOptions::new();
    let options = options.write(true).create(true).truncate(true).mode(0o600);
    let file = options.open(directory.join(NEW_NAME))?;
    file.write_all_at(bytes, 0)?;
    file.sync_all()?;
    Ok(file)
}

/// The key that hides subjects, if the file is of this store and of this wrapping key.
pub(crate) fn tag_key(
    path: &Path,
    header: &SubjectKeysHeader,
    store: StoreId,
    wrapping: &WrappingKey,
) -> Result<TagKey, KeysError> {
    let shown = || path.display().to_string();
    if header.store != store {
        return Err(KeysError::OtherStore { path: shown() });
    }
    wrapping.unwrap_tag_key(header.tag_key).ok_or_else(|| KeysError::OtherKey { path: shown() })
}

/// The key of a record.
pub(crate) fn unwrap(path: &Path, record: &KeyRecord, wrapping: &WrappingKey) -> Result<Found, KeysError> {
    let KeyRecord::Kept { id, subject, nonce, wrapped } = *record else {
        return Ok(Found { id: record.id(), key: None });
    };
    let key = wrapping.unwrap(id, subject, nonce, wrapped);
    let key = key.ok_or_else(|| damaged(path, format!("the key {} is not what was wrapped", id.0)))?;
    Ok(Found { id, key: Some((subject, key)) })
}

/// All keys of a file, in the order of their ids.
pub(crate) fn read_keys(
    path: &Path,
    store: StoreId,
    wrapping: &WrappingKey,
) -> Result<(SubjectKeysHeader, TagKey, Vec<Found>), KeysError> {
    let (header, records) = read(path)?;
    let tags = tag_key(path, &header, store, wrapping)?;
    let mut found = Vec::new();
    for (place, record) in records.iter().enumerate() {
        if let Some(record) = decode(path, place, record)? {
            found.push(unwrap(path, &record, wrapping)?);
        }
    }
    Ok((header, tags, found))
}

/// The header, and the places of records.
pub(crate) fn read(path: &Path) -> Result<(SubjectKeysHeader, Vec<[u8; RECORD_BYTES]>), KeysError> {
    let mut bytes = Vec::new();
    let most = RECORDS_AT + RECORD_BYTES * limits::SUBJECTS_MAX as usize;
    let file = File::open(path).map_err(|source| failed(path, source))?;
    file.take(most as u64 + 1).read_to_end(&mut bytes).map_err(|source| failed(path, source))?;
    if bytes.len() > most {
        return Err(damaged(path, format!("it is longer than {most} bytes")));
    }
    let header = SubjectKeysHeader::decode(&bytes).map_err(|error| match error {
        HeaderError::Older { .. } => KeysError::Older { path: path.display().to_string() },
        error => damaged(path, error),
    })?;
    let Some(records) = bytes.get(RECORDS_AT..) else {
        return Err(failed(path, ErrorKind::UnexpectedEof.into()));
    };
    // An incomplete record at the end was never used.
    Ok((header, records.as_chunks().0.to_vec()))
}

/// The bytes of `count` records after a key.
pub(crate) fn records(path: &Path, after: KeyId, count: u32) -> Result<Vec<u8>, KeysError> {
    let mut bytes = vec![0; count as usize * RECORD_BYTES];
    let file = File::open(path).map_err(|source| failed(path, source))?;
    file.read_exact_at(&mut bytes, offset(KeyId(after.0 + 1))).map_err(|source| failed(path, source))?;
    Ok(bytes)
}

/// The record at a place, if one was written there.
pub(crate) fn decode(
    path: &Path,
    place: usize,
    bytes: &[u8; RECORD_BYTES],
) -> Result<Option<KeyRecord>, KeysError> {
    if bytes.iter().all(|byte| *byte == 0) {
        return Ok(None);
    }
    let at = RECORDS_AT + place * RECORD_BYTES;
    let record = KeyRecord::decode(bytes).map_err(|error| damaged(path, format!("at byte {at}: {error}")))?;
    if record.id().0 as usize != place + 1 {
        return Err(damaged(path, format!("at byte {at} is the key {}", record.id().0)));
    }
    Ok(Some(record))
}

fn offset(id: KeyId) -> u64 {
    RECORDS_AT as u64 + u64::from(id.0.saturating_sub(1)) * RECORD_BYTES as u64
}

pub(crate) fn failed(path: &Path, source: io::Error) -> KeysError {
    KeysError::Io { path: path.display().to_string(), source }
}

fn damaged(path: &Path, what: impl ToString) -> KeysError {
    KeysError::Damaged { path: path.display().to_string(), what: what.to_string() }
}
