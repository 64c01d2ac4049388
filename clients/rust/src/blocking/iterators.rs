//! The streams of the async client as iterators.

use super::runtime::Runtime;
use crate::error::{Error, Result};
use crate::{Cursor, ImportedLine, RecordedEvent, StreamSummary};
use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;

/// An iterator whose items come from `stream.next()`.
macro_rules! iterator {
    ($(#[$doc:meta])* $name:ident of $item:ty) => {
        $(#[$doc])*
        #[derive(Debug)]
        #[must_use = "an iterator does nothing until it is used"]
        pub struct $name {
            stream: crate::$name,
            runtime: Arc<Runtime>,
        }

        impl $name {
            pub(super) fn new(stream: crate::$name, runtime: Arc<Runtime>) -> Self {
                Self { stream, runtime }
            }
        }

        impl Iterator for $name {
            type Item = Result<$item>;

            fn next(&mut self) -> Option<Self::Item> {
                self.runtime.block_on(self.stream.next())
            }
        }
    };
}

iterator!(
    /// The events of a read. See [`crate::Events`].
    Events of RecordedEvent
);
iterator!(
    /// The events of a read as JSON text. See [`crate::Lines`].
    Lines of Bytes
);
iterator!(
    /// A subscription; it blocks until the next event. See [`crate::Follow`].
    Follow of RecordedEvent
);
iterator!(
    /// The outcomes of an import's lines. See [`crate::Import`].
    Import of ImportedLine
);
iterator!(
    /// The streams of a store. See [`crate::Streams`].
    Streams of StreamSummary
);

impl Follow {
    /// See [`crate::Follow::on_break`].
    pub fn on_break(self, on_break: impl FnMut(&Error, Duration) + Send + 'static) -> Self {
        Self { stream: self.stream.on_break(on_break), runtime: self.runtime }
    }

    /// See [`crate::Follow::checkpoint`].
    #[must_use]
    pub fn checkpoint(&self) -> Option<&Cursor> {
        self.stream.checkpoint()
    }

    /// See [`crate::Follow::next_line`].
    pub fn next_line(&mut self) -> Option<Result<Bytes>> {
        self.runtime.block_on(self.stream.next_line())
    }

    /// The next event, or `None` when there is none within `wait`.
    ///
    /// # Errors
    /// [`Error`], when a retry cannot fix it.
    pub fn next_within(&mut self, wait: Duration) -> Result<Option<RecordedEvent>> {
        let next = async { tokio::time::timeout(wait, self.stream.next()).await };
        self.runtime.block_on(next).ok().flatten().transpose()
    }
}
