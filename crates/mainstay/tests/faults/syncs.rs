//! Syncs that fail. The node must stop with a reason, because after a failed sync the kernel takes lost pages for
//! written ones. After its restart everything that was acknowledged is there, and what is acknowledged then
//! survives the next power cut.
//!
//! A full disk below a loop device would be a more natural cause, but Linux 6.18 reports a short write to such a
//! device as success.

use crate::image::{FileSystem, Image};
use crate::node::{Node, serve};
use crate::strace::{Injection, traced};
use crate::workload::{self, Machine, SMALL, Workload};
use mainstay_client::NewEvent;
use std::time::{Duration, Instant};

const FAILURES: u32 = 12;
/// Earlier syncs belong to the start of the node.
const SYNCS_BEFORE: u64 = 12;
const SYNCS_MAX: u64 = 120;
/// A node that runs for this long has met no failing sync.
const LOAD_MAX: Duration = Duration::from_secs(3);
const LOAD_MS_MAX: u64 = 200;
const REASONS: [&str; 4] =
    ["cannot be made durable", "cannot be written", "state store failed", "events of subjects"];

/// Waits under load until the node stops, which it must do with a reason; kills it when it does not stop.
pub(crate) fn until_it_stops(mut node: Node) -> bool {
    let began = Instant::now();
    loop {
        if let Some((status, errors)) = node.ended() {
            assert_eq!(status.code(), Some(1), "{errors}");
            assert!(REASONS.iter().any(|reason| errors.contains(reason)), "{errors}");
            return true;
        }
        if began.elapsed() > LOAD_MAX {
            node.kill();
            return false;
        }
        std::thread::yield_now();
    }
}

/// Runs the node under load, cuts the power, and verifies everything.
fn load_and_cut(image: &Image, workload: &mut Workload, rng: &mut seeded_rng::Rng) {
    let node = workload::start(image).unwrap_or_else(|violation| panic!("{violation}"));
    workload.verify(&node, true).unwrap_or_else(|violation| panic!("{violation}"));
    let moment = Duration::from_millis(rng.below(LOAD_MS_MAX));
    workload.run(node, moment, |node| image.fail(node.begin_kill())).unwrap();
}

fn finish(image: &Image, workload: &mut Workload) {
    let node = workload::start(image).unwrap_or_else(|violation| panic!("{violation}"));
    workload.verify(&node, true).unwrap_or_else(|violation| panic!("{violation}"));
    workload.finish(&node).unwrap_or_else(|violation| panic!("{violation}"));
    assert!(node.stop().success());
}

#[test]
fn one_sync_that_fails_stops_the_node_and_loses_nothing_even_if_the_power_fails_later() {
    let image = Image::new(FileSystem::Ext4, "512m");
    let (mut workload, mut rng) = (Workload::new(1), workload::rng());
    let mut stopped = 0;
    for _ in 0..workload::rounds(FAILURES) {
        let effect = format!("error=EIO:when={}", rng.between(SYNCS_BEFORE, SYNCS_MAX));
        let failing =
            Injection { calls: rng.pick(&["fdatasync", "fsync"]), effect: &effect, paths: Vec::new() };
        let node = workload::start(&image).unwrap();
        workload.verify(&node, false).unwrap();
        node.kill();
        let node = Node::try_start(traced(&serve(&image.data(), SMALL), &failing)).unwrap();
        workload.run(node, Duration::ZERO, |node| stopped += u32::from(until_it_stops(node))).unwrap();
        load_and_cut(&image, &mut workload, &mut rng);
    }
    finish(&image, &mut workload);
    println!("{stopped} nodes met a failing sync");
    assert!(stopped > 0, "void: no sync failed");
}

#[test]
fn a_sync_of_the_states_directory_that_fails_leaves_a_state_that_opens() {
    let data = tempfile::tempdir().unwrap();
    Node::start_with(data.path(), &[]).stop();
    // strace counts for each thread. The thread of the start syncs this directory once, and that of the flushes twice
    // for each flush: before and after its manifest replaces the one before.
    let failing = |nth| {
        let (effect, paths) = (format!("error=EIO:when={nth}"), vec![data.path().join("state/tree")]);
        Node::try_start(traced(
            &serve(data.path(), &[]),
            &Injection { calls: "fsync", effect: &effect, paths },
        ))
    };
    assert!(failing(1).is_err(), "the start is refused");
    let node = failing(2).unwrap();
    node.client().append("orders", [NewEvent::new("t")]).send().unwrap();
    assert_eq!(node.stop().code(), Some(1), "its last flush fails");
    let node = Node::try_start(serve(data.path(), &[])).unwrap();
    assert_eq!(node.client().read("orders").events().count(), 1);
    assert!(node.stop().success());
}
