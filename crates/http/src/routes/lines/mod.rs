//! `POST /v1/events`: lines for many streams, each its own append, answered line by line, in order, while more
//! lines come.
//!
//! ```text
//!   body ─► Splitter ─► parse ─► node (at most 256 lines in flight) ─► answers in order ─► summary
//!              │           └─ a broken line is answered with its problem, and reading goes on
//!              └─ a line without an end ends the reading
//! ```
//!
//! Reading stops while the node or the client cannot take more, so memory is bounded: lines in flight are
//! counted here, their bytes over all connections.

mod in_flight;
mod splitter;

use crate::body::next_part;
use crate::connection::Watch;
use crate::context::Context;
use crate::read::framing::problem_line;
use crate::reply::{self, Aborted, LINES, Result};
use crate::unavailable;
use api::answer::outcome::Summary;
use api::request::{head::Head, line, query};
use api::trace::Trace;
use api::{Code, Problem, media};
use bytes::Bytes;
use futures_util::stream as futures_stream;
use http::request;
use http_body::Body;
use in_flight::{Answered, InFlight};
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

/// Answers are sent in parts of about this size while more are at hand.
const PART_BYTES: usize = 16 << 10;

pub(super) async fn answer<B>(
    context: &Arc<Context>,
    parts: &request::Parts,
    body: B,
    watch: Option<Arc<Watch>>,
) -> Result
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: std::error::Error + Send + Sync + 'static,
{
    query::none(parts.uri.query())?;
    let head = Head::read(&parts.headers)?;
    media::check_lines(head.content_type)?;
    head.refuse_key(
        "each line has an identity of its own (`source` and `id`), so sending lines again is safe",
    )?;
    if head.expected()? != Expected::Any {
        let detail = "a line is appended whatever its stream's revision; a transaction takes conditions";
        return Err(Problem::new(Code::InvalidHeader, detail).header("if-match"));
    }
    if let Some(watch) = &watch {
        watch.lines_began();
    }
    let mut lines = Lines {
        context: Arc::clone(context),
        body,
        trace: head.trace(),
        watch,
        stopping: context.stopping.clone(),
        splitter: Splitter::default(),
        reading: Reading::Open,
        held: None,
        in_flight: VecDeque::new(),
        summary: Summary::default(),
    };
    // The first part is asked for before the head is sent: only so does hyper send `100 Continue`.
    let first = next_part(&mut lines.body).await;
    lines.came(first);
    let parts = futures_stream::unfold(Some(lines), |lines| async move {
        let mut lines = lines?;
        let mut out = Vec::with_capacity(PART_BYTES);
        let more = lines.write_answers(&mut out).await;
        Some((Ok::<_, Aborted>(Bytes::from(out)), more.then_some(lines)))
    });
    Ok(reply::parts(LINES, parts))
}

/// One request's lines.
struct Lines<B> {
    context: Arc<Context>,
    body: B,
    trace: Option<Trace>,
    watch: Option<Arc<Watch>>,
    stopping: watch::Receiver<bool>,
    splitter: Splitter,
    reading: Reading,
    /// A line that has been read and has no room yet.
    held: Option<Held>,
    in_flight: VecDeque<InFlight>,
    summary: Summary,
}

/// Whether more lines come.
enum Reading {
    Open,
    /// No more parts come; lines in the last one do. A problem is told after them.
    Ended(Option<Box<Problem>>),
    /// No more lines come.
    Over(Option<Box<Problem>>),
}

struct Held {
    line: u64,
    append: Append<'static>,
    bytes: u32,
}

/// What the writing of answers goes on with.
enum Came {
    Answer(Answered),
    Part(Result<Option<Bytes>>),
    Stop,
    /// Nothing for now, and there is something to send.
    Nothing,
}

impl<B> Lines<B>
where
    B: Body<Data = Bytes> + Send + Unpin,
    B::Error: std::error::Error + 'static,
{
    /// Writes answers as they come, until there is a part's worth or none at hand. False once the summary is
    /// written.
    async fn write_answers(&mut self, out: &mut Vec<u8>) -> bool {
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
                Came::Answer(answered) => {
                    if let Some(line) = self.in_flight.pop_front() {
                        line.write(answered, out, &mut self.summary);
                    }
                }
                Came::Part(part) => self.came(part),
                Came::Stop => {
                    self.reading = Reading::Ended(Some(unavailable::problem(&Unavailable::Stopping)));
                }
                Came::Nothing => return true,
            }
            if out.len() >= PART_BYTES {
                return true;
            }
        }
    }

    /// Takes a line that has come whole into flight. False when there is none, or no room for it.
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
        if let Some(watch) = &self.watch {
            watch.line_came();
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

    /// Hands a line to the node; waits for room there rather than refusing. False when its bytes have no room
    /// before lines ahead of it have been answered: it is held then.
    async fn submit(&mut self, held: Held) -> bool {
        let room = Arc::clone(&self.context.lines_bytes);
        // Waiting while lines of this request are in flight could wait for itself.
        let bytes = if self.in_flight.is_empty() {
            room.acquire_many_owned(held.bytes).await.ok()
        } else {
            room.try_acquire_many_owned(held.bytes).ok()
        };
        let Some(bytes) = bytes else {
            self.context.metrics.queue(Queue::LinesInFlight).refused.inc();
            self.held = Some(held);
            return false;
        };
        let stream = held.append.stream.as_str().to_owned();
        let submitted = self.context.handle.submit_or_wait(Command::Append(held.append)).await;
        self.in_flight.push_back(match submitted {
            Ok(pending) => InFlight::new(&self.context, held.line, stream, pending, Some(bytes)),
            Err(error) => InFlight::refused(&self.context, held.line, unavailable::problem(&error)),
        });
        true
    }

    /// The next answer in order, or more of the body while there is room for it.
    async fn next_thing(&mut self, has_something_to_send: bool) -> Came {
        let room = self.held.is_none() && self.in_flight.len() < limits::LINES_IN_FLIGHT_MAX;
        let reads = room && matches!(self.reading, Reading::Open);
        let in_flight = &mut self.in_flight;
        let mut part = pin!(next_part(&mut self.body));
        let mut stopped = pin!(self.stopping.wait_for(|stopping| *stopping));
        poll_fn(|task| {
            if let Some(first) = in_flight.front_mut()
                && let Poll::Ready(answered) = first.poll(task)
            {
                return Poll::Ready(Came::Answer(answered));
            }
            if reads {
                if let Poll::Ready(part) = part.as_mut().poll(task) {
                    return Poll::Ready(Came::Part(part));
                }
                if stopped.as_mut().poll(task).is_ready() {
                    return Poll::Ready(Came::Stop);
                }
            }
            if has_something_to_send { Poll::Ready(Came::Nothing) } else { Poll::Pending }
        })
        .await
    }

    fn came(&mut self, part: Result<Option<Bytes>>) {
        match part {
            Ok(Some(part)) => self.splitter.push(part),
            Ok(None) => self.reading = Reading::Ended(None),
            Err(problem) => self.reading = Reading::Ended(Some(problem)),
        }
    }
}
