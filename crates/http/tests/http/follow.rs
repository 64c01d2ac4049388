//! Following: history, then what comes; coming back; filters; the end.

use crate::node::Node;
use crate::wire::{Connection, request};
use http_server::HttpOptions;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

const FOLLOW: (&str, &str) = ("accept", "text/event-stream");

fn follow(node: &Node, path: &str, headers: &[(&str, &str)]) -> Connection {
    let mut connection = Connection::to(node);
    let headers = [&[FOLLOW], headers].concat();
    let head = connection.send(request("GET", path, &headers, "")).head();
    assert_eq!((head.status, head.header("content-type")), (200, Some("text/event-stream")));
    connection
}

const KEEP_ALIVE: &str = ": keep-alive\n";

/// The messages in a text, without the comments between them.
fn blocks(text: &str) -> Vec<String> {
    text.replace(KEEP_ALIVE, "").split("\n\n").map(str::to_owned).collect()
}

/// The ids and data numbers of the messages in a text.
fn messages(text: &str) -> Vec<(String, u64)> {
    blocks(text)
        .iter()
        .filter_map(|message| {
            let (id, data) = message.strip_prefix("id: ")?.split_once("\ndata: ")?;
            let event: serde_json::Value = serde_json::from_str(data).unwrap();
            assert_eq!(event["cursor"], id);
            Some((id.to_owned(), event["data"].as_u64().unwrap()))
        })
        .collect()
}

#[test]
fn a_subscriber_gets_history_and_then_what_comes() {
    let node = Node::start();
    for path in ["/v1/streams/s/events", "/v1/events"] {
        let node = Node::start();
        node.append_numbers("s", 0..3);
        let mut subscriber = follow(&node, path, &[]);
        let mut text = subscriber.chunks_until("\"data\":2}");
        node.append_numbers("s", 3..5);
        text.push_str(&subscriber.chunks_until("\"data\":4}"));
        let seen = messages(&text);
        assert_eq!(seen.iter().map(|(_, n)| *n).collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
        // Coming back, it goes on behind the last one it saw, whatever its query says.
        let back = [("last-event-id", seen[3].0.as_str())];
        let mut subscriber = follow(&node, path, &back);
        assert_eq!(messages(&subscriber.chunks_until("\"data\":4}"))[0].1, 4);
    }
    drop(node);
}

#[test]
fn a_stream_that_is_not_there_yet_can_be_followed() {
    let node = Node::start();
    let mut subscriber = follow(&node, "/v1/streams/s/events", &[]);
    node.append_numbers("other", 0..3);
    node.append_numbers("s", 7..8);
    assert_eq!(messages(&subscriber.chunks_until("\"data\":7}"))[0].1, 7);
}

#[test]
fn only_what_comes_is_only_what_comes() {
    let node = Node::start();
    node.append_numbers("s", 0..3);
    let mut one = follow(&node, "/v1/streams/s/events?from=end", &[]);
    let mut all = follow(&node, "/v1/events?after=end", &[]);
    node.append_numbers("s", 3..4);
    assert_eq!(messages(&one.chunks_until("\"data\":3}")).len(), 1);
    assert_eq!(messages(&all.chunks_until("\"data\":3}")).len(), 1);
}

#[test]
fn only_what_comes_is_only_what_comes_after_a_restart_too() {
    let node = Node::start();
    node.append_numbers("s", 0..3);
    let node = node.restart();
    let mut one = follow(&node, "/v1/streams/s/events?from=end", &[]);
    let mut all = follow(&node, "/v1/events?after=end", &[]);
    node.append_numbers("s", 3..4);
    assert_eq!(messages(&one.chunks_until("\"data\":3}")).len(), 1);
    assert_eq!(messages(&all.chunks_until("\"data\":3}")).len(), 1);
}

#[test]
fn an_event_that_arrives_when_a_keep_alive_is_due_is_sent_all_the_same() {
    for path in BOTH {
        let node = with_keep_alive(Duration::from_millis(1));
        let mut subscriber = follow(&node, path, &[]);
        for n in 0..300 {
            // Nothing else wakes the subscriber.
            node.append_numbers("s", n..n + 1);
            subscriber.chunks_until(&format!("\"data\":{n}}}"));
        }
    }
}

const BOTH: [&str; 2] = ["/v1/streams/s/events", "/v1/events"];

fn with_keep_alive(keep_alive: Duration) -> Node {
    Node::with(HttpOptions { keep_alive, ..HttpOptions::default() })
}

/// The cursors of progress messages. Each one is an event with a name, an id, and data that repeats the id.
fn progress(text: &str) -> Vec<String> {
    blocks(text)
        .iter()
        .filter_map(|message| message.strip_prefix("event: progress\nid: "))
        .map(|rest| {
            let (cursor, data) = rest.split_once('\n').unwrap();
            assert_eq!(data, format!("data: {{\"cursor\":\"{cursor}\"}}"));
            cursor.to_owned()
        })
        .collect()
}

#[test]
fn a_filtered_subscriber_is_told_how_far_the_node_has_read() {
    for path in BOTH {
        let node = with_keep_alive(Duration::from_millis(50));
        let mut subscriber = follow(&node, &format!("{path}?type=wanted"), &[]);
        node.append_numbers("s", 0..10);
        let last = node.get(path).json()["events"][9]["cursor"].as_str().unwrap().to_owned();
        let mut text = String::new();
        while progress(&text).last().is_none_or(|cursor| *cursor < last) {
            text.push_str(&subscriber.chunks_until("event: progress\n"));
        }
        assert!(messages(&text).is_empty());
        subscriber.chunks_until(KEEP_ALIVE);
        node.post("/v1/streams/s/events", r#"{"type":"wanted","data":1}"#);
        subscriber.chunks_until("\"type\":\"wanted\"");
        // The cursor of a progress message is one to come back with.
        let reached = progress(&text);
        let back = [("last-event-id", reached.last().unwrap().as_str())];
        let mut subscriber = follow(&node, path, &back);
        assert_eq!(messages(&subscriber.chunks_until("\"type\":\"wanted\""))[0].1, 1);
    }
}

#[test]
fn a_long_history_without_a_match_is_told_as_progress() {
    for path in BOTH {
        // Long enough that no message of the test is due by time.
        let node = with_keep_alive(Duration::from_secs(60));
        let large = "x".repeat(900_000);
        for n in 0..12 {
            node.post("/v1/streams/s/events", &format!(r#"{{"type":"t","id":"{n}","data":"{large}"}}"#));
        }
        node.post("/v1/streams/s/events", r#"{"type":"wanted","data":7}"#);
        let mut subscriber = follow(&node, &format!("{path}?type=wanted"), &[]);
        let text = subscriber.chunks_until("\"type\":\"wanted\"");
        assert_eq!(messages(&text)[0].1, 7);
        assert_eq!(progress(&text).len(), 1, "history is long enough for one look without a match");
    }
}

#[test]
fn no_subscriber_is_silent_for_longer_than_its_keep_alive_even_when_others_get_events() {
    let node = with_keep_alive(Duration::from_millis(100));
    let mut subscriber = follow(&node, "/v1/streams/quiet/events", &[]);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut connection = Connection::to(&node);
            let json = [("content-type", "application/json")];
            while !done.load(Relaxed) {
                let append = request("POST", "/v1/streams/busy/events", &json, r#"{"type":"t"}"#);
                assert_eq!(connection.send(append).response().status, 200);
            }
        });
        for _ in 0..3 {
            // The connection's time-out would end the test; each append wakes the subscriber in between.
            subscriber.chunks_until("event: progress\n");
        }
        done.store(true, Relaxed);
    });
}

#[test]
fn a_subscriber_chooses_its_keep_alive_within_bounds() {
    let node = with_keep_alive(Duration::from_secs(60));
    for path in BOTH {
        let mut subscriber = follow(&node, &format!("{path}?keep_alive=1s"), &[]);
        subscriber.chunks_until(KEEP_ALIVE);
        let began = Instant::now();
        subscriber.chunks_until(KEEP_ALIVE);
        assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
        for outside in ["999ms", "61s"] {
            let refused = node.request("GET", &format!("{path}?keep_alive={outside}"), &[FOLLOW], "");
            assert_eq!((refused.status, refused.code().as_str()), (400, "invalid_parameter"), "{outside}");
        }
    }
}

#[test]
fn a_subscription_of_the_whole_store_says_in_its_head_what_may_have_been_removed() {
    let node = Node::start();
    node.append_numbers("s", 0..3);
    let removed_through = || {
        let mut connection = Connection::to(&node);
        let head = connection.send(request("GET", "/v1/events", &[FOLLOW], "")).head();
        head.header("mainstay-removed-through").map(str::to_owned)
    };
    assert_eq!(removed_through(), None);
    let last = node.get("/v1/events").json()["events"][2]["cursor"].as_str().unwrap().to_owned();
    assert_eq!(node.request("DELETE", "/v1/streams/s", &[], "").status, 200);
    assert!(removed_through().is_some_and(|cursor| cursor >= last));
}

#[test]
fn a_keep_alive_is_not_followed_by_an_empty_line() {
    // httpx-sse dispatches an empty event at each empty line once it has seen an id.
    let node = with_keep_alive(Duration::from_millis(50));
    node.append_numbers("s", 0..1);
    let mut subscriber = follow(&node, "/v1/events", &[]);
    let mut text = subscriber.chunks_until("\n\n");
    for _ in 0..3 {
        text.push_str(&subscriber.chunks_until(KEEP_ALIVE));
    }
    assert!(text.contains(&KEEP_ALIVE.repeat(2)), "{text}");
}

#[test]
fn the_default_keep_alive_is_shorter_than_the_time_out_of_httpx() {
    assert!(HttpOptions::default().keep_alive < Duration::from_secs(5));
}

#[test]
fn a_subscription_overtaken_by_removal_ends_with_a_problem() {
    let node = Node::start();
    node.append_numbers("s", 0..10);
    let before = node.get("/v1/streams/s/events").json();
    node.request(
        "PUT",
        "/v1/streams/s/settings",
        &[("content-type", "application/json")],
        r#"{"truncate_before":6}"#,
    );
    let place = before["events"][2]["cursor"].as_str().unwrap();
    let mut connection = Connection::to(&node);
    let response = connection
        .send(request("GET", "/v1/streams/s/events", &[FOLLOW, ("last-event-id", place)], ""))
        .response();
    response.assert_problem(410, "history_truncated");
}

#[test]
fn a_slow_subscription_overtaken_by_removal_says_so_and_ends() {
    let node = Node::start();
    let large = "x".repeat(100_000);
    for n in 0..300 {
        let event = format!(r#"{{"type":"t","subject":"{n}","data":"{large}"}}"#);
        assert_eq!(node.post("/v1/streams/s/events", &event).status, 200);
    }
    // Far more history than all buffers hold, and none of it is read before most of it is removed.
    let mut subscriber = follow(&node, "/v1/streams/s/events", &[]);
    let json = [("content-type", "application/json")];
    assert_eq!(
        node.request("PUT", "/v1/streams/s/settings", &json, r#"{"truncate_before":299}"#).status,
        200
    );
    let text = subscriber.chunks_until("event: problem\n");
    assert!(text.contains("\"code\":\"history_truncated\"") && text.contains("\"first_revision\":299"));
    assert!(!text.contains("\"subject\":\"299\""), "nothing behind the gap");
    assert_eq!(subscriber.chunk(), None);
    assert!(node.get("/metrics").text().contains("mainstay_subscribers_overtaken_total 1"));
}

#[test]
fn subscribers_are_told_when_the_node_stops() {
    let mut node = Node::start();
    node.append_numbers("s", 0..1);
    let mut subscriber = follow(&node, "/v1/events", &[]);
    subscriber.chunks_until("\"data\":0}");
    std::thread::scope(|scope| {
        scope.spawn(|| node.stop());
        subscriber.chunks_until("event: end\n");
        assert_eq!(subscriber.chunk(), None, "a clean end");
    });
}

#[test]
fn one_subscriber_too_many_is_told_so() {
    let node = Node::with(HttpOptions { subscribers_max: 1, ..HttpOptions::default() });
    let _held = follow(&node, "/v1/events", &[]);
    let response = Connection::to(&node).send(request("GET", "/v1/events", &[FOLLOW], "")).response();
    response.assert_problem(503, "too_many_subscribers");
}

#[test]
fn a_slow_subscriber_falls_back_and_misses_nothing() {
    let node = Node::start();
    let mut subscriber = follow(&node, "/v1/events", &[]);
    let large = "x".repeat(100_000);
    // Far more than all buffers between the two hold, while nothing is read.
    for n in 0..200 {
        node.post("/v1/streams/s/events", &format!(r#"{{"type":"t","subject":"{n}","data":"{large}"}}"#));
    }
    let text = subscriber.chunks_until("\"subject\":\"199\"");
    for n in 0..200 {
        assert!(text.contains(&format!("\"subject\":\"{n}\"")), "{n}");
    }
}
