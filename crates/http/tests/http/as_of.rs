//! Reading as of a moment near now: the clock of the client may be a little fast, and the response is still
//! final.

use crate::node::Node;
use crate::wire::Response;
use api::time::Moment;
use serde_json::json;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const BOTH: [&str; 2] = ["/v1/streams/s/events", "/v1/events"];

/// The time of day, `ahead_ms` from now, in RFC 3339.
fn ahead(ahead_ms: u64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap() + Duration::from_millis(ahead_ms);
    Moment::from(model::Wall(now.as_millis().try_into().unwrap())).to_string()
}

fn data(response: &Response) -> Vec<u64> {
    let events = match response.header("content-type") {
        Some("application/json") => response.json()["events"].as_array().unwrap().clone(),
        _ => response.lines(),
    };
    events.iter().map(|event| event["data"].as_u64().unwrap()).collect()
}

#[test]
fn now_and_a_fast_clock_are_answered_as_of_the_moment_of_the_question() {
    for path in BOTH {
        let node = Node::start();
        for (round, ahead_ms) in [None, Some(2_000), Some(59_000)].into_iter().enumerate() {
            let events = round as u64 + 1;
            node.append_numbers("s", events - 1..events);
            let before = ahead(0);
            let as_of = ahead_ms.map_or("now".into(), ahead);
            let page = node.get(&format!("{path}?as_of={as_of}"));
            assert_eq!(page.status, 200, "{as_of}: {}", page.text());
            assert_eq!(data(&page).len() as u64, events, "{as_of} misses what was acknowledged");
            let moment = page.json()["as_of"].as_str().unwrap().to_owned();
            assert_eq!(page.header("mainstay-as-of"), Some(moment.as_str()));
            // Closing a moment moves positions at most a few milliseconds ahead of the clock.
            assert!(before <= moment && moment <= ahead(100), "{as_of} was answered as of {moment}");
        }
    }
}

#[test]
fn what_is_appended_after_the_question_is_not_seen_by_asking_again() {
    for path in BOTH {
        let node = Node::start();
        for round in 0..50 {
            node.append_numbers("s", round..round + 1);
            let as_of = if round % 2 == 0 { "now".to_owned() } else { ahead(30_000) };
            let first = node.get(&format!("{path}?as_of={as_of}&limit=1000"));
            node.append_numbers("s", 1_000 + round..1_001 + round);
            let moment = first.json()["as_of"].as_str().unwrap().to_owned();
            let again = node.get(&format!("{path}?as_of={moment}&limit=1000"));
            assert_eq!(data(&again), data(&first), "as of {moment}");
            let lines = node.get_lines(&format!("{path}?as_of={moment}"));
            assert_eq!((data(&lines), lines.header("mainstay-as-of")), (data(&first), Some(moment.as_str())));
        }
    }
}

#[test]
fn the_pages_of_one_question_show_one_moment() {
    for path in BOTH {
        let node = Node::start();
        node.append_numbers("s", 0..5);
        let (mut seen, mut moments) = (Vec::new(), Vec::new());
        let mut next = Some(format!("{path}?as_of=now&limit=2"));
        while let Some(address) = next {
            let page = node.get(&address);
            seen.extend(data(&page));
            moments.push(page.json()["as_of"].clone());
            next = page.json()["next"].as_str().map(str::to_owned);
            let n = 100 + moments.len() as u64;
            node.append_numbers("s", n..n + 1);
        }
        assert_eq!(seen, [0, 1, 2, 3, 4], "{path}");
        moments.dedup();
        assert_eq!(moments.len(), 1, "{moments:?}");
    }
}

#[test]
fn a_page_names_its_moment_only_if_it_was_asked_for_one() {
    let node = Node::start();
    node.append_numbers("s", 0..1);
    for path in BOTH {
        let page = node.get(path);
        assert_eq!((page.json().get("as_of"), page.header("mainstay-as-of")), (None, None));
        let cursor = page.json()["events"][0]["cursor"].clone();
        let then = node.get(&format!("{path}?as_of={}", cursor.as_str().unwrap()));
        assert_eq!((&then.json()["as_of"], data(&then)), (&cursor, vec![0]));
        let ancient = node.get(&format!("{path}?as_of=1969-07-20T20:17:40Z"));
        assert_eq!((&ancient.json()["as_of"], data(&ancient)), (&json!("1969-12-31T23:59:59.999Z"), vec![]));
    }
}

#[test]
fn a_time_too_far_ahead_is_refused_with_the_distance() {
    let node = Node::start();
    for path in BOTH {
        for accept in ["application/json", "application/x-ndjson"] {
            let path = format!("{path}?as_of={}", ahead(90_000));
            let refused = node.request("GET", &path, &[("accept", accept)], "");
            assert_eq!((refused.status, refused.code().as_str()), (400, "time_in_future"));
            let problem = refused.json();
            let ahead_ms = problem["ahead_ms"].as_u64().unwrap();
            assert!((60_001..=90_000).contains(&ahead_ms), "{problem}");
            assert_eq!((&problem["ahead_ms_max"], &problem["parameter"]), (&json!(60_000), &json!("as_of")));
        }
    }
}

#[test]
fn a_node_that_cannot_write_cannot_close_a_moment_and_says_so() {
    let node = Node::without_space();
    for path in BOTH {
        let refused = node.get(&format!("{path}?as_of=now"));
        assert_eq!((refused.status, refused.code().as_str()), (503, "read_only"));
        assert_eq!(node.get(path).status, 200, "reads without a moment go on");
    }
}

#[test]
fn the_time_of_events_is_theirs_and_may_lie_ahead() {
    let node = Node::start();
    let tomorrow = ahead(24 * 60 * 60 * 1_000);
    node.post("/v1/streams/s/events", &format!(r#"{{"type":"t","time":"{tomorrow}","data":1}}"#));
    node.append_numbers("s", 2..3);
    for path in BOTH {
        assert_eq!(data(&node.get(&format!("{path}?as_of_event_time={tomorrow}"))), [1, 2]);
        let moment = ahead(0);
        let both = node.get(&format!("{path}?as_of=now&as_of_event_time={moment}"));
        assert_eq!(data(&both), [2]);
        assert!(both.json()["as_of"].is_string());
    }
}
