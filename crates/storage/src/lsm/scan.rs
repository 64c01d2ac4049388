//! Ordered scans over memtables and runs of tables, in one direction, newest version first.
//!
//! A scan usually ends early: finding the last row of a stream is a descending scan for one row. So sources
//! are read only as far as needed: memtables in pieces that start small, and tables one block at a time. The
//! far bound is checked here instead of being looked up in each table's index.

use super::memtable::{Found, Memtable};
use super::row::{RowKey, RowValue};
use lsm_tree::{InternalValue, SeqNo, Slice, Table};
use model::Order;
use std::cmp::Ordering;
use std::ops::Bound;

type Result<T> = std::result::Result<T, lsm_tree::Error>;

/// How many rows the first and the largest piece of a memtable have. A piece being read delays the next
/// commit.
const PIECE_ROWS: usize = 2;
const PIECE_ROWS_MAX: usize = 128;

/// Keys with their tags, from `from` (inclusive) to `to` (exclusive).
#[derive(Clone, Copy)]
pub(super) struct RowRange<'a> {
    pub(super) from: &'a RowKey,
    pub(super) to: &'a RowKey,
}

/// A row, as a source has it.
pub(super) enum Row {
    Memory(RowKey, Found),
    Table(InternalValue),
}

impl Row {
    pub(super) fn key(&self) -> &[u8] {
        match self {
            Self::Memory(key, _) => key.as_slice(),
            Self::Table(row) => &row.key.user_key,
        }
    }

    /// `None` is a deleted row.
    pub(super) fn value(&self) -> Option<&[u8]> {
        match self {
            Self::Memory(_, found) => found.as_ref().map(RowValue::as_slice),
            Self::Table(row) => (!row.is_tombstone()).then_some(&*row.value),
        }
    }
}

pub(super) enum Source<'a> {
    Memtable(MemtableSource<'a>),
    Run(RunSource<'a>),
}

impl Source<'_> {
    fn next(&mut self) -> Result<Option<Row>> {
        match self {
            Self::Memtable(memtable) => Ok(memtable.next()),
            Self::Run(run) => run.next(),
        }
    }
}

/// The sources' rows in order. For each key, only the row of the newest source.
pub(super) struct Merge<'a> {
    /// Newest first, each with its next row. No source in the list is exhausted.
    sources: Vec<(Row, Source<'a>)>,
    order: Order,
}

impl<'a> Merge<'a> {
    /// `sources` must be newest first.
    pub(super) fn of(sources: Vec<Source<'a>>, order: Order) -> Result<Self> {
        let mut merge = Self { sources: Vec::with_capacity(sources.len()), order };
        for mut source in sources {
            if let Some(row) = source.next()? {
                merge.sources.push((row, source));
            }
        }
        Ok(merge)
    }

    pub(super) fn next(&mut self) -> Result<Option<Row>> {
        let Some(first) = self.first() else { return Ok(None) };
        // Older sources first, so that removing an exhausted one does not move those still to be visited.
        for at in (first + 1..self.sources.len()).rev() {
            if self.sources[at].0.key() == self.sources[first].0.key() {
                self.advance(at)?;
            }
        }
        self.advance(first).map(Some)
    }

    /// The source with the next row. If several have the same key, it is the newest one.
    fn first(&self) -> Option<usize> {
        let sooner = |a: &[u8], b: &[u8]| match self.order {
            Order::Ascending => a.cmp(b) == Ordering::Less,
            Order::Descending => a.cmp(b) == Ordering::Greater,
        };
        let mut first = 0;
        for (at, (row, _)) in self.sources.iter().enumerate().skip(1) {
            if sooner(row.key(), self.sources[first].0.key()) {
                first = at;
            }
        }
        (!self.sources.is_empty()).then_some(first)
    }

    /// Takes a source's row. A source without more rows is removed.
    fn advance(&mut self, at: usize) -> Result<Row> {
        let (row, source) = &mut self.sources[at];
        match source.next()? {
            Some(next) => Ok(std::mem::replace(row, next)),
            None => Ok(self.sources.remove(at).0),
        }
    }
}

/// The rows of a memtable, copied in pieces.
pub(super) struct MemtableSource<'a> {
    memtable: &'a Memtable,
    range: RowRange<'a>,
    order: Order,
    snapshot: SeqNo,
    piece: Vec<(RowKey, Found)>,
    piece_rows: usize,
    /// The last row of the previous piece.
    last: Option<RowKey>,
}

impl<'a> MemtableSource<'a> {
    pub(super) fn new(memtable: &'a Memtable, range: RowRange<'a>, order: Order, snapshot: SeqNo) -> Self {
        Self { memtable, range, order, snapshot, piece: Vec::new(), piece_rows: PIECE_ROWS, last: None }
    }

    fn next(&mut self) -> Option<Row> {
        if self.piece.is_empty() && self.piece_rows > 0 {
            self.fill();
        }
        self.piece.pop().map(|(key, found)| Row::Memory(key, found))
    }

    fn fill(&mut self) {
        let (mut from, mut to) = (Bound::Included(self.range.from), Bound::Excluded(self.range.to));
        if let Some(last) = &self.last {
            match self.order {
                Order::Ascending => from = Bound::Excluded(last),
                Order::Descending => to = Bound::Excluded(last),
            }
        }
        self.memtable.piece((from, to), self.order, self.snapshot, self.piece_rows, &mut self.piece);
        let ended = self.piece.len() < self.piece_rows;
        self.piece_rows = if ended { 0 } else { (self.piece_rows * 8).min(PIECE_ROWS_MAX) };
        self.last = self.piece.last().map(|(key, _)| key.clone());
        self.piece.reverse();
    }
}

/// The rows of a run of tables, table by table.
pub(super) struct RunSource<'a> {
    /// The tables that may still hold rows of the range.
    tables: &'a [Table],
    range: RowRange<'a>,
    order: Order,
    table: Option<Box<dyn Iterator<Item = Result<InternalValue>>>>,
}

impl<'a> RunSource<'a> {
    pub(super) fn new(run: &'a [Table], range: RowRange<'a>, order: Order) -> Self {
        let first =
            run.partition_point(|table| table.metadata.key_range.max().as_ref() < range.from.as_slice());
        let end = run.partition_point(|table| table.metadata.key_range.min().as_ref() < range.to.as_slice());
        let tables = run.get(first..end).unwrap_or_default();
        Self { tables, range, order, table: None }
    }

    fn next(&mut self) -> Result<Option<Row>> {
        loop {
            if let Some(table) = &mut self.table
                && let Some(row) = table.next()
            {
                return row.map(|row| self.within(row));
            }
            if !self.open_table() {
                return Ok(None);
            }
        }
    }

    /// Ends the scan at its far bound.
    fn within(&mut self, row: InternalValue) -> Option<Row> {
        let inside = match self.order {
            Order::Ascending => row.key.user_key.as_ref() < self.range.to.as_slice(),
            Order::Descending => row.key.user_key.as_ref() >= self.range.from.as_slice(),
        };
        if inside {
            return Some(Row::Table(row));
        }
        self.tables = &[];
        self.table = None;
        None
    }

    fn open_table(&mut self) -> bool {
        let next = match self.order {
            Order::Ascending => self.tables.split_first(),
            Order::Descending => self.tables.split_last(),
        };
        let Some((table, rest)) = next else { return false };
        let first = self.table.is_none();
        self.tables = rest;
        self.table = Some(match self.order {
            Order::Ascending if first => Box::new(table.range(Slice::from(self.range.from.as_slice())..)),
            Order::Ascending => Box::new(table.range::<std::ops::RangeFull>(..)),
            Order::Descending if first => {
                Box::new(table.range(..Slice::from(self.range.to.as_slice())).rev())
            }
            Order::Descending => Box::new(table.range::<std::ops::RangeFull>(..).rev()),
        });
        true
    }
}
