//! A real hyper client in front of a real axum server, and a guard in front of an axum route.

use super::{permits, retrying, tripping};
use axum::Router;
use axum::error_handling::HandleErrorLayer;
use axum::extract::State;
use axum::http::{HeaderMap, Request, StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::any;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use mainstay_resilience::Reason;
use mainstay_resilience::guard::{CallRejected, Policy};
use mainstay_resilience::tower::{BoxError, GuardLayer, HttpRules, TimedOut};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tokio::sync::Semaphore;
use tower::{Service, ServiceBuilder, ServiceExt};

#[derive(Clone, Debug)]
struct Seen {
    requests: Arc<AtomicU32>,
    gate: Arc<Semaphore>,
}

/// Responds as the path says.
async fn respond(
    State(seen): State<Seen>,
    headers: HeaderMap,
    request: axum::extract::Request,
) -> impl IntoResponse {
    let number = seen.requests.fetch_add(1, Ordering::SeqCst) + 1;
    let deadline =
        headers.get("x-deadline-ms").and_then(|value| value.to_str().ok()).unwrap_or("none").to_owned();
    match request.uri().path() {
        "/down" => (StatusCode::INTERNAL_SERVER_ERROR, HeaderMap::new(), String::new()),
        "/missing" => (StatusCode::NOT_FOUND, HeaderMap::new(), String::new()),
        "/third" if number < 3 => (StatusCode::SERVICE_UNAVAILABLE, HeaderMap::new(), String::new()),
        "/busy" if number == 1 => {
            let headers = HeaderMap::from_iter([(header::RETRY_AFTER, "1".parse().unwrap())]);
            (StatusCode::TOO_MANY_REQUESTS, headers, String::new())
        }
        "/wait" => {
            let _permit = seen.gate.acquire().await;
            (StatusCode::OK, HeaderMap::new(), "waited".into())
        }
        "/deadline" => (StatusCode::OK, HeaderMap::new(), deadline),
        _ => (StatusCode::OK, HeaderMap::new(), number.to_string()),
    }
}

async fn serve(router: Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("http://{address}")
}

async fn server() -> (String, Seen) {
    let seen = Seen { requests: Arc::default(), gate: Arc::new(Semaphore::new(0)) };
    (serve(Router::new().fallback(any(respond)).with_state(seen.clone())).await, seen)
}

fn request(method: &str, url: &str, path: &str) -> Request<Full<Bytes>> {
    Request::builder().method(method).uri(format!("{url}{path}")).body(Full::default()).unwrap()
}

type CallResult = Result<(StatusCode, String), BoxError>;

/// A client behind a policy.
fn client(policy: Policy) -> impl AsyncFn(Request<Full<Bytes>>) -> CallResult {
    let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    let layer = GuardLayer::from_policy("server", policy, HttpRules::default()).unwrap();
    let service = ServiceBuilder::new().layer(layer).service(client);
    async move |request| {
        let mut service = service.clone();
        let response = service.ready().await?.call(request).await?;
        let status = response.status();
        let body = response.into_body().collect().await?.to_bytes();
        Ok((status, String::from_utf8_lossy(&body).into_owned()))
    }
}

#[tokio::test]
async fn a_5xx_is_a_failure_a_404_is_not_and_an_open_breaker_spares_the_server() {
    let (url, seen) = server().await;
    let call = client(Policy::new().breaker(tripping()));
    for _ in 0..5 {
        assert_eq!(call(request("GET", &url, "/missing")).await.unwrap().0, StatusCode::NOT_FOUND);
    }
    for _ in 0..2 {
        assert_eq!(call(request("GET", &url, "/down")).await.unwrap().0, StatusCode::INTERNAL_SERVER_ERROR);
    }
    let error = call(request("GET", &url, "/fine")).await.unwrap_err();
    let rejected = error.downcast_ref::<CallRejected>().expect("a rejection");
    assert_eq!((rejected.reason, &*rejected.guard), (Reason::BreakerOpen, "server"));
    assert_eq!(seen.requests.load(Ordering::SeqCst), 7);
}

#[tokio::test]
async fn a_connection_that_is_refused_is_a_failure() {
    let call = client(Policy::new().breaker(tripping()));
    // Nothing listens on the port of a listener that was just dropped.
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for _ in 0..2 {
        assert!(
            call(request("GET", &format!("http://{gone}"), "/"))
                .await
                .unwrap_err()
                .downcast_ref::<CallRejected>()
                .is_none()
        );
    }
    assert!(call(request("GET", &format!("http://{gone}"), "/")).await.unwrap_err().is::<CallRejected>());
}

#[tokio::test]
async fn a_get_is_retried_and_a_post_only_with_a_key() {
    for (method, key, expected) in [
        ("GET", false, (StatusCode::OK, 3)),
        ("POST", false, (StatusCode::SERVICE_UNAVAILABLE, 1)),
        ("POST", true, (StatusCode::OK, 3)),
    ] {
        let (url, seen) = server().await;
        let call = client(Policy::new().retry(retrying()));
        let mut request = request(method, &url, "/third");
        if key {
            request.headers_mut().insert("idempotency-key", "one".parse().unwrap());
        }
        let status = call(request).await.unwrap().0;
        assert_eq!((status, seen.requests.load(Ordering::SeqCst)), expected, "{method}, key: {key}");
    }
}

#[tokio::test]
async fn retry_after_is_waited_for() {
    let (url, _) = server().await;
    let call = client(Policy::new().retry(retrying()));
    let begun = std::time::Instant::now();
    assert_eq!(call(request("GET", &url, "/busy")).await.unwrap(), (StatusCode::OK, "2".into()));
    assert!(begun.elapsed() >= Duration::from_secs(1));
}

#[tokio::test]
async fn a_server_that_hangs_is_timed_out_and_a_full_bulkhead_rejects_at_once() {
    let (url, seen) = server().await;
    let policy = Policy::new().bulkhead(permits(1)).timeout(Duration::from_secs(2));
    let call = Arc::new(client(policy));
    let hangs = async { call(request("GET", &url, "/wait")).await };
    let meanwhile = async {
        while seen.requests.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
        call(request("GET", &url, "/fine")).await
    };
    let (hung, refused) = tokio::join!(hangs, meanwhile);
    assert_eq!(refused.unwrap_err().downcast_ref::<CallRejected>().unwrap().reason, Reason::BulkheadFull);
    assert_eq!(hung.unwrap_err().downcast_ref::<TimedOut>().unwrap().0.as_secs(), 2);
    assert_eq!(call(request("GET", &url, "/fine")).await.unwrap().0, StatusCode::OK);
}

#[tokio::test]
async fn the_time_left_is_sent_with_the_request() {
    let (url, _) = server().await;
    let call = client(Policy::new().total_timeout(Duration::from_secs(60)));
    let left: u64 = call(request("GET", &url, "/deadline")).await.unwrap().1.parse().unwrap();
    assert!((50_000..=60_000).contains(&left), "{left}");
    let mut shorter = request("GET", &url, "/deadline");
    shorter.headers_mut().insert("x-deadline-ms", "20000".parse().unwrap());
    let left: u64 = call(shorter).await.unwrap().1.parse().unwrap();
    assert!((10_000..=20_000).contains(&left), "{left}");
    let mut over = request("GET", &url, "/deadline");
    over.headers_mut().insert("x-deadline-ms", "0".parse().unwrap());
    assert_eq!(
        call(over).await.unwrap_err().downcast_ref::<CallRejected>().unwrap().reason,
        Reason::Deadline
    );
}

#[tokio::test]
async fn a_guard_in_front_of_an_axum_route_responds_with_503_and_retry_after() {
    async fn on_error(error: BoxError) -> impl IntoResponse {
        let after = error.downcast_ref::<CallRejected>().and_then(|rejected| rejected.retry_after);
        let after = after.map_or(1, |after| after.as_secs().max(1));
        (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, after.to_string())], error.to_string())
    }
    let layer =
        GuardLayer::from_policy("route", Policy::new().breaker(tripping()), HttpRules::once()).unwrap();
    let seen = Seen { requests: Arc::default(), gate: Arc::new(Semaphore::new(0)) };
    let guarded = ServiceBuilder::new().layer(HandleErrorLayer::new(on_error)).layer(layer);
    let router = Router::new().fallback(any(respond)).layer(guarded).with_state(seen.clone());
    let url = serve(router).await;
    let call = client(Policy::default());
    for _ in 0..2 {
        assert_eq!(call(request("GET", &url, "/down")).await.unwrap().0, StatusCode::INTERNAL_SERVER_ERROR);
    }
    let (status, body) = call(request("GET", &url, "/fine")).await.unwrap();
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(body.starts_with("route: the circuit breaker is open; retry after"), "{body}");
    assert_eq!(seen.requests.load(Ordering::SeqCst), 2);
}
