//! A process that commits, flushes and compacts is killed at random moments. It must leave exactly the state
//! of a completed flush, at or after the last one that it reported.

use super::{all_rows, apply, open, scatter, writes};
use crate::conformance::state::{Row, at};
use crate::state::{Compactor, Due, FlushJob, State};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Set in the child's environment: the directory in which it works.
const DIRECTORY: &str = "MAINSTAY_TEST_STATE_DIRECTORY";
const CHILD: &str = "lsm::tests::kill::a_process_that_works_until_it_is_killed";
const FLUSHED: &str = "flushed ";
const COMMITS_A_FLUSH: u64 = 100;

/// The child. It does nothing when it runs as a test of its own.
#[test]
fn a_process_that_works_until_it_is_killed() {
    let Some(directory) = std::env::var_os(DIRECTORY) else { return };
    let mut state = open(Path::new(&directory)).unwrap();
    let compactor = state.compactor();
    let ((jobs, orders), (reports, flushed)) = (channel(), channel());
    std::thread::spawn(move || {
        for job in orders {
            let job: super::super::LsmFlush = job;
            let progress = job.run().unwrap();
            writeln!(std::io::stdout(), "{FLUSHED}{}", progress.index).unwrap();
            reports.send(()).unwrap();
            while compactor.step().unwrap() == Due::More {}
        }
    });
    loop {
        for _ in 0..COMMITS_A_FLUSH {
            let index = state.progress().index.0 + 1;
            state.commit(&writes(index), at(index)).unwrap();
        }
        jobs.send(state.begin_flush().unwrap()).unwrap();
        flushed.recv().unwrap();
    }
}

fn spawn(directory: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args([CHILD, "--exact", "--nocapture"])
        .env(DIRECTORY, directory)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Waits until the child has reported this many flushes, kills it a random moment later, and returns the last
/// index it reported.
fn run_and_kill(directory: &Path, flushes: usize, moment: Duration) -> Option<u64> {
    let mut child = spawn(directory);
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut reported = lines.filter_map(|line| line.unwrap().split(FLUSHED).nth(1)?.parse().ok());
    let last = reported.by_ref().take(flushes).last();
    assert!(flushes == 0 || last.is_some(), "the child ended on its own");
    let began = Instant::now();
    while began.elapsed() < moment {
        std::hint::spin_loop();
    }
    child.kill().unwrap();
    child.wait().unwrap();
    reported.last().or(last)
}

#[test]
fn a_kill_at_any_moment_leaves_the_state_of_a_completed_flush() {
    let directory = TempDir::new().unwrap();
    let seed = scatter(std::process::id().into());
    let (mut rows, mut replayed, mut rounds_with_flushes) = (BTreeMap::new(), 0, 0);
    for round in 0..15 {
        let random = scatter(seed + round);
        // Every third child is killed while it starts.
        let flushes = if round % 3 == 0 { 0 } else { 1 + random as usize % 10 };
        let moment = Duration::from_micros((random >> 20) % 4_000);
        let reported = run_and_kill(directory.path(), flushes, moment).unwrap_or_default();
        rounds_with_flushes += u64::from(reported > replayed);

        let state = open(directory.path()).unwrap();
        let index = state.progress().index.0;
        assert!(index >= reported.max(replayed), "round {round}, seed {seed}: {index} after {reported}");
        assert_eq!(index % COMMITS_A_FLUSH, 0, "round {round}, seed {seed}: half a flush");
        (replayed + 1..=index).for_each(|index| apply(&mut rows, index));
        replayed = index;
        let want: Vec<Row> = rows.clone().into_iter().collect();
        assert_eq!(all_rows(&state).unwrap(), want, "round {round}, seed {seed}");
        if index > 0 {
            assert_eq!(state.progress(), at(index));
        }
    }
    assert!(rounds_with_flushes >= 10, "only {rounds_with_flushes} rounds flushed anything");
}
