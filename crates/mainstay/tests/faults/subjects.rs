//! The keys of subjects when the power fails, and when their file cannot be written.

use crate::node::{Node, Ran, mainstay, run, serve};
use crate::simulated::Simulated;
use crate::syncs::until_it_stops;
use crate::workload::{self, Machine};
use fault_fs::{Fate, Kind};
use mainstay_client::NewEvent;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

const CUTS: u32 = 15;
/// How many events are acknowledged before a cut, at most.
const EVENTS_MAX: u64 = 60;

fn start(machine: &Simulated, key: &str) -> Node {
    Node::start_with(&machine.data(), &["--subject-key-file", key])
}

fn event(subject: u64) -> NewEvent {
    NewEvent::new("told")
        .subject(format!("subject-{subject}"))
        .data(&format!("{subject} has told us"))
        .unwrap()
}

fn count(subjects: &Mutex<Vec<u64>>) -> u64 {
    subjects.lock().unwrap().len() as u64
}

/// The events of a node: how many there are, and of which subjects they are erased.
fn read(node: &Node) -> (u64, u64) {
    let out = node.run(&["read", "people", "--output", "jsonl"]).ok();
    let erased = out.lines().filter(|line| line.contains("\"erased\":true")).count();
    let told = out.lines().filter(|line| line.contains("has told us")).count();
    assert_eq!(out.lines().count(), erased + told, "{out}");
    ((erased + told) as u64, erased as u64)
}

#[test]
fn no_acknowledged_event_loses_its_key_and_no_erased_one_gets_it_back_when_the_power_fails() {
    let (machine, mut rng) = (Simulated::without_faults(), workload::rng());
    let scratch = tempfile::tempdir().unwrap();
    let key = scratch.path().join("key");
    std::fs::write(&key, "5a".repeat(32)).unwrap();
    let key = key.to_str().unwrap();
    let (mut erased, next) = (0, Arc::new(AtomicU64::new(0)));
    // The subjects of these events.
    let acknowledged = Arc::new(Mutex::new(Vec::new()));
    for _ in 0..workload::rounds(CUTS) {
        let node = start(&machine, key);
        let (client, next, written) = (node.client(), Arc::clone(&next), Arc::clone(&acknowledged));
        let goal = count(&written) + 1 + rng.below(EVENTS_MAX);
        let writer = std::thread::spawn(move || {
            loop {
                let subject = next.fetch_add(1, Ordering::Relaxed);
                if client.append("people", [event(subject)]).send().is_err() {
                    return;
                }
                written.lock().unwrap().push(subject);
            }
        });
        while count(&acknowledged) < goal {
            std::thread::yield_now();
        }
        let subject = format!("subject-{}", acknowledged.lock().unwrap()[erased as usize]);
        let said = node.run(&["erase", "--subject", &subject, "--output", "json"]).ok();
        assert!(said.contains("\"existed\":true"), "{subject}: {said}");
        erased += 1;
        machine.fail(node.begin_kill());
        writer.join().unwrap();
        let node = start(&machine, key);
        let (all, gone) = read(&node);
        assert!(all >= count(&acknowledged), "{all} events");
        assert_eq!(gone, erased);
        assert!(node.stop().success());
    }
}

/// What becomes of a machine whose program has ended in the middle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Interruption {
    /// As by kill -9: everything that was written is there.
    Killed,
    PowerCut,
}

fn rekey(machine: &Simulated, [old, new]: [&str; 2]) -> Ran {
    let data = machine.data();
    let arguments = ["rekey", "--subject-key-file", old, "--new-subject-key-file", new, "--data"];
    run(mainstay().args(arguments).arg(data), "")
}

/// Replaces the operator's key, interrupted at one change of the disk. Returns which keys the next node starts with, or `None`
/// if the replacement needed no more changes.
fn interrupted<'a>(
    machine: &Simulated,
    keys: [&'a str; 2],
    (at, interruption): (u64, Interruption),
    rng: &mut seeded_rng::Rng,
) -> Option<Vec<&'a str>> {
    let at = machine.disk.operations() + at;
    machine.disk.rule(move |operation| match operation.kind.changes() && operation.number == at {
        true => Fate::Ends,
        false => Fate::Done,
    });
    let ran = rekey(machine, keys);
    if ran.code == 0 {
        machine.disk.rule(|_| Fate::Done);
        return None;
    }
    match interruption {
        Interruption::Killed => machine.disk.restart().unwrap(),
        Interruption::PowerCut => machine.disk.cut_power(&mut || rng.next_u64()).unwrap(),
    }
    machine.disk.rule(|_| Fate::Done);
    let starts = |key: &&str| {
        let Ok(node) = Node::try_start(serve(&machine.data(), &["--subject-key-file", key])) else {
            return false;
        };
        assert_eq!(read(&node), (4, 1), "{ran:?}");
        assert!(node.stop().success());
        true
    };
    Some(keys.into_iter().filter(starts).collect())
}

#[test]
fn an_interrupted_replacement_of_the_operators_key_leaves_either_key_and_no_other_file() {
    let (machine, mut rng) = (Simulated::without_faults(), workload::rng());
    let scratch = tempfile::tempdir().unwrap();
    let [old, new] = ["5a", "5b"].map(|digits| {
        let path = scratch.path().join(digits);
        std::fs::write(&path, digits.repeat(32)).unwrap();
        path.to_str().unwrap().to_owned()
    });
    let mut keys = [old.as_str(), new.as_str()];
    let node = start(&machine, keys[0]);
    (0..4).for_each(|subject| drop(node.client().append("people", [event(subject)]).send().unwrap()));
    node.run(&["erase", "--subject", "subject-0"]).ok();
    assert!(node.stop().success());
    let (mut kept, mut replaced) = (0, 0);
    for interruption in [Interruption::Killed, Interruption::PowerCut, Interruption::PowerCut] {
        for at in 0.. {
            let Some(starts) = interrupted(&machine, keys, (at, interruption), &mut rng) else {
                keys.swap(0, 1);
                break;
            };
            assert_eq!(starts.len(), 1, "{interruption:?} at {at}: {starts:?}");
            for name in ["SUBJECT-KEYS.new", "SUBJECT-KEYS.old"] {
                assert!(!machine.data().join(name).exists(), "{interruption:?} at {at}: {name}");
            }
            if starts[0] == keys[1] {
                keys.swap(0, 1);
                replaced += 1;
            } else {
                kept += 1;
            }
        }
    }
    println!("{kept} interruptions came before the replacement, {replaced} after it");
    assert!(kept > 10 && replaced > 5, "void: {kept} {replaced}");
}

#[test]
fn a_node_that_cannot_sync_a_new_key_acknowledges_nothing_with_it_and_stops() {
    let machine = Simulated::without_faults();
    let scratch = tempfile::tempdir().unwrap();
    let key = scratch.path().join("key");
    std::fs::write(&key, "5a".repeat(32)).unwrap();
    let node = start(&machine, key.to_str().unwrap());
    node.client().append("people", [event(0)]).send().unwrap();
    machine.disk.rule(|operation| match operation.kind {
        Kind::Sync if operation.path.ends_with("SUBJECT-KEYS") => Fate::Failed,
        _ => Fate::Done,
    });
    // Its key is durable.
    node.client().append("people", [event(0)]).send().unwrap();
    node.client().append("people", [event(1)]).send().expect_err("no key, no event");
    assert!(until_it_stops(node));
    machine.disk.release();
    let node = start(&machine, key.to_str().unwrap());
    assert_eq!(read(&node), (2, 0));
    node.client().append("people", [event(1)]).send().unwrap();
    assert!(node.stop().success());
}
