//! Idempotency keys (draft-ietf-httpapi-idempotency-key-header): the client's name for one intended effect, and the
//! fingerprint of what it was used for.

use crate::catalogue::Code;
use crate::problem::{Problem, Result};
use model::{
    Action, Append, Check, CompleteExecution, CreateGroup, Enqueue, Expected, Fingerprint, Identity, KeyHash,
    Keyed, Namespace, NewTask, PutValue, ScheduleName, Settle, Settlement, Slot, Write, limits, slot_of,
};
use std::borrow::Cow;
use xxhash_rust::xxh3::{xxh3_64, xxh3_128};

/// The caller. There is one for all requests until there is access control.
const CALLER: u32 = 0;

/// A key as the client named it, without quotes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key<'a>(Cow<'a, str>);

impl<'a> Key<'a> {
    /// Parses a quoted String of RFC 9651, as the draft specifies, or bare text, as most clients send it.
    pub(super) fn parse(value: &'a str) -> Result<Self> {
        let key = match value.strip_prefix('"') {
            None => Some(Cow::Borrowed(value)),
            Some(inner) => unquote(inner).map(Cow::Owned),
        };
        let usable = key.filter(|key| {
            (1..=limits::IDEMPOTENCY_KEY_BYTES_MAX).contains(&key.len())
                && key.bytes().all(|b| matches!(b, b' '..=b'~'))
        });
        usable.map(Self).ok_or_else(|| {
            let detail = format!(
                "an idempotency key must have 1 to {} visible ASCII characters, with or without quotes",
                limits::IDEMPOTENCY_KEY_BYTES_MAX
            );
            Problem::new(Code::InvalidHeader, detail).header("idempotency-key")
        })
    }

    /// For an append to one stream. The record is kept with the stream.
    pub(super) fn for_append(&self, append: &Append<'_>) -> Keyed {
        let route = format!("/v1/streams/{}/events", append.stream);
        let mut request = Request::default();
        request.add_append(append);
        self.keyed("POST", &route, &request, append.stream.slot(Namespace::ROOT))
    }

    /// For a transaction. The record is kept in the slot of the key.
    pub(super) fn for_transaction(&self, checks: &[Check<'_>], writes: &[Write<'_>]) -> Keyed {
        let mut request = Request::default();
        for check in checks {
            request.add_check(check);
        }
        // Separates the checks from the preconditions of the writes.
        request.precondition.push(0xff);
        for write in writes {
            match write {
                Write::Append(append) => request.add_append(append),
                Write::Enqueue(enqueue) => request.add_enqueue(enqueue),
                Write::Settle(settle) => request.add_settle(settle),
                Write::CompleteExecution(complete) => request.add_complete(complete),
                Write::CreateGroup(create) => request.add_group(create),
            }
        }
        self.keyed("POST", "/v1/transactions", &request, slot_of(Namespace::ROOT, &self.0))
    }

    /// For a write of a value.
    pub(super) fn for_value(&self, put: &PutValue<'_>) -> Keyed {
        let route = format!("/v1/values/{}", put.value);
        let mut request = Request::default();
        add_expected(&mut request.precondition, put.expected);
        add_text(&mut request.content, &put.content_type);
        request.content.extend_from_slice(&put.content);
        self.keyed("PUT", &route, &request, put.value.slot(Namespace::ROOT))
    }

    /// For tasks of one queue. The record is kept with the queue.
    pub(super) fn for_tasks(&self, queue: &str, tasks: &[NewTask<'_>], slot: Slot) -> Keyed {
        let mut request = Request::default();
        request.add_tasks(tasks);
        self.keyed("POST", &format!("/v1/queues/{queue}/tasks"), &request, slot)
    }

    /// For a request that enqueues a schedule's tasks. The record is kept with the schedule.
    pub(super) fn for_schedule(&self, schedule: &ScheduleName<'_>, verb: &str, content: &[u8]) -> Keyed {
        let request = Request { content: content.to_owned(), ..Request::default() };
        let route = format!("/v1/schedules/{schedule}/{verb}");
        self.keyed("POST", &route, &request, schedule.slot(Namespace::ROOT))
    }

    fn keyed(&self, method: &str, route: &str, request: &Request, slot: Slot) -> Keyed {
        let mut scope = CALLER.to_le_bytes().to_vec();
        add_text(&mut scope, method);
        add_text(&mut scope, route);
        add_text(&mut scope, &self.0);
        Keyed { key: KeyHash(xxh3_128(&scope)), fingerprint: request.fingerprint(), slot }
    }
}

fn unquote(inner: &str) -> Option<String> {
    let mut out = String::with_capacity(inner.len());
    let mut characters = inner.chars();
    loop {
        match characters.next()? {
            '"' => return characters.next().is_none().then_some(out),
            '\\' => out.push(characters.next().filter(|c| matches!(c, '"' | '\\'))?),
            character => out.push(character),
        }
    }
}

/// What was asked under a key, as the bytes that its fingerprint covers.
#[derive(Debug, Default)]
struct Request {
    content: Vec<u8>,
    /// Kept apart, so that a conflict can say that only the precondition differs.
    precondition: Vec<u8>,
}

impl Request {
    fn add_check(&mut self, check: &Check<'_>) {
        // No text is this long: it parts these kinds from the first one.
        const KIND: [u8; 4] = [0xff; 4];
        let out = &mut self.precondition;
        match check {
            Check::Stream { stream, expected } => {
                add_text(out, stream.as_str());
                add_expected(out, *expected);
            }
            Check::Lease { lease, token } => {
                out.extend_from_slice(&KIND);
                out.push(2);
                add_text(out, lease.as_str());
                out.extend_from_slice(&token.to_hex());
            }
            Check::Value { value, expected } => {
                out.extend_from_slice(&KIND);
                out.push(3);
                add_text(out, value.as_str());
                add_expected(out, *expected);
            }
            Check::Execution { key, token } => {
                out.extend_from_slice(&KIND);
                out.push(4);
                add_text(out, key.as_str());
                out.extend_from_slice(&token.to_hex());
            }
        }
    }

    fn add_append(&mut self, append: &Append<'_>) {
        add_expected(&mut self.precondition, append.expected);
        let content = &mut self.content;
        add_text(content, append.stream.as_str());
        content.extend_from_slice(&(append.events.len() as u32).to_le_bytes());
        for event in &append.events {
            let id = match event.identity {
                Identity::Client(id) | Identity::Echo { id, .. } => id.0,
                Identity::Server => 0,
            };
            content.extend_from_slice(&id.to_le_bytes());
            content.extend_from_slice(&event.fingerprint.0.to_le_bytes());
        }
    }

    fn add_tasks(&mut self, tasks: &[NewTask<'_>]) {
        let content = &mut self.content;
        content.extend_from_slice(&(tasks.len() as u32).to_le_bytes());
        for task in tasks {
            add_text(content, task.id.as_deref().unwrap_or_default());
            content.extend_from_slice(&task.fingerprint.0.to_le_bytes());
        }
    }

    /// As a write of a transaction. No stream has an empty name, so this is never an append's.
    fn add_enqueue(&mut self, enqueue: &Enqueue<'_>) {
        add_text(&mut self.content, "");
        add_text(&mut self.content, "enqueue");
        add_text(&mut self.content, enqueue.queue.as_str());
        self.add_tasks(&enqueue.tasks);
    }

    /// As a write of a transaction. The token identifies the task.
    fn add_settle(&mut self, settle: &Settle<'_>) {
        for Settlement { token, action, .. } in &settle.settlements {
            let (kind, carried): (_, &[u8]) = match action {
                Action::Heartbeat { progress } => ("heartbeat", progress.as_deref().unwrap_or_default()),
                Action::Complete { result } => ("complete", result.as_deref().unwrap_or_default()),
                Action::Fail(failure) => ("fail", failure.class.as_bytes()),
                Action::Defer { .. } => ("defer", b""),
                Action::Return => ("return", b""),
                Action::Throttle(throttle) => ("throttle", throttle.limit.as_str().as_bytes()),
            };
            add_text(&mut self.content, "");
            add_text(&mut self.content, kind);
            add_text(&mut self.content, settle.queue.as_str());
            self.content.extend_from_slice(&token.0.to_le_bytes());
            self.content.extend_from_slice(&(carried.len() as u32).to_le_bytes());
            self.content.extend_from_slice(carried);
        }
    }

    /// As a write of a transaction. The token identifies the execution.
    fn add_complete(&mut self, complete: &CompleteExecution<'_>) {
        add_text(&mut self.content, "");
        add_text(&mut self.content, "idempotency");
        add_text(&mut self.content, complete.key.as_str());
        self.content.extend_from_slice(&complete.token.to_hex());
        self.content.extend_from_slice(&(complete.response.len() as u32).to_le_bytes());
        self.content.extend_from_slice(&complete.response);
    }

    /// As a write of a transaction. The group's fingerprint covers its tasks.
    fn add_group(&mut self, create: &CreateGroup<'_>) {
        add_text(&mut self.content, "");
        add_text(&mut self.content, "group");
        add_text(&mut self.content, create.group.as_str());
        self.content.extend_from_slice(&create.fingerprint.0.to_le_bytes());
    }

    fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of_request(xxh3_64(&self.content), xxh3_64(&self.precondition))
    }
}

fn add_expected(out: &mut Vec<u8>, expected: Expected) {
    match expected {
        Expected::Any => out.push(0),
        Expected::None => out.push(1),
        Expected::Exists => out.push(2),
        Expected::Revision(revision) => {
            out.push(3);
            out.extend_from_slice(&revision.0.to_le_bytes());
        }
    }
}

fn add_text(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(&(text.len() as u32).to_le_bytes());
    out.extend_from_slice(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{KeyDifference, NewEvent, StreamName};
    use std::borrow::Cow;

    #[test]
    fn keys_may_have_quotes() {
        let long = "k".repeat(256);
        for (value, want) in [
            ("abc", Some("abc")),
            ("\"abc\"", Some("abc")),
            ("\"a\\\"b\\\\\"", Some("a\"b\\")),
            ("a b", Some("a b")),
            (&long[1..], Some(&long[1..])),
            (&long, None),
            ("", None),
            ("\"\"", None),
            ("\"abc", None),
            ("\"abc\" x", None),
            ("\"a\\n\"", None),
        ] {
            assert_eq!(Key::parse(value).ok().map(|key| key.0), want.map(Cow::Borrowed), "{value}");
        }
    }

    fn append(stream: &str, expected: Expected) -> Append<'_> {
        Append { keyed: None, stream: StreamName::new(stream).unwrap(), expected, events: Vec::new() }
    }

    #[test]
    fn a_key_s_scope_is_the_route_and_its_fingerprint_the_command() {
        let key = Key::parse("k").unwrap();
        let first = key.for_append(&append("a", Expected::Any));
        assert_eq!(first, Key::parse("\"k\"").unwrap().for_append(&append("a", Expected::Any)));
        let conditional = key.for_append(&append("a", Expected::None));
        assert_eq!(conditional.key, first.key);
        let difference = first.fingerprint.request_difference(conditional.fingerprint);
        assert_eq!(difference, Some(KeyDifference::Precondition));
        assert_ne!(key.for_append(&append("b", Expected::Any)).key, first.key);
        assert_ne!(key.for_transaction(&[], &[]).key, first.key);
    }

    #[test]
    fn content_and_preconditions_have_their_own_halves() {
        let key = Key::parse("k").unwrap();
        let with_event = |mut append: Append<'static>| {
            append.events.push(NewEvent {
                identity: Identity::Server,
                fingerprint: Fingerprint(1),
                filled: model::Filled::ID,
                event_type: Cow::Borrowed("t"),
                key_id: model::KeyId::NONE,
                envelope: Cow::Borrowed(b"{}"),
            });
            append
        };
        let check = |expected| Check::Stream { stream: StreamName::new("c").unwrap(), expected };
        let first =
            key.for_transaction(&[check(Expected::Any)], &[Write::Append(append("a", Expected::Any))]);
        for (checks, write, want) in [
            (vec![check(Expected::Any)], append("a", Expected::Any), None),
            (vec![check(Expected::None)], append("a", Expected::Any), Some(KeyDifference::Precondition)),
            (vec![], append("a", Expected::Any), Some(KeyDifference::Precondition)),
            (vec![check(Expected::Any)], append("a", Expected::Exists), Some(KeyDifference::Precondition)),
            (vec![check(Expected::Any)], append("b", Expected::Any), Some(KeyDifference::Content)),
            (
                vec![check(Expected::Any)],
                with_event(append("a", Expected::Any)),
                Some(KeyDifference::Content),
            ),
            (vec![], append("b", Expected::None), Some(KeyDifference::Content)),
        ] {
            let other = key.for_transaction(&checks, &[Write::Append(write)]);
            assert_eq!(first.fingerprint.request_difference(other.fingerprint), want, "{checks:?}");
        }
    }

    /// Stored records depend on these, so they never change.
    #[test]
    fn hashes_are_those_of_every_earlier_version() {
        let keyed = Key::parse("k").unwrap().for_append(&append("a", Expected::Exists));
        assert_eq!(
            (keyed.key, keyed.fingerprint),
            (
                KeyHash(306_376_609_186_190_637_739_548_815_881_730_196_150),
                Fingerprint(202_137_403_124_269_631_162_658_097_384_654_102_527)
            )
        );
    }
}
