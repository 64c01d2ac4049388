//! Sealed events in backups and archives: what is restored, what is erased in all of them, and what kill -9 leaves.

use super::proxy::{Fate, Proxy};
use super::{Node, Ran, back_up, events, files, mainstay, offline, paths, restore, stream, text};
use format::subject_key::{RECORD_BYTES, RECORDS_AT};
use serde_json::Value;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

const SECRET: &str = "what anna has told us";

/// A file with the key of an operator, and the options that name it.
pub(super) fn key(scratch: &Path, digits: &str) -> [String; 2] {
    let path = scratch.join(format!("key-{digits}"));
    std::fs::write(&path, digits.repeat(32)).unwrap();
    ["--subject-key-file".to_owned(), text(&path).to_owned()]
}

pub(super) fn start(data: &Path, key: &[String; 2]) -> Node {
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

pub(super) fn append(node: &Node, subject: &str, from: u64, count: u64) {
    node.run_with_input(&["import", "-"], &of_subject(subject, from, count)).ok();
}

fn says(path: &Path, what: &str) -> bool {
    std::fs::read(path).unwrap().windows(what.len()).any(|part| part == what.as_bytes())
}

fn is_anywhere(directory: &Path, what: &str) -> bool {
    files(directory).iter().any(|path| says(path, what))
}

/// How many events a node shows, and how many of them are erased.
pub(super) fn count(node: &Node) -> (usize, usize) {
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
    append(&node, "anna", 0, 400);
    append(&node, "ben", 400, 400);
    back_up(&node, &backups);
    append(&node, "cleo", 800, 10);
    append(&node, "anna", 810, 10);
    assert_eq!(node.run(&["archive", text(&backups), "--once"]).code, 0);
    assert_eq!(count(&node), (820, 0));
    assert!(!is_anywhere(&data, SECRET) && !is_anywhere(&backups, SECRET), "sealed wherever it is");

    // An older copy of the keys is somewhere else.
    let old_keys = keys_copy(&backups);
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
    append(&node, "dora", 820, 5);
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
    append(&node, "anna", 0, 50);
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

/// The copy of the keys among backups.
fn keys_copy(backups: &Path) -> PathBuf {
    files(backups).into_iter().find(|path| path.ends_with("SUBJECT-KEYS")).unwrap()
}

fn rekey(data: &Path, old: &[String; 2], new: &[String; 2]) -> Ran {
    let arguments = ["rekey", "--data", text(data), "--subject-key-file", &old[1]];
    offline(&[&arguments[..], &["--new-subject-key-file", &new[1], "--output", "json"]].concat())
}

fn refuses(data: &Path, key: &[String; 2]) {
    let ran = offline(&["serve", "--listen", "127.0.0.1:0", "--data", text(data), &key[0], &key[1]]);
    assert!(ran.code != 0 && ran.err.contains("another key"), "{ran:?}");
}

#[test]
fn a_replaced_operators_key_opens_nothing_any_more_and_backups_follow() {
    let scratch = tempfile::tempdir().unwrap();
    let (data, backups, restored) = paths(scratch.path());
    let (old, new) = (key(scratch.path(), "5a"), key(scratch.path(), "5b"));
    let node = start(&data, &old);
    append(&node, "anna", 0, 50);
    append(&node, "ben", 50, 50);
    back_up(&node, &backups);
    node.run(&["erase", "--subject", "anna"]).ok();
    back_up(&node, &backups);
    let before = std::fs::read(keys_copy(&backups)).unwrap();
    rekey(&data, &old, &new).fails(1, "in use by a running node");
    assert!(node.stop().success());
    let said = rekey(&data, &old, &new).ok();
    assert!(said.contains("\"replaced\":true,\"kept\":1,\"erased\":1"), "{said}");
    refuses(&data, &old);

    // A backup from before is restored with the old key, as long as the copy has not followed.
    restore(&backups, &restored);
    refuses(&restored, &new);
    assert_eq!(count(&start(&restored, &old)), (100, 50));
    std::fs::remove_dir_all(&restored).unwrap();

    // Ben is still the same subject.
    let node = start(&data, &new);
    assert_eq!(count(&node), (100, 50));
    append(&node, "ben", 100, 5);
    back_up(&node, &backups);
    let after = std::fs::read(keys_copy(&backups)).unwrap();
    let records = before[RECORDS_AT..].chunks(RECORD_BYTES).zip(after[RECORDS_AT..].chunks(RECORD_BYTES));
    let same: Vec<bool> = records.map(|(before, after)| before == after).collect();
    assert_eq!(same, [true, false], "of anna's key there is nothing to wrap, and ben's is wrapped again");
    offline(&["backups", "verify", text(&backups)]).ok();
    restore(&backups, &restored);
    refuses(&restored, &old);
    assert_eq!(count(&start(&restored, &new)), (105, 50));
    std::fs::remove_dir_all(&restored).unwrap();
    let list = offline(&["backups", "list", text(&backups), "--output", "jsonl"]).ok();
    let first: Value = serde_json::from_str(list.lines().next().unwrap()).unwrap();
    let first = first["backup"].as_str().unwrap();
    offline(&["restore", text(&backups), "--data", text(&restored), "--backup", first]).ok();
    assert_eq!(count(&start(&restored, &new)), (100, 50), "the older backup needs the new key too now");

    let said = node.run(&["erase", "--subject", "ben", "--output", "json"]).ok();
    assert!(said.contains("\"existed\":true"), "{said}");
    assert_eq!(count(&node), (105, 105));
}

#[test]
fn a_key_that_cannot_be_replaced_is_said_to_be_so_and_nothing_is_changed() {
    let scratch = tempfile::tempdir().unwrap();
    let data = scratch.path().join("data");
    let (right, other, third) =
        (key(scratch.path(), "5a"), key(scratch.path(), "5b"), key(scratch.path(), "5c"));
    rekey(&data, &right, &other).fails(1, "holds no store");
    Node::start(&data).stop();
    rekey(&data, &right, &other).fails(1, "has no keys of subjects");
    let node = start(&data, &right);
    append(&node, "anna", 0, 5);
    node.stop();
    let keys = data.join("SUBJECT-KEYS");
    let before = std::fs::read(&keys).unwrap();
    let malformed = ["--subject-key-file".to_owned(), text(&data.join("LOCK")).to_owned()];
    let missing = ["--subject-key-file".to_owned(), text(&data.join("missing")).to_owned()];
    rekey(&data, &other, &third).fails(2, &format!("{} is not the key", other[1]));
    rekey(&data, &right, &right).fails(2, "the new key is the one");
    rekey(&data, &malformed, &other).fails(2, "64 hex digits");
    rekey(&data, &right, &malformed).fails(2, "64 hex digits");
    rekey(&data, &right, &missing).fails(2, "cannot be used");
    assert_eq!(std::fs::read(&keys).unwrap(), before);
    let mut damaged = before.clone();
    damaged[RECORDS_AT + 50] ^= 1;
    std::fs::write(&keys, &damaged).unwrap();
    rekey(&data, &right, &other).fails(1, "SUBJECT-KEYS is damaged");
    assert_eq!(std::fs::read(&keys).unwrap(), damaged);
    std::fs::write(&keys, &before).unwrap();

    // The second time, what was interrupted is ended.
    let first = rekey(&data, &right, &other).ok();
    assert!(first.contains("\"replaced\":true,\"kept\":1,\"erased\":0"), "{first}");
    std::fs::write(data.join("SUBJECT-KEYS.old"), &before).unwrap();
    let examined = offline(&["doctor", "--data", text(&data)]).ok();
    assert!(
        examined.contains("`SUBJECT-KEYS.old` is what an interrupted `mainstay rekey` has left"),
        "{examined}"
    );
    let second = rekey(&data, &right, &other).ok();
    assert!(second.contains("\"replaced\":false,\"kept\":1,\"erased\":0"), "{second}");
    assert!(!data.join("SUBJECT-KEYS.old").exists());
    assert_eq!(count(&start(&data, &other)), (5, 0));
}

/// `mainstay archive` until the test has seen enough, and what it says.
struct Archiver(std::process::Child, PathBuf);

impl Archiver {
    fn start(url: &str, backups: &Path, says: PathBuf) -> Self {
        let mut command = mainstay();
        command.args(["--url", url, "archive", text(backups), "--every", "20ms"]);
        command.stdout(Stdio::null()).stderr(File::create(&says).unwrap());
        Self(command.spawn().unwrap(), says)
    }

    /// Waits until something is so, while it runs.
    fn until(&mut self, what: &str, is_so: impl Fn(&str) -> bool) {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let said = std::fs::read_to_string(&self.1).unwrap();
            if is_so(&said) {
                return;
            }
            assert_eq!(self.0.try_wait().unwrap(), None, "it has ended, without {what}: {said}");
            assert!(Instant::now() < deadline, "not {what}: {said}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Archiver {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn restored_count(backups: &Path, data: &Path, key: &[String; 2]) -> (usize, usize) {
    let _ = std::fs::remove_dir_all(data);
    restore(backups, data);
    count(&start(data, key))
}

#[test]
fn an_archive_goes_on_when_the_node_is_away_while_its_keys_are_copied() {
    let scratch = tempfile::tempdir().unwrap();
    let (data, backups, restored) = paths(scratch.path());
    let key = key(scratch.path(), "5a");
    let node = start(&data, &key);
    append(&node, "anna", 0, 10);
    let is_away = Arc::new(AtomicBool::new(false));
    let away = Arc::clone(&is_away);
    // The log can be read, and then the node is away.
    let proxy = Proxy::before(&node, move |path| {
        if away.load(Ordering::SeqCst) && path.contains("/subject-keys") { Fate::Cut } else { Fate::Passed }
    });
    let mut archiver = Archiver::start(&proxy.url, &backups, scratch.path().join("says"));
    archiver.until("a backup", |said| said.contains(": 10 events"));
    is_away.store(true, Ordering::SeqCst);
    append(&node, "ben", 10, 10);
    archiver.until("trying again", |said| said.contains("trying again"));
    assert_eq!(restored_count(&backups, &restored, &key), (10, 0), "nothing is kept without its keys");
    is_away.store(false, Ordering::SeqCst);
    archiver.until("the node again", |said| said.contains("the node responds again"));
    let done = || restored_count(&backups, &restored, &key) == (20, 0);
    archiver.until("all events", |_| done());
}

#[test]
fn an_archive_ends_its_copy_of_the_keys_while_new_subjects_come_all_the_time() {
    let scratch = tempfile::tempdir().unwrap();
    let (data, backups, restored) = paths(scratch.path());
    let key = key(scratch.path(), "5a");
    let node = start(&data, &key);
    append(&node, "anna", 0, 10);
    back_up(&node, &backups);
    append(&node, "ben", 10, 10);
    // Before each of these requests is answered there is one more subject, 50 times.
    let (client, asked, in_a_row) = (node.client(), AtomicU64::new(0), AtomicU64::new(0));
    let most = Arc::new(AtomicU64::new(0));
    let longest = Arc::clone(&most);
    let proxy = Proxy::before(&node, move |path| {
        if !path.contains("/subject-keys") {
            in_a_row.store(0, Ordering::SeqCst);
            return Fate::Passed;
        }
        longest.fetch_max(in_a_row.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        let n = asked.fetch_add(1, Ordering::SeqCst);
        if n < 50 {
            let told = mainstay_client::NewEvent::new("told").subject(format!("subject-{n}"));
            client.append("others", [told.data(&n).unwrap()]).send().unwrap();
        }
        Fate::Passed
    });
    offline(&["--url", &proxy.url, "archive", text(&backups), "--once"]).ok();
    let most = most.load(Ordering::SeqCst);
    assert!((2..10).contains(&most), "it asked for keys {most} times, and kept nothing meanwhile");
    assert_eq!(restored_count(&backups, &restored, &key), (20, 0));
}

#[test]
fn an_archive_that_goes_on_while_the_operators_key_is_replaced_copies_the_keys_again() {
    let scratch = tempfile::tempdir().unwrap();
    let (data, backups, restored) = paths(scratch.path());
    let (old, new) = (key(scratch.path(), "5a"), key(scratch.path(), "5b"));
    let node = start(&data, &old);
    let address = node.address();
    append(&node, "anna", 0, 10);
    let mut archiver = Archiver::start(&node.url, &backups, scratch.path().join("says"));
    archiver.until("a backup", |said| said.contains(": 10 events"));
    append(&node, "ben", 10, 10);
    archiver.until("all events", |_| restored_count(&backups, &restored, &old) == (20, 0));
    assert!(node.stop().success());
    rekey(&data, &old, &new).ok();
    let node = Node::start_with(&data, &[&new[0], &new[1], "--listen", &address]);
    let before = std::fs::read(keys_copy(&backups)).unwrap();
    append(&node, "anna", 20, 5);
    archiver.until("the keys", |_| std::fs::read(keys_copy(&backups)).is_ok_and(|now| now != before));
    archiver.until("all events", |_| restored_count(&backups, &restored, &new) == (25, 0));
    refuses(&restored, &old);
}

#[test]
fn a_store_whose_sealed_events_could_not_be_opened_is_not_restored() {
    let scratch = tempfile::tempdir().unwrap();
    let (data, backups, restored) = paths(scratch.path());
    let key = key(scratch.path(), "5a");
    let node = start(&data, &key);
    append(&node, "anna", 0, 10);
    back_up(&node, &backups);
    let (copy, aside) = (keys_copy(&backups), scratch.path().join("aside"));
    let of_anna = std::fs::read(&copy).unwrap();
    append(&node, "ben", 10, 10);
    append(&node, "cleo", 20, 10);
    assert_eq!(node.run(&["archive", text(&backups), "--once"]).code, 0);
    let refuses = |words: &str| {
        let ran = offline(&["restore", text(&backups), "--data", text(&restored)]);
        assert!(ran.err.contains("Put the file there"), "{ran:?}");
        ran.fails(1, words);
        assert!(!restored.exists(), "nothing was written");
    };
    std::fs::rename(&copy, &aside).unwrap();
    refuses("is not there: it is the copy of the keys that events of 3 subjects are sealed with");
    let verified = offline(&["backups", "verify", text(&backups)]);
    assert!(
        verified.code == 1 && verified.out.contains("keys that events of 1 subjects are sealed"),
        "{verified:?}"
    );
    // An older copy opens what the backup has, and not what was archived after it.
    std::fs::write(&copy, &of_anna).unwrap();
    refuses("lacks 2 of the keys that events are sealed with; the first of them is key 2");
    let list = offline(&["backups", "list", text(&backups), "--output", "jsonl"]).ok();
    let name: Value = serde_json::from_str(&list).unwrap();
    let name = name["backup"].as_str().unwrap();
    let said = offline(&["restore", text(&backups), "--data", text(&restored), "--backup", name]).ok();
    assert!(said.contains("events of 1 subjects are sealed (0 are erased): start the node with"), "{said}");
    assert_eq!(count(&start(&restored, &key)), (10, 0));
    std::fs::remove_dir_all(&restored).unwrap();

    // Of a subject that is erased, no key is needed.
    for subject in ["ben", "cleo"] {
        node.run(&["erase", "--subject", subject]).ok();
    }
    assert_eq!(node.run(&["archive", text(&backups), "--once"]).code, 0);
    std::fs::write(&copy, &of_anna).unwrap();
    let said = restore(&backups, &restored);
    assert_eq!(said["subject_keys"], serde_json::json!({"kept": 1, "erased": 2}));
    assert_eq!(count(&start(&restored, &key)), (30, 20));
    std::fs::remove_dir_all(&restored).unwrap();

    // The file of the data directory does instead of the copy.
    std::fs::remove_file(&copy).unwrap();
    refuses("events of 1 subjects");
    std::fs::copy(data.join("SUBJECT-KEYS"), &copy).unwrap();
    assert_eq!(restored_count(&backups, &restored, &key), (30, 20));
}

#[test]
fn a_store_whose_keys_are_lost_for_good_is_restored_with_their_subjects_erased_if_that_is_asked_for() {
    let scratch = tempfile::tempdir().unwrap();
    let (data, backups, restored) = paths(scratch.path());
    let old = key(scratch.path(), "5a");
    let node = start(&data, &old);
    append(&node, "anna", 0, 10);
    back_up(&node, &backups);
    let copy = keys_copy(&backups);
    let of_anna = std::fs::read(&copy).unwrap();
    append(&node, "ben", 10, 10);
    node.run(&["append", "open", "t", "1"]).ok();
    assert_eq!(node.run(&["archive", text(&backups), "--once"]).code, 0);
    let asked = ["restore", text(&backups), "--data", text(&restored), "--erase-lost-subjects"];

    // An older copy opens what it has keys for.
    std::fs::write(&copy, &of_anna).unwrap();
    assert!(offline(&asked).ok().contains("1 subjects are erased, because their keys are lost"));
    let node = start(&restored, &old);
    assert_eq!(count(&node), (20, 10));
    assert_eq!(node.run(&["read", "open", "--output", "jsonl"]).ok().lines().count(), 1);
    // Who comes after them has another key.
    append(&node, "ben", 30, 5);
    assert_eq!(count(&node), (25, 10));
    back_up(&node, &scratch.path().join("later"));
    assert!(node.stop().success());
    offline(&["doctor", "--data", text(&restored)]).ok();
    std::fs::remove_dir_all(&restored).unwrap();

    // Without any copy, later subjects need a key.
    std::fs::remove_file(&copy).unwrap();
    let ran = offline(&asked);
    ran.fails(1, "it is the copy of the keys that events of 2 subjects are sealed with");
    assert!(!restored.exists(), "nothing was written");
    let new = key(scratch.path(), "77");
    offline(&[&asked[..], &[&new[0], &new[1]]].concat()).ok();
    let node = start(&restored, &new);
    assert_eq!(count(&node), (20, 20));
    append(&node, "anna", 40, 5);
    assert_eq!(count(&node), (25, 20));
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
