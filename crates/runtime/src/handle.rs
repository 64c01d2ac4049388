//! What the rest of the process holds of a running node: submit commands, close times, read, follow.
//!
//! A handle hides the node's channels and threads. Every queue behind it is bounded; a full one is
//! [`Unavailable::Busy`] at once.

use crate::reads::{ReadPool, Snapshot};
use format::header::StoreId;
use model::{Command, Cursor, Outcome, Wall};
use node::Unavailable;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{SystemTime, UNIX_EPOCH};
use telemetry::{Metrics, Queue};
use tokio::sync::{mpsc, oneshot, watch};

/// One request on its way to the node's loop.
pub(crate) struct Envelope {
    pub(crate) ask: node::Ask,
    pub(crate) answer: oneshot::Sender<Result<node::Answer, Unavailable>>,
}

/// The node as others see it. Cheap to clone.
#[derive(Clone)]
pub struct Handle {
    pub(crate) store: StoreId,
    pub(crate) mailbox: mpsc::Sender<Envelope>,
    pub(crate) visible: watch::Receiver<Cursor>,
    pub(crate) status: watch::Receiver<Status>,
    pub(crate) reads: Arc<ReadPool>,
    pub(crate) metrics: Arc<Metrics>,
}

impl std::fmt::Debug for Handle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Handle").field("status", &*self.status.borrow()).finish_non_exhaustive()
    }
}

/// Where the node's life stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    pub phase: Phase,
    /// Why writes are refused for now (a full disk), if they are.
    pub read_only: Option<String>,
    /// Entries that this start applied again from the log.
    pub replayed_entries: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Replaying its log; not ready yet.
    Starting,
    Ready,
    /// Finishing what is in flight; nothing new is taken.
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
        self.send(node::Ask::Command(command))
    }

    /// Like [`Self::submit`], but waits for room: for streams of lines, where the sender waits instead.
    ///
    /// # Errors
    /// [`Unavailable::Stopping`] after the loop has ended.
    pub async fn submit_when_room(&self, command: Command<'static>) -> Result<Pending, Unavailable> {
        let (answer, pending) = oneshot::channel();
        let envelope = Envelope { ask: node::Ask::Command(command), answer };
        self.mailbox.send(envelope).await.map_err(|_| Unavailable::Stopping)?;
        Ok(Pending(pending))
    }

    /// Returns once every later position lies above `wall`'s millisecond, so that a read as of then always
    /// has the same answer.
    ///
    /// # Errors
    /// [`Unavailable`], also when the node is read-only and the time is not closed yet.
    pub async fn close_time(&self, wall: Wall) -> Result<(), Unavailable> {
        match self.send(node::Ask::CloseTime(wall))?.receive().await? {
            node::Answer::TimeClosed => Ok(()),
            node::Answer::Outcome(_) => Err(Unavailable::Lost),
        }
    }

    /// Runs `job` on a read thread, over the state and bodies as they are now.
    ///
    /// # Errors
    /// [`Unavailable::Busy`] when too many reads wait.
    pub async fn read<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Snapshot) -> T + Send + 'static,
    ) -> Result<T, Unavailable> {
        self.reads.run(job).await.inspect_err(|unavailable| {
            if *unavailable == Unavailable::Busy {
                self.metrics.queue(Queue::BodyReads).refused.inc();
            }
        })
    }

    /// The greatest cursor that readers may see; changes as entries are applied.
    #[must_use]
    pub fn visible(&self) -> watch::Receiver<Cursor> {
        self.visible.clone()
    }

    /// The node's wall clock.
    #[must_use]
    pub fn wall(&self) -> Wall {
        wall_now()
    }

    #[must_use]
    pub fn status(&self) -> Status {
        self.status.borrow().clone()
    }

    /// Resolves when the node begins to stop: subscribers then end cleanly.
    pub async fn stopping(&self) {
        let mut status = self.status.clone();
        // An error means the loop is gone, which is as good a reason to end.
        let _ = status.wait_for(|status| matches!(status.phase, Phase::Stopping | Phase::Stopped)).await;
    }

    fn send(&self, ask: node::Ask) -> Result<Pending, Unavailable> {
        let (answer, pending) = oneshot::channel();
        self.mailbox.try_send(Envelope { ask, answer }).map_err(|refused| match refused {
            mpsc::error::TrySendError::Full(_) => {
                self.metrics.queue(Queue::Mailbox).refused.inc();
                Unavailable::Busy
            }
            mpsc::error::TrySendError::Closed(_) => Unavailable::Stopping,
        })?;
        Ok(Pending(pending))
    }
}

pub(crate) fn wall_now() -> Wall {
    // A clock before 1970 counts as 1970; positions go on from the last one either way.
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Wall(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// An answer on its way. Dropping it does not take the command back.
#[derive(Debug)]
pub struct Pending(oneshot::Receiver<Result<node::Answer, Unavailable>>);

impl Pending {
    async fn receive(self) -> Result<node::Answer, Unavailable> {
        self.0.await.unwrap_or(Err(Unavailable::Lost))
    }
}

impl Future for Pending {
    type Output = Result<Outcome, Unavailable>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(context).map(|received| match received {
            Ok(Ok(node::Answer::Outcome(outcome))) => Ok(outcome),
            Ok(Ok(node::Answer::TimeClosed)) | Err(_) => Err(Unavailable::Lost),
            Ok(Err(unavailable)) => Err(unavailable),
        })
    }
}
