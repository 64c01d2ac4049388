//! Import: lines for many streams in one request. Each line has its own outcome, which is returned while more
//! lines are sent.
//!
//! ```text
//!  input              unanswered                                  the node
//!  parts ─► lines ─► at most 1,024 lines or 8 MiB ─► POST /v1/events
//!                        └───── outcomes, in the order of lines ◄─┘
//! ```
//!
//! Every stage is bounded, so a slow node slows the reading of the input. A line leaves `unanswered` when its
//! outcome arrives. After a broken connection or a retryable problem, the rest is sent again. That is safe
//! because each event has an identity: a line without `id` gets one before it is sent for the first time.

mod exchange;
mod input;

use crate::client::{Client, decode};
use crate::error::{Error, Problem, Result};
use crate::event::{Cursor, Revision};
use crate::retry::Attempts;
use crate::transport::Repeat;
use bytes::{Bytes, BytesMut};
use exchange::Exchange;
use futures_core::Stream;
use input::{LINE_BYTES_MAX, Line, Lines};
use serde::Deserialize;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::io::{self, Read};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::{fmt, mem};

/// Lines, and bytes of lines, that may wait for their outcomes.
const UNANSWERED_LINES_MAX: usize = 1_024;
const UNANSWERED_BYTES_MAX: usize = 8 << 20;
/// Bytes of lines that are put into one part of the request.
const PART_BYTES: usize = 64 << 10;

/// The outcome of one line.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ImportedLine {
    /// The line's number in the input, from 1.
    pub line: u64,
    pub outcome: ImportOutcome,
}

/// What happened to a line.
#[derive(Clone, Debug)]
pub enum ImportOutcome {
    Appended {
        stream: String,
        revision: Revision,
        cursor: Cursor,
    },
    /// The event existed already, and nothing was appended.
    Replayed {
        stream: String,
        revision: Revision,
        cursor: Cursor,
    },
    Refused(Box<Problem>),
}

/// An import: a stream of the outcomes of its lines, in the order of the lines. Blank lines have no outcome.
/// Nothing is sent unless the stream is polled; dropping a future that waits for the next outcome loses
/// nothing. See [`Client::import`].
#[must_use = "a stream does nothing until it is polled"]
pub struct Import(State);

enum State {
    Idle(Box<Importer>),
    Busy(Pin<Box<dyn Future<Output = Step> + Send>>),
    Ended,
}

type Step = (Box<Importer>, Result<Option<ImportedLine>>);

impl fmt::Debug for Import {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Import").finish_non_exhaustive()
    }
}

impl Client {
    /// Appends the events in an input of lines: one CloudEvent in JSON per line, with one more member,
    /// `stream`.
    ///
    /// The input is given in `parts`, which may end anywhere in a line, such as those of
    /// `tokio_util::io::ReaderStream`.
    pub fn import(&self, parts: impl Stream<Item = io::Result<Bytes>> + Send + 'static) -> Import {
        Import(State::Idle(Box::new(Importer::new(self.clone(), Lines::new(Box::pin(parts))))))
    }

    /// Like [`Self::import`], from a blocking reader, which is read on its own thread.
    ///
    /// ```no_run
    /// # async fn example(client: mainstay_client::Client) -> Result<(), Box<dyn std::error::Error>> {
    /// let mut import = client.import_reader(std::fs::File::open("permits.ndjson")?);
    /// while let Some(line) = import.next().await {
    ///     let line = line?;
    ///     println!("{}: {:?}", line.line, line.outcome);
    /// }
    /// # Ok(()) }
    /// ```
    pub fn import_reader(&self, input: impl Read + Send + 'static) -> Import {
        let lines = Lines::new(input::read_on_thread(input));
        Import(State::Idle(Box::new(Importer::new(self.clone(), lines))))
    }
}

impl Import {
    /// The next outcome, or `None` after the last one and after an error.
    pub async fn next(&mut self) -> Option<Result<ImportedLine>> {
        poll_fn(|context| Pin::new(&mut *self).poll_next(context)).await
    }
}

impl Stream for Import {
    type Item = Result<ImportedLine>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut step = match mem::replace(&mut self.0, State::Ended) {
            State::Ended => return Poll::Ready(None),
            State::Busy(step) => step,
            State::Idle(mut importer) => Box::pin(async move {
                let outcome = importer.next_outcome().await;
                (importer, outcome)
            }),
        };
        let Poll::Ready((importer, outcome)) = step.as_mut().poll(context) else {
            self.0 = State::Busy(step);
            return Poll::Pending;
        };
        if matches!(outcome, Ok(Some(_))) {
            self.0 = State::Idle(importer);
        }
        Poll::Ready(outcome.transpose())
    }
}

struct Importer {
    client: Client,
    input: Lines,
    /// The input has ended.
    ended: bool,
    unanswered: VecDeque<Line>,
    unanswered_bytes: usize,
    /// How many of `unanswered` have been put into the request.
    sent: usize,
    exchange: Option<Exchange>,
    /// Failures since the last outcome.
    attempts: Option<Attempts>,
}

/// One line of the response.
#[derive(Deserialize)]
struct LineResult {
    /// A problem without a line number ends the whole import.
    line: Option<u64>,
    stream: Option<String>,
    revision: Option<Revision>,
    cursor: Option<Cursor>,
    #[serde(default)]
    replayed: bool,
    problem: Option<Problem>,
    summary: Option<serde::de::IgnoredAny>,
}

impl Importer {
    fn new(client: Client, input: Lines) -> Self {
        Self {
            client,
            input,
            ended: false,
            unanswered: VecDeque::new(),
            unanswered_bytes: 0,
            sent: 0,
            exchange: None,
            attempts: None,
        }
    }

    async fn next_outcome(&mut self) -> Result<Option<ImportedLine>> {
        loop {
            if self.unanswered.front().is_some_and(|line| line.text.is_none()) {
                return Ok(self.take_too_long());
            }
            match self.received_outcome() {
                Ok(None) => {}
                Ok(outcome) => return Ok(outcome),
                Err(error) => {
                    self.pause(error).await?;
                    continue;
                }
            }
            let done = self.ended && self.unanswered.is_empty();
            if done && self.exchange.is_none() {
                return Ok(None);
            }
            match self.progress().await {
                Ok(()) => {}
                // Every line has its outcome; only the end of the response is missing.
                Err(_) if done => self.exchange = None,
                Err(error) => self.pause(error).await?,
            }
        }
    }

    /// The outcome of the first unanswered line, if it has arrived.
    fn received_outcome(&mut self) -> Result<Option<ImportedLine>> {
        let Some(text) = self.exchange.as_mut().and_then(Exchange::line) else { return Ok(None) };
        let result: LineResult = decode(&text)?;
        if result.summary.is_some() {
            return Ok(None);
        }
        let is_about_all = |problem: &&Problem| problem.retryable || result.line.is_none();
        if let Some(problem) = result.problem.as_ref().filter(is_about_all) {
            // The problem is not about one line: for example, the node is stopping or waited too long for a
            // line.
            if self.unanswered.is_empty() && problem.retryable {
                self.exchange = None;
                return Ok(None);
            }
            return Err(Error::Problem(Box::new(problem.clone())));
        }
        self.attempts = None;
        let unexpected =
            || Error::Response(format!("no line waits for {:?}", String::from_utf8_lossy(&text)));
        let outcome = match result {
            LineResult { problem: Some(problem), .. } => ImportOutcome::Refused(Box::new(problem)),
            LineResult {
                stream: Some(stream),
                revision: Some(revision),
                cursor: Some(cursor),
                replayed,
                ..
            } => {
                if replayed {
                    ImportOutcome::Replayed { stream, revision, cursor }
                } else {
                    ImportOutcome::Appended { stream, revision, cursor }
                }
            }
            _ => return Err(unexpected()),
        };
        let line = self.pop().ok_or_else(unexpected)?;
        Ok(Some(ImportedLine { line: line.number, outcome }))
    }

    fn pop(&mut self) -> Option<Line> {
        let line = self.unanswered.pop_front()?;
        self.unanswered_bytes -= line.text.as_ref().map_or(0, Bytes::len);
        self.sent = self.sent.saturating_sub(1);
        Some(line)
    }

    fn take_too_long(&mut self) -> Option<ImportedLine> {
        let line = self.pop()?;
        let detail = format!("the line has more than {LINE_BYTES_MAX} bytes; it was not sent");
        let problem = Box::new(Problem::local(413, "line_too_long", detail));
        Some(ImportedLine { line: line.number, outcome: ImportOutcome::Refused(problem) })
    }

    /// One step forward: a line read, a part sent, or a part of the response received.
    async fn progress(&mut self) -> Result<()> {
        let takes_more = !self.ended
            && self.unanswered.len() < UNANSWERED_LINES_MAX
            && self.unanswered_bytes < UNANSWERED_BYTES_MAX;
        if self.exchange.is_none() && self.unanswered.is_empty() {
            // Nothing to send yet: the request begins with the first line.
            let line = poll_fn(|context| self.input.poll_line(context)).await;
            return self.take_in(line);
        }
        let limit = self.client.shared.transport.timeouts().response;
        let waiting = !self.unanswered.is_empty();
        let unsent = self.sent < self.unanswered.len();
        let exchange = self.exchange.get_or_insert_with(|| Exchange::begin(&self.client));
        if self.ended && !unsent {
            exchange.end_request();
        }
        let body = exchange.body();
        tokio::select! {
            biased;
            more = exchange.receive() => match more? {
                true => {}
                false if waiting => return Err(Error::Broken("the response ended before the lines".into())),
                false => self.exchange = None,
            },
            permit = exchange::reserve(body), if unsent => match permit {
                Some(permit) => drop(permit.send(self.part())),
                // The server reads no more; its response says why, or ends too early.
                None => exchange.end_request(),
            },
            line = poll_fn(|context| self.input.poll_line(context)), if takes_more => self.take_in(line)?,
            () = tokio::time::sleep(limit), if waiting || self.ended => return Err(Error::TimedOut(limit)),
        }
        Ok(())
    }

    fn take_in(&mut self, line: Option<io::Result<Line>>) -> Result<()> {
        match line {
            Some(Ok(line)) => {
                self.unanswered_bytes += line.text.as_ref().map_or(0, Bytes::len);
                self.unanswered.push_back(line);
            }
            Some(Err(error)) => {
                self.ended = true;
                return Err(Error::Input(error));
            }
            None => self.ended = true,
        }
        Ok(())
    }

    /// Joins unsent lines into one part. A line that is too long is skipped, because the client refuses it
    /// itself.
    fn part(&mut self) -> Bytes {
        let mut part = BytesMut::with_capacity(PART_BYTES);
        while let Some(line) = self.unanswered.get(self.sent) {
            let Some(text) = &line.text else {
                self.sent += 1;
                continue;
            };
            if !part.is_empty() && part.len() + text.len() >= PART_BYTES {
                break;
            }
            part.extend_from_slice(text);
            part.extend_from_slice(b"\n");
            self.sent += 1;
        }
        part.freeze()
    }

    /// Waits after a failure that a retry may fix; everything unanswered is then sent again.
    async fn pause(&mut self, error: Error) -> Result<()> {
        self.exchange = None;
        self.sent = 0;
        let retries = &self.client.shared.retries;
        let attempts = self.attempts.unwrap_or_else(|| retries.begin()).failed();
        self.attempts = Some(attempts);
        retries.wait(attempts, Repeat::Always, error).await
    }
}
