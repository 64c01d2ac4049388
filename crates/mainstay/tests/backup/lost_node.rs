//! What the log of a lost node gives back, and when it cannot.

use super::damage::{flip, flip_at};
use super::subjects::{append, count, key, start};
use super::{Node, SMALL, back_up, events, files, fill, lines, offline, paths, shown, text};
use seeded_rng::Rng;
use serde_json::Value;
use std::fs::File;
use std::path::{Path, PathBuf};

fn of(data: &Path, part: &str) -> Vec<PathBuf> {
    let all = files(&data.join(part));
    assert!(!all.is_empty(), "void: no files in {part}");
    all.into_iter().collect()
}

/// Damages every table of the state, so that no node starts there.
fn damage_state(data: &Path) {
    let mut rng = Rng::new(3);
    for path in of(data, "state") {
        if path.metadata().unwrap().len() > 0 {
            for _ in 0..8 {
                flip(&path, &mut rng);
            }
        }
    }
    let ran = offline(&["doctor", "--data", text(data)]);
    assert!(ran.code == 1 && ran.out.contains("--log-of"), "void, or its remedy is not named: {ran:?}");
}

/// Restores with what is left of a node, and returns what the command says.
fn restore_with(backups: &Path, data: &Path, lost: &Path, more: &[&str]) -> Value {
    let arguments =
        ["restore", text(backups), "--data", text(data), "--log-of", text(lost), "--output", "json"];
    serde_json::from_str(&offline(&[&arguments[..], more].concat()).ok()).unwrap()
}

#[test]
fn a_node_whose_state_is_damaged_is_restored_with_every_acknowledged_write() {
    let scratch = tempfile::tempdir().unwrap();
    let (data, backups, restored) = paths(scratch.path());
    let node = Node::start_with(&data, SMALL);
    fill(&node);
    assert_eq!(node.run(&["archive", text(&backups), "--once"]).code, 0);
    // What is archived, and what only the log has.
    node.run_with_input(&["import", "-"], &lines(100_000, 2_000)).ok();
    assert_eq!(node.run(&["archive", text(&backups), "--once"]).code, 0);
    node.run_with_input(&["import", "-"], &lines(200_000, 2_000)).ok();
    node.run(&["values", "put", "flag", "off"]).ok();
    node.run(&["enqueue", "q", "mail", "\"the last task\""]).ok();
    for n in 0..20 {
        node.run(&["append", "late", "t", &n.to_string()]).ok();
    }
    let (all, lists) = (events(&node, &[]), shown(&node));
    node.kill();
    damage_state(&data);

    // The lock holds the id of the process that had it last.
    let content = || -> Vec<_> {
        let files = files(&data).into_iter().filter(|path| !path.ends_with("LOCK"));
        files.map(|path| (std::fs::read(&path).unwrap(), path)).collect()
    };
    let before = content();
    let said = restore_with(&backups, &restored, &data, &[]);
    assert!(
        said["replayed"].as_u64() > said["from_lost_node"].as_u64(),
        "void: nothing was archived: {said}"
    );
    assert!(said["from_lost_node"].as_u64().unwrap() > 22, "{said}");
    assert!(before == content(), "the directory of the lost node is as it was");
    let node = Node::start_with(&restored, SMALL);
    assert_eq!((events(&node, &[]), shown(&node)), (all.clone(), lists));
    node.run(&["append", "late", "t", "20"]).ok();
    node.stop();
    offline(&["doctor", "--data", text(&restored)]).ok();

    // A moment that only the log reaches.
    let cursor: Value = serde_json::from_str(&all[all.len() - 5]).unwrap();
    let earlier = scratch.path().join("earlier");
    restore_with(&backups, &earlier, &data, &["--to", cursor["cursor"].as_str().unwrap()]);
    assert_eq!(events(&Node::start_with(&earlier, SMALL), &[]), all[..=all.len() - 5]);
}

#[test]
fn without_an_archive_the_log_follows_the_backup() {
    let scratch = tempfile::tempdir().unwrap();
    let (data, backups, restored) = paths(scratch.path());
    let node = Node::start_with(&data, SMALL);
    node.run_with_input(&["import", "-"], &lines(0, 500)).ok();
    back_up(&node, &backups);
    node.run_with_input(&["import", "-"], &lines(500, 100)).ok();
    let all = events(&node, &[]);
    node.kill();
    std::fs::remove_dir_all(data.join("state")).unwrap();
    std::fs::remove_dir_all(data.join("bodies")).unwrap();
    let said = restore_with(&backups, &restored, &data, &[]);
    assert_eq!(said["replayed"], said["from_lost_node"], "{said}");
    assert_eq!(events(&Node::start_with(&restored, SMALL), &[]), all);
}

#[test]
fn keys_of_subjects_that_only_the_lost_node_had_are_restored() {
    let scratch = tempfile::tempdir().unwrap();
    let (data, backups, restored) = paths(scratch.path());
    let key = key(scratch.path(), "5a");
    let node = start(&data, &key);
    append(&node, "anna", 0, 40);
    append(&node, "ben", 40, 40);
    back_up(&node, &backups);
    append(&node, "cleo", 80, 10);
    node.run(&["erase", "--subject", "ben"]).ok();
    node.kill();
    damage_state(&data);
    restore_with(&backups, &restored, &data, &[]);
    assert_eq!(count(&start(&restored, &key)), (90, 40));
}

#[test]
fn a_log_that_does_not_go_on_where_the_backups_end_is_refused_and_nothing_is_restored() {
    let scratch = tempfile::tempdir().unwrap();
    let (data, backups, restored) = paths(scratch.path());
    let other = scratch.path().join("other");
    assert!(Node::start(&other).stop().success());
    let node = Node::start_with(&data, SMALL);
    node.run(&["append", "s-1", "t", "1"]).ok();
    back_up(&node, &backups);
    let refused = |lost: &Path, code, why: &str| {
        let ran = offline(&["restore", text(&backups), "--data", text(&restored), "--log-of", text(lost)]);
        assert!(ran.code == code && ran.err.contains(why), "{why}: {ran:?}");
        assert!(!restored.exists(), "{why}");
    };
    refused(&data, 1, "is in use by a running node");
    refused(&other, 2, "and the backup is of store");
    refused(&backups, 1, "holds no store");
    // The end of the log is what a start would cut off; a bit in the middle is damage.
    node.run_with_input(&["import", "-"], &lines(0, 2_000)).ok();
    node.kill();
    let log = of(&data, "log").into_iter().max_by_key(|path| last_use(path)).unwrap();
    let file = File::options().read(true).write(true).open(&log).unwrap();
    flip_at(&file, 100_000, 1);
    refused(&data, 1, "the log is damaged");
    flip_at(&file, 100_000, 1);
    // What was flushed is not in the log for long.
    for round in 1..4 {
        let node = Node::start_with(&data, SMALL);
        node.run_with_input(&["import", "-"], &lines(round * 20_000, 20_000)).ok();
        node.stop();
    }
    refused(&data, 1, "begins with entry");
    std::fs::remove_dir_all(data.join("log")).unwrap();
    refused(&data, 1, "holds no log");
    let both = ["--log-of", text(&data), "--backup", "x"];
    let restore = ["restore", text(&backups), "--data", text(&restored)];
    offline(&[&restore[..], &both].concat()).fails(2, "cannot be used with");
}

fn last_use(log: &Path) -> std::time::SystemTime {
    log.metadata().unwrap().modified().unwrap()
}
