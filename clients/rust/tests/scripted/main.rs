//! The client against a server that follows a script, one closure per connection: what the client does when
//! connections break, when the server refuses and when nothing arrives.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test's helpers fail by panicking")]

mod aggregates;
mod following;
mod script;

use futures_util::{StreamExt, TryStreamExt};
use mainstay_client::{
    Client, Cursor, Error, Expected, ImportOutcome, ImportedLine, NewEvent, Retry, Revision,
};
use script::{Connection, Script};
use std::time::Duration;
use tokio::sync::mpsc;

/// A client that hardly waits between attempts.
fn client(script: &Script) -> Client {
    let millis = Duration::from_millis;
    Client::builder(&script.url)
        .retry(Retry::default().attempts_max(4).backoff_first(millis(1)).backoff_max(millis(2)))
        .timeout(Duration::from_millis(300))
        .build()
        .unwrap()
}

fn event_line(stream: &str, revision: u64) -> String {
    format!(
        r#"{{"stream":"{stream}","revision":{revision},"cursor":"{revision:020x}","recordedtime":"2010-10-02T07:20:39.266Z","specversion":"1.0","id":"{revision}","source":"/s","type":"t","data":{revision}}}"#
    )
}

const APPENDED: &str = r#"{"stream":"s","events":[{"revision":0,"cursor":"0","replayed":true}]}"#;

#[tokio::test]
async fn a_lost_response_and_a_busy_node_are_retried_with_the_same_event() {
    let script = Script::start(vec![
        Box::new(|mut connection: Connection| connection.request()),
        Box::new(|mut connection| {
            connection.request();
            connection.respond(503, r#"{"code":"busy","status":503,"retryable":true}"#);
            connection.request();
            connection.respond(200, APPENDED);
        }),
    ]);
    let appended = client(&script)
        .append("s", [NewEvent::new("t")])
        .expected(Expected::Revision(Revision(7)))
        .await
        .unwrap();
    assert!(appended.all_replayed());
    let requests = script.requests();
    assert_eq!(requests.len(), 3);
    assert!(requests[0].contains("\"id\":\"") && requests[0].contains("if-match: \"7\""), "{}", requests[0]);
    assert!(requests.iter().all(|request| *request == requests[0]), "{requests:?}");
}

#[tokio::test]
async fn a_refusal_that_a_retry_cannot_help_is_not_retried() {
    let script = Script::start(vec![Box::new(|mut connection: Connection| {
        connection.request();
        connection.respond(
            412,
            r#"{"code":"wrong_revision","status":412,"detail":"no","retryable":false,"current_revision":41}"#,
        );
    })]);
    let error = client(&script).append("s", [NewEvent::new("t")]).expected(Expected::None).await.unwrap_err();
    assert!(error.is_wrong_revision());
    assert_eq!(error.problem().unwrap().current_revision(), Some(Revision(41)));
    assert!(script.requests()[0].contains("if-none-match: *"));
}

#[tokio::test]
async fn attempts_end() {
    let busy = |mut connection: Connection| {
        for _ in 0..4 {
            connection.request();
            connection.respond(503, "{}");
        }
    };
    let script = Script::start(vec![Box::new(busy)]);
    let error = client(&script).append("s", [NewEvent::new("t")]).await.unwrap_err();
    assert_eq!((error.problem().unwrap().status, script.requests().len()), (503, 4));
}

#[tokio::test]
async fn an_append_of_unknown_events_is_not_repeated_when_its_outcome_is_unknown() {
    let lost = |mut connection: Connection| connection.request();
    let answered = |mut connection: Connection| {
        connection.request();
        connection.respond(200, APPENDED);
    };
    let script = Script::start(vec![Box::new(lost), Box::new(lost), Box::new(answered)]);
    let client = client(&script);
    let append = || client.append_encoded("s", "application/json", r#"{"type":"t"}"#);
    let error = append().await.unwrap_err();
    assert!(error.is_outcome_unknown() && error.is_retryable(), "{error:?}");
    assert_eq!(script.requests().len(), 1);
    append().idempotency_key("order-1").await.unwrap();
    let requests = script.requests();
    assert_eq!(requests.len(), 3, "the key makes a repeat safe");
    assert!(requests[2].contains("idempotency-key: \"order-1\""), "{}", requests[2]);
}

#[tokio::test]
async fn a_silent_node_is_noticed() {
    let script = Script::start(vec![Box::new(|mut connection: Connection| {
        connection.request();
        connection.wait_for_close();
    })]);
    let client = Client::builder(&script.url)
        .retry(Retry::never())
        .timeout(Duration::from_millis(20))
        .build()
        .unwrap();
    let error = client.read("s").page().await.unwrap_err();
    assert!(matches!(error, Error::TimedOut(_)), "{error:?}");
}

#[tokio::test]
async fn a_kept_connection_that_the_node_has_closed_is_replaced_without_an_attempt() {
    let (closed, mut noticed) = mpsc::unbounded_channel();
    let one = move |mut connection: Connection| {
        connection.request();
        connection.respond(200, APPENDED);
        connection.close();
        closed.send(()).unwrap();
    };
    let script = Script::start(vec![Box::new(one.clone()), Box::new(one)]);
    let client = Client::builder(&script.url).retry(Retry::never()).build().unwrap();
    for _ in 0..2 {
        client.append("s", [NewEvent::new("t")]).await.unwrap();
        // What is sent before the client can know may get lost.
        noticed.recv().await.unwrap();
    }
}

#[tokio::test]
async fn a_long_read_continues_after_the_last_event_it_returned() {
    let script = Script::start(vec![
        Box::new(|mut connection: Connection| {
            connection.request();
            let half = &event_line("s", 2)[..40];
            connection.begin("application/x-ndjson");
            connection.part(&format!("{}\n{}\n{half}", event_line("s", 0), event_line("s", 1)));
        }),
        Box::new(|mut connection| {
            connection.request();
            connection.begin("application/x-ndjson");
            connection.part(&format!("{}\n", event_line("s", 2)));
            connection.end();
        }),
    ]);
    let events = client(&script).read("s").as_of("2010-10-03T00:00:00Z").events();
    let revisions: Vec<u64> = events.map(|event| event.unwrap().revision.0).collect().await;
    assert_eq!(revisions, [0, 1, 2]);
    let requests = script.requests();
    assert!(requests[1].contains("from=2&as_of=2010-10-03T00%3A00%3A00Z"), "{}", requests[1]);
}

#[tokio::test]
async fn a_long_read_ends_when_its_attempts_are_used_up() {
    let begun = |mut connection: Connection| {
        connection.request();
        connection.begin("application/x-ndjson");
        connection.part(&format!("{}\n", event_line("s", 0)));
    };
    let busy = |mut connection: Connection| {
        connection.request();
        connection.respond(503, "{}");
    };
    // It breaks after the first event. Then the node is busy, and then it is gone.
    let script = Script::start(vec![Box::new(begun), Box::new(busy), Box::new(busy)]);
    let mut events = client(&script).read("s").events();
    assert!(events.next().await.unwrap().is_ok());
    assert!(events.next().await.unwrap().unwrap_err().is_retryable());
    assert!(events.next().await.is_none());
    assert_eq!(script.requests().len(), 3);
}

#[tokio::test]
async fn a_problem_within_lines_ends_the_read() {
    let script = Script::start(vec![Box::new(|mut connection: Connection| {
        connection.request();
        connection.begin("application/x-ndjson");
        connection.part(&format!(
            "{}\n{{\"problem\":{{\"code\":\"history_truncated\",\"status\":410}}}}\n",
            event_line("s", 0)
        ));
        connection.end();
    })]);
    let mut events = client(&script).read("s").events();
    assert!(events.next().await.unwrap().is_ok());
    let error = events.next().await.unwrap().unwrap_err();
    assert_eq!(error.problem().map(|problem| problem.code.as_str()), Some("history_truncated"));
    assert!(events.next().await.is_none());
}

#[tokio::test]
async fn a_follower_resumes_after_the_last_id_until_it_is_refused() {
    let script = Script::start(vec![
        Box::new(|mut connection: Connection| {
            connection.request();
            connection.begin("text/event-stream");
            connection.part(&format!("id: 01\ndata: {}\n\nid: 07\n\ndata: {{\"half", event_line("s", 0)));
        }),
        Box::new(|mut connection| {
            connection.request();
            connection.begin("text/event-stream");
            connection.part(&format!(": here\n\nid: 08\nevent: event\ndata: {}\n\n", event_line("s", 1)));
            connection.end();
        }),
        Box::new(|mut connection| {
            connection.request();
            connection.respond(410, r#"{"code":"history_truncated","status":410,"retryable":false}"#);
        }),
    ]);
    let (breaks, seen) = std::sync::mpsc::channel();
    let mut follow = client(&script)
        .read_all()
        .after(Cursor("00".into()))
        .prefix("s")
        .follow()
        .on_break(move |error, _| breaks.send(error.to_string()).unwrap());
    assert_eq!(follow.next().await.unwrap().unwrap().revision, Revision(0));
    assert_eq!(follow.next().await.unwrap().unwrap().revision, Revision(1));
    assert_eq!(follow.checkpoint(), Some(&Cursor("08".into())));
    assert!(follow.next().await.unwrap().is_err());
    assert!(follow.next().await.is_none());
    let requests = script.requests();
    assert!(requests[0].contains("after=00&prefix=s") && !requests[0].contains("last-event-id"));
    assert!(requests[1].contains("last-event-id: 07") && requests[2].contains("last-event-id: 08"));
    assert_eq!(seen.try_iter().count(), 2);
}

#[tokio::test]
async fn waiting_for_an_event_ends_in_time_and_loses_nothing() {
    let script = Script::start(vec![Box::new(|mut connection: Connection| {
        connection.request();
        connection.begin("text/event-stream");
        let text = format!("id: 1\ndata: {}\n\n", event_line("s", 0));
        connection.part(&text[..50]);
        connection.wait_for_permission();
        connection.part(&text[50..]);
        connection.wait_for_close();
    })]);
    let mut follow = client(&script).read("s").follow();
    assert!(tokio::time::timeout(Duration::from_millis(50), follow.next()).await.is_err());
    script.permit();
    assert_eq!(follow.next().await.unwrap().unwrap().revision, Revision(0));
}

fn line_result(line: &str) -> String {
    let event: serde_json::Value = serde_json::from_str(line).unwrap_or_default();
    match event["stream"].as_str() {
        Some(stream) => format!(r#"{{"stream":"{stream}","revision":0,"cursor":"0","replayed":false}}"#),
        None => r#"{"line":1,"problem":{"code":"invalid_json","status":400}}"#.into(),
    }
}

#[tokio::test]
async fn an_import_returns_outcomes_while_it_sends_and_continues_after_a_break() {
    let script = Script::start(vec![
        // Responds to 100 lines, then breaks with others unanswered.
        Box::new(|mut connection: Connection| {
            connection.head();
            connection.begin("application/x-ndjson");
            for _ in 0..100 {
                let line = connection.line().unwrap();
                connection.part(&format!("{}\n", line_result(&line)));
            }
        }),
        Box::new(|mut connection| {
            connection.head();
            connection.begin("application/x-ndjson");
            while let Some(line) = connection.line() {
                connection.part(&format!("{}\n", line_result(&line)));
            }
            connection.part("{\"summary\":{\"appended\":1}}\n");
            connection.end();
        }),
    ]);
    let mut input = String::new();
    for n in 1..=5_000 {
        input += &if n == 4_000 {
            "broken\n".into()
        } else {
            format!("{{\"stream\":\"s-{n}\",\"type\":\"t\"}}\n\n")
        };
    }
    let outcomes: Vec<ImportedLine> =
        client(&script).import_reader(std::io::Cursor::new(input)).try_collect().await.unwrap();
    assert_eq!(outcomes.len(), 5_000);
    for (n, outcome) in (1..).zip(&outcomes) {
        match &outcome.outcome {
            ImportOutcome::Appended { stream, .. } => assert_eq!(*stream, format!("s-{n}")),
            ImportOutcome::Refused(problem) => {
                assert_eq!((n, problem.code.as_str()), (4_000, "invalid_json"))
            }
            ImportOutcome::Replayed { .. } => panic!("line {n}"),
        }
    }
    assert_eq!((outcomes[3_999].line, outcomes[4_999].line), (7_999, 9_998), "numbers count blank lines");
}

#[tokio::test]
async fn a_node_that_stops_in_the_middle_refuses_no_line() {
    let stopping = |line: &str| {
        format!("{{{line}\"problem\":{{\"code\":\"stopping\",\"status\":503,\"retryable\":true}}}}\n")
    };
    let script = Script::start(vec![
        Box::new(move |mut connection: Connection| {
            connection.head();
            connection.begin("application/x-ndjson");
            let line = connection.line().unwrap();
            connection.part(&format!("{}\n{}", line_result(&line), stopping("\"line\":2,")));
        }),
        Box::new(move |mut connection| {
            connection.head();
            connection.begin("application/x-ndjson");
            connection.part(&stopping(""));
            connection.end();
        }),
        Box::new(|mut connection| {
            connection.head();
            connection.begin("application/x-ndjson");
            while let Some(line) = connection.line() {
                connection.part(&format!("{}\n", line_result(&line)));
            }
            connection.end();
        }),
    ]);
    let input = "{\"stream\":\"a\"}\n{\"stream\":\"b\"}\n{\"stream\":\"c\"}\n";
    let outcomes: Vec<ImportOutcome> = client(&script)
        .import_reader(std::io::Cursor::new(input))
        .map(|outcome| outcome.unwrap().outcome)
        .collect()
        .await;
    for (outcome, want) in outcomes.iter().zip(["a", "b", "c"]) {
        assert!(matches!(outcome, ImportOutcome::Appended { stream, .. } if stream == want), "{outcome:?}");
    }
    assert_eq!(outcomes.len(), 3);
}

#[tokio::test]
async fn a_line_that_is_too_long_is_refused_alone() {
    let script = Script::start(vec![Box::new(|mut connection: Connection| {
        connection.head();
        connection.begin("application/x-ndjson");
        while let Some(line) = connection.line() {
            connection.part(&format!("{}\n", line_result(&line)));
        }
        connection.end();
    })]);
    let long = format!("{{\"stream\":\"s\",\"data\":\"{}\"}}", "x".repeat(2 << 20));
    let input = format!("{{\"stream\":\"a\"}}\n{long}\n{{\"stream\":\"b\"}}\n");
    let outcomes: Vec<ImportedLine> =
        client(&script).import_reader(std::io::Cursor::new(input)).try_collect().await.unwrap();
    assert!(
        matches!(&outcomes[1].outcome, ImportOutcome::Refused(problem) if problem.code == "line_too_long")
    );
    assert!(matches!(&outcomes[2].outcome, ImportOutcome::Appended { stream, .. } if stream == "b"));
}

#[tokio::test]
async fn an_import_that_is_refused_as_a_whole_ends_with_the_problem() {
    let script = Script::start(vec![Box::new(|mut connection: Connection| {
        connection.head();
        connection.respond(415, r#"{"code":"unsupported_media_type","status":415}"#);
        connection.wait_for_close();
    })]);
    let mut import = client(&script).import_reader(std::io::Cursor::new("{\"stream\":\"a\"}\n"));
    assert_eq!(import.next().await.unwrap().unwrap_err().problem().unwrap().status, 415);
    assert!(import.next().await.is_none());
}
