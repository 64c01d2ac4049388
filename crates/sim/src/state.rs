//! The in-memory state of a simulated node. A mutant can make it forget its progress.

use model::{KeyRange, Order, Value, View, ViewError, WriteSet, view::Visit};
use storage::memory_state::{MemoryCompactor, MemoryFlush, MemoryReader, MemoryState};
use storage::state::{Pressure, Progress, State, StateError, StateFigures};

#[derive(Debug)]
pub struct SimState {
    inner: MemoryState,
    /// The progress it claims until the first commit.
    forgotten: Option<Progress>,
}

impl SimState {
    #[must_use]
    pub fn new(inner: MemoryState, forgotten: Option<Progress>) -> Self {
        Self { inner, forgotten }
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
        self.inner.commit(writes, progress)
    }

    fn reader(&self) -> MemoryReader {
        self.inner.reader()
    }

    fn unflushed_bytes(&self) -> u64 {
        self.inner.unflushed_bytes()
    }

    fn pressure(&self) -> Pressure {
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
