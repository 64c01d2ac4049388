//! The archive: what a store is like that is restored as of a moment between and after backups.

use super::{
    Node, SMALL, back_up, events, files, fill, lines, mainstay, offline, paths, shown, store_of, text,
};
use crate::damage::flip;
use mainstay_client::{NewEvent, Request};
use seeded_rng::Rng;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// `mainstay archive`, running until it is dropped.
struct Archiver(Child);

impl Archiver {
    fn start(node: &Node, backups: &Path) -> Self {
        let mut command = mainstay();
        command.args(["--url", &node.url, "archive", text(backups), "--every", "20ms"]);
        Self(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    }

    fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Archiver {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Archives everything that the node has by now, and returns what the command says on standard error.
fn catch_up(node: &Node, backups: &Path) -> String {
    let ran = node.run(&["archive", text(backups), "--once"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    ran.err
}

/// Restores as of a moment, and returns what the command says.
fn restore_to(backups: &Path, data: &Path, to: &[&str]) -> Value {
    let arguments = [&["restore", text(backups), "--data", text(data), "--output", "json"], to].concat();
    serde_json::from_str(&offline(&arguments).ok()).unwrap()
}

/// Stops a node, and lets its next start not know that an archive reads its log, as if that had not asked for long.
fn forget(data: &Path, node: Node) {
    node.stop();
    assert!(!std::fs::read_to_string(data.join("ARCHIVES")).unwrap().is_empty(), "void: it knows of none");
    std::fs::remove_file(data.join("ARCHIVES")).unwrap();
}

/// A member of an event that is a text.
fn member(event: &str, name: &str) -> String {
    let event: Value = serde_json::from_str(event).unwrap();
    event[name].as_str().unwrap().to_owned()
}

fn log_files(backups: &Path) -> Vec<PathBuf> {
    let all = if backups.exists() { files(backups) } else { BTreeSet::new() };
    all.into_iter().filter(|path| path.extension().is_some_and(|extension| extension == "log")).collect()
}

#[test]
fn a_store_is_restored_with_everything_up_to_any_cursor_or_time_and_nothing_after_it() {
    let scratch = tempfile::tempdir().unwrap();
    let (data, backups, _) = paths(scratch.path());
    let node = Node::start_with(&data, SMALL);
    node.run_with_input(&["import", "-"], &lines(0, 2_000)).ok();
    let archiver = Archiver::start(&node, &backups);
    let deadline = Instant::now() + Duration::from_secs(30);
    while log_files(&backups).is_empty() {
        assert!(Instant::now() < deadline, "nothing is archived");
        node.run(&["append", "early", "t", "1"]).ok();
    }
    fill(&node);
    let before = shown(&node);
    // The archive goes on when the node is back after a crash.
    node.kill();
    let node = Node::start_with(&data, SMALL);
    drop(archiver);
    for n in 0..20 {
        node.run(&["append", "late", "t", &n.to_string()]).ok();
    }
    catch_up(&node, &backups);
    let (all, after) = (events(&node, &[]), shown(&node));
    node.kill();
    std::fs::remove_dir_all(&data).unwrap();

    // Everything, without naming a moment.
    let newest = scratch.path().join("newest");
    let said = restore_to(&backups, &newest, &[]);
    assert!(said["replayed"].as_u64().unwrap() > 20, "{said}");
    let restored = Node::start_with(&newest, SMALL);
    assert_eq!((events(&restored, &[]), shown(&restored)), (all.clone(), after));
    assert_eq!(said["store"].as_str().unwrap(), store_of(&restored));
    restored.run(&["append", "late", "t", "5"]).ok();
    restored.stop();
    offline(&["doctor", "--data", text(&newest)]).ok();

    // Each event of `late` was an entry of its own.
    for (number, back) in [20, 13, 1].into_iter().enumerate() {
        let last = &all[all.len() - back];
        for (way, to) in [("cursor", member(last, "cursor")), ("time", member(last, "recordedtime"))] {
            let target = scratch.path().join(format!("{way}-{number}"));
            let said = restore_to(&backups, &target, &["--to", &to]);
            let restored = Node::start_with(&target, SMALL);
            let want: Vec<_> =
                if way == "cursor" { all[..=all.len() - back].to_vec() } else { until(&all, &to) };
            assert_eq!(events(&restored, &[]), want, "{way} {to}: {said}");
            assert_eq!(shown(&restored)[1..], before[1..], "what is no event is there too");
        }
    }
}

#[test]
fn of_entries_with_the_same_time_only_those_up_to_the_cursor_are_restored() {
    // In memory, where many entries fit into a millisecond.
    let scratch = tempfile::tempdir_in("/dev/shm").unwrap();
    let (data, backups, restored) = paths(scratch.path());
    let arguments = [SMALL, &["--space-reserve", "0"]].concat();
    let node = Node::start_with(&data, &arguments);
    catch_up(&node, &backups);
    let client = node.client();
    for n in 0..300 {
        client.append("s", [NewEvent::new("t").data(&n).unwrap()]).send().unwrap();
    }
    catch_up(&node, &backups);
    let all = events(&node, &[]);
    drop(node);
    let times: Vec<_> = all.iter().map(|event| member(event, "recordedtime")).collect();
    let same = times.windows(2).rposition(|pair| pair[0] == pair[1]);
    let same = same.expect("void: no two entries have the same time");
    restore_to(&backups, &restored, &["--to", &member(&all[same], "cursor")]);
    assert_eq!(events(&Node::start_with(&restored, &arguments), &[]), all[..=same]);
}

/// The events that were recorded at this time or before.
fn until(events: &[String], time: &str) -> Vec<String> {
    events.iter().filter(|event| member(event, "recordedtime").as_str() <= time).cloned().collect()
}

#[test]
fn an_archive_that_is_killed_at_any_moment_goes_on_without_a_gap() {
    const KILLS: u64 = 25;
    let scratch = tempfile::tempdir().unwrap();
    let (data, backups, restored) = paths(scratch.path());
    let node = Node::start_with(&data, SMALL);
    node.run(&["append", "s-1", "t", "1"]).ok();
    back_up(&node, &backups);
    catch_up(&node, &backups);
    let mut rng = Rng::new(11);
    for round in 0..KILLS {
        let archiver = Archiver::start(&node, &backups);
        let until = Instant::now() + Duration::from_millis(rng.below(120));
        let mut from = round * 100_000;
        while Instant::now() < until {
            node.run_with_input(&["import", "-"], &lines(from, 300)).ok();
            from += 300;
        }
        archiver.kill();
        offline(&["backups", "verify", text(&backups)]).ok();
    }
    let said = catch_up(&node, &backups);
    assert!(!said.contains("warning"), "{said}");
    let all = events(&node, &[]);
    drop(node);
    restore_to(&backups, &restored, &[]);
    assert_eq!(events(&Node::start_with(&restored, SMALL), &[]), all);
}

#[test]
fn an_archive_that_was_away_for_too_long_says_what_is_missing_and_goes_on_after_a_backup() {
    let scratch = tempfile::tempdir().unwrap();
    let (data, backups, _) = paths(scratch.path());
    let node = Node::start_with(&data, SMALL);
    node.run(&["append", "s-1", "t", "1"]).ok();
    catch_up(&node, &backups);
    node.run(&["append", "s-1", "t", "2"]).ok();
    catch_up(&node, &backups);
    forget(&data, node);
    let node = Node::start_with(&data, SMALL);
    node.run_with_input(&["import", "-"], &lines(0, 20_000)).ok();
    let missing = member(&events(&node, &[])[5_000], "recordedtime");
    node.stop();
    let node = Node::start_with(&data, SMALL);
    let said = catch_up(&node, &backups);
    assert!(said.contains("A restore to a moment between the two is not possible"), "{said}");
    node.run(&["append", "s-1", "t", "3"]).ok();
    catch_up(&node, &backups);
    let all = events(&node, &[]);
    drop(node);
    let newest = scratch.path().join("newest");
    restore_to(&backups, &newest, &[]);
    assert_eq!(events(&Node::start_with(&newest, SMALL), &[]), all);
    // A moment that is missing: as far as the archive goes, with a warning.
    let early = scratch.path().join("early");
    let target = ["restore", text(&backups), "--data", text(&early), "--to", &missing];
    let ran = offline(&target);
    assert!(ran.code == 0 && ran.err.contains("the archive lacks the entries that followed"), "{ran:?}");
    assert_eq!(events(&Node::start_with(&early, SMALL), &[]), all[..2]);
}

#[test]
fn damage_in_an_archive_is_found_and_named_before_anything_is_restored() {
    let scratch = tempfile::tempdir().unwrap();
    let (data, backups, restored) = paths(scratch.path());
    let node = Node::start_with(&data, SMALL);
    node.run(&["append", "s-1", "t", "1"]).ok();
    catch_up(&node, &backups);
    node.run_with_input(&["import", "-"], &lines(0, 2_000)).ok();
    catch_up(&node, &backups);
    node.run(&["append", "s-1", "t", "4"]).ok();
    catch_up(&node, &backups);
    drop(node);
    let [path] = log_files(&backups).try_into().unwrap();
    let before = std::fs::read(&path).unwrap();
    let last_piece = before.len() as u64 - 250;
    assert!(last_piece > 100_000, "void: little was archived");
    let mut rng = Rng::new(13);
    for _ in 0..12 {
        let at = flip(&path, &mut rng);
        if at < last_piece {
            for ran in [
                offline(&["backups", "verify", text(&backups)]),
                offline(&["restore", text(&backups), "--data", text(&restored)]),
            ] {
                let name = path.file_name().unwrap().to_str().unwrap();
                assert!(ran.code == 1 && [ran.out, ran.err].concat().contains(name), "byte {at}");
            }
            assert!(!restored.exists(), "the data directory must not be touched");
            let node = Node::start_with(&data, SMALL);
            let ran = node.run(&["archive", text(&backups), "--once"]);
            assert!(ran.code == 1 && ran.err.contains("is damaged"), "nothing is added to it: {ran:?}");
            assert_eq!(std::fs::read(&path).unwrap().len(), before.len(), "and nothing is cut off");
        }
        std::fs::write(&path, &before).unwrap();
    }
    restore_to(&backups, &restored, &[]);
}

#[test]
fn prune_removes_what_was_archived_before_the_oldest_backup_that_is_kept() {
    let scratch = tempfile::tempdir().unwrap();
    let (data, backups, restored) = paths(scratch.path());
    let node = Node::start_with(&data, SMALL);
    node.run(&["append", "s-1", "t", "1"]).ok();
    catch_up(&node, &backups);
    node.run(&["append", "s-1", "t", "2"]).ok();
    catch_up(&node, &backups);
    // A gap begins another file.
    forget(&data, node);
    let node = Node::start_with(&data, SMALL);
    node.run_with_input(&["import", "-"], &lines(0, 20_000)).ok();
    node.stop();
    let node = Node::start_with(&data, SMALL);
    catch_up(&node, &backups);
    node.run(&["append", "s-1", "t", "3"]).ok();
    catch_up(&node, &backups);
    assert_eq!(log_files(&backups).len(), 2);
    offline(&["backups", "prune", text(&backups), "--keep", "1"]).ok();
    assert_eq!(log_files(&backups).len(), 1);
    let all = events(&node, &[]);
    drop(node);
    restore_to(&backups, &restored, &[]);
    assert_eq!(events(&Node::start_with(&restored, SMALL), &[]), all);
}

#[test]
fn moments_that_cannot_be_reached_are_refused_and_nothing_is_changed() {
    let scratch = tempfile::tempdir().unwrap();
    let (data, backups, restored) = paths(scratch.path());
    let node = Node::start_with(&data, SMALL);
    node.run(&["append", "s-1", "t", "1"]).ok();
    catch_up(&node, &backups);
    node.run(&["append", "s-1", "t", "2"]).ok();
    let beyond = member(events(&node, &[]).last().unwrap(), "cursor");
    let target = ["restore", text(&backups), "--data", text(&restored)];
    for (to, code, why) in [
        ("2020-01-01T00:00:00Z", 2, "no backup in"),
        (&beyond, 2, "the archive ends with entry"),
        ("yesterday", 2, "neither a time nor a cursor"),
        ("2026-02-30T00:00:00Z", 2, "neither a time nor a cursor"),
    ] {
        offline(&[&target[..], &["--to", to]].concat()).fails(code, why);
        assert!(!restored.exists(), "{to}");
    }
    offline(&[&target[..], &["--to", &beyond, "--backup", "x"]].concat()).fails(2, "cannot be used with");
}

#[test]
fn two_archives_may_read_a_log_and_one_directory_is_archived_to_once_at_a_time() {
    let scratch = tempfile::tempdir().unwrap();
    let (data, backups, _) = paths(scratch.path());
    let node = Node::start_with(&data, SMALL);
    node.run(&["append", "s-1", "t", "1"]).ok();
    let read = |archive: &str, after: &str| {
        let path = format!("/v1/archives/{archive}/log?after={after}");
        node.client().send(&Request::new("GET", &path).unwrap()).unwrap()
    };
    let (first, second, third) = ("0000000000000001", "0000000000000002", "0000000000000003");
    let piece = read(first, "0");
    assert!(piece.status == 200 && !piece.body.is_empty(), "{piece:?}");
    // One that has more than the node does not count.
    for (archive, after, status, code) in [
        (second, "999", 410, "not_in_log"),
        (second, "0", 200, ""),
        (third, "0", 429, "too_many_archives"),
        (first, "x", 400, "invalid_parameter"),
        ("first", "0", 400, "invalid_name"),
    ] {
        let response = read(archive, after);
        let body: Value = serde_json::from_slice(&response.body).unwrap_or_default();
        let found = (response.status, body["code"].as_str().unwrap_or_default());
        assert_eq!(found, (status, code), "{archive} {after}");
    }
    forget(&data, node);
    let node = Node::start_with(&data, SMALL);
    catch_up(&node, &backups);
    let archived = || log_files(&backups).iter().map(|path| path.metadata().unwrap().len()).sum::<u64>();
    let before = archived();
    let archiver = Archiver::start(&node, &backups);
    node.run(&["append", "s-1", "t", "2"]).ok();
    let deadline = Instant::now() + Duration::from_secs(30);
    while archived() == before {
        assert!(Instant::now() < deadline, "nothing is archived");
    }
    loop {
        let ran = node.run(&["archive", text(&backups), "--once"]);
        if ran.code == 1 && ran.err.contains("another process") {
            break;
        }
        assert!(Instant::now() < deadline, "{ran:?}");
    }
    // It ends when it is told to, with success.
    let id = archiver.0.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    let mut archiver = archiver;
    assert!(archiver.0.wait().unwrap().success());
}
