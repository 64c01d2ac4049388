//! The memory that request bodies on their way in and response bodies on their way out use, over all connections.
//!
//! One bound covers them all, so that the process does not grow however many clients are slow. When nothing is
//! left, a new request receives 503, and a response that has begun waits.

use crate::response::{Response, ResponseBody, Result};
use api::{Code, Problem};
use bytes::Bytes;
use model::limits;
use std::sync::Arc;
use telemetry::{Metrics, Queue};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};

#[derive(Debug)]
pub(crate) struct Buffers {
    /// One permit per free byte.
    free: Arc<Semaphore>,
    bytes_max: usize,
    /// One permit for each response that may be rendered before its length is known.
    rendering: Semaphore,
    metrics: Arc<Metrics>,
}

/// Whole responses that are rendered at the same time. Each reserves as many bytes as a page may have until its length is known,
/// so more of them would leave too little for responses that are being sent. Nor would they be faster: four threads read.
const RENDERED_MAX: usize = 8;

/// The longest response that is not counted: less than what the server buffers of a connection.
const UNCOUNTED_BYTES_MAX: usize = 16 << 10;

/// What becomes of a response for which no memory is free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WhenFull {
    /// The client is told to come again.
    Refuse,
    /// It waits. What it tells of has happened, so that it cannot be refused any more.
    Wait,
}

/// Reserved bytes, returned when this is dropped.
#[derive(Debug)]
pub(crate) struct Reservation {
    permit: OwnedSemaphorePermit,
    metrics: Arc<Metrics>,
}

/// A turn to render a whole response, and the bytes that it may have.
#[derive(Debug)]
pub(crate) struct Rendering<'a> {
    buffers: &'a Buffers,
    reservation: Reservation,
    _turn: Option<SemaphorePermit<'a>>,
}

impl Buffers {
    pub(crate) fn new(bytes_max: usize, metrics: Arc<Metrics>) -> Self {
        metrics.queue(Queue::BufferedBytes).bound.set(bytes_max as u64);
        let (free, rendering) = (Arc::new(Semaphore::new(bytes_max)), Semaphore::new(RENDERED_MAX));
        Self { free, bytes_max, rendering, metrics }
    }

    /// Reserves bytes without waiting.
    ///
    /// # Errors
    /// [`Code::Busy`] when fewer than `bytes` are free.
    pub(crate) fn reserve_now(&self, bytes: usize) -> Result<Reservation> {
        let Ok(permit) = Arc::clone(&self.free).try_acquire_many_owned(self.permits(bytes)) else {
            self.metrics.queue(Queue::BufferedBytes).rejected.inc();
            return Err(Problem::new(Code::Busy, "too many bytes of requests and responses are in memory"));
        };
        Ok(self.counted(permit))
    }

    /// Waits until another whole response may be rendered, and reserves the bytes of the largest one.
    ///
    /// # Errors
    /// As for [`Buffers::reserve_now`].
    pub(crate) async fn rendering(&self) -> Result<Rendering<'_>> {
        let turn = self.rendering.acquire().await.ok();
        let reservation = self.reserve_now(limits::PAGE_BYTES_EXAMINED_MAX)?;
        Ok(Rendering { buffers: self, reservation, _turn: turn })
    }

    /// Counts a whole response that nobody has counted yet. A small one is part of what its connection takes.
    ///
    /// # Errors
    /// As for [`Self::reserve_now`], if the response says that it may be refused.
    pub(crate) async fn count(&self, response: Response, when_full: WhenFull) -> Result {
        let bytes = match response.body() {
            ResponseBody::Whole(bytes) if bytes.len() > UNCOUNTED_BYTES_MAX => bytes.len(),
            _ => return Ok(response),
        };
        let reservation = match when_full {
            WhenFull::Refuse => Some(self.reserve_now(bytes)?),
            WhenFull::Wait => self.reserve(bytes).await,
        };
        Ok(response.map(|body| match (body, reservation) {
            (ResponseBody::Whole(bytes), Some(reservation)) => {
                ResponseBody::Reserved(reservation.hold(bytes))
            }
            (body, _) => body,
        }))
    }

    /// Waits until `bytes` are free. `None` only when the server is gone.
    pub(crate) async fn reserve(&self, bytes: usize) -> Option<Reservation> {
        let permit = Arc::clone(&self.free).acquire_many_owned(self.permits(bytes)).await.ok()?;
        Some(self.counted(permit))
    }

    fn counted(&self, permit: OwnedSemaphorePermit) -> Reservation {
        self.metrics.queue(Queue::BufferedBytes).depth.add(permit.num_permits() as u64);
        Reservation { permit, metrics: Arc::clone(&self.metrics) }
    }

    /// A single response may be larger than the bound; it then reserves all of it.
    fn permits(&self, bytes: usize) -> u32 {
        u32::try_from(bytes.min(self.bytes_max)).unwrap_or(u32::MAX)
    }
}

impl Rendering<'_> {
    /// What was rendered, as [`Reservation::hold`] does it. What it did not need is free again.
    ///
    /// # Errors
    /// As for [`Buffers::reserve_now`], when it is larger than the largest page: the last event may pass the limit.
    pub(crate) fn hold(mut self, bytes: Vec<u8>) -> Result<Bytes> {
        let reserved = self.reservation.permit.num_permits();
        match reserved.checked_sub(bytes.len()) {
            Some(unused) => drop(self.reservation.split(unused)),
            None => self.reservation.merge(self.buffers.reserve_now(bytes.len() - reserved)?),
        }
        Ok(self.reservation.hold(bytes))
    }
}

impl Reservation {
    /// Turns `bytes` into a buffer that returns this reservation when its last byte has been sent.
    pub(crate) fn hold(self, bytes: impl AsRef<[u8]> + Send + 'static) -> Bytes {
        Bytes::from_owner(Held { bytes, _reservation: self })
    }

    /// Takes some of its bytes out of it.
    fn split(&mut self, bytes: usize) -> Option<Self> {
        let permit = self.permit.split(bytes)?;
        Some(Self { permit, metrics: Arc::clone(&self.metrics) })
    }

    pub(crate) fn merge(&mut self, mut other: Self) {
        // Moved out of `other`, which then has nothing left to return when it is dropped.
        if let Some(permits) = other.permit.split(other.permit.num_permits()) {
            self.permit.merge(permits);
        }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.metrics.queue(Queue::BufferedBytes).depth.sub(self.permit.num_permits() as u64);
    }
}

struct Held<B> {
    bytes: B,
    _reservation: Reservation,
}

impl<B: AsRef<[u8]>> AsRef<[u8]> for Held<B> {
    fn as_ref(&self) -> &[u8] {
        self.bytes.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use telemetry::metrics::Build;

    #[test]
    fn a_reservation_ends_with_its_last_byte() {
        let metrics = Metrics::new(Build::of("0"));
        let buffers = Buffers::new(100, Arc::clone(&metrics));
        let depth = || metrics.queue(Queue::BufferedBytes).depth.get();
        let mut reservation = buffers.reserve_now(40).unwrap();
        reservation.merge(buffers.reserve_now(20).unwrap());
        assert_eq!(depth(), 60);
        assert_eq!(buffers.reserve_now(50).unwrap_err().code, Code::Busy);
        let bytes = reservation.hold(vec![1, 2, 3]);
        let part = bytes.slice(1..);
        drop(bytes);
        assert_eq!((depth(), &part[..]), (60, &[2, 3][..]));
        drop(part);
        assert_eq!(depth(), 0);
        assert_eq!(
            buffers.reserve_now(1_000).map(|reservation| reservation.permit.num_permits()).ok(),
            Some(100)
        );
    }

    #[tokio::test]
    async fn a_page_counts_as_the_largest_one_until_its_length_is_known() {
        let metrics = Metrics::new(Build::of("0"));
        let largest = limits::PAGE_BYTES_EXAMINED_MAX;
        let buffers = Buffers::new(largest + 10, Arc::clone(&metrics));
        let depth = || metrics.queue(Queue::BufferedBytes).depth.get() as usize;
        let rendering = buffers.rendering().await.unwrap();
        assert_eq!(depth(), largest);
        let small = rendering.hold(vec![0; 3]).unwrap();
        assert_eq!(depth(), 3);
        let rendering = buffers.rendering().await.unwrap();
        assert_eq!(buffers.rendering().await.err().map(|problem| problem.code), Some(Code::Busy));
        let large = rendering.hold(vec![0; largest + 7]).unwrap();
        assert_eq!(depth(), largest + 10);
        drop(large);
        let too_large = buffers.rendering().await.unwrap().hold(vec![0; largest + 8]);
        assert_eq!(too_large.err().map(|problem| problem.code), Some(Code::Busy));
        drop(small);
        assert_eq!(depth(), 0);
    }
}
