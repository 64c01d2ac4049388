//! What clients know about a store: every event that was acknowledged, under its cursor. The node must hold
//! exactly these events, except those that retention or a deletion has removed.

use mainstay_client::blocking::Client;
use mainstay_client::{Cursor, RecordedEvent};
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::ops::Bound;

/// A promise that the node did not keep.
#[derive(Clone, Debug)]
pub(crate) enum Violation {
    /// Something is there that should not be, or the other way round.
    Wrong(String),
    /// The node says that it cannot read what it should hold.
    Unreadable(String),
}

pub(crate) type Checked<T = ()> = Result<T, Violation>;

impl Violation {
    /// The same, with where or when it happened.
    pub(crate) fn at(self, place: impl fmt::Display) -> Self {
        match self {
            Self::Wrong(text) => Self::Wrong(format!("{place}: {text}")),
            Self::Unreadable(text) => Self::Unreadable(format!("{place}: {text}")),
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Wrong(text) | Self::Unreadable(text)) = self;
        f.write_str(text)
    }
}

/// Something is wrong.
pub(crate) fn violation<T>(text: impl Into<String>) -> Checked<T> {
    Err(Violation::Wrong(text.into()))
}

/// An event, as its writer knows it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) stream: String,
    pub(crate) revision: u64,
    pub(crate) id: String,
    pub(crate) event_type: String,
    /// As JSON text.
    pub(crate) data: String,
}

impl Event {
    pub(crate) fn of(recorded: &RecordedEvent) -> Self {
        Self {
            stream: recorded.stream.clone(),
            revision: recorded.revision.0,
            id: recorded.id.clone(),
            event_type: recorded.event_type.clone(),
            data: recorded.data.as_ref().map(|data| data.get().to_owned()).unwrap_or_default(),
        }
    }
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { stream, revision, id, event_type, data } = self;
        let shown: String = data.chars().take(20).collect();
        write!(f, "{stream}@{revision} {event_type} id {id} data {shown} ({} bytes)", data.len())
    }
}

/// What a stream must hold.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Kept {
    /// The first revision that has not been removed.
    pub(crate) first: u64,
    /// The revision of the next event.
    pub(crate) next: u64,
}

/// Everything that was acknowledged.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    events: BTreeMap<String, Event>,
    streams: HashMap<String, Kept>,
}

impl Ledger {
    pub(crate) fn record(&mut self, cursor: String, event: Event) -> Checked {
        let kept = self.streams.entry(event.stream.clone()).or_default();
        kept.next = kept.next.max(event.revision + 1);
        match self.events.insert(cursor.clone(), event.clone()) {
            Some(other) => {
                violation(format!("two events were acknowledged at {cursor}: {other:?} and {event:?}"))
            }
            None => Ok(()),
        }
    }

    /// Events of the stream below this revision were removed.
    pub(crate) fn removed_before(&mut self, stream: &str, first: u64) {
        let kept = self.streams.entry(stream.to_owned()).or_default();
        kept.first = kept.first.max(first);
    }

    pub(crate) fn len(&self) -> usize {
        self.events.len()
    }

    /// The cursor of the last event.
    pub(crate) fn last(&self) -> Option<&str> {
        self.events.last_key_value().map(|(cursor, _)| cursor.as_str())
    }

    /// The cursor of an event with this many events after it, if there is one.
    pub(crate) fn before_last(&self, events: usize) -> Option<&str> {
        self.events.keys().rev().nth(events).map(String::as_str)
    }

    /// The events after one cursor and up to another, removed ones too.
    pub(crate) fn between<'a>(
        &'a self,
        after: Option<&str>,
        through: Option<&str>,
    ) -> impl Iterator<Item = (&'a str, &'a Event)> {
        let is_empty = after.zip(through).is_some_and(|(after, through)| after >= through);
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let to = through.map_or(Bound::Unbounded, Bound::Included);
        let range = (!is_empty).then(|| self.events.range::<str, _>((from, to)));
        range.into_iter().flatten().map(|(cursor, event)| (cursor.as_str(), event))
    }

    pub(crate) fn is_kept(&self, event: &Event) -> bool {
        self.streams.get(&event.stream).is_none_or(|kept| event.revision >= kept.first)
    }

    /// Reads the store after the cursor, and compares it with what it must hold.
    pub(crate) fn verify(&self, client: &Client, after: Option<&str>) -> Checked {
        let mut expected = self.between(after, None).filter(|(_, event)| self.is_kept(event));
        let read = client.read_all();
        let read = match after {
            Some(after) => read.after(Cursor(after.to_owned())),
            None => read,
        };
        for found in read.events() {
            let found =
                found.map_err(|error| Violation::Unreadable(format!("the store cannot be read: {error}")))?;
            compare(expected.next(), &found)?;
        }
        match expected.next() {
            Some((cursor, event)) => {
                let more = expected.count();
                violation(format!(
                    "lost: {event:?} was acknowledged at {cursor}, as were {more} events after it"
                ))
            }
            None => Ok(()),
        }
    }

    /// Reads every stream by itself, and the list of streams, and compares both.
    pub(crate) fn verify_streams(&self, client: &Client) -> Checked {
        let unreadable = |error| Violation::Unreadable(format!("a stream cannot be read: {error}"));
        let mut listed = HashMap::new();
        for summary in client.streams("") {
            let summary = summary.map_err(unreadable)?;
            // A stream may have settings and no events.
            if summary.revision.is_none() {
                continue;
            }
            listed.insert(summary.stream, (summary.first.map(|it| it.0), summary.revision.map(|it| it.0)));
        }
        for (stream, kept) in &self.streams {
            let is_there = kept.first < kept.next;
            let want = is_there.then(|| (Some(kept.first), Some(kept.next - 1)));
            let found = listed.remove(stream);
            if found != want {
                return violation(format!("{stream} is listed as {found:?} and should be {want:?}"));
            }
            let all = self.events.iter().map(|(cursor, event)| (cursor.as_str(), event));
            let mut expected = all.filter(|(_, event)| event.stream == *stream && self.is_kept(event));
            for found in client.read(stream).from(mainstay_client::Revision(kept.first)).events() {
                compare(expected.next(), &found.map_err(unreadable)?)?;
            }
            if let Some((cursor, event)) = expected.next() {
                return violation(format!("{stream} has lost {event:?}, acknowledged at {cursor}"));
            }
        }
        match listed.into_iter().next() {
            Some((stream, _)) => violation(format!("{stream} is listed, but nobody wrote to it")),
            None => Ok(()),
        }
    }
}

fn compare(expected: Option<(&str, &Event)>, found: &RecordedEvent) -> Checked {
    let (cursor, event) = (found.cursor.0.as_str(), Event::of(found));
    match expected {
        Some((wanted, _)) if wanted < cursor => violation(format!(
            "lost: {:?} was acknowledged at {wanted}; the next event there is {event:?} at {cursor}",
            expected
        )),
        Some((wanted, same)) if wanted == cursor && *same == event => Ok(()),
        Some((wanted, other)) if wanted == cursor => {
            violation(format!("changed: {other:?} was acknowledged at {cursor}, where {event:?} is now"))
        }
        _ => violation(format!(
            "{event:?} at {cursor} was never acknowledged, or was removed, or is there twice"
        )),
    }
}
