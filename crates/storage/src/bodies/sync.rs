//! Makes bodies durable, on the caller's thread.

use super::BodyError;
use super::segment::Shared;
use crate::disk::{Disk, DiskFile};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Does the writes that appending has left for later, and syncs them when there are enough; see
/// [`super::Bodies::write_handle`].
#[derive(Debug)]
pub struct BodyWrite<D: Disk> {
    shared: Arc<Shared<D>>,
}

impl<D: Disk> BodyWrite<D> {
    pub(super) fn new(shared: &Arc<Shared<D>>) -> Self {
        Self { shared: Arc::clone(shared) }
    }

    /// Blocks.
    ///
    /// # Errors
    /// The node must stop.
    pub fn run(self) -> Result<(), BodyError> {
        self.shared.check()?;
        let result = self.write();
        self.shared.poisons(result)
    }

    fn write(&self) -> Result<(), BodyError> {
        let sync = BodySync::new(&self.shared);
        self.shared.disk.write_out().map_err(|source| BodyError::io("the body file", source))?;
        let unsynced = sync.end.saturating_sub(self.shared.synced.load(Ordering::Acquire));
        if unsynced < self.shared.options.unsynced_bytes { Ok(()) } else { sync.sync_files() }
    }
}

/// The work of a sync; see [`super::Bodies::sync_handle`].
#[derive(Debug)]
pub struct BodySync<D: Disk> {
    shared: Arc<Shared<D>>,
    /// The sealed segments that are not durable yet.
    sealed: Vec<Arc<D::File>>,
    tail: Arc<D::File>,
    end: u64,
}

impl<D: Disk> BodySync<D> {
    pub(super) fn new(shared: &Arc<Shared<D>>) -> Self {
        let layout = shared.layout();
        let (sealed, tail) = (shared.unsynced().files.clone(), Arc::clone(&layout.tail.file));
        Self { shared: Arc::clone(shared), sealed, tail, end: layout.end() }
    }

    /// Returns the logical end up to which everything is now durable, and saves the counts of removed events.
    /// Blocks.
    ///
    /// # Errors
    /// `NoSpace`: not everything is durable, so do not flush the state, and retry later. After any other
    /// error the body file is unusable, and the node must stop.
    pub fn run(self) -> Result<u64, BodyError> {
        self.shared.check()?;
        let result = self.sync();
        self.shared.poisons(result)?;
        Ok(self.end)
    }

    fn sync(&self) -> Result<(), BodyError> {
        // Before a sync, lack of space can be waited for.
        self.shared.disk.write_out().map_err(|source| BodyError::io("the body file", source))?;
        self.shared.finish_rolls()?;
        self.sync_files()?;
        self.shared.save_account()?;
        self.forget_synced();
        let names = {
            let unsynced = self.shared.unsynced();
            (unsynced.names > unsynced.names_synced).then_some(unsynced.names)
        };
        if let Some(names) = names {
            self.shared.disk.sync_dir().map_err(|source| failed("the body file's directory", source))?;
            let mut unsynced = self.shared.unsynced();
            unsynced.names_synced = unsynced.names_synced.max(names);
        }
        Ok(())
    }

    pub(super) fn sync_files(&self) -> Result<(), BodyError> {
        for file in self.sealed.iter().chain([&self.tail]) {
            file.sync().map_err(|source| failed("a segment", source))?;
        }
        self.shared.synced.fetch_max(self.end, Ordering::Release);
        Ok(())
    }

    /// The sealed segments are durable. The tail may have been written and sealed since its sync, so if it is
    /// among the sealed ones now, the next sync covers it again.
    pub(super) fn forget_synced(&self) {
        let mut unsynced = self.shared.unsynced();
        unsynced.files.retain(|file| !self.sealed.iter().any(|synced| Arc::ptr_eq(synced, file)));
    }
}

/// During a sync, lack of space is a failure like any other.
pub(super) fn failed(file: &str, source: std::io::Error) -> BodyError {
    BodyError::Failed { file: file.to_owned(), source }
}
