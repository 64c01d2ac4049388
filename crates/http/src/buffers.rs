//! The memory of bodies on their way in and answers on their way out, over all connections: one bound, so that
//! however many clients are slow, the process does not grow. Whoever finds no room is told so (503), or waits
//! if an answer has begun.

use crate::response::Result;
use api::{Code, Problem};
use bytes::Bytes;
use std::sync::Arc;
use telemetry::{Metrics, Queue};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

#[derive(Debug)]
pub(crate) struct Buffers {
    room: Arc<Semaphore>,
    bytes_max: usize,
    metrics: Arc<Metrics>,
}

/// Room for some bytes, given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Room {
    permit: OwnedSemaphorePermit,
    metrics: Arc<Metrics>,
}

impl Buffers {
    pub(crate) fn new(bytes_max: usize, metrics: Arc<Metrics>) -> Self {
        metrics.queue(Queue::BufferedBytes).bound.set(bytes_max as u64);
        Self { room: Arc::new(Semaphore::new(bytes_max)), bytes_max, metrics }
    }

    /// # Errors
    /// When there is no room now.
    pub(crate) fn take_now(&self, bytes: usize) -> Result<Room> {
        let Ok(permit) = Arc::clone(&self.room).try_acquire_many_owned(self.permits(bytes)) else {
            self.metrics.queue(Queue::BufferedBytes).refused.inc();
            return Err(Problem::new(Code::Busy, "too many bytes of bodies and answers are under way"));
        };
        Ok(self.counted(permit))
    }

    /// Waits for room. `None` only when the server is gone.
    pub(crate) async fn take(&self, bytes: usize) -> Option<Room> {
        let permit = Arc::clone(&self.room).acquire_many_owned(self.permits(bytes)).await.ok()?;
        Some(self.counted(permit))
    }

    fn counted(&self, permit: OwnedSemaphorePermit) -> Room {
        self.metrics.queue(Queue::BufferedBytes).depth.add(permit.num_permits() as u64);
        Room { permit, metrics: Arc::clone(&self.metrics) }
    }

    /// One answer may be larger than the bound allows for: it then takes all of it.
    fn permits(&self, bytes: usize) -> u32 {
        u32::try_from(bytes.min(self.bytes_max)).unwrap_or(u32::MAX)
    }
}

impl Room {
    /// Bytes that give their room back once the last of them has been sent.
    pub(crate) fn hold(self, bytes: Vec<u8>) -> Bytes {
        Bytes::from_owner(Held { bytes, _room: self })
    }

    pub(crate) fn merge(&mut self, mut other: Self) {
        // Taken out of the other, which then has nothing to give back.
        if let Some(permits) = other.permit.split(other.permit.num_permits()) {
            self.permit.merge(permits);
        }
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.metrics.queue(Queue::BufferedBytes).depth.sub(self.permit.num_permits() as u64);
    }
}

struct Held {
    bytes: Vec<u8>,
    _room: Room,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use telemetry::metrics::Build;

    #[test]
    fn room_is_given_back_with_the_last_byte() {
        let metrics = Metrics::new(Build::of("0"));
        let buffers = Buffers::new(100, Arc::clone(&metrics));
        let depth = || metrics.queue(Queue::BufferedBytes).depth.get();
        let mut room = buffers.take_now(40).unwrap();
        room.merge(buffers.take_now(20).unwrap());
        assert_eq!(depth(), 60);
        assert_eq!(buffers.take_now(50).unwrap_err().code, Code::Busy);
        let bytes = room.hold(vec![1, 2, 3]);
        let part = bytes.slice(1..);
        drop(bytes);
        assert_eq!((depth(), &part[..]), (60, &[2, 3][..]));
        drop(part);
        assert_eq!(depth(), 0);
        assert_eq!(buffers.take_now(1_000).map(|room| room.permit.num_permits()).ok(), Some(100));
    }
}
