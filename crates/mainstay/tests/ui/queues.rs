//! Queues: how much waits, and dead letters.

use crate::browser::Browser;
use crate::node::Node;
use crate::send;
use serde_json::json;

const JSON: &str = "application/json";

/// Claims a task and fails it for good.
fn bury(node: &Node, queue: &str, class: &str) {
    let claim = json!({"worker": "w-1", "types": ["mail"], "max": 1}).to_string();
    let claimed = send(node, "POST", &format!("/v1/queues/{queue}/claims"), (JSON, &claim));
    let task = &claimed["tasks"][0];
    let failed = json!({"token": task["token"], "class": class, "message": "no route", "retryable": false});
    let path = format!("/v1/queues/{queue}/tasks/{}/fail", task["id"].as_str().unwrap());
    send(node, "POST", &path, (JSON, &failed.to_string()));
}

#[test]
fn a_queue_shows_its_depth_whether_it_is_paused_and_why_its_dead_letters_failed() {
    let data = tempfile::tempdir().unwrap();
    let node = Node::start(data.path());
    for id in ["m-1", "m-2", "m-3"] {
        let task = json!({"id": id, "type": "mail", "payload": {"to": "x"}}).to_string();
        send(&node, "POST", "/v1/queues/mails/tasks", (JSON, &task));
    }
    bury(&node, "mails", "SmtpTimeout");
    send(&node, "PUT", "/v1/queues/idle", (JSON, r#"{"paused":true}"#));

    let browser = Browser::start();
    browser.open(&format!("{}/ui#/queues", node.url));
    browser.until("document.querySelectorAll('main table tbody tr').length === 2");
    let mut rows = browser.texts("main table tbody tr");
    rows.sort();
    assert!(rows[0].starts_with("idle paused"), "{rows:?}");
    let cells: Vec<&str> = rows[1].split_whitespace().collect();
    assert_eq!(cells[..6], ["mails", "2", "0", "0", "0", "1"], "ready, running, delayed, blocked, dead");

    browser.open(&format!("{}/ui#/queues/mails", node.url));
    browser.until("document.querySelectorAll('.tasks > li').length === 1");
    let dead = browser.texts(".tasks > li").concat();
    for word in ["m-1", "mail", "1 attempt", "SmtpTimeout: no route"] {
        assert!(dead.contains(word), "{word} is not in {dead}");
    }
    browser.until("document.body.innerText.includes('Dead letters by class')");
    browser.click(".tasks summary");
    browser.until("document.querySelector('.tasks pre').innerText.includes('\"to\": \"x\"')");

    // The states are links, and their figures are renewed.
    browser.click(".states a[href$='state=ready']");
    browser.until("document.querySelectorAll('.tasks > li').length === 2");
    browser.until("document.querySelector('.states a[aria-current]').innerText.includes('ready')");
    bury(&node, "mails", "InvalidAddress");
    browser.until("document.querySelector('.states a.bad').innerText.replace(/\\s+/g, ' ') === '2 dead'");
    assert_eq!(browser.log(), Vec::<String>::new());
}

#[test]
fn the_node_shows_figures_with_units() {
    let data = tempfile::tempdir().unwrap();
    let node = Node::start(data.path());
    node.run(&["append", "s", "t", "{}"]).ok();
    let browser = Browser::start();
    browser.open(&format!("{}/ui#/node", node.url));
    browser.until("document.body.innerText.includes('Mean sync of the log')");
    let facts = "Object.fromEntries([...document.querySelectorAll('dl div')]
        .map((fact) => [fact.children[0].innerText, fact.children[1].innerText]))";
    let facts = browser.get(facts);
    assert_eq!(facts["Version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(facts["Takes writes"], "yes");
    for (fact, unit) in [
        ("Disk", "iB"),
        ("Memory of the process", "MiB"),
        ("Mean sync of the log", "s"),
        ("Running for", "s"),
    ] {
        assert!(facts[fact].as_str().unwrap().contains(unit), "{fact}: {facts}");
    }
    // A later look knows how much has been added in between.
    browser.until("/Events appended\\s*1 · [0-9.]+ per second/.test(document.body.innerText)");
    assert_eq!(browser.log(), Vec::<String>::new());
}
