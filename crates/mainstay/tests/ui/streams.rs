//! Finding a stream.

use crate::browser::{Browser, DOWN, ENTER, ESCAPE, TAB, UP};
use crate::node::Node;

/// Presses Tab until the focus is where the condition says.
#[track_caller]
fn tab_until(browser: &Browser, condition: &str) {
    for _ in 0..20 {
        browser.keys(TAB);
        if browser.get(condition) == true {
            return;
        }
    }
    panic!("Tab does not lead there: {condition}");
}

const LISTED: &str = "[...document.querySelectorAll('#streams tbody a')].map((a) => a.innerText).join()";

#[test]
fn a_stream_is_found_by_the_beginning_of_its_name_with_the_keyboard_alone() {
    let data = tempfile::tempdir().unwrap();
    let node = Node::start(data.path());
    for stream in ["cart-10", "cart-7", "cart-8", "order-1"] {
        node.run(&["append", stream, "opened", "{}"]).ok();
    }
    let browser = Browser::start();
    browser.open(&format!("{}/ui", node.url));
    browser.until(&format!("{LISTED} === 'cart-7,cart-8,cart-10,order-1'"));

    // The first stop leads past the bar.
    browser.keys(TAB);
    assert_eq!(browser.get("document.activeElement.className"), "skip");
    tab_until(&browser, "document.activeElement.id === 'prefix'");
    browser.keys("cart-");
    browser.until(&format!("{LISTED} === 'cart-7,cart-8,cart-10'"));
    assert_eq!(browser.get("location.hash"), "#/streams?prefix=cart-");
    browser.keys(DOWN);
    browser.keys(DOWN);
    assert_eq!(browser.get("document.activeElement.innerText"), "cart-8");
    let outline = browser.get("getComputedStyle(document.activeElement).outlineStyle");
    assert_eq!(outline, "solid", "the focus can be seen");
    browser.keys(UP);
    assert_eq!(browser.get("document.activeElement.innerText"), "cart-7");
    browser.keys(ESCAPE);
    assert_eq!(browser.get("document.activeElement.id"), "prefix");
    browser.keys("8");
    browser.until(&format!("{LISTED} === 'cart-8'"));
    browser.keys(ENTER);
    assert_eq!(browser.get("document.activeElement.innerText"), "cart-8");
    browser.keys(ENTER);

    browser.until("document.activeElement.tagName === 'H1' && document.activeElement.innerText === 'cart-8'");
    assert_eq!(browser.get("location.hash"), "#/streams/cart-8");
    assert_eq!(browser.get("document.title"), "cart-8 · Mainstay");
    browser.until("document.querySelectorAll('.events > li').length === 1");
    // An event opens with the keyboard too.
    tab_until(&browser, "document.activeElement.tagName === 'SUMMARY'");
    browser.keys(ENTER);
    browser.until("document.querySelector('.events pre').innerText === '{}'");
    assert_eq!(browser.log(), Vec::<String>::new());
}

#[test]
fn a_search_for_nothing_says_so_and_a_list_shows_no_more_than_its_bound() {
    let data = tempfile::tempdir().unwrap();
    let node = Node::start(data.path());
    let lines: String = (0..1_200).map(|n| format!("{{\"stream\":\"s-{n}\",\"type\":\"t\"}}\n")).collect();
    node.run_with_input(&["import", "-"], &lines).ok();
    let browser = Browser::start();
    browser.open(&format!("{}/ui#/streams?prefix=nothing-", node.url));
    browser.until("document.body.innerText.includes('No stream whose names begin with “nothing-”.')");
    browser.open(&format!("{}/ui#/streams?prefix=s-", node.url));
    browser.until("document.querySelectorAll('#streams tbody tr').length === 100");
    for shown in 2..=10 {
        browser.click("main > section > button");
        browser.until(&format!("document.querySelectorAll('#streams tbody tr').length === {}", 100 * shown));
    }
    assert!(browser.text().contains("the most that this page shows"), "{}", browser.text());
    assert_eq!(browser.get("document.querySelector('main > section > button').hidden"), true);
}
