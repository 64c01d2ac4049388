//! What parsing one event of 1 KiB costs: `cargo run --release -p api --example hot_path`.

use api::request::append::AppendHead;
use http::HeaderMap;
use http::header::{CONTENT_TYPE, HOST, HeaderValue};
use model::{Appended, AppendedEvent, Position, Revision, Slot};
use std::hint::black_box;
use std::time::Instant;

const ROUNDS: u32 = 300_000;

fn main() {
    let body = format!(
        r#"{{"specversion":"1.0","id":"18f3c0ffee-1a2b","source":"/bench","type":"t.created","data":"{}"}}"#,
        "x".repeat(1024)
    );
    let mut headers = HeaderMap::new();
    headers.insert(HOST, HeaderValue::from_static("127.0.0.1"));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/cloudevents+json"));
    time("read one event of 1 KiB", || {
        let stream = api::request::stream_in_path(black_box("s-17")).ok()?;
        black_box(AppendHead::of(&headers).ok()?.read(stream, black_box(body.as_bytes())).ok())
    });
    let stream = api::request::stream_in_path("s-17").ok();
    let Some(append) = stream.and_then(|s| AppendHead::of(&headers).ok()?.read(s, body.as_bytes()).ok())
    else {
        return;
    };
    let context = api::response::outcome::AppendContext::of(&append);
    let event = AppendedEvent { revision: Revision(7), position: Position(1 << 56), replayed: false };
    let appended = Appended { slot: Slot(7), events: vec![event] };
    time("write its answer", || {
        let mut out = Vec::with_capacity(256);
        api::response::outcome::write_appended(&mut out, black_box(&context), black_box(&appended));
        Some(out)
    });
    let mut out = Vec::with_capacity(4096);
    time("write it as stored", || {
        out.clear();
        let stored = api::response::stored::StoredEvent {
            stream: "s-17",
            revision: Revision(7),
            cursor: appended.cursor(event),
            filled: append.events[0].filled,
            envelope: &append.events[0].envelope,
        };
        stored.write(&mut out);
        Some(out.len())
    });
}

fn time<T>(what: &str, mut round: impl FnMut() -> Option<T>) {
    let start = Instant::now();
    for _ in 0..ROUNDS {
        black_box(round());
    }
    println!("{what}: {:.0} ns", start.elapsed().as_nanos() as f64 / f64::from(ROUNDS));
}
