//! The history of a stream: as of any moment, and live.

use crate::browser::{Browser, END, HOME, LEFT, PAGE_DOWN, PAGE_UP, RIGHT};
use crate::node::Node;
use crate::send;
use serde_json::Value;
use std::path::Path;

const REVISIONS: &str =
    "[...document.querySelectorAll('.events > li')].map((li) => li.dataset.revision).join()";

fn append(node: &Node, stream: &str, number: u64) {
    node.run(&["append", stream, &format!("step-{number}"), &format!("{{\"n\":{number}}}")]).ok();
}

/// The events of a stream.
fn recorded(node: &Node, stream: &str) -> Vec<Value> {
    let lines = node.run(&["read", stream, "--output", "jsonl"]).ok();
    lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Revisions as the page lists them: the newest first.
fn listed(revisions: std::ops::Range<u64>) -> String {
    revisions.rev().map(|revision| revision.to_string()).collect::<Vec<_>>().join(",")
}

/// Waits until exactly these revisions are shown.
#[track_caller]
fn until_shown(browser: &Browser, revisions: std::ops::Range<u64>) {
    browser.until(&format!("{REVISIONS} === '{}' || undefined", listed(revisions)));
}

/// How many events had been recorded at the moment to which the slider points, by its place between its ends.
fn count_by_slider(browser: &Browser, events: &[Value]) -> u64 {
    let ends =
        browser.get("[...document.querySelectorAll('.ends time')].map((time) => Date.parse(time.dateTime))");
    let at = browser.get("Number(document.getElementById('slider').value) / 999").as_f64().unwrap();
    let (from, to) = (ends[0].as_f64().unwrap(), ends[1].as_f64().unwrap());
    let moment = (from + (to - from) * at).round();
    let times = events.iter().map(|event| browser.get(&format!("Date.parse({})", event["recordedtime"])));
    times.filter(|time| time.as_f64().unwrap() <= moment).count() as u64
}

#[test]
fn the_slider_shows_the_history_as_of_its_moment() {
    let data = tempfile::tempdir().unwrap();
    let node = Node::start(data.path());
    (0..8).for_each(|number| append(&node, "cart-7", number));
    let events = recorded(&node, "cart-7");
    let browser = Browser::start();
    browser.open(&format!("{}/ui#/streams/cart-7", node.url));
    until_shown(&browser, 0..8);
    assert_eq!(browser.get("document.getElementById('slider').value"), "1000");

    browser.get("document.getElementById('slider').focus()");
    browser.keys(HOME);
    until_shown(&browser, 0..0);
    browser.until("document.body.innerText.includes('Nothing had been recorded by then.')");
    let mut counts = vec![];
    for keys in [&[PAGE_UP][..], &[PAGE_UP, PAGE_UP], &[PAGE_UP, LEFT], &[PAGE_UP; 3], &[RIGHT, PAGE_DOWN]] {
        browser.keys(&keys.concat());
        let count = count_by_slider(&browser, &events);
        until_shown(&browser, 0..count);
        // The address has the moment, which means the same to the API.
        let as_of = browser.until("new URLSearchParams(location.hash.split('?')[1]).get('as_of')");
        let read =
            node.run(&["read", "cart-7", "--as-of", as_of.as_str().unwrap(), "--output", "jsonl"]).ok();
        assert_eq!(read.lines().count() as u64, count, "as of {as_of}");
        counts.push(count);
    }
    assert!(counts.iter().any(|count| (1..8).contains(count)), "{counts:?} has the middle of the history");
    browser.keys(END);
    until_shown(&browser, 0..8);
    assert_eq!(browser.get("location.hash"), "#/streams/cart-7");
    assert_eq!(browser.log(), Vec::<String>::new());
}

#[test]
fn a_link_leads_to_a_moment_and_buttons_go_from_event_to_event() {
    let data = tempfile::tempdir().unwrap();
    let node = Node::start(data.path());
    // Three of them in one entry, at one time.
    append(&node, "s/1?x=%", 0);
    let batch = r#"[{"type":"a"},{"type":"b"},{"type":"c"}]"#;
    let batch_type = "application/cloudevents-batch+json";
    send(&node, "POST", "/v1/streams/s%2F1%3Fx%3D%25/events", (batch_type, batch));
    append(&node, "s/1?x=%", 1);
    let events = recorded(&node, "s/1?x=%");
    let last = events.len() as u64;
    let browser = Browser::start();
    let moment = events[0]["recordedtime"].as_str().unwrap();
    browser.open(&format!("{}/ui#/streams/s%2F1%3Fx%3D%25?as_of={moment}", node.url));
    until_shown(&browser, 0..1);
    browser.until("document.querySelector('output').innerText.endsWith(', revision 0')");
    for shown in 2..=last {
        browser.click(".timeline button:last-of-type");
        until_shown(&browser, 0..shown);
    }
    for shown in (0..last).rev() {
        browser.click(".timeline button:nth-last-of-type(2)");
        until_shown(&browser, 0..shown);
    }
    assert_eq!(browser.log(), Vec::<String>::new());
}

#[test]
fn a_moment_that_cannot_be_shown_is_a_problem_with_its_title_detail_and_action() {
    let data = tempfile::tempdir().unwrap();
    let node = Node::start(data.path());
    append(&node, "s", 0);
    let browser = Browser::start();
    browser.open(&format!("{}/ui#/streams/s?as_of=2999-01-01T00:00:00Z", node.url));
    browser.until("document.querySelector('.problem .code').innerText.includes('time_in_future')");
    let problem = browser.texts(".problem").concat();
    assert!(problem.contains("ahead of this node's clock"), "{problem}");
    // Another moment can be chosen.
    browser.click(".timeline button:nth-of-type(2)");
    until_shown(&browser, 0..1);
    assert_eq!(browser.get("document.querySelectorAll('.problem').length"), 0);
}

/// Clicks twice, faster than any response comes: the second click must change nothing.
fn click_twice(browser: &Browser, selector: &str) {
    browser.get(&format!(
        "((button) => {{ button.click(); button.click(); }})(document.querySelector('{selector}'))"
    ));
}

/// Starts a node at an address where one was before.
fn again(data: &Path, address: &str) -> Node {
    Node::start_with(data, &["--listen", address, "--keep-alive", "1s"])
}

#[test]
fn following_shows_each_event_once_also_when_the_node_was_away() {
    let data = tempfile::tempdir().unwrap();
    let node = Node::start(data.path());
    let address = node.address();
    (0..3).for_each(|number| append(&node, "cart-7", number));
    let browser = Browser::start();
    browser.open(&format!("{}/ui#/streams/cart-7", node.url));
    until_shown(&browser, 0..3);
    click_twice(&browser, "button[aria-pressed]");
    browser.until("document.querySelector('.live').innerText.startsWith('Live')");
    append(&node, "cart-7", 3);
    append(&node, "cart-7", 4);
    until_shown(&browser, 0..5);
    // Who does not see the list hears of it.
    browser.until("document.getElementById('announcer').innerText.includes('new event')");

    node.kill();
    browser.until("document.getElementById('health').innerText.includes('Not reachable')");
    browser.until("document.querySelector('.live').innerText.includes('Trying again in')");
    browser.until("document.getElementById('outage').innerText.includes('does not respond')");
    let node = again(data.path(), &address);
    append(&node, "cart-7", 5);
    until_shown(&browser, 0..6);
    browser.until("document.getElementById('health').innerText.includes('Ready')");
    assert_eq!(browser.get("document.getElementById('outage').hidden"), true);
    append(&node, "cart-7", 6);
    until_shown(&browser, 0..7);

    // A node that stops says so; the page goes on as before.
    node.stop();
    browser.until("document.querySelector('.live').innerText.includes('Trying again in')");
    let node = again(data.path(), &address);
    append(&node, "cart-7", 7);
    until_shown(&browser, 0..8);
}

#[test]
fn a_stream_that_does_not_exist_can_be_followed_and_the_page_keeps_a_bounded_number_of_events() {
    let data = tempfile::tempdir().unwrap();
    let node = Node::start(data.path());
    let browser = Browser::start();
    browser.open(&format!("{}/ui#/streams/new", node.url));
    browser.until("document.body.innerText.includes('This stream has no events yet.')");
    browser.click("button[aria-pressed]");
    browser.until("document.querySelector('.live').innerText.startsWith('Live')");
    let lines: String =
        (0..700).map(|n| format!("{{\"stream\":\"new\",\"type\":\"t\",\"data\":{n}}}\n")).collect();
    node.run_with_input(&["import", "-"], &lines).ok();
    until_shown(&browser, 400..700);
    assert!(
        browser
            .texts(".bound")
            .concat()
            .contains("older ones are left out. This page keeps at most 300 events")
    );
    // Stopped, it shows what it has, and no more.
    browser.click("button[aria-pressed]");
    append(&node, "new", 700);
    browser.until("document.querySelector('.live').innerText.startsWith('Stopped')");
    assert_eq!(browser.get(REVISIONS), listed(400..700));
    // Read back to the first event, the newer ones make way.
    browser.click("nav a[data-page=streams]");
    browser.until("document.querySelector('#streams a')");
    browser.click("#streams tbody a");
    until_shown(&browser, 651..701);
    for _ in 0..13 {
        let before = browser.get("document.querySelector('.events > li:last-child').dataset.revision");
        click_twice(&browser, ".events + button");
        browser.until(&format!(
            "document.querySelector('.events > li:last-child').dataset.revision !== {before}"
        ));
    }
    until_shown(&browser, 1..301);
}

#[test]
fn a_view_that_could_not_be_read_is_read_when_the_node_is_back() {
    let data = tempfile::tempdir().unwrap();
    let node = Node::start(data.path());
    let address = node.address();
    append(&node, "cart-7", 0);
    let browser = Browser::start();
    browser.open(&format!("{}/ui#/queues", node.url));
    browser.until("document.body.innerText.includes('There is no queue yet.')");
    node.kill();
    browser.click("nav a[data-page=streams]");
    browser.until("document.querySelector('.problem h2').innerText === 'The node does not respond'");
    let node = again(data.path(), &address);
    browser.until("document.querySelector('#streams tbody a').innerText === 'cart-7'");
    assert_eq!(browser.get("document.querySelectorAll('.problem').length"), 0);
    drop(node);
}
