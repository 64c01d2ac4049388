//! The oldest rows of streams that lose one event with each append, read ahead.
//!
//! A row is looked up when its event is removed, long after it was written, so each look-up reads the oldest
//! tables. Rows of one stream lie side by side: reading many at once costs little more than reading one.
//!
//! A stream's rows are read ahead from its second removal in a row on. When more streams remove events than can be
//! remembered until their next removal, nothing is read ahead, because it would be forgotten before it is used.
//!
//! Revision rows never change, and only rows of the view are kept here, never those that an entry has just
//! written. So what is remembered stays true, also after an apply that was abandoned or rolled back.

use crate::revisions::Revisions;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::mem;
use core::ops::ControlFlow;
use format::row::RevisionRow;
use model::{Order, Revision, StreamId, View, ViewError};

/// How many rows are read at once.
const ROWS_MAX: u64 = 32;
/// How many streams each of the two generations holds. With all their rows, both take 7 MB.
const STREAMS_MAX: usize = 2_048;

/// See the module. When the younger generation is full, the older one is dropped.
#[derive(Debug, Default)]
pub(crate) struct Oldest {
    young: BTreeMap<StreamId, Ahead>,
    old: BTreeMap<StreamId, Ahead>,
}

#[derive(Debug, Default)]
struct Ahead {
    /// The revision that is removed next.
    next: Revision,
    /// Rows from there on, the last one first.
    rows: Vec<RevisionRow>,
}

impl Oldest {
    /// The row of the first kept event, which is being removed. `None` if the view does not hold it.
    pub(crate) fn take(
        &mut self,
        kept: Revisions,
        view: &impl View,
    ) -> Result<Option<RevisionRow>, ViewError> {
        let ahead = self.of(kept.stream);
        let again = mem::replace(&mut ahead.next, kept.first.next()) == kept.first;
        if !again {
            ahead.rows.clear();
        } else if ahead.rows.is_empty() {
            ahead.rows = read(kept, view)?;
        }
        Ok(ahead.rows.pop())
    }

    pub(crate) fn clear(&mut self) {
        self.young.clear();
        self.old.clear();
    }

    fn of(&mut self, stream: StreamId) -> &mut Ahead {
        if !self.young.contains_key(&stream) && self.young.len() >= STREAMS_MAX {
            self.old = mem::take(&mut self.young);
        }
        let old = &mut self.old;
        self.young.entry(stream).or_insert_with(|| old.remove(&stream).unwrap_or_default())
    }
}

/// The first kept rows that the view holds, the last one first.
fn read(kept: Revisions, view: &impl View) -> Result<Vec<RevisionRow>, ViewError> {
    let end = kept.next.min(Revision(kept.first.0.saturating_add(ROWS_MAX)));
    let mut rows = Vec::new();
    let mut next = kept.first;
    kept.scan(view, (kept.first, end), Order::Ascending, |revision, row| {
        if revision != next {
            return ControlFlow::Break(());
        }
        rows.push(row);
        next = revision.next();
        ControlFlow::Continue(())
    })?;
    rows.reverse();
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Store;
    use alloc::format;

    #[test]
    fn a_stream_that_is_full_removes_its_events_in_order() {
        let mut store = Store::default();
        store.run("keep cart count 50");
        for number in 0..200 {
            assert_eq!(store.run(&format!("append cart x{number}")), format!("{number}"));
            assert_eq!(store.applied.effects.len(), usize::from(number >= 50), "one body is removed");
        }
        assert_eq!(store.rows_of_events(), 100, "a revision row and a dedup row for each kept event");
        let state = store.state();
        assert!(state.starts_with("cart 150x150 151x151") && state.ends_with("199x199"), "{state}");
    }

    #[test]
    fn rows_that_were_rolled_back_are_not_remembered() {
        let mut store = Store::default();
        store.run("keep cart count 1; append cart a; append cart b; append cart c");
        // It would remove what it has just written, but order exists.
        store.run("append order o");
        let refused = "append cart x, append cart y, append order if none z";
        assert_eq!(store.run(refused), "part 2 is at 0");
        assert_eq!(store.run("append cart d"), "3");
        assert_eq!(store.run("append cart e"), "4");
        assert_eq!((store.state(), store.run("append cart d")), ("cart 4e, order 0o".into(), "5".into()));
    }

    #[test]
    fn the_number_of_streams_is_bounded() {
        let mut oldest = Oldest::default();
        for stream in 0..10 * STREAMS_MAX as u64 {
            oldest.of(StreamId(stream)).next = Revision(7);
            assert!(oldest.young.len() <= STREAMS_MAX && oldest.old.len() <= STREAMS_MAX);
        }
        let newest = StreamId(10 * STREAMS_MAX as u64 - 1);
        assert_eq!(oldest.of(newest).next, Revision(7));
    }
}
