//! Request bodies: bounded in size and in time.

use crate::activity::Activity;
use crate::buffers::{Buffers, Reservation};
use api::request::head::Head;
use api::{Code, Problem, media};
use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http::header::CONTENT_LENGTH;
use http_body::{Body as _, Frame, SizeHint};
use hyper::body::Incoming;
use model::limits;
use std::fmt;
use std::future::{Future, poll_fn};
use std::mem;
use std::ops::Deref;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::{Instant, Sleep, sleep_until};

/// Memory is reserved in steps of this size.
const STEP_BYTES: usize = 256 << 10;

/// A request's body, under a time-out.
#[derive(Debug)]
pub(crate) struct RequestBody {
    incoming: Incoming,
    pace: Pace,
}

/// What notices that a body stalls.
#[derive(Debug)]
enum Pace {
    /// HTTP/1: the connection, with its periodic checks. A request needs no timer.
    Connection(Arc<Activity>),
    /// HTTP/2: bodies share a connection, so each one that has to wait has its own timer.
    Own { wait: Duration, end: Instant, timer: Option<Pin<Box<Sleep>>> },
}

/// Why a body could not be received.
#[derive(Debug)]
pub(crate) enum BodyError {
    TimedOut,
    /// The connection's sending side ended, or broke the framing.
    Broken,
    /// It is longer than its sender may send.
    Limited(Box<Problem>),
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TimedOut => f.write_str("the body did not arrive in time"),
            Self::Broken => f.write_str("the body ended early or broke its framing"),
            Self::Limited(problem) => f.write_str(&problem.detail),
        }
    }
}

impl std::error::Error for BodyError {}

impl RequestBody {
    pub(crate) fn on_connection(incoming: Incoming, activity: Arc<Activity>) -> Self {
        Self { incoming, pace: Pace::Connection(activity) }
    }

    pub(crate) fn with_timer(incoming: Incoming, wait: Duration, whole: Duration) -> Self {
        Self { incoming, pace: Pace::Own { wait, end: Instant::now() + whole, timer: None } }
    }
}

impl Pace {
    /// Waits for more of the body. Ready when that has taken too long.
    fn poll_wait(&mut self, context: &mut Context<'_>) -> Poll<()> {
        match self {
            Self::Connection(activity) => {
                if activity.await_body() {
                    Poll::Ready(())
                } else {
                    Poll::Pending
                }
            }
            Self::Own { wait, end, timer } => {
                let deadline = (Instant::now() + *wait).min(*end);
                timer.get_or_insert_with(|| Box::pin(sleep_until(deadline))).as_mut().poll(context)
            }
        }
    }

    fn received(&mut self) {
        match self {
            Self::Connection(activity) => activity.body_received(),
            Self::Own { timer, .. } => *timer = None,
        }
    }
}

impl http_body::Body for RequestBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match Pin::new(&mut self.incoming).poll_frame(context) {
            Poll::Ready(frame) => {
                self.pace.received();
                Poll::Ready(frame.map(|frame| frame.map_err(|_| BodyError::Broken)))
            }
            Poll::Pending => {
                ready!(self.pace.poll_wait(context));
                Poll::Ready(Some(Err(BodyError::TimedOut)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

/// The problem for a body's error, which other errors may wrap.
pub(crate) fn problem(error: &(dyn std::error::Error + 'static)) -> Box<Problem> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        match error.downcast_ref::<BodyError>() {
            Some(BodyError::TimedOut) => {
                return Problem::new(Code::BodyTimeout, "the body did not arrive in time");
            }
            Some(BodyError::Broken) => {
                return Problem::new(Code::IncompleteBody, "the body ended early or broke its framing");
            }
            Some(BodyError::Limited(problem)) => return problem.clone(),
            None => cause = error.source(),
        }
    }
    Problem::new(Code::IncompleteBody, "the body could not be read")
}

/// The next part of a body; `None` at its end. Trailers are ignored.
///
/// # Errors
/// The problem with the body.
pub(crate) async fn next_part(body: &mut Body) -> Result<Option<Bytes>, Box<Problem>> {
    loop {
        match poll_fn(|context| Pin::new(&mut *body).poll_frame(context)).await {
            None => return Ok(None),
            Some(Err(error)) => return Err(problem(&error)),
            Some(Ok(frame)) => {
                if let Ok(data) = frame.into_data() {
                    return Ok(Some(data));
                }
            }
        }
    }
}

/// A whole body, with its reservation of buffer memory.
#[derive(Debug)]
pub(crate) struct WholeBody {
    bytes: Bytes,
    _reservation: Option<Reservation>,
}

impl Deref for WholeBody {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

/// Receives a whole body that must be JSON.
///
/// # Errors
/// As for [`read_whole`], and a problem when the body says that it is something else.
pub(crate) async fn read_json(
    buffers: &Buffers,
    headers: &HeaderMap,
    body: &mut Body,
) -> Result<WholeBody, Box<Problem>> {
    media::check_json(Head::read(headers)?.content_type)?;
    read_whole(buffers, headers, body).await
}

/// Reads a whole body of at most [`limits::BODY_BYTES_MAX`] bytes. A body that arrives in one part is not copied, and
/// needs no reservation: its connection buffers it.
///
/// # Errors
/// A problem when it is too large, does not arrive, or finds no buffer memory free.
pub(crate) async fn read_whole(
    buffers: &Buffers,
    headers: &HeaderMap,
    body: &mut Body,
) -> Result<WholeBody, Box<Problem>> {
    let announced = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|bytes| bytes > limits::BODY_BYTES_MAX as u64) {
        return Err(too_large());
    }
    let first = next_part(body).await?.unwrap_or_default();
    if first.len() > limits::BODY_BYTES_MAX {
        return Err(too_large());
    }
    if first.is_empty() || body.is_end_stream() {
        return Ok(WholeBody { bytes: first, _reservation: None });
    }
    // The announced length is only a claim: memory is reserved in steps, as bytes arrive.
    let announced = announced.and_then(|bytes| usize::try_from(bytes).ok()).unwrap_or(0);
    let mut gathered = Gathered::new(buffers, announced)?;
    let mut next = Some(first);
    while let Some(part) = next {
        gathered.add(&part)?;
        next = next_part(body).await?;
    }
    let (bytes, reservation) = gathered.whole();
    Ok(WholeBody { bytes, _reservation: Some(reservation) })
}

/// The parts of a body that have arrived, in steps that are never copied while more arrives: memory that grows by copying leaves
/// its old places to the allocator, and they were half as much again as the bodies of slow clients.
struct Gathered<'a> {
    buffers: &'a Buffers,
    full: Vec<BytesMut>,
    last: BytesMut,
    reservation: Reservation,
}

impl<'a> Gathered<'a> {
    fn new(buffers: &'a Buffers, announced: usize) -> Result<Self, Box<Problem>> {
        let last = BytesMut::with_capacity(announced.min(STEP_BYTES));
        Ok(Self { buffers, full: Vec::new(), last, reservation: buffers.reserve_now(STEP_BYTES)? })
    }

    fn len(&self) -> usize {
        self.full.len() * STEP_BYTES + self.last.len()
    }

    /// Adds what arrived next.
    ///
    /// # Errors
    /// The body is too large now, or no memory is free.
    fn add(&mut self, part: &[u8]) -> Result<(), Box<Problem>> {
        if self.len() + part.len() > limits::BODY_BYTES_MAX {
            return Err(too_large());
        }
        let mut rest = part;
        loop {
            let (fits, over) = rest.split_at(rest.len().min(STEP_BYTES - self.last.len()));
            self.last.extend_from_slice(fits);
            if over.is_empty() {
                return Ok(());
            }
            self.reservation.merge(self.buffers.reserve_now(STEP_BYTES)?);
            self.full.push(mem::replace(&mut self.last, BytesMut::with_capacity(STEP_BYTES)));
            rest = over;
        }
    }

    fn whole(mut self) -> (Bytes, Reservation) {
        if self.full.is_empty() {
            return (self.last.freeze(), self.reservation);
        }
        self.full.push(self.last);
        (self.full.concat().into(), self.reservation)
    }
}

fn too_large() -> Box<Problem> {
    let detail = format!("the body has more than {} bytes", limits::BODY_BYTES_MAX);
    Problem::new(Code::BodyTooLarge, detail).number("limit", limits::BODY_BYTES_MAX as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use telemetry::Queue;
    use telemetry::metrics::{Build, Metrics};

    #[test]
    fn a_body_is_gathered_from_parts_of_any_size_and_counted_in_steps() {
        let metrics = Metrics::new(Build::of("0"));
        let depth = || metrics.queue(Queue::BufferedBytes).depth.get() as usize;
        let text: Vec<u8> = (0..3 * STEP_BYTES).map(|at| (at % 251) as u8).collect();
        for part_bytes in [1_000, STEP_BYTES - 1, STEP_BYTES, STEP_BYTES + 1, 3 * STEP_BYTES] {
            for announced in [0, 10, text.len()] {
                let buffers = Buffers::new(3 * STEP_BYTES, Arc::clone(&metrics));
                let mut gathered = Gathered::new(&buffers, announced).unwrap();
                for part in text.chunks(part_bytes) {
                    gathered.add(part).unwrap();
                    assert_eq!(depth(), gathered.len().div_ceil(STEP_BYTES) * STEP_BYTES);
                }
                assert_eq!(gathered.add(b"x").unwrap_err().code, Code::Busy, "all steps are taken");
                let (bytes, reservation) = gathered.whole();
                assert!(bytes == text, "{part_bytes} {announced}");
                drop(reservation);
                assert_eq!(depth(), 0);
            }
        }
    }

    #[test]
    fn a_body_that_grows_beyond_the_limit_is_refused() {
        let metrics = Metrics::new(Build::of("0"));
        let buffers = Buffers::new(2 * limits::BODY_BYTES_MAX, metrics);
        let mut gathered = Gathered::new(&buffers, 0).unwrap();
        gathered.add(&vec![7; limits::BODY_BYTES_MAX]).unwrap();
        assert_eq!(gathered.add(b"x").unwrap_err().code, Code::BodyTooLarge);
        let (bytes, _reservation) = gathered.whole();
        assert!(bytes.len() == limits::BODY_BYTES_MAX && bytes.iter().all(|&byte| byte == 7));
    }
}
