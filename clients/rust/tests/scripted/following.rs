//! Following, and the store that cursors belong to.

use crate::script::{Connection, Script};
use crate::{client, event_line};
use mainstay_client::{Client, Cursor, Revision};

#[tokio::test]
async fn a_progress_message_moves_the_checkpoint_and_is_no_event() {
    let script = Script::start(vec![
        Box::new(|mut connection: Connection| {
            connection.request();
            connection.begin("text/event-stream");
            connection.part("id: 05\nevent: progress\ndata: {\"cursor\":\"05\"}\n\n");
        }),
        Box::new(|mut connection| {
            connection.request();
            connection.begin("text/event-stream");
            // Without an id, the data says the cursor; an unknown kind is ignored.
            connection.part("event: news\ndata: x\n\nevent: progress\ndata: {\"cursor\":\"06\"}\n\n");
        }),
        Box::new(|mut connection| {
            connection.request();
            connection.begin("text/event-stream");
            connection.part(&format!("id: 07\ndata: {}\n\n", event_line("s", 0)));
            connection.wait_for_close();
        }),
    ]);
    let mut follow = client(&script).read_all().event_type("t").follow();
    assert_eq!(follow.checkpoint(), None);
    assert_eq!(follow.next().await.unwrap().unwrap().revision, Revision(0));
    assert_eq!(follow.checkpoint(), Some(&Cursor("07".into())));
    let requests = script.requests();
    assert!(requests[1].contains("last-event-id: 05"), "{}", requests[1]);
    assert!(requests[2].contains("last-event-id: 06"), "{}", requests[2]);
}

#[tokio::test]
async fn a_follower_replaces_a_connection_that_falls_silent() {
    let script = Script::start(vec![
        Box::new(|mut connection: Connection| {
            connection.request();
            connection.begin("text/event-stream");
            connection.part(": keep-alive\n\n");
            connection.wait_for_close();
        }),
        Box::new(|mut connection| {
            connection.request();
            connection.begin("text/event-stream");
            connection.part(&format!("id: 01\ndata: {}\n\n", event_line("s", 0)));
            connection.wait_for_close();
        }),
    ]);
    let mut follow = client(&script).read("s").follow();
    assert_eq!(follow.next().await.unwrap().unwrap().revision, Revision(0));
    assert_eq!(script.requests().len(), 2);
}

#[tokio::test]
async fn a_problem_in_the_subscription_ends_it_unless_a_retry_can_help() {
    let problem = |code: &str, retryable: bool| {
        format!("event: problem\ndata: {{\"code\":\"{code}\",\"status\":503,\"retryable\":{retryable}}}\n\n")
    };
    let (stopping, truncated) = (problem("stopping", true), problem("history_truncated", false));
    let script = Script::start(vec![
        Box::new(move |mut connection: Connection| {
            connection.request();
            connection.begin("text/event-stream");
            connection.part(&stopping);
            connection.end();
        }),
        Box::new(move |mut connection| {
            connection.request();
            connection.begin("text/event-stream");
            connection.part(&truncated);
            connection.end();
        }),
    ]);
    let mut follow = client(&script).read("s").follow();
    assert_eq!(follow.next().await.unwrap().unwrap_err().code(), Some("history_truncated"));
    assert!(follow.next().await.is_none());
}

const PAGE: &str = r#"{"events":[],"revision":null,"first":null,"next":"/v1/events?after=05"}"#;

#[tokio::test]
async fn a_read_with_a_cursor_names_the_store_that_the_cursor_belongs_to() {
    let script = Script::start(vec![Box::new(|mut connection: Connection| {
        connection.request();
        connection.respond_from_store("one", 200, PAGE);
        connection.request();
        // Another store now listens here.
        connection.respond_from_store("two", 200, PAGE);
        connection.request();
        connection.respond_from_store("two", 409, r#"{"code":"other_store","status":409,"retryable":false}"#);
    })]);
    let client = client(&script);
    client.read("s").page().await.unwrap();
    assert_eq!(client.store(), Some("one"));
    client.read("s").page().await.unwrap();
    let error = client.read_all().after(Cursor("05".into())).page().await.unwrap_err();
    assert!(error.is_other_store(), "{error}");
    let requests = script.requests();
    assert!(!requests[0].contains("mainstay-store") && !requests[1].contains("mainstay-store"));
    assert!(requests[2].contains("mainstay-store: one"), "{}", requests[2]);
}

#[tokio::test]
async fn a_saved_cursor_is_sent_with_the_store_that_was_saved_with_it() {
    let script = Script::start(vec![Box::new(|mut connection: Connection| {
        connection.request();
        connection.respond(409, r#"{"code":"other_store","status":409,"retryable":false}"#);
    })]);
    let client = Client::builder(&script.url).store("saved").build().unwrap();
    let mut follow = client.read_all().after(Cursor("05".into())).follow();
    assert!(follow.next().await.unwrap().unwrap_err().is_other_store());
    assert!(follow.next().await.is_none(), "a retry cannot help");
    let request = &script.requests()[0];
    assert_eq!(request.matches("mainstay-store: saved").count(), 1, "{request}");
}
