//! Flipped bits in backups and in data directories.

use super::{Node, SMALL, back_up, files, lines, offline, paths, text};
use seeded_rng::Rng;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

pub(super) fn flip(path: &Path, rng: &mut Rng) -> u64 {
    let file = File::options().read(true).write(true).open(path).unwrap();
    let at = rng.below(file.metadata().unwrap().len());
    flip_at(&file, at, 1 << rng.below(8));
    at
}

pub(super) fn flip_at(file: &File, at: u64, bit: u8) {
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).unwrap();
    file.write_all_at(&[byte[0] ^ bit], at).unwrap();
}

#[test]
fn a_flipped_bit_in_any_file_of_a_backup_is_found_and_named_and_nothing_is_restored() {
    let scratch = tempfile::tempdir().unwrap();
    let (data, backups, restored) = paths(scratch.path());
    let node = Node::start_with(&data, SMALL);
    node.run_with_input(&["import", "-"], &lines(0, 30_000)).ok();
    back_up(&node, &backups);
    let mut rng = Rng::new(7);
    let names = ["LOCK", "BACKUPS", "HELD_AS"];
    for path in
        files(&backups).iter().filter(|path| !names.contains(&path.file_name().unwrap().to_str().unwrap()))
    {
        let before = std::fs::read(path).unwrap();
        for _ in 0..4 {
            let at = flip(path, &mut rng);
            let verified = offline(&["backups", "verify", text(&backups)]);
            assert_eq!(verified.code, 1, "byte {at} of {}: {verified:?}", path.display());
            let said = [verified.out, verified.err].concat();
            let name = path.file_name().unwrap().to_str().unwrap();
            assert!(said.contains(name) || name == "SHA256SUMS", "byte {at} of {name}: {said}");
            let refused = offline(&["restore", text(&backups), "--data", text(&restored)]);
            assert_eq!(refused.code, 1, "byte {at} of {name}: {refused:?}");
            assert!(!restored.exists(), "the data directory must not be touched");
            std::fs::write(path, &before).unwrap();
        }
    }
    // A shared file is copied again, if the node still has it.
    let shared =
        files(&backups).into_iter().find(|path| path.extension().is_some_and(|e| e == "bodies")).unwrap();
    flip(&shared, &mut rng);
    node.run(&["append", "s-1", "after", "{}"]).ok();
    node.run(&["backup", text(&backups), "--verify"]).ok();
    offline(&["backups", "verify", text(&backups)]).ok();
}

#[test]
fn a_check_of_a_running_node_finds_a_damaged_event_and_the_node_goes_on() {
    let scratch = tempfile::tempdir().unwrap();
    let (data, backups, _) = paths(scratch.path());
    let node = Node::start_with(&data, SMALL);
    node.run_with_input(&["import", "-"], &lines(0, 30_000)).ok();
    let checked = node.run(&["check", "--output", "json"]).ok();
    assert!(checked.contains("\"events\":30000"), "{checked}");
    let segment =
        files(&data).into_iter().find(|path| path.to_str().unwrap().contains("0000000000000000-00000000"));
    let segment = segment.unwrap();
    let name = segment.file_name().unwrap().to_str().unwrap();
    let file = File::options().read(true).write(true).open(&segment).unwrap();
    flip_at(&file, 700_000, 4);
    let damaged = node.run(&["check"]);
    assert!(damaged.err.contains("affected: Events of this segment after cursor 01"), "{damaged:?}");
    damaged.fails(7, name);
    let damaged = node.run(&["check", "--output", "json"]);
    let found: serde_json::Value = serde_json::from_str(&damaged.out).unwrap();
    assert_eq!((damaged.code, &found["healthy"]), (7, &false.into()), "{found}");
    let [finding] = &found["findings"].as_array().unwrap()[..] else { panic!("{found}") };
    assert!(finding["what"].as_str().unwrap().contains(name), "{found}");
    assert!(["affected", "remedy"].iter().all(|member| finding[member].is_string()), "{found}");
    let refused = node.run(&["backup", text(&backups)]);
    assert_eq!(refused.code, 1, "{refused:?}");
    assert!(
        refused.err.contains("0000000000000000-00000000") && refused.err.contains("damaged"),
        "{refused:?}"
    );
    let listed = offline(&["backups", "list", text(&backups), "--output", "jsonl"]).ok();
    assert_eq!(listed, "", "a damaged backup is none");
    flip_at(&file, 700_000, 4);
    node.run(&["check"]).ok();
    node.run(&["backup", text(&backups)]).ok();
}

/// What a flipped bit of a data directory may hit without being wrong: what the state does not refer to.
fn is_unused(path: &Path) -> bool {
    let name = path.file_name().unwrap().to_str().unwrap();
    // The log behind the flushed state is replayed by nobody. The lock holds a process id.
    path.parent().unwrap().ends_with("log") || name == "LOCK"
}

#[test]
fn a_flipped_bit_in_state_or_events_of_a_stopped_node_is_found_and_nothing_is_changed() {
    let scratch = tempfile::tempdir().unwrap();
    let (data, ..) = paths(scratch.path());
    let node = Node::start_with(&data, SMALL);
    node.run_with_input(&["import", "-"], &lines(0, 30_000)).ok();
    assert!(node.stop().success());
    offline(&["doctor", "--data", text(&data)]).ok();
    let mut rng = Rng::new(11);
    let (mut found, mut tried) = (0, 0);
    for path in files(&data).into_iter().filter(|path| !is_unused(path)) {
        let before = std::fs::read(&path).unwrap();
        for _ in 0..6 {
            let at = flip(&path, &mut rng);
            let ran = offline(&["doctor", "--data", text(&data), "--output", "json"]);
            assert!(ran.code == 0 || ran.code == 1, "{ran:?}");
            // A bit in space that is reserved and not used yet is no damage.
            let is_damage = ran.code == 1;
            let flipped = std::fs::read(&path).unwrap();
            assert_ne!(flipped, before, "the doctor changes nothing");
            if !is_damage {
                let node = Node::start_with(&data, SMALL);
                let events = node.run(&["read", "--output", "jsonl"]).ok().lines().count();
                assert_eq!(events, 30_000, "byte {at} of {} was not found", path.display());
                drop(node);
                // The node has written to its files.
                return;
            }
            assert!(ran.out.contains("remedy"), "{ran:?}");
            (found, tried) = (found + u32::from(is_damage), tried + 1);
            std::fs::write(&path, &before).unwrap();
        }
    }
    assert!(found >= 20 && found == tried, "{found} of {tried} were found");
}

#[test]
fn files_that_do_not_belong_to_a_store_are_reported_and_left_alone() {
    let scratch = tempfile::tempdir().unwrap();
    let (data, ..) = paths(scratch.path());
    // With a token of an administrator, and the record of a check.
    let node = Node::start_with(&data, &["--access", "tokens", "--check-every", "1s"]);
    while !(data.join("admin-token").exists() && data.join("CHECKED").exists()) {
        std::thread::yield_now();
    }
    assert!(node.stop().success());
    std::fs::write(data.join("notes.txt"), "mine").unwrap();
    let report = offline(&["doctor", "--data", text(&data)]).ok();
    assert!(report.contains("`notes.txt` does not belong to the store"), "{report}");
    assert_eq!(
        report.matches("does not belong").count(),
        1,
        "what the node has written belongs there: {report}"
    );
    assert_eq!(std::fs::read_to_string(data.join("notes.txt")).unwrap(), "mine");
}
