//! What a request asks to read.

use super::as_of::{self, ResolvedAsOf};
use super::framing::Framing;
use crate::access::Caller;
use crate::context::Context;
use crate::response::Result;
use crate::sealing::Sealing;
use api::media::ReadForm;
use api::request::query::{Read, Start};
use api::response::page::Link;
use api::time::Moment;
use format::body::BodyRecord;
use model::{Cursor, Namespace, Order, Revision, StreamName};

/// Where events are read from.
#[derive(Clone, Debug)]
pub(super) enum Source {
    Stream {
        name: StreamName<'static>,
        order: Order,
    },
    /// The streams that the caller covers, or those of them whose names begin with `prefix`.
    Store {
        prefix: Option<String>,
        caller: Caller,
    },
}

/// Where a read goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Point {
    /// At the first event, or at the last one when reading backward.
    Beginning,
    /// At this revision of the stream.
    Revision(Revision),
    /// Behind this cursor.
    After(Cursor),
}

/// A read, ready to run.
#[derive(Debug)]
pub(super) struct Query {
    pub(super) source: Source,
    pub(super) start: Point,
    /// Only events of these types; all when empty.
    types: Vec<String>,
    pub(super) as_of: Option<ResolvedAsOf>,
    as_of_event_time: Option<Moment>,
    pub(super) limit: Option<u64>,
    pub(super) framing: Framing,
    pub(super) sealing: Sealing,
}

impl Query {
    /// # Errors
    /// When `as_of` cannot be answered.
    pub(super) async fn new(context: &Context, source: Source, form: ReadForm, read: Read) -> Result<Self> {
        let start = match read.start {
            Start::Beginning => Point::Beginning,
            Start::From(revision) => Point::Revision(revision),
            Start::After(cursor) => Point::After(cursor),
            Start::End => Point::After(*context.handle.visible().borrow()),
        };
        Ok(Self {
            source,
            start,
            types: read.types,
            as_of: as_of::resolve(context, read.as_of).await?,
            as_of_event_time: read.as_of_event_time,
            limit: read.limit,
            sealing: context.handle.sealing().clone(),
            framing: match form {
                ReadForm::Json => Framing::Items,
                ReadForm::Lines => Framing::Lines,
                ReadForm::Follow => Framing::Messages,
            },
        })
    }

    /// The last cursor that the read may see, where the request names one.
    pub(super) fn until(&self) -> Option<Cursor> {
        self.as_of.as_ref().map(|as_of| as_of.until)
    }

    /// Every event that the source has is wanted.
    pub(super) fn selects_all(&self) -> bool {
        let whole_source = match &self.source {
            Source::Stream { .. } => true,
            Source::Store { prefix, caller } => prefix.is_none() && caller.covers_all(),
        };
        whole_source && self.types.is_empty() && self.as_of_event_time.is_none()
    }

    /// Whether an event is wanted, by its stream and its type.
    pub(super) fn selects(&self, record: &BodyRecord<'_>) -> bool {
        let in_source = match &self.source {
            Source::Stream { .. } => true,
            Source::Store { prefix, caller } => {
                record.namespace == Namespace::ROOT
                    && prefix.as_deref().is_none_or(|prefix| record.stream.starts_with(prefix))
                    && caller.covers(record.stream)
            }
        };
        in_source && (self.types.is_empty() || self.types.iter().any(|wanted| wanted == record.event_type))
    }

    /// The latest time that a wanted event may say it happened at.
    pub(super) fn happened_by(&self) -> Option<Moment> {
        self.as_of_event_time.map(Moment::through_millisecond)
    }

    /// The path and query of the same read, going on at `point`.
    pub(super) fn link(&self, point: Point) -> String {
        let link = match &self.source {
            Source::Stream { name, .. } => Link::stream_events(name.as_str()),
            Source::Store { .. } => Link::path("/v1/events"),
        };
        let link = match point {
            Point::Beginning => link,
            Point::Revision(revision) => link.with("from", &revision.to_string()),
            Point::After(cursor) => link.with("after", &cursor.to_string()),
        };
        let link = match &self.source {
            Source::Stream { order: Order::Ascending, .. } => link,
            Source::Stream { order: Order::Descending, .. } => link.with("direction", "backward"),
            Source::Store { prefix, .. } => link.with_some("prefix", prefix.as_deref()),
        };
        let link = link
            .with_some("limit", self.limit.map(|limit| limit.to_string()).as_deref())
            .with_some("as_of", self.as_of.as_ref().map(|as_of| as_of.moment.as_str()))
            .with_some("as_of_event_time", self.as_of_event_time.map(|time| time.to_string()).as_deref());
        self.types.iter().fold(link, |link, wanted| link.with("type", wanted)).into_text()
    }
}
