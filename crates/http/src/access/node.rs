//! The node, as routes use it: reads as they are, and commands only for a caller that may send them.

use super::Caller;
use crate::response::Result;
use crate::sealing::Sealing;
use crate::unavailable;
use model::{Claim, Command, Cursor, Elapsed, Index, Key, Settle, Wall, WithdrawLease};
use runtime::{
    AskedTime, Backup, BackupId, CannotArchive, CannotBegin, ClosedTime, Handle, LogRead, Pending,
    ReadFailure, Snapshot, Status, Unavailable, Woken,
};
use std::pin::Pin;
use std::sync::Arc;
use tokio::sync::watch;

/// A running node behind the check of each command. Nothing else in this crate can reach its mailbox, but for what keeps
/// the tokens.
#[derive(Clone, Debug)]
pub(crate) struct Node(Handle, Sealing);

/// A command on its way to the node. Boxed where it waits, because every connection has space for what its requests may have
/// to wait for.
pub(crate) enum Submitted<'n> {
    Taken(Pending),
    Sealing(Pin<Box<dyn Future<Output = Result<Pending>> + Send + 'n>>),
}

impl Submitted<'_> {
    /// # Errors
    /// As [`Node::submit`].
    pub(crate) async fn pending(self) -> Result<Pending> {
        match self {
            Self::Taken(pending) => Ok(pending),
            Self::Sealing(sealing) => sealing.await,
        }
    }
}

impl Node {
    pub(crate) const fn new(handle: Handle, sealing: Sealing) -> Self {
        Self(handle, sealing)
    }

    pub(crate) const fn sealing(&self) -> &Sealing {
        &self.1
    }

    /// For what stops the node.
    pub(crate) const fn inner(&self) -> &Handle {
        &self.0
    }

    /// Hands a command to the node, after its events were sealed.
    ///
    /// # Errors
    /// When the caller may not send it, its events cannot be sealed, or the node does not take it.
    pub(crate) fn submit(&self, caller: &Caller, command: Command<'static>) -> Result<Submitted<'_>> {
        let command = caller.permitted(command)?;
        if !self.seals(&command) {
            let pending = self.0.submit(command).map_err(|error| unavailable::problem(&error))?;
            return Ok(Submitted::Taken(pending));
        }
        Ok(Submitted::Sealing(Box::pin(async {
            let command = self.1.seal(&self.0, command).await?;
            self.0.submit(command).map_err(|error| unavailable::problem(&error))
        })))
    }

    /// Hands settlements to the node. They have no events.
    ///
    /// # Errors
    /// As [`Self::submit`].
    pub(crate) fn settle(&self, caller: &Caller, settle: Settle<'static>) -> Result<Pending> {
        let command = caller.permitted(Command::Settle(settle))?;
        self.0.submit(command).map_err(|error| unavailable::problem(&error))
    }

    /// As [`Self::submit`], but waits while the mailbox is full.
    ///
    /// # Errors
    /// As [`Self::submit`].
    pub(crate) async fn submit_or_wait(&self, caller: &Caller, command: Command<'static>) -> Result<Pending> {
        let mut command = caller.permitted(command)?;
        if self.seals(&command) {
            command = Box::pin(self.1.seal(&self.0, command)).await?;
        }
        self.0.submit_or_wait(command).await.map_err(|error| unavailable::problem(&error))
    }

    /// Whether the events of a command may have to be sealed. No command of an administrator has events.
    fn seals(&self, command: &Command<'_>) -> bool {
        self.1.keys().is_some() && matches!(command, Command::Append(_) | Command::Transaction(_))
    }

    /// Claims tasks, and waits until there are some.
    ///
    /// # Errors
    /// As [`Self::submit`].
    pub(crate) fn claim(&self, caller: &Caller, claim: Claim<'static>) -> Result<Pending> {
        match caller.permitted(Command::Claim(claim))? {
            Command::Claim(claim) => self.0.claim(claim).map_err(|error| unavailable::problem(&error)),
            // A claim is no command of an administrator.
            other => self.0.submit(other).map_err(|error| unavailable::problem(&error)),
        }
    }

    /// Stops waiting for a lease that a request with this caller has asked for. If the node does not take it, the wait ends
    /// by its time, and a grant by its own.
    pub(crate) fn withdraw(&self, withdraw: WithdrawLease<'static>) {
        drop(self.0.submit(Command::WithdrawLease(withdraw)));
    }

    /// See [`Handle::close_time`].
    pub(crate) async fn close_time(&self, time: AskedTime) -> Result<ClosedTime, Unavailable> {
        self.0.close_time(time).await
    }

    /// See [`Handle::wait`].
    pub(crate) fn wait(&self, key: Key) -> Result<Woken, Unavailable> {
        self.0.wait(key)
    }

    /// See [`Handle::read`].
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Snapshot) -> Result<T, ReadFailure> + Send + 'static,
    ) -> Result<T, Unavailable> {
        self.0.read(job).await
    }

    pub(crate) fn elapsed(&self) -> Elapsed {
        self.0.elapsed()
    }

    pub(crate) fn visible(&self) -> watch::Receiver<Cursor> {
        self.0.visible()
    }

    pub(crate) fn status(&self) -> Status {
        self.0.status()
    }

    pub(crate) fn wall_now(&self) -> Wall {
        self.0.wall_now()
    }

    /// See [`Handle::begin_backup`].
    pub(crate) async fn begin_backup(&self, id: BackupId) -> Result<Arc<Backup>, CannotBegin> {
        self.0.begin_backup(id).await
    }

    /// See [`Handle::backup`].
    pub(crate) fn backup(&self, id: BackupId) -> Option<Arc<Backup>> {
        self.0.backup(id)
    }

    /// See [`Handle::end_backup`].
    pub(crate) fn end_backup(&self, id: BackupId) -> bool {
        self.0.end_backup(id)
    }

    /// See [`Handle::backup_rows`].
    pub(crate) async fn backup_rows(
        &self,
        backup: Arc<Backup>,
        chunk: u32,
    ) -> Result<Option<Vec<u8>>, Unavailable> {
        self.0.backup_rows(backup, chunk).await
    }

    /// See [`Handle::backup_segment`].
    pub(crate) async fn backup_segment(
        &self,
        backup: Arc<Backup>,
        segment: String,
        from: u64,
    ) -> Result<Option<Vec<u8>>, Unavailable> {
        self.0.backup_segment(backup, segment, from).await
    }

    /// See [`Handle::archive_log`].
    pub(crate) async fn archive_log(&self, id: BackupId, has: Index) -> Result<LogRead, CannotArchive> {
        self.0.archive_log(id, has).await
    }
}
