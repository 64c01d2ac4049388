//! Reads beside the node's loop: a bounded pool of threads that work on a snapshot of the state and on the
//! body file. A reader may be slow; nobody waits for it.

use crate::store::{BodyReader, StateReader};
use node::Unavailable;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Semaphore;

/// Read jobs at once, running or waiting; each is one bounded page.
pub const READS_MAX: usize = 256;

/// The state at one applied entry, and the bodies of at least all its events.
#[derive(Clone, Debug)]
pub struct Snapshot {
    pub state: StateReader,
    pub bodies: BodyReader,
}

/// Runs read jobs on tokio's blocking threads.
#[derive(Debug)]
pub(crate) struct ReadPool {
    latest: Arc<Latest>,
    bodies: BodyReader,
    places: Semaphore,
}

/// The newest state that readers may see; the node's loop replaces it after its bodies are appended.
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
    pub(crate) fn new(latest: Arc<Latest>, bodies: BodyReader) -> Self {
        Self { latest, bodies, places: Semaphore::new(READS_MAX) }
    }

    pub(crate) async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Snapshot) -> T + Send + 'static,
    ) -> Result<T, Unavailable> {
        let _place = self.places.try_acquire().map_err(|_| Unavailable::Busy)?;
        let snapshot = Snapshot { state: self.latest.get(), bodies: self.bodies.clone() };
        // A job that panicked or was dropped at shutdown has no answer.
        tokio::task::spawn_blocking(move || job(&snapshot)).await.map_err(|_| Unavailable::Lost)
    }

    /// Read jobs running or waiting.
    pub(crate) fn depth(&self) -> usize {
        READS_MAX - self.places.available_permits()
    }
}
