//! The keys in memory, and the one thread that changes their file.
//!
//! Requests find a key that exists without waiting. For a new one they wait until its record is synced; the thread writes
//! the records of all that wait, and syncs once. After a write or a sync that failed, the thread changes nothing any more.

use crate::file::{self, Found, KeysError, KeysFile};
use crate::sealing::{Event, Opened, SubjectKey};
use crate::wrapping::{TagKey, WrappingKey};
use format::header::{StoreId, SubjectKeysHeader};
use format::subject_key::{KeyRecord, SubjectTag};
use model::{Fingerprint, KeyId, limits};
use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use tokio::sync::oneshot;

/// Requests that may wait for the thread.
const WAITING_MAX: usize = 4_096;
/// Records that are written before a sync, at most.
const BATCH_MAX: usize = 1_024;

/// The keys of a store. Cheap to clone.
#[derive(Clone)]
pub struct SubjectKeys {
    shared: Arc<Shared>,
    jobs: SyncSender<Job>,
}

impl fmt::Debug for SubjectKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SubjectKeys").field("path", &self.shared.path).finish_non_exhaustive()
    }
}

struct Shared {
    path: PathBuf,
    header: SubjectKeysHeader,
    wrapping: WrappingKey,
    tags: TagKey,
    table: RwLock<Table>,
}

#[derive(Default)]
struct Table {
    ids: HashMap<SubjectTag, KeyId>,
    /// By id, from 1.
    keys: Vec<Place>,
    erased: u32,
}

enum Place {
    /// No key was ever used with this id.
    Unused,
    Kept(SubjectTag, SubjectKey),
    Erased,
}

enum Job {
    Create(SubjectTag, oneshot::Sender<Result<KeyId, KeysError>>),
    Erase(KeyId, oneshot::Sender<Result<(), KeysError>>),
    /// Every write fails from now on.
    #[cfg(test)]
    Spoil,
}

/// How far a node has come with its keys, or a copy of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeysState {
    /// The last key, erased ones included.
    pub last: KeyId,
    pub erased: u32,
}

impl SubjectKeys {
    /// Opens the keys of a store, and begins the thread. The data directory must be locked.
    ///
    /// # Errors
    /// [`KeysError`]
    pub fn open(directory: &Path, store: StoreId, wrapping: WrappingKey) -> Result<Self, KeysError> {
        let (file, tags, found) = KeysFile::open(directory, store, &wrapping)?;
        let table = Table::of(found);
        let path = file.path.clone();
        let header = file.header;
        let shared = Arc::new(Shared { path, header, wrapping, tags, table: RwLock::new(table) });
        let (jobs, waiting) = sync_channel(WAITING_MAX);
        let keeper = Keeper { file, shared: Arc::clone(&shared), failed: false };
        let started = std::thread::Builder::new().name("subject-keys".into()).spawn(|| keeper.run(waiting));
        started.map_err(|source| KeysError::Io { path: shared.path.display().to_string(), source })?;
        Ok(Self { shared, jobs })
    }

    /// The key of a subject, if there is one.
    #[must_use]
    pub fn find(&self, subject: &str) -> Option<KeyId> {
        self.shared.table().ids.get(&self.shared.tags.tag(subject)).copied()
    }

    /// The key of a subject. If there is none, one is drawn, and is durable when this returns.
    ///
    /// # Errors
    /// [`KeysError::Full`], [`KeysError::Busy`], or the file cannot be written.
    pub async fn of(&self, subject: &str) -> Result<KeyId, KeysError> {
        let tag = self.shared.tags.tag(subject);
        if let Some(id) = self.shared.table().ids.get(&tag) {
            return Ok(*id);
        }
        self.ask(|answer| Job::Create(tag, answer)).await
    }

    /// Erases a key. When this returns, neither this node nor its disk has it.
    ///
    /// # Errors
    /// [`KeysError::Busy`], or the file cannot be written.
    pub async fn erase(&self, id: KeyId) -> Result<(), KeysError> {
        self.ask(|answer| Job::Erase(id, answer)).await
    }

    /// Seals an envelope, and replaces its fingerprint. `None` if the key was erased since it was found.
    ///
    /// # Errors
    /// [`KeysError`]
    pub fn seal(
        &self,
        id: KeyId,
        event: Event<'_>,
        envelope: &[u8],
        fingerprint: Fingerprint,
    ) -> Result<Option<(Vec<u8>, Fingerprint)>, KeysError> {
        match self.shared.table().get(id) {
            Some(Place::Kept(_, key)) => {
                Ok(Some((key.seal(id, event, envelope)?, key.fingerprint(fingerprint))))
            }
            Some(Place::Erased) => Ok(None),
            Some(Place::Unused) | None => Err(missing(&self.shared.path, id)),
        }
    }

    /// Opens a sealed envelope.
    ///
    /// # Errors
    /// [`KeysError::Missing`], [`KeysError::DoesNotOpen`]: the file of keys is not that of the store, or the event is
    /// damaged.
    pub fn open_sealed(&self, id: KeyId, event: Event<'_>, sealed: &[u8]) -> Result<Opened, KeysError> {
        self.shared.table().open_sealed(&self.shared.path, id, event, sealed)
    }

    /// Whether a key is erased.
    #[must_use]
    pub fn is_erased(&self, id: KeyId) -> bool {
        matches!(self.shared.table().get(id), Some(Place::Erased))
    }

    /// How many keys there are.
    #[must_use]
    pub fn count(&self) -> KeysState {
        let table = self.shared.table();
        KeysState { last: KeyId(table.keys.len() as u32), erased: table.erased }
    }

    /// The header of the file, and its records after a key: those of keys that exist now, at most this many. Reads from the
    /// disk.
    ///
    /// # Errors
    /// [`KeysError::Io`]
    pub fn records(&self, after: KeyId, most: u32) -> Result<(SubjectKeysHeader, Vec<u8>), KeysError> {
        let last = self.count().last;
        let count = last.0.saturating_sub(after.0).min(most);
        let records = file::records(&self.shared.path, after, count)?;
        Ok((self.shared.header, records))
    }

    #[cfg(test)]
    pub(crate) fn fail_from_now_on(&self) {
        assert!(self.jobs.send(Job::Spoil).is_ok());
    }

    async fn ask<T>(
        &self,
        job: impl FnOnce(oneshot::Sender<Result<T, KeysError>>) -> Job,
    ) -> Result<T, KeysError> {
        let (answer, answered) = oneshot::channel();
        match self.jobs.try_send(job(answer)) {
            Ok(()) => answered.await.unwrap_or(Err(KeysError::Failed)),
            Err(TrySendError::Full(_)) => Err(KeysError::Busy),
            Err(TrySendError::Disconnected(_)) => Err(KeysError::Failed),
        }
    }
}

impl Shared {
    /// A panic elsewhere cannot have left the table half changed: each change is one assignment after the other, and the
    /// reader of a key needs one of them.
    fn table(&self) -> RwLockReadGuard<'_, Table> {
        self.table.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self) -> RwLockWriteGuard<'_, Table> {
        self.table.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The keys of a store that no node uses, to read with. Their file is not changed.
pub struct SavedKeys {
    path: PathBuf,
    table: Table,
}

impl fmt::Debug for SavedKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SavedKeys").field("path", &self.path).finish_non_exhaustive()
    }
}

impl SavedKeys {
    /// Reads the keys in a data directory.
    ///
    /// # Errors
    /// [`KeysError`]
    pub fn read(directory: &Path, store: StoreId, wrapping: &WrappingKey) -> Result<Self, KeysError> {
        let path = directory.join(file::NAME);
        let (_, _, found) = file::read_keys(&path, store, wrapping)?;
        Ok(Self { path, table: Table::of(found) })
    }

    /// Opens a sealed envelope.
    ///
    /// # Errors
    /// As [`SubjectKeys::open_sealed`].
    pub fn open_sealed(&self, id: KeyId, event: Event<'_>, sealed: &[u8]) -> Result<Opened, KeysError> {
        self.table.open_sealed(&self.path, id, event, sealed)
    }
}

fn missing(path: &Path, id: KeyId) -> KeysError {
    KeysError::Missing { path: path.display().to_string(), id }
}

impl Table {
    fn of(found: Vec<Found>) -> Self {
        let mut table = Self::default();
        for Found { id, key } in found {
            table.keys.resize_with(id.0 as usize, || Place::Unused);
            match key {
                None => table.erased += 1,
                Some((tag, _)) => drop(table.ids.insert(tag, id)),
            }
            let place = key.map_or(Place::Erased, |(tag, key)| Place::Kept(tag, key));
            table.keys[id.0 as usize - 1] = place;
        }
        table
    }

    fn open_sealed(
        &self,
        path: &Path,
        id: KeyId,
        event: Event<'_>,
        sealed: &[u8],
    ) -> Result<Opened, KeysError> {
        match self.get(id) {
            Some(Place::Kept(_, key)) => key
                .open(id, event, sealed)
                .map(Opened::Envelope)
                .map_err(|_| KeysError::DoesNotOpen { path: path.display().to_string(), id }),
            Some(Place::Erased) => Ok(Opened::Erased),
            Some(Place::Unused) | None => Err(missing(path, id)),
        }
    }

    fn get(&self, id: KeyId) -> Option<&Place> {
        self.keys.get((id.0 as usize).checked_sub(1)?)
    }
}

/// What the thread has.
struct Keeper {
    file: KeysFile,
    shared: Arc<Shared>,
    failed: bool,
}

/// A key that was written and is not durable yet.
struct Written {
    id: KeyId,
    tag: SubjectTag,
    key: SubjectKey,
    answers: Vec<oneshot::Sender<Result<KeyId, KeysError>>>,
}

impl Keeper {
    fn run(mut self, waiting: Receiver<Job>) {
        while let Ok(first) = waiting.recv() {
            let mut created: Vec<Written> = Vec::new();
            let mut erased = Vec::new();
            for job in std::iter::once(first).chain(waiting.try_iter().take(BATCH_MAX - 1)) {
                match job {
                    Job::Create(tag, answer) => self.create(tag, answer, &mut created),
                    Job::Erase(id, answer) => self.erase(id, answer, &mut erased),
                    #[cfg(test)]
                    Job::Spoil => self.file.spoil(),
                }
            }
            self.settle(created, erased);
        }
    }

    fn create(
        &mut self,
        tag: SubjectTag,
        answer: oneshot::Sender<Result<KeyId, KeysError>>,
        created: &mut Vec<Written>,
    ) {
        // A caller that has gone meanwhile has no use for an answer.
        if let Some(id) = self.shared.table().ids.get(&tag) {
            let _ = answer.send(Ok(*id));
        } else if let Some(written) = created.iter_mut().find(|written| written.tag == tag) {
            written.answers.push(answer);
        } else {
            match self.write(tag) {
                Ok((id, key)) => created.push(Written { id, tag, key, answers: vec![answer] }),
                Err(error) => drop(answer.send(Err(error))),
            }
        }
    }

    fn write(&mut self, tag: SubjectTag) -> Result<(KeyId, SubjectKey), KeysError> {
        if self.failed {
            return Err(KeysError::Failed);
        }
        let id = self.file.next().ok_or(KeysError::Full)?;
        let key = SubjectKey::draw()?;
        let (nonce, wrapped) = self.shared.wrapping.wrap(id, tag, &key)?;
        let record = KeyRecord::Kept { id, subject: tag, nonce, wrapped };
        self.file.append(&record).inspect_err(|_| self.failed = true)?;
        Ok((id, key))
    }

    fn erase(
        &mut self,
        id: KeyId,
        answer: oneshot::Sender<Result<(), KeysError>>,
        erased: &mut Vec<oneshot::Sender<Result<(), KeysError>>>,
    ) {
        if self.failed {
            let _ = answer.send(Err(KeysError::Failed));
            return;
        }
        let Some(at) = (id.0 as usize).checked_sub(1).filter(|at| *at < limits::SUBJECTS_MAX as usize) else {
            let _ = answer.send(Ok(()));
            return;
        };
        let mut table = self.shared.change();
        // The file may be older than the state that knows of the erasure.
        let places = table.keys.len().max(at + 1);
        table.keys.resize_with(places, || Place::Unused);
        // From here on nobody reads with it, whatever becomes of the file.
        match std::mem::replace(&mut table.keys[at], Place::Erased) {
            Place::Kept(tag, _) => {
                table.ids.remove(&tag);
                table.erased += 1;
            }
            Place::Unused => table.erased += 1,
            Place::Erased => {}
        }
        drop(table);
        match self.file.erase(id) {
            Ok(()) => erased.push(answer),
            Err(error) => {
                self.failed = true;
                let _ = answer.send(Err(error));
            }
        }
    }

    /// Makes durable what was written, and answers.
    fn settle(&mut self, created: Vec<Written>, erased: Vec<oneshot::Sender<Result<(), KeysError>>>) {
        if created.is_empty() && erased.is_empty() {
            return;
        }
        let synced = if self.failed { Err(KeysError::Failed) } else { self.file.sync() };
        if let Err(error) = synced {
            self.failed = true;
            let mut error = Some(error);
            let mut why = || error.take().unwrap_or(KeysError::Failed);
            for answer in created.into_iter().flat_map(|written| written.answers) {
                let _ = answer.send(Err(why()));
            }
            for answer in erased {
                let _ = answer.send(Err(why()));
            }
            return;
        }
        for Written { id, tag, key, answers } in created {
            let mut table = self.shared.change();
            let places = table.keys.len().max(id.0 as usize);
            table.keys.resize_with(places, || Place::Unused);
            table.keys[id.0 as usize - 1] = Place::Kept(tag, key);
            table.ids.insert(tag, id);
            drop(table);
            for answer in answers {
                let _ = answer.send(Ok(id));
            }
        }
        for answer in erased {
            let _ = answer.send(Ok(()));
        }
    }
}
