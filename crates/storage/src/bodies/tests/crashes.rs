//! A power cut at each operation, with unsynced writes lost, kept or torn.
//!
//! For each n, a script appends, syncs, reports flushed states, notes removals and rewrites segments until
//! the disk's n-th operation ends the process. State flushes are simulated: a flush refers to the end of the
//! last sync that returned before it. Then the file is opened at that end. It must hold every live record
//! before the end, in order and as it was written, and nothing else except dead records that were not dropped
//! yet.

use super::*;
use crate::memory_disk::MemoryDisk;
use crate::write_behind::WriteBehind;
use model::Wall;
use std::collections::BTreeMap;

const STEPS: usize = 60;

/// What the file should hold.
#[derive(Clone, Default)]
struct Expected {
    /// The logical end of each record.
    ends: BTreeMap<u64, u64>,
    /// Records that the state no longer refers to, in a flush that has completed.
    dead: Vec<u64>,
    /// The end that the flushed state refers to.
    flushed: u64,
}

struct Script<'a> {
    bodies: Bodies<MemoryDisk>,
    reader: BodyReader<MemoryDisk>,
    rng: &'a mut Rng,
    expected: Expected,
    /// Removed by entries after the flushed state: a crash brings them back until the log is replayed.
    dead_unflushed: Vec<u64>,
    now: u64,
}

impl Script<'_> {
    fn step(&mut self) -> Result<(), BodyError> {
        self.now += self.rng.next_u64() % 300;
        match self.rng.next_u64() % 13 {
            0..6 => self.append()?,
            12 => self.bodies.write_handle().run()?,
            6 => self.note(),
            7 | 8 => {
                self.bodies.sync_handle().run()?;
            }
            9 => self.flush()?,
            10 => self.bodies.preparer().prepare()?,
            _ => self.compact()?,
        }
        Ok(())
    }

    fn append(&mut self) -> Result<(), BodyError> {
        let mut position = self.expected.ends.keys().next_back().copied().unwrap_or(0);
        let mut batch = Vec::new();
        let start = self.bodies.end();
        for _ in 0..1 + self.rng.next_u64() % 4 {
            position += 1 + self.rng.next_u64() % 3;
            batch.extend(encoded(position));
            self.expected.ends.insert(position, start + batch.len() as u64);
        }
        let end = self.bodies.append(&batch, cursor(position))?;
        assert_eq!(end, start + batch.len() as u64);
        Ok(())
    }

    fn note(&mut self) {
        let count = self.expected.ends.len() as u64;
        if count == 0 {
            return;
        }
        for _ in 0..self.rng.next_u64() % 12 {
            let nth = (self.rng.next_u64() % count) as usize;
            let position = *self.expected.ends.keys().nth(nth).expect("it is one of them");
            self.bodies.note_removed(&[Position(position)], Wall(self.now));
            self.dead_unflushed.push(position);
        }
    }

    fn flush(&mut self) -> Result<(), BodyError> {
        let end = self.bodies.sync_handle().run()?;
        self.expected.flushed = end;
        self.expected.dead.append(&mut self.dead_unflushed);
        self.bodies.persisted(flushed_to(end));
        Ok(())
    }

    fn compact(&mut self) -> Result<(), BodyError> {
        if let Some(segment) = self.bodies.compaction_due(Wall(self.now))? {
            let dead = self.all_dead();
            let live = |record: &BodyRecord<'_>| Ok::<_, std::io::Error>(!dead.contains(&record.position.0));
            self.bodies.compaction(segment).run(live)?;
            // What was dropped stays dropped, because the removal is in the log and is replayed.
            self.expected.dead.append(&mut self.dead_unflushed);
        }
        let found = read(&self.reader, Cursor::START, ALL, 700)?;
        check(&self.expected, &self.all_dead(), u64::MAX, &found, "live");
        Ok(())
    }

    fn all_dead(&self) -> Vec<u64> {
        [&self.expected.dead[..], &self.dead_unflushed].concat()
    }
}

fn check(expected: &Expected, dead: &[u64], end: u64, found: &[u64], what: &str) {
    assert!(found.is_sorted(), "{what}");
    let below: Vec<u64> =
        expected.ends.iter().filter(|(_, at)| **at <= end).map(|(position, _)| *position).collect();
    for position in found {
        assert!(below.contains(position), "{what}: {position} is not below {end}");
    }
    for position in below {
        assert!(dead.contains(&position) || found.contains(&position), "{what}: {position} is gone");
    }
}

fn run(disk: &MemoryDisk, expected: Expected, rng: &mut Rng, steps: usize) -> Expected {
    let (bodies, reader) = match Bodies::open(disk.clone(), expected.flushed, options()) {
        Ok(opened) => opened,
        Err(error) => {
            assert!(is_crash(&error), "{error}");
            return expected;
        }
    };
    let mut expected = expected;
    let flushed = expected.flushed;
    expected.ends.retain(|_, end| *end <= flushed);
    let mut script = Script { bodies, reader, rng, expected, dead_unflushed: Vec::new(), now: 0 };
    for _ in 0..steps {
        if let Err(error) = script.step() {
            assert!(is_crash(&error), "{error}");
            // A rewrite may have dropped the records that were dead by then.
            script.expected.dead.append(&mut script.dead_unflushed);
            break;
        }
    }
    script.expected
}

fn is_crash(error: &BodyError) -> bool {
    matches!(error, BodyError::Failed { source, .. } if crate::memory_disk::is_crash(source))
}

fn verify(disk: &MemoryDisk, expected: &Expected, what: &str) {
    let end = expected.flushed;
    let opened = Bodies::open(disk.clone(), end, options());
    let (bodies, reader) = opened.unwrap_or_else(|error| panic!("{what}: {error}"));
    assert_eq!(bodies.end(), end, "{what}");
    let found = read(&reader, Cursor::START, ALL, 700).unwrap_or_else(|error| panic!("{what}: {error}"));
    check(expected, &expected.dead, end, &found, what);
    for position in expected.ends.keys() {
        let got = reader.get(Position(*position)).unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!(got, found.contains(position).then(|| encoded(*position)), "{what}: {position}");
    }
}

fn crash_everywhere(seed: u64) {
    let whole = MemoryDisk::new();
    let all = run(&whole, Expected::default(), &mut Rng::new(seed), STEPS);
    assert!(all.flushed > 0, "the script must flush something");
    for operation in 0..whole.operations() {
        let what = format!("seed {seed}, operation {operation}");
        let disk = MemoryDisk::new();
        disk.crash_at(operation);
        let first = run(&disk, Expected::default(), &mut Rng::new(seed), STEPS);
        let mut fate = Rng::new(seed ^ (operation << 8));
        let disk = disk.crash(&mut || fate.next_u64());
        disk.crash_at(fate.next_u64() % 4);
        run(&disk, first.clone(), &mut fate, 0);
        let disk = disk.crash(&mut || fate.next_u64());
        verify(&disk.restart(), &first, &what);
        let disk = disk.restart();
        disk.crash_at(2 + fate.next_u64() % 40);
        let second = run(&disk, first, &mut fate, STEPS);
        verify(&disk.crash(&mut || fate.next_u64()), &second, &format!("{what}, second crash"));
    }
}

#[test]
fn what_a_flushed_state_refers_to_survives_a_power_cut_at_each_operation() {
    for seed in 0..12 {
        crash_everywhere(seed);
    }
}

#[test]
fn bodies_become_durable_as_they_are_written_so_that_a_flush_has_little_to_sync() {
    let medium = MemoryDisk::new();
    let (mut bodies, _) = Bodies::open(WriteBehind::new(medium.clone()), 0, options()).expect("opens");
    bodies.sync_handle().run().expect("synced");
    let (mut last, mut end) = (0, 0);
    while end < options().unsynced_bytes {
        last += 1;
        end = append(&mut bodies, &[last]);
    }
    bodies.write_handle().run().expect("written");
    let lost = medium.crash(&mut || 0);
    let (bodies, reader) = Bodies::open(lost, end, options()).expect("nothing is missing");
    assert_eq!(bodies.end(), end);
    assert_eq!(read(&reader, Cursor::START, ALL, 900).expect("intact"), (1..=last).collect::<Vec<_>>());
}

#[test]
fn a_failed_sync_of_written_bodies_makes_the_body_file_unusable() {
    let medium = MemoryDisk::new();
    let (mut bodies, _) = Bodies::open(WriteBehind::new(medium.clone()), 0, options()).expect("opens");
    bodies.sync_handle().run().expect("synced");
    let mut writes = 0;
    while bodies.end() < options().unsynced_bytes {
        writes += 1;
        append(&mut bodies, &[writes]);
    }
    medium.fail_at(medium.operations() + writes, std::io::ErrorKind::StorageFull);
    let failure = bodies.write_handle().run().expect_err("the sync after the writes fails");
    assert!(matches!(failure, BodyError::Failed { .. }), "{failure}");
    let later = bodies.sync_handle().run().expect_err("it must not succeed on pages that were dropped");
    assert!(matches!(later, BodyError::Poisoned), "{later}");
}
