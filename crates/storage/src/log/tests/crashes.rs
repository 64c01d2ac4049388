//! A power cut at each operation, with unsynced writes lost, kept or torn.
//!
//! For each n, a script of random steps runs until the disk's n-th operation ends the process. The log must
//! then hold exactly what it held after one of the steps: not one before the last sync that returned, and not
//! one that had not begun.

use super::*;
use crate::disk::DiskFile;
use crate::memory_disk::MemoryDisk;
use seeded_rng::Rng;
use std::io::ErrorKind;

const STEPS: usize = 70;
/// What a failing disk reports. No disk reports it on its own.
const FAILURE: ErrorKind = ErrorKind::BrokenPipe;

/// A run of the script, up to the crash if there is one.
struct Run {
    /// What the log should have held after each step that changes something. The last step may not have
    /// happened.
    states: Vec<Model>,
    /// The state that was current when the last sync returned.
    acknowledged: usize,
}

struct Script<'a, D: Disk> {
    log: OpenedLog<D>,
    rng: &'a mut Rng,
    run: Run,
}

impl<D: Disk> Script<'_, D> {
    fn state(&self) -> &Model {
        self.run.states.last().expect("there is a first")
    }

    fn step(&mut self) -> Result<(), LogError> {
        match self.rng.next_u64() % 16 {
            0..8 => self.write()?,
            8..11 => self.sync()?,
            11 => self.log.writer.mark()?,
            12 | 13 => self.purge()?,
            14 => drop(self.log.preparer.prepare()?),
            _ if self.rng.next_u64().is_multiple_of(2) => self.rotate()?,
            _ => self.log.preparer.scrub_spares()?,
        }
        Ok(())
    }

    fn write(&mut self) -> Result<(), LogError> {
        let mut next = self.state().clone();
        let mut frame = Vec::new();
        for _ in 0..1 + self.rng.next_u64() % 3 {
            let id = GroupId((self.rng.next_u64() % 3) as u32);
            let group = next.groups.entry(id).or_default();
            let term = group.hard_state.term.0 + self.rng.next_u64() % 2;
            let state =
                self.rng.next_u64().is_multiple_of(2).then(|| hard_state(term, self.rng.next_u64() % 4, 0));
            let back = if self.rng.next_u64().is_multiple_of(4) { self.rng.next_u64() % 4 } else { 0 };
            let first = (group.last() + 1).saturating_sub(back).max(group.purged + 1);
            let bodies: Vec<Vec<u8>> = (0..self.rng.next_u64() % 4)
                .map(|_| {
                    let length = 1 << (self.rng.next_u64() % 12);
                    (0..length).map(|_| self.rng.next_u64() as u8).collect()
                })
                .collect();
            let slices: Vec<&[u8]> = bodies.iter().map(Vec::as_slice).collect();
            frame.extend(record(id, state, first, term, &slices));
            group.write(state, first, term, &bodies);
        }
        self.run.states.push(next);
        self.log.writer.write(&frame)
    }

    fn sync(&mut self) -> Result<(), LogError> {
        self.log.writer.sync()?;
        self.run.acknowledged = self.run.states.len() - 1;
        Ok(())
    }

    fn rotate(&mut self) -> Result<(), LogError> {
        self.log.writer.rotate()?;
        self.run.acknowledged = self.run.states.len() - 1;
        Ok(())
    }

    fn purge(&mut self) -> Result<(), LogError> {
        let mut next = self.state().clone();
        let id = GroupId((self.rng.next_u64() % 3) as u32);
        let Some(group) = next.groups.get_mut(&id) else { return Ok(()) };
        let through = group.last().saturating_sub(self.rng.next_u64() % 6);
        if through <= group.purged {
            return Ok(());
        }
        group.purge(through);
        self.run.states.push(next);
        self.log.writer.purge(id, Index(through))
    }
}

/// Opens the log and runs the script. The end of the process is an expected error.
fn run(disk: &MemoryDisk, from: Model, rng: &mut Rng, steps: usize) -> Run {
    let run = Run { states: vec![from], acknowledged: 0 };
    let log = match Log::open(disk.clone(), options()) {
        Ok(log) => log,
        Err(error) => {
            assert!(is_expected(&error), "{error}");
            return run;
        }
    };
    let mut script = Script { log, rng, run };
    for _ in 0..steps {
        if let Err(error) = script.step() {
            assert!(is_expected(&error), "{error}");
            break;
        }
    }
    script.run
}

/// Whether the disk was made to cause this error: by the end of the process, or by a failure.
fn is_expected(error: &LogError) -> bool {
    let is_made = |source| crate::memory_disk::is_crash(source) || source.kind() == FAILURE;
    matches!(error, LogError::Failed { source, .. } if is_made(source))
}

/// What the log holds after a crash. It must be one of the permitted states.
fn recovered(disk: &MemoryDisk, run: &Run, what: &str) -> Model {
    let log = Log::open(disk.clone(), options()).unwrap_or_else(|error| panic!("{what}: {error}"));
    let found = held(&log).unwrap_or_else(|error| panic!("{what}: {error}"));
    let allowed = &run.states[run.acknowledged..];
    assert!(allowed.contains(&found), "{what}: acknowledged {:#?}\nfound {found:#?}", allowed[0]);
    found
}

fn crash_everywhere(seed: u64) {
    let whole = MemoryDisk::new();
    let run_whole = run(&whole, Model::default(), &mut Rng::new(seed), STEPS);
    assert!(run_whole.acknowledged > 5, "the script syncs more than a few times");
    for operation in 0..whole.operations() {
        let what = format!("seed {seed}, operation {operation}");
        let disk = MemoryDisk::new();
        disk.crash_at(operation);
        let first = run(&disk, Model::default(), &mut Rng::new(seed), STEPS);
        let mut fate = Rng::new(seed ^ (operation << 8));
        let disk = disk.crash(&mut || fate.next_u64());
        // Recovery itself may be interrupted, and so may the steps after it.
        disk.crash_at(fate.next_u64() % 4);
        let nothing = run(&disk, Model::default(), &mut fate, 0);
        assert_eq!(nothing.states.len(), 1);
        let disk = disk.crash(&mut || fate.next_u64());
        let found = recovered(&disk, &first, &what);
        let disk = disk.restart();
        disk.crash_at(5 + fate.next_u64() % 40);
        let second = run(&disk, found, &mut fate, STEPS);
        recovered(&disk.crash(&mut || fate.next_u64()), &second, &format!("{what}, second crash"));
    }
}

/// For each n, the n-th operation fails and the process ends, but the machine stays up. The next process
/// writes more, and then the power is cut.
fn fail_everywhere(seed: u64) {
    let whole = MemoryDisk::new();
    run(&whole, Model::default(), &mut Rng::new(seed), STEPS);
    for operation in 0..whole.operations() {
        let what = format!("seed {seed}, failed operation {operation}");
        let disk = MemoryDisk::new();
        disk.fail_at(operation, FAILURE);
        let first = run(&disk, Model::default(), &mut Rng::new(seed), STEPS);
        let disk = disk.restart();
        let found = recovered(&disk, &first, &what);
        let disk = disk.restart();
        let mut fate = Rng::new(seed ^ (operation << 8));
        disk.crash_at(3 + fate.next_u64() % 40);
        let second = run(&disk, found, &mut fate, STEPS);
        recovered(&disk.crash(&mut || fate.next_u64()), &second, &format!("{what}, then a power cut"));
    }
}

#[test]
fn what_was_acknowledged_after_a_failed_operation_survives_a_power_cut() {
    for seed in 200..208 {
        fail_everywhere(seed);
    }
}

#[test]
fn what_was_synced_survives_a_power_cut_at_each_operation() {
    for seed in 0..12 {
        crash_everywhere(seed);
    }
}

#[test]
fn the_end_of_the_process_alone_loses_nothing_that_was_written() {
    for seed in 100..110 {
        let disk = MemoryDisk::new();
        let mut rng = Rng::new(seed);
        let mut run = run(&disk, Model::default(), &mut rng, STEPS);
        run.acknowledged = run.states.len() - 1;
        recovered(&disk.restart(), &run, &format!("seed {seed}"));
    }
}

/// Every file whose name matters: a rotation's, a prepared one's, and those that were removed.
#[test]
fn files_keep_their_names_and_removed_ones_stay_away_after_a_power_cut() {
    let secret = b"a name that was to be forgotten".repeat(60);
    for seed in 0..40 {
        for prepares in [false, true] {
            let disk = MemoryDisk::new();
            let mut log = open(&disk);
            if prepares {
                log.preparer.prepare().expect("space");
            }
            for index in 1..=20 {
                write(&mut log.writer, index, 1, &[&secret]);
                log.writer.sync().expect("synced");
            }
            log.writer.rotate().expect("space");
            log.writer.purge(GROUP, Index(20)).expect("space");
            write(&mut log.writer, 21, 1, &[b"21"]);
            log.writer.sync().expect("synced");
            log.preparer.scrub_spares().expect("scrubbed");
            let mut rng = Rng::new(seed);
            let disk = disk.crash(&mut || rng.next_u64());
            for name in disk.list().expect("listed") {
                let file = disk.open(&name).expect("opens");
                let mut content = vec![0; file.len().expect("a length") as usize];
                file.read_at(&mut content, 0).expect("read");
                assert!(!content.windows(11).any(|bytes| bytes == b"a name that"), "{name}, seed {seed}");
            }
            assert_eq!(entry_at(&open(&disk).reader, GROUP, 21), Some((Term(1), b"21".to_vec())));
        }
    }
}

/// A test of the test: it must catch a writer whose syncs do nothing.
#[test]
fn a_log_without_syncs_would_be_caught() {
    let caught = (0..50).filter(|seed| {
        let disk = MemoryDisk::new();
        let mut rng = Rng::new(*seed);
        let run = run(&disk, Model::default(), &mut rng, STEPS);
        let unsynced = Run { acknowledged: run.states.len() - 1, ..run };
        let crashed = disk.crash(&mut || rng.next_u64());
        let log = Log::open(crashed, options()).expect("opens");
        held(&log).expect("intact") != unsynced.states[unsynced.acknowledged]
    });
    assert!(caught.count() > 20);
}
