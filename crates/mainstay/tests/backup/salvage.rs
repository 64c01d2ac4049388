//! What `mainstay salvage` saves of a damaged node without a backup.

use super::damage::flip_at;
use super::subjects::{append, count, key, start};
use super::{Node, SMALL, events, files, fill, lines, offline, paths, text};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs::File;
use std::path::{Path, PathBuf};

fn segments(data: &Path) -> Vec<PathBuf> {
    let bodies = files(&data.join("bodies")).into_iter();
    let segments: Vec<_> = bodies.filter(|path| path.extension().is_some_and(|e| e == "bodies")).collect();
    assert!(segments.len() > 3, "void: {segments:?}");
    segments
}

/// What identifies an event, without what the store adds.
fn ids(lines: &[String]) -> Vec<String> {
    let id = |line: &String| {
        let event: Value = serde_json::from_str(line).unwrap();
        format!("{} {} {}", event["stream"], event["id"], event["data"])
    };
    lines.iter().map(id).collect()
}

fn imported(scratch: &Path, lines: &str) -> Vec<String> {
    let node = Node::start(&scratch.join("imported"));
    node.run_with_input(&["import", "-"], lines).ok();
    events(&node, &[])
}

#[test]
fn a_damaged_event_costs_itself_and_everything_else_can_be_imported_again() {
    let scratch = tempfile::tempdir().unwrap();
    let (data, ..) = paths(scratch.path());
    let node = Node::start_with(&data, SMALL);
    fill(&node);
    let all = ids(&events(&node, &[]));
    assert!(node.stop().success());
    let damaged = &segments(&data)[1];
    let file = File::options().read(true).write(true).open(damaged).unwrap();
    flip_at(&file, 100_000, 4);
    let content = || -> Vec<_> {
        let files = files(&data).into_iter().filter(|path| !path.ends_with("LOCK"));
        files.map(|path| (std::fs::read(&path).unwrap(), path)).collect()
    };
    let before = content();
    let ran = offline(&["salvage", "--data", text(&data)]);
    assert!(before == content(), "the directory is as it was");
    assert_eq!(ran.code, 1, "{}", ran.err);
    assert!(ran.err.contains(text(damaged)) && ran.err.contains("bytes"), "{}", ran.err);
    assert!(!ran.err.contains("the state is damaged"), "{}", ran.err);
    assert!(!ran.out.contains("a name that nobody may know"), "what was removed stays removed");

    let saved = ids(&imported(scratch.path(), &ran.out));
    let saved: BTreeSet<_> = saved.iter().collect();
    let lost: Vec<_> = all.iter().filter(|event| !saved.contains(event)).collect();
    assert!(lost.len() == 1 && saved.len() + 1 == all.len(), "{} of {}: {lost:?}", saved.len(), all.len());
}

#[test]
fn without_the_state_every_event_is_saved_and_that_removed_ones_may_be_among_them_is_said() {
    let scratch = tempfile::tempdir().unwrap();
    let (data, ..) = paths(scratch.path());
    let node = Node::start_with(&data, SMALL);
    node.run_with_input(&["import", "-"], &lines(0, 30_000)).ok();
    let all = ids(&events(&node, &[]));
    assert!(node.stop().success());
    std::fs::remove_dir_all(data.join("state")).unwrap();
    std::fs::remove_dir_all(data.join("log")).unwrap();
    let ran = offline(&["salvage", "--data", text(&data)]);
    assert!(ran.err.contains("the state is damaged or missing"), "{}", ran.err);
    assert_eq!(ids(&imported(scratch.path(), &ran.ok())), all);
}

#[test]
fn events_of_subjects_are_saved_with_the_key_only_and_those_of_erased_ones_never() {
    let scratch = tempfile::tempdir().unwrap();
    let (data, ..) = paths(scratch.path());
    let key = key(scratch.path(), "5a");
    let node = start(&data, &key);
    append(&node, "anna", 0, 10);
    append(&node, "ben", 10, 20);
    node.run(&["erase", "--subject", "anna"]).ok();
    assert_eq!(count(&node), (30, 10));
    assert!(node.stop().success());
    let salvage = ["salvage", "--data", text(&data)];
    let without = offline(&salvage);
    assert!(without.err.contains("10 of erased subjects, 20 sealed"), "{}", without.err);
    assert!(!without.ok().contains("has told us"));
    let with = offline(&[&salvage[..], &[&key[0], &key[1]]].concat());
    assert!(with.err.contains("20 events saved") && with.err.contains(" 0 sealed"), "{}", with.err);
    let saved = with.ok();
    assert_eq!((saved.matches("what ben has told us").count(), saved.matches("anna").count()), (20, 0));
    let other = super::subjects::key(scratch.path(), "77");
    let refused = offline(&[&salvage[..], &[&other[0], &other[1]]].concat());
    assert!(refused.code != 0 && refused.err.contains("another key"), "{}", refused.err);
}

#[test]
fn a_directory_in_use_or_without_a_store_is_refused() {
    let scratch = tempfile::tempdir().unwrap();
    let (data, ..) = paths(scratch.path());
    let nothing = offline(&["salvage", "--data", text(&data)]);
    assert!(nothing.code != 0 && nothing.err.contains("holds no store"), "{}", nothing.err);
    let node = Node::start(&data);
    let used = offline(&["salvage", "--data", text(&data)]);
    assert!(used.code != 0 && used.err.contains("in use"), "{}", used.err);
    assert!(node.stop().success());
    assert_eq!(offline(&["salvage", "--data", text(&data)]).ok(), "");
}
