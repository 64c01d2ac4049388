//! kill -9 under load, again and again, on the real binary and a real disk: at random moments, also while the
//! node starts. After each kill everything is verified; see the workload.
//!
//! A failing run prints its seed; `FAULTS_SEED=...` makes the same decisions again (the machine's own timing
//! stays its own). `FAULTS_PERCENT=1000` runs ten times as many rounds.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test's helpers fail by panicking"
)]

#[path = "../node/mod.rs"]
mod node;
mod reactions;
mod tasks;
mod workers;
#[path = "../workload/mod.rs"]
mod workload;

use node::{Killed, Node};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use workload::{Machine, SMALL, Summary, Workload};

const KILLS_WITHOUT_FOLLOWERS: u32 = 80;
const KILLS_WITH_FOLLOWERS: u32 = 20;
/// A kill under load after fewer acknowledged events than this, on average, proves nothing.
const ACKNOWLEDGED_EACH_MIN: usize = 50;

/// A process that is killed; its files stay in the page cache.
struct Process<'a>(&'a Path);

impl Machine for Process<'_> {
    fn data(&self) -> PathBuf {
        self.0.to_owned()
    }

    fn fail(&self, node: Killed) {
        node.wait();
    }
}

fn kill_again_and_again(mut workload: Workload, kills: u32) -> Summary {
    let data = tempfile::tempdir().unwrap();
    let rounds = workload::rounds(kills);
    let summary = workload.campaign(&Process(data.path()), rounds, &mut workload::rng());
    let summary = match summary {
        Ok(summary) => summary,
        Err(violation) => panic!("{violation}\nThe data is kept in {}", data.keep().display()),
    };
    println!("{summary:?}");
    let wanted = rounds as usize * ACKNOWLEDGED_EACH_MIN;
    assert!(summary.acknowledged >= wanted, "void: too few events were acknowledged");
    assert!(summary.failures_at_start > 0 && summary.unanswered_found > 0, "void: rare cases did not happen");
    assert!(summary.rewrites > 0, "void: no bodies were rewritten");
    summary
}

#[test]
fn nothing_acknowledged_is_lost_over_eighty_kills_under_load() {
    kill_again_and_again(Workload::new(2), KILLS_WITHOUT_FOLLOWERS);
}

#[test]
fn followers_of_every_kind_receive_each_event_once_over_twenty_kills() {
    let summary = kill_again_and_again(Workload::new(1).with_followers(), KILLS_WITH_FOLLOWERS);
    assert!(summary.received > summary.acknowledged as u64, "void: followers received too little");
    assert!(summary.overtaken > 0, "void: retention never overtook a follower");
}

#[test]
fn an_import_cut_off_by_a_kill_ends_complete_when_it_is_run_again() {
    let data = tempfile::tempdir().unwrap();
    let lines: String = (0..30_000)
        .map(|n| {
            format!(
                "{{\"stream\":\"s-{}\",\"id\":\"{n}\",\"source\":\"/t\",\"type\":\"t\",\"data\":{n}}}\n",
                n % 100
            )
        })
        .collect();
    let node = Node::start_with(data.path(), SMALL);
    let mut import = node.client().import(std::io::Cursor::new(lines.clone()));
    let answered = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&answered);
    let importing = std::thread::spawn(move || {
        import.by_ref().take_while(Result::is_ok).for_each(|_| {
            counted.fetch_add(1, Ordering::Relaxed);
        });
    });
    while answered.load(Ordering::Relaxed) < 1_000 {
        std::thread::yield_now();
    }
    node.kill();
    importing.join().unwrap();
    let answered = answered.load(Ordering::Relaxed);
    let node = Node::start_with(data.path(), SMALL);
    let found = node.client().read_all().events().count() as u64;
    assert!(found >= answered, "{answered} lines were answered, {found} events are there");
    let summary = node.run_with_input(&["import", "-"], &lines).ok();
    let want = format!("{} appended, {found} replayed, 0 refused", 30_000 - found);
    assert!(summary.contains(&want), "{summary}");
}
