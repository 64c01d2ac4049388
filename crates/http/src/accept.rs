//! Accepts connections, up to a bound, until the server stops. An error on one connection does not affect the
//! others.

use crate::connection;
use crate::context::Context;
use crate::export;
use crate::options::HttpOptions;
use crate::router::Router;
use crate::routes;
use api::{Code, Problem};
use runtime::Handle;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use telemetry::{Metrics, Queue};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// Clients that are told at the same time that there are too many connections. Beyond this, sockets are just closed.
const REFUSALS_MAX: usize = 64;
/// The pause after a failed accept, most likely for lack of file descriptors, so that the loop does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Serves until `stop` resolves. Then accepts no more connections, ends subscriptions with a message, lets requests
/// in progress finish, and returns. The node must keep running until then.
///
/// The future is boxed so that this crate compiles what serves, and not once more for each program that calls it.
pub fn serve(
    listener: TcpListener,
    handle: Handle,
    options: HttpOptions,
    metrics: Arc<Metrics>,
    stop: impl Future<Output = ()> + Send + 'static,
) -> Pin<Box<dyn Future<Output = ()> + Send>> {
    Box::pin(serve_until(listener, handle, options, metrics, Box::pin(stop)))
}

async fn serve_until(
    listener: TcpListener,
    handle: Handle,
    options: HttpOptions,
    metrics: Arc<Metrics>,
    mut stop: Pin<Box<dyn Future<Output = ()> + Send>>,
) {
    let (stopping_in, stopping) = watch::channel(false);
    let context = Arc::new(Context::new(handle, metrics, options, stopping));
    let router = Router::new(&context);
    let exporting = context.options.export.clone().map(|it| {
        let context = Arc::clone(&context);
        tokio::spawn(export::metrics_for_ever(context, it))
    });
    let mut connections = JoinSet::new();
    let mut refusals = JoinSet::new();
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
                    context.metrics.queue(Queue::Connections).rejected.inc();
                    // Over TLS, telling it would take a handshake, which costs more than a connection.
                    if refusals.len() < REFUSALS_MAX && context.options.tls.is_none() {
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
    // An error only means that no connection is open.
    let _ = stopping_in.send(true);
    let finished = async { while connections.join_next().await.is_some() {} };
    if timeout(context.options.stop_time, finished).await.is_err() {
        tracing::warn!(connections = connections.len(), "requests in progress did not finish in time");
    }
    connections.shutdown().await;
    if let (Some(task), Some(export)) = (exporting, &context.options.export) {
        task.abort();
        // It ends with an error, which says that it was aborted.
        let _ = task.await;
        export.queue.metrics(routes::readings(&context).await);
    }
}

async fn counted(stream: TcpStream, context: Arc<Context>, router: Router) {
    let metrics = Arc::clone(&context.metrics);
    let _held = metrics.queue(Queue::Connections).depth.hold();
    connection::serve(stream, context, router).await;
}

async fn refuse(stream: TcpStream, connections_max: usize) {
    let detail = format!("the node already has {connections_max} connections");
    connection::refuse_with(stream, &Problem::new(Code::TooManyConnections, detail)).await;
}
