//! Runs a query chunk by chunk on the read pool.

use super::chunk::{Budget, Chunk};
use super::query::{Point, Query, Source};
use super::{store, stream};
use crate::context::Context;
use crate::response::Result;
use crate::unavailable;
use model::Cursor;
use runtime::Snapshot;
use std::sync::Arc;

/// A query, and how far it has been read.
#[derive(Debug)]
pub(super) struct Reader {
    pub(super) context: Arc<Context>,
    pub(super) query: Arc<Query>,
    point: Point,
    until: Option<Cursor>,
}

impl Reader {
    pub(super) fn new(context: &Arc<Context>, query: Query) -> Self {
        let (point, until) = (query.start, query.until());
        Self { context: Arc::clone(context), query: Arc::new(query), point, until }
    }

    /// Starts after `last_event_id` instead of the query's start, if there is one.
    pub(super) fn resumed(mut self, last_event_id: Option<Cursor>) -> Self {
        self.point = last_event_id.map_or(self.point, Point::After);
        self
    }

    /// Events after this cursor are not read.
    pub(super) fn end_at(&mut self, until: Cursor) {
        self.until = Some(until);
    }

    /// The cursor after which the next chunk begins, as far as it is known without reading.
    pub(super) fn after(&self) -> Cursor {
        match self.point {
            Point::After(cursor) => cursor,
            Point::Beginning | Point::Revision(_) => Cursor::START,
        }
    }

    /// Reads the next chunk.
    ///
    /// # Errors
    /// Removed history that the query would need, a full read pool, a failed disk.
    pub(super) async fn next(&mut self, budget: Budget) -> Result<Chunk> {
        let (query, point, until) = (Arc::clone(&self.query), self.point, self.until);
        let read = move |snapshot: &Snapshot| match &query.source {
            Source::Stream { name, order } => {
                stream::read_chunk(snapshot, &query, (name, *order), point, until, budget)
            }
            Source::Store { .. } => store::read_chunk(snapshot, &query, point, until, budget),
        };
        let read = self.context.handle.read(read).await;
        let chunk = read.map_err(|error| unavailable::read_problem(&error))??;
        self.point = chunk.resume;
        Ok(chunk)
    }
}
