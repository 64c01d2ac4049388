//! Reads run outside the node's loop, on a bounded pool of threads, over a snapshot of the state and the body
//! file. A slow reader delays no one else. A read that finds damage, or a disk that fails, stops the node.
//!
//! While the disk does not respond, reads of what is not cached keep their threads. When they have taken all of them,
//! other reads are rejected instead of waiting too.

use crate::node_task::FromThread;
use crate::store::{BodyReader, StateReader};
use model::{SlotRange, ViewError};
use node::Unavailable;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use storage::bodies::BodyError;
use storage::log::LogError;
use tokio::sync::{Semaphore, mpsc};

/// Read jobs that may be running or waiting at once. Each reads one bounded page.
pub const READS_MAX: usize = 256;

/// When a read waits for a thread and no read has begun or ended for this long, the disk does not respond.
const STALLED_AFTER: Duration = Duration::from_secs(2);

/// The state as of one applied entry, and at least the bodies of all its events.
#[derive(Clone, Debug)]
pub struct Snapshot {
    pub state: StateReader,
    pub bodies: BodyReader,
    /// The slots of the shard that these belong to.
    pub slots: SlotRange,
    latest: Arc<Latest>,
}

impl Snapshot {
    /// The state as it is by now. What it still refers to was not removed since the snapshot was taken.
    #[must_use]
    pub fn newest(&self) -> StateReader {
        self.latest.get()
    }
}

/// Why a read could not be completed: the disk failed, or what was read is not what was written. The node
/// stops, because its other answers may be wrong too.
#[derive(Debug, thiserror::Error)]
pub enum ReadFailure {
    #[error("events cannot be read: {0}")]
    Bodies(#[from] BodyError),
    #[error("the state cannot be read: {0}")]
    State(#[from] ViewError),
    #[error("the log cannot be read: {0}")]
    Log(#[from] LogError),
    /// What is sealed cannot be opened, or nothing more can be sealed.
    #[error("events of subjects: {0}")]
    Sealed(String),
}

/// Runs read jobs on tokio's blocking threads.
#[derive(Debug)]
pub(crate) struct ReadPool {
    latest: Arc<Latest>,
    bodies: BodyReader,
    slots: SlotRange,
    permits: Arc<Semaphore>,
    queue: Arc<Mutex<Waiting>>,
    alarm: Alarm,
}

/// The reads that wait for a thread, also those whose callers have given up.
#[derive(Debug)]
struct Waiting {
    count: usize,
    /// When a read last began or ended, or began to wait while none did.
    changed: Instant,
}

impl Waiting {
    /// When the disk counts as stalled, if nothing changes; `None` while no read waits.
    fn stalled_at(&self) -> Option<Instant> {
        (self.count > 0).then(|| self.changed + STALLED_AFTER)
    }

    fn is_stalled(&self, now: Instant) -> bool {
        self.stalled_at().is_some_and(|at| at <= now)
    }

    fn joined(&mut self, now: Instant) {
        if self.count == 0 {
            self.changed = now;
        }
        self.count += 1;
    }

    fn began(&mut self, now: Instant) {
        self.count -= 1;
        self.changed = now;
    }
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
        let queue = Arc::new(Mutex::new(Waiting { count: 0, changed: Instant::now() }));
        Self { latest, bodies, slots, permits: Arc::new(Semaphore::new(READS_MAX)), queue, alarm }
    }

    /// The store as it is now.
    pub(crate) fn snapshot(&self) -> Snapshot {
        Snapshot {
            state: self.latest.get(),
            bodies: self.bodies.clone(),
            slots: self.slots,
            latest: Arc::clone(&self.latest),
        }
    }

    pub(crate) async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Snapshot) -> Result<T, ReadFailure> + Send + 'static,
    ) -> Result<T, Unavailable> {
        if self.alarm.failed.load(Ordering::Acquire) {
            return Err(Unavailable::Stopping);
        }
        let permit = Arc::clone(&self.permits).try_acquire_owned().map_err(|_| Unavailable::Busy)?;
        {
            let mut queue = lock(&self.queue);
            if queue.is_stalled(Instant::now()) {
                return Err(stalled());
            }
            queue.joined(Instant::now());
        }
        let snapshot = self.snapshot();
        // The thread or the caller that gives up sets this, and the first of them decides whether the job runs.
        let taken = Arc::new(AtomicBool::new(false));
        let (queue, alarm, taken_by_thread) =
            (Arc::clone(&self.queue), self.alarm.clone(), Arc::clone(&taken));
        // The job holds the permit: it is in the pool until it has run, also when its caller has gone.
        let work = move || {
            let _permit = permit;
            lock(&queue).began(Instant::now());
            if taken_by_thread.swap(true, Ordering::AcqRel) {
                return Err(stalled());
            }
            let done = job(&snapshot);
            lock(&queue).changed = Instant::now();
            done.map_err(|failure| {
                alarm.raise(failure);
                Unavailable::Stopping
            })
        };
        let mut running = tokio::task::spawn_blocking(work);
        loop {
            let stalled_at = lock(&self.queue).stalled_at().unwrap_or_else(|| Instant::now() + STALLED_AFTER);
            match tokio::time::timeout_at(stalled_at.into(), &mut running).await {
                // A job that panicked, or was dropped at shutdown, has no result.
                Ok(done) => return done.unwrap_or(Err(Unavailable::Lost)),
                Err(_) if !lock(&self.queue).is_stalled(Instant::now()) => {}
                Err(_) if taken.swap(true, Ordering::AcqRel) => {
                    // It has begun, and its thread waits for the disk.
                    return running.await.unwrap_or(Err(Unavailable::Lost));
                }
                // It still counts as waiting, so that later reads are rejected at once.
                Err(_) => return Err(stalled()),
            }
        }
    }

    /// Read jobs running or waiting.
    pub(crate) fn depth(&self) -> usize {
        READS_MAX - self.permits.available_permits()
    }
}

fn stalled() -> Unavailable {
    Unavailable::DiskStalled(format!("all reads have waited for {} s", STALLED_AFTER.as_secs()))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
