//! kill -9 under load, again and again, on the real binary and a real disk: at random moments, also while the
//! node starts. After each kill everything is verified: what was acknowledged is there once and in order,
//! what was not is there whole or not at all, and every retry is recognised.
//!
//! A failing run prints its seed; `CRASH_SEED=... ` draws the same moments again (the machine's own timing
//! stays its own).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test's helpers fail by panicking"
)]

#[path = "../node/mod.rs"]
mod node;

mod draw;
mod writers;

use draw::Draw;
use node::{Node, spawn};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use writers::{Writer, write_until_it_breaks};

const ROUNDS: u32 = 30;
/// Kills while the node starts, over all rounds.
const STARTS_KILLED_WANTED: u32 = 15;
/// Fewer acknowledged events than this in a run prove nothing.
const ACKNOWLEDGED_WANTED: u64 = 3_000;
/// Small, so that segments are changed, recycled and flushed behind many times.
const SMALL: &[&str] = &["--segment-size", "1 MiB", "--memtable-size", "256 KiB"];

#[test]
fn nothing_acknowledged_is_lost_over_thirty_kills_under_load() {
    let mut draw = Draw::from_environment("CRASH_SEED");
    println!("CRASH_SEED={}", draw.seed());
    let data = tempfile::tempdir().unwrap();
    let mut writers = Writer::all();
    let (mut starts_killed, mut unanswered_found) = (0, 0);
    for round in 0..ROUNDS {
        let node = Node::start_with(data.path(), SMALL);
        unanswered_found += verify_and_retry(&node, &mut writers, round);
        let load: Vec<_> = writers
            .into_iter()
            .map(|writer| {
                let client = node.client();
                std::thread::spawn(move || write_until_it_breaks(&client, writer))
            })
            .collect();
        // Not waiting for something: the moment of the kill is the test.
        std::thread::sleep(Duration::from_millis(draw.below(250)));
        node.kill();
        writers = load.into_iter().map(|thread| thread.join().unwrap()).collect();
        while draw.below(2) == 0 {
            kill_during_start(data.path(), &mut draw);
            starts_killed += 1;
        }
    }
    while starts_killed < STARTS_KILLED_WANTED {
        kill_during_start(data.path(), &mut draw);
        starts_killed += 1;
    }
    let node = Node::start_with(data.path(), SMALL);
    unanswered_found += verify_and_retry(&node, &mut writers, ROUNDS);
    writers.iter().for_each(|writer| writer.verify_from_the_beginning(&node.client()));
    let acknowledged: u64 = writers.iter().map(Writer::acknowledged_events).sum();
    println!(
        "{ROUNDS} kills under load, {starts_killed} during a start; {acknowledged} events acknowledged, \
         {unanswered_found} unanswered writes had taken effect"
    );
    assert!(acknowledged >= ACKNOWLEDGED_WANTED, "void: only {acknowledged} events were acknowledged");
    assert!(node.stop().success());
}

/// How many of the writes without an answer had taken effect.
fn verify_and_retry(node: &Node, writers: &mut [Writer], round: u32) -> u32 {
    let client = node.client();
    writers.iter_mut().map(|writer| u32::from(writer.verify_and_retry(&client, round))).sum()
}

fn kill_during_start(data: &Path, draw: &mut Draw) {
    let mut starting = spawn(data, SMALL);
    std::thread::sleep(Duration::from_micros(draw.below(40_000)));
    starting.kill().unwrap();
    starting.wait().unwrap();
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
    let answered = Arc::new(std::sync::atomic::AtomicU64::new(0));
    let counted = Arc::clone(&answered);
    let importing = std::thread::spawn(move || {
        import.by_ref().take_while(Result::is_ok).for_each(|_| {
            counted.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        });
    });
    while answered.load(std::sync::atomic::Ordering::Relaxed) < 1_000 {
        std::thread::yield_now();
    }
    node.kill();
    importing.join().unwrap();
    let answered = answered.load(std::sync::atomic::Ordering::Relaxed);
    let node = Node::start_with(data.path(), SMALL);
    let found = node.client().read_all().events().count() as u64;
    assert!(found >= answered, "{answered} lines were answered, {found} events are there");
    let summary = node.run_with_input(&["import", "-"], &lines).ok();
    let want = format!("{} appended, {found} replayed, 0 refused", 30_000 - found);
    assert!(summary.contains(&want), "{summary}");
}
