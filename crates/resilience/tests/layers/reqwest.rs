//! Guarded reqwest requests against a real server.
#![cfg(feature = "reqwest")]

use super::{retrying, tripping};
use axum::Router;
use axum::http::{HeaderMap, StatusCode, header};
use axum::routing::any;
use mainstay_resilience::guard::{CallError, CallOptions, Guard, Policy};
use mainstay_resilience::reqwest::StatusClassifier;
use mainstay_resilience::tower::{BoxError, GuardLayer, HttpRules};
use mainstay_resilience::{Reason, bulkhead};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use tower::{Layer, ServiceExt};

/// A server that counts the requests it receives, and responds to the first `busy` of them with 503.
struct Server {
    url: String,
    requests: Arc<AtomicU32>,
}

async fn server(status: StatusCode, busy: u32) -> Server {
    let requests = Arc::new(AtomicU32::new(0));
    let seen = requests.clone();
    let respond = move |headers: HeaderMap| async move {
        let has_deadline = headers.contains_key("x-deadline-ms");
        let number = seen.fetch_add(1, Ordering::SeqCst);
        if number < busy {
            return (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, "1")], String::new());
        }
        (status, [(header::RETRY_AFTER, "0")], format!("deadline: {has_deadline}"))
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, Router::new().fallback(any(respond))).await });
    Server { url, requests }
}

fn guard(policy: Policy) -> Guard<StatusClassifier> {
    Guard::builder("server").policy(policy).classify_with(StatusClassifier).build().unwrap()
}

fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().build().unwrap()
}

#[tokio::test]
async fn a_404_is_not_a_failure_is_not_retried_and_does_not_count() {
    let server = server(StatusCode::NOT_FOUND, 0).await;
    let guard = guard(Policy::new().retry(retrying().attempts_max(3)).breaker(tripping()));
    let client = client();
    for _ in 0..5 {
        let response = guard.send(client.get(&server.url)).await.unwrap();
        assert_eq!(response.error_for_status().unwrap_err().status(), Some(StatusCode::NOT_FOUND));
        // The same if the operation turns the status into an error inside the guard.
        let get = |_| async { client.get(&server.url).send().await?.error_for_status() };
        let result = guard.call_with(CallOptions::safe(), get).await;
        assert!(
            matches!(result, Err(CallError::Failed(error)) if error.status() == Some(StatusCode::NOT_FOUND))
        );
    }
    assert_eq!(server.requests.load(Ordering::SeqCst), 10);
    let window = guard.snapshot().breaker.unwrap().window;
    assert_eq!((window.calls, window.failures), (10, 0));
}

#[tokio::test]
async fn a_500_is_retried_if_the_request_is_safe_and_opens_the_breaker() {
    let server = server(StatusCode::INTERNAL_SERVER_ERROR, 0).await;
    let guard = guard(Policy::new().retry(retrying().attempts_max(2)).breaker(tripping()));
    let client = client();
    let response = guard.send(client.post(&server.url).body("{}")).await.unwrap();
    assert_eq!(response.status(), 500);
    assert_eq!(server.requests.load(Ordering::SeqCst), 1, "a POST without a key is sent once");
    let _ =
        guard.send(client.post(&server.url).header("idempotency-key", "order-17").body("{}")).await.unwrap();
    let rejected = guard.send(client.get(&server.url)).await.unwrap_err();
    assert!(matches!(rejected, CallError::Rejected(rejected) if rejected.reason == Reason::BreakerOpen));
}

#[tokio::test]
async fn a_retry_waits_as_long_as_retry_after_says() {
    let server = server(StatusCode::OK, 1).await;
    let guard = guard(Policy::new().retry(retrying().attempts_max(2)));
    let begun = Instant::now();
    let response = guard.send(client().get(&server.url)).await.unwrap();
    assert_eq!(response.status(), 200);
    assert!(begun.elapsed() >= Duration::from_secs(1));
    assert_eq!(server.requests.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_body_that_is_read_inside_the_guard_is_also_classified_by_its_status() {
    let server = server(StatusCode::OK, 0).await;
    let guard = guard(Policy::new().timeout(Duration::from_secs(5)));
    let client = client();
    let text =
        guard.call(|| async { client.get(&server.url).send().await?.error_for_status()?.text().await });
    assert_eq!(text.await.unwrap(), "deadline: false");
    let sent = guard.send(client.get(&server.url)).await.unwrap();
    assert_eq!(sent.text().await.unwrap(), "deadline: true", "`send` passes the deadline on");
}

#[tokio::test]
async fn a_failed_connection_is_a_failure_and_an_invalid_url_is_not() {
    let guard = guard(Policy::new().breaker(tripping()));
    let client = client();
    let gone = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}/", listener.local_addr().unwrap())
    };
    assert!(
        matches!(guard.send(client.get("no url")).await, Err(CallError::Failed(error)) if error.is_builder())
    );
    assert!(
        matches!(guard.send(client.get(&gone)).await, Err(CallError::Failed(error)) if error.is_connect())
    );
    assert_eq!(guard.snapshot().breaker.unwrap().window.failures, 1);
}

#[tokio::test]
async fn a_reqwest_client_is_guarded_as_a_tower_service() {
    let server = server(StatusCode::OK, 1).await;
    let policy = Policy::new().retry(retrying().attempts_max(2)).bulkhead(bulkhead::Config::new());
    let layer = GuardLayer::from_policy("server", policy, HttpRules::default()).unwrap();
    let request = client().get(&server.url).build().unwrap();
    let response: Result<reqwest::Response, BoxError> = layer.layer(client()).oneshot(request).await;
    assert_eq!(response.unwrap().status(), 200);
    assert_eq!(server.requests.load(Ordering::SeqCst), 2);
}
