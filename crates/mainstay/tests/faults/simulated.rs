//! The real binary over a file system that this test serves. It keeps only what was synced, file by file and
//! directory by directory, and does to any system call what a test wants.
//!
//! File systems with a journal keep more than that, so some losses never show on them. And some faults cannot be
//! caused below them: a failed sync whose data the system then takes for written, or a disk that hangs at one file.

use crate::hung_disk::{get, stalls_and_responds};
use crate::node::{Killed, Node};
use crate::syncs::until_it_stops;
use crate::workload::{self, Machine, SMALL, Workload};
use crate::{append, events, ok, tmpfs, until};
use fault_fs::{Fate, FaultFs, Kind, Operation, Tree};
use seeded_rng::Rng;
use std::cell::RefCell;
use std::path::PathBuf;
use std::time::Duration;

const CUTS: u32 = 30;
/// A loss that is not seen in this many cuts is not found.
const CUTS_MAX: u32 = 20;
const FAILURES: u32 = 20;
/// Which sync fails, counted from the start of the node.
const SYNCS_MAX: u64 = 150;
const LOAD_MS_MAX: u64 = 200;

pub(crate) struct Simulated {
    pub(crate) disk: FaultFs,
    rule: fn(&Operation) -> Fate,
    rng: RefCell<Rng>,
}

impl Simulated {
    fn new(rule: fn(&Operation) -> Fate) -> Self {
        let disk = FaultFs::mount(Tree::default());
        let disk = disk.unwrap_or_else(|error| tmpfs::not_run(&format!("FUSE: {error}")));
        disk.rule(rule);
        Self { disk, rule, rng: RefCell::new(workload::rng()) }
    }

    pub(crate) fn without_faults() -> Self {
        Self::new(|_| Fate::Done)
    }
}

impl Machine for Simulated {
    fn data(&self) -> PathBuf {
        self.disk.path().join("data")
    }

    fn fail(&self, node: Killed) {
        // A process that waits for the disk does not end.
        self.disk.end();
        node.wait();
        self.disk.cut_power(&mut || self.rng.borrow_mut().next_u64()).unwrap();
        self.disk.rule(self.rule);
    }
}

#[test]
fn nothing_acknowledged_or_seen_is_lost_when_only_what_was_synced_survives_a_power_cut() {
    let machine = Simulated::without_faults();
    let cuts = workload::rounds(CUTS);
    let summary = Workload::new(1).with_followers().campaign(&machine, cuts, &mut workload::rng());
    let summary = summary.unwrap_or_else(|violation| panic!("{violation}"));
    println!("{summary:?}");
    assert!(summary.acknowledged >= 50 * cuts as usize && summary.failures_at_start > 0, "void: {summary:?}");
}

#[test]
fn a_node_that_does_not_sync_directories_is_seen_to_lose_files() {
    let machine = Simulated::new(|operation| match operation.kind {
        Kind::SyncDirectory => Fate::Skipped,
        _ => Fate::Done,
    });
    let campaign = Workload::new(3).campaign(&machine, CUTS_MAX, &mut workload::rng());
    let loss = campaign.expect_err("a loss must be found").to_string();
    println!("{loss}");
    assert!(["lost", "does not start"].iter().any(|words| loss.contains(words)), "{loss}");
}

#[test]
fn a_failed_sync_a_restart_and_a_power_cut_lose_nothing() {
    let machine = Simulated::without_faults();
    let (mut workload, mut rng) = (Workload::new(1), workload::rng());
    let mut stopped = 0;
    for _ in 0..workload::rounds(FAILURES) {
        let node = workload::start(&machine).unwrap_or_else(|violation| panic!("{violation}"));
        workload.verify(&node, false).unwrap_or_else(|violation| panic!("{violation}"));
        let (nth, mut syncs) = (rng.below(SYNCS_MAX), 0);
        machine.disk.rule(move |operation| match operation.kind {
            Kind::Sync | Kind::SyncDirectory => {
                syncs += 1;
                if syncs == nth { Fate::Failed } else { Fate::Done }
            }
            _ => Fate::Done,
        });
        workload.run(node, Duration::ZERO, |node| stopped += u32::from(until_it_stops(node))).unwrap();
        machine.disk.release();
        // The process starts again, finds what the failed sync has not made durable, and builds on it.
        let node = workload::start(&machine).unwrap_or_else(|violation| panic!("{violation}"));
        workload.verify(&node, false).unwrap_or_else(|violation| panic!("{violation}"));
        let moment = Duration::from_millis(rng.below(LOAD_MS_MAX));
        workload.run(node, moment, |node| machine.fail(node.begin_kill())).unwrap();
    }
    let node = workload::start(&machine).unwrap_or_else(|violation| panic!("{violation}"));
    workload.verify(&node, true).unwrap_or_else(|violation| panic!("{violation}"));
    workload.finish(&node).unwrap_or_else(|violation| panic!("{violation}"));
    assert!(node.stop().success());
    println!("{stopped} nodes met a failing sync");
    assert!(stopped > FAILURES / 4, "void: {stopped} syncs failed");
}

#[test]
fn a_disk_that_hangs_at_a_body_holds_up_neither_rejections_nor_cached_reads() {
    let machine = Simulated::without_faults();
    let node = Node::start_with(&machine.data(), SMALL);
    let client = node.client();
    (0..20).for_each(|event| ok(&append(&client, "orders", &event.to_string())));
    assert_eq!(events(&node).len(), 20, "the bodies are cached from now on");
    machine.disk.rule(|operation| match operation.kind {
        Kind::Write if operation.path.starts_with("data/bodies") => Fate::Waits,
        _ => Fate::Done,
    });
    // The log makes it durable, so it has an outcome.
    ok(&append(&client, "orders", "20"));
    until("a body that waits", || (machine.disk.waiting() > 0).then_some(()));
    let rejected = stalls_and_responds(&node, "/v1/streams/orders/events", || machine.disk.release());
    assert!(rejected > 3, "void: {rejected} writes were rejected");
    ok(&append(&client, "orders", "21"));
    assert_eq!(events(&node).len(), 22);
    assert!(node.stop().success());

    let node = Node::start(&machine.data());
    assert_eq!(events(&node).len(), 22);
    let found = get(&node.client(), "/v1/streams/rejected/events").1;
    assert!(!found.contains("order.placed"), "what was rejected had no effect: {found}");
    assert!(node.stop().success());
}

#[test]
fn reads_that_wait_for_a_hung_disk_do_not_make_other_reads_wait() {
    let machine = Simulated::without_faults();
    let node = Node::start_with(&machine.data(), SMALL);
    let large = format!("\"{}\"", "x".repeat(200 << 10));
    // Several segments of bodies, of which a start reads only the last.
    (0..12).for_each(|_| ok(&append(&node.client(), "large", &large)));
    ok(&append(&node.client(), "orders", "0"));
    assert!(node.stop().success());
    machine.disk.restart().unwrap();
    let node = Node::start_with(&machine.data(), SMALL);
    assert_eq!(events(&node).len(), 1, "it is cached from now on");
    machine.disk.rule(|operation| match operation.kind {
        Kind::Read if operation.path.starts_with("data/bodies") => Fate::Waits,
        _ => Fate::Done,
    });
    let hung: Vec<_> = (0..8)
        .map(|_| {
            let client = node.client();
            std::thread::spawn(move || get(&client, "/v1/streams/large/events"))
        })
        .collect();
    until("reads that wait", || (machine.disk.waiting() > 0).then_some(()));
    let stalled = until("a read that is rejected", || {
        Some(get(&node.client(), "/v1/streams/orders/events")).filter(|(status, _)| *status != 200)
    });
    assert!(stalled.0 == 503 && stalled.1.contains("disk_stalled"), "{stalled:?}");
    machine.disk.release();
    for read in hung {
        let (status, body) = read.join().unwrap();
        assert!(status == 200 || status == 503 && body.contains("disk_stalled"), "{status} {body}");
    }
    until("reads that work", || (get(&node.client(), "/v1/streams/large/events").0 == 200).then_some(()));
    assert!(node.stop().success());
}
