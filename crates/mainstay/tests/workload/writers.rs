//! Writers that know what they were told. Each has streams of its own, so what must be in them follows from its
//! own acknowledgements: the writes 0, 1, 2, ... in order, and of the first one without a response either all
//! or nothing.

use super::ledger::{Checked, Event, Ledger, Violation, violation};
use mainstay_client::blocking::{Client, Pending};
use mainstay_client::{
    AppendedEvent, Error, Expected, NewEvent, RecordedEvent, Revision, Settings, Transaction, Written,
};
use seeded_rng::scatter;

/// How a writer writes. Each kind takes another path through the node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// One event a request.
    Single,
    /// Seven events a request.
    Batch,
    /// A transaction over two streams: one event in the first, two in the second.
    Transaction,
    /// One event with the expected revision.
    Expecting,
    /// Two events without ids, under an idempotency key.
    Keyed,
    /// Up to three events, in a stream that keeps ten.
    Capped,
    /// Forty events; every sixth write deletes the stream. So most events are removed soon, and their segments
    /// are due to be rewritten.
    Deleting,
}

const KINDS: [Kind; 7] = [
    Kind::Single,
    Kind::Batch,
    Kind::Transaction,
    Kind::Expecting,
    Kind::Keyed,
    Kind::Capped,
    Kind::Deleting,
];
/// What the stream of [`Kind::Capped`] keeps.
const CAP: u64 = 10;
/// Of the writes of [`Kind::Deleting`], each with a number that this divides deletes.
const DELETES_EVERY: u64 = 6;
const DELETED_EVENTS: u64 = 40;

#[derive(Debug)]
pub(crate) struct Writer {
    kind: Kind,
    name: String,
    /// Writes that were acknowledged. The next write has this number.
    acknowledged: u64,
    /// The next write was sent and had no response.
    is_unanswered: bool,
    /// The next revision of each of its streams.
    next: [u64; 2],
    /// Acknowledged, and not in the ledger yet.
    news: Vec<(String, Event)>,
}

/// What one write sends. It follows from the writer's name and the write's number, so a retry is identical.
enum Write {
    Append(Vec<Part>),
    Keep,
    Delete,
}

/// The part of a write that one stream receives.
struct Part {
    stream: String,
    events: Vec<Planned>,
}

struct Planned {
    id: Option<String>,
    event_type: String,
    data: String,
}

/// The response to a write.
struct Response {
    /// The events of each part.
    parts: Vec<Vec<AppendedEvent>>,
    replayed: bool,
}

impl Writer {
    /// This many writers of each kind.
    pub(crate) fn each(count: u32) -> Vec<Self> {
        let of = |kind| {
            (0..count).map(move |number| Self {
                kind,
                name: format!("{kind:?}-{number}").to_lowercase(),
                acknowledged: 0,
                is_unanswered: false,
                next: [0; 2],
                news: Vec::new(),
            })
        };
        KINDS.into_iter().flat_map(of).collect()
    }

    fn plan(&self) -> Write {
        let write = self.acknowledged;
        match self.kind {
            Kind::Single | Kind::Expecting => self.append(&[("", 1)]),
            Kind::Batch => self.append(&[("", 7)]),
            Kind::Transaction => self.append(&[("-a", 1), ("-b", 2)]),
            Kind::Keyed => self.append(&[("", 2)]),
            Kind::Capped if write == 0 => Write::Keep,
            Kind::Capped => self.append(&[("", write % 3 + 1)]),
            Kind::Deleting if write % DELETES_EVERY == DELETES_EVERY - 1 => Write::Delete,
            Kind::Deleting => self.append(&[("", DELETED_EVENTS)]),
        }
    }

    fn append(&self, parts: &[(&str, u64)]) -> Write {
        let part = |(suffix, events): &(&str, u64)| Part {
            stream: format!("{}{suffix}", self.name),
            events: (0..*events).map(|event| self.planned(event)).collect(),
        };
        Write::Append(parts.iter().map(part).collect())
    }

    fn planned(&self, event: u64) -> Planned {
        let write = self.acknowledged;
        let name = self.name.bytes().fold(0, |sum: u64, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
        let drawn = scatter(name ^ (write << 8) ^ event);
        let length = match self.kind {
            Kind::Capped => drawn % 40_000,
            Kind::Deleting => drawn % 200,
            // Some are longer than a block of any file.
            _ if drawn.is_multiple_of(16) => drawn % 20_000,
            _ => drawn % 500,
        };
        Planned {
            id: (self.kind != Kind::Keyed).then(|| format!("{write}.{event}")),
            event_type: format!("t{}", write % 3),
            data: format!("{drawn:x}-{}", "x".repeat(length as usize)),
        }
    }

    fn send(&self, client: &Client, write: &Write) -> Result<Response, Error> {
        let nothing = Response { parts: Vec::new(), replayed: false };
        match write {
            Write::Append(parts) => match parts.as_slice() {
                [one] => {
                    let append = client.append(&one.stream, new_events(one)).expected(self.expected());
                    let append = match self.kind {
                        Kind::Keyed => append.idempotency_key(format!("{}-{}", self.name, self.acknowledged)),
                        _ => append,
                    };
                    let appended = append.send()?;
                    let replayed = appended.all_replayed();
                    Ok(Response { parts: vec![appended.events], replayed })
                }
                parts => {
                    let add = |transaction: Pending<Transaction>, part: &Part| {
                        transaction.append(&part.stream, Expected::Any, new_events(part))
                    };
                    let committed = parts.iter().fold(client.transaction(), add).send()?;
                    let events = committed.writes.into_iter().map(|written| match written {
                        Written::Appended(appended) => appended.events,
                        other => panic!("a write of another kind: {other:?}"),
                    });
                    Ok(Response { parts: events.collect(), replayed: committed.replayed })
                }
            },
            Write::Keep => {
                client.put_settings(&self.name, &Settings::default().max_count(CAP)).map(|()| nothing)
            }
            Write::Delete => client.delete(&self.name, Expected::Any).map(|()| nothing),
        }
    }

    fn expected(&self) -> Expected {
        match (self.kind, self.next[0].checked_sub(1)) {
            (Kind::Expecting, Some(last)) => Expected::Revision(Revision(last)),
            (Kind::Expecting, None) => Expected::None,
            _ => Expected::Any,
        }
    }

    /// Notes what the response says, which must follow from what the writer knows.
    fn acknowledge(&mut self, write: &Write, response: &Response) -> Checked {
        if let Write::Append(parts) = write {
            if response.parts.len() != parts.len() {
                return violation(format!("{}: {} parts in a response", self.name, response.parts.len()));
            }
            for (index, (part, appended)) in parts.iter().zip(&response.parts).enumerate() {
                let first = self.next[index];
                self.next[index] += part.events.len() as u64;
                let revisions: Vec<u64> = appended.iter().map(|event| event.revision.0).collect();
                if revisions != (first..self.next[index]).collect::<Vec<_>>() {
                    let number = self.acknowledged;
                    return violation(format!(
                        "lost or doubled: write {number} to {} has revisions {revisions:?}, and its first is {first}",
                        part.stream
                    ));
                }
                let events = part.events.iter().zip(appended).map(|(planned, appended)| {
                    (appended.cursor.0.clone(), planned.recorded(&part.stream, appended))
                });
                self.news.extend(events);
            }
        }
        self.acknowledged += 1;
        self.is_unanswered = false;
        Ok(())
    }

    /// Writes until a response does not come, or says that the node cannot do it now.
    pub(crate) fn write_until_it_breaks(&mut self, client: &Client) -> Checked {
        loop {
            let write = self.plan();
            match self.send(client, &write) {
                Ok(response) if response.replayed => {
                    let number = self.acknowledged;
                    return violation(format!("{}: write {number} was there before it was sent", self.name));
                }
                Ok(response) => self.acknowledge(&write, &response)?,
                Err(error) if error.is_retryable() || error.is_outcome_unknown() => {
                    self.is_unanswered = true;
                    return Ok(());
                }
                Err(error) => return violation(format!("{}: {error}", self.name)),
            }
        }
    }

    /// If the last write had no response, finds out whether it took effect, and sends it again, which must
    /// agree. Returns whether it had taken effect.
    pub(crate) fn settle(&mut self, client: &Client) -> Checked<bool> {
        if !self.is_unanswered {
            return Ok(false);
        }
        let write = self.plan();
        let found = self.effect(client, &write)?;
        let response = self.send(client, &write);
        let response = response.map_err(|error| {
            Violation::Unreadable(format!("{}: a retry after the restart: {error}", self.name))
        })?;
        if let Write::Append(_) = write {
            if response.replayed == found.is_none() {
                let number = self.acknowledged;
                return violation(format!(
                    "{}: write {number} had {} effect, but its retry is {}a replay",
                    self.name,
                    if found.is_some() { "an" } else { "no" },
                    if response.replayed { "" } else { "not " },
                ));
            }
            let located = |events: &[Vec<RecordedEvent>]| -> Vec<String> {
                events.iter().flatten().map(|event| event.cursor.0.clone()).collect()
            };
            let told: Vec<String> =
                response.parts.iter().flatten().map(|event| event.cursor.0.clone()).collect();
            if found.as_deref().is_some_and(|found| located(found) != told) {
                return violation(format!("{}: a replay names other cursors: {told:?}", self.name));
            }
        }
        self.acknowledge(&write, &response)?;
        Ok(found.is_some())
    }

    /// The events of a write that had no response: of all its parts, or `None`.
    fn effect(&self, client: &Client, write: &Write) -> Checked<Option<Vec<Vec<RecordedEvent>>>> {
        let parts = match write {
            Write::Append(parts) => parts.as_slice(),
            Write::Keep | Write::Delete => &[],
        };
        let mut found = Vec::new();
        for (index, part) in parts.iter().enumerate() {
            let read = client.read(&part.stream).from(Revision(self.next[index])).events();
            let events: Vec<RecordedEvent> = read
                .collect::<Result<_, _>>()
                .map_err(|error| Violation::Unreadable(format!("{} cannot be read: {error}", part.stream)))?;
            let is_whole = events.len() == part.events.len()
                && events.iter().zip(&part.events).all(|(event, planned)| planned.is(event));
            if !is_whole && !events.is_empty() {
                return violation(format!("{}: write {} is there in part", part.stream, self.acknowledged));
            }
            found.extend(is_whole.then_some(events));
        }
        match found.len() {
            0 => Ok(None),
            count if count == parts.len() => Ok(Some(found)),
            _ => violation(format!("{}: transaction {} is there in part", self.name, self.acknowledged)),
        }
    }

    /// Moves what was acknowledged into the ledger.
    pub(crate) fn report(&mut self, ledger: &mut Ledger) -> Checked {
        for (cursor, event) in self.news.drain(..) {
            ledger.record(cursor, event)?;
        }
        match self.kind {
            Kind::Capped => ledger.removed_before(&self.name, self.next[0].saturating_sub(CAP)),
            // The last deletion was before the events of the writes since.
            Kind::Deleting => {
                let since = self.acknowledged % DELETES_EVERY * DELETED_EVENTS;
                ledger.removed_before(&self.name, self.next[0] - since);
            }
            _ => {}
        }
        Ok(())
    }
}

fn new_events(part: &Part) -> Vec<NewEvent> {
    let new = |planned: &Planned| {
        let event = NewEvent::new(&planned.event_type).data(&planned.data).unwrap();
        match &planned.id {
            Some(id) => event.source("/workload").id(id),
            None => event,
        }
    };
    part.events.iter().map(new).collect()
}

impl Planned {
    fn recorded(&self, stream: &str, appended: &AppendedEvent) -> Event {
        Event {
            stream: stream.to_owned(),
            revision: appended.revision.0,
            id: self.id.clone().unwrap_or_else(|| appended.id.clone()),
            event_type: self.event_type.clone(),
            data: format!("\"{}\"", self.data),
        }
    }

    /// Whether the event is this one.
    fn is(&self, event: &RecordedEvent) -> bool {
        let data = event.data.as_ref().map(|data| data.get().trim_matches('"'));
        self.id.as_ref().is_none_or(|id| *id == event.id)
            && self.event_type == event.event_type
            && data == Some(&self.data)
    }
}
