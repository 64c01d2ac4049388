//! Every operation on the disk fails, or is the last one before the process or the power ends. lsm-tree opens its
//! files itself, so the file system below it is a simulated one.
//!
//! After each of these the state must open, be exactly that of a flush at or after the last reported one, and
//! go on working.

use super::{all_rows, apply, open, writes};
use crate::conformance::state::{Row, at};
use crate::state::{Compactor, Due, FlushJob, State, StateError};
use fault_fs::{Fate, FaultFs, Kind, Operation, Tree};
use seeded_rng::Rng;
use std::collections::BTreeMap;
use std::path::PathBuf;

const COMMITS_A_FLUSH: u64 = 3;
/// The entries of the run in which something fails, and those that follow it.
const ENTRIES: u64 = 4 * COMMITS_A_FLUSH;
const ENTRIES_LATER: u64 = ENTRIES + 2 * COMMITS_A_FLUSH;
/// How often a flush that finds no space begins again.
const FLUSHES_MAX: u32 = 4;

struct Subject {
    disk: FaultFs,
    rng: Rng,
    directory: PathBuf,
    committed: u64,
    reported: u64,
}

impl Subject {
    fn new() -> Self {
        let disk = FaultFs::mount(Tree::default());
        let disk = disk.unwrap_or_else(|error| panic!("NOT RUN: nothing can be mounted here: {error}"));
        let directory = disk.path().to_owned();
        Self { disk, rng: Rng::new(13), directory, committed: 0, reported: 0 }
    }

    /// Begins with an empty directory.
    fn begin(&mut self, number: u64) {
        if self.directory != self.disk.path() {
            std::fs::remove_dir_all(&self.directory).unwrap();
        }
        self.directory = self.disk.path().join(number.to_string());
        std::fs::create_dir(&self.directory).unwrap();
        for path in [&self.directory, self.disk.path()] {
            std::fs::File::open(path).unwrap().sync_all().unwrap();
        }
        (self.committed, self.reported) = (0, 0);
    }

    /// Opens the state and commits, flushes and compacts, up to this entry.
    fn work(&mut self, until: u64) -> Result<(), StateError> {
        let mut state = open(&self.directory)?;
        for index in state.progress().index.0 + 1..=until {
            state.commit(&writes(index), at(index))?;
            self.committed = self.committed.max(index);
            if index % COMMITS_A_FLUSH == 0 {
                self.flush(&mut state, index)?;
                let compactor = state.compactor();
                // Nothing is merged when there is no space.
                while matches!(space_or(compactor.step())?, Some(Due::More)) {}
                compactor.free_unused();
            }
        }
        Ok(())
    }

    fn flush(&mut self, state: &mut super::LsmState, index: u64) -> Result<(), StateError> {
        for _ in 0..FLUSHES_MAX {
            if let Some(progress) = space_or(state.begin_flush()?.run())? {
                self.reported = self.reported.max(progress.index.0);
                if progress.index.0 == index {
                    break;
                }
            }
        }
        Ok(())
    }

    /// Does everything as usual up to `number` more operations. Returns the error.
    fn work_until(&mut self, until: u64, rule: impl Fn(u64, &Operation) -> Fate + Send + 'static) -> bool {
        let first = self.disk.operations();
        self.disk.rule(move |operation| match operation.number.checked_sub(first) {
            Some(number) if operation.kind.changes() => rule(number, operation),
            _ => Fate::Done,
        });
        let worked = self.work(until);
        self.disk.release();
        worked.is_ok()
    }

    fn cut_power(&mut self) {
        let rng = &mut self.rng;
        self.disk.cut_power(&mut || rng.next_u64()).unwrap();
    }

    /// The state is that of a flush, at or after the last one that was reported.
    fn verify(&mut self, what: &str) {
        let state = open(&self.directory).unwrap_or_else(|error| panic!("{what}: {error}"));
        let index = state.progress().index.0;
        assert!((self.reported..=self.committed).contains(&index), "{what}: {index} after {}", self.reported);
        assert_eq!(index % COMMITS_A_FLUSH, 0, "{what}: half a flush");
        let mut rows = BTreeMap::new();
        (1..=index).for_each(|index| apply(&mut rows, index));
        let want: Vec<Row> = rows.into_iter().collect();
        assert_eq!(all_rows(&state).unwrap(), want, "{what}");
        self.reported = index;
    }

    /// The state works as usual, and what it makes durable is durable.
    fn goes_on(&mut self, what: &str) {
        self.verify(what);
        self.work(ENTRIES_LATER).unwrap_or_else(|error| panic!("{what}, later: {error}"));
        assert_eq!(self.reported, ENTRIES_LATER, "{what}");
        self.cut_power();
        self.verify(&format!("{what}, and a power cut later"));
    }

    /// The operations of a run without a fault.
    fn operations(&mut self) -> Vec<Operation> {
        let (tell, told) = std::sync::mpsc::channel();
        self.begin(u64::MAX);
        self.work_until(ENTRIES, move |_, operation| {
            let _ = tell.send(operation.clone());
            Fate::Done
        });
        assert_eq!(self.reported, ENTRIES);
        told.try_iter().collect()
    }
}

/// `None` if there was no space.
fn space_or<T>(done: Result<T, StateError>) -> Result<Option<T>, StateError> {
    match done {
        Ok(done) => Ok(Some(done)),
        Err(StateError::NoSpace(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

#[test]
fn a_power_cut_at_any_operation_leaves_a_completed_flush() {
    let mut subject = Subject::new();
    let operations = subject.operations();
    for (number, operation) in (0..).zip(&operations) {
        subject.begin(number);
        subject.work_until(ENTRIES, move |at, _| if at == number { Fate::Ends } else { Fate::Done });
        subject.cut_power();
        subject.goes_on(&format!("a power cut at {operation:?}"));
    }
}

#[test]
fn an_error_at_any_operation_leaves_a_completed_flush_even_if_the_power_is_cut_later() {
    let mut subject = Subject::new();
    let operations = subject.operations();
    for (number, operation) in (0..).zip(&operations) {
        subject.begin(number);
        subject.work_until(ENTRIES, move |at, _| if at == number { Fate::Failed } else { Fate::Done });
        subject.goes_on(&format!("an error at {operation:?}"));
    }
}

#[test]
fn a_power_cut_soon_after_a_process_ended_leaves_a_completed_flush() {
    let mut subject = Subject::new();
    let operations = subject.operations();
    for (number, operation) in (0..).zip(&operations) {
        for later in [0, 1 + number % 7, 8 + number % 23] {
            subject.begin(number);
            subject.work_until(ENTRIES, move |at, _| if at == number { Fate::Ends } else { Fate::Done });
            subject.disk.restart().unwrap();
            subject.work_until(ENTRIES_LATER, move |at, _| if at == later { Fate::Ends } else { Fate::Done });
            subject.cut_power();
            subject.goes_on(&format!("the end at {operation:?}, and a power cut {later} operations later"));
        }
    }
}

#[test]
fn an_operation_without_space_loses_nothing_even_if_the_power_is_cut_soon_after() {
    let mut subject = Subject::new();
    let operations = subject.operations();
    for (number, operation) in (0..).zip(&operations) {
        let after_rename =
            operations[..number as usize].iter().rev().take(3).any(|at| at.kind == Kind::Rename);
        let soon = if after_rename { (1..20).collect() } else { vec![1, 2 + number % 7, 9 + number % 23] };
        for later in soon {
            subject.begin(number);
            subject.work_until(ENTRIES, move |at, _| match at.checked_sub(number) {
                Some(0) => Fate::NoSpace,
                Some(passed) if passed == later => Fate::Ends,
                _ => Fate::Done,
            });
            subject.cut_power();
            subject.goes_on(&format!("no space at {operation:?}, and a power cut {later} operations later"));
        }
    }
}
