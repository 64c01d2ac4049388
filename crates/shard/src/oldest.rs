//! The rows of the oldest kept events, read ahead.
//!
//! A stream that is full removes its oldest event with each append, and must know where that event is. The row
//! was written long ago, so a look-up of its own is the most expensive read of the append. A scan of a few rows
//! costs little more than one, and serves as many appends.
//!
//! A revision's row never changes while it exists. So the cache needs no update: it is emptied only when it may
//! belong to another state, as the cache of heads is.

use crate::revisions::Revisions;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;
use core::ops::ControlFlow;
use format::row::RevisionRow;
use model::{Order, Revision, Slot, StreamId, View, ViewError};

/// Rows that one scan reads.
const AHEAD: u64 = 8;
/// Streams whose rows are kept. Each takes about 400 bytes.
const STREAMS_MAX: usize = 8_192;

pub(crate) type Rows = Vec<(Revision, RevisionRow)>;

/// The cache.
#[derive(Debug, Default)]
pub(crate) struct Oldest {
    by_stream: BTreeMap<(Slot, StreamId), VecDeque<(Revision, RevisionRow)>>,
}

impl Oldest {
    pub(crate) fn clear(&mut self) {
        self.by_stream.clear();
    }

    /// The rows from the first kept revision up to `to`, which is greater. `None` if `view`, the state before
    /// the entry, does not hold them all.
    pub(crate) fn rows(
        &mut self,
        view: &impl View,
        kept: Revisions,
        to: Revision,
    ) -> Result<Option<Rows>, ViewError> {
        let wanted = to.0.saturating_sub(kept.first.0);
        let key = (kept.slot, kept.stream);
        let mut rows = self.by_stream.remove(&key).unwrap_or_default();
        while rows.front().is_some_and(|(revision, _)| *revision < kept.first) {
            rows.pop_front();
        }
        if (rows.len() as u64) < wanted {
            rows.clear();
            let end = Revision(kept.first.0.saturating_add(wanted.max(AHEAD)).min(kept.next.0));
            kept.scan(view, (kept.first, end), Order::Ascending, |revision, row| {
                rows.push_back((revision, row));
                ControlFlow::Continue(())
            })?;
        }
        let is_complete =
            rows.len() as u64 >= wanted && rows.front().is_some_and(|(revision, _)| *revision == kept.first);
        if !is_complete {
            return Ok(None);
        }
        let found = rows.iter().take(wanted as usize).copied().collect();
        if self.by_stream.len() >= STREAMS_MAX {
            self.by_stream.clear();
        }
        self.by_stream.insert(key, rows);
        Ok(Some(found))
    }
}
