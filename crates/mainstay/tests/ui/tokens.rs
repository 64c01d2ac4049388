//! A node that asks for tokens.

use crate::browser::{Browser, ENTER};
use crate::node::{Node, mainstay, run, serve};
use std::path::Path;

const ADMIN: &str = "0123456789abcdef0123456789abcdef";
const STREAMS: &str = "[...document.querySelectorAll('#streams tbody a')].map((a) => a.innerText).join()";

fn start(data: &Path) -> Node {
    let mut command = serve(data, &["--access", "tokens"]);
    command.env("MAINSTAY_ADMIN_TOKEN", ADMIN);
    let node = Node::try_start(command).unwrap();
    // The token is known a moment after the node is ready.
    while run(mainstay().env("MAINSTAY_TOKEN", ADMIN).args(["--url", &node.url, "streams"]), "").code != 0 {
        std::thread::yield_now();
    }
    node
}

fn administer(node: &Node, arguments: &[&str]) -> String {
    run(mainstay().env("MAINSTAY_TOKEN", ADMIN).args(["--url", &node.url]).args(arguments), "").ok()
}

/// Enters a token where the page asks for one.
#[track_caller]
fn enter(browser: &Browser, token: &str) {
    browser.until("document.activeElement.id === 'token'");
    browser.get("document.getElementById('token').select()");
    browser.keys(token);
    browser.keys(ENTER);
}

/// The token is nowhere but in this tab's storage.
#[track_caller]
fn assert_kept(browser: &Browser, token: &str) {
    let urls =
        "[location.href, document.referrer, ...performance.getEntriesByType('resource').map((e) => e.name)]";
    assert_eq!(
        browser.get(&format!("{urls}.filter((url) => url.includes('{token}'))")),
        serde_json::json!([])
    );
    assert_eq!(browser.get("localStorage.length"), 0);
    assert_eq!(browser.get("document.cookie"), "");
    assert_eq!(browser.get(&format!("Object.values(sessionStorage).includes('{token}')")), true);
    assert_eq!(browser.get(&format!("document.documentElement.outerHTML.includes('{token}')")), false);
}

#[test]
fn the_page_asks_for_a_token_says_what_is_wrong_with_one_and_shows_what_the_right_one_covers() {
    let data = tempfile::tempdir().unwrap();
    let node = start(data.path());
    for stream in ["cart-7", "order-1"] {
        administer(&node, &["append", stream, "opened", "{}"]);
    }
    let reader = administer(&node, &["token", "new", "--role", "read", "--prefix", "cart-"]);
    let reader = reader.lines().next().unwrap().trim();
    let browser = Browser::start();
    browser.open(&format!("{}/ui#/streams", node.url));
    browser.until("document.querySelector('h1').innerText === 'This node asks for a token'");
    assert_eq!(browser.get("document.querySelectorAll('.problem').length"), 0, "nothing is wrong yet");

    enter(&browser, "mst_0000000000000000_wrong");
    browser.until("document.querySelector('.problem .code').innerText === '401 token_invalid'");
    assert_eq!(browser.get("document.getElementById('token').getAttribute('aria-invalid')"), "true");
    assert_eq!(browser.get("sessionStorage.length"), 0, "a wrong token is not kept");
    enter(&browser, "no tokenŁ");
    browser.until("document.querySelector('.problem h2').innerText === 'This is no token'");

    enter(&browser, reader);
    browser.until(&format!("{STREAMS} === 'cart-7'"));
    assert_kept(&browser, reader);
    browser.click("#streams tbody a");
    browser.until("document.querySelectorAll('.events > li').length === 1");
    // Following sends the token as well.
    browser.click("button[aria-pressed]");
    browser.until("document.querySelector('.live').innerText.startsWith('Live')");
    administer(&node, &["append", "cart-7", "closed", "{}"]);
    browser.until("document.querySelectorAll('.events > li').length === 2");
    assert_kept(&browser, reader);

    // What the token does not cover, and figures of the whole store, are refused in words.
    browser.open(&format!("{}/ui#/streams/order-1", node.url));
    browser.until("document.querySelector('.problem .code').innerText === '403 not_permitted'");
    browser.open(&format!("{}/ui#/node", node.url));
    browser.until("document.body.innerText.includes('The figures need a token without prefixes')");
    assert!(browser.text().contains(env!("CARGO_PKG_VERSION")), "{}", browser.text());
    assert_kept(&browser, reader);
}

#[test]
fn a_token_that_is_revoked_while_a_stream_is_followed_is_asked_for_again_and_one_can_be_forgotten() {
    let data = tempfile::tempdir().unwrap();
    let node = start(data.path());
    administer(&node, &["append", "cart-7", "opened", "{}"]);
    let reader = administer(&node, &["token", "new", "--role", "read"]);
    let reader = reader.lines().next().unwrap().trim();
    let browser = Browser::start();
    browser.open(&format!("{}/ui#/streams/cart-7", node.url));
    enter(&browser, reader);
    browser.until("document.querySelectorAll('.events > li').length === 1");
    browser.click("button[aria-pressed]");
    browser.until("document.querySelector('.live').innerText.startsWith('Live')");
    let id = reader.split('_').nth(1).unwrap();
    administer(&node, &["token", "revoke", id]);
    browser.until("document.querySelector('h1').innerText === 'This node asks for a token'");
    browser.until("document.querySelector('.problem .code').innerText === '401 token_invalid'");

    enter(&browser, ADMIN);
    browser.until("document.querySelectorAll('.events > li').length === 1");
    browser.click("nav a[data-page=token]");
    browser.until("document.body.innerText.includes('This tab has a token.')");
    browser.click("main p button");
    browser.until("document.body.innerText.includes('The token is forgotten.')");
    assert_eq!(browser.get("sessionStorage.length"), 0);
    browser.click("nav a[data-page=streams]");
    browser.until("document.querySelector('h1').innerText === 'This node asks for a token'");
}
