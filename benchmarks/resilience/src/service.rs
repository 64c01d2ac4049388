//! Services under a layer: one that is always ready and responds at once, so that only the layer is measured,
//! and one that yields once before it responds, so that it holds its permit while others run.

use crate::{Contest, Row, THREADS, race};
use std::future::{Ready, ready};
use std::hint::black_box;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tokio::runtime::{Builder, Runtime};
use tower::{Service, ServiceExt as _};

/// The error that is never returned here.
#[derive(Clone, Debug, thiserror::Error)]
#[error("failed")]
pub struct Failed;

/// Always ready, responds at once.
#[derive(Clone, Copy, Debug)]
pub struct Bare;

impl Service<()> for Bare {
    type Response = ();
    type Error = Failed;
    type Future = Ready<Result<(), Failed>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Failed>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, (): ()) -> Self::Future {
        ready(Ok(()))
    }
}

/// Always ready, lets other tasks run once before it responds.
#[derive(Clone, Copy, Debug)]
pub struct Yielding;

impl Service<()> for Yielding {
    type Response = ();
    type Error = Failed;
    type Future = Pin<Box<dyn Future<Output = Result<(), Failed>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Failed>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, (): ()) -> Self::Future {
        Box::pin(async {
            tokio::task::yield_now().await;
            Ok(())
        })
    }
}

/// A runtime on the calling thread.
///
/// # Panics
/// Panics if the system cannot provide a runtime.
#[must_use]
pub fn runtime() -> Runtime {
    match Builder::new_current_thread().enable_time().build() {
        Ok(runtime) => runtime,
        Err(error) => panic!("no runtime: {error}"),
    }
}

/// Makes that many calls, one after the other, each waiting for readiness first.
async fn calls<S>(mut service: S, count: u64) -> Duration
where
    S: Service<()>,
{
    let start = Instant::now();
    for _ in 0..count {
        let result = match service.ready().await {
            Ok(service) => service.call(()).await,
            Err(error) => Err(error),
        };
        assert!(black_box(result).is_ok(), "a layer rejected a call that it should have admitted");
    }
    start.elapsed()
}

impl Contest<'_> {
    /// On one thread with its own runtime.
    pub fn service_alone<S: Service<()>>(&mut self, row: Row, mut service: S) {
        let runtime = runtime();
        self.timed(row, 1, |iterations| runtime.block_on(calls(&mut service, iterations)));
    }

    /// On two threads, each with its own runtime and its own clone.
    pub fn service_together<S: Service<()> + Clone + Sync>(&mut self, row: Row, service: S) {
        self.timed(row, THREADS, |iterations| {
            race(THREADS, |start| {
                let runtime = runtime();
                let service = service.clone();
                start.wait();
                runtime.block_on(calls(service, iterations))
            })
        });
    }

    /// Both, with a layer whose state all clones share.
    pub fn service<S: Service<()> + Clone + Sync>(&mut self, row: Row, service: S) {
        self.service_alone(row, service.clone());
        self.service_together(row, service);
    }
}
