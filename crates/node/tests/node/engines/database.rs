//! An engine on a database: it applies an entry first, over what it has fetched of the database, and then
//! stores the entry and its write set in one guarded transaction. Its view has nothing at hand after each
//! entry, so every read misses at first.

use super::conformance::Machine;
use bytes::Bytes;
use model::view::Visit;
use model::{
    Absent, Effect, EntryClock, Index, Key, KeyRange, Order, SlotRange, StreamName, Term, Value, View,
    ViewError, WriteSet,
};
use node::{DiskSpace, Engine, EngineError, EntryId, EntryResult, Polled};
use shard::query::{self, StreamState};
use shard::{Applied, Shard, ShardOptions};
use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use std::rc::Rc;

/// Rows asked for at once by a scan that has found none at hand.
const ROWS_AT_ONCE: usize = 2;

/// The database. Everything in it is durable.
#[derive(Debug, Default)]
pub(crate) struct Tables {
    rows: BTreeMap<Key, Value>,
    entries: u64,
}

/// What was fetched of the state since the last entry.
#[derive(Debug, Default)]
pub(crate) struct Fetched {
    rows: BTreeMap<Key, Value>,
    /// Ranges of which every row is in `rows`. A single key is the range up to its successor.
    ranges: Vec<Range<Key>>,
}

impl Fetched {
    /// The fetched range that holds `key`.
    fn known(&self, key: &[u8]) -> Option<&Range<Key>> {
        self.ranges.iter().find(|range| range.start.as_slice() <= key && key < range.end.as_slice())
    }

    fn fetch(&mut self, tables: &Tables, absent: &Absent) {
        let (range, rows) = match absent {
            Absent::Key(key) => (key.clone()..behind(key), usize::MAX),
            Absent::Range { from, to, limit, .. } => (from.clone()..to.clone(), *limit),
        };
        let found: Vec<_> = match absent {
            Absent::Range { order: Order::Descending, .. } => {
                tables.rows.range(range.clone()).rev().take(rows).collect()
            }
            _ => tables.rows.range(range.clone()).take(rows).collect(),
        };
        let known = match (absent, found.last()) {
            (Absent::Range { order: Order::Descending, .. }, Some((key, _))) if found.len() == rows => {
                (*key).clone()..range.end
            }
            (Absent::Range { .. }, Some((key, _))) if found.len() == rows => range.start..behind(key),
            _ => range,
        };
        self.rows.extend(found.into_iter().map(|(key, value)| (key.clone(), value.clone())));
        self.ranges.push(known);
    }
}

fn behind(key: &[u8]) -> Key {
    [key, &[0]].concat()
}

impl View for Fetched {
    fn get(&self, key: &[u8]) -> Result<Option<Value>, ViewError> {
        match self.known(key) {
            Some(_) => Ok(self.rows.get(key).cloned()),
            None => Err(ViewError::Absent(vec![Absent::Key(key.to_vec())])),
        }
    }

    fn scan(&self, range: KeyRange<'_>, order: Order, visit: &mut Visit<'_>) -> Result<(), ViewError> {
        let (mut from, mut to) = (range.from.to_vec(), range.to.to_vec());
        while from < to {
            let known = match order {
                Order::Ascending => self.known(&from).cloned(),
                Order::Descending => {
                    self.ranges.iter().find(|known| known.start < to && to <= known.end).cloned()
                }
            };
            let Some(known) = known else {
                let absent = Absent::Range { from, to, order, limit: ROWS_AT_ONCE };
                return Err(ViewError::Absent(vec![absent]));
            };
            let part = known.start.max(from.clone())..known.end.min(to.clone());
            let mut rows = self.rows.range(part.clone());
            let flow = match order {
                Order::Ascending => rows.try_for_each(|(key, value)| visit(key, value)),
                Order::Descending => rows.rev().try_for_each(|(key, value)| visit(key, value)),
            };
            if flow.is_break() {
                return Ok(());
            }
            match order {
                Order::Ascending => from = part.end,
                Order::Descending => to = part.start,
            }
        }
        Ok(())
    }
}

#[derive(Debug)]
pub(crate) enum DatabaseIo {
    Fetch(Vec<Absent>),
    /// Store the entry's writes if the database holds exactly the entries before it.
    Store {
        index: Index,
        writes: WriteSet,
    },
}

#[derive(Debug)]
pub(crate) enum DatabaseCompletion {
    Fetched(Vec<Absent>),
    Stored,
    /// Another leader has stored an entry.
    Fenced,
}

#[derive(Debug, PartialEq, Eq)]
enum Phase {
    New,
    Starting,
    Leading,
    Stopping,
    Stopped,
}

/// Who asked for rows.
#[derive(Debug, PartialEq, Eq)]
enum Fetching {
    No,
    Engine,
    Node,
}

#[derive(Debug)]
pub(crate) struct DatabaseEngine {
    tables: Rc<RefCell<Tables>>,
    view: Fetched,
    shard: Shard,
    phase: Phase,
    applied: Index,
    /// The entry that was proposed and is not stored.
    entry: Option<Bytes>,
    /// What it does, once it is known.
    decided: Option<Applied>,
    fetching: Fetching,
    io: VecDeque<DatabaseIo>,
    told: VecDeque<Polled>,
    /// Effects to add to the next entry's, in place of commands that do not exist yet.
    pub(crate) effects: RefCell<Vec<Effect>>,
    pub(crate) misses: usize,
}

impl DatabaseEngine {
    fn fetch(&mut self, absent: Vec<Absent>, fetching: Fetching) {
        self.misses += 1;
        self.fetching = fetching;
        self.io.push_back(DatabaseIo::Fetch(absent));
    }

    /// Continues every operation for which the view now has the rows.
    fn advance(&mut self) -> Result<(), EngineError> {
        if self.fetching != Fetching::No {
            return Ok(());
        }
        if self.phase == Phase::Starting {
            match query::clock(&self.view, self.shard.slots().first) {
                Err(ViewError::Absent(absent)) => self.fetch(absent, Fetching::Engine),
                Err(error) => return Err(error.into()),
                Ok(found) => {
                    self.phase = Phase::Leading;
                    let (clock, last) =
                        (EntryClock { wall: found.wall, elapsed: found.elapsed }, found.last_position);
                    self.told.push_back(Polled::Leading { clock, last, replayed_entries: 0 });
                }
            }
        }
        if let (Some(entry), None) = (&self.entry, &self.decided) {
            let entry = format::entry::decode(entry).map_err(|error| EngineError::new(error.to_string()))?;
            match self.shard.apply(&entry, &self.view) {
                Err(ViewError::Absent(absent)) => self.fetch(absent, Fetching::Engine),
                Err(error) => return Err(error.into()),
                Ok(mut applied) => {
                    applied.effects.append(self.effects.get_mut());
                    let writes = applied.writes.clone();
                    self.io.push_back(DatabaseIo::Store { index: Index(self.applied.0 + 1), writes });
                    self.decided = Some(applied);
                }
            }
        }
        if self.phase == Phase::Stopping && self.entry.is_none() {
            self.phase = Phase::Stopped;
            self.told.push_back(Polled::Stopped);
        }
        Ok(())
    }

    fn settle(&mut self, result: impl FnOnce(Applied) -> EntryResult) {
        let (Some(applied), Some(_)) = (self.decided.take(), self.entry.take()) else { return };
        self.view = Fetched::default();
        self.told.push_back(Polled::Settled { entry: self.next(), result: result(applied) });
    }

    /// The entry after the last applied one. A database has no terms.
    fn next(&self) -> EntryId {
        EntryId { index: Index(self.applied.0 + 1), term: Term(0) }
    }
}

impl Engine for DatabaseEngine {
    type View = Fetched;
    type Io = DatabaseIo;
    type Completion = DatabaseCompletion;
    type Message = ();

    fn slots(&self) -> SlotRange {
        self.shard.slots()
    }

    fn view(&self) -> &Fetched {
        &self.view
    }

    fn load(&mut self, absent: Vec<Absent>) -> Result<(), EngineError> {
        if self.fetching == Fetching::No {
            self.fetch(absent, Fetching::Node);
        } else {
            // The node tries again after what is being fetched.
            self.fetching = Fetching::Node;
        }
        Ok(())
    }

    fn start(&mut self) -> Result<(), EngineError> {
        self.phase = Phase::Starting;
        self.applied = Index(self.tables.borrow().entries);
        Ok(())
    }

    fn can_propose(&self) -> bool {
        self.phase == Phase::Leading && self.entry.is_none()
    }

    fn propose(&mut self, entry: Bytes) -> Result<Option<EntryId>, EngineError> {
        self.entry = Some(entry);
        Ok(Some(self.next()))
    }

    fn receive(&mut self, (): ()) -> Result<(), EngineError> {
        Ok(())
    }

    fn tick_ms(&self) -> Option<u64> {
        None
    }

    fn tick(&mut self) {}

    fn complete(&mut self, completion: DatabaseCompletion) -> Result<(), EngineError> {
        match completion {
            DatabaseCompletion::Fetched(absent) => {
                for absent in &absent {
                    self.view.fetch(&self.tables.borrow(), absent);
                }
                if std::mem::replace(&mut self.fetching, Fetching::No) == Fetching::Node {
                    self.told.push_back(Polled::Loaded);
                }
            }
            DatabaseCompletion::Stored => {
                self.settle(|applied| EntryResult::Durable {
                    outcomes: applied.outcomes,
                    effects: applied.effects,
                    last: applied.last,
                });
                self.applied.0 += 1;
            }
            DatabaseCompletion::Fenced => self.settle(|_| EntryResult::Fenced),
        }
        Ok(())
    }

    fn set_disk_space(&mut self, _: &DiskSpace) {}

    fn flush_soon(&mut self) {}

    fn archived(&mut self, _: Option<Index>) {}

    fn poll(&mut self, io: &mut Vec<DatabaseIo>) -> Result<Polled, EngineError> {
        self.advance()?;
        io.extend(self.io.drain(..));
        Ok(self.told.pop_front().unwrap_or(Polled::Idle))
    }

    fn stop(&mut self) {
        self.phase = Phase::Stopping;
    }
}

/// A database that outlives the engines on it.
#[derive(Default)]
pub(crate) struct DatabaseMachine {
    pub(crate) tables: Rc<RefCell<Tables>>,
}

impl DatabaseMachine {
    /// Another leader stores an entry.
    pub(crate) fn fence(&self) {
        self.tables.borrow_mut().entries += 1;
    }
}

impl Machine for DatabaseMachine {
    type Engine = DatabaseEngine;

    fn open(&mut self) -> DatabaseEngine {
        DatabaseEngine {
            tables: Rc::clone(&self.tables),
            view: Fetched::default(),
            shard: Shard::new(ShardOptions { heads_max: 2, ..ShardOptions::default() }),
            phase: Phase::New,
            applied: Index(0),
            entry: None,
            decided: None,
            fetching: Fetching::No,
            io: VecDeque::new(),
            told: VecDeque::new(),
            effects: RefCell::default(),
            misses: 0,
        }
    }

    fn run(&mut self, io: DatabaseIo) -> Option<DatabaseCompletion> {
        Some(match io {
            DatabaseIo::Fetch(absent) => DatabaseCompletion::Fetched(absent),
            DatabaseIo::Store { index, writes } => {
                let mut tables = self.tables.borrow_mut();
                if index.0 != tables.entries + 1 {
                    return Some(DatabaseCompletion::Fenced);
                }
                tables.entries = index.0;
                writes.change(&mut tables.rows);
                DatabaseCompletion::Stored
            }
        })
    }

    fn crash(&mut self) {}

    fn stream(&self, _: &DatabaseEngine, name: &StreamName<'_>) -> StreamState {
        query::stream(&self.tables.borrow().rows, name).unwrap()
    }
}
