//! A disk that is full at any moment, and has space again: under load, without a reserve or with one, and while
//! the node starts. The node may refuse writes or stop, each with a reason. It never loses anything, and works
//! again as soon as there is space.

use crate::node::{Node, serve};
use crate::tmpfs::{Tmpfs, fill};
use crate::until;
use crate::workload::{self, Workload};
use mainstay_client::Request;
use seeded_rng::Rng;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

const EPISODES: u32 = 8;
const STEPS: u32 = 5;
/// A node that neither refuses nor stops after this long on a full disk still has space.
const FULL_MAX: Duration = Duration::from_secs(2);
const RESERVES: [&str; 3] = ["0", "2 MiB", "8 MiB"];
/// How the node says that there is no space.
const REASONS: [&str; 3] = ["No space left on device", "no space", "space"];

/// A disk in memory with a file that takes all of its space, if the test wants it to.
struct Disk {
    disk: Tmpfs,
    reserve: &'static str,
}

impl Disk {
    fn ballast(&self) -> PathBuf {
        self.disk.path().join("ballast")
    }

    fn empty(&self) {
        let _ = std::fs::remove_file(self.ballast());
    }

    fn serve(&self) -> Command {
        let small =
            ["--segment-size", "1 MiB", "--memtable-size", "256 KiB", "--space-reserve", self.reserve];
        serve(&self.disk.path().join("data"), &small)
    }
}

/// `None` if the node gives no response, as when it is about to end.
fn is_writable(node: &Node) -> Option<bool> {
    let ready = node.client().send(&Request::new("GET", "/readyz").unwrap()).ok()?;
    Some(String::from_utf8_lossy(&ready.body).contains("\"read_only\":null"))
}

/// What happened to the nodes of an episode.
#[derive(Debug, Default)]
struct Seen {
    stopped: u32,
    went_on: u32,
    starts_refused: u32,
}

/// The node ended by itself: because of the disk, and not with a panic.
fn check_reason(errors: &str) {
    assert!(!errors.contains("panicked"), "{errors}");
    assert!(REASONS.iter().any(|reason| errors.contains(reason)), "{errors}");
}

fn episode(rng: &mut Rng, reserve: &'static str, seen: &mut Seen) {
    let size = format!("{}m", rng.between(24, 64));
    let disk = Disk { disk: Tmpfs::mount(&size), reserve };
    let mut workload = Workload::new(1).with_followers();
    let mut running = None;
    for step in 0..STEPS {
        let what = format!("step {step} on {size} with a reserve of {}", disk.reserve);
        let node = running.take().unwrap_or_else(|| Node::try_start(disk.serve()).unwrap());
        until("space", || is_writable(&node)?.then_some(()));
        workload.verify(&node, true).unwrap_or_else(|violation| panic!("{what}: {violation}"));
        let (moment, left) = (Duration::from_millis(rng.below(200)), rng.below(300 << 10));
        let kill_after = rng.one_in(3).then(|| Duration::from_millis(rng.below(100)));
        let ran = workload.run(node, moment, |node| running = stay_full(&disk, left, kill_after, node, seen));
        ran.unwrap_or_else(|violation| panic!("{what}: {violation}"));
        if running.is_none() && rng.one_in(2) {
            match Node::try_start(disk.serve()) {
                Ok(node) => node.kill(),
                Err(refused) => {
                    check_reason(&refused.errors);
                    seen.starts_refused += 1;
                }
            }
        }
        disk.empty();
    }
    let node = running.take().unwrap_or_else(|| Node::try_start(disk.serve()).unwrap());
    until("space", || is_writable(&node)?.then_some(()));
    workload.verify(&node, true).unwrap();
    workload.finish(&node).unwrap();
    assert!(node.stop().success());
}

/// Fills the disk under load, and waits until the node has stopped, refuses writes, or is killed. Returns it if it
/// still runs.
fn stay_full(
    disk: &Disk,
    left: u64,
    kill_after: Option<Duration>,
    mut node: Node,
    seen: &mut Seen,
) -> Option<Node> {
    fill(&disk.ballast(), left);
    let began = Instant::now();
    loop {
        if kill_after.is_some_and(|after| began.elapsed() > after) {
            node.kill();
            return None;
        }
        if let Some((status, errors)) = node.ended() {
            assert_eq!(status.code(), Some(1), "{errors}");
            check_reason(&errors);
            seen.stopped += 1;
            return None;
        }
        if began.elapsed() > FULL_MAX
            && let Some(is_writable) = is_writable(&node)
        {
            // Its writers may not have been refused yet. They are when it is killed.
            if is_writable {
                node.kill();
                return None;
            }
            seen.went_on += 1;
            return Some(node);
        }
        std::thread::yield_now();
    }
}

#[test]
fn a_disk_that_is_full_at_any_moment_costs_nothing_that_was_acknowledged() {
    let (mut rng, mut seen) = (workload::rng(), Seen::default());
    // In turn: without a reserve, a node never goes on, and a drawn one could be that each time.
    for (_, reserve) in (0..workload::rounds(EPISODES)).zip(RESERVES.iter().cycle()) {
        episode(&mut rng, reserve, &mut seen);
    }
    println!("{seen:?}");
    assert!(seen.stopped > 0 && seen.went_on > 0, "void: {seen:?}");
}
