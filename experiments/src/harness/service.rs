//! A service to call: real HTTP on its own port, with workers, a queue in front of them, and several ways to fail.
//!
//! Its capacity depends on workers and sleep, never on this machine's processor: a worker that is behind begins its
//! next request at the moment when the last one was due to end, so a late timer costs no capacity. Like many real
//! services it does not notice that a client has left, and finishes the work anyway.

use super::SetupError;
use bytes::Bytes;
use http::StatusCode;
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::future::{Future, pending};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, oneshot, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, sleep, sleep_until};

/// The capacity of a service.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size {
    /// Requests that are processed at once.
    pub(crate) workers: u32,
    /// Requests that may wait for a worker. The next one gets a 503 at once.
    pub(crate) queue_max: u32,
}

/// How a service treats requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Condition {
    Healthy,
    /// Accepts requests, and works on none until it is healthy again.
    Paused,
    /// Accepts requests and never responds, neither to new ones nor to those that it is working on.
    Hanging,
    /// Aborts the requests that it is working on, and responds with 503.
    Down,
}

/// After a crash a service is cold: it can handle few concurrent requests at first, and more as it serves some.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ColdStart {
    /// Concurrent requests that it can handle right after the start. One more crashes it again.
    pub(crate) concurrent: u32,
    /// After this many served requests it can handle one more at once.
    pub(crate) served_for_one_more: u32,
    /// After this many served requests it is warm and handles any load.
    pub(crate) served_to_be_warm: u32,
    /// How long it is down after a crash.
    pub(crate) down_for: Duration,
}

/// A request that a worker begins.
#[derive(Debug)]
pub(crate) struct Started {
    pub(crate) path: String,
    /// From 0, in order of arrival.
    pub(crate) number: u64,
    pub(crate) at: Instant,
}

/// A response, and the moment when the worker was free again.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Finished {
    pub(crate) status: StatusCode,
    pub(crate) at: Instant,
}

impl Finished {
    pub(crate) fn now(status: StatusCode) -> Self {
        Self { status, at: Instant::now() }
    }
}

type Handling = Pin<Box<dyn Future<Output = Finished> + Send>>;
type Handler = Box<dyn Fn(Started) -> Handling + Send + Sync>;

/// A service. It stops when it is dropped.
pub(crate) struct Service {
    shared: Arc<Shared>,
    address: SocketAddr,
    accepting: JoinHandle<()>,
}

struct Shared {
    size: Size,
    cold_start: Option<ColdStart>,
    handler: Handler,
    process: Mutex<Arc<Process>>,
    hits: Mutex<Vec<Instant>>,
    hits_while_cold: AtomicU32,
    crashes: AtomicU32,
    tasks: Mutex<JoinSet<()>>,
}

/// A service from one start to the next. A restart brings new workers, and every request is forgotten.
struct Process {
    condition: watch::Sender<Condition>,
    workers: Semaphore,
    /// For each free worker, the moment since which it is free.
    free_since: Mutex<Vec<Instant>>,
    /// Requests that are being processed or wait for a worker.
    concurrent: AtomicU32,
    served: AtomicU32,
    began_cold: bool,
}

/// Whether a process starts after a crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Start {
    Warm,
    Cold,
}

impl Process {
    fn start(size: Size, start: Start) -> Arc<Self> {
        let now = Instant::now();
        Arc::new(Self {
            condition: watch::Sender::new(Condition::Healthy),
            workers: Semaphore::new(size.workers as usize),
            free_since: Mutex::new(vec![now; size.workers as usize]),
            concurrent: AtomicU32::new(0),
            served: AtomicU32::new(0),
            began_cold: start == Start::Cold,
        })
    }
}

/// Locks a mutex whose holders never panic. If one did, the data would still be valid.
pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Service {
    /// A service that takes some time for each request: `latency` says how long for the request of that number.
    pub(crate) async fn with_latency<F>(size: Size, latency: F) -> Result<Self, SetupError>
    where
        F: Fn(u64) -> Duration + Send + Sync + 'static,
    {
        Self::start(size, None, Self::sleeping(latency)).await
    }

    /// The same, but after a crash it starts cold.
    pub(crate) async fn with_cold_start<F>(
        size: Size,
        cold_start: ColdStart,
        latency: F,
    ) -> Result<Self, SetupError>
    where
        F: Fn(u64) -> Duration + Send + Sync + 'static,
    {
        Self::start(size, Some(cold_start), Self::sleeping(latency)).await
    }

    /// A service with its own handler, which may call another service.
    pub(crate) async fn with_handler<F, W>(size: Size, handler: F) -> Result<Self, SetupError>
    where
        F: Fn(Started) -> W + Send + Sync + 'static,
        W: Future<Output = Finished> + Send + 'static,
    {
        Self::start(size, None, Box::new(move |started| Box::pin(handler(started)))).await
    }

    fn sleeping<F>(latency: F) -> Handler
    where
        F: Fn(u64) -> Duration + Send + Sync + 'static,
    {
        Box::new(move |started| {
            let at = started.at + latency(started.number);
            Box::pin(async move {
                sleep_until(at).await;
                Finished { status: StatusCode::OK, at }
            })
        })
    }

    async fn start(size: Size, cold_start: Option<ColdStart>, handler: Handler) -> Result<Self, SetupError> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            size,
            cold_start,
            handler,
            process: Mutex::new(Process::start(size, Start::Warm)),
            hits: Mutex::default(),
            hits_while_cold: AtomicU32::new(0),
            crashes: AtomicU32::new(0),
            tasks: Mutex::default(),
        });
        let accepting = tokio::spawn(accept(listener, shared.clone()));
        Ok(Self { shared, address, accepting })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Changes the condition of the service. Requests in progress continue, unless it hangs or goes down: after
    /// either, it comes back as a new process.
    pub(crate) fn set(&self, condition: Condition) {
        let mut process = locked(&self.shared.process);
        let was = *process.condition.borrow();
        if condition == Condition::Healthy && matches!(was, Condition::Hanging | Condition::Down) {
            let start = if self.shared.cold_start.is_some() { Start::Cold } else { Start::Warm };
            *process = Process::start(self.shared.size, start);
        } else {
            process.condition.send_replace(condition);
        }
    }

    /// Crashes the service. It restarts by itself, cold.
    pub(crate) fn crash(&self) {
        let process = locked(&self.shared.process).clone();
        self.shared.crash(&process);
    }

    /// The moment when each request arrived.
    pub(crate) fn hits(&self) -> Vec<Instant> {
        locked(&self.shared.hits).clone()
    }

    /// Requests that arrived while the service was down or cold.
    pub(crate) fn hits_while_cold(&self) -> u32 {
        self.shared.hits_while_cold.load(Relaxed)
    }

    pub(crate) fn crashes(&self) -> u32 {
        self.shared.crashes.load(Relaxed)
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.accepting.abort();
        locked(&self.shared.tasks).abort_all();
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    // The connections are owned by this set, so they end with this task.
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((stream, _)) = accepted else { continue };
                connections.spawn(serve(stream, shared.clone()));
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve(stream: TcpStream, shared: Arc<Shared>) {
    // Small responses must not wait for each other. If the option cannot be set, they are only slower.
    let _ = stream.set_nodelay(true);
    let respond = service_fn(move |request: http::Request<Incoming>| {
        let shared = shared.clone();
        async move {
            let mut response = http::Response::new(Empty::<Bytes>::new());
            *response.status_mut() = shared.respond(request.uri().path().to_owned()).await?;
            Ok::<_, Aborted>(response)
        }
    });
    // A client may close its connection in any way; there is nothing to report.
    let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), respond).await;
}

/// The service went down while it was working on the request.
#[derive(Debug, thiserror::Error)]
#[error("the service went down")]
struct Aborted;

impl Shared {
    async fn respond(self: Arc<Self>, path: String) -> Result<StatusCode, Aborted> {
        let number = {
            let mut hits = locked(&self.hits);
            hits.push(Instant::now());
            hits.len() as u64 - 1
        };
        let process = locked(&self.process).clone();
        let condition = *process.condition.borrow();
        if condition == Condition::Hanging {
            return Ok(never(pending::<Infallible>().await));
        }
        let is_cold = condition == Condition::Down || self.is_cold(&process);
        self.hits_while_cold.fetch_add(u32::from(is_cold), Relaxed);
        let concurrent = process.concurrent.fetch_add(1, Relaxed) + 1;
        if condition != Condition::Down && is_cold && concurrent > self.concurrent_max(&process) {
            self.crash(&process);
        } else if condition == Condition::Down || concurrent > self.size.workers + self.size.queue_max {
            process.concurrent.fetch_sub(1, Relaxed);
            return Ok(StatusCode::SERVICE_UNAVAILABLE);
        }
        let (status, finished) = oneshot::channel();
        let work = self.clone().work(process.clone(), path, number, status);
        {
            let mut tasks = locked(&self.tasks);
            while tasks.try_join_next().is_some() {}
            tasks.spawn(work);
        }
        let mut condition = process.condition.subscribe();
        let lost = async {
            let lost = condition.wait_for(|is| matches!(is, Condition::Down | Condition::Hanging)).await;
            lost.map_or(Condition::Down, |condition| *condition)
        };
        tokio::select! {
            biased;
            lost = lost => match lost {
                Condition::Hanging => Ok(never(pending::<Infallible>().await)),
                _ => Err(Aborted),
            },
            status = finished => status.map_err(|_| Aborted),
        }
    }

    /// The worker's part, which continues after the client has left.
    async fn work(
        self: Arc<Self>,
        process: Arc<Process>,
        path: String,
        number: u64,
        status: oneshot::Sender<StatusCode>,
    ) {
        let arrived = Instant::now();
        let Ok(_worker) = process.workers.acquire().await else { return };
        let free_since = locked(&process.free_since).pop().unwrap_or(arrived);
        let mut at = arrived.max(free_since);
        let mut condition = process.condition.subscribe();
        if *condition.borrow() != Condition::Healthy {
            let _ = condition.wait_for(|is| *is == Condition::Healthy).await;
            at = Instant::now();
        }
        let finished = (self.handler)(Started { path, number, at }).await;
        locked(&process.free_since).push(finished.at);
        process.served.fetch_add(1, Relaxed);
        process.concurrent.fetch_sub(1, Relaxed);
        // The client may have left.
        let _ = status.send(finished.status);
    }

    fn is_cold(&self, process: &Process) -> bool {
        let served = process.served.load(Relaxed);
        process.began_cold && self.cold_start.is_some_and(|cold| served < cold.served_to_be_warm)
    }

    fn concurrent_max(&self, process: &Process) -> u32 {
        let served = process.served.load(Relaxed);
        self.cold_start.map_or(u32::MAX, |cold| cold.concurrent + served / cold.served_for_one_more.max(1))
    }

    fn crash(self: &Arc<Self>, process: &Process) {
        let Some(cold_start) = self.cold_start else { return };
        self.crashes.fetch_add(1, Relaxed);
        process.condition.send_replace(Condition::Down);
        let shared = self.clone();
        locked(&self.tasks).spawn(async move {
            sleep(cold_start.down_for).await;
            *locked(&shared.process) = Process::start(shared.size, Start::Cold);
        });
    }
}

fn never(value: Infallible) -> StatusCode {
    match value {}
}
