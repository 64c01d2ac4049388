//! Random histories of commits, flushes, compactions, readers and crashes, compared with a plain map after
//! each step.

use super::{Crashing, at, compact, flush, scan};
use crate::state::{Compactor, FlushJob, Progress, Reader, State};
use model::{Order, View, WriteSet};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use std::collections::BTreeMap;

type Map = BTreeMap<Vec<u8>, Vec<u8>>;

#[derive(Clone, Debug)]
enum Step {
    Commit(BTreeMap<Vec<u8>, Option<Vec<u8>>>),
    BeginFlush,
    RunFlush,
    CompactOnce,
    CompactAll,
    TakeReader,
    DropReader,
    Crash,
    Get(Vec<u8>),
    Scan(Vec<u8>, Vec<u8>, usize),
}

/// Few different keys, so that rows are rewritten and deleted. Some are too long to be kept in place.
fn key() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        8 => vec(prop_oneof![Just(0), Just(1), Just(b'k'), Just(0xff)], 0..4),
        1 => (0..3_u8).prop_map(|last| [vec![b'k'; 60], vec![last]].concat()),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let value = prop_oneof![3 => vec(any::<u8>(), 0..40).prop_map(Some), 1 => Just(None)];
    prop_oneof![
        8 => btree_map(key(), value, 0..20).prop_map(Step::Commit),
        2 => Just(Step::BeginFlush),
        2 => Just(Step::RunFlush),
        1 => Just(Step::CompactOnce),
        1 => Just(Step::CompactAll),
        1 => Just(Step::TakeReader),
        1 => Just(Step::DropReader),
        1 => Just(Step::Crash),
        2 => key().prop_map(Step::Get),
        2 => (key(), key(), 0..9_usize).prop_map(|(from, to, rows)| Step::Scan(from, to, rows)),
    ]
}

pub(super) fn histories_agree_with_a_map<C: Crashing>(make: impl Fn() -> C) {
    let config = Config { cases: 32, failure_persistence: None, ..Config::default() };
    let result = TestRunner::new(config).run(&vec(step(), 1..120), |steps| {
        let mut run = Run::new(make());
        steps.into_iter().for_each(|step| run.step(step));
        run.end();
        Ok(())
    });
    if let Err(failure) = result {
        panic!("{failure}");
    }
}

/// A store, and what it should hold.
struct Run<C: Crashing> {
    store: C,
    state: Option<C::State>,
    map: Map,
    durable: (Progress, Map),
    flush: Option<(<C::State as State>::Flush, Progress, Map)>,
    readers: Vec<(<C::State as State>::Reader, Progress, Map)>,
    index: u64,
}

impl<C: Crashing> Run<C> {
    fn new(store: C) -> Self {
        let state = Some(store.open());
        let (map, durable) = (Map::new(), (Progress::default(), Map::new()));
        Self { store, state, map, durable, flush: None, readers: Vec::new(), index: 0 }
    }

    fn state(&mut self) -> &mut C::State {
        self.state.as_mut().unwrap()
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Commit(writes) => self.commit(writes),
            Step::BeginFlush if self.flush.is_none() => {
                let job = self.state().begin_flush().unwrap();
                self.flush = Some((job, self.state().progress(), self.map.clone()));
            }
            Step::BeginFlush => self.refuse_second_flush(),
            Step::RunFlush => self.run_flush(),
            Step::CompactOnce => drop(self.state().compactor().step().unwrap()),
            Step::CompactAll => compact(self.state()),
            Step::TakeReader => {
                let (reader, progress) = (self.state().reader(), self.state().progress());
                self.readers.push((reader, progress, self.map.clone()));
            }
            Step::DropReader => drop(self.readers.pop()),
            Step::Crash => self.crash(),
            Step::Get(key) => {
                self.see(|view, map| assert_eq!(view.get(&key).unwrap(), map.get(&key).cloned()))
            }
            Step::Scan(from, to, rows) => self.see(|view, map| compare_scans(view, map, &from, &to, rows)),
        }
    }

    fn commit(&mut self, writes: BTreeMap<Vec<u8>, Option<Vec<u8>>>) {
        self.index += 1;
        let progress = at(self.index);
        self.state().commit(&WriteSet(writes.clone().into_iter().collect()), progress).unwrap();
        for (key, value) in writes {
            match value {
                Some(value) => drop(self.map.insert(key, value)),
                None => drop(self.map.remove(&key)),
            }
        }
    }

    fn refuse_second_flush(&mut self) {
        // A flush with nothing to do does not keep another from beginning.
        if self.flush.as_ref().is_some_and(|(_, progress, _)| *progress != self.durable.0) {
            assert!(self.state().begin_flush().is_err());
        }
    }

    fn run_flush(&mut self) {
        if let Some((job, progress, map)) = self.flush.take() {
            assert_eq!(job.run().unwrap(), progress);
            self.durable = (progress, map);
        }
    }

    fn crash(&mut self) {
        self.flush = None;
        self.readers.clear();
        self.state = None;
        self.state = Some(self.store.open());
        assert_eq!(self.state().progress(), self.durable.0);
        self.map = self.durable.1.clone();
        self.compare_all();
    }

    /// Checks the state and each reader.
    fn see(&mut self, compare: impl Fn(&dyn View, &Map)) {
        let (map, readers) = (self.map.clone(), std::mem::take(&mut self.readers));
        compare(self.state(), &map);
        for (reader, progress, map) in &readers {
            assert_eq!(reader.progress(), *progress);
            compare(reader, map);
        }
        self.readers = readers;
    }

    fn compare_all(&mut self) {
        self.see(|view, map| compare_scans(view, map, &[], &[0xff; 9], usize::MAX));
    }

    fn end(&mut self) {
        self.compare_all();
        self.run_flush();
        flush(self.state());
        self.compare_all();
        self.durable = (self.state().progress(), self.map.clone());
        self.crash();
    }
}

fn compare_scans(view: &dyn View, map: &Map, from: &[u8], to: &[u8], rows: usize) {
    if from > to {
        return;
    }
    let want = || map.range(from.to_vec()..to.to_vec()).map(|(key, value)| (key.clone(), value.clone()));
    let first: Vec<_> = want().take(rows).collect();
    assert_eq!(scan(view, from, to, Order::Ascending, rows), first, "ascending");
    let last: Vec<_> = want().rev().take(rows).collect();
    assert_eq!(scan(view, from, to, Order::Descending, rows), last, "descending");
}
