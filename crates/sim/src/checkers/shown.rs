//! What readers see, and that it is complete: bodies and rows agree, positions increase throughout the store,
//! and each stream's revisions have no gap after its first kept one.

use crate::process::Process;
use crate::unread::Unread;
use model::{Cursor, Position, Revision, StreamName, View};
use std::collections::BTreeMap;

const PAGE_BYTES: usize = 4 << 10;

/// One event, as a reader of the whole store finds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShownEvent {
    pub cursor: Cursor,
    pub stream: String,
    pub revision: Revision,
    pub text: String,
}

/// Everything that readers see.
#[derive(Clone, Debug, Default)]
pub struct Shown {
    pub events: Vec<ShownEvent>,
}

impl Shown {
    /// Reads the whole store, like a reader.
    ///
    /// # Errors
    /// [`Unread`].
    pub fn read(process: &Process) -> Result<Self, Unread> {
        let state = process.reader();
        let mut shown = Self::default();
        let mut after = Cursor::START;
        loop {
            let end = Cursor::new(Position::MAX, model::Slot(u16::MAX));
            let page = process.bodies().page_after(after, end, PAGE_BYTES)?;
            let mut bytes = &page.bytes[..];
            while !bytes.is_empty() {
                let (record, used) =
                    format::body::decode(bytes).map_err(|_| page.damaged(page.bytes.len() - bytes.len()))?;
                bytes = &bytes[used..];
                if shard::query::is_live(&state, &record)? {
                    shown.push(&record)?;
                }
            }
            after = page.through;
            if page.at_end {
                break;
            }
        }
        shown.streams_agree(&state)?;
        Ok(shown)
    }

    fn push(&mut self, record: &format::body::BodyRecord<'_>) -> Result<(), String> {
        let cursor = record.cursor();
        if let Some(last) = self.events.last().filter(|last| last.cursor >= cursor) {
            return Err(format!("{cursor} follows {}", last.cursor));
        }
        self.events.push(ShownEvent {
            cursor,
            stream: record.stream.to_owned(),
            revision: record.revision,
            text: String::from_utf8_lossy(record.envelope).into_owned(),
        });
        Ok(())
    }

    /// Checks that each stream is the same when read by its rows and when read from the bodies.
    fn streams_agree(&self, state: &impl View) -> Result<(), String> {
        for (stream, events) in self.by_stream() {
            let name = StreamName::new(stream).map_err(|error| error.to_string())?;
            let head = shard::query::stream(state, &name).map_err(|error| error.to_string())?;
            let shown = events.last().map(|event| event.revision.next());
            if shown != Some(head.next) {
                return Err(format!(
                    "{stream} ends at {shown:?} according to its bodies, and at {} according to its rows",
                    head.next
                ));
            }
            for pair in events.windows(2) {
                if pair[1].revision != pair[0].revision.next() {
                    return Err(format!(
                        "{stream}: revision {} follows {}",
                        pair[1].revision, pair[0].revision
                    ));
                }
            }
            if events.first().is_some_and(|event| event.revision != head.first) {
                return Err(format!(
                    "{stream} begins at {:?} according to its bodies, and at {} according to its rows",
                    events[0].revision, head.first
                ));
            }
        }
        Ok(())
    }

    #[must_use]
    pub fn by_stream(&self) -> BTreeMap<&str, Vec<&ShownEvent>> {
        let mut streams: BTreeMap<&str, Vec<&ShownEvent>> = BTreeMap::new();
        for event in &self.events {
            streams.entry(&event.stream).or_default().push(event);
        }
        streams
    }
}
