//! Matches requests to operations of the contract, by path and method.
//!
//! `axum` matches paths. Only appends to one stream are matched before it: they are the most frequent requests, and
//! the boxes of the router cost 2 µs each time. Both ways end in the same function.

use crate::activity::Activity;
use crate::buffers::WhenFull;
use crate::context::Context;
use crate::options::WebPage;
use crate::origin::Scheme;
use crate::response::{self, Response, ResponseBody};
use crate::routes;
use crate::ui;
use api::contract::Method;
use api::request::queue::queue_in_path;
use api::request::stream_in_path;
use api::{Code, Operation, Problem};
use axum::body::Body;
use axum::routing::{MethodFilter, MethodRouter, on};
use http::Request;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Instant;
use telemetry::{TraceId, TraceParent, spans};
use tower::ServiceExt as _;
use tracing::{Instrument as _, Level};

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
            if !paths.contains(&operation.path()) {
                paths.push(operation.path());
            }
        }
        for path in paths {
            axum = axum.route(path, at_path(context, path));
        }
        let context = Arc::clone(context);
        let axum = axum.fallback(move |request: axum::extract::Request| {
            let context = Arc::clone(&context);
            async move { elsewhere(&context, request).await.map(Body::new) }
        });
        Self { axum }
    }

    /// Responds to a request. `activity` is that of the connection, if it carries one request at a time. Nothing of the
    /// request is executed before its host and origin are known to be allowed.
    pub(crate) async fn respond(
        &self,
        context: &Arc<Context>,
        request: Request<Body>,
        scheme: Scheme,
        activity: Option<&Arc<Activity>>,
    ) -> Response {
        let begun = Instant::now();
        let admitted = match context.origins.admit(&request, scheme) {
            Ok(admitted) => admitted,
            Err(problem) => {
                tracing::debug!(%problem, "a request was refused");
                let response = response::problem(&problem);
                context.metrics_of(None).answered(response.status().as_u16(), begun.elapsed());
                return response;
            }
        };
        let response = if request.method() == http::Method::POST && is_stream_events(request.uri().path()) {
            run(context, Some(Operation::Append), request, "").await
        } else {
            self.routed(request, activity).await
        };
        context.origins.complete(admitted, response)
    }

    async fn routed(&self, mut request: Request<Body>, activity: Option<&Arc<Activity>>) -> Response {
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

/// Whether the path is `/v1/streams/{stream}/events`. An empty name matches too, and is refused as a name.
fn is_stream_events(path: &str) -> bool {
    let name = path.strip_prefix(STREAMS).and_then(|rest| rest.strip_suffix(EVENTS));
    name.is_some_and(|name| !name.contains('/'))
}

fn at_path(context: &Arc<Context>, path: &'static str) -> MethodRouter {
    let operations = Operation::ALL.iter().copied().filter(|operation| operation.path() == path);
    let mut methods = MethodRouter::new();
    let mut allowed = String::new();
    for operation in operations {
        let filter = match operation.method() {
            Method::Get => MethodFilter::GET,
            Method::Post => MethodFilter::POST,
            Method::Put => MethodFilter::PUT,
            Method::Delete => MethodFilter::DELETE,
        };
        let context = Arc::clone(context);
        let handler = move |request: axum::extract::Request| {
            let context = Arc::clone(&context);
            async move { run(&context, Some(operation), request, "").await.map(Body::new) }
        };
        methods = methods.merge(on(filter, handler));
        allowed.push_str(operation.method().as_str());
        allowed.push_str(if operation.method() == Method::Get { ", HEAD, " } else { ", " });
    }
    allowed.push_str("OPTIONS");
    let allowed: Arc<str> = allowed.into();
    let context = Arc::clone(context);
    methods.fallback(move |request: axum::extract::Request| {
        let (context, allowed) = (Arc::clone(&context), Arc::clone(&allowed));
        async move { run(&context, None, request, &allowed).await.map(Body::new) }
    })
}

/// Responds on a path that belongs to no operation: the page for browsers, if the node has it, or nothing.
async fn elsewhere(context: &Arc<Context>, request: axum::extract::Request) -> Response {
    if context.options.page == WebPage::Absent || !ui::is_page(request.uri().path()) {
        return run(context, None, request, "").await;
    }
    let begun = Instant::now();
    let response = ui::respond(&request).unwrap_or_else(|problem| response::problem(&problem));
    context.page.answered(response.status().as_u16(), begun.elapsed());
    response
}

/// Runs an operation in its span and counts the response. Without an operation, `allowed` lists the methods of the
/// path, if the path exists.
async fn run(
    context: &Arc<Context>,
    operation: Option<Operation>,
    request: Request<Body>,
    allowed: &str,
) -> Response {
    let begun = Instant::now();
    let parent = request.headers().get("traceparent").and_then(|value| value.to_str().ok());
    let parent: Option<TraceParent> = parent.and_then(|text| text.parse().ok());
    let trace_id = parent.map_or_else(TraceId::fresh, |parent| parent.trace_id);
    let (method, path) =
        operation.map_or(("*", "*"), |operation| (operation.method().as_str(), operation.path()));
    let span = || spans::request(method, path, trace_id);
    let result = match operation {
        // A successful append logs nothing, so its span would not be seen. The branch saves 1 µs.
        Some(Operation::Append) if !tracing::enabled!(target: spans::TARGET, Level::DEBUG) => {
            routes::respond(context, Operation::Append, request).await
        }
        Some(operation) => routes::respond(context, operation, request).instrument(span()).await,
        None => unmatched(&request, allowed),
    };
    let result = match (result, operation) {
        // Metrics are wanted most when no memory is free.
        (Ok(response), Some(operation)) if operation != Operation::Metrics => {
            context.buffers.count(response, when_full(operation)).await
        }
        (result, _) => result,
    };
    let response = result.unwrap_or_else(|problem| {
        let _entered = span().entered();
        if problem.status() == 500 {
            tracing::error!(%problem, "a request failed");
        } else {
            tracing::debug!(%problem, "a request was refused");
        }
        response::problem(&problem)
    });
    let (status, took) = (response.status().as_u16(), begun.elapsed());
    context.metrics_of(operation).answered(status, took);
    if let Some(export) = &context.options.export {
        export.request((parent, trace_id), (method, path), status, took);
    }
    response
}

/// What is only read is refused if no memory is free.
fn when_full(operation: Operation) -> WhenFull {
    if operation.method() == Method::Get { WhenFull::Refuse } else { WhenFull::Wait }
}

/// The response to a request without an operation.
fn unmatched<B>(request: &Request<B>, allowed: &str) -> response::Result {
    let path = request.uri().path();
    if path.starts_with("/v1/streams//") {
        stream_in_path("")?;
    }
    if path.starts_with("/v1/queues//") {
        queue_in_path("")?;
    }
    if allowed.is_empty() {
        return Err(Problem::new(Code::NotFound, format!("no route has the path `{path}`")));
    }
    if request.method() == http::Method::OPTIONS {
        return Ok(response::allow(response::no_content(), allowed));
    }
    let detail = format!("the path does not support `{}`; it supports {allowed}", request.method());
    Ok(response::allow(response::problem(&Problem::new(Code::MethodNotAllowed, detail)), allowed))
}
