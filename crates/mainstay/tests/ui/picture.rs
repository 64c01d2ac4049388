//! The picture of the page in README.md.

use crate::browser::Browser;
use crate::node::Node;
use serde_json::json;
use std::path::Path;

/// The most bytes of the picture: it is part of every clone.
const BYTES_MAX: usize = 150_000;

/// The width and height in the header of a PNG.
fn size(png: &[u8]) -> (u32, u32) {
    assert_eq!(png[..8], *b"\x89PNG\r\n\x1a\n");
    let number = |at: usize| u32::from_be_bytes(png[at..at + 4].try_into().unwrap());
    (number(16), number(20))
}

/// `BLESS=1 cargo nextest run -p mainstay -E 'test(picture)'` takes the picture again.
#[test]
fn the_picture_in_the_readme_is_one_of_the_page() {
    let data = tempfile::tempdir().unwrap();
    let node = Node::start(data.path());
    for (sku, price) in [("lamp", "40.00"), ("desk", "219.00"), ("chair", "89.90"), ("shelf", "64.50")] {
        let added = format!("{{\"sku\":\"{sku}\",\"price\":{price}}}");
        node.run(&["append", "cart-7", "cart.item-added", &added]).ok();
        node.run(&["append", "cart-7", "cart.viewed", "{\"by\":\"customer\"}"]).ok();
    }
    node.run(&["append", "cart-7", "cart.item-removed", "{\"sku\":\"desk\",\"reason\":\"out of stock\"}"])
        .ok();
    node.run(&["append", "cart-7", "cart.checked-out", "{\"total\":194.40,\"currency\":\"EUR\"}"]).ok();
    let browser = Browser::start();
    browser.emulate(&json!([{"name": "prefers-color-scheme", "value": "light"}]), (1080, 700));
    browser.open(&format!("{}/ui#/streams/cart-7", node.url));
    browser.until("document.querySelectorAll('.events > li').length === 10");
    browser.until("document.querySelectorAll('.marks i').length === 10");
    for shown in (6..10).rev() {
        browser.click(".timeline button:nth-last-of-type(2)");
        browser.until(&format!("document.querySelectorAll('.events > li').length === {shown}"));
    }
    browser.until("document.getElementById('health').innerText === 'Ready'");
    browser.get("document.activeElement.blur()");

    let taken = browser.picture();
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/ui.png");
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&file, &taken).unwrap();
    }
    let kept = std::fs::read(&file).unwrap();
    assert!(kept.len() <= BYTES_MAX, "{} bytes", kept.len());
    assert_eq!(size(&kept), size(&taken));
}
