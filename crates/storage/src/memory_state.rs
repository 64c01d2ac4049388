//! A state store in memory with a simulated disk, for simulation and tests.
//!
//! It gives the same guarantees as every store. A commit is atomic with its progress. A crash falls back to
//! the last completed flush or, if the caller chooses so, to a flush that had begun. It knows no files and no
//! time.
//!
//! Rows are kept in sorted chunks behind `Arc`s. Readers, a flush under way and the simulated disk each hold
//! the chunks as they were. A commit copies only the chunks that it changes and that something else holds.

use crate::state::{Compactor, Due, FlushJob, Pressure, Progress, Reader, State, StateError, StateFigures};
use model::{Key, KeyRange, Order, Value, View, ViewError, WriteSet, view::Visit};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What happens to a flush under way when the node crashes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BegunFlush {
    Lost,
    Completed,
}

/// What survives a crash. Cheap to clone; clones are the same disk.
#[derive(Clone, Debug, Default)]
pub struct MemoryStateDisk(Arc<Mutex<Durable>>);

/// Whether flushes find space.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Space {
    #[default]
    Free,
    Full,
}

#[derive(Debug, Default)]
struct Durable {
    image: Image,
    begun: Option<Begun>,
    flushes_begun: u64,
    space: Space,
    pressure: Pressure,
}

#[derive(Debug)]
struct Begun {
    number: u64,
    image: Image,
    bytes: u64,
    /// The job found the disk full. It may be begun again.
    refused: bool,
}

/// Rows and the progress they belong to.
#[derive(Clone, Debug, Default)]
struct Image {
    rows: Rows,
    progress: Progress,
}

impl MemoryStateDisk {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Forgets everything that is not durable. Flush jobs from before the crash can no longer complete. Drop
    /// the node's [`MemoryState`] and open another one.
    pub fn crash(&self, begun_flush: BegunFlush) {
        let mut durable = self.lock();
        if let Some(begun) = durable.begun.take()
            && begun_flush == BegunFlush::Completed
        {
            durable.image = begun.image;
        }
    }

    /// Another disk that holds what is durable on this one.
    #[must_use]
    pub fn duplicate(&self) -> Self {
        let image = self.lock().image.clone();
        Self(Arc::new(Mutex::new(Durable { image, ..Durable::default() })))
    }

    /// The progress that a crash now would fall back to.
    #[must_use]
    pub fn progress(&self) -> Progress {
        self.lock().image.progress
    }

    /// Sets whether flushes from now on find the disk full.
    pub fn set_space(&self, space: Space) {
        self.lock().space = space;
    }

    /// Sets how far disk work lags behind commits, as the state says from now on.
    pub fn set_pressure(&self, pressure: Pressure) {
        self.lock().pressure = pressure;
    }

    fn lock(&self) -> MutexGuard<'_, Durable> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The state as the node sees it.
#[derive(Debug)]
pub struct MemoryState {
    image: Image,
    disk: MemoryStateDisk,
    unflushed_bytes: u64,
}

impl MemoryState {
    /// Opens what is durable on `disk`.
    #[must_use]
    pub fn open(disk: &MemoryStateDisk) -> Self {
        Self { image: disk.lock().image.clone(), disk: disk.clone(), unflushed_bytes: 0 }
    }

    /// Loses what is not durable, and opens again.
    pub fn crash(&mut self, begun_flush: BegunFlush) {
        self.disk.crash(begun_flush);
        *self = Self::open(&self.disk);
    }
}

impl View for MemoryState {
    fn get(&self, key: &[u8]) -> Result<Option<Value>, ViewError> {
        Ok(self.image.rows.get(key))
    }

    fn scan(&self, range: KeyRange<'_>, order: Order, visit: &mut Visit<'_>) -> Result<(), ViewError> {
        self.image.rows.scan(range, order, visit);
        Ok(())
    }
}

impl State for MemoryState {
    type Reader = MemoryReader;
    type Flush = MemoryFlush;
    type Compactor = MemoryCompactor;

    fn progress(&self) -> Progress {
        self.image.progress
    }

    fn commit(&mut self, writes: &WriteSet, progress: Progress) -> Result<(), StateError> {
        for (key, value) in &writes.0 {
            self.unflushed_bytes += (key.len() + value.as_ref().map_or(0, Vec::len)) as u64;
            self.image.rows.write(key, value.as_deref());
        }
        self.image.progress = progress;
        Ok(())
    }

    fn reader(&self) -> MemoryReader {
        MemoryReader(self.image.clone())
    }

    fn unflushed_bytes(&self) -> u64 {
        self.unflushed_bytes
    }

    fn pressure(&self) -> Pressure {
        self.disk.lock().pressure
    }

    fn figures(&self) -> StateFigures {
        let begun = self.disk.lock().begun.as_ref().map_or(0, |begun| begun.bytes);
        StateFigures { unflushed_bytes: self.unflushed_bytes + begun, ..StateFigures::default() }
    }

    fn begin_flush(&mut self) -> Result<MemoryFlush, StateError> {
        let mut durable = self.disk.lock();
        durable.flushes_begun += 1;
        let number = durable.flushes_begun;
        match &mut durable.begun {
            Some(begun) if begun.refused => (begun.number, begun.refused) = (number, false),
            Some(_) => return Err(StateError::Failed("a flush is already running".to_owned())),
            none => {
                let bytes = std::mem::take(&mut self.unflushed_bytes);
                *none = Some(Begun { number, image: self.image.clone(), bytes, refused: false });
            }
        }
        Ok(MemoryFlush { number, disk: self.disk.clone() })
    }

    fn compactor(&self) -> MemoryCompactor {
        MemoryCompactor
    }
}

/// The view as of one commit; see [`State::reader`].
#[derive(Clone, Debug)]
pub struct MemoryReader(Image);

impl View for MemoryReader {
    fn get(&self, key: &[u8]) -> Result<Option<Value>, ViewError> {
        Ok(self.0.rows.get(key))
    }

    fn scan(&self, range: KeyRange<'_>, order: Order, visit: &mut Visit<'_>) -> Result<(), ViewError> {
        self.0.rows.scan(range, order, visit);
        Ok(())
    }
}

impl Reader for MemoryReader {
    fn progress(&self) -> Progress {
        self.0.progress
    }
}

/// One flush to the simulated disk.
#[derive(Debug)]
pub struct MemoryFlush {
    number: u64,
    disk: MemoryStateDisk,
}

impl FlushJob for MemoryFlush {
    fn run(self) -> Result<Progress, StateError> {
        let mut durable = self.disk.lock();
        if durable.space == Space::Full {
            durable.begun.iter_mut().for_each(|begun| begun.refused = true);
            return Err(StateError::NoSpace("simulated".to_owned()));
        }
        match durable.begun.take() {
            Some(begun) if begun.number == self.number => {
                durable.image = begun.image;
                Ok(durable.image.progress)
            }
            other => {
                durable.begun = other;
                Err(StateError::Failed("the flush began before a crash".to_owned()))
            }
        }
    }
}

/// A job that never ran can begin again.
impl Drop for MemoryFlush {
    fn drop(&mut self) {
        let mut durable = self.disk.lock();
        if let Some(begun) = durable.begun.as_mut().filter(|begun| begun.number == self.number) {
            begun.refused = true;
        }
    }
}

/// In memory nothing is ever due.
#[derive(Clone, Copy, Debug)]
pub struct MemoryCompactor;

impl Compactor for MemoryCompactor {
    fn step(&self) -> Result<Due, StateError> {
        Ok(Due::Nothing)
    }

    fn free_unused(&self) {}
}

/// The number of rows in one chunk. A larger chunk is split in two.
const CHUNK_ROWS_MAX: usize = 64;

type Chunk = Vec<(Key, Value)>;

/// An ordered map with cheap copies: sorted chunks, none of them empty.
#[derive(Clone, Debug, Default)]
struct Rows {
    chunks: Arc<Vec<Arc<Chunk>>>,
}

impl Rows {
    /// The chunk that holds `key`, if any does: the last one that begins at or before it.
    fn chunk_of(&self, key: &[u8]) -> usize {
        self.chunks
            .partition_point(|chunk| chunk.first().is_some_and(|row| row.0.as_slice() <= key))
            .saturating_sub(1)
    }

    fn get(&self, key: &[u8]) -> Option<Value> {
        let chunk = self.chunks.get(self.chunk_of(key))?;
        let at = chunk.binary_search_by(|row| row.0.as_slice().cmp(key)).ok()?;
        chunk.get(at).map(|row| row.1.clone())
    }

    fn write(&mut self, key: &[u8], value: Option<&[u8]>) {
        let at = self.chunk_of(key);
        let chunks = Arc::make_mut(&mut self.chunks);
        if chunks.is_empty() {
            chunks.push(Arc::default());
        }
        let Some(shared) = chunks.get_mut(at) else { return };
        let chunk = Arc::make_mut(shared);
        match (chunk.binary_search_by(|row| row.0.as_slice().cmp(key)), value) {
            (Ok(row), Some(value)) => chunk[row].1 = value.to_vec(),
            (Ok(row), None) => drop(chunk.remove(row)),
            (Err(row), Some(value)) => chunk.insert(row, (key.to_vec(), value.to_vec())),
            (Err(_), None) => {}
        }
        if chunk.is_empty() {
            chunks.remove(at);
        } else if chunk.len() > CHUNK_ROWS_MAX {
            let upper = chunk.split_off(CHUNK_ROWS_MAX / 2);
            chunks.insert(at + 1, Arc::new(upper));
        }
    }

    fn scan(&self, range: KeyRange<'_>, order: Order, visit: &mut Visit<'_>) {
        if range.from >= range.to {
            return;
        }
        let (first, last) = (self.chunk_of(range.from), self.chunk_of(range.to));
        let within = |row: &&(Key, Value)| row.0.as_slice() >= range.from && row.0.as_slice() < range.to;
        let chunks = self.chunks.iter().take(last + 1).skip(first);
        let rows = chunks.flat_map(|chunk| chunk.iter()).filter(within);
        let visited = |row: &(Key, Value)| visit(&row.0, &row.1);
        let _ = match order {
            Order::Ascending => rows.map(visited).find(|flow| flow.is_break()),
            Order::Descending => rows.rev().map(visited).find(|flow| flow.is_break()),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance;
    use model::Index;

    impl conformance::state::Crashing for MemoryStateDisk {
        type State = MemoryState;

        fn open(&self) -> MemoryState {
            self.crash(BegunFlush::Lost);
            MemoryState::open(self)
        }
    }

    #[test]
    fn the_state_in_memory_keeps_the_promises_of_every_state_store() {
        conformance::state::check(MemoryStateDisk::new);
    }

    fn at(index: u64) -> Progress {
        Progress { index: Index(index), ..Progress::default() }
    }

    fn put(state: &mut MemoryState, index: u64) {
        let writes = WriteSet(vec![(vec![7], Some(index.to_be_bytes().to_vec()))]);
        state.commit(&writes, at(index)).unwrap();
    }

    #[test]
    fn a_flush_that_found_a_full_disk_can_run_again() {
        let disk = MemoryStateDisk::new();
        let mut state = MemoryState::open(&disk);
        put(&mut state, 1);
        let job = state.begin_flush().unwrap();
        put(&mut state, 2);
        disk.set_space(Space::Full);
        assert!(matches!(job.run(), Err(StateError::NoSpace(_))));
        disk.set_space(Space::Free);
        assert_eq!(state.begin_flush().unwrap().run().unwrap(), at(1));
        assert_eq!(state.begin_flush().unwrap().run().unwrap(), at(2));
    }

    #[test]
    fn a_crash_falls_back_to_the_last_completed_flush_or_to_one_that_had_begun() {
        for (begun_flush, left) in [(BegunFlush::Lost, 1), (BegunFlush::Completed, 2)] {
            let disk = MemoryStateDisk::new();
            let mut state = MemoryState::open(&disk);
            put(&mut state, 1);
            assert_eq!(state.begin_flush().unwrap().run().unwrap(), at(1));
            put(&mut state, 2);
            let job = state.begin_flush().unwrap();
            put(&mut state, 3);
            state.crash(begun_flush);
            assert_eq!(state.progress(), at(left));
            assert_eq!(state.get(&[7]).unwrap(), Some(left.to_be_bytes().to_vec()));
            assert!(job.run().is_err(), "a job from before the crash cannot complete");
            assert_eq!(disk.progress(), at(left));
        }
    }
}
