//! Lines whose results have not been sent, in order.

use crate::context::Context;
use crate::response::problem_line;
use crate::unavailable;
use api::Problem;
use api::response::outcome::{Summary, write_line};
use api::response::refusal::{self, Target};
use model::Outcome;
use runtime::{Pending, Unavailable};
use std::future::Future as _;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as Task, Poll};
use telemetry::{Metrics, Queue};
use tokio::sync::OwnedSemaphorePermit;

/// A line in flight, or one that was refused before it reached the node.
#[derive(Debug)]
pub(super) struct InFlight {
    line: u64,
    stream: String,
    outcome: Awaited,
    metrics: Arc<Metrics>,
    /// Its share of the bytes of all connections.
    _bytes: Option<OwnedSemaphorePermit>,
}

#[derive(Debug)]
enum Awaited {
    Node(Pending),
    Refused(Option<Box<Problem>>),
}

/// The outcome of a line.
#[derive(Debug)]
pub(super) enum LineOutcome {
    Decided(Outcome),
    Unavailable(Unavailable),
    Refused(Box<Problem>),
}

impl InFlight {
    pub(super) fn new(
        context: &Context,
        line: u64,
        stream: String,
        pending: Pending,
        bytes: Option<OwnedSemaphorePermit>,
    ) -> Self {
        Self::counted(context, line, stream, Awaited::Node(pending), bytes)
    }

    pub(super) fn refused(context: &Context, line: u64, problem: Box<Problem>) -> Self {
        Self::counted(context, line, String::new(), Awaited::Refused(Some(problem)), None)
    }

    fn counted(
        context: &Context,
        line: u64,
        stream: String,
        outcome: Awaited,
        bytes: Option<OwnedSemaphorePermit>,
    ) -> Self {
        context.metrics.queue(Queue::LinesInFlight).depth.add(1);
        Self { line, stream, outcome, metrics: Arc::clone(&context.metrics), _bytes: bytes }
    }

    pub(super) fn poll(&mut self, task: &mut Task<'_>) -> Poll<LineOutcome> {
        match &mut self.outcome {
            Awaited::Node(pending) => Pin::new(pending).poll(task).map(|outcome| match outcome {
                Ok(outcome) => LineOutcome::Decided(outcome),
                Err(unavailable) => LineOutcome::Unavailable(unavailable),
            }),
            Awaited::Refused(problem) => match problem.take() {
                Some(problem) => Poll::Ready(LineOutcome::Refused(problem)),
                // The problem was taken already. Such a line is not polled again.
                None => Poll::Pending,
            },
        }
    }

    /// Writes the line's result, and counts it in the summary.
    pub(super) fn write(self, outcome: LineOutcome, out: &mut Vec<u8>, summary: &mut Summary) {
        summary.lines += 1;
        let problem = match outcome {
            LineOutcome::Decided(Outcome::Appended(appended)) => {
                write_line(out, self.line, &self.stream, &appended);
                if appended.all_replayed() {
                    summary.replayed += 1;
                    self.metrics.events_replayed.inc();
                } else {
                    summary.appended += 1;
                    self.metrics.events_appended.inc();
                }
                return;
            }
            LineOutcome::Decided(Outcome::Refused(refusal)) => {
                self.metrics.commands_refused.inc();
                refusal::problem(&refusal, Target::Stream(&self.stream))
            }
            LineOutcome::Decided(other) => {
                tracing::error!(?other, "an append has an outcome of another command");
                Problem::new(api::Code::Internal, "the outcome is not one of an append")
            }
            LineOutcome::Unavailable(unavailable) => unavailable::problem(&unavailable),
            LineOutcome::Refused(problem) => problem,
        };
        summary.refused += 1;
        write_problem(out, self.line, &problem);
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.metrics.queue(Queue::LinesInFlight).depth.sub(1);
    }
}

/// `{"line":3,"problem":{...}}`
fn write_problem(out: &mut Vec<u8>, line: u64, problem: &Problem) {
    out.extend_from_slice(b"{\"line\":");
    api::json::write_number(out, line);
    out.push(b',');
    out.extend_from_slice(&problem_line(problem)[1..]);
}
