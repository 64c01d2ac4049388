//! A subscriber: reads history chunk by chunk, then waits for what comes, and reads on from disk. It holds
//! one chunk at a time, so a slow one costs no memory; it only falls back.
//!
//! ```text
//!   read ─► events? send them ─► at the end? wait ─► new events: read
//!             ▲                                   ├─► nothing for a while: keep-alive
//!             └───────────────────────────────────┴─► the server stops: end
//! ```

use super::Budget;
use super::framing::{END_MESSAGE, KEEP_ALIVE, bare_id, problem_message};
use super::store::{self, StoreRead};
use super::stream::{self, StreamRead};
use crate::context::Context;
use crate::response::{Aborted, EVENTS, Response, Result};
use crate::{response, unavailable};
use api::request::query::StreamStart;
use api::{Code, Problem};
use bytes::Bytes;
use futures_util::stream as futures_stream;
use http::header::{CACHE_CONTROL, HeaderValue};
use model::{Cursor, Revision, limits};
use runtime::Unavailable;
use std::sync::Arc;
use std::time::Duration;
use telemetry::{Metrics, Queue, Subscriber};
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::sleep;

/// How much one read of a subscriber takes: little, because there may be many that are slow.
const BUDGET: Budget = Budget {
    events: u64::MAX,
    examined_bytes: limits::PAGE_BYTES_EXAMINED_MAX,
    rendered_bytes: limits::READ_PAGE_BYTES / 4,
};
/// After a look that found nothing for this subscriber, the next waits this long at least, and up to the
/// maximum as it finds nothing again: many subscribers to quiet streams in a busy store stay cheap.
const QUIET_FIRST: Duration = Duration::from_millis(1);
const QUIET_MAX: Duration = Duration::from_millis(64);
/// When all readers are busy.
const BUSY_PAUSE: Duration = Duration::from_millis(50);

/// What is followed.
#[derive(Clone, Debug)]
pub(crate) enum Followed {
    Store { read: StoreRead, after: Cursor },
    Stream { read: StreamRead, next: Option<Revision> },
}

/// What one look found.
struct Look {
    rendered: Vec<u8>,
    at_end: bool,
    /// Everything up to here has been looked at.
    through: Cursor,
}

/// A place among the subscribers, counted until it is dropped.
struct Seat {
    metrics: Arc<Metrics>,
    place: Subscriber,
    _permit: OwnedSemaphorePermit,
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.metrics.queue(Queue::Subscribers).depth.sub(1);
    }
}

struct Follower {
    context: Arc<Context>,
    followed: Followed,
    seat: Seat,
    visible: watch::Receiver<Cursor>,
    stopping: watch::Receiver<bool>,
    /// The last id that was sent, or where the subscriber stood when it came.
    told: Cursor,
    through: Cursor,
    quiet: Duration,
    at_end: bool,
    ended: bool,
}

/// Answers with an endless stream of messages. What can be refused is refused before it begins.
pub(crate) async fn answer(context: &Arc<Context>, followed: Followed, from: Cursor) -> Result<Response> {
    let queue = context.metrics.queue(Queue::Subscribers);
    let Ok(permit) = Arc::clone(&context.subscribers).try_acquire_owned() else {
        queue.refused.inc();
        let detail = format!("{} subscribers are here already", context.options.subscribers_max);
        return Err(Problem::new(Code::TooManySubscribers, detail));
    };
    queue.depth.add(1);
    let seat = Seat {
        metrics: Arc::clone(&context.metrics),
        place: context.metrics.subscribers.join(from.position.wall().0),
        _permit: permit,
    };
    let mut visible = context.handle.visible();
    visible.mark_unchanged();
    let mut follower = Follower {
        context: Arc::clone(context),
        followed,
        seat,
        visible,
        stopping: context.stopping.clone(),
        told: from,
        through: from,
        quiet: QUIET_FIRST,
        at_end: false,
        ended: false,
    };
    let first = follower.look().await?;
    let first = follower.take(first);
    let parts = futures_stream::unfold((Some(first), follower), |(first, mut follower)| async move {
        let part = match first {
            // An answer whose head waits for its first event would leave the subscriber in doubt.
            Some(rendered) if rendered.is_empty() => KEEP_ALIVE.into(),
            Some(rendered) => rendered,
            None => follower.next().await?,
        };
        Some((Ok::<_, Aborted>(Bytes::from(part)), (None, follower)))
    });
    let mut answer = response::parts(EVENTS, parts);
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(answer)
}

impl Follower {
    /// The next part of the answer; `None` at its end.
    async fn next(&mut self) -> Option<Vec<u8>> {
        loop {
            if self.ended {
                return None;
            }
            if *self.stopping.borrow() {
                self.ended = true;
                return Some(END_MESSAGE.into());
            }
            if self.at_end {
                if let Some(part) = self.wait().await {
                    return Some(part);
                }
                if *self.stopping.borrow() {
                    continue;
                }
            }
            match self.look().await {
                Ok(look) => {
                    let rendered = self.take(look);
                    if !rendered.is_empty() {
                        return Some(rendered);
                    }
                    if !self.at_end {
                        // History without a match: move the subscriber's place on, it may come back.
                        return Some(self.tell());
                    }
                }
                Err(problem) if problem.code == Code::Busy => sleep(BUSY_PAUSE).await,
                Err(problem) => {
                    if problem.code == Code::HistoryTruncated {
                        self.seat.metrics.subscribers.overtaken.inc();
                    }
                    self.ended = true;
                    return Some(problem_message(&problem));
                }
            }
        }
    }

    /// Waits for events, or for something to say without one.
    async fn wait(&mut self) -> Option<Vec<u8>> {
        let keep_alive = self.context.options.keep_alive;
        if self.quiet > QUIET_FIRST {
            sleep(self.quiet).await;
        }
        tokio::select! {
            // The sender lives as long as the node; without it only the server's stop is left to wait for.
            Ok(()) = self.visible.changed() => None,
            _ = self.stopping.changed() => None,
            () = sleep(keep_alive) => Some(if self.through > self.told { self.tell() } else { KEEP_ALIVE.into() }),
        }
    }

    fn tell(&mut self) -> Vec<u8> {
        self.told = self.through;
        bare_id(self.through)
    }

    fn take(&mut self, look: Look) -> Vec<u8> {
        self.at_end = look.at_end;
        self.through = self.through.max(look.through);
        let visible = self.visible.borrow().position.wall().0;
        let wall = self.through.position.wall().0;
        self.seat.place.delivered_to(if look.at_end { wall.max(visible) } else { wall });
        if look.rendered.is_empty() {
            self.quiet = (self.quiet * 2).min(QUIET_MAX);
        } else {
            self.quiet = QUIET_FIRST;
            self.told = self.through;
        }
        look.rendered
    }

    async fn look(&mut self) -> Result<Look> {
        self.visible.mark_unchanged();
        let followed = self.followed.clone();
        let looked = self
            .context
            .handle
            .read(move |snapshot| followed.look(snapshot))
            .await
            .map_err(|error: Unavailable| unavailable::read_problem(&error))?;
        let (look, followed) = looked?;
        self.followed = followed;
        Ok(look)
    }
}

impl Followed {
    /// One chunk, and what is left to follow behind it.
    fn look(self, snapshot: &runtime::Snapshot) -> Result<(Look, Self)> {
        match self {
            Self::Store { read, after } => {
                let chunk = store::read_chunk(snapshot, &read, after, None, BUDGET)?;
                let after = chunk.through;
                let look = Look { rendered: chunk.rendered, at_end: chunk.at_end, through: after };
                Ok((look, Self::Store { read, after }))
            }
            Self::Stream { read, next } => {
                let chunk = stream::read_chunk(snapshot, &read, next, BUDGET)?;
                let at_end = chunk.next.is_none();
                let through = if at_end { chunk.snapshot } else { chunk.through.unwrap_or(Cursor::START) };
                let look = Look { rendered: chunk.rendered, at_end, through };
                // Where the next event will be, also when there was none yet, or it was asked for by number.
                let asked = match (next, read.start) {
                    (None, StreamStart::From(revision)) => revision,
                    (next, _) => next.unwrap_or_default(),
                };
                let next = Some(chunk.next.unwrap_or(chunk.end.max(asked)));
                Ok((look, Self::Stream { read, next }))
            }
        }
    }
}
