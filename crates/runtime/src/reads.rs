//! Reads run outside the node's loop, on a bounded pool of threads, over a snapshot of the state and the body
//! file. A slow reader delays no one else. A read that finds damage, or a disk that fails, stops the node.

use crate::node_task::FromThread;
use crate::store::{BodyReader, StateReader};
use model::{SlotRange, ViewError};
use node::Unavailable;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use storage::bodies::BodyError;
use tokio::sync::{Semaphore, mpsc};

/// Read jobs that may be running or waiting at once. Each reads one bounded page.
pub const READS_MAX: usize = 256;

/// The state as of one applied entry, and at least the bodies of all its events.
#[derive(Clone, Debug)]
pub struct Snapshot {
    pub state: StateReader,
    pub bodies: BodyReader,
    /// The slots of the shard that these belong to.
    pub slots: SlotRange,
}

/// Why a read could not be completed: the disk failed, or what was read is not what was written. The node
/// stops, because its other answers may be wrong too.
#[derive(Debug, thiserror::Error)]
pub enum ReadFailure {
    #[error("events cannot be read: {0}")]
    Bodies(#[from] BodyError),
    #[error("the state cannot be read: {0}")]
    State(#[from] ViewError),
}

/// Runs read jobs on tokio's blocking threads.
#[derive(Debug)]
pub(crate) struct ReadPool {
    latest: Arc<Latest>,
    bodies: BodyReader,
    slots: SlotRange,
    permits: Arc<Semaphore>,
    alarm: Alarm,
}

/// Stops the node when a read fails.
#[derive(Clone, Debug)]
struct Alarm {
    failed: Arc<AtomicBool>,
    reports: mpsc::UnboundedSender<FromThread>,
}

impl Alarm {
    fn raise(&self, failure: ReadFailure) {
        // The first failure is enough, and no later one may queue up behind it.
        if !self.failed.swap(true, Ordering::AcqRel) {
            // If the loop has ended already, the process is ending anyway.
            let _ = self.reports.send(FromThread::Read(failure));
        }
    }
}

/// The newest state that readers may see. The node's loop replaces it after appending the bodies it refers to.
#[derive(Debug)]
pub(crate) struct Latest(Mutex<StateReader>);

impl Latest {
    pub(crate) fn new(reader: StateReader) -> Self {
        Self(Mutex::new(reader))
    }

    pub(crate) fn set(&self, reader: StateReader) {
        let replaced = std::mem::replace(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner), reader);
        drop(replaced);
    }

    pub(crate) fn get(&self) -> StateReader {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl ReadPool {
    pub(crate) fn new(
        latest: Arc<Latest>,
        bodies: BodyReader,
        slots: SlotRange,
        reports: mpsc::UnboundedSender<FromThread>,
    ) -> Self {
        let alarm = Alarm { failed: Arc::default(), reports };
        Self { latest, bodies, slots, permits: Arc::new(Semaphore::new(READS_MAX)), alarm }
    }

    pub(crate) async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Snapshot) -> Result<T, ReadFailure> + Send + 'static,
    ) -> Result<T, Unavailable> {
        if self.alarm.failed.load(Ordering::Acquire) {
            return Err(Unavailable::Stopping);
        }
        let permit = Arc::clone(&self.permits).try_acquire_owned().map_err(|_| Unavailable::Busy)?;
        let snapshot = Snapshot { state: self.latest.get(), bodies: self.bodies.clone(), slots: self.slots };
        // The job holds the permit: it is in the pool until it has run, also when its caller has gone.
        let alarm = self.alarm.clone();
        let work = move || {
            let _permit = permit;
            job(&snapshot).map_err(|failure| {
                alarm.raise(failure);
                Unavailable::Stopping
            })
        };
        // A job that panicked, or was dropped at shutdown, has no result.
        tokio::task::spawn_blocking(work).await.unwrap_or(Err(Unavailable::Lost))
    }

    /// Read jobs running or waiting.
    pub(crate) fn depth(&self) -> usize {
        READS_MAX - self.permits.available_permits()
    }
}
