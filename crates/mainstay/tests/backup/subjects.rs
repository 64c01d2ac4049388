//! Sealed events in backups and archives: what is restored, what is erased in all of them, and what kill -9 leaves.

use super::{Node, back_up, events, files, offline, paths, restore, stream, text};
use format::subject_key::{RECORD_BYTES, RECORDS_AT};
use serde_json::Value;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

const SECRET: &str = "what anna has told us";

/// A file with the key of an operator, and the options that name it.
fn key(scratch: &Path, digits: &str) -> [String; 2] {
    let path = scratch.join(format!("key-{digits}"));
    std::fs::write(&path, digits.repeat(32)).unwrap();
    ["--subject-key-file".to_owned(), text(&path).to_owned()]
}

fn start(data: &Path, key: &[String; 2]) -> Node {
    Node::start_with(data, &[&key[0], &key[1], "--segment-size", "1 MiB", "--memtable-size", "256 KiB"])
}

/// Lines of events of a subject.
fn of_subject(subject: &str, from: u64, count: u64) -> String {
    let line = |n| {
        format!(
            "{{\"stream\":\"people\",\"id\":\"{n}\",\"source\":\"/t\",\"type\":\"told\",\"subject\":\"{subject}\",\"data\":\"what {subject} has told us, {n}\"}}\n"
        )
    };
    (from..from + count).map(line).collect()
}

fn says(path: &Path, what: &str) -> bool {
    std::fs::read(path).unwrap().windows(what.len()).any(|part| part == what.as_bytes())
}

fn is_anywhere(directory: &Path, what: &str) -> bool {
    files(directory).iter().any(|path| says(path, what))
}

/// How many events a node shows, and how many of them are erased.
fn count(node: &Node) -> (usize, usize) {
    let events = events(node, &["people"]);
    let erased = events.iter().filter(|event| event.contains("\"erased\":true")).count();
    assert!(events.iter().all(|event| event.contains("has told us") != event.contains("\"erased\":true")));
    (events.len(), erased)
}

#[test]
fn whoever_is_erased_is_erased_in_every_backup_and_archive_and_stays_so_in_what_is_restored() {
    let scratch = tempfile::tempdir().unwrap();
    let (data, backups, restored) = paths(scratch.path());
    let key = key(scratch.path(), "5a");
    let node = start(&data, &key);
    node.run_with_input(&["import", "-"], &of_subject("anna", 0, 400)).ok();
    node.run_with_input(&["import", "-"], &of_subject("ben", 400, 400)).ok();
    back_up(&node, &backups);
    node.run_with_input(&["import", "-"], &of_subject("cleo", 800, 10)).ok();
    node.run_with_input(&["import", "-"], &of_subject("anna", 810, 10)).ok();
    assert_eq!(node.run(&["archive", text(&backups), "--once"]).code, 0);
    assert_eq!(count(&node), (820, 0));
    assert!(!is_anywhere(&data, SECRET) && !is_anywhere(&backups, SECRET), "sealed wherever it is");

    // An older copy of the keys is somewhere else.
    let old_keys = files(&backups).into_iter().find(|path| path.ends_with("SUBJECT-KEYS")).unwrap();
    let old = std::fs::read(&old_keys).unwrap();
    let said = node.run(&["erase", "--subject", "anna", "--output", "json"]).ok();
    assert!(said.contains("\"existed\":true"), "{said}");
    assert_eq!(count(&node), (820, 410));
    assert_eq!(node.run(&["archive", text(&backups), "--once"]).code, 0);
    assert_ne!(std::fs::read(&old_keys).unwrap(), old, "the copy follows");
    let verified = offline(&["backups", "verify", text(&backups), "--output", "jsonl"]).ok();
    assert!(verified.contains("\"kept\":2,\"erased\":1"), "{verified}");
    node.kill();

    // The backup is from before the erasure. So is this copy of the keys: the archive says that anna is erased.
    std::fs::write(&old_keys, &old).unwrap();
    restore(&backups, &restored);
    let hers = |keys: &[u8]| keys[RECORDS_AT..][..RECORD_BYTES].to_vec();
    let keys = std::fs::read(restored.join("SUBJECT-KEYS")).unwrap();
    assert_eq!(old.len(), keys.len());
    assert_ne!(hers(&keys), hers(&old), "her key is not restored, also before a node has started there");
    let node = start(&restored, &key);
    assert_eq!(count(&node), (820, 410));
    node.run_with_input(&["import", "-"], &of_subject("dora", 820, 5)).ok();
    assert_eq!(count(&node), (825, 410));
    node.stop();
    offline(&["doctor", "--data", text(&restored)]).ok();
}

#[test]
fn a_backup_of_sealed_events_is_of_no_use_without_the_operators_key() {
    let scratch = tempfile::tempdir().unwrap();
    let (data, backups, restored) = paths(scratch.path());
    let (right, wrong) = (key(scratch.path(), "5a"), key(scratch.path(), "5b"));
    let node = start(&data, &right);
    node.run_with_input(&["import", "-"], &of_subject("anna", 0, 50)).ok();
    back_up(&node, &backups);
    let (file, unpacked) = (scratch.path().join("backup.tar"), scratch.path().join("unpacked"));
    stream::back_up(&node, &file);
    node.kill();
    offline(&["restore", text(&file), "--data", text(&unpacked)]).ok();
    assert_eq!(count(&start(&unpacked, &right)), (50, 0), "a stream has the keys too");
    restore(&backups, &restored);
    let refused = |arguments: &[&str]| {
        let ran =
            offline(&[&["serve", "--listen", "127.0.0.1:0", "--data", text(&restored)], arguments].concat());
        assert_ne!(ran.code, 0, "{ran:?}");
        ran.err
    };
    assert!(refused(&[]).contains("`subject-key-file` is not set"));
    assert!(refused(&[&wrong[0], &wrong[1]]).contains("another key"));
    assert!(refused(&["--subject-key-file", text(&data.join("LOCK"))]).contains("64 hex digits"));
    assert_eq!(count(&start(&restored, &right)), (50, 0));

    let keys = restored.join("SUBJECT-KEYS");
    let mut bytes = std::fs::read(&keys).unwrap();
    bytes[200] ^= 1;
    std::fs::write(&keys, bytes).unwrap();
    assert!(refused(&[&right[0], &right[1]]).contains("SUBJECT-KEYS is damaged"));
    let examined = offline(&["doctor", "--data", text(&restored)]);
    assert!(examined.code != 0 && (examined.out + &examined.err).contains("SUBJECT-KEYS is damaged"));
}

#[test]
fn every_acknowledged_event_of_a_new_subject_is_readable_after_kill_9() {
    let scratch = tempfile::tempdir().unwrap();
    let data = scratch.path().join("data");
    let key = key(scratch.path(), "5a");
    let acknowledged = Arc::new(AtomicU64::new(0));
    for round in 0..20 {
        let node = start(&data, &key);
        let (client, written) = (node.client(), Arc::clone(&acknowledged));
        let before = written.load(Ordering::Relaxed);
        let writer = std::thread::spawn(move || {
            // Each event is of a subject that nobody has heard of.
            for n in 0.. {
                let told = mainstay_client::NewEvent::new("told").subject(format!("{round}-{n}"));
                let event = told.data(&format!("{round}-{n} has told us")).unwrap();
                if client.append("people", [event]).send().is_err() {
                    return;
                }
                written.fetch_add(1, Ordering::Relaxed);
            }
        });
        while acknowledged.load(Ordering::Relaxed) < before + 20 + round {
            std::thread::yield_now();
        }
        node.kill();
        writer.join().unwrap();
    }
    let acknowledged = acknowledged.load(Ordering::Relaxed);
    let node = start(&data, &key);
    let (read, erased) = count(&node);
    assert!(
        read as u64 >= acknowledged && erased == 0,
        "{read} events, and {acknowledged} were acknowledged"
    );
    let said = node.run(&["erase", "--subject", "0-0", "--output", "json"]).ok();
    assert_eq!(serde_json::from_str::<Value>(&said).unwrap()["existed"], true);
    assert_eq!(count(&node).1, 1);
}
