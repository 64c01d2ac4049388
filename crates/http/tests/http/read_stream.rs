//! Reading one stream: pages both ways, lines, as of other moments, retention.

use crate::node::Node;
use serde_json::{Value, json};

const S: &str = "/v1/streams/s/events";

fn data(events: &Value) -> Vec<u64> {
    events.as_array().unwrap().iter().map(|event| event["data"].as_u64().unwrap()).collect()
}

/// All pages from `path` on, put together.
fn pages(node: &Node, path: &str) -> Vec<u64> {
    let (mut all, mut next) = (Vec::new(), Some(path.to_owned()));
    while let Some(path) = next {
        let response = node.get(&path);
        assert_eq!(response.status, 200, "{}", response.text());
        let page = response.json();
        all.extend(data(&page["events"]));
        next = page["next"].as_str().map(str::to_owned);
    }
    all
}

#[test]
fn events_come_back_as_they_were_sent() {
    let node = Node::start();
    let sent = r#"{"specversion":"1.0","id":"1","source":"/s","type":"t","subject":"é","time":"2010-10-02T07:20:39.266Z","n":7,"data":{"a": 1.50,"a":1e2}}"#;
    node.post(S, sent);
    node.post(S, "{\"type\":\"t\",\"data\":[1,\n2]}");
    let text = node.get(S).text().to_owned();
    assert!(text.contains(&sent[1..sent.len() - 1].replace("\"n\":7,", "")[..60]), "{text}");
    assert!(text.contains(r#""data":{"a": 1.50,"a":1e2}"#), "no number, member or order is changed: {text}");
    assert!(text.contains(r#""data":[1, 2]"#), "lines stay lines: {text}");
    let page = node.get(S).json();
    let filled = &page["events"][1];
    assert_eq!(filled["id"], format!("~{}", filled["cursor"].as_str().unwrap()));
    assert_eq!((&filled["source"], &filled["time"]), (&json!("/streams/s"), &filled["recordedtime"]));
    let lines = node.get_lines(S);
    assert_eq!(lines.header("content-type"), Some("application/x-ndjson"));
    assert_eq!(lines.lines(), page["events"].as_array().unwrap().clone());
    // What was read can be sent again: nothing is appended.
    for event in page["events"].as_array().unwrap() {
        let mut event = event.clone();
        for member in ["stream", "revision", "cursor", "recordedtime"] {
            event.as_object_mut().unwrap().remove(member);
        }
        if event["id"] != "1" {
            let again = node.post(S, &event.to_string().replace("[1,2]", "[1, 2]"));
            assert_eq!(again.json()["replayed"], true, "{event} {}", again.text());
        }
    }
}

#[test]
fn pages_follow_one_another_both_ways() {
    let node = Node::start();
    node.append_numbers("s", 0..250);
    let all: Vec<u64> = (0..250).collect();
    assert_eq!(pages(&node, S), all);
    assert_eq!(pages(&node, &format!("{S}?limit=7")), all);
    assert_eq!(pages(&node, &format!("{S}?from=100&limit=1000")), all[100..]);
    let back: Vec<u64> = all.iter().copied().rev().collect();
    assert_eq!(pages(&node, &format!("{S}?direction=backward&limit=9")), back);
    assert_eq!(pages(&node, &format!("{S}?direction=backward&from=99")), back[150..]);
    let page = node.get(S).json();
    assert_eq!((&page["revision"], &page["first"]), (&json!(249), &json!(0)));
    assert_eq!(node.get(S).header("etag"), Some("\"249\""));
    let cursor = page["events"][49]["cursor"].as_str().unwrap();
    assert_eq!(pages(&node, &format!("{S}?after={cursor}")), all[50..]);
    assert_eq!(pages(&node, &format!("{S}?from=250")), [0; 0]);
    assert_eq!(node.get_lines(&format!("{S}?direction=backward&limit=3")).lines()[2]["data"], 247);
}

#[test]
fn a_large_stream_comes_as_lines_in_parts() {
    let node = Node::start();
    let large = "x".repeat(60_000);
    for n in 0..40 {
        node.post(S, &format!(r#"{{"type":"t","id":"{n}","data":"{n} {large}"}}"#));
    }
    let response = node.get_lines(S);
    assert_eq!(response.header("transfer-encoding"), Some("chunked"));
    let lines = response.lines();
    assert_eq!(lines.len(), 40);
    for (n, line) in lines.iter().enumerate() {
        assert_eq!(
            (&line["revision"], line["data"].as_str().unwrap().len()),
            (&json!(n), large.len() + 1 + n.to_string().len())
        );
    }
    let page = node.get(S).json();
    assert_eq!(page["events"].as_array().unwrap().len(), 40);
}

#[test]
fn a_stream_that_is_not_there_is_empty() {
    let node = Node::start();
    let want = json!({"stream": "s", "revision": null, "first": null, "events": [], "next": null});
    assert_eq!(node.get(S).json(), want);
    assert_eq!(node.get_lines(S).text(), "");
    for (as_of, moment) in [
        ("1969-01-01T00:00:00Z", "1969-12-31T23:59:59.999Z"),
        ("2010-01-01T00:00:00Z", "2010-01-01T00:00:00.000Z"),
    ] {
        let mut want = want.clone();
        want["as_of"] = json!(moment);
        assert_eq!(node.get(&format!("{S}?as_of={as_of}")).json(), want);
    }
}

#[test]
fn a_past_moment_stays_as_it_was() {
    let node = Node::start();
    node.append_numbers("s", 0..3);
    let page = node.get(S).json();
    let event = &page["events"][1];
    let cursor = event["cursor"].as_str().unwrap();
    let recorded = page["events"][2]["recordedtime"].as_str().unwrap().to_owned();
    node.append_numbers("s", 3..6);
    let then = node.get(&format!("{S}?as_of={cursor}")).json();
    assert_eq!((data(&then["events"]), &then["revision"]), (vec![0, 1], &json!(1)));
    let at = node.get(&format!("{S}?as_of={recorded}")).json();
    node.append_numbers("s", 6..9);
    assert_eq!(
        node.get(&format!("{S}?as_of={recorded}")).json(),
        at,
        "asked again, the response is the same"
    );
    assert!(data(&at["events"]).starts_with(&[0, 1, 2]));
    assert_eq!(pages(&node, &format!("{S}?as_of={cursor}&limit=1")), [0, 1]);
}

#[test]
fn types_select_events_of_a_stream() {
    let node = Node::start();
    for n in 0..60 {
        let kind = ["added", "removed", "noted"][n % 3];
        node.post(S, &format!(r#"{{"type":"{kind}","data":{n}}}"#));
    }
    let of = |kinds: &[u64]| (0..60).filter(|n| kinds.contains(&(n % 3))).collect::<Vec<u64>>();
    assert_eq!(pages(&node, &format!("{S}?type=added")), of(&[0]));
    assert_eq!(pages(&node, &format!("{S}?type=added&type=noted")), of(&[0, 2]));
    assert_eq!(pages(&node, &format!("{S}?type=none")), [0; 0]);
    for limit in [1, 2, 7, 19, 20, 21, 1_000] {
        assert_eq!(pages(&node, &format!("{S}?type=removed&limit={limit}")), of(&[1]), "{limit}");
        let mut back = of(&[1]);
        back.reverse();
        let path = format!("{S}?type=removed&limit={limit}&direction=backward");
        assert_eq!(pages(&node, &path), back, "{limit}");
    }
    assert_eq!(pages(&node, &format!("{S}?type=added&from=30&limit=3")), of(&[0])[10..]);
    let lines = |query: &str| data(&node.get_lines(&format!("{S}?{query}")).lines().into());
    assert_eq!(lines("type=added&type=removed"), of(&[0, 1]));
    assert_eq!(lines("type=noted&limit=4"), of(&[2])[..4]);
    assert_eq!(lines("type=noted&limit=4&direction=backward"), [59, 56, 53, 50]);
}

#[test]
fn a_page_that_selects_little_of_much_is_short_and_goes_on() {
    let node = Node::start();
    let large = "x".repeat(900_000);
    for n in 0..24 {
        node.post(S, &format!(r#"{{"type":"t","id":"{n}","data":"{large}"}}"#));
    }
    node.post(S, r#"{"type":"wanted","data":7}"#);
    let path = format!("{S}?type=wanted");
    let first = node.get(&path).json();
    assert_eq!((&first["events"], &first["revision"]), (&json!([]), &json!(24)));
    assert!(first["next"].as_str().unwrap().ends_with("&type=wanted"), "{}", first["next"]);
    assert_eq!(pages(&node, &path), [7]);
    assert_eq!(data(&node.get_lines(&path).lines().into()), [7]);
}

#[test]
fn what_had_happened_by_then_is_told_by_the_events_own_time() {
    let node = Node::start();
    for (n, time) in
        [(0, "2010-10-02T00:00:00Z"), (1, "2010-10-04T00:00:00Z"), (2, "2010-10-01T00:00:00+02:00")]
    {
        node.post(S, &format!(r#"{{"type":"t","id":"{n}","time":"{time}","data":{n}}}"#));
    }
    node.post(S, r#"{"type":"t","data":3}"#);
    assert_eq!(pages(&node, &format!("{S}?as_of_event_time=2010-10-03T00:00:00Z")), [0, 2]);
    assert_eq!(pages(&node, &format!("{S}?as_of_event_time=2010-10-02T00:00:00Z&limit=1")), [0, 2]);
    assert_eq!(pages(&node, &format!("{S}?as_of_event_time=2010-09-30T21:59:59Z")), [0; 0]);
}

#[test]
fn what_retention_removed_is_never_a_part_as_if_it_were_the_whole() {
    let node = Node::start();
    node.append_numbers("s", 0..10);
    let before = node.get(S).json();
    let cursor = |n: usize| before["events"][n]["cursor"].as_str().unwrap();
    let settings = r#"{"truncate_before":6}"#;
    let json = [("content-type", "application/json")];
    assert_eq!(node.request("PUT", "/v1/streams/s/settings", &json, settings).status, 200);
    assert_eq!(pages(&node, S), [6, 7, 8, 9]);
    assert_eq!(node.get(S).json()["first"], 6);
    for query in ["from=5".to_owned(), format!("as_of={}", cursor(3)), format!("after={}", cursor(2))] {
        let gone = node.get(&format!("{S}?{query}"));
        assert_eq!(
            (gone.status, gone.code().as_str(), &gone.json()["first_revision"]),
            (410, "history_truncated", &json!(6)),
            "{query}"
        );
    }
    assert_eq!(pages(&node, &format!("{S}?after={}", cursor(5))), [6, 7, 8, 9], "nothing was missed");
    assert_eq!(pages(&node, &format!("{S}?as_of={}", cursor(7))), [6, 7]);
}

#[test]
fn everything_is_there_after_a_restart() {
    let node = Node::start();
    node.append_numbers("s", 0..50);
    let before = node.get(S).json();
    let node = node.restart();
    assert_eq!(node.get(S).json(), before);
    assert_eq!(node.get("/v1/events").json()["events"], before["events"]);
}
