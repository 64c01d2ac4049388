//! A subscription: reads history chunk by chunk, then waits for new events and reads on from disk. It holds one
//! chunk at a time, so a slow subscriber costs no memory; it only falls behind.
//!
//! ```text
//!   read ─► events? send them ─► at the end? wait ─► new events: read
//!             ▲                                   ├─► silent for too long: progress or keep-alive
//!             └───────────────────────────────────┴─► the server stops: end
//! ```

use super::chunk::{Budget, Chunk};
use super::framing::{END_MESSAGE, KEEP_ALIVE, problem_message, progress_message};
use super::reader::Reader;
use crate::response::{self, Aborted, EVENTS, REMOVED_THROUGH, Response, Result};
use crate::seat::Seat;
use api::Code;
use bytes::Bytes;
use futures_util::stream as futures_stream;
use http::header::{CACHE_CONTROL, HeaderValue};
use model::Cursor;
use std::future::pending;
use std::time::Duration;
use telemetry::Subscriber;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};

/// After a look that selected nothing, the next one waits at least this long, and up to the maximum as looks go
/// on to select nothing: many subscribers to quiet streams of a busy store stay cheap.
const QUIET_FIRST: Duration = Duration::from_millis(1);
const QUIET_MAX: Duration = Duration::from_millis(64);
/// How long to wait when the read pool is full.
const BUSY_PAUSE: Duration = Duration::from_millis(50);

struct Follower {
    reader: Reader,
    seat: Seat,
    subscriber: Subscriber,
    visible: watch::Receiver<Cursor>,
    stopping: watch::Receiver<bool>,
    /// Something is sent at least this often.
    keep_alive: Duration,
    sent_at: Instant,
    /// The last cursor that the subscriber was told.
    told: Cursor,
    /// Everything up to here was examined.
    through: Cursor,
    quiet: Duration,
    /// No look before this.
    quiet_until: Instant,
    /// Everything that was visible at the last look has been examined.
    at_end: bool,
    ended: bool,
}

/// Responds with an endless stream of messages. What must be refused is refused before it begins. With a name, the
/// metrics show the progress of this subscriber on its own.
pub(super) async fn respond(reader: Reader, keep_alive: Duration, name: Option<&str>) -> Result {
    let mut follower = Follower::new(reader, keep_alive, name)?;
    let (first, removed_through) = follower.look().await?;
    // A subscriber whose response begins only with its first event would not know that it is connected.
    let first = if first.is_empty() { follower.sign_of_life() } else { first };
    let mut response = streamed(follower, first);
    response::insert(&mut response, REMOVED_THROUGH, removed_through);
    Ok(response)
}

fn streamed(follower: Follower, first: Vec<u8>) -> Response {
    let parts = futures_stream::unfold((Some(first), follower), |(first, mut follower)| async move {
        let part = match first {
            Some(first) => first,
            None => follower.next().await?,
        };
        follower.sent_at = Instant::now();
        Some((Ok::<_, Aborted>(Bytes::from(part)), (None, follower)))
    });
    let mut response = response::parts(EVENTS, parts);
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

impl Follower {
    fn new(reader: Reader, keep_alive: Duration, name: Option<&str>) -> Result<Self> {
        let from = reader.after();
        Ok(Self {
            seat: Seat::take(&reader.context)?,
            subscriber: reader.context.metrics.subscribers.join(name, from.position.wall().0),
            visible: reader.context.handle.visible(),
            stopping: reader.context.stopping.clone(),
            reader,
            keep_alive,
            sent_at: Instant::now(),
            told: from,
            through: from,
            quiet: QUIET_FIRST,
            quiet_until: Instant::now(),
            at_end: false,
            ended: false,
        })
    }

    /// The next part of the response; `None` at its end.
    async fn next(&mut self) -> Option<Vec<u8>> {
        while !self.ended {
            if self.at_end {
                self.wait().await;
            }
            if *self.stopping.borrow() {
                self.ended = true;
                return Some(END_MESSAGE.into());
            }
            if self.sent_at.elapsed() >= self.keep_alive {
                return Some(self.sign_of_life());
            }
            match self.look().await {
                Ok((rendered, _)) if !rendered.is_empty() => return Some(rendered),
                // History without a selected event: a subscriber that comes back need not read it again.
                Ok(_) if !self.at_end => return Some(self.progress()),
                Ok(_) => {}
                Err(problem) if problem.code == Code::Busy => {
                    // What woke this look has not been read yet.
                    self.at_end = false;
                    sleep(BUSY_PAUSE).await;
                }
                Err(problem) => {
                    if problem.code == Code::HistoryTruncated {
                        self.seat.metrics.subscribers.overtaken.inc();
                    }
                    self.ended = true;
                    return Some(problem_message(&problem));
                }
            }
        }
        None
    }

    /// Waits until there may be new events, something has to be said, or the server stops.
    async fn wait(&mut self) {
        let silent_until = self.sent_at + self.keep_alive;
        let quiet_until = self.quiet_until;
        let visible = &mut self.visible;
        let new_events = async {
            sleep_until(quiet_until).await;
            // The sender lives as long as the node; without it only the server's stop is left to wait for.
            if visible.changed().await.is_err() {
                pending::<()>().await;
            }
        };
        tokio::select! {
            // Also when something else must be said first: the events are read after it.
            () = new_events => self.at_end = false,
            _ = self.stopping.changed() => {}
            () = sleep_until(silent_until) => {}
        }
    }

    fn sign_of_life(&mut self) -> Vec<u8> {
        if self.through > self.told { self.progress() } else { KEEP_ALIVE.into() }
    }

    fn progress(&mut self) -> Vec<u8> {
        self.told = self.through;
        progress_message(self.through)
    }

    /// Reads a chunk. Returns what it rendered, and the greatest cursor that a removed event can have had.
    async fn look(&mut self) -> Result<(Vec<u8>, Option<Cursor>)> {
        self.visible.mark_unchanged();
        let Chunk { rendered, at_end, through, removed_through, .. } =
            self.reader.next(Budget::of_look()).await?;
        self.at_end = at_end;
        self.through = self.through.max(through);
        let visible = self.visible.borrow().position.wall().0;
        let wall = self.through.position.wall().0;
        self.subscriber.delivered_to(if at_end { wall.max(visible) } else { wall });
        if rendered.is_empty() {
            self.quiet = (self.quiet * 2).min(QUIET_MAX);
            self.quiet_until = Instant::now() + self.quiet;
        } else {
            self.quiet = QUIET_FIRST;
            self.told = self.through;
        }
        Ok((rendered, removed_through))
    }
}
