//! The [`Handle`] through which the rest of the process uses a running node: to submit commands, close times,
//! read and follow.
//!
//! A handle hides the node's channels and threads. Every queue behind it is bounded; when one is full, the call
//! returns [`Unavailable::Busy`] at once.

use crate::archive::{Archives, CannotArchive};
use crate::backup::{Backup, BackupId, Backups, CannotBegin};
use crate::reads::{ReadFailure, ReadPool, Snapshot};
use driver::archive::LogRead;
use format::header::StoreId;
use model::{
    Action, Claim, Claimed, ClaimedTask, Command, Cursor, Elapsed, Index, Key, Outcome, QueueName, Settle,
    Settlement, TaskRef, Wall, limits,
};
use node::{AskedTime, ClosedTime, Replies, Unavailable};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{SystemTime, UNIX_EPOCH};
use telemetry::{Metrics, Queue};
use tokio::sync::{mpsc, oneshot, watch};

/// Replies are channels. If one is dropped, the request gets [`Unavailable::Lost`].
#[derive(Debug)]
pub(crate) struct Channels;

impl Replies for Channels {
    type Outcome = OutcomeReply;
    type TimeClosed = oneshot::Sender<Result<ClosedTime, Unavailable>>;
    type Woken = oneshot::Sender<Result<(), Unavailable>>;

    fn is_gone(waiter: &Self::Woken) -> bool {
        waiter.is_closed()
    }

    fn is_abandoned(reply: &Self::Outcome) -> bool {
        reply.sender.is_closed()
    }
}

/// Receives the outcome of a command.
#[derive(Debug)]
pub(crate) struct OutcomeReply {
    sender: oneshot::Sender<Result<Outcome, Unavailable>>,
    /// The queue that the command claims tasks from.
    claims_from: Option<QueueName<'static>>,
}

impl OutcomeReply {
    /// A reply to nobody.
    fn to_nobody() -> Self {
        Self { sender: oneshot::channel().0, claims_from: None }
    }

    /// Sends the outcome. If nobody receives it, returns the request that gives back the tasks it claims; any other
    /// command has had its effect.
    pub(crate) fn send(self, result: Result<Outcome, Unavailable>) -> Option<Request> {
        let unreceived = self.sender.send(result).err()?;
        let (Ok(Outcome::Claimed(claimed)), Some(queue)) = (unreceived, self.claims_from) else {
            return None;
        };
        Some(give_back(queue, claimed))
    }
}

/// The request that gives back claimed tasks which nobody receives.
fn give_back(queue: QueueName<'static>, claimed: Claimed) -> Request {
    let settlement = |task: ClaimedTask| Settlement {
        task: TaskRef::Server(task.position),
        token: task.token,
        action: Action::Return,
    };
    let settlements = claimed.tasks.into_iter().map(settlement).collect();
    let command = Command::Settle(Settle { queue, settlements });
    Request::Command { command, reply: OutcomeReply::to_nobody() }
}

/// A request on its way to the node's loop.
pub(crate) type Request = node::Request<Channels>;

/// A running node. Cheap to clone; clones use the same node.
#[derive(Clone)]
pub struct Handle {
    pub(crate) store: StoreId,
    pub(crate) mailbox: mpsc::Sender<Request>,
    pub(crate) visible: watch::Receiver<Cursor>,
    pub(crate) status: watch::Receiver<Status>,
    pub(crate) reads: Arc<ReadPool>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) elapsed: Arc<AtomicU64>,
    pub(crate) backups: Arc<Backups>,
    pub(crate) archives: Arc<Archives>,
}

impl std::fmt::Debug for Handle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Handle").field("status", &*self.status.borrow()).finish_non_exhaustive()
    }
}

/// What a node is doing now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    pub phase: Phase,
    /// The log is replayed, so readers see everything that was acknowledged. A node that is stopped during its
    /// start never gets there.
    pub is_readable: bool,
    /// Why the node is read-only (a full disk); `None` if it is not.
    pub read_only: Option<String>,
    /// How long the disk has not responded; `None` while it does.
    pub disk_stalled: Option<String>,
    /// How many entries from the log this start applied again.
    pub replayed_entries: u64,
    /// While starting: the last entry that was applied, and the last that the log held at the start.
    pub replay: (Index, Index),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Replaying its log. It serves no requests yet.
    Starting,
    Ready,
    /// Finishing what is in flight. It accepts nothing new.
    Stopping,
    /// The loop has ended.
    Stopped,
}

impl Handle {
    /// The identity of the store that this node serves.
    #[must_use]
    pub const fn store(&self) -> StoreId {
        self.store
    }

    /// Puts a command into the node's mailbox.
    ///
    /// # Errors
    /// [`Unavailable::Busy`] when the mailbox is full, [`Unavailable::Stopping`] after the loop has ended.
    pub fn submit(&self, command: Command<'static>) -> Result<Pending, Unavailable> {
        let claims_from = match &command {
            Command::Claim(claim) => Some(claim.queue.clone()),
            _ => None,
        };
        let gives_back = self.gives_back(claims_from.as_ref());
        let (sender, receiver) = oneshot::channel();
        self.send(Request::Command { command, reply: OutcomeReply { sender, claims_from } })?;
        Ok(Pending { receiver, gives_back })
    }

    /// Like [`Self::submit`], but waits while the mailbox is full. For requests sent as a stream of lines,
    /// whose sender can wait.
    ///
    /// # Errors
    /// [`Unavailable::Stopping`] after the loop has ended.
    pub async fn submit_or_wait(&self, command: Command<'static>) -> Result<Pending, Unavailable> {
        let (sender, receiver) = oneshot::channel();
        let request = Request::Command { command, reply: OutcomeReply { sender, claims_from: None } };
        self.mailbox.send(request).await.map_err(|_| Unavailable::Stopping)?;
        Ok(Pending { receiver, gives_back: None })
    }

    /// Claims tasks, and waits until there are some. Drop the result to stop waiting: the node gives back tasks that
    /// nobody receives, and their attempts do not count.
    ///
    /// # Errors
    /// [`Unavailable::Busy`] when the mailbox is full, [`Unavailable::Stopping`] after the loop has ended.
    pub fn claim(&self, claim: Claim<'static>) -> Result<Pending, Unavailable> {
        let claims_from = Some(claim.queue.clone());
        let gives_back = self.gives_back(claims_from.as_ref());
        let (sender, receiver) = oneshot::channel();
        self.send(Request::Claim { claim, reply: OutcomeReply { sender, claims_from } })?;
        Ok(Pending { receiver, gives_back })
    }

    fn gives_back(&self, queue: Option<&QueueName<'static>>) -> Option<GivesBack> {
        queue.map(|queue| GivesBack { mailbox: self.mailbox.clone(), queue: queue.clone() })
    }

    /// Returns once no later event can have a position in the returned time's millisecond or before it. From
    /// then on, a read as of that time always has the same result.
    ///
    /// # Errors
    /// [`Unavailable`], also when the node is read-only and the time is not closed yet.
    pub async fn close_time(&self, time: AskedTime) -> Result<ClosedTime, Unavailable> {
        let (reply, closed) = oneshot::channel();
        self.send(Request::CloseTime { time, reply })?;
        closed.await.unwrap_or(Err(Unavailable::Lost))
    }

    /// Begins to wait until something happens to the row with this key ([`model::Effect::Notify`]). What a command
    /// that is submitted later does to the row is not missed.
    ///
    /// # Errors
    /// As [`Self::submit`].
    pub fn wait(&self, key: Key) -> Result<Woken, Unavailable> {
        let (reply, woken) = oneshot::channel();
        self.send(Request::Wait { key, reply })?;
        Ok(Woken(woken))
    }

    /// The elapsed time, as of a second ago or later.
    #[must_use]
    pub fn elapsed(&self) -> Elapsed {
        Elapsed(self.elapsed.load(Ordering::Relaxed))
    }

    /// Runs `job` on a read thread, with the state and bodies as they are now. If the job fails, the node stops.
    ///
    /// # Errors
    /// [`Unavailable::Busy`] when [`READS_MAX`](crate::READS_MAX) reads are running or waiting;
    /// [`Unavailable::Stopping`] when this read or an earlier one failed; [`Unavailable::Lost`] when the job
    /// panicked or the process is ending.
    pub async fn read<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Snapshot) -> Result<T, ReadFailure> + Send + 'static,
    ) -> Result<T, Unavailable> {
        self.reads.run(job).await.inspect_err(|unavailable| {
            if *unavailable == Unavailable::Busy {
                self.metrics.queue(Queue::BodyReads).rejected.inc();
            }
        })
    }

    /// Begins a backup of the state as it is now. One with the same name ends.
    ///
    /// # Errors
    /// [`CannotBegin`]
    pub async fn begin_backup(&self, id: BackupId) -> Result<Arc<Backup>, CannotBegin> {
        let seat = self.backups.take_seat(id)?;
        let (store, taken) = (self.store, wall_now());
        let begun = self.read(move |snapshot| Backup::take(snapshot, id, store, taken)).await;
        Ok(self.backups.add(seat, begun.map_err(CannotBegin::Unavailable)?))
    }

    /// A backup that has begun and has not ended.
    #[must_use]
    pub fn backup(&self, id: BackupId) -> Option<Arc<Backup>> {
        self.backups.find(id)
    }

    /// Ends a backup, and returns whether there was one.
    pub fn end_backup(&self, id: BackupId) -> bool {
        self.backups.end(id)
    }

    /// The rows of a backup's chunk with this number. Chunks are read in order, and each any number of times. `None` when
    /// there is no such chunk, or an earlier one was not read yet.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub async fn backup_rows(&self, backup: Arc<Backup>, chunk: u32) -> Result<Option<Vec<u8>>, Unavailable> {
        self.backups.pace(limits::BACKUP_READ_BYTES).await;
        self.read(move |_| backup.read_rows(chunk)).await
    }

    /// Some bytes of a segment of a backup, from an offset on; none at its end. `None` when there is no such segment.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub async fn backup_segment(
        &self,
        backup: Arc<Backup>,
        segment: String,
        from: u64,
    ) -> Result<Option<Vec<u8>>, Unavailable> {
        self.backups.pace(limits::BACKUP_READ_BYTES).await;
        self.read(move |_| backup.read_segment(&segment, from)).await
    }

    /// Reads entries of the log for an archive, which has all entries through `has`. The log keeps the later ones until the
    /// archive has them, up to a bound.
    ///
    /// # Errors
    /// [`CannotArchive`]
    pub async fn archive_log(&self, id: BackupId, has: Index) -> Result<LogRead, CannotArchive> {
        if !self.archives.has(id, has) {
            return Err(CannotArchive::TooMany);
        }
        let archives = Arc::clone(&self.archives);
        let read = self.read(move |snapshot| archives.read(snapshot, has)).await;
        let read = read.map_err(CannotArchive::Unavailable)?;
        if matches!(read, LogRead::NotInLog { .. }) {
            self.archives.end(id);
        }
        Ok(read)
    }

    /// The greatest cursor that readers may see. It grows as entries are applied.
    #[must_use]
    pub fn visible(&self) -> watch::Receiver<Cursor> {
        self.visible.clone()
    }

    #[must_use]
    pub fn status(&self) -> Status {
        self.status.borrow().clone()
    }

    /// This machine's time of day.
    #[must_use]
    pub fn wall_now(&self) -> Wall {
        wall_now()
    }

    /// Waits until the node is ready. False if it stops before.
    pub async fn ready(&self) -> bool {
        let mut status = self.status.clone();
        let started = status.wait_for(|status| status.phase != Phase::Starting).await;
        // An error means that the loop has ended.
        started.is_ok_and(|status| status.phase == Phase::Ready)
    }

    /// Resolves when the node begins to stop, so that subscribers can end cleanly.
    pub async fn stopping(&self) {
        let mut status = self.status.clone();
        // An error means that the loop has ended, which is a reason to end too.
        let _ = status.wait_for(|status| matches!(status.phase, Phase::Stopping | Phase::Stopped)).await;
    }

    fn send(&self, request: Request) -> Result<(), Unavailable> {
        self.mailbox.try_send(request).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => {
                self.metrics.queue(Queue::Mailbox).rejected.inc();
                Unavailable::Busy
            }
            mpsc::error::TrySendError::Closed(_) => Unavailable::Stopping,
        })
    }
}

pub(crate) fn wall_now() -> Wall {
    // A clock before 1970 counts as 1970. Positions continue from the last one either way.
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Wall(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// Resolves when something has happened to a row. Dropping this ends the wait.
#[derive(Debug)]
pub struct Woken(oneshot::Receiver<Result<(), Unavailable>>);

impl Future for Woken {
    type Output = Result<(), Unavailable>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(context).map(|received| received.unwrap_or(Err(Unavailable::Lost)))
    }
}

/// An outcome that is not known yet. Dropping this does not cancel the command, but claimed tasks are given back.
#[derive(Debug)]
pub struct Pending {
    receiver: oneshot::Receiver<Result<Outcome, Unavailable>>,
    /// For claims, until the outcome is received.
    gives_back: Option<GivesBack>,
}

/// Where tasks go back to when their claim has an outcome that nobody receives.
#[derive(Debug)]
struct GivesBack {
    mailbox: mpsc::Sender<Request>,
    queue: QueueName<'static>,
}

impl Future for Pending {
    type Output = Result<Outcome, Unavailable>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let polled = Pin::new(&mut self.receiver).poll(context);
        if polled.is_ready() {
            self.gives_back = None;
        }
        polled.map(|received| received.unwrap_or(Err(Unavailable::Lost)))
    }
}

impl Drop for Pending {
    /// The node gives back what it cannot send. What was sent just before is given back here.
    fn drop(&mut self) {
        let Some(GivesBack { mailbox, queue }) = self.gives_back.take() else { return };
        self.receiver.close();
        if let Ok(Ok(Outcome::Claimed(claimed))) = self.receiver.try_recv()
            && !claimed.tasks.is_empty()
        {
            // If the mailbox is full, the claims expire.
            let _ = mailbox.try_send(give_back(queue, claimed));
        }
    }
}
