//! Import: lines for many streams over one request, answered line by line while more are being sent.
//!
//! ```text
//!  reader thread             this thread, in `next`                 the node
//!  ─────────────             ──────────────────────                 ────────
//!  input ─> lines ─(64)─> unanswered (at most 1,024 lines or 8 MiB) ─> POST /v1/events
//!                              └───── answers, in the order of lines ◄─┘
//! ```
//!
//! Every stage is bounded: a node that answers slowly stops the reading of the input. A line leaves
//! `unanswered` with its answer; after a broken connection, or a problem that passes, the rest is sent again,
//! which is safe because each event has an identity: a line without `id` is given one before it is sent for the
//! first time.

mod input;

use crate::client::{Client, decode};
use crate::error::{Error, Problem, Result};
use crate::event::{Cursor, Revision};
use crate::lines::LineBuffer;
use crate::retry;
use crate::transport::{Answer, Call};
use bytes::{Bytes, BytesMut};
use http::header::{ACCEPT, CONTENT_TYPE};
use input::{Input, LINE_BYTES_MAX, Line, read_lines};
use serde::Deserialize;
use std::collections::VecDeque;
use std::fmt;
use std::io::Read;
use std::pin::Pin;
use tokio::sync::mpsc;

/// Lines read ahead of what is sent.
const READ_AHEAD_LINES: usize = 64;
/// Lines, and bytes of lines, that are sent and not answered.
const UNANSWERED_LINES_MAX: usize = 1_024;
const UNANSWERED_BYTES_MAX: usize = 8 << 20;
/// Bytes that are put together to one part of the request.
const PART_BYTES: usize = 64 << 10;

/// What became of one line.
#[derive(Clone, Debug)]
pub struct ImportedLine {
    /// The line's number in the input, from 1.
    pub line: u64,
    pub outcome: ImportOutcome,
}

#[derive(Clone, Debug)]
pub enum ImportOutcome {
    Appended {
        stream: String,
        revision: Revision,
        cursor: Cursor,
    },
    /// The event was there already; nothing was appended.
    Replayed {
        stream: String,
        revision: Revision,
        cursor: Cursor,
    },
    Refused(Box<Problem>),
}

/// An import under way: an iterator over what became of each line, in the order of lines. Blank lines are
/// skipped. Nothing is sent unless the iterator is driven.
pub struct Import {
    client: Client,
    input: mpsc::Receiver<Input>,
    /// The input has ended; nothing more comes from `input`.
    ended: bool,
    unanswered: VecDeque<Line>,
    unanswered_bytes: usize,
    /// How many of `unanswered` have been put into the request.
    sent: usize,
    flight: Option<Flight>,
    /// Failures since the last answer.
    failures: u32,
    failed: bool,
}

impl fmt::Debug for Import {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Import").field("unanswered", &self.unanswered.len()).finish_non_exhaustive()
    }
}

/// One request under way.
struct Flight {
    /// `None` once the last line is in.
    body: Option<mpsc::Sender<Bytes>>,
    reply: Reply,
    lines: LineBuffer,
}

enum Reply {
    Waiting(Pin<Box<dyn Future<Output = Result<Answer>> + Send>>),
    Open(Answer),
}

impl Reply {
    async fn part(&mut self) -> Result<Option<Bytes>> {
        if let Self::Waiting(answer) = self {
            *self = Self::Open(answer.await?);
        }
        match self {
            Self::Open(answer) => answer.part_unbounded().await,
            Self::Waiting(_) => Ok(None),
        }
    }
}

/// One answer of the server.
#[derive(Deserialize)]
struct LineAnswer {
    /// A problem without it is the end of all.
    line: Option<u64>,
    stream: Option<String>,
    revision: Option<Revision>,
    cursor: Option<Cursor>,
    #[serde(default)]
    replayed: bool,
    problem: Option<Problem>,
    summary: Option<serde::de::IgnoredAny>,
}

impl Client {
    /// Appends the events that `input` holds, one CloudEvent a line, each with one member more: `stream`.
    /// The input is read on a thread of its own, never further ahead than a bound.
    ///
    /// ```no_run
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let client = mainstay_client::Client::new("http://127.0.0.1:7070")?;
    /// for line in client.import(std::fs::File::open("permits.ndjson")?) {
    ///     let line = line?;
    ///     println!("{}: {:?}", line.line, line.outcome);
    /// }
    /// # Ok(()) }
    /// ```
    pub fn import(&self, input: impl Read + Send + 'static) -> Import {
        let (lines, receiver) = mpsc::channel(READ_AHEAD_LINES);
        // Detached on purpose: it may be blocked in a read for ever, and ends at its next line once the
        // receiver is gone.
        std::thread::spawn(move || read_lines(input, &lines));
        Import {
            client: self.clone(),
            input: receiver,
            ended: false,
            unanswered: VecDeque::new(),
            unanswered_bytes: 0,
            sent: 0,
            flight: None,
            failures: 0,
            failed: false,
        }
    }
}

impl Import {
    async fn answer(&mut self) -> Result<Option<ImportedLine>> {
        loop {
            if self.unanswered.front().is_some_and(|line| line.text.is_none()) {
                return Ok(self.take_too_long());
            }
            match self.next_answer() {
                Ok(None) => {}
                Ok(answer) => return Ok(answer),
                Err(error) if error.is_retryable() => {
                    self.pause(error).await?;
                    continue;
                }
                Err(error) => return Err(error),
            }
            let done = self.ended && self.unanswered.is_empty();
            if done && self.flight.is_none() {
                return Ok(None);
            }
            match self.progress().await {
                Ok(()) => {}
                // Every line has its answer; only the end of the answers is missing.
                Err(_) if done => self.flight = None,
                Err(error) if error.is_retryable() => self.pause(error).await?,
                Err(error) => return Err(error),
            }
        }
    }

    /// The answer to the first unanswered line, if it has come.
    fn next_answer(&mut self) -> Result<Option<ImportedLine>> {
        let Some(text) = self.flight.as_mut().and_then(|flight| flight.lines.line()) else { return Ok(None) };
        let answer: LineAnswer = decode(&text)?;
        if answer.summary.is_some() {
            return Ok(None);
        }
        let passes = |problem: &&Problem| problem.retryable || answer.line.is_none();
        if let Some(problem) = answer.problem.as_ref().filter(passes) {
            // Not a verdict on the line: the node is stopping, say, or has given up waiting for the next one.
            if self.unanswered.is_empty() && problem.retryable {
                self.flight = None;
                return Ok(None);
            }
            return Err(Error::Problem(Box::new(problem.clone())));
        }
        self.failures = 0;
        let unexpected = || Error::Answer(format!("no line waits for {:?}", String::from_utf8_lossy(&text)));
        let outcome = match answer {
            LineAnswer { problem: Some(problem), .. } => ImportOutcome::Refused(Box::new(problem)),
            LineAnswer {
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
        let problem = Problem { code: "line_too_long".into(), ..Problem::local(413, detail) };
        Some(ImportedLine { line: line.number, outcome: ImportOutcome::Refused(Box::new(problem)) })
    }

    /// One step forward: a line read, a part sent, or a part of the answers received.
    async fn progress(&mut self) -> Result<()> {
        let room = !self.ended
            && self.unanswered.len() < UNANSWERED_LINES_MAX
            && self.unanswered_bytes < UNANSWERED_BYTES_MAX;
        if self.flight.is_none() && self.unanswered.is_empty() {
            // Nothing to send yet: the connection is opened with the first line.
            let next = self.input.recv().await;
            return self.take_in(next);
        }
        let limit = self.client.transport.timeouts().answer;
        let waiting = !self.unanswered.is_empty();
        let unsent = self.sent < self.unanswered.len();
        let flight = match &mut self.flight {
            Some(flight) => flight,
            none => none.insert(open(&self.client)),
        };
        if self.ended && !unsent {
            flight.body = None;
        }
        let body = flight.body.clone();
        tokio::select! {
            biased;
            part = flight.reply.part() => match part? {
                Some(part) => flight.lines.push(&part),
                None if waiting => return Err(Error::Broken("the answers ended before the lines".into())),
                None => self.flight = None,
            },
            permit = reserve(body), if unsent => match permit {
                Some(permit) => drop(permit.send(self.part())),
                // The request is over; its answer says why, or ends too early.
                None => flight.body = None,
            },
            next = self.input.recv(), if room => self.take_in(next)?,
            () = tokio::time::sleep(limit), if waiting || self.ended => return Err(Error::TimedOut(limit)),
        }
        Ok(())
    }

    fn take_in(&mut self, next: Option<Input>) -> Result<()> {
        match next {
            Some(Input::Line(line)) => {
                self.unanswered_bytes += line.text.as_ref().map_or(0, Bytes::len);
                self.unanswered.push_back(line);
            }
            Some(Input::Failed(error)) => {
                self.ended = true;
                return Err(Error::Input(error));
            }
            None => self.ended = true,
        }
        Ok(())
    }

    /// Unsent lines, put together. Whoever is too long is answered here and not sent.
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

    /// After a failure that trying again may mend: everything unanswered is sent again.
    async fn pause(&mut self, error: Error) -> Result<()> {
        self.flight = None;
        self.sent = 0;
        self.failures += 1;
        let asked = error.problem().and_then(|problem| problem.retry_after);
        let Some(wait) = self.client.retry.wait(self.failures, asked, retry::draw()) else {
            return Err(error);
        };
        tokio::time::sleep(wait).await;
        Ok(())
    }
}

impl Iterator for Import {
    type Item = Result<ImportedLine>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let client = self.client.clone();
        let answer = client.transport.run(self.answer());
        self.failed = answer.is_err();
        answer.transpose()
    }
}

fn open(client: &Client) -> Flight {
    let (body, parts) = mpsc::channel(1);
    let call = Call::new(http::Method::POST, "/v1/events")
        .header(CONTENT_TYPE, "application/x-ndjson")
        .header(ACCEPT, "application/x-ndjson");
    let transport = std::sync::Arc::clone(&client.transport);
    Flight {
        body: Some(body),
        reply: Reply::Waiting(Box::pin(async { transport.send_parts(call, parts).await?.success().await })),
        lines: LineBuffer::default(),
    }
}

async fn reserve(body: Option<mpsc::Sender<Bytes>>) -> Option<mpsc::OwnedPermit<Bytes>> {
    match body {
        Some(body) => body.reserve_owned().await.ok(),
        None => std::future::pending().await,
    }
}
