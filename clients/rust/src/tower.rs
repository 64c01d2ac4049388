//! A layer for tower that asks a shared breaker before each call (feature `tower`).
//!
//! ```text
//!   request ─► permit ─► admitted ───────► inner service ─► response
//!                │                                            └─► outcome ─► recorder: the next batch, 1,000 at most
//!                ├─► rejected: an error, the inner service is not called
//!                └─► no answer in time: the inner service is called, nothing is recorded
//! ```
//!
//! For a breaker of one process, which asks nobody, use the layers of `mainstay-resilience`. Both can be stacked.

use crate::breakers::{Breaker, BreakerPermit, CallOutcome, Decision};
use std::error::Error as StdError;
use std::fmt;
use std::future::Future;
use std::mem::replace;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};
use tower_layer::Layer;
use tower_service::Service;

/// Any error, as in tower's own layers.
pub type BoxError = Box<dyn StdError + Send + Sync>;

/// For how long a call waits for the breaker's reply, unless [`BreakerLayer::ask_within`] says otherwise.
const ASK_WITHIN: Duration = Duration::from_secs(1);
/// How many outcomes one request records.
const RECORDS_MAX: usize = 1_000;
/// How many outcomes wait to be recorded. Later ones are lost.
const WAITING_MAX: usize = 10_000;

/// Asks a shared breaker before each call of a service, and records how the call went.
///
/// A call that the breaker does not admit fails with [`Rejected`](crate::Rejected), which `downcast_ref` finds. If the
/// breaker does not reply in time, the call is made: a breaker protects, and must not become one more thing that fails.
///
/// If the judge says `Ok`, the time that the call took is recorded with it. Outcomes are recorded in the background,
/// in batches: all that have come while the last batch was being recorded are in the next one. Outcomes that cannot
/// be recorded are lost. [`flush`](Self::flush) waits for those that are under way. All services that a layer makes,
/// and all clones of it, share a recorder. It needs the tokio runtime on which the services are called.
///
/// A call whose future is dropped says nothing about what was called. If it was a probe, the breaker hears of it at
/// once, and can let another call be the probe. A call that panics counts as failed, with the class `panic`.
///
/// ```no_run
/// use mainstay_client::tower::{BoxError, BreakerLayer};
/// use mainstay_client::{CallOutcome, Client, Rejected};
/// use tower::{Layer, ServiceExt, service_fn};
///
/// # async fn example(client: Client) {
/// let breaker = client.breaker("partner.example").worker("w-1");
/// let layer = BreakerLayer::new(breaker, |result: Result<&u16, &BoxError>| match result {
///     Ok(500..) => CallOutcome::Failed("5xx".into()),
///     Ok(_) => CallOutcome::Ok,
///     Err(_) => CallOutcome::Failed("connection".into()),
/// });
/// // In place of an HTTP client: a request is an order's number, a response a status.
/// let partner = layer.layer(service_fn(|_order: u32| async { Ok::<u16, BoxError>(200) }));
/// match partner.oneshot(17).await {
///     Ok(status) => println!("sent: {status}"),
///     Err(error) => match error.downcast_ref::<Rejected>() {
///         Some(rejected) => println!("not sent: {rejected}"),
///         None => println!("failed: {error}"),
///     },
/// }
/// layer.flush().await;
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct BreakerLayer<F> {
    asked: Asked,
    judge: F,
}

impl<F> BreakerLayer<F> {
    /// Creates a layer from a breaker, and a function that says how a call went from its result.
    pub fn new<Res>(breaker: Breaker, judge: F) -> Self
    where
        F: Fn(Result<&Res, &BoxError>) -> CallOutcome,
    {
        let recorder = Arc::new(Recorder { breaker: breaker.clone(), waiting: Mutex::default() });
        Self { asked: Asked { breaker, recorder, within: ASK_WITHIN }, judge }
    }

    /// For how long a call waits for the breaker's reply before it is made without one. The default is one second.
    #[must_use]
    pub const fn ask_within(mut self, within: Duration) -> Self {
        self.asked.within = within;
        self
    }

    /// Waits until the outcomes of all calls that have ended are recorded or lost: for the end of a program, and for
    /// tests.
    pub async fn flush(&self) {
        self.asked.recorder.flush().await;
    }
}

impl<S, F: Clone> Layer<S> for BreakerLayer<F> {
    type Service = WithBreaker<S, F>;

    fn layer(&self, inner: S) -> WithBreaker<S, F> {
        WithBreaker { inner, asked: self.asked.clone(), judge: self.judge.clone() }
    }
}

/// A service behind a shared breaker, created by a [`BreakerLayer`].
#[derive(Clone, Debug)]
pub struct WithBreaker<S, F> {
    inner: S,
    asked: Asked,
    judge: F,
}

impl<S, F, Request> Service<Request> for WithBreaker<S, F>
where
    S: Service<Request> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Response: Send + Sync + 'static,
    S::Error: Into<BoxError>,
    F: Fn(Result<&S::Response, &BoxError>) -> CallOutcome + Clone + Send + 'static,
    Request: Send + 'static,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, BoxError>> + Send>>;

    /// Takes no permit, because a service may be made ready and never called.
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        // The instance that was made ready is the one to call.
        let spare = self.inner.clone();
        let mut ready = replace(&mut self.inner, spare);
        let (asked, judge) = (self.asked.clone(), self.judge.clone());
        Box::pin(async move {
            let held = asked.permit().await?;
            let began = Instant::now();
            let result = ready.call(request).await.map_err(Into::into);
            if let Some(held) = held {
                held.ends(match judge(result.as_ref()) {
                    CallOutcome::Ok => CallOutcome::OkIn(began.elapsed()),
                    other => other,
                });
            }
            result
        })
    }
}

/// The breaker that is asked.
#[derive(Clone, Debug)]
struct Asked {
    breaker: Breaker,
    recorder: Arc<Recorder>,
    within: Duration,
}

impl Asked {
    /// A permit, or none if the breaker does not reply.
    async fn permit(&self) -> Result<Option<Held>, BoxError> {
        match tokio::time::timeout(self.within, self.breaker.permit()).await {
            Ok(Ok(Decision::Admitted(permit))) => {
                Ok(Some(Held { permit: Some(permit), recorder: Arc::clone(&self.recorder) }))
            }
            Ok(Ok(Decision::Rejected(rejected))) => Err(rejected.into()),
            Ok(Err(_)) | Err(_) => Ok(None),
        }
    }
}

/// The permit of a call that is being made.
#[derive(Debug)]
struct Held {
    permit: Option<BreakerPermit>,
    recorder: Arc<Recorder>,
}

impl Held {
    fn ends(mut self, outcome: CallOutcome) {
        if let Some(permit) = self.permit.take() {
            self.recorder.record(permit, outcome);
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let Some(permit) = self.permit.take() else { return };
        let outcome = if std::thread::panicking() {
            CallOutcome::Failed("panic".to_owned())
        } else {
            CallOutcome::Ignored
        };
        self.recorder.record(permit, outcome);
    }
}

/// Records outcomes in the background.
struct Recorder {
    breaker: Breaker,
    /// To the task that records; `None` before the first outcome.
    waiting: Mutex<Option<mpsc::Sender<Message>>>,
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorder").field("breaker", &self.breaker).finish_non_exhaustive()
    }
}

enum Message {
    Ended(BreakerPermit, CallOutcome),
    Flush(oneshot::Sender<()>),
}

impl Recorder {
    fn record(&self, permit: BreakerPermit, outcome: CallOutcome) {
        // What says nothing need not be said, except by a probe, whose place another call can have.
        if outcome == CallOutcome::Ignored && !permit.is_probe() {
            return;
        }
        if let Some(waiting) = self.waiting() {
            drop(waiting.try_send(Message::Ended(permit, outcome)));
        }
    }

    async fn flush(&self) {
        let (flushed, done) = oneshot::channel();
        if let Some(waiting) = self.waiting()
            && waiting.send(Message::Flush(flushed)).await.is_ok()
        {
            drop(done.await);
        }
    }

    /// The way to the task, which is started if there is none, or if its runtime has ended. `None` outside a runtime.
    fn waiting(&self) -> Option<mpsc::Sender<Message>> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(waiting) = waiting.as_ref().filter(|waiting| !waiting.is_closed()) {
            return Some(waiting.clone());
        }
        let runtime = Handle::try_current().ok()?;
        let (sender, received) = mpsc::channel(WAITING_MAX);
        runtime.spawn(record_all(self.breaker.clone(), received));
        *waiting = Some(sender.clone());
        Some(sender)
    }
}

/// Records what comes, in batches, until nothing can come any more.
async fn record_all(breaker: Breaker, mut received: mpsc::Receiver<Message>) {
    let mut batch = Vec::new();
    while received.recv_many(&mut batch, RECORDS_MAX).await > 0 {
        let (mut ended, mut flushed) = (Vec::new(), Vec::new());
        for message in batch.drain(..) {
            match message {
                Message::Ended(permit, outcome) => ended.push((permit, outcome)),
                Message::Flush(done) => flushed.push(done),
            }
        }
        if !ended.is_empty() {
            let outcomes = ended.iter().map(|(permit, outcome)| (permit, outcome.clone()));
            // The client has retried. What cannot be recorded is lost.
            drop(breaker.record_all(outcomes).await);
        }
        for done in flushed {
            let _ = done.send(());
        }
    }
}
