//! Which keys of subjects a store needs: those that its events are sealed with, and that are not erased.
//!
//! A node that is asked for an event whose key it does not have stops. So a store that lacks one is not restored, unless
//! the subjects of those events are to count as erased.

use crate::backups::BackupDirectory;
use crate::error::{Result, UpkeepError};
use crate::subject_keys::CopiedKeys;
use format::body::BodyRecord;
use format::header::StoreId;
use format::row::parse_erased_key;
use model::{Append, Command, Entry, KeyId, Write};
use std::collections::BTreeSet;
use subject_keys::WrappingKey;

/// What was read of a store, as far as its keys are concerned.
#[derive(Clone, Debug, Default)]
pub struct NeededKeys {
    sealed_with: BTreeSet<KeyId>,
    erased: BTreeSet<KeyId>,
}

impl NeededKeys {
    /// Takes note of a row.
    pub(crate) fn row(&mut self, key: &[u8]) {
        // All other rows have other keys.
        if let Ok(id) = parse_erased_key(key) {
            self.erased.insert(id);
        }
    }

    /// Takes note of an event.
    pub(crate) fn body(&mut self, record: &BodyRecord<'_>) {
        self.seal(record.key_id);
    }

    /// Takes note of an entry of the log.
    pub(crate) fn entry(&mut self, entry: &Entry<'_>) {
        entry.commands.iter().for_each(|command| self.command(command));
    }

    /// Adds what was read of another part of the store.
    pub fn add(&mut self, other: Self) {
        self.sealed_with.extend(other.sealed_with);
        self.erased.extend(other.erased);
    }

    /// Reads the copy of the keys that is next to backups. `None` if there is none and none is needed.
    ///
    /// # Errors
    /// [`UpkeepError::NoKeys`], [`UpkeepError::MissingKeys`]: events could not be opened. Or the copy is damaged.
    pub fn find(&self, directory: &BackupDirectory, store: StoreId) -> Result<Option<CopiedKeys>> {
        self.all_in(directory.subject_keys(store)?, &directory.shown_keys(store))
    }

    /// Returns a copy of the keys if it has all that are needed. `path`: where it should be.
    ///
    /// # Errors
    /// [`UpkeepError::NoKeys`], [`UpkeepError::MissingKeys`]: events could not be opened.
    pub(crate) fn all_in(&self, copied: Option<CopiedKeys>, path: &str) -> Result<Option<CopiedKeys>> {
        let missing = self.missing(copied.as_ref());
        match (missing.first(), copied) {
            (None, copied) => Ok(copied),
            (Some(_), None) => Err(no_keys(path, missing.len())),
            (Some(first), Some(copied)) => Err(UpkeepError::MissingKeys {
                path: copied.shown.display().to_string(),
                first: *first,
                missing: missing.len(),
            }),
        }
    }

    /// As [`Self::all_in`], and the keys that are needed and not there. If there is no copy, one without any keys is made, wrapped
    /// with `new`.
    ///
    /// # Errors
    /// [`UpkeepError::NoKeys`]: there is no copy, and no `new`.
    pub(crate) fn some_in(
        &self,
        copied: Option<CopiedKeys>,
        path: &str,
        (store, new): (StoreId, Option<&WrappingKey>),
    ) -> Result<(Option<CopiedKeys>, Vec<KeyId>)> {
        let missing = self.missing(copied.as_ref());
        let copied = match (copied, new) {
            (None, None) if !missing.is_empty() => return Err(no_keys(path, missing.len())),
            (None, Some(new)) if !missing.is_empty() => Some(CopiedKeys::without_keys(store, new)?),
            (copied, _) => copied,
        };
        Ok((copied, missing))
    }

    fn missing(&self, copied: Option<&CopiedKeys>) -> Vec<KeyId> {
        let needed = self.sealed_with.difference(&self.erased).copied();
        needed.filter(|id| copied.is_none_or(|copied| !copied.has(*id))).collect()
    }

    fn command(&mut self, command: &Command<'_>) {
        match command {
            Command::Append(append) => self.append(append),
            Command::Transaction(transaction) => {
                for write in &transaction.writes {
                    if let Write::Append(append) = write {
                        self.append(append);
                    }
                }
            }
            Command::EraseSubject(erase) => {
                self.erased.insert(erase.key_id);
            }
            Command::Audited(audited) => self.command(&audited.command),
            // What the system itself appends is not sealed, and no other command appends.
            _ => {}
        }
    }

    fn append(&mut self, append: &Append<'_>) {
        append.events.iter().for_each(|event| self.seal(event.key_id));
    }

    fn seal(&mut self, id: KeyId) {
        if id != KeyId::NONE {
            self.sealed_with.insert(id);
        }
    }
}

fn no_keys(path: &str, subjects: usize) -> UpkeepError {
    UpkeepError::NoKeys { path: path.to_owned(), subjects }
}
