//! A compaction that finds no space is reported and tried again later, and does nothing else meanwhile.

use crate::node::Node;
use crate::tmpfs::Tmpfs;
use crate::{append, ok, until};
use mainstay_client::Request;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

/// Takes all space but this much.
fn fill(path: &Path, left: u64) {
    let mut ballast = File::create(path).unwrap();
    let chunk = [7; 64 << 10];
    let mut written = 0;
    while let Ok(count) = ballast.write(&chunk) {
        written += count as u64;
    }
    ballast.set_len(written - left).unwrap();
}

#[test]
fn a_compaction_without_space_is_reported_and_waits_until_there_is_some() {
    let disk = Tmpfs::mount("96m");
    let data = disk.path().join("data");
    let small = ["--segment-size", "1 MiB", "--memtable-size", "1 MiB", "--space-reserve", "0"];
    let node = Node::start_with(&data, &small);
    let client = node.client();
    // Segments that are half of one stream, half of the other: rewriting one needs half a segment of space.
    let large = format!("\"{}\"", "x".repeat(50 << 10));
    for _ in 0..30 {
        ok(&append(&client, "kept", &large));
        ok(&append(&client, "deleted", &large));
        ok(&append(&client, "deleted", "1"));
    }
    until("the bodies on disk", || (node.metric("mainstay_bodies_bytes") > 3e6).then_some(()));
    let ballast = disk.path().join("ballast");
    fill(&ballast, 400 << 10);
    assert!(client.send(&Request::new("DELETE", "/v1/streams/deleted").unwrap()).unwrap().status < 300);
    until("a report", || (node.metric("mainstay_compactions_out_of_space_total") > 0.0).then_some(()));

    // The pause doubles, and neither the log nor the state has new work because of it.
    let (begun, flushes) = (Instant::now(), node.metric("mainstay_flush_seconds_count"));
    let attempts =
        |wanted: f64| (node.metric("mainstay_compactions_out_of_space_total") >= wanted).then_some(());
    until("the fourth attempt", || attempts(4.0));
    assert!(begun.elapsed() > Duration::from_secs(5), "four attempts in {:?}", begun.elapsed());
    assert!(
        node.metric("mainstay_flush_seconds_count") <= flushes + 1.0,
        "nothing was flushed because of it"
    );
    assert!(node.metric("mainstay_bodies_dead_bytes") > 1e6);

    std::fs::remove_file(&ballast).unwrap();
    until("the end of the dead events", || (node.metric("mainstay_bodies_dead_bytes") < 1e6).then_some(()));
    ok(&append(&client, "kept", "1"));
    assert!(node.stop().success());
}
