//! axe-core finds nothing to object to, in any view, in light and in dark, on a desk and on a phone.

use crate::browser::Browser;
use crate::node::Node;
use crate::python::packages;
use crate::send;
use serde_json::{Value, json};

const JSON: &str = "application/json";

/// What axe objects to on the page as it is.
#[track_caller]
fn objections(browser: &Browser) -> Value {
    browser.run(
        "axe.run(document).then((found) => done(found.violations.map((violation) => [violation.id, violation.help,
           violation.nodes.map((node) => [node.target, node.failureSummary])])), (error) => done(String(error)));",
    )
}

fn fill(node: &Node) {
    for (kind, data) in [("cart.opened", "{}"), ("cart.item-added", r#"{"sku":"lamp","price":40.00}"#)] {
        node.run(&["append", "cart-7", kind, data]).ok();
    }
    for task in [r#"{"id":"m-1","type":"mail"}"#, r#"{"id":"m-2","type":"mail"}"#] {
        send(node, "POST", "/v1/queues/mails/tasks", (JSON, task));
    }
    let claim = json!({"worker": "w-1", "types": ["mail"], "max": 1}).to_string();
    let claimed = send(node, "POST", "/v1/queues/mails/claims", (JSON, &claim));
    let failed =
        json!({"token": claimed["tasks"][0]["token"], "class": "Smtp", "message": "m", "retryable": false});
    send(node, "POST", "/v1/queues/mails/tasks/m-1/fail", (JSON, &failed.to_string()));
    send(node, "PUT", "/v1/queues/idle", (JSON, r#"{"paused":true}"#));
}

#[test]
fn no_view_breaks_a_rule_of_accessibility() {
    let axe = packages().join("axe_playwright_python/axe.min.js");
    let axe = std::fs::read_to_string(&axe).unwrap_or_else(|error| panic!("{}: {error}", axe.display()));
    let data = tempfile::tempdir().unwrap();
    let node = Node::start(data.path());
    fill(&node);
    let browser = Browser::start();
    // A view, what to open in it, and when it is complete.
    let views = [
        ("#/streams", "", "document.querySelectorAll('#streams tbody a').length === 1"),
        ("#/streams/cart-7", ".events summary", "document.querySelector('.events pre')"),
        (
            "#/streams/cart-7",
            "button[aria-pressed]",
            "document.querySelector('.live').innerText.startsWith('Live')",
        ),
        ("#/streams/s?as_of=nonsense", "", "document.querySelector('.problem')"),
        ("#/queues", "", "document.querySelectorAll('table tbody tr').length === 2"),
        (
            "#/queues/mails",
            ".tasks summary",
            "document.querySelector('.tasks pre')
                && document.querySelectorAll('main table').length === 3",
        ),
        ("#/node", "", "document.body.innerText.includes('Mean sync of the log')"),
        ("#/token", "", "document.getElementById('token')"),
        ("#/nowhere", "", "document.querySelector('h1').innerText === 'This page does not exist'"),
    ];
    for (scheme, width) in [("light", 1200), ("dark", 390)] {
        let features = json!([
            {"name": "prefers-color-scheme", "value": scheme},
            {"name": "prefers-reduced-motion", "value": "reduce"},
        ]);
        for (view, open, complete) in views {
            browser.open("about:blank");
            browser.emulate(&features, (width, 900));
            browser.open(&format!("{}/ui{view}", node.url));
            if !open.is_empty() {
                browser.until(&format!("document.querySelector('{open}')"));
                browser.click(open);
            }
            browser.until(complete);
            browser.run(&format!("{axe}\n;window.axe = axe; done(true);"));
            assert_eq!(objections(&browser), json!([]), "{view} in {scheme} at {width}");
            let wider = "document.documentElement.scrollWidth > document.documentElement.clientWidth";
            assert_eq!(browser.get(wider), false, "{view} scrolls sideways at {width}");
            assert_eq!(browser.get("document.querySelectorAll('main h1').length"), 1, "{view}");
        }
    }
}
