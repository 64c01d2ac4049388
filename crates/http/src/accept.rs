//! The loop that takes connections: up to a bound, and until it is told to stop. No error of one connection
//! ends it.

use crate::connection;
use crate::context::Context;
use crate::options::HttpOptions;
use crate::router::Router;
use api::{Code, Problem};
use runtime::Handle;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use telemetry::{Metrics, Queue};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// Clients told at once that there are too many; more are closed without a word.
const REFUSALS_MAX: usize = 64;
/// After a failed accept (most likely out of descriptors), so that the loop does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Serves until `stop` resolves; then takes no more connections, tells subscribers, lets requests in flight
/// finish, and returns. The node must go on running until then.
pub async fn serve(
    listener: TcpListener,
    handle: Handle,
    options: HttpOptions,
    metrics: Arc<Metrics>,
    stop: impl Future<Output = ()>,
) {
    let (stopping_in, stopping) = watch::channel(false);
    let context = Arc::new(Context::new(handle, metrics, options, stopping));
    let router = Router::new(&context);
    let mut connections = JoinSet::new();
    let mut refusals = JoinSet::new();
    let mut stop = pin!(stop);
    loop {
        tokio::select! {
            biased;
            () = &mut stop => break,
            Some(_) = connections.join_next() => {}
            Some(_) = refusals.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) if connections.len() < context.options.connections_max => {
                    connections.spawn(counted(stream, Arc::clone(&context), router.clone()));
                }
                Ok((stream, _)) => {
                    context.metrics.queue(Queue::Connections).refused.inc();
                    if refusals.len() < REFUSALS_MAX {
                        refusals.spawn(refuse(stream, context.options.connections_max));
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
    drop(listener);
    // Nobody listening is no reason not to stop.
    let _ = stopping_in.send(true);
    let finished = async { while connections.join_next().await.is_some() {} };
    if timeout(context.options.stop_time, finished).await.is_err() {
        tracing::warn!(connections = connections.len(), "requests in flight did not finish in time");
    }
    connections.shutdown().await;
}

async fn counted(stream: TcpStream, context: Arc<Context>, router: Router) {
    let metrics = Arc::clone(&context.metrics);
    let _held = metrics.queue(Queue::Connections).depth.hold();
    connection::serve(stream, context, router).await;
}

async fn refuse(stream: TcpStream, connections_max: usize) {
    let detail = format!("the node holds {connections_max} connections already");
    connection::refuse(stream, &Problem::new(Code::TooManyConnections, detail)).await;
}
