//! How fast a check reads, and what ends it early.

use super::pass::Unfinished;
use runtime::{Handle, SegmentFile};
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use storage::disk::DiskFile;
use telemetry::Metrics;

/// Whether the node stops.
#[derive(Debug, Default)]
pub(super) struct Stop {
    stopped: Mutex<bool>,
    changed: Condvar,
}

impl Stop {
    pub(super) fn stop(&self) {
        *lock(&self.stopped) = true;
        self.changed.notify_all();
    }

    /// Sleeps. False if the node stops, before or meanwhile.
    pub(super) fn sleep(&self, wait: Duration) -> bool {
        let slept = self.changed.wait_timeout_while(lock(&self.stopped), wait, |stopped| !*stopped);
        !*slept.unwrap_or_else(PoisonError::into_inner).0
    }
}

/// See the module. For one check.
#[derive(Debug)]
pub(super) struct Pace {
    bytes_per_second: u64,
    stop: Arc<Stop>,
    handle: Handle,
    metrics: Arc<Metrics>,
    progress: Mutex<Progress>,
}

#[derive(Debug)]
struct Progress {
    /// When the next bytes may be read.
    next: Instant,
    bytes: u64,
}

impl Pace {
    pub(super) fn new(
        bytes_per_second: u64,
        stop: &Arc<Stop>,
        handle: &Handle,
        metrics: &Arc<Metrics>,
    ) -> Self {
        Self {
            bytes_per_second,
            stop: Arc::clone(stop),
            handle: handle.clone(),
            metrics: Arc::clone(metrics),
            progress: Mutex::new(Progress { next: Instant::now(), bytes: 0 }),
        }
    }

    /// Waits, after this many bytes were read, until the next may be.
    pub(super) fn was_read(&self, bytes: usize) -> Result<(), Unfinished> {
        self.metrics.checks.read.add(bytes as u64);
        let takes = Duration::from_secs_f64(bytes as f64 / self.bytes_per_second as f64);
        let wait = {
            let mut progress = lock(&self.progress);
            progress.bytes += bytes as u64;
            // What a slow disk has delayed is not made up for.
            progress.next = progress.next.max(Instant::now()) + takes;
            progress.next.saturating_duration_since(Instant::now())
        };
        self.stop.sleep(wait);
        self.goes_on()
    }

    /// Whether the check may go on.
    pub(super) fn goes_on(&self) -> Result<(), Unfinished> {
        if !self.stop.sleep(Duration::ZERO) {
            return Err(Unfinished::Stopping);
        }
        // What is pinned may be the space that is missing.
        if self.handle.status().read_only.is_some() {
            return Err(Unfinished::OutOfSpace);
        }
        Ok(())
    }

    /// Bytes that were read so far.
    pub(super) fn bytes(&self) -> u64 {
        lock(&self.progress).bytes
    }
}

/// A segment that is read at a pace.
#[derive(Debug)]
pub(super) struct Paced {
    pub(super) file: SegmentFile,
    pub(super) pace: Arc<Pace>,
}

impl DiskFile for Paced {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let read = self.file.read_at(buffer, offset)?;
        self.pace.was_read(read).map_err(io::Error::other)?;
        Ok(read)
    }

    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.file.write_at(bytes, offset)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn reserve(&self, len: u64) -> io::Result<()> {
        self.file.reserve(len)
    }

    fn sync(&self) -> io::Result<()> {
        self.file.sync()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
