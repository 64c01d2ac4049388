//! Whether a reader that names another store may go on in this one. A restored store has the history of the original up to
//! some cursor. A reader that has come no further has seen nothing else, so it goes on, and the response tells it the
//! identity of this store. One that has come further is told so.
//!
//! Only cursors say how far a reader has come. A read that names another store and no cursor is refused.

use crate::context::Context;
use crate::response::Result;
use crate::unavailable;
use api::request::query::{AsOf, Read, Start};
use api::request::store;
use http::HeaderMap;
use model::Cursor;

/// # Errors
/// The request names a store that is not an origin of this one, or a cursor that this one does not have.
pub(super) async fn check(
    context: &Context,
    headers: &HeaderMap,
    read: &Read,
    last_event_id: Option<Cursor>,
) -> Result<()> {
    let mine = context.store.to_str().unwrap_or_default();
    let Some(named) = store::other(headers, mine)? else { return Ok(()) };
    let Some(cursor) = greatest(read, last_event_id) else { return Err(store::other_store(named, mine)) };
    let origins = context
        .handle
        .read(|snapshot| Ok(shard::restore::origins(&snapshot.state, snapshot.slots.first)?))
        .await
        .map_err(|error| unavailable::read_problem(&error))?;
    // The newest of one store, if there are several, is the one that has more.
    match origins.iter().rev().find(|origin| origin.store.to_string() == named) {
        None => Err(store::other_store(named, mine)),
        Some(origin) if cursor <= origin.through => Ok(()),
        Some(origin) => Err(store::beyond_restore(named, mine, origin.through)),
    }
}

/// The greatest cursor that the request names.
fn greatest(read: &Read, last_event_id: Option<Cursor>) -> Option<Cursor> {
    let start = match read.start {
        Start::After(cursor) => Some(cursor),
        Start::Beginning | Start::From(_) | Start::End => None,
    };
    let as_of = match read.as_of {
        Some(AsOf::Cursor(cursor)) => Some(cursor),
        Some(AsOf::Now | AsOf::Time(_)) | None => None,
    };
    [start, as_of, last_event_id].into_iter().flatten().max()
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{Position, Revision, Slot};

    #[test]
    fn every_cursor_of_a_request_counts_and_a_revision_does_not() {
        let cursor = |at| Cursor::new(Position(at), Slot(0));
        let read = |start, as_of| Read { start, as_of, ..Read::default() };
        for (asked, last_event_id, want) in [
            (read(Start::Beginning, None), None, None),
            (read(Start::From(Revision(7)), None), None, None),
            (read(Start::End, Some(AsOf::Now)), None, None),
            (read(Start::After(cursor(5)), None), None, Some(5)),
            (read(Start::After(cursor(5)), Some(AsOf::Cursor(cursor(9)))), None, Some(9)),
            (read(Start::Beginning, None), Some(cursor(3)), Some(3)),
            (read(Start::After(cursor(5)), None), Some(cursor(3)), Some(5)),
        ] {
            assert_eq!(greatest(&asked, last_event_id), want.map(cursor), "{asked:?}");
        }
    }
}
