//! The thread that sends. Spans are sent together: when there are many, or a second after the first. A failed attempt is
//! repeated a few times, later each time, while the queue holds what comes in the meantime. Readings of metrics are not
//! repeated: the next ones say all that they said.

use crate::messages;
use crate::resource::Resource;
use crate::transport::{Endpoint, Headers, Protocol, Refused, Transport, Undelivered};
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant, SystemTime};
use telemetry::{ExportQueue, Exported, Metrics, RequestSpan, SampleRate};
use tokio::time::timeout;

/// The most spans of one message.
const BATCH_MAX: usize = 512;
/// How long a span waits for others.
const BATCH_TIME: Duration = Duration::from_secs(1);
/// The most time of one attempt.
const ATTEMPT_MAX: Duration = Duration::from_secs(10);
/// The pauses between the attempts to deliver spans.
const PAUSES: [Duration; 3] = [Duration::from_secs(1), Duration::from_secs(2), Duration::from_secs(4)];
/// How long a process that stops waits for the last message.
const STOP_MAX: Duration = Duration::from_secs(5);

/// Where telemetry goes, and whose it is.
#[derive(Clone, Debug)]
pub struct Options {
    pub endpoint: Endpoint,
    pub protocol: Protocol,
    pub headers: Headers,
    pub resource: Resource,
    /// Which requests without a caller's decision are recorded.
    pub rate: SampleRate,
}

/// A running thread that sends.
#[derive(Debug)]
pub struct Exporter {
    ended: Receiver<()>,
}

impl Exporter {
    /// Starts it. It ends when the last copy of the queue is dropped.
    ///
    /// # Errors
    /// The thread, or what it needs of the system, could not be started.
    pub fn start(options: Options, metrics: Arc<Metrics>) -> io::Result<(ExportQueue, Self)> {
        let (queue, waiting) = ExportQueue::new(options.rate, Arc::clone(&metrics));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        // Its pool of connections wants a runtime when it is made.
        let transport = {
            let _entered = runtime.enter();
            Transport::new(&options.endpoint, options.protocol, options.headers).map_err(io::Error::other)?
        };
        let (ending, ended) = mpsc::channel();
        let sender = Sender {
            runtime,
            transport,
            resource: options.resource,
            endpoint: options.endpoint,
            metrics,
            started: SystemTime::now(),
            spans_taken: None,
            metrics_taken: None,
        };
        thread::Builder::new().name("otlp".to_owned()).spawn(move || {
            sender.run(&waiting);
            drop(ending);
        })?;
        Ok((queue, Self { ended }))
    }

    /// Waits until what was in the queue is sent, but no longer than 5 s. Every copy of the queue must be dropped before.
    pub fn wait(self) {
        if self.ended.recv_timeout(STOP_MAX) == Err(RecvTimeoutError::Timeout) {
            tracing::warn!("the collector did not take the last spans and metrics in time");
        }
    }
}

/// What a collector may take or not, each for itself.
#[derive(Clone, Copy, Debug)]
enum Signal {
    Spans,
    Metrics,
}

struct Sender {
    runtime: tokio::runtime::Runtime,
    transport: Transport,
    resource: Resource,
    endpoint: Endpoint,
    metrics: Arc<Metrics>,
    /// About when the counters of this process were 0.
    started: SystemTime,
    /// Whether the last attempt with spans succeeded; `None` before the first.
    spans_taken: Option<bool>,
    /// The same for metrics.
    metrics_taken: Option<bool>,
}

impl Sender {
    fn run(mut self, waiting: &Receiver<Exported>) {
        let mut batch: Vec<RequestSpan> = Vec::new();
        let mut due: Option<Instant> = None;
        loop {
            let next = match due {
                None => waiting.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(due) => waiting.recv_timeout(due.saturating_duration_since(Instant::now())),
            };
            let ended = matches!(next, Err(RecvTimeoutError::Disconnected));
            match next {
                Ok(Exported::Request(span)) => {
                    due = due.or_else(|| Some(Instant::now() + BATCH_TIME));
                    batch.push(span);
                }
                Ok(Exported::Metrics { at, readings }) => {
                    let message = messages::metrics(&self.resource, &readings, self.started, at);
                    let sent = self.runtime.block_on(attempt(self.transport.metrics(message)));
                    let _ = self.note(Signal::Metrics, sent);
                }
                Err(_) => {}
            }
            if ended || batch.len() >= BATCH_MAX || due.is_some_and(|due| due <= Instant::now()) {
                self.deliver(&batch);
                batch.clear();
                due = None;
            }
            if ended {
                return;
            }
        }
    }

    fn deliver(&mut self, spans: &[RequestSpan]) {
        if spans.is_empty() {
            return;
        }
        let mut pauses = PAUSES.into_iter();
        let lost = loop {
            let message = messages::spans(&self.resource, spans);
            let sent = self.runtime.block_on(attempt(self.transport.spans(message)));
            match self.note(Signal::Spans, sent) {
                Ok(refused) => break refused.items,
                Err(Undelivered::Ever(_)) => break spans.len() as u64,
                Err(Undelivered::Now(_)) => match pauses.next() {
                    Some(pause) => thread::sleep(pause),
                    None => break spans.len() as u64,
                },
            }
        };
        self.metrics.export.spans_dropped.add(lost);
    }

    /// Counts a failure, and logs when the collector begins or ceases to take a signal.
    fn note(&mut self, signal: Signal, sent: Result<Refused, Undelivered>) -> Result<Refused, Undelivered> {
        let before = match signal {
            Signal::Spans => &mut self.spans_taken,
            Signal::Metrics => &mut self.metrics_taken,
        };
        let changed = before.replace(sent.is_ok()) != Some(sent.is_ok());
        match &sent {
            Ok(refused) if refused.items > 0 || !refused.why.is_empty() => {
                tracing::warn!(items = refused.items, why = refused.why, "the collector refused a part");
            }
            Ok(_) if changed => {
                tracing::info!(?signal, collector = %self.endpoint, "the collector takes spans or metrics");
            }
            Ok(_) => {}
            Err(error) => {
                self.metrics.export.failures.inc();
                if changed {
                    tracing::warn!(
                        ?signal,
                        collector = %self.endpoint,
                        %error,
                        "the collector does not take spans and metrics; the node goes on without"
                    );
                }
            }
        }
        sent
    }
}

async fn attempt(
    sending: impl Future<Output = Result<Refused, Undelivered>>,
) -> Result<Refused, Undelivered> {
    timeout(ATTEMPT_MAX, sending).await.unwrap_or_else(|_| {
        Err(Undelivered::Now(format!("the collector did not answer within {} s", ATTEMPT_MAX.as_secs())))
    })
}
