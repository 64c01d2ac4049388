//! Names and data that look like markup, or that hide what they are, stay text.

use crate::browser::Browser;
use crate::node::Node;
use crate::send;
use serde_json::{Value, json};

const MARKUP: &str = "<img src=x onerror=\"window.ran=1\"><script>window.ran=1</script><b>bold</b>";
const SEND_FORM: &str = "const form = document.createElement('form'); form.action = '/v1'; \
     document.body.append(form); form.submit()";
const JSON: &str = "application/json";

fn encoded(name: &str) -> String {
    name.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

/// Nothing of what was stored has become a part of the page.
#[track_caller]
fn assert_text(browser: &Browser, view: &str) {
    assert_eq!(browser.get("window.ran ?? null"), Value::Null, "{view}: a script has run");
    let foreign = "[...document.querySelectorAll('main :is(img, script, b, iframe, object, style, svg)')]";
    let of_page = "!e.closest('.states')";
    let foreign = browser.get(&format!("{foreign}.filter((e) => {of_page}).map((e) => e.outerHTML)"));
    assert_eq!(foreign, json!([]), "{view}");
    assert!(browser.text().contains("<img src=x onerror="), "{view} shows it as text: {}", browser.text());
    // A policy that had to block something would have said so here.
    assert_eq!(browser.log(), Vec::<String>::new(), "{view}");
}

#[test]
fn markup_in_names_types_data_tasks_and_failures_stays_text() {
    let data = tempfile::tempdir().unwrap();
    let node = Node::start(data.path());
    let name = encoded(MARKUP);
    let event = json!({"type": MARKUP, "subject": MARKUP, "data": {MARKUP: [MARKUP]}}).to_string();
    send(&node, "POST", &format!("/v1/streams/{name}/events"), (JSON, &event));
    let queue = format!("/v1/queues/{name}");
    let task = json!({"id": MARKUP, "type": MARKUP, "payload": MARKUP}).to_string();
    send(&node, "POST", &format!("{queue}/tasks"), (JSON, &task));
    let claim = json!({"worker": MARKUP, "types": [MARKUP], "max": 1}).to_string();
    let claimed = send(&node, "POST", &format!("{queue}/claims"), (JSON, &claim));
    let token = claimed["tasks"][0]["token"].as_str().unwrap();
    let failed = json!({"token": token, "class": MARKUP, "message": MARKUP, "retryable": false}).to_string();
    send(&node, "POST", &format!("{queue}/tasks/{name}/fail"), (JSON, &failed));

    let browser = Browser::start();
    browser.open(&format!("{}/ui#/streams", node.url));
    browser.until("document.querySelectorAll('#streams tbody a').length === 1");
    assert_text(&browser, "the list of streams");
    browser.click("#streams tbody a");
    browser.until("document.querySelectorAll('.events > li').length === 1");
    browser.click(".events summary");
    browser.until("document.querySelector('.events pre')");
    assert_text(&browser, "a stream");
    browser.click("button[aria-pressed]");
    browser.until("document.querySelector('.live').innerText.startsWith('Live')");
    send(&node, "POST", &format!("/v1/streams/{name}/events"), (JSON, &event));
    browser.until("document.querySelectorAll('.events > li').length === 2");
    assert_text(&browser, "a live event");
    browser.click("nav a[data-page=queues]");
    browser.until("document.querySelectorAll('table tbody a').length === 1");
    assert_text(&browser, "the list of queues");
    browser.click("table tbody a");
    browser.until("document.querySelectorAll('.tasks > li').length === 1");
    browser.until("document.querySelectorAll('main table').length === 3");
    browser.click(".tasks summary");
    browser.until("document.querySelector('.tasks pre')");
    assert_text(&browser, "a queue");
    // What the address says is shown too, and a problem may repeat it.
    browser.open(&format!("{}/ui#/streams?prefix={name}", node.url));
    browser.until("document.querySelectorAll('#streams tbody a').length === 1");
    assert_text(&browser, "a search");
    browser.open(&format!("{}/ui#/streams/s?as_of={name}", node.url));
    browser.until("document.querySelector('.problem')");
    browser.get("document.querySelector('.problem').append('<img src=x onerror=')");
    assert_eq!(browser.get("window.ran ?? null"), Value::Null);
}

#[test]
fn characters_that_hide_or_turn_text_are_shown_and_numbers_keep_their_digits() {
    let data = tempfile::tempdir().unwrap();
    let node = Node::start(data.path());
    let name = "invoice\u{202e}fdp.exe";
    let event = r#"{"type":"t","data":{"price":40.00,"id":12345678901234567890}}"#;
    send(&node, "POST", &format!("/v1/streams/{}/events", encoded(name)), (JSON, event));
    let browser = Browser::start();
    browser.open(&format!("{}/ui#/streams", node.url));
    browser.until("document.querySelector('#streams tbody a').innerText === 'invoice\\\\u202efdp.exe'");
    browser.click("#streams tbody a");
    browser.until("document.querySelectorAll('.events > li').length === 1");
    let preview = browser.texts(".events .preview").concat();
    assert_eq!(preview, r#"{"price":40.00,"id":12345678901234567890}"#);
    browser.click(".events summary");
    browser.until("document.querySelector('.events pre').innerText.includes('12345678901234567890')");
    // A browser cannot send the path of this name. It says so, and does not read something else.
    browser.open(&format!("{}/ui#/streams/..", node.url));
    browser.until(
        "document.querySelector('.problem h2').innerText.startsWith('A browser cannot ask for the name')",
    );
}

#[test]
fn the_policy_of_the_page_lets_no_other_script_and_no_markup_in() {
    let data = tempfile::tempdir().unwrap();
    let node = Node::start(data.path());
    let browser = Browser::start();
    browser.open(&format!("{}/ui", node.url));
    browser.until("document.body.innerText.includes('There is no stream yet.')");
    for (attempt, directives) in [
        ("document.body.innerHTML = '<p>x</p>'", &["require-trusted-types-for"][..]),
        ("window.eval('window.ran = 1')", &["script-src", "require-trusted-types-for"]),
        ("document.body.setAttribute('style', 'color: red')", &["style-src-attr"]),
        ("new Image().src = 'http://127.0.0.2:1/'", &["img-src"]),
        ("fetch('http://127.0.0.2:1/').catch(() => 0)", &["connect-src"]),
        (SEND_FORM, &["form-action"]),
    ] {
        // Later, because what the driver runs itself may use `eval`.
        let said = browser.run(&format!(
            "document.addEventListener('securitypolicyviolation', (e) => done(e.effectiveDirective), {{once: true}});
             setTimeout(() => {{ try {{ {attempt} }} catch {{ /* It is refused in this way, too. */ }} }}, 1);"
        ));
        assert!(directives.iter().any(|directive| said == *directive), "{attempt}: {said}");
    }
    assert_eq!(browser.get("window.ran ?? null"), Value::Null);
    assert_eq!(browser.get("location.pathname"), "/ui");
}
