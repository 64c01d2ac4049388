//! The client against a server that follows a script: one closure a connection. What the client must do when
//! connections break, answers are refusals and nothing comes is said here without a node.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test's helpers fail by panicking")]

mod script;

use mainstay_client::{Client, Cursor, Error, Expected, ImportOutcome, NewEvent, Retry, Revision};
use script::{Connection, Script};
use std::time::Duration;

/// A client that waits hardly at all between attempts.
fn client(script: &Script) -> Client {
    Client::builder(&script.url)
        .retry(Retry {
            attempts_max: 4,
            wait_first: Duration::from_millis(1),
            wait_max: Duration::from_millis(2),
        })
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

#[test]
fn a_lost_answer_and_a_busy_node_are_tried_again_with_the_same_event() {
    let script = Script::start(vec![
        Box::new(|mut connection: Connection| connection.request()),
        Box::new(|mut connection| {
            connection.request();
            connection.answer(503, r#"{"code":"busy","status":503,"retryable":true}"#);
            connection.request();
            connection.answer(200, APPENDED);
        }),
    ]);
    let appended =
        client(&script).append("s", Expected::Revision(Revision(7)), [NewEvent::new("t")]).unwrap();
    assert!(appended.all_replayed());
    let requests = script.requests();
    assert_eq!(requests.len(), 3);
    assert!(requests[0].contains("\"id\":\"") && requests[0].contains("if-match: \"7\""), "{}", requests[0]);
    assert!(requests.iter().all(|request| *request == requests[0]), "{requests:?}");
}

#[test]
fn a_refusal_for_good_is_not_tried_again() {
    let script = Script::start(vec![Box::new(|mut connection: Connection| {
        connection.request();
        connection.answer(
            412,
            r#"{"code":"wrong_revision","status":412,"detail":"no","retryable":false,"current_revision":41}"#,
        );
    })]);
    let error = client(&script).append("s", Expected::None, [NewEvent::new("t")]).unwrap_err();
    assert!(error.is_wrong_revision());
    assert_eq!(error.problem().unwrap().current_revision(), Some(Revision(41)));
    assert!(script.requests()[0].contains("if-none-match: *"));
}

#[test]
fn attempts_end() {
    let busy = |mut connection: Connection| {
        for _ in 0..4 {
            connection.request();
            connection.answer(503, "{}");
        }
    };
    let script = Script::start(vec![Box::new(busy)]);
    let error = client(&script).append("s", Expected::Any, [NewEvent::new("t")]).unwrap_err();
    assert_eq!((error.problem().unwrap().status, script.requests().len()), (503, 4));
}

#[test]
fn a_silent_node_is_noticed() {
    let script = Script::start(vec![Box::new(|mut connection: Connection| {
        connection.request();
        connection.wait_for_close();
    })]);
    let client = Client::builder(&script.url)
        .retry(Retry::never())
        .timeout(Duration::from_millis(20))
        .build()
        .unwrap();
    let error = client.read("s").page().unwrap_err();
    assert!(matches!(error, Error::TimedOut(_)), "{error:?}");
}

#[test]
fn a_kept_connection_that_the_node_has_closed_is_replaced_without_an_attempt() {
    let one = |mut connection: Connection| {
        connection.request();
        connection.answer(200, APPENDED);
    };
    let script = Script::start(vec![Box::new(one), Box::new(one)]);
    let client = Client::builder(&script.url).retry(Retry::never()).build().unwrap();
    for _ in 0..2 {
        client.append("s", Expected::Any, [NewEvent::new("t")]).unwrap();
    }
}

#[test]
fn a_long_read_goes_on_behind_the_last_event_it_gave() {
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
    let events = client(&script).read("s").as_of("2010-10-03T00:00:00Z").events().unwrap();
    let revisions: Vec<u64> = events.map(|event| event.unwrap().revision.0).collect();
    assert_eq!(revisions, [0, 1, 2]);
    let requests = script.requests();
    assert!(requests[1].contains("from=2&as_of=2010-10-03T00%3A00%3A00Z"), "{}", requests[1]);
}

#[test]
fn a_problem_within_lines_ends_the_read() {
    let script = Script::start(vec![Box::new(|mut connection: Connection| {
        connection.request();
        connection.begin("application/x-ndjson");
        connection.part(&format!(
            "{}\n{{\"problem\":{{\"code\":\"history_truncated\",\"status\":410}}}}\n",
            event_line("s", 0)
        ));
        connection.end();
    })]);
    let mut events = client(&script).read("s").events().unwrap();
    assert!(events.next().unwrap().is_ok());
    let error = events.next().unwrap().unwrap_err();
    assert_eq!(error.problem().map(|problem| problem.code.as_str()), Some("history_truncated"));
    assert!(events.next().is_none());
}

#[test]
fn a_follower_resumes_behind_the_last_id_until_it_is_refused() {
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
            connection.answer(410, r#"{"code":"history_truncated","status":410,"retryable":false}"#);
        }),
    ]);
    let (breaks, seen) = std::sync::mpsc::channel();
    let mut follow = client(&script)
        .read_all()
        .after(Cursor("00".into()))
        .prefix("s")
        .follow()
        .on_break(move |error, _| breaks.send(error.to_string()).unwrap());
    assert_eq!(follow.next().unwrap().unwrap().revision, Revision(0));
    assert_eq!(follow.next().unwrap().unwrap().revision, Revision(1));
    assert_eq!(follow.checkpoint(), Some(Cursor("08".into())));
    assert!(follow.next().unwrap().is_err());
    assert!(follow.next().is_none());
    let requests = script.requests();
    assert!(requests[0].contains("after=00&prefix=s") && !requests[0].contains("last-event-id"));
    assert!(requests[1].contains("last-event-id: 07") && requests[2].contains("last-event-id: 08"));
    assert_eq!(seen.try_iter().count(), 2);
}

#[test]
fn waiting_for_an_event_ends_in_time_and_loses_nothing() {
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
    assert!(follow.next_within(Duration::from_millis(50)).unwrap().is_none());
    script.permit();
    assert!(follow.next_within(Duration::from_secs(5)).unwrap().is_some());
}

fn line_answer(line: &str) -> String {
    let event: serde_json::Value = serde_json::from_str(line).unwrap_or_default();
    match event["stream"].as_str() {
        Some(stream) => format!(r#"{{"stream":"{stream}","revision":0,"cursor":"0","replayed":false}}"#),
        None => r#"{"line":1,"problem":{"code":"invalid_json","status":400}}"#.into(),
    }
}

#[test]
fn an_import_is_answered_while_it_is_sent_and_goes_on_after_a_break() {
    let script = Script::start(vec![
        // Answers 100 lines, then breaks with others unanswered.
        Box::new(|mut connection: Connection| {
            connection.head();
            connection.begin("application/x-ndjson");
            for _ in 0..100 {
                let line = connection.line().unwrap();
                connection.part(&format!("{}\n", line_answer(&line)));
            }
        }),
        Box::new(|mut connection| {
            connection.head();
            connection.begin("application/x-ndjson");
            while let Some(line) = connection.line() {
                connection.part(&format!("{}\n", line_answer(&line)));
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
    let answers: Vec<_> =
        client(&script).import(std::io::Cursor::new(input)).collect::<Result<_, _>>().unwrap();
    assert_eq!(answers.len(), 5_000);
    for (n, answer) in (1..).zip(&answers) {
        match &answer.outcome {
            ImportOutcome::Appended { stream, .. } => assert_eq!(*stream, format!("s-{n}")),
            ImportOutcome::Refused(problem) => {
                assert_eq!((n, problem.code.as_str()), (4_000, "invalid_json"))
            }
            ImportOutcome::Replayed { .. } => panic!("line {n}"),
        }
    }
    assert_eq!((answers[3_999].line, answers[4_999].line), (7_999, 9_998), "numbers count blank lines");
}

#[test]
fn a_node_that_stops_in_the_middle_refuses_no_line() {
    let stopping = |line: &str| {
        format!("{{{line}\"problem\":{{\"code\":\"stopping\",\"status\":503,\"retryable\":true}}}}\n")
    };
    let script = Script::start(vec![
        Box::new(move |mut connection: Connection| {
            connection.head();
            connection.begin("application/x-ndjson");
            let line = connection.line().unwrap();
            connection.part(&format!("{}\n{}", line_answer(&line), stopping("\"line\":2,")));
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
                connection.part(&format!("{}\n", line_answer(&line)));
            }
            connection.end();
        }),
    ]);
    let input = "{\"stream\":\"a\"}\n{\"stream\":\"b\"}\n{\"stream\":\"c\"}\n";
    let answers: Vec<_> =
        client(&script).import(std::io::Cursor::new(input)).map(|answer| answer.unwrap().outcome).collect();
    for (answer, want) in answers.iter().zip(["a", "b", "c"]) {
        assert!(matches!(answer, ImportOutcome::Appended { stream, .. } if stream == want), "{answer:?}");
    }
    assert_eq!(answers.len(), 3);
}

#[test]
fn a_line_that_is_too_long_is_refused_alone() {
    let script = Script::start(vec![Box::new(|mut connection: Connection| {
        connection.head();
        connection.begin("application/x-ndjson");
        while let Some(line) = connection.line() {
            connection.part(&format!("{}\n", line_answer(&line)));
        }
        connection.end();
    })]);
    let long = format!("{{\"stream\":\"s\",\"data\":\"{}\"}}", "x".repeat(2 << 20));
    let input = format!("{{\"stream\":\"a\"}}\n{long}\n{{\"stream\":\"b\"}}\n");
    let answers: Vec<_> =
        client(&script).import(std::io::Cursor::new(input)).map(|answer| answer.unwrap()).collect();
    assert!(
        matches!(&answers[1].outcome, ImportOutcome::Refused(problem) if problem.code == "line_too_long")
    );
    assert!(matches!(&answers[2].outcome, ImportOutcome::Appended { stream, .. } if stream == "b"));
}

#[test]
fn an_import_that_is_refused_as_a_whole_ends_with_the_problem() {
    let script = Script::start(vec![Box::new(|mut connection: Connection| {
        connection.head();
        connection.answer(415, r#"{"code":"unsupported_media_type","status":415}"#);
        connection.wait_for_close();
    })]);
    let mut import = client(&script).import(std::io::Cursor::new("{\"stream\":\"a\"}\n"));
    assert_eq!(import.next().unwrap().unwrap_err().problem().unwrap().status, 415);
    assert!(import.next().is_none());
}
