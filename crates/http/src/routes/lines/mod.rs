//! `POST /v1/events`: lines for many streams. Each line is an append of its own, and its result is sent in order while
//! more lines arrive.
//!
//! ```text
//!   body ─► Splitter ─► parse ─► node (at most 256 lines in flight) ─► results in order ─► summary
//!              │           └─ a malformed line results in a problem, and reading continues
//!              └─ a line that is too long ends the reading
//! ```
//!
//! Reading pauses while the node or the client cannot take more, so memory is bounded: the lines in flight per
//! request, and their bytes over all connections.

mod in_flight;
mod splitter;

use crate::access::Caller;
use crate::activity::Activity;
use crate::body::next_part;
use crate::context::Context;
use crate::response::problem_line;
use crate::response::{self, Aborted, LINES, Result};
use crate::unavailable;
use api::request::{head::Head, line, query};
use api::response::outcome::Summary;
use api::trace::Trace;
use api::{Code, Problem, media};
use axum::body::Body;
use bytes::Bytes;
use futures_util::stream as futures_stream;
use http::request;
use in_flight::{InFlight, LineOutcome};
use model::{Append, Command, Expected, limits};
use runtime::Unavailable;
use splitter::{Line, Rest, Splitter};
use std::collections::VecDeque;
use std::future::{Future as _, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use telemetry::Queue;
use tokio::sync::watch;

/// Results are sent in parts of about this size while more are available.
const PART_BYTES: usize = 16 << 10;

pub(super) async fn respond(
    context: &Arc<Context>,
    parts: &request::Parts,
    body: Body,
    activity: Option<Arc<Activity>>,
) -> Result {
    query::none(parts.uri.query())?;
    let head = Head::read(&parts.headers)?;
    media::check_lines(head.content_type)?;
    head.refuse_key("each line has its own identity (`source` and `id`), so sending lines again is safe")?;
    if head.expected()? != Expected::Any {
        let detail = "lines are appended at any revision; use a transaction for conditions";
        return Err(Problem::new(Code::InvalidHeader, detail).header("if-match"));
    }
    if let Some(activity) = &activity {
        activity.lines_began();
    }
    let mut lines = Lines {
        context: Arc::clone(context),
        caller: Caller::of(context, parts),
        body,
        trace: head.trace(),
        activity,
        stopping: context.stopping.clone(),
        splitter: Splitter::default(),
        reading: Reading::Open,
        held: None,
        in_flight: VecDeque::new(),
        summary: Summary::default(),
    };
    // hyper sends `100 Continue` only if the body is polled before the response head is sent.
    let first = next_part(&mut lines.body).await;
    lines.received(first);
    let parts = futures_stream::unfold(Some(lines), |lines| async move {
        let mut lines = lines?;
        let mut out = Vec::with_capacity(PART_BYTES);
        let more = lines.write_results(&mut out).await;
        Some((Ok::<_, Aborted>(Bytes::from(out)), more.then_some(lines)))
    });
    Ok(response::parts(LINES, parts))
}

/// One request's lines.
struct Lines {
    context: Arc<Context>,
    /// Each line is checked against what this caller may do.
    caller: Caller,
    body: Body,
    trace: Option<Trace>,
    activity: Option<Arc<Activity>>,
    stopping: watch::Receiver<bool>,
    splitter: Splitter,
    reading: Reading,
    /// A line that has been read and waits for its bytes.
    held: Option<Held>,
    in_flight: VecDeque<InFlight>,
    summary: Summary,
}

/// Whether more lines are expected.
enum Reading {
    Open,
    /// No more parts; lines of the last one remain. The problem is reported after them.
    Ended(Option<Box<Problem>>),
    /// No more lines.
    Over(Option<Box<Problem>>),
}

struct Held {
    line: u64,
    append: Append<'static>,
    bytes: u32,
}

/// The next thing for the response.
enum Next {
    Outcome(LineOutcome),
    Part(Result<Option<Bytes>>),
    Stop,
    /// Nothing is ready, and there is something to send.
    Nothing,
}

impl Lines {
    /// Writes results as they become available, until a part is full or none is ready. False once the summary is
    /// written.
    async fn write_results(&mut self, out: &mut Vec<u8>) -> bool {
        loop {
            while self.take_in().await {}
            if self.in_flight.is_empty()
                && let Reading::Over(problem) = &self.reading
            {
                if let Some(problem) = problem {
                    out.extend_from_slice(&problem_line(problem));
                }
                self.summary.write(out);
                return false;
            }
            match self.next_thing(!out.is_empty()).await {
                Next::Outcome(outcome) => {
                    if let Some(line) = self.in_flight.pop_front() {
                        line.write(outcome, out, &mut self.summary);
                    }
                }
                Next::Part(part) => self.received(part),
                Next::Stop => {
                    self.reading = Reading::Ended(Some(unavailable::problem(&Unavailable::Stopping)));
                }
                Next::Nothing => return true,
            }
            if out.len() >= PART_BYTES {
                return true;
            }
        }
    }

    /// Puts a complete line into flight. False when there is none, or its bytes are not free.
    async fn take_in(&mut self) -> bool {
        if self.in_flight.len() >= limits::LINES_IN_FLIGHT_MAX {
            return false;
        }
        if let Some(held) = self.held.take() {
            return self.submit(held).await;
        }
        let line = match self.next_line() {
            Ok(Some(line)) => line,
            Ok(None) => return false,
            Err(problem) => {
                self.reading = Reading::Over(Some(problem));
                return false;
            }
        };
        if let Some(activity) = &self.activity {
            activity.line_read();
        }
        if line.bytes.iter().all(u8::is_ascii_whitespace) {
            return true;
        }
        match line::read(&line.bytes, self.trace.as_ref()) {
            Ok(append) => {
                let bytes = line.bytes.len().min(self.context.options.lines_bytes_max);
                let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
                self.submit(Held { line: line.number, append, bytes }).await
            }
            Err(problem) => {
                self.in_flight.push_back(InFlight::refused(&self.context, line.number, problem));
                true
            }
        }
    }

    fn next_line(&mut self) -> Result<Option<Line>> {
        let rest = match &self.reading {
            Reading::Open => Rest::MoreComes,
            Reading::Ended(None) => Rest::IsALine,
            Reading::Ended(Some(_)) => Rest::IsCut,
            Reading::Over(_) => return Ok(None),
        };
        let line = self.splitter.next(rest)?;
        if let (None, Reading::Ended(problem)) = (&line, &mut self.reading) {
            self.reading = Reading::Over(problem.take());
        }
        Ok(line)
    }

    /// Hands a line to the node, and waits for the mailbox rather than refusing. False when its bytes become free only
    /// after earlier lines have their results; the line is then held.
    async fn submit(&mut self, held: Held) -> bool {
        let free = Arc::clone(&self.context.lines_bytes);
        // With lines of this request in flight, waiting could mean waiting for this request itself.
        let bytes = if self.in_flight.is_empty() {
            free.acquire_many_owned(held.bytes).await.ok()
        } else {
            free.try_acquire_many_owned(held.bytes).ok()
        };
        let Some(bytes) = bytes else {
            self.context.metrics.queue(Queue::LinesInFlight).rejected.inc();
            self.held = Some(held);
            return false;
        };
        let stream = held.append.stream.as_str().to_owned();
        let submitted = self.context.handle.submit_or_wait(&self.caller, Command::Append(held.append)).await;
        self.in_flight.push_back(match submitted {
            Ok(pending) => InFlight::new(&self.context, held.line, stream, pending, Some(bytes)),
            Err(problem) => InFlight::refused(&self.context, held.line, problem),
        });
        true
    }

    /// The next result in order, or more of the body while more lines fit.
    async fn next_thing(&mut self, has_something_to_send: bool) -> Next {
        let fits = self.held.is_none() && self.in_flight.len() < limits::LINES_IN_FLIGHT_MAX;
        let reads = fits && matches!(self.reading, Reading::Open);
        let in_flight = &mut self.in_flight;
        let mut part = pin!(next_part(&mut self.body));
        let mut stopped = pin!(self.stopping.wait_for(|stopping| *stopping));
        poll_fn(|task| {
            if let Some(first) = in_flight.front_mut()
                && let Poll::Ready(outcome) = first.poll(task)
            {
                return Poll::Ready(Next::Outcome(outcome));
            }
            if reads {
                if let Poll::Ready(part) = part.as_mut().poll(task) {
                    return Poll::Ready(Next::Part(part));
                }
                if stopped.as_mut().poll(task).is_ready() {
                    return Poll::Ready(Next::Stop);
                }
            }
            if has_something_to_send { Poll::Ready(Next::Nothing) } else { Poll::Pending }
        })
        .await
    }

    fn received(&mut self, part: Result<Option<Bytes>>) {
        match part {
            Ok(Some(part)) => self.splitter.push(part),
            Ok(None) => self.reading = Reading::Ended(None),
            Err(problem) => self.reading = Reading::Ended(Some(problem)),
        }
    }
}
