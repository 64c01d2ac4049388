//! A disk that stops responding: the node says so, rejects writes at once, still reads what is in memory, and
//! continues by itself when the disk responds.

use crate::image::{FileSystem, Image};
use crate::node::{Node, serve};
use crate::strace::{Injection, traced};
use crate::workload::{self, Workload};
use crate::{append, events, ok, until};
use mainstay_client::Request;
use mainstay_client::blocking::Client;
use std::time::{Duration, Instant};

/// How long the one sync takes.
const HANG: Duration = Duration::from_secs(8);
/// How soon the node notices.
const NOTICED: Duration = Duration::from_secs(2);
const FREEZES: u32 = 6;
/// An outcome that comes within this did not wait for the disk.
const AT_ONCE: Duration = Duration::from_secs(2);

pub(crate) fn get(client: &Client, path: &str) -> (u16, String) {
    match client.send(&Request::new("GET", path).unwrap()) {
        Ok(said) => (said.status, String::from_utf8(said.body.to_vec()).unwrap()),
        Err(error) => (0, error.to_string()),
    }
}

/// The node's disk hangs. Checks what the node does about it until `respond` makes the disk go on, and that it
/// works again then. Returns how many writes were rejected. What is read at `cached` must be.
pub(crate) fn stalls_and_responds(node: &Node, cached: &str, respond: impl FnOnce()) -> u32 {
    let client = node.client();
    let hung = Instant::now();
    until("a node that is not ready", || (get(&client, "/readyz").0 == 503).then_some(()));
    assert!(hung.elapsed() < NOTICED + AT_ONCE, "it was noticed after {:?}", hung.elapsed());
    let mut rejected = 0;
    for _ in 0..10 {
        let begun = Instant::now();
        let said = append(&client, "rejected", "{}");
        assert!(said.status == 503 && said.body.contains("disk_stalled"), "{said:?}");
        rejected += 1;
        assert_eq!(get(&client, cached).0, 200, "what is cached is still read");
        assert_eq!(get(&client, "/livez").0, 200);
        assert!(begun.elapsed() < AT_ONCE, "nothing waits for the disk, but this took {:?}", begun.elapsed());
    }
    respond();
    until("a node that is ready again", || (get(&client, "/readyz").0 == 200).then_some(()));
    rejected
}

#[test]
fn a_frozen_file_system_stops_only_writes_whenever_it_freezes() {
    let image = Image::new(FileSystem::Ext4, "512m");
    let (mut workload, mut rng) = (Workload::new(2), workload::rng());
    let mut rejected = 0;
    for _ in 0..workload::rounds(FREEZES) {
        let node = workload::start(&image).unwrap_or_else(|violation| panic!("{violation}"));
        workload.verify(&node, true).unwrap_or_else(|violation| panic!("{violation}"));
        // Everything was read, and is cached.
        let moment = Duration::from_millis(50 + rng.below(400));
        let checked = workload.run(node, moment, |node| {
            image.freeze();
            // Writers stop at the first rejection, so each freeze meets all of them once.
            rejected += stalls_and_responds(&node, "/v1/events", || image.thaw());
            node.kill();
        });
        checked.unwrap_or_else(|violation| panic!("{violation}"));
    }
    let node = workload::start(&image).unwrap_or_else(|violation| panic!("{violation}"));
    workload.verify(&node, true).unwrap_or_else(|violation| panic!("{violation}"));
    workload.finish(&node).unwrap_or_else(|violation| panic!("{violation}"));
    println!("{rejected} writes were rejected");
    assert!(node.stop().success());
}

#[test]
fn a_disk_that_does_not_respond_rejects_writes_at_once_and_the_node_continues_when_it_does() {
    let data = tempfile::tempdir().unwrap();
    let effect = format!("delay_enter={}:when=60", HANG.as_micros());
    let hang = Injection { calls: "fdatasync", effect: &effect, paths: Vec::new() };
    let node = Node::try_start(traced(&serve(data.path(), &[]), &hang)).unwrap();
    let reader = node.client();
    // A client that waits for each outcome: one append will be in the sync that hangs.
    let writer = {
        let client = node.client();
        std::thread::spawn(move || {
            let (mut acknowledged, mut slowest) = (0, Duration::ZERO);
            while slowest < HANG / 2 {
                let begun = Instant::now();
                let said = append(&client, "orders", &format!("{acknowledged}"));
                if said.is_taken() {
                    acknowledged += 1;
                    slowest = slowest.max(begun.elapsed());
                }
                assert!(said.is_taken() || said.status == 503, "{said:?}");
            }
            acknowledged
        })
    };
    let not_ready = until("a node that is not ready", || {
        let (status, body) = get(&reader, "/readyz");
        (status == 503).then_some(body)
    });
    assert!(not_ready.contains("disk_stalled") && not_ready.contains("for 2 s"), "{not_ready}");
    let stalled = Instant::now();
    let (mut rejected, mut late) = (0, 0);
    while get(&reader, "/readyz").0 == 503 {
        let begun = Instant::now();
        let said = append(&reader, "rejected", "{}");
        if get(&reader, "/readyz").0 == 200 {
            // The disk responded before the append, or just after it.
            late = usize::from(said.is_taken());
            break;
        }
        assert!(said.status == 503 && said.body.contains("disk_stalled"), "{said:?}");
        assert_eq!(get(&reader, "/v1/streams/orders/events").0, 200, "what is in memory is still read");
        assert_eq!(get(&reader, "/livez").0, 200);
        assert!(begun.elapsed() < AT_ONCE, "nothing waits for the disk, but this took {:?}", begun.elapsed());
        rejected += 1;
    }
    assert!(rejected > 3 && stalled.elapsed() > HANG / 3, "void: it was over too soon");
    assert!(stalled.elapsed() < HANG, "the disk responds, but the node does not continue");

    let acknowledged = writer.join().unwrap();
    ok(&append(&reader, "orders", "\"after\""));
    assert!(node.stop().success());

    let node = Node::start(data.path());
    assert_eq!(events(&node).len(), acknowledged + 1);
    let found = get(&node.client(), "/v1/streams/rejected/events").1.matches("order.placed").count();
    assert_eq!(found, late, "what was rejected had no effect");
    assert!(node.stop().success());
}
