//! A service to be called: real HTTP on a port of its own, with workers, a line before them, and ways to be ill.
//!
//! Its capacity is workers and sleep, never this machine's processor: a worker that is behind begins its next
//! request at the moment when the last one was due to end, so that a late timer takes nothing from the capacity.
//! Like many a real one it does not notice that a client has left, and works on for nobody.

use super::Trouble;
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

/// What a service is made of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size {
    /// How many requests are worked on at once.
    pub(crate) workers: u32,
    /// How many more may wait; the next is answered 503 at once.
    pub(crate) queue_max: u32,
}

/// What becomes of requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Condition {
    Well,
    /// Takes requests and does not work on them until it is well again.
    Paused,
    /// Takes requests and never answers them: neither these nor those that were in it.
    Silent,
    /// Breaks off what was in it, and answers 503.
    Down,
}

/// After a crash a service is weak: it bears few requests at once, and more as it has served some.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Weakness {
    /// Requests in it at once that it bears at first; one more and it crashes again.
    pub(crate) bears: u32,
    /// It bears one more for each so many it has served.
    pub(crate) served_for_one_more: u32,
    /// It is well after so many.
    pub(crate) served_to_be_well: u32,
    /// How long it is down when it crashes.
    pub(crate) down_for: Duration,
}

/// A request as a worker begins it.
#[derive(Debug)]
pub(crate) struct Begun {
    pub(crate) path: String,
    /// From 0, in the order in which they came.
    pub(crate) number: u64,
    pub(crate) at: Instant,
}

/// An answer, and when the worker was free again.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Done {
    pub(crate) status: StatusCode,
    pub(crate) at: Instant,
}

impl Done {
    pub(crate) fn now(status: StatusCode) -> Self {
        Self { status, at: Instant::now() }
    }
}

type Working = Pin<Box<dyn Future<Output = Done> + Send>>;
type Work = Box<dyn Fn(Begun) -> Working + Send + Sync>;

/// A service. It stops when it is dropped.
pub(crate) struct Service {
    shared: Arc<Shared>,
    address: SocketAddr,
    accepting: JoinHandle<()>,
}

struct Shared {
    size: Size,
    weakness: Option<Weakness>,
    work: Work,
    life: Mutex<Arc<Life>>,
    hits: Mutex<Vec<Instant>>,
    hits_while_weak: AtomicU32,
    crashes: AtomicU32,
    tasks: Mutex<JoinSet<()>>,
}

/// A service from its start to its end: a restart has new workers, and knows nothing of what was before.
struct Life {
    condition: watch::Sender<Condition>,
    workers: Semaphore,
    /// Since when each free worker is free.
    free_since: Mutex<Vec<Instant>>,
    inside: AtomicU32,
    served: AtomicU32,
    is_weak: bool,
}

impl Life {
    fn begin(size: Size, is_weak: bool) -> Arc<Self> {
        let now = Instant::now();
        Arc::new(Self {
            condition: watch::Sender::new(Condition::Well),
            workers: Semaphore::new(size.workers as usize),
            free_since: Mutex::new(vec![now; size.workers as usize]),
            inside: AtomicU32::new(0),
            served: AtomicU32::new(0),
            is_weak,
        })
    }
}

/// A lock whose holders never panic; if one did, the data would still be good.
pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Service {
    /// A service whose work is to take time: as long as `takes` says for the request of that number.
    pub(crate) async fn that_takes<F>(size: Size, takes: F) -> Result<Self, Trouble>
    where
        F: Fn(u64) -> Duration + Send + Sync + 'static,
    {
        Self::start(size, None, Self::sleeping(takes)).await
    }

    /// The same, and weak after a crash.
    pub(crate) async fn that_is_frail<F>(size: Size, weakness: Weakness, takes: F) -> Result<Self, Trouble>
    where
        F: Fn(u64) -> Duration + Send + Sync + 'static,
    {
        Self::start(size, Some(weakness), Self::sleeping(takes)).await
    }

    /// A service that does whatever it is told, such as asking another.
    pub(crate) async fn that_does<F, W>(size: Size, work: F) -> Result<Self, Trouble>
    where
        F: Fn(Begun) -> W + Send + Sync + 'static,
        W: Future<Output = Done> + Send + 'static,
    {
        Self::start(size, None, Box::new(move |begun| Box::pin(work(begun)))).await
    }

    fn sleeping<F>(takes: F) -> Work
    where
        F: Fn(u64) -> Duration + Send + Sync + 'static,
    {
        Box::new(move |begun| {
            let at = begun.at + takes(begun.number);
            Box::pin(async move {
                sleep_until(at).await;
                Done { status: StatusCode::OK, at }
            })
        })
    }

    async fn start(size: Size, weakness: Option<Weakness>, work: Work) -> Result<Self, Trouble> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            size,
            weakness,
            work,
            life: Mutex::new(Life::begin(size, false)),
            hits: Mutex::default(),
            hits_while_weak: AtomicU32::new(0),
            crashes: AtomicU32::new(0),
            tasks: Mutex::default(),
        });
        let accepting = tokio::spawn(accept(listener, shared.clone()));
        Ok(Self { shared, address, accepting })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Makes it ill, or well. What it has in it goes on, unless it is silent or down: from these it comes back as
    /// a new one.
    pub(crate) fn set(&self, condition: Condition) {
        let mut life = locked(&self.shared.life);
        let was = *life.condition.borrow();
        if condition == Condition::Well && matches!(was, Condition::Silent | Condition::Down) {
            *life = Life::begin(self.shared.size, self.shared.weakness.is_some());
        } else {
            life.condition.send_replace(condition);
        }
    }

    /// Crashes it: it comes back by itself, weak.
    pub(crate) fn crash(&self) {
        let life = locked(&self.shared.life).clone();
        self.shared.crash(&life);
    }

    /// When each request came.
    pub(crate) fn hits(&self) -> Vec<Instant> {
        locked(&self.shared.hits).clone()
    }

    /// Requests that came while it was weak or down.
    pub(crate) fn hits_while_weak(&self) -> u32 {
        self.shared.hits_while_weak.load(Relaxed)
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
    // Owned here: they end with this task.
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
    // Small answers must not wait for each other; if it cannot be set, they are only slower.
    let _ = stream.set_nodelay(true);
    let answer = service_fn(move |request: http::Request<Incoming>| {
        let shared = shared.clone();
        async move {
            let mut response = http::Response::new(Empty::<Bytes>::new());
            *response.status_mut() = shared.answer(request.uri().path().to_owned()).await?;
            Ok::<_, BrokenOff>(response)
        }
    });
    // A connection ends as its client likes; there is nobody to tell.
    let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), answer).await;
}

/// The service is gone in the midst of a request.
#[derive(Debug, thiserror::Error)]
#[error("broken off")]
struct BrokenOff;

impl Shared {
    async fn answer(self: Arc<Self>, path: String) -> Result<StatusCode, BrokenOff> {
        let number = {
            let mut hits = locked(&self.hits);
            hits.push(Instant::now());
            hits.len() as u64 - 1
        };
        let life = locked(&self.life).clone();
        let condition = *life.condition.borrow();
        if condition == Condition::Silent {
            return Ok(silence(pending::<Infallible>().await));
        }
        let is_weak = condition == Condition::Down || self.is_weak(&life);
        self.hits_while_weak.fetch_add(u32::from(is_weak), Relaxed);
        let inside = life.inside.fetch_add(1, Relaxed) + 1;
        if condition != Condition::Down && is_weak && inside > self.bears(&life) {
            self.crash(&life);
        } else if condition == Condition::Down || inside > self.size.workers + self.size.queue_max {
            life.inside.fetch_sub(1, Relaxed);
            return Ok(StatusCode::SERVICE_UNAVAILABLE);
        }
        let (answer, answered) = oneshot::channel();
        let working = self.clone().work(life.clone(), path, number, answer);
        {
            let mut tasks = locked(&self.tasks);
            while tasks.try_join_next().is_some() {}
            tasks.spawn(working);
        }
        let mut condition = life.condition.subscribe();
        let is_over = async {
            let over = condition.wait_for(|is| matches!(is, Condition::Down | Condition::Silent)).await;
            over.map_or(Condition::Down, |condition| *condition)
        };
        tokio::select! {
            biased;
            over = is_over => match over {
                Condition::Silent => Ok(silence(pending::<Infallible>().await)),
                _ => Err(BrokenOff),
            },
            status = answered => status.map_err(|_| BrokenOff),
        }
    }

    /// A worker's part, which goes on when the client has left.
    async fn work(
        self: Arc<Self>,
        life: Arc<Life>,
        path: String,
        number: u64,
        answer: oneshot::Sender<StatusCode>,
    ) {
        let came = Instant::now();
        let Ok(_worker) = life.workers.acquire().await else { return };
        let free_since = locked(&life.free_since).pop().unwrap_or(came);
        let mut begins = came.max(free_since);
        let mut condition = life.condition.subscribe();
        if *condition.borrow() != Condition::Well {
            let _ = condition.wait_for(|is| *is == Condition::Well).await;
            begins = Instant::now();
        }
        let done = (self.work)(Begun { path, number, at: begins }).await;
        locked(&life.free_since).push(done.at);
        life.served.fetch_add(1, Relaxed);
        life.inside.fetch_sub(1, Relaxed);
        // Nobody may be there to hear it.
        let _ = answer.send(done.status);
    }

    fn is_weak(&self, life: &Life) -> bool {
        let served = life.served.load(Relaxed);
        life.is_weak && self.weakness.is_some_and(|weakness| served < weakness.served_to_be_well)
    }

    fn bears(&self, life: &Life) -> u32 {
        let served = life.served.load(Relaxed);
        self.weakness
            .map_or(u32::MAX, |weakness| weakness.bears + served / weakness.served_for_one_more.max(1))
    }

    fn crash(self: &Arc<Self>, life: &Life) {
        let Some(weakness) = self.weakness else { return };
        self.crashes.fetch_add(1, Relaxed);
        life.condition.send_replace(Condition::Down);
        let shared = self.clone();
        locked(&self.tasks).spawn(async move {
            sleep(weakness.down_for).await;
            *locked(&shared.life) = Life::begin(shared.size, true);
        });
    }
}

fn silence(never: Infallible) -> StatusCode {
    match never {}
}
