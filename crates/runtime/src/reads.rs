//! Reads run outside the node's loop, on a bounded pool of threads, over a snapshot of the state and the body
//! file. A slow reader delays no one else.

use crate::store::{BodyReader, StateReader};
use model::SlotRange;
use node::Unavailable;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Semaphore;

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

/// Runs read jobs on tokio's blocking threads.
#[derive(Debug)]
pub(crate) struct ReadPool {
    latest: Arc<Latest>,
    bodies: BodyReader,
    slots: SlotRange,
    permits: Arc<Semaphore>,
}

/// The newest state that readers may see. The node's loop replaces it after appending the bodies it refers to.
#[derive(Debug)]
pub(crate) struct Latest(Mutex<StateReader>);

impl Latest {
    pub(crate) fn new(reader: StateReader) -> Self {
        Self(Mutex::new(reader))
    }

    pub(crate) fn set(&self, reader: StateReader) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = reader;
    }

    pub(crate) fn get(&self) -> StateReader {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl ReadPool {
    pub(crate) fn new(latest: Arc<Latest>, bodies: BodyReader, slots: SlotRange) -> Self {
        Self { latest, bodies, slots, permits: Arc::new(Semaphore::new(READS_MAX)) }
    }

    pub(crate) async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Snapshot) -> T + Send + 'static,
    ) -> Result<T, Unavailable> {
        let permit = Arc::clone(&self.permits).try_acquire_owned().map_err(|_| Unavailable::Busy)?;
        let snapshot = Snapshot { state: self.latest.get(), bodies: self.bodies.clone(), slots: self.slots };
        // The job holds the permit: it is in the pool until it has run, also when its caller has gone.
        let work = move || {
            let _permit = permit;
            job(&snapshot)
        };
        // A job that panicked, or was dropped at shutdown, has no result.
        tokio::task::spawn_blocking(work).await.map_err(|_| Unavailable::Lost)
    }

    /// Read jobs running or waiting.
    pub(crate) fn depth(&self) -> usize {
        READS_MAX - self.permits.available_permits()
    }
}
