//! kill -9 of a backup and of a restore, at random moments.

use super::{Node, SMALL, back_up, lines, mainstay, offline, paths, restore, text};
use seeded_rng::Rng;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const KILLS: u32 = 25;

/// Starts a command and kills it after this long, unless it has ended. Returns whether it was killed.
fn kill_after(command: &mut Command, after: Duration) -> bool {
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let began = Instant::now();
    while began.elapsed() < after {
        if child.try_wait().unwrap().is_some() {
            return false;
        }
        std::thread::yield_now();
    }
    child.kill().unwrap();
    !child.wait().unwrap().success()
}

fn names(backups: &Path) -> usize {
    offline(&["backups", "list", text(backups), "--output", "jsonl"]).ok().lines().count()
}

#[test]
fn a_backup_that_is_killed_is_never_taken_for_one_and_is_completed_by_the_next() {
    let scratch = tempfile::tempdir().unwrap();
    let (data, backups, restored) = paths(scratch.path());
    let node = Node::start_with(&data, SMALL);
    node.run_with_input(&["import", "-"], &lines(0, 40_000)).ok();
    let began = Instant::now();
    back_up(&node, &scratch.path().join("first"));
    let mut usual = began.elapsed().as_micros() as u64;
    let (mut rng, mut rounds, mut killed) = (Rng::new(3), 0, 0);
    while killed < KILLS {
        let after = Duration::from_micros(rng.below(usual));
        let mut command = mainstay();
        command.args(["--url", &node.url, "backup", text(&backups)]);
        if kill_after(&mut command, after) {
            killed += 1;
        } else {
            // Later backups have less to copy.
            usual = (usual * 3 / 4).max(1_000);
        }
        if backups.join("BACKUPS").exists() && names(&backups) > 0 {
            offline(&["backups", "verify", text(&backups)]).ok();
        }
        node.run(&["append", "s-1", "round", &format!("{rounds}")]).ok();
        rounds += 1;
        assert!(rounds < 10 * KILLS, "void: of {rounds} backups only {killed} were killed");
    }
    let whole = back_up(&node, &backups);
    assert_eq!(whole["events"], 40_000 + rounds);
    offline(&["backups", "verify", text(&backups)]).ok();
    assert_eq!(restore(&backups, &restored)["events"], 40_000 + rounds);
}

#[test]
fn a_restore_that_is_killed_leaves_no_store_or_a_whole_one_and_can_be_repeated() {
    let scratch = tempfile::tempdir().unwrap();
    let (data, backups, _) = paths(scratch.path());
    let node = Node::start_with(&data, SMALL);
    node.run_with_input(&["import", "-"], &lines(0, 40_000)).ok();
    back_up(&node, &backups);
    drop(node);
    let began = Instant::now();
    restore(&backups, &scratch.path().join("first"));
    let usual = began.elapsed().as_micros() as u64;
    let (mut rng, mut unfinished) = (Rng::new(5), 0);
    for round in 0..KILLS {
        let target = scratch.path().join(format!("restored-{round}"));
        let mut command = mainstay();
        command.args(["restore", text(&backups), "--data", text(&target)]);
        // Checking the backup comes first, and writes nothing.
        kill_after(&mut command, Duration::from_micros(usual / 4 + rng.below(usual)));
        if !target.join("STORE").exists() {
            if target.join("RESTORING").exists() {
                unfinished += 1;
                let refused = crate::node::run(&mut crate::node::serve(&target, &[]), "");
                refused.fails(1, "holds an unfinished restore");
            }
            assert_eq!(restore(&backups, &target)["events"], 40_000);
        }
        offline(&["doctor", "--data", text(&target)]).ok();
        let node = Node::start_with(&target, SMALL);
        assert_eq!(node.run(&["read", "--output", "jsonl"]).ok().lines().count(), 40_000);
        drop(node);
        std::fs::remove_dir_all(&target).unwrap();
    }
    assert!(
        unfinished > 3,
        "void: only {unfinished} restores were interrupted after they had begun to write"
    );
}
