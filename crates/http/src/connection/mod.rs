//! One connection, from its first byte to its last: its protocol, its time limits and its end.
//!
//! ```text
//!   TLS, if configured ─► sniff ─► HTTP/1.1 or HTTP/2 ─► requests ... ─► closed
//!                                   │        ▲                            ▲
//!                                   └─── checks its time limits ──────────┘ (idle, slow head, slow body, blocked write, stop)
//! ```

mod edge;
mod socket;

use crate::access::Peer;
use crate::activity::{Action, Activity, Timeouts};
use crate::body::RequestBody;
use crate::context::Context;
use crate::origin::Scheme;
use crate::response::{Response, ResponseBody};
use crate::router::Router;
use crate::tls::{self, PeerIdentity, Tls};
use api::{Code, Problem};
use axum::body::Body;
use bytes::Bytes;
use edge::{Edge, Rewrites};
use http::Request;
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use model::limits;
use socket::Socket;
use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep, timeout, timeout_at};

/// What hyper buffers per connection in each direction. One part of a streamed response comes on top.
const BUFFER_BYTES: usize = 64 << 10;
const STREAMS_MAX: u32 = 128;
const PING_EVERY: Duration = Duration::from_secs(20);
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// How long a client may take to close its side after the last response.
const CLOSE_WAIT: Duration = Duration::from_millis(500);
/// How long the server keeps reading from a refused client, so that the client can read the response.
const LINGER: Duration = Duration::from_secs(1);

/// What is known about the other side of a connection.
#[derive(Clone, Debug)]
struct Remote {
    peer: Peer,
    scheme: Scheme,
    /// Whom its certificate names, if clients have certificates.
    identity: Option<Arc<PeerIdentity>>,
}

impl Remote {
    /// Gives a request what its route may ask about the client.
    fn introduce<B>(&self, context: &Context, request: Request<B>) -> Request<B> {
        let mut request = context.access.from(self.peer, request);
        if let Some(identity) = &self.identity {
            request.extensions_mut().insert(Arc::clone(identity));
        }
        request
    }
}

/// Serves a connection until it ends.
pub(crate) async fn serve(stream: TcpStream, context: Arc<Context>, router: Router) {
    let peer = stream.peer_addr().map_or_else(|_| Peer::default(), |address| Peer::new(address.ip()));
    // Without it, small responses wait for the client's acknowledgement. A socket that refuses it is about to fail.
    let _ = stream.set_nodelay(true);
    let deadline = tokio::time::Instant::now() + context.options.head_time;
    match context.options.tls.clone() {
        None => {
            let remote = Remote { peer, scheme: Scheme::Http, identity: None };
            serve_socket(stream, remote, deadline, context, router).await;
        }
        // In a box, so that connections without TLS do not hold memory for it.
        Some(tls) => Box::pin(serve_tls(stream, peer, tls, deadline, context, router)).await,
    }
}

async fn serve_tls(
    stream: TcpStream,
    peer: Peer,
    tls: Arc<Tls>,
    deadline: tokio::time::Instant,
    context: Arc<Context>,
    router: Router,
) {
    let handshake = async {
        let mut first = [0; 1];
        match stream.peek(&mut first).await {
            Ok(1) if first[0] != tls::HANDSHAKE => {
                let detail = "the client sent HTTP without TLS to a port that takes HTTPS only";
                let problem = Problem::new(Code::HttpsRequired, detail);
                refuse(stream, &edge::raw_response(&problem)).await;
                None
            }
            Ok(1) => Some(tls.handshake(stream).await),
            Ok(_) | Err(_) => None,
        }
    };
    match timeout_at(deadline, handshake).await {
        Ok(Some(Ok((stream, identity)))) => {
            let remote = Remote { peer, scheme: Scheme::Https, identity };
            serve_socket(stream, remote, deadline, context, router).await;
        }
        Ok(Some(Err((error, stream)))) => {
            context.metrics.tls.handshakes_failed.inc();
            tracing::debug!(%error, "a TLS handshake failed");
            // TLS has told the client why.
            refuse(stream, &[]).await;
        }
        Ok(None) | Err(_) => context.metrics.tls.handshakes_failed.inc(),
    }
}

async fn serve_socket<S: Socket>(
    mut stream: S,
    remote: Remote,
    deadline: tokio::time::Instant,
    context: Arc<Context>,
    router: Router,
) {
    let prefix = match timeout_at(deadline, sniff(&mut stream)).await {
        Ok(Ok(prefix)) => prefix,
        Ok(Err(_)) | Err(_) => return,
    };
    if prefix == PREFACE {
        serve_http2(stream, prefix, remote, context, router).await;
    } else if prefix.first() == Some(&tls::HANDSHAKE) {
        let detail =
            "the client began TLS, and this port takes HTTP without TLS: use http:// instead of https://";
        refuse(stream, &edge::raw_response(&Problem::new(Code::BadRequest, detail))).await;
    } else {
        serve_http1(stream, prefix, remote, context, router).await;
    }
}

/// Reads until it is clear whether the client uses HTTP/2 with prior knowledge.
async fn sniff<S: Socket>(stream: &mut S) -> io::Result<Vec<u8>> {
    let mut prefix = vec![0; PREFACE.len()];
    let mut len = 0;
    while len < prefix.len() && prefix[..len] == PREFACE[..len] {
        match stream.read(&mut prefix[len..]).await? {
            0 => break,
            read => len += read,
        }
    }
    prefix.truncate(len);
    Ok(prefix)
}

async fn serve_http1<S: Socket>(
    stream: S,
    prefix: Vec<u8>,
    remote: Remote,
    context: Arc<Context>,
    router: Router,
) {
    let activity = Arc::new(Activity::default());
    let edge = Edge::new(stream, Arc::clone(&activity), prefix, Rewrites::Refusals);
    let service = service_fn(|request: Request<Incoming>| {
        activity.request_began();
        let (context, activity) = (&context, &activity);
        let (router, remote) = (&router, &remote);
        async move {
            let request =
                request.map(|body| Body::new(RequestBody::on_connection(body, Arc::clone(activity))));
            let request = remote.introduce(context, request);
            let response = router.respond(context, request, remote.scheme, Some(activity)).await;
            Ok::<_, Infallible>(Tracked::wrap(response, Arc::clone(activity)))
        }
    });
    let mut builder = http1::Builder::new();
    builder
        .half_close(true)
        .header_read_timeout(None)
        .max_buf_size(BUFFER_BYTES)
        .max_headers(limits::HEADERS_MAX)
        .max_header_size(limits::HEAD_BYTES_MAX);
    let connection = builder.serve_connection(TokioIo::new(edge), service);
    drive(connection, http1::Connection::graceful_shutdown, &activity, &context).await;
}

async fn serve_http2<S: Socket>(
    stream: S,
    prefix: Vec<u8>,
    remote: Remote,
    context: Arc<Context>,
    router: Router,
) {
    let activity = Arc::new(Activity::default());
    let edge = Edge::new(stream, Arc::clone(&activity), prefix, Rewrites::Nothing);
    let (wait, whole) = (context.options.body_wait, context.options.body_time);
    let service = service_fn(|request: Request<Incoming>| {
        activity.request_began();
        let (context, activity, router) = (Arc::clone(&context), Arc::clone(&activity), router.clone());
        let scheme = remote.scheme;
        let request = remote.introduce(&context, request);
        async move {
            let request = request.map(|body| Body::new(RequestBody::with_timer(body, wait, whole)));
            let response = router.respond(&context, request, scheme, None).await;
            Ok::<_, Infallible>(Tracked::wrap(response, activity))
        }
    });
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS_MAX)
        .max_header_list_size(limits::HEAD_BYTES_MAX as u32)
        .keep_alive_interval(PING_EVERY)
        .keep_alive_timeout(PING_EVERY);
    let connection = builder.serve_connection(TokioIo::new(edge), service);
    drive(connection, http2::Connection::graceful_shutdown, &activity, &context).await;
}

/// Polls a connection to its end, and checks its time limits periodically.
async fn drive<C: Future>(
    connection: C,
    graceful_shutdown: impl Fn(Pin<&mut C>),
    activity: &Activity,
    context: &Context,
) {
    let mut connection = pin!(connection);
    let every = context.options.check_every();
    let mut check = pin!(sleep(every));
    let mut timeouts = Timeouts::new(Instant::now());
    let mut stopping = context.stopping.clone();
    let mut stop = pin!(async move {
        // An error means that the server is gone, which has the same effect.
        let _ = stopping.wait_for(|stopping| *stopping).await;
    });
    let (mut stop_seen, mut close_seen) = (false, false);
    poll_fn(|task| {
        loop {
            if connection.as_mut().poll(task).is_ready() {
                return Poll::Ready(());
            }
            if !close_seen && activity.is_closing() {
                close_seen = true;
                reset(check.as_mut(), CLOSE_WAIT);
            }
            if !stop_seen && stop.as_mut().poll(task).is_ready() {
                stop_seen = true;
                graceful_shutdown(connection.as_mut());
                continue;
            }
            if check.as_mut().poll(task).is_pending() {
                return Poll::Pending;
            }
            reset(check.as_mut(), if close_seen { CLOSE_WAIT } else { every });
            match timeouts.check(activity, &context.options, Instant::now()) {
                Action::Continue | Action::ExpireBody => {}
                Action::FinishAndClose => graceful_shutdown(connection.as_mut()),
                Action::Close(why) => {
                    tracing::debug!(why, "closing a connection");
                    return Poll::Ready(());
                }
            }
        }
    })
    .await;
}

fn reset(sleep: Pin<&mut Sleep>, every: Duration) {
    sleep.reset(tokio::time::Instant::now() + every);
}

/// Tells a client why it is not served, and closes the connection.
pub(crate) async fn refuse_with(stream: TcpStream, problem: &Problem) {
    refuse(stream, &edge::raw_response(problem)).await;
}

/// Sends the last bytes, and closes the connection.
async fn refuse(mut stream: impl AsyncRead + AsyncWrite + Unpin, last: &[u8]) {
    let send = async {
        stream.write_all(last).await?;
        stream.shutdown().await?;
        // Closing with unread bytes would reset the connection before the client has read the response.
        let mut rest = [0; 4_096];
        while stream.read(&mut rest).await? > 0 {}
        io::Result::Ok(())
    };
    // Whether the client reads it is up to the client.
    let _ = timeout(LINGER, send).await;
}

/// A response body. The request ends when it is dropped.
#[derive(Debug)]
struct Tracked {
    body: ResponseBody,
    activity: Arc<Activity>,
}

impl Tracked {
    fn wrap(response: Response, activity: Arc<Activity>) -> http::Response<Self> {
        response.map(|body| Self { body, activity })
    }
}

impl Drop for Tracked {
    fn drop(&mut self) {
        self.activity.request_ended();
    }
}

impl http_body::Body for Tracked {
    type Data = Bytes;
    type Error = <ResponseBody as http_body::Body>::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
