//! Clients that use a node while it is killed or loses power, and what must be true afterwards: everything that
//! was acknowledged is there once, in order, with the same cursor and the same content; what had no response is
//! there whole or not at all, and its retry is recognised; and each follower has received exactly what the store
//! holds.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test's helpers fail by panicking"
)]
#![allow(dead_code, reason = "each test binary uses a part of this")]

mod followers;
mod ledger;
mod writers;

use crate::node::{Killed, Node, serve};
use followers::Follower;
use ledger::Ledger;
pub(crate) use ledger::{Checked, Violation, violation};
use seeded_rng::Rng;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use writers::Writer;

/// Small, so that segments are filled, recycled and flushed behind many times.
pub(crate) const SMALL: &[&str] = &[
    "--segment-size",
    "1 MiB",
    "--memtable-size",
    "256 KiB",
    "--keep-alive",
    "1s",
    "--space-reserve",
    "8 MiB",
];
/// How many of the last events are read in each round. All of them are read at the end, and now and then.
const TAIL_EVENTS: usize = 500;
const READ_ALL_EVERY: u32 = 10;
/// Under load, a node runs for at most this long before it fails.
const LOAD_MS_MAX: u64 = 250;
/// In some rounds it runs longer, so that what it does every second happens too.
const LONG_LOAD_MS_MAX: u64 = 2_500;
const LONG_LOAD_EVERY: u64 = 8;
/// While it starts, for at most this long.
const START_US_MAX: u64 = 40_000;
/// While it stops, for at most this long.
const STOP_US_MAX: u64 = 20_000;

/// A machine with a disk and a node, which fails as a whole.
pub(crate) trait Machine {
    /// The data directory.
    fn data(&self) -> PathBuf;

    /// The command that starts the node.
    fn serve(&self) -> Command {
        serve(&self.data(), SMALL)
    }

    /// Fails after its node was killed, and comes back without a node. The kill comes first, because ext4 may report
    /// success for a sync that the end of its disk has cut short, and the node must not pass that on.
    fn fail(&self, node: Killed);
}

/// The seed that `FAULTS_SEED` names, or a new one. Printed, so that a failed run can be repeated with the same
/// decisions, though not with the same timing.
pub(crate) fn rng() -> Rng {
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64);
    let seed = std::env::var("FAULTS_SEED").ok().map_or_else(now, |seed| seed.parse().unwrap());
    println!("FAULTS_SEED={seed}");
    Rng::new(seed)
}

/// `usual`, unless `FAULTS_PERCENT` names a percentage of it.
pub(crate) fn rounds(usual: u32) -> u32 {
    let percent = std::env::var("FAULTS_PERCENT").ok().map_or(100, |percent| percent.parse().unwrap());
    (u64::from(usual) * percent).div_ceil(100) as u32
}

/// Clients of one store, across all its failures.
#[derive(Debug)]
pub(crate) struct Workload {
    writers: Vec<Writer>,
    followers: Vec<Follower>,
    ledger: Ledger,
    /// The writes without a response that had taken effect.
    unanswered_found: u32,
}

/// What a campaign did.
#[derive(Debug)]
pub(crate) struct Summary {
    pub(crate) failures_under_load: u32,
    pub(crate) failures_at_start: u32,
    pub(crate) failures_at_stop: u32,
    pub(crate) acknowledged: usize,
    pub(crate) unanswered_found: u32,
    pub(crate) received: u64,
    /// How often a follower was told that history before its place was removed.
    pub(crate) overtaken: usize,
    /// How often the segments of bodies that are left were rewritten without removed events.
    pub(crate) rewrites: u64,
}

impl Workload {
    pub(crate) fn new(writers_each: u32) -> Self {
        let (followers, ledger) = (Vec::new(), Ledger::default());
        Self { writers: Writer::each(writers_each), followers, ledger, unanswered_found: 0 }
    }

    pub(crate) fn with_followers(self) -> Self {
        Self { followers: Follower::of_every_kind(), ..self }
    }

    /// Starts the node, fails it under load, and verifies everything after its restart, again and again.
    pub(crate) fn campaign(
        &mut self,
        machine: &impl Machine,
        rounds: u32,
        rng: &mut Rng,
    ) -> Checked<Summary> {
        let (mut failures_at_start, mut failures_at_stop) = (0, 0);
        for round in 0..rounds {
            let in_round = |violation: Violation| violation.at(format!("round {round}"));
            let node = start(machine).map_err(in_round)?;
            self.verify(&node, round % READ_ALL_EVERY == 0).map_err(in_round)?;
            let is_long = rng.one_in(LONG_LOAD_EVERY);
            let moment = rng.below(if is_long { LONG_LOAD_MS_MAX } else { LOAD_MS_MAX });
            self.run(node, Duration::from_millis(moment), |node| machine.fail(node.begin_kill()))
                .map_err(in_round)?;
            while rng.one_in(3) {
                fail_during_start(machine, Duration::from_micros(rng.below(START_US_MAX)));
                failures_at_start += 1;
            }
            if rng.one_in(4) {
                let node = start(machine).map_err(in_round)?;
                node.ask_to_stop();
                std::thread::sleep(Duration::from_micros(rng.below(STOP_US_MAX)));
                machine.fail(node.begin_kill());
                failures_at_stop += 1;
            }
        }
        let node = start(machine)?;
        self.verify(&node, true)?;
        self.finish(&node)?;
        if !node.stop().success() {
            return violation("the node does not stop as it should");
        }
        Ok(Summary {
            failures_under_load: rounds,
            failures_at_start,
            failures_at_stop,
            acknowledged: self.ledger.len(),
            unanswered_found: self.unanswered_found,
            received: self.followers.iter().map(Follower::received).sum(),
            overtaken: self.followers.iter().map(Follower::overtaken_times).sum(),
            rewrites: rewrites(&machine.data()),
        })
    }

    /// Settles the writes that had no response, and compares the store with what it must hold.
    pub(crate) fn verify(&mut self, node: &Node, whole: bool) -> Checked {
        let client = node.client();
        for writer in &mut self.writers {
            self.unanswered_found += u32::from(writer.settle(&client)?);
            writer.report(&mut self.ledger)?;
        }
        let after = if whole { None } else { self.ledger.before_last(TAIL_EVENTS) };
        self.ledger.verify(&client, after)?;
        self.followers.iter_mut().try_for_each(|follower| follower.verify(&self.ledger))
    }

    /// Reads everything and compares it with what must be there.
    pub(crate) fn read_everything(&self, node: &Node) -> Checked {
        let client = node.client();
        self.ledger.verify(&client, None)?;
        self.ledger.verify_streams(&client)
    }

    /// Runs all clients until the failure has ended them.
    pub(crate) fn run(&mut self, node: Node, moment: Duration, fail: impl FnOnce(Node)) -> Checked {
        let stop = AtomicBool::new(false);
        self.followers.iter_mut().for_each(|follower| follower.begin(&self.ledger));
        std::thread::scope(|scope| {
            let mut clients = Vec::new();
            for writer in &mut self.writers {
                let client = node.client();
                clients.push(scope.spawn(move || writer.write_until_it_breaks(&client)));
            }
            for follower in &mut self.followers {
                let (client, stop) = (node.client(), &stop);
                clients.push(scope.spawn(move || follower.follow(&client, stop)));
            }
            // Not waiting for something: the moment of the failure is the test.
            std::thread::sleep(moment);
            fail(node);
            stop.store(true, Ordering::Relaxed);
            clients.into_iter().try_for_each(|client| client.join().unwrap())
        })
    }

    /// After the last round: verifies each stream, and has the followers receive the rest.
    pub(crate) fn finish(&mut self, node: &Node) -> Checked {
        let client = node.client();
        self.ledger.verify_streams(&client)?;
        self.followers.iter_mut().try_for_each(|follower| follower.catch_up(&client, &self.ledger))
    }
}

fn fail_during_start(machine: &impl Machine, moment: Duration) {
    // What it has to say about its failing disk is no news.
    let starting = machine.serve().stderr(Stdio::null()).spawn().unwrap();
    std::thread::sleep(moment);
    machine.fail(Killed::now(starting));
}

/// Starts the machine's node.
pub(crate) fn start(machine: &impl Machine) -> Checked<Node> {
    Node::try_start(machine.serve()).map_err(|refused| {
        let status = refused.status.map_or("still starting".to_owned(), |status| status.to_string());
        Violation::Unreadable(format!("the node does not start ({status}): {}", refused.errors))
    })
}

/// The sum of the generations of all segments of bodies. The name of a segment ends with its generation.
fn rewrites(data: &Path) -> u64 {
    let names = std::fs::read_dir(data.join("bodies")).unwrap().map(|entry| entry.unwrap().file_name());
    let generation = |name: OsString| {
        u64::from_str_radix(name.to_str()?.strip_suffix(".bodies")?.split_once('-')?.1, 16).ok()
    };
    names.filter_map(generation).sum()
}
