//! Another leader's entries replace a suffix of the log, and the power is cut at each step of it.

use super::*;
use crate::memory_disk::MemoryDisk;
use seeded_rng::Rng;

/// Long enough that a segment holds a few entries.
const LONG: usize = 2_500;
const LAST: u64 = 20;

/// What the log holds before the conflict: entries of term 1 up to the last, over several segments.
fn before() -> ModelGroup {
    let mut group = ModelGroup::default();
    for index in 1..=LAST {
        group.write(Some(hard_state(1, 1, index.min(4))), index, 1, &[vec![b'1'; LONG]]);
    }
    group
}

/// The log holds `before`, synced.
fn written() -> MemoryDisk {
    let disk = MemoryDisk::new();
    let mut log = open(&disk);
    for index in 1..=LAST {
        let state = Some(hard_state(1, 1, index.min(4)));
        log.writer.write(&record(GROUP, state, index, 1, &[&[b'1'; LONG]])).expect("space");
        log.writer.sync().expect("synced");
    }
    assert!(log.writer.stats().segments > 3);
    disk
}

/// A leader of term 2 replaces all entries from `first` on with three of its own, and then adds one at a
/// time. Returns what the log may hold after a crash: what it held after each step from the last sync on.
fn replace(disk: &MemoryDisk, first: u64) -> Vec<ModelGroup> {
    let mut may_hold = vec![before()];
    let Ok(mut log) = Log::open(disk.clone(), options()) else { return may_hold };
    for (step, count) in [3, 1, 1, 1, 1].into_iter().enumerate() {
        let mut next = may_hold[may_hold.len() - 1].clone();
        let from = if step == 0 { first } else { next.last() + 1 };
        let bodies = vec![vec![b'2'; LONG]; count];
        let slices: Vec<&[u8]> = bodies.iter().map(Vec::as_slice).collect();
        let state = Some(hard_state(2, 2, 4));
        next.write(state, from, 2, &bodies);
        may_hold.push(next);
        if log.writer.write(&record(GROUP, state, from, 2, &slices)).is_err() || log.writer.sync().is_err() {
            return may_hold;
        }
        may_hold.drain(..may_hold.len() - 1);
        // Sometimes the log is idle for a while.
        if step % 2 == 0 && log.writer.mark().is_err() {
            return may_hold;
        }
    }
    may_hold
}

fn found(disk: &MemoryDisk, what: &str) -> ModelGroup {
    let log = Log::open(disk.clone(), options()).unwrap_or_else(|error| panic!("{what}: {error}"));
    let mut held = held(&log).unwrap_or_else(|error| panic!("{what}: {error}"));
    held.groups.remove(&GROUP).unwrap_or_default()
}

#[test]
fn a_replaced_suffix_is_the_old_one_or_the_new_one_after_a_power_cut_at_each_step() {
    let disk = written();
    for first in [5, 11, 19, LAST + 1] {
        let whole = disk.restart();
        let after = replace(&whole, first);
        assert_eq!(after.len(), 1, "everything was synced");
        assert_eq!(after[0].last(), first + 6);
        assert_eq!(found(&whole, "no crash"), after[0]);
        for operation in 0..whole.operations() {
            let what = format!("replaced from {first}, operation {operation}");
            let disk = disk.restart();
            disk.crash_at(operation);
            let may_hold = replace(&disk, first);
            let mut fate = Rng::new(first << 16 | operation);
            let found = found(&disk.crash(&mut || fate.next_u64()), &what);
            assert!(may_hold.contains(&found), "{what}: {found:?}");
        }
    }
}

/// A reader that looks at a segment's index while the suffix is replaced never sees a mixture of both
/// leaders.
#[test]
fn readers_see_replaced_entries_no_more() {
    let disk = written();
    let mut log = open(&disk);
    let reader = log.reader.clone();
    assert_eq!(entry_at(&reader, GROUP, 12), Some((Term(1), vec![b'1'; LONG])));
    write(&mut log.writer, 9, 2, &[b"9", b"10"]);
    assert_eq!(entry_at(&reader, GROUP, 8), Some((Term(1), vec![b'1'; LONG])));
    assert_eq!(entry_at(&reader, GROUP, 9), Some((Term(2), b"9".to_vec())));
    assert_eq!(entry_at(&reader, GROUP, 11), None, "nothing follows the new entries yet");
    let page = reader.entries(GROUP, Index(7), 1 << 20).expect("intact");
    let terms: Vec<_> = page.entries.iter().map(|entry| (entry.index.0, entry.term.0)).collect();
    assert_eq!(terms, [(7, 1), (8, 1), (9, 2), (10, 2)]);
}
