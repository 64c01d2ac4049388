//! Paths and methods: which operation a request asks for, and what to say when there is none.
//!
//! `axum` matches paths. One route is matched before it: an append of one event is the request that this
//! server is asked most, and the router's boxes cost it 2 µs; both ways end in the same function.

use crate::activity::Activity;
use crate::context::Context;
use crate::response::{self, Response, ResponseBody};
use crate::routes;
use api::{Code, Problem};
use axum::routing::{MethodFilter, MethodRouter, on};
use bytes::Bytes;
use http::header::HOST;
use http::{HeaderMap, Method, Request, Version};
use http_body::Body;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Instant;
use telemetry::{TraceId, TraceParent, spans};
use tower::ServiceExt as _;
use tracing::{Instrument as _, Level};

macro_rules! operations {
    ($($(#[$doc:meta])* $name:ident = $method:literal $path:literal;)*) => {
        /// What can be asked for.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Operation {
            $($(#[$doc])* $name,)*
        }

        impl Operation {
            pub(crate) const ALL: &[Self] = &[$(Self::$name),*];

            pub(crate) const fn method(self) -> &'static str {
                match self { $(Self::$name => $method,)* }
            }

            /// With its parameters in braces.
            pub(crate) const fn path(self) -> &'static str {
                match self { $(Self::$name => $path,)* }
            }
        }
    };
}

operations! {
    Append = "POST" "/v1/streams/{stream}/events";
    ReadStream = "GET" "/v1/streams/{stream}/events";
    DeleteStream = "DELETE" "/v1/streams/{stream}";
    GetSettings = "GET" "/v1/streams/{stream}/settings";
    PutSettings = "PUT" "/v1/streams/{stream}/settings";
    ListStreams = "GET" "/v1/streams";
    AppendLines = "POST" "/v1/events";
    ReadStore = "GET" "/v1/events";
    Transact = "POST" "/v1/transactions";
    Live = "GET" "/livez";
    Ready = "GET" "/readyz";
    Metrics = "GET" "/metrics";
    OpenApi = "GET" "/v1/openapi.json";
    Errors = "GET" "/v1/errors";
    /// Everything that is not there.
    Unmatched = "*" "*";
}

const STREAMS: &str = "/v1/streams/";
const EVENTS: &str = "/events";

/// Finds the operation and runs it. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Router {
    axum: axum::Router,
}

impl Router {
    pub(crate) fn new(context: &Arc<Context>) -> Self {
        let mut axum = axum::Router::new();
        let mut paths: Vec<&'static str> = Vec::new();
        for operation in Operation::ALL {
            if *operation != Operation::Unmatched && !paths.contains(&operation.path()) {
                paths.push(operation.path());
            }
        }
        for path in paths {
            axum = axum.route(path, at_path(context, path));
        }
        let context = Arc::clone(context);
        let axum = axum.fallback(move |request: axum::extract::Request| {
            let context = Arc::clone(&context);
            async move { run(&context, Operation::Unmatched, request, "").await.map(axum::body::Body::new) }
        });
        Self { axum }
    }

    /// Responds to a request. `activity` is that of the connection, if it carries one request at a time.
    pub(crate) async fn respond<B>(
        &self,
        context: &Arc<Context>,
        mut request: Request<B>,
        activity: Option<&Arc<Activity>>,
    ) -> Response
    where
        B: Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: std::error::Error + Send + Sync + 'static,
    {
        if request.version() <= Version::HTTP_11
            && let Err(problem) = check_host(request.version(), request.headers())
        {
            return response::problem(&problem);
        }
        if request.method() == Method::POST && is_stream_events(request.uri().path()) {
            return run(context, Operation::Append, request, "").await;
        }
        if let Some(activity) = activity {
            request.extensions_mut().insert(Arc::clone(activity));
        }
        let response: Result<_, Infallible> = self.axum.clone().oneshot(request).await;
        match response {
            Ok(response) => response.map(ResponseBody::Routed),
            Err(never) => match never {},
        }
    }
}

/// RFC 9112, section 3.2: one `Host`, and in HTTP/1.0 none is as good.
fn check_host(version: Version, headers: &HeaderMap) -> response::Result<()> {
    let mut hosts = headers.get_all(HOST).iter();
    match (hosts.next(), hosts.next()) {
        (None, _) if version == Version::HTTP_11 => {
            Err(Problem::new(Code::BadRequest, "HTTP/1.1 needs a `Host` header"))
        }
        (Some(_), Some(_)) => {
            Err(Problem::new(Code::DuplicateHeader, "`host` is there twice").header("host"))
        }
        _ => Ok(()),
    }
}

/// `/v1/streams/{stream}/events`, also with an empty name, which is then refused as one.
fn is_stream_events(path: &str) -> bool {
    let name = path.strip_prefix(STREAMS).and_then(|rest| rest.strip_suffix(EVENTS));
    name.is_some_and(|name| !name.contains('/'))
}

/// The segment of the path that names a stream.
pub(crate) fn stream_segment(path: &str) -> &str {
    path.strip_prefix(STREAMS).and_then(|rest| rest.split('/').next()).unwrap_or_default()
}

fn at_path(context: &Arc<Context>, path: &'static str) -> MethodRouter {
    let operations = Operation::ALL.iter().copied().filter(|operation| operation.path() == path);
    let mut methods = MethodRouter::new();
    let mut allowed = String::new();
    for operation in operations {
        let filter = match operation.method() {
            "GET" => MethodFilter::GET,
            "POST" => MethodFilter::POST,
            "PUT" => MethodFilter::PUT,
            _ => MethodFilter::DELETE,
        };
        let context = Arc::clone(context);
        let handler = move |request: axum::extract::Request| {
            let context = Arc::clone(&context);
            async move { run(&context, operation, request, "").await.map(axum::body::Body::new) }
        };
        methods = methods.merge(on(filter, handler));
        allowed.push_str(operation.method());
        allowed.push_str(if operation.method() == "GET" { ", HEAD, " } else { ", " });
    }
    allowed.push_str("OPTIONS");
    let allowed: Arc<str> = allowed.into();
    let context = Arc::clone(context);
    methods.fallback(move |request: axum::extract::Request| {
        let (context, allowed) = (Arc::clone(&context), Arc::clone(&allowed));
        async move { run(&context, Operation::Unmatched, request, &allowed).await.map(axum::body::Body::new) }
    })
}

/// Runs an operation under its span, and counts its answer. `allowed` are the methods of the path of an
/// unmatched request, if there is such a path.
async fn run<B>(context: &Arc<Context>, operation: Operation, request: Request<B>, allowed: &str) -> Response
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: std::error::Error + Send + Sync + 'static,
{
    let begun = Instant::now();
    let parent = request.headers().get("traceparent").and_then(|value| value.to_str().ok());
    let trace_id = parent
        .and_then(|text| text.parse().ok())
        .map_or_else(TraceId::fresh, |parent: TraceParent| parent.trace_id);
    let span = || spans::request(operation.method(), operation.path(), trace_id);
    let result = match operation {
        // An append that goes well writes no line, so nobody would see the span: 1 µs is worth the branch.
        Operation::Append if !tracing::enabled!(target: spans::TARGET, Level::DEBUG) => {
            routes::respond(context, operation, request, allowed).await
        }
        _ => routes::respond(context, operation, request, allowed).instrument(span()).await,
    };
    let response = result.unwrap_or_else(|problem| {
        let _entered = span().entered();
        if problem.status() == 500 {
            tracing::error!(%problem, "a request failed");
        } else {
            tracing::debug!(%problem, "a request is refused");
        }
        response::problem(&problem)
    });
    context.metrics_of(operation).answered(response.status().as_u16(), begun.elapsed());
    response
}
