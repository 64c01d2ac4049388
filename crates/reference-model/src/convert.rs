//! Commands and outcomes in the words of the model.

use crate::{Append, Ask, EventRef, Expect, Id, Keep, Key, Sent, Simple, SimpleOutcome};
use model::{
    Appended, Check, Command, Expected, Fingerprint, Identity, Keyed, NewEvent, Outcome, Refusal, Write,
};

/// The lowest bits of a fingerprint hold the time that was sent.
const TIME_BITS: u32 = 48;

impl Simple {
    /// What a command asks for. Streams that were never seen get a number.
    pub fn ask_of(&mut self, command: &Command<'_>) -> Ask {
        if let Some(ask) = self.queue_ask_of(command) {
            return Ask::Queue(ask);
        }
        match command {
            Command::Append(append) => Ask::Append(append.keyed.as_ref().map(key), self.append_of(append)),
            Command::Transaction(transaction) => {
                let check = |check: &Check<'_>| match check {
                    Check::Stream { stream, expected } => (self.stream(stream.as_str()), expect(*expected)),
                };
                let checks = transaction.checks.iter().map(check).collect();
                let write = |write: &Write<'_>| match write {
                    Write::Append(append) => self.append_of(append),
                };
                let writes = transaction.writes.iter().map(write).collect();
                Ask::Transaction(transaction.keyed.as_ref().map(key), checks, writes)
            }
            Command::PutSettings(put) => {
                let keep = Keep {
                    age_ms: put.settings.max_age_ms,
                    count: put.settings.max_count,
                    truncate_before: put.settings.truncate_before.map(|revision| revision.0),
                };
                Ask::Keep(self.stream(put.stream.as_str()), keep)
            }
            Command::DeleteStream(delete) => {
                Ask::Delete(self.stream(delete.stream.as_str()), expect(delete.expected))
            }
            Command::ExpireEvents(expire) => Ask::Expire(self.stream(expire.stream.as_str())),
            Command::CleanUp(_) => Ask::CleanUp,
            Command::ExpireRecords(_) => Ask::ExpireRecords,
            Command::PutQueue(_)
            | Command::Enqueue(_)
            | Command::Claim(_)
            | Command::Settle(_)
            | Command::CancelTask(_)
            | Command::SettleDeadLetter(_)
            | Command::AdvanceTasks(_) => unreachable!("{command:?} is about a queue"),
        }
    }

    fn append_of(&mut self, append: &model::Append<'_>) -> Append {
        Append {
            stream: self.stream(append.stream.as_str()),
            expect: expect(append.expected),
            events: append.events.iter().map(Sent::of).collect(),
        }
    }
}

impl Sent {
    /// What the model knows of an event.
    #[must_use]
    pub fn of(event: &NewEvent<'_>) -> Self {
        let id = match event.identity {
            Identity::Client(id) => Id::Client(id.0),
            Identity::Server => Id::Server,
            Identity::Echo { id, cursor } => {
                Id::Echo { id: id.0, position: cursor.position.0, slot: cursor.slot.0 }
            }
        };
        let Fingerprint(fingerprint) = event.fingerprint;
        let time = fingerprint & ((1 << TIME_BITS) - 1);
        Self { id, content: fingerprint >> TIME_BITS, time: time as u64 }
    }

    /// The fingerprint of such an event.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::new(self.content << TIME_BITS, self.time)
    }
}

impl From<&Outcome> for SimpleOutcome {
    fn from(outcome: &Outcome) -> Self {
        match outcome {
            Outcome::Appended(appended) => {
                let (slot, event_refs) = event_refs(appended);
                Self::Appended(slot, event_refs)
            }
            Outcome::Transacted { replayed, writes } => {
                Self::Transacted { replayed: *replayed, writes: writes.iter().map(event_refs).collect() }
            }
            Outcome::SettingsPut => Self::SettingsPut,
            Outcome::StreamDeleted { last } => Self::Deleted(last.map(|last| last.0)),
            Outcome::Progressed { .. } => Self::Progressed,
            Outcome::QueuePut => Self::QueuePut,
            Outcome::Enqueued(enqueued) => Self::Enqueued(enqueued.slot.0, enqueued.tasks.clone()),
            Outcome::Claimed(claimed) => Self::Claimed(claimed.clone()),
            Outcome::Settled(settled) => Self::Settled(settled.clone()),
            Outcome::TaskCancelled(state) => Self::TaskCancelled(*state),
            Outcome::DeadLetterSettled => Self::DeadLetterSettled,
            Outcome::Refused(refusal) => match *refusal {
                Refusal::WrongRevision { part, current } => {
                    Self::WrongRevision { part: part as usize, current: current.map(|current| current.0) }
                }
                Refusal::EventConflict { write, event, revision } => Self::EventConflict {
                    write: write as usize,
                    event: event as usize,
                    revision: revision.map(|revision| revision.0),
                },
                Refusal::KeyConflict { differs } => Self::KeyConflict { differs },
                Refusal::TruncateBeyondEnd { next } => Self::TruncateBeyondEnd(next.0),
                Refusal::Unsupported => Self::Unsupported,
                Refusal::KeysFull | Refusal::StreamFull => Self::Full,
                Refusal::QueueFull { backlog_max } => Self::QueueFull(backlog_max),
                Refusal::TooManyTypes { task } => Self::TooManyTypes(task as usize),
                Refusal::NoTask => Self::NoTask,
                Refusal::WrongTaskState { state } => Self::WrongTaskState(state),
            },
        }
    }
}

fn event_refs(appended: &Appended) -> (u16, Vec<EventRef>) {
    let event_ref = |event: &model::AppendedEvent| EventRef {
        revision: event.revision.0,
        position: event.position.0,
        replayed: event.replayed,
    };
    (appended.slot.0, appended.events.iter().map(event_ref).collect())
}

pub(crate) fn key(keyed: &Keyed) -> Key {
    Key { key: keyed.key.0, request: keyed.fingerprint.0, slot: keyed.slot.0 }
}

fn expect(expected: Expected) -> Expect {
    match expected {
        Expected::Any => Expect::Any,
        Expected::None => Expect::None,
        Expected::Exists => Expect::Exists,
        Expected::Revision(revision) => Expect::Revision(revision.0),
    }
}
