//! Events about tasks that are finished.
//!
//! *If a queue's settings name a stream, each task that is done, dead, cancelled or dropped appends one event to it, in
//! the command that ends the task.* The stream need not exist. One that was deleted begins again, and its settings say what
//! it keeps. A stream that can take no more events, after 2^63 of them, never keeps a task from ending: then there is no
//! event.

use crate::heads::Stream;
use crate::json::{member, number, text};
use crate::overlay::Overlay;
use crate::queue::history::failures;
use crate::queue::payload;
use crate::queue::tally::Queue;
use crate::queue::task::{Task, part};
use crate::stream::append;
use alloc::borrow::Cow;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use format::row::TaskPart;
use model::{Cursor, Filled, Fingerprint, Identity, KeyId, NewEvent, View, ViewError};
use xxhash_rust::xxh3::xxh3_128;

/// How a task has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Done,
    Dead,
    Cancelled,
    /// It was a dead letter, and was removed on request.
    Dropped,
}

impl End {
    const fn event_type(self) -> &'static str {
        match self {
            Self::Done => "task.done",
            Self::Dead => "task.dead",
            Self::Cancelled => "task.cancelled",
            Self::Dropped => "task.dropped",
        }
    }
}

/// Appends the event of a task that has just ended, if its queue names a stream.
pub(crate) fn tell<V: View>(
    task: &Task,
    end: End,
    queue: &Queue,
    overlay: &mut Overlay<'_, '_, V>,
) -> Result<(), ViewError> {
    let Some(name) = &queue.row.settings.options.events else { return Ok(()) };
    let envelope = envelope(task, end, queue, overlay)?;
    let event = NewEvent {
        identity: Identity::Server,
        fingerprint: Fingerprint::new(xxh3_128(&envelope), 0),
        filled: Filled::ID.with(Filled::SOURCE).with(Filled::TIME),
        event_type: Cow::Borrowed(end.event_type()),
        key_id: KeyId::NONE,
        envelope: Cow::Borrowed(&envelope),
    };
    append::own(&event, &Stream::new(name).into_owned(), overlay)
}

/// The event as JSON in one line, without what is filled in when it is read.
fn envelope<V: View>(
    task: &Task,
    end: End,
    queue: &Queue,
    overlay: &Overlay<'_, '_, V>,
) -> Result<Vec<u8>, ViewError> {
    let id = match &task.row.id {
        Some(id) => id.clone(),
        None => format!("~{}", Cursor::new(task.at, queue.keys.slot)),
    };
    let mut out = String::with_capacity(256);
    out.push_str("{\"specversion\":\"1.0\"");
    member(&mut out, "type", end.event_type());
    member(&mut out, "subject", &id);
    out.push_str(",\"datacontenttype\":\"application/json\"");
    let carried = part(overlay, queue.keys, task.at, TaskPart::Envelope)?;
    for name in ["traceparent", "tracestate"] {
        if let Some(text) = payload::member(&carried, name) {
            member(&mut out, name, &text);
        }
    }
    out.push_str(",\"data\":{\"queue\":");
    text(&mut out, &queue.row.name);
    member(&mut out, "id", &id);
    member(&mut out, "type", &task.row.task_type);
    if let Some(key) = &task.row.key {
        member(&mut out, "key", key);
    }
    if let Some(tenant) = &task.row.options.fair {
        member(&mut out, "fair", tenant.as_str());
    }
    number(&mut out, "attempts", u64::from(task.row.attempts));
    match end {
        End::Done if task.row.has_result => {
            let result = part(overlay, queue.keys, task.at, TaskPart::Result)?;
            number(&mut out, "result_bytes", result.len() as u64);
        }
        End::Done => number(&mut out, "result_bytes", 0),
        End::Dead | End::Dropped => {
            if let Some(failure) = failures(overlay, queue.keys, task)?.last() {
                member(&mut out, "class", &failure.class);
            }
        }
        End::Cancelled => {}
    }
    out.push_str("}}");
    Ok(out.into_bytes())
}

#[cfg(test)]
mod tests {
    use crate::heads::Head;
    use crate::queue::tests::{Script, queue};
    use alloc::borrow::Cow;
    use alloc::format;
    use alloc::string::String;
    use alloc::vec::Vec;
    use model::{
        Action, Append, Command, DeleteStream, Expected, Outcome, Settle, Settlement, StreamName,
        Transaction, Write,
    };

    /// Type and data of each event so far.
    fn told(script: &Script) -> Vec<String> {
        let mut told = Vec::new();
        let mut rest = &script.store.bodies[..];
        while !rest.is_empty() {
            let (record, len) = format::body::decode(rest).unwrap();
            rest = &rest[len..];
            let text = core::str::from_utf8(record.envelope).unwrap();
            let (_, data) = text.split_once("\"data\":{\"queue\":\"q\",\"id\":\"").unwrap();
            assert!(
                text.starts_with(&format!("{{\"specversion\":\"1.0\",\"type\":\"{}\"", record.event_type))
            );
            let data = data.replace("\",\"type\":\"t\",", " ");
            told.push(format!("{} {}", record.event_type, data.trim_end_matches('}')));
        }
        told
    }

    #[test]
    fn each_finished_task_appends_one_event_to_the_stream_of_its_queue() {
        let done = "task.done a \"attempts\":1,\"result_bytes\":0";
        let dead = |class: &str| format!("task.dead a \"attempts\":1,\"class\":\"{class}\"");
        for (script, wanted) in [
            ("add a id a; claim 1; done a; done a; late", &[done][..]),
            (
                "add a id a key k fair x; claim 1; done a",
                &["task.done a \"key\":\"k\",\"fair\":\"x\",\"attempts\":1,\"result_bytes\":0"],
            ),
            ("add a id a; claim 1; bug a", &[&dead("E")]),
            ("set tries 1; add a id a; claim 1; tick 30000", &[&dead("worker_lost")]),
            ("add a id a until 50; tick 50", &["task.dead a \"attempts\":0,\"class\":\"deadline\""]),
            ("add a id a; cancel a; cancel a", &["task.cancelled a \"attempts\":0"]),
            ("add a id a; claim 1; cancel a; return a", &["task.cancelled a \"attempts\":1"]),
            (
                "add a id a replace u; add b id b replace u",
                &["task.cancelled a \"key\":\"u\",\"attempts\":0"],
            ),
            (
                "add a id a; claim 1; bug a; drop a; drop a",
                &[&dead("E"), "task.dropped a \"attempts\":1,\"class\":\"E\""],
            ),
            // A dead letter that is put back ends again.
            ("add a id a; claim 1; bug a; replay a; claim 1; done a", &[&dead("E"), done]),
            // What is kept long enough leaves without a word, and so does what ends when no stream is named.
            ("set keep 100; add a id a; claim 1; done a; tick 100", &[done]),
            ("set events 0; add a id a; claim 1; done a", &[]),
            ("add a id a; claim 1; fail a 50; defer a", &[]),
        ] {
            let mut run = Script::default();
            run.run("set events 1");
            run.run(script.trim_end_matches("; late"));
            assert_eq!(told(&run), wanted, "{script}");
        }
    }

    #[test]
    fn a_stream_that_was_deleted_begins_again() {
        let mut script = Script::default();
        let stream = || StreamName::new("told").unwrap();
        script.run("set events 1; add a id a; claim 1; done a");
        script
            .store
            .apply(Command::DeleteStream(DeleteStream { stream: stream(), expected: Expected::Exists }));
        script.run("add b id b; claim 1");
        assert_eq!(script.run("done b"), "Completed");
        let slot = stream().slot(model::Namespace::ROOT);
        let head = Head::load(&script.store.rows, slot, "told").unwrap().unwrap();
        assert_eq!((head.row.first.0, head.next.0, head.row.deleted), (1, 2, false));
    }

    #[test]
    fn a_stream_without_space_keeps_no_task_from_ending() {
        let mut script = Script::default();
        script.run("set events 1; add a id a; claim 1; done a");
        let stream = StreamName::new("told").unwrap();
        let slot = stream.slot(model::Namespace::ROOT);
        let key = format::row::stream_key(slot, model::Namespace::ROOT, "told");
        // As if it had had 2^63 events, of which it keeps none.
        let mut row = Head::load(&script.store.rows, slot, "told").unwrap().unwrap().row;
        let id = row.id;
        row.first = model::Revision(1 << 63);
        script.store.rows.insert(key, row.encode());
        script
            .store
            .rows
            .remove(&format::row::revision_key(slot, model::Namespace::ROOT, id, model::Revision(0))[..]);
        script.store.shard = crate::Shard::new(crate::ShardOptions::default());
        let before = told(&script).len();
        script.run("add b id b; claim 1");
        assert_eq!(script.run("done b"), "Completed");
        assert_eq!(told(&script).len(), before);
    }

    #[test]
    fn a_refused_transaction_tells_nothing() {
        let mut script = Script::default();
        script.run("set events 1; add a id a; claim 1");
        let (task, token) = (script.task("a"), script.token("a"));
        let settlements = [Settlement { task, token, action: Action::Complete { result: None } }].to_vec();
        let append = Append {
            keyed: None,
            stream: StreamName::new("other").unwrap(),
            expected: Expected::Exists,
            events: [model::NewEvent {
                identity: model::Identity::Server,
                fingerprint: model::Fingerprint(0),
                filled: model::Filled::default(),
                event_type: Cow::Borrowed("t"),
                key_id: model::KeyId::NONE,
                envelope: Cow::Borrowed(b"{}"),
            }]
            .to_vec(),
        };
        let writes = [Write::Settle(Settle { queue: queue(), settlements }), Write::Append(append)].to_vec();
        script.store.apply(Command::Transaction(Transaction { keyed: None, checks: Vec::new(), writes }));
        assert!(matches!(script.store.applied.outcomes[0], Outcome::Refused(_)));
        assert_eq!(told(&script), Vec::<String>::new());
        assert_eq!(script.run("done a"), "Completed");
        assert_eq!(told(&script).len(), 1);
    }
}
