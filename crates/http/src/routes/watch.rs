//! Watches: server-sent events with the state of one thing, first as it is, and again whenever it has changed.
//!
//! ```text
//!   begin to wait ─► read ─► changed? send ─► woken: begin to wait again
//!        ▲                                 ├─► silent for too long: keep-alive
//!        └─────────────────────────────────┴─► the server stops: end
//! ```
//!
//! A watch holds no history: what changes while it reads or sends is read together. It costs a seat of a subscriber, an
//! entry in the node's table of waiting requests, and no polling.

use crate::context::Context;
use crate::read::framing::{END_MESSAGE, KEEP_ALIVE, problem_message};
use crate::response::{self, Aborted, EVENTS, Response, Result};
use crate::seat::Seat;
use crate::unavailable;
use api::contract::Operation;
use api::media::{ReadForm, wants_events};
use api::request::query;
use api::{Code, Problem};
use bytes::Bytes;
use futures_util::stream as futures_stream;
use http::header::{ACCEPT, CACHE_CONTROL, HeaderValue};
use http::request;
use model::{Key, Wall};
use runtime::{AskedTime, ReadFailure, Snapshot, Unavailable, Woken};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};

/// How long to wait when the read pool is full.
const BUSY_PAUSE: Duration = Duration::from_millis(50);

/// What a watch shows.
#[derive(Debug)]
pub(super) struct Shown {
    /// The name of the message.
    pub(super) event: &'static str,
    /// Its data, in one line.
    pub(super) data: Vec<u8>,
    /// What must differ for a change.
    pub(super) version: Vec<u8>,
    /// Something may change by itself, after this time.
    pub(super) look_again: Option<Duration>,
}

/// How long a watch may stay silent, if the request is one.
pub(super) fn asked(
    context: &Context,
    operation: Operation,
    parts: &request::Parts,
) -> Result<Option<Duration>> {
    let accept = parts.headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let form = if wants_events(accept) { ReadForm::Follow } else { ReadForm::Json };
    let keep_alive = query::watch(operation, parts.uri.query(), form)?;
    Ok((form == ReadForm::Follow).then_some(keep_alive.unwrap_or(context.options.keep_alive)))
}

/// Responds with an endless stream of messages. `key` is the row that the node notifies of.
pub(super) async fn respond<R>(context: &Arc<Context>, keep_alive: Duration, key: Key, read: R) -> Result
where
    R: Fn(&Snapshot) -> std::result::Result<Shown, ReadFailure> + Clone + Send + Sync + 'static,
{
    unavailable::check_readable(context)?;
    let mut watcher = Watcher {
        _seat: Seat::take(context)?,
        stopping: context.stopping.clone(),
        context: Arc::clone(context),
        key,
        read,
        keep_alive,
        sent_at: Instant::now(),
        version: None,
        woken: None,
        look_at: None,
        ended: false,
    };
    let first = watcher.look().await?.unwrap_or_default();
    Ok(streamed(watcher, first))
}

fn streamed<R>(watcher: Watcher<R>, first: Vec<u8>) -> Response
where
    R: Fn(&Snapshot) -> std::result::Result<Shown, ReadFailure> + Clone + Send + Sync + 'static,
{
    let parts = futures_stream::unfold((Some(first), watcher), |(first, mut watcher)| async move {
        let part = match first {
            Some(first) => first,
            None => watcher.next().await?,
        };
        watcher.sent_at = Instant::now();
        Some((Ok::<_, Aborted>(Bytes::from(part)), (None, watcher)))
    });
    let mut response = response::parts(EVENTS, parts);
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

struct Watcher<R> {
    context: Arc<Context>,
    _seat: Seat,
    stopping: watch::Receiver<bool>,
    key: Key,
    read: R,
    keep_alive: Duration,
    sent_at: Instant,
    /// What was sent last.
    version: Option<Vec<u8>>,
    /// Resolves at the next change. `None` when it has: then the state must be read.
    woken: Option<Woken>,
    look_at: Option<Instant>,
    ended: bool,
}

impl<R> Watcher<R>
where
    R: Fn(&Snapshot) -> std::result::Result<Shown, ReadFailure> + Clone + Send + Sync + 'static,
{
    /// The next part of the response; `None` at its end.
    async fn next(&mut self) -> Option<Vec<u8>> {
        while !self.ended {
            if self.woken.is_some()
                && let Err(why) = self.wait().await
            {
                return Some(self.end(&unavailable::problem(&why)));
            }
            if *self.stopping.borrow() {
                self.ended = true;
                return Some(END_MESSAGE.into());
            }
            if self.woken.is_none() {
                match self.look().await {
                    Ok(Some(message)) => return Some(message),
                    Ok(None) => {}
                    Err(problem) if problem.code == Code::Busy => {
                        self.woken = None;
                        sleep(BUSY_PAUSE).await;
                    }
                    Err(problem) => return Some(self.end(&problem)),
                }
            }
            if self.sent_at.elapsed() >= self.keep_alive {
                return Some(KEEP_ALIVE.into());
            }
        }
        None
    }

    fn end(&mut self, problem: &Problem) -> Vec<u8> {
        self.ended = true;
        if problem.code == Code::Stopping { END_MESSAGE.into() } else { problem_message(problem) }
    }

    /// Waits until there may be a change, something has to be said, or the server stops.
    async fn wait(&mut self) -> std::result::Result<(), Unavailable> {
        let Some(woken) = &mut self.woken else { return Ok(()) };
        let silent_until = self.sent_at + self.keep_alive;
        let look_at = self.look_at.unwrap_or(silent_until);
        tokio::select! {
            woke = woken => {
                self.woken = None;
                woke
            }
            _ = self.stopping.changed() => Ok(()),
            () = sleep_until(look_at.min(silent_until)) => {
                if self.look_at.is_some_and(|at| at <= Instant::now()) {
                    self.woken = None;
                }
                Ok(())
            }
        }
    }

    /// Reads the state, and returns the message if it has changed.
    async fn look(&mut self) -> Result<Option<Vec<u8>>> {
        let problem = |why: Unavailable| unavailable::problem(&why);
        let handle = &self.context.handle;
        let woken = handle.wait(self.key.clone()).map_err(problem)?;
        // The reply to this comes after the node has taken the wait, so no change falls between that and the read.
        handle.close_time(AskedTime::At(Wall(0))).await.map_err(problem)?;
        let read = self.read.clone();
        let shown = handle.read(move |snapshot| read(snapshot)).await;
        let shown = shown.map_err(|why| unavailable::read_problem(&why))?;
        self.woken = Some(woken);
        self.look_at = shown.look_again.map(|after| Instant::now() + after);
        if self.version.as_ref() == Some(&shown.version) {
            return Ok(None);
        }
        self.version = Some(shown.version);
        let mut message = format!("event: {}\ndata: ", shown.event).into_bytes();
        message.extend_from_slice(&shown.data);
        message.extend_from_slice(b"\n\n");
        Ok(Some(message))
    }
}
