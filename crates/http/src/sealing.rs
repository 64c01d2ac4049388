//! Events of subjects: sealed before they are a command's, opened when they are read.
//!
//! Only a node that has keys seals. An event has a subject if it was sent with one, or if one of the node's sources gives one;
//! what the system itself appends has none. Nothing else of a command is sealed: what a queue, a value or a lease holds is as it was sent.

use crate::response::Result;
use crate::unavailable;
use api::response::stored::erased_envelope;
use api::subject::{SubjectSource, subject_of};
use api::{Code, Problem};
use format::body::BodyRecord;
use model::{Append, Command, Filled, KeyId, NewEvent, Write, is_system_name, limits};
use runtime::{Handle, ReadFailure, Unavailable};
use std::borrow::Cow;
use std::sync::Arc;
use subject_keys::{Event, KeysError, Opened, SubjectKeys};

/// The keys of a node that seals; none on one that does not. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sealing {
    keys: Option<SubjectKeys>,
    sources: Arc<[SubjectSource]>,
}

/// A stored event as its reader gets it.
#[derive(Debug)]
pub(crate) struct Readable<'a> {
    pub(crate) filled: Filled,
    pub(crate) envelope: Cow<'a, [u8]>,
}

impl Sealing {
    pub(crate) fn new(keys: Option<SubjectKeys>, sources: &[SubjectSource]) -> Self {
        Self { keys, sources: sources.into() }
    }

    pub(crate) const fn keys(&self) -> Option<&SubjectKeys> {
        self.keys.as_ref()
    }

    /// Seals what a command appends. Waits until the keys of new subjects are durable.
    ///
    /// # Errors
    /// There are too many subjects, or the file of keys has failed: then the node stops.
    pub(crate) async fn seal(
        &self,
        node: &Handle,
        mut command: Command<'static>,
    ) -> Result<Command<'static>> {
        let Some(keys) = &self.keys else { return Ok(command) };
        for append in appends_of(&mut command) {
            if is_system_name(append.stream.as_str()) {
                continue;
            }
            for event in &mut append.events {
                let stream = append.stream.as_str();
                let Some(subject) = subject_of(stream, &event.envelope, &self.sources) else { continue };
                let sealed = seal(keys, &subject, stream, event).await;
                if let Err(error) = sealed {
                    return Err(problem(node, error).await);
                }
            }
        }
        Ok(command)
    }

    /// Opens a stored event for its reader.
    ///
    /// # Errors
    /// The node must stop: the keys do not belong to the store, or the event is damaged.
    pub(crate) fn open<'a>(&self, record: &BodyRecord<'a>) -> std::result::Result<Readable<'a>, ReadFailure> {
        if record.key_id == KeyId::NONE {
            return Ok(Readable { filled: record.filled, envelope: Cow::Borrowed(record.envelope) });
        }
        let Some(keys) = &self.keys else {
            return Err(ReadFailure::Sealed("the node was started without the key of subjects".into()));
        };
        let event = Event { stream: record.stream, event_type: record.event_type, filled: record.filled };
        match keys.open_sealed(record.key_id, event, record.envelope) {
            Ok(Opened::Envelope(envelope)) => {
                Ok(Readable { filled: record.filled, envelope: Cow::Owned(envelope) })
            }
            Ok(Opened::Erased) => Ok(Readable {
                filled: Filled::ID.with(Filled::SOURCE).with(Filled::TIME),
                envelope: Cow::Owned(erased_envelope(record.event_type)),
            }),
            Err(error) => Err(ReadFailure::Sealed(error.to_string())),
        }
    }
}

/// The appends of a command, as a client sends it.
fn appends_of<'c>(command: &'c mut Command<'static>) -> Vec<&'c mut Append<'static>> {
    match command {
        Command::Append(append) => vec![append],
        Command::Transaction(transaction) => {
            let appends = transaction.writes.iter_mut().filter_map(|write| match write {
                Write::Append(append) => Some(append),
                Write::Enqueue(_)
                | Write::Settle(_)
                | Write::CompleteExecution(_)
                | Write::CreateGroup(_) => None,
            });
            appends.collect()
        }
        _ => Vec::new(),
    }
}

async fn seal(
    keys: &SubjectKeys,
    subject: &str,
    stream: &str,
    event: &mut NewEvent<'static>,
) -> std::result::Result<(), KeysError> {
    loop {
        let id = keys.of(subject).await?;
        let bound = Event { stream, event_type: &event.event_type, filled: event.filled };
        // If the subject was erased in between, it has another key now.
        if let Some((envelope, fingerprint)) = keys.seal(id, bound, &event.envelope, event.fingerprint)? {
            event.key_id = id;
            event.envelope = Cow::Owned(envelope);
            event.fingerprint = fingerprint;
            return Ok(());
        }
    }
}

/// The problem for a request whose events cannot be sealed, or whose subject cannot be erased. If the file has failed, the
/// node stops.
pub(crate) async fn problem(node: &Handle, error: KeysError) -> Box<Problem> {
    match error {
        KeysError::Full => {
            let detail =
                format!("the node has keys of {} subjects, erased ones included", limits::SUBJECTS_MAX);
            Problem::new(Code::TooManySubjects, detail).number("limit", limits::SUBJECTS_MAX.into())
        }
        KeysError::Busy => unavailable::problem(&Unavailable::Busy),
        error => {
            let failure = ReadFailure::Sealed(error.to_string());
            // A read that fails stops the node.
            let _: std::result::Result<(), _> = node.read(move |_| Err(failure)).await;
            unavailable::problem(&Unavailable::Stopping)
        }
    }
}
