//! The in-memory state of a simulated node. A mutant can make it forget its progress, its rows or the ticks of its
//! schedules, or hide that it lags.

use crate::mutant::Mutant;
use format::row::{NamedRows, ScheduleRow};
use model::{KeyRange, Order, Value, View, ViewError, WriteSet, view::Visit};
use storage::memory_state::{MemoryCompactor, MemoryFlush, MemoryReader, MemoryState};
use storage::state::{Pressure, Progress, State, StateError, StateFigures};

#[derive(Debug)]
pub struct SimState {
    inner: MemoryState,
    /// The progress it claims until the first commit.
    forgotten: Option<Progress>,
    mutant: Mutant,
    commits: u64,
}

/// The mutant loses a row of each commit with this distance.
const LOST_ROW_COMMITS: u64 = 50;
/// The mutant forgets the ticks of each commit with this distance.
const FORGOTTEN_TICK_COMMITS: u64 = 10;

impl SimState {
    #[must_use]
    pub fn new(inner: MemoryState, forgotten: Option<Progress>, mutant: Mutant) -> Self {
        Self { inner, forgotten, mutant, commits: 0 }
    }

    /// Whether a write says that a schedule which was there has come further.
    fn is_tick(&self, key: &[u8], value: Option<&Value>) -> bool {
        if !matches!(NamedRows::SCHEDULES.name(key), Ok(Some(_))) {
            return false;
        }
        let before = self.inner.get(key).ok().flatten().and_then(|value| ScheduleRow::decode(&value).ok());
        let after = value.and_then(|value| ScheduleRow::decode(value).ok());
        let of = |row: ScheduleRow| (row.generation, row.after);
        before.map(of).zip(after.map(of)).is_some_and(|(before, after)| before.0 == after.0 && before < after)
    }
}

impl View for SimState {
    fn get(&self, key: &[u8]) -> Result<Option<Value>, ViewError> {
        self.inner.get(key)
    }

    fn scan(&self, range: KeyRange<'_>, order: Order, visit: &mut Visit<'_>) -> Result<(), ViewError> {
        self.inner.scan(range, order, visit)
    }
}

impl State for SimState {
    type Reader = MemoryReader;
    type Flush = MemoryFlush;
    type Compactor = MemoryCompactor;

    fn progress(&self) -> Progress {
        self.forgotten.unwrap_or_else(|| self.inner.progress())
    }

    fn commit(&mut self, writes: &WriteSet, progress: Progress) -> Result<(), StateError> {
        self.forgotten = None;
        self.commits += 1;
        if self.mutant == Mutant::LostRow && self.commits.is_multiple_of(LOST_ROW_COMMITS) {
            let mut rows = writes.0.clone();
            rows.pop();
            return self.inner.commit(&WriteSet(rows), progress);
        }
        if self.mutant == Mutant::ForgottenTick && self.commits.is_multiple_of(FORGOTTEN_TICK_COMMITS) {
            let mut rows = writes.0.clone();
            rows.retain(|(key, value)| !self.is_tick(key, value.as_ref()));
            return self.inner.commit(&WriteSet(rows), progress);
        }
        self.inner.commit(writes, progress)
    }

    fn reader(&self) -> MemoryReader {
        self.inner.reader()
    }

    fn unflushed_bytes(&self) -> u64 {
        self.inner.unflushed_bytes()
    }

    fn pressure(&self) -> Pressure {
        if self.mutant == Mutant::HiddenPressure {
            return Pressure::None;
        }
        self.inner.pressure()
    }

    fn figures(&self) -> StateFigures {
        self.inner.figures()
    }

    fn begin_flush(&mut self) -> Result<MemoryFlush, StateError> {
        self.inner.begin_flush()
    }

    fn compactor(&self) -> MemoryCompactor {
        self.inner.compactor()
    }
}
