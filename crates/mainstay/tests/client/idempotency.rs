//! Work that is done once, by the first process that begins it.

use crate::node::Node;
use crate::{client, patient};
use mainstay_client::{Begun, Error, Expected, NewEvent, OnceError, StoredResponse};
use std::convert::Infallible;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn of_many_requests_with_a_key_one_does_the_work() {
    let data = tempfile::tempdir().unwrap();
    let node = Node::start(data.path());
    let client = client(&node);
    let runs = AtomicU32::new(0);
    let requests = (0..20).map(|_| {
        let once = client.once("pay").fingerprint("x").wait(Duration::from_secs(60));
        once.run(async |_| {
            let run = runs.fetch_add(1, Relaxed);
            Ok::<_, Error>(StoredResponse::json(201, &run)?.header("location", "/0"))
        })
    });
    for response in futures_util::future::join_all(requests).await {
        let response = response.unwrap();
        assert_eq!((response.status, response.decode::<u32>().unwrap()), (201, 0));
        assert_eq!(response.headers["location"], "/0");
    }
    assert_eq!(runs.load(Relaxed), 1);
    let other = client.once("pay").fingerprint("y").begin().await.unwrap_err();
    assert!(other.is_fingerprint_different(), "{other}");
}

#[tokio::test(flavor = "multi_thread")]
async fn work_that_fails_or_takes_too_long_frees_the_key() {
    let data = tempfile::tempdir().unwrap();
    let node = Node::start(data.path());
    let client = client(&node);
    let failed = client.once("pay").run(async |_| Err::<StoredResponse, _>("no")).await;
    assert!(matches!(failed, Err(OnceError::Work("no"))), "{failed:?}");
    let second = Duration::from_secs(1);
    let slow = client.once("pay").ttl(second).run(async |_| {
        std::future::pending::<()>().await;
        Ok::<_, Infallible>(StoredResponse::new(200))
    });
    assert!(matches!(slow.await, Err(OnceError::TimedOut(ttl)) if ttl == second));
    let done = client.once("pay").wait(Duration::from_secs(60));
    let done = done.run(async |_| Ok::<_, Infallible>(StoredResponse::new(204))).await.unwrap();
    assert_eq!(done.status, 204);
}

#[tokio::test(flavor = "multi_thread")]
async fn someone_elses_work_in_progress_is_an_error_at_once() {
    let data = tempfile::tempdir().unwrap();
    let node = Node::start(data.path());
    // Although this client would retry for a long time.
    let client = patient(&node);
    let Begun::New(execution) = client.once("pay").begin().await.unwrap() else { panic!() };
    let error = client.once("pay").begin().await.unwrap_err();
    assert!(error.is_execution_in_progress(), "{error}");
    execution.abandon().await.unwrap();
    assert!(execution.complete(&StoredResponse::new(200)).await.unwrap_err().is_execution_lost());
    assert!(client.execution_state("pay").await.unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_response_is_stored_with_the_events_of_its_work_or_not_at_all() {
    let data = tempfile::tempdir().unwrap();
    let node = Node::start(data.path());
    let client = client(&node);
    let response = StoredResponse::bytes(200, b"\x00\xff");
    let Begun::New(execution) = client.once("pay").begin().await.unwrap() else { panic!() };
    let pay = |expected| {
        let event = NewEvent::new("paid").id("1");
        let transaction = client.transaction().check_execution(&execution).append("s", expected, [event]);
        transaction.complete_execution(&execution, &response)
    };
    assert!(pay(Expected::Exists).await.unwrap_err().is_wrong_revision());
    assert_eq!(client.execution_state("pay").await.unwrap().unwrap().state, "in_progress");
    assert!(!pay(Expected::None).await.unwrap().replayed);
    assert!(pay(Expected::None).await.unwrap().replayed);
    let Begun::Completed(stored) = client.once("pay").begin().await.unwrap() else { panic!() };
    assert_eq!(stored.body().unwrap(), b"\x00\xff");
    // Who has completed with the transaction may do so again.
    execution.complete(&response).await.unwrap();
    assert!(client.forget_execution("pay").await.unwrap());
    assert!(!client.forget_execution("pay").await.unwrap());
}
