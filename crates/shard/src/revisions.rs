//! A stream's revision rows: one for each kept event, without gaps, with increasing positions.

use crate::damage::{bad_row, missing_revision};
use core::ops::ControlFlow;
use format::row::{RevisionRow, revision_key};
use model::{KeyRange, Namespace, Order, Position, Revision, Slot, StreamId, View, ViewError};

/// The rows of one stream that are kept.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Revisions {
    pub(crate) slot: Slot,
    pub(crate) stream: StreamId,
    /// The first kept revision.
    pub(crate) first: Revision,
    /// The revision after the last.
    pub(crate) next: Revision,
}

impl Revisions {
    pub(crate) const NAMESPACE: Namespace = Namespace::ROOT;

    pub(crate) fn is_empty(&self) -> bool {
        self.first >= self.next
    }

    pub(crate) fn row(&self, view: &impl View, revision: Revision) -> Result<RevisionRow, ViewError> {
        let key = revision_key(self.slot, Self::NAMESPACE, self.stream, revision);
        let value = view.get(&key)?.ok_or_else(|| missing_revision(self.stream, revision))?;
        decode(&value)
    }

    /// The first revision whose position is not `below`, or `next` when all are. This is a binary search:
    /// `below` must hold for all positions up to some point and for none after it.
    pub(crate) fn partition(
        &self,
        view: &impl View,
        below: impl Fn(Position) -> bool,
    ) -> Result<Revision, ViewError> {
        let (mut low, mut high) = (self.first.0, self.next.0.max(self.first.0));
        while low < high {
            let middle = low + (high - low) / 2;
            if below(self.row(view, Revision(middle))?.position) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        Ok(Revision(low))
    }

    /// The event at `position`, if it is one of these rows.
    pub(crate) fn at(
        &self,
        view: &impl View,
        position: Position,
    ) -> Result<Option<(Revision, RevisionRow)>, ViewError> {
        let revision = self.partition(view, |other| other < position)?;
        if revision >= self.next {
            return Ok(None);
        }
        let row = self.row(view, revision)?;
        Ok((row.position == position).then_some((revision, row)))
    }

    /// Calls `visit` with each row of `from..to`, in `order`, until it breaks.
    pub(crate) fn scan(
        &self,
        view: &impl View,
        (from, to): (Revision, Revision),
        order: Order,
        mut visit: impl FnMut(Revision, RevisionRow) -> ControlFlow<()>,
    ) -> Result<(), ViewError> {
        let from_key = revision_key(self.slot, Self::NAMESPACE, self.stream, from);
        let to_key = revision_key(self.slot, Self::NAMESPACE, self.stream, to);
        let mut failed = None;
        view.scan(KeyRange { from: &from_key, to: &to_key }, order, &mut |key, value| {
            let row = match decode(value) {
                Ok(row) => row,
                Err(error) => {
                    failed = Some(error);
                    return ControlFlow::Break(());
                }
            };
            visit(revision_of(key), row)
        })?;
        failed.map_or(Ok(()), Err)
    }
}

/// The revision that the stream's next event gets: the one after the last row at or above `first`.
pub(crate) fn next_revision(
    view: &impl View,
    slot: Slot,
    stream: StreamId,
    first: Revision,
) -> Result<Revision, ViewError> {
    let revisions = Revisions { slot, stream, first, next: first };
    let mut next = first;
    revisions.scan(view, (first, Revision(u64::MAX)), Order::Descending, |revision, _| {
        next = revision.next();
        ControlFlow::Break(())
    })?;
    Ok(next)
}

fn decode(value: &[u8]) -> Result<RevisionRow, ViewError> {
    RevisionRow::decode(value).map_err(|error| bad_row("revision row", error))
}

/// The revision is the last 8 bytes of the key.
fn revision_of(key: &[u8]) -> Revision {
    Revision(key.last_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes)))
}
