//! Backups in a bucket of a real S3 server.

use super::seaweed::{Seaweed, without_aws};
use super::{Node, SMALL, Value, events, fill, lines, offline, paths, shown, store_of, text};
use crate::node::run;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const PLACE: &str = "s3://backups/eu/node-1";

/// A command that runs until this is dropped.
struct Running(Child);

impl Running {
    fn start(mut command: Command) -> Self {
        Self(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    }

    fn kill(mut self) -> ExitStatus {
        self.0.kill().unwrap();
        self.0.wait().unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn back_up(server: &Seaweed, node: &Node) -> Value {
    let said = server.run_with_node(node, &["backup", PLACE, "--output", "json"]).ok();
    serde_json::from_str(&said).unwrap()
}

fn segments(server: &Seaweed) -> Vec<(String, String)> {
    let names = server.objects().into_iter().filter(|name| name.ends_with(".bodies"));
    names.map(|name| (server.written(&name), name)).collect()
}

/// Writes while `during` runs, and returns what it returns.
fn under_load<T>(node: &Node, from: u64, during: impl FnOnce() -> T) -> T {
    let done = Arc::new(AtomicBool::new(false));
    let writer = std::thread::spawn({
        let (done, client) = (Arc::clone(&done), node.client());
        move || {
            let mut at = from;
            while !done.load(Ordering::Relaxed) {
                let lines = lines(at, 100).replace("\"stream\":\"s-", "\"stream\":\"w-");
                client.import(std::io::Cursor::new(lines)).for_each(|line| drop(line.unwrap()));
                at += 100;
            }
            at
        }
    });
    let result = during();
    done.store(true, Ordering::Relaxed);
    assert!(writer.join().unwrap() > from, "void: nothing was written meanwhile");
    result
}

#[test]
fn a_bucket_holds_backups_that_share_segments_go_on_after_kills_and_are_restored_whole() {
    let scratch = tempfile::tempdir().unwrap();
    let server = Seaweed::start(scratch.path());
    let (data, _, restored) = paths(scratch.path());
    let node = Node::start_with(&data, SMALL);
    fill(&node);

    node.run_with_input(&["import", "-"], &lines(100_000, 100_000)).ok();

    // One that is killed leaves no backup, and what it has copied is there for the next one.
    let killed = Running::start(server.command(&["--url", &node.url, "backup", PLACE]));
    let deadline = Instant::now() + Duration::from_secs(60);
    while segments(&server).is_empty() {
        assert!(Instant::now() < deadline, "nothing is copied");
    }
    assert!(!killed.kill().success(), "void: the backup was finished before it was killed");
    assert_eq!(server.run(&["backups", "list", PLACE, "--output", "jsonl"]).ok(), "");
    server.run(&["restore", PLACE, "--data", text(&restored)]).fails(2, "holds no backups");
    let left = segments(&server);
    let first = under_load(&node, 1_000_000, || back_up(&server, &node));
    let now = segments(&server);
    assert!(left.iter().all(|segment| now.contains(segment)), "segments are uploaded once: {left:?} {now:?}");

    // The next one copies what is new.
    node.run(&["append", "s-1", "after", "{}"]).ok();
    let second = back_up(&server, &node);
    let later = segments(&server);
    assert!(
        now.iter().all(|segment| later.contains(segment)),
        "segments are uploaded once: {now:?} {later:?}"
    );
    let unchanged = back_up(&server, &node);
    assert_eq!((&unchanged["unchanged"], &unchanged["backup"]), (&Value::Bool(true), &second["backup"]));
    assert_eq!(server.run(&["backups", "list", PLACE, "--output", "jsonl"]).ok().lines().count(), 2);
    server.run(&["backups", "verify", PLACE]).ok();
    let (want, lists) = (events(&node, &[]), shown(&node));

    damage(&server, &node, scratch.path(), &restored);

    // The first backup goes, and the second one stays whole.
    server.run(&["backups", "prune", PLACE, "--keep", "1"]).ok();
    let name = first["backup"].as_str().unwrap();
    assert!(!server.objects().iter().any(|object| object.contains(name)), "{:?}", server.objects());
    assert!(!server.objects().iter().any(|object| object.ends_with("LOCK")), "nothing is locked any longer");
    server.run(&["backups", "verify", PLACE]).ok();
    drop(node);
    let said = server.run(&["restore", PLACE, "--data", text(&restored), "--output", "json"]).ok();
    let said: Value = serde_json::from_str(&said).unwrap();
    let node = Node::start_with(&restored, SMALL);
    // A backup was made after the damage.
    assert_eq!(events(&node, &[])[..want.len()], want);
    assert_eq!(shown(&node)[1..], lists[1..]);
    assert_eq!(said["store"].as_str().unwrap(), store_of(&node));
    node.stop();
    offline(&["doctor", "--data", text(&restored)]).ok();
}

/// A changed byte in each kind of object is found and named; a shared one is copied again.
fn damage(server: &Seaweed, node: &Node, scratch: &Path, restored: &Path) {
    for kind in [".bodies", ".rows", "manifest.json", ".part"] {
        let object = server.objects().into_iter().rfind(|object| object.ends_with(kind)).unwrap();
        let mut before = Vec::new();
        server.change(scratch, &object, |bytes| {
            before.clone_from(bytes);
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
        });
        for arguments in [&["backups", "verify", PLACE][..], &["restore", PLACE, "--data", text(restored)]] {
            let ran = server.run(arguments);
            let said = [ran.out, ran.err].concat();
            let name = object.rsplit('/').next().unwrap();
            assert!(ran.code == 1 && said.contains("s3://backups/") && said.contains(name), "{said}");
            assert!(!restored.exists(), "the data directory must not be touched");
        }
        if kind == ".bodies" {
            node.run(&["append", "s-2", "again", "{}"]).ok();
            server.run_with_node(node, &["backup", PLACE, "--verify"]).ok();
        } else {
            server.change(scratch, &object, |bytes| bytes.clone_from(&before));
        }
        server.run(&["backups", "verify", PLACE]).ok();
    }
}

#[test]
fn one_process_at_a_time_changes_a_bucket_and_a_lock_that_was_left_is_taken_over() {
    let scratch = tempfile::tempdir().unwrap();
    let server = Seaweed::start(scratch.path());
    let (data, ..) = paths(scratch.path());
    let node = Node::start_with(&data, SMALL);
    node.run_with_input(&["import", "-"], &lines(0, 40_000)).ok();
    // An archive makes a backup, for which it has the lock, and has a lock of its own as long as it runs.
    let archive = Running::start(server.command(&["--url", &node.url, "archive", PLACE, "--every", "50ms"]));
    let deadline = Instant::now() + Duration::from_secs(60);
    while !server.objects().iter().any(|object| object.ends_with(".log")) {
        assert!(Instant::now() < deadline, "nothing is archived");
        node.run(&["append", "early", "t", "1"]).ok();
    }
    server.run_with_node(&node, &["archive", PLACE, "--once"]).fails(1, "another process is adding to");
    while server.run(&["backups", "list", PLACE, "--output", "jsonl"]).out.is_empty() {
        assert!(Instant::now() < deadline, "no backup is made");
    }
    assert!(!archive.kill().success());
    assert!(server.objects().iter().any(|object| object.ends_with("/LOCK")), "void: it was not killed");
    // Nobody renews the lock any longer.
    node.run(&["append", "late", "t", "1"]).ok();
    server.run_with_node(&node, &["archive", PLACE, "--once"]).ok();
    server.run(&["backups", "verify", PLACE]).ok();
    let all = events(&node, &[]);
    drop(node);
    let restored = scratch.path().join("restored");
    server.run(&["restore", PLACE, "--data", text(&restored)]).ok();
    assert_eq!(
        events(&Node::start_with(&restored, SMALL), &[]),
        all,
        "with what was archived after the backup"
    );
}

#[test]
fn a_bucket_behind_tls_is_trusted_by_its_authority_only_and_takes_objects_of_several_parts() {
    let scratch = tempfile::tempdir().unwrap();
    let server = Seaweed::start_with_tls(scratch.path());
    let (data, _, restored) = paths(scratch.path());
    let node = Node::start(&data);
    // More than two parts of 8 MiB, in one segment.
    let text_of_64_kib = "x".repeat(64 << 10);
    let line = format!("{{\"stream\":\"large\",\"type\":\"t\",\"data\":\"{text_of_64_kib}\"}}\n");
    node.run_with_input(&["import", "-"], &line.repeat(300)).ok();
    let mut stranger = server.command(&["--url", &node.url, "backup", PLACE]);
    stranger.env_remove("SSL_CERT_FILE");
    run(&mut stranger, "").fails(6, "certificate");
    assert!(server.objects().is_empty());
    back_up(&server, &node);
    let largest = server.objects().iter().map(|object| server.bytes_of(object)).max();
    assert!(largest > Some(17 << 20), "void: no object has several parts: {largest:?}");
    server.run(&["backups", "verify", PLACE]).ok();
    let all = events(&node, &[]);
    drop(node);
    server.run(&["restore", PLACE, "--data", text(&restored)]).ok();
    assert!(events(&Node::start(&restored), &[]) == all);
}

#[test]
fn a_bucket_that_cannot_be_used_is_told_with_its_cause_soon_and_without_secrets() {
    let scratch = tempfile::tempdir().unwrap();
    let server = Seaweed::start(scratch.path());
    let (data, _, restored) = paths(scratch.path());
    let node = Node::start_with(&data, SMALL);
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let unreachable = format!("http://{}", nobody.local_addr().unwrap());
    drop(nobody);
    let cases = [
        ("s3://missing/a", None, 2, "there is no such bucket"),
        (PLACE, Some(("AWS_SECRET_ACCESS_KEY", "wrong")), 3, "SignatureDoesNotMatch"),
        (PLACE, Some(("AWS_ACCESS_KEY_ID", "nobody")), 3, "InvalidAccessKeyId"),
        (PLACE, Some(("AWS_ENDPOINT_URL", &unreachable)), 6, "the store cannot be reached"),
        (PLACE, Some(("AWS_ALLOW_HTTP", "false")), 2, "AWS_ALLOW_HTTP=true"),
        ("s3://x", None, 2, "names no bucket"),
        ("s3://backups/../b", None, 2, "prefix"),
    ];
    for (place, variable, code, why) in cases {
        for command in [
            &["--url", &node.url, "backup", place][..],
            &["backups", "list", place],
            &["restore", place, "--data", text(&restored)],
        ] {
            let began = Instant::now();
            let mut asked = server.command(command);
            if let Some((name, value)) = variable {
                asked.env(name, value);
            }
            let ran = run(&mut asked, "");
            assert!(!ran.err.contains("testkey"), "{ran:?}");
            ran.fails(code, why);
            assert!(began.elapsed() < Duration::from_secs(90), "{place} {variable:?}: {:?}", began.elapsed());
            assert!(!restored.exists());
        }
    }
    let mut half = without_aws();
    half.args(["backups", "list", PLACE]).env("AWS_ACCESS_KEY_ID", "testkey");
    run(&mut half, "").fails(2, "AWS_SECRET_ACCESS_KEY");
    // Where a machine of Amazon's gets its credentials, there is something else.
    let mut none = without_aws();
    none.args(["backups", "list", PLACE]).env("AWS_METADATA_ENDPOINT", &server.url);
    run(&mut none, "").fails(2, "no credentials");
    // What is not a directory of backups is not made one.
    server.add(scratch.path(), "eu/thesis.txt");
    server.run_with_node(&node, &["backup", "s3://backups/eu"]).fails(2, "`thesis.txt`");
}
