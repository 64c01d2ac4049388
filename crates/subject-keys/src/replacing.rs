//! Replaces the operator's key: unwraps every key with the old one, and wraps it with the new one.
//!
//! ```text
//!   SUBJECT-KEYS.new   written, synced     whatever happens up to here: the keys are wrapped with the old key
//!   SUBJECT-KEYS.old   the same file as SUBJECT-KEYS, by another name
//!   SUBJECT-KEYS       is the new file     from here on: wrapped with the new key
//!   SUBJECT-KEYS.old   written over, removed
//! ```
//!
//! What is erased stays erased, and the numbers of keys stay. Who has the old key must find nothing to use it for, so the old
//! file is written over before its last name goes. An interrupted replacement leaves one of the two other names: the next
//! start of a node, or the next replacement, writes over what only that name has. On a file system without hard links,
//! the old file has no name while it is written over, so what an interruption leaves of it there is out of reach.

use crate::file::{self, Examined, Found, KeysError, NAME, NEW_NAME, OLD_NAME, failed, sync_directory};
use crate::wrapping::WrappingKey;
use format::header::{StoreId, SubjectKeysHeader};
use format::subject_key::{KeyRecord, RECORD_BYTES};
use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileExt as _, MetadataExt as _, fchown};
use std::path::Path;

/// How many zeros are written at a time.
const ZEROS: usize = 1 << 20;

/// What was replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replaced {
    /// These keys are wrapped with the new key.
    Keys(Examined),
    /// They were wrapped with the new key before. An interrupted replacement is ended.
    Before(Examined),
}

/// Wraps the keys of a store with another key. The data directory must be locked. When this returns, the old key opens
/// nothing in it.
///
/// # Errors
/// [`KeysError::OtherKey`]: the old key is not that of the file. [`KeysError::SameKey`], [`KeysError::NoKeys`],
/// [`KeysError::Damaged`], [`KeysError::OtherStore`]: nothing has changed. [`KeysError::Io`]: the keys are wrapped with one
/// of the two keys, and the replacement can be begun again.
pub fn replace_key(
    directory: &Path,
    store: StoreId,
    old: &WrappingKey,
    new: &WrappingKey,
) -> Result<Replaced, KeysError> {
    let path = directory.join(NAME);
    if !path.exists() {
        return Err(KeysError::NoKeys { path: path.display().to_string() });
    }
    let (header, records) = file::read(&path)?;
    let with_old = file::tag_key(&path, &header, store, old);
    if file::tag_key(&path, &header, store, new).is_ok() {
        if with_old.is_ok() {
            return Err(KeysError::SameKey { path: path.display().to_string() });
        }
        clear(directory).map_err(|source| failed(&path, source))?;
        return Ok(Replaced::Before(file::examine(&path)?.1));
    }
    let header = SubjectKeysHeader { store, tag_key: new.wrap_tag_key(&with_old?)? };
    let (mut examined, mut wrapped) = (Examined::default(), Vec::with_capacity(records.len() * RECORD_BYTES));
    for (place, record) in records.iter().enumerate() {
        let record = match file::decode(&path, place, record)? {
            None => [0; RECORD_BYTES],
            Some(record) => wrap_again(&path, &record, old, new, &mut examined)?.encode(),
        };
        wrapped.extend_from_slice(&record);
    }
    examined.places = records.len() as u32;
    put(directory, &file::whole(&header, &wrapped)).map_err(|source| failed(&path, source))?;
    Ok(Replaced::Keys(examined))
}

fn wrap_again(
    path: &Path,
    record: &KeyRecord,
    old: &WrappingKey,
    new: &WrappingKey,
    examined: &mut Examined,
) -> Result<KeyRecord, KeysError> {
    let Found { id, key: Some((subject, key)) } = file::unwrap(path, record, old)? else {
        examined.erased += 1;
        return Ok(KeyRecord::Erased { id: record.id() });
    };
    examined.kept += 1;
    let (nonce, wrapped) = new.wrap(id, subject, &key)?;
    Ok(KeyRecord::Kept { id, subject, nonce, wrapped })
}

/// Puts a new file in place of the old one, and writes over the old one.
fn put(directory: &Path, bytes: &[u8]) -> io::Result<()> {
    clear(directory)?;
    let (path, new, other) = (directory.join(NAME), directory.join(NEW_NAME), directory.join(OLD_NAME));
    let old = OpenOptions::new().write(true).open(&path)?;
    let written = file::write_new(directory, bytes)?;
    give_owner(&written, &old.metadata()?)?;
    // There are file systems without links.
    let is_linked = std::fs::hard_link(&path, &other).is_ok();
    sync_directory(directory)?;
    std::fs::rename(&new, &path)?;
    sync_directory(directory)?;
    write_over(&old)?;
    if is_linked {
        std::fs::remove_file(&other)?;
    }
    sync_directory(directory)
}

/// An administrator may replace the key of a node that runs as another user.
fn give_owner(file: &File, owner: &Metadata) -> io::Result<()> {
    let own = file.metadata()?;
    if (own.uid(), own.gid()) == (owner.uid(), owner.gid()) {
        return Ok(());
    }
    fchown(file, Some(owner.uid()), Some(owner.gid()))?;
    file.sync_all()
}

/// Writes over what an interrupted replacement has left, and removes it. A file that `SUBJECT-KEYS` names too only loses its
/// other name.
///
/// # Errors
/// It is still there, and nothing else has changed.
pub(crate) fn clear(directory: &Path) -> io::Result<()> {
    let place = |metadata: Metadata| (metadata.dev(), metadata.ino());
    let Some(kept) = found(std::fs::metadata(directory.join(NAME)))?.map(place) else { return Ok(()) };
    for name in [NEW_NAME, OLD_NAME] {
        let path = directory.join(name);
        let Some(file) = found(OpenOptions::new().write(true).open(&path))? else { continue };
        // A power cut must not give the other one its name back after it is written over.
        sync_directory(directory)?;
        if place(file.metadata()?) != kept {
            write_over(&file)?;
        }
        std::fs::remove_file(&path)?;
        sync_directory(directory)?;
    }
    Ok(())
}

fn found<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        result => result.map(Some),
    }
}

fn write_over(file: &File) -> io::Result<()> {
    let (len, zeros) = (file.metadata()?.len(), vec![0; ZEROS]);
    let mut at = 0;
    while at < len {
        let count = (len - at).min(ZEROS as u64);
        file.write_all_at(&zeros[..count as usize], at)?;
        at += count;
    }
    file.sync_all()
}
