//! Outcomes of commands, as bodies of 200 responses.

use crate::catalogue::Code;
use crate::json::{self, write_number};
use crate::problem::Problem;
use crate::request::settings;
use crate::response::group::write_created;
use crate::response::queue::outcome::{EnqueueContext, write_enqueued, write_settled};
use model::{
    Action, Append, Appended, CreateGroup, Enqueued, Filled, Revision, Settings, Settlement, Write, Written,
};

/// Which events of a request had no id. The response contains the ids that the server generated for them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unnamed {
    None,
    All,
    Some(Box<[bool]>),
}

impl Unnamed {
    #[must_use]
    pub fn of(append: &Append<'_>) -> Self {
        let unnamed = |event: &model::NewEvent<'_>| event.filled.has(Filled::ID);
        let count = append.events.iter().filter(|event| unnamed(event)).count();
        match count {
            0 => Self::None,
            n if n == append.events.len() => Self::All,
            _ => Self::Some(append.events.iter().map(unnamed).collect()),
        }
    }

    fn has(&self, event: usize) -> bool {
        match self {
            Self::None => false,
            Self::All => true,
            Self::Some(events) => events.get(event).copied().unwrap_or(false),
        }
    }
}

/// What the response to an append needs besides its outcome.
#[derive(Clone, Debug)]
pub struct AppendContext {
    pub stream: String,
    pub unnamed: Unnamed,
}

impl AppendContext {
    #[must_use]
    pub fn of(append: &Append<'_>) -> Self {
        Self { stream: append.stream.as_str().into(), unnamed: Unnamed::of(append) }
    }
}

/// What the response to a new group needs besides the outcome.
#[derive(Clone, Debug)]
pub struct GroupContext {
    pub id: String,
    /// How many tasks it enqueues.
    pub tasks: u64,
}

impl GroupContext {
    #[must_use]
    pub fn of(create: &CreateGroup<'_>) -> Self {
        Self { id: create.group.as_str().into(), tasks: create.content.tasks().count() as u64 }
    }
}

/// What the response to a transaction needs for one write besides its outcome.
#[derive(Clone, Debug)]
pub enum WriteContext {
    Append(AppendContext),
    Enqueue(EnqueueContext),
    /// The kind of settlement.
    Settle(&'static str),
    /// The key that is completed.
    CompleteExecution(String),
    Group(GroupContext),
}

impl WriteContext {
    /// One for each write.
    #[must_use]
    pub fn of_writes(writes: &[Write<'_>]) -> Vec<Self> {
        let of_write = |write: &Write<'_>| match write {
            Write::Append(append) => Self::Append(AppendContext::of(append)),
            Write::Enqueue(enqueue) => Self::Enqueue(EnqueueContext::of(enqueue)),
            Write::Settle(settle) => {
                let completes =
                    |settlement: &Settlement<'_>| matches!(settlement.action, Action::Complete { .. });
                Self::Settle(if settle.settlements.iter().all(completes) { "complete" } else { "fail" })
            }
            Write::CompleteExecution(complete) => Self::CompleteExecution(complete.key.as_str().into()),
            Write::CreateGroup(create) => Self::Group(GroupContext::of(create)),
        };
        writes.iter().map(of_write).collect()
    }

    /// The member that names the kind of write.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Append(_) => "append",
            Self::Enqueue(_) => "enqueue",
            Self::Settle(kind) => kind,
            Self::CompleteExecution(_) => "idempotency",
            Self::Group(_) => "group",
        }
    }
}

/// Writes `{"stream":...,"revision":...,"cursor":...,"replayed":...,"events":[...]}`
pub fn write_appended(out: &mut Vec<u8>, context: &AppendContext, appended: &Appended) {
    out.extend_from_slice(b"{\"stream\":");
    json::write_text(out, &context.stream);
    if let Some(last) = appended.events.last() {
        out.extend_from_slice(b",\"revision\":");
        write_number(out, last.revision.0);
        out.extend_from_slice(b",\"cursor\":\"");
        out.extend_from_slice(&appended.cursor(*last).to_hex());
        out.push(b'"');
    }
    write_replayed(out, appended.all_replayed());
    out.extend_from_slice(b",\"events\":[");
    for (at, event) in appended.events.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        let cursor = appended.cursor(*event).to_hex();
        out.extend_from_slice(b"{\"revision\":");
        write_number(out, event.revision.0);
        out.extend_from_slice(b",\"cursor\":\"");
        out.extend_from_slice(&cursor);
        out.push(b'"');
        if context.unnamed.has(at) {
            out.extend_from_slice(b",\"id\":\"~");
            out.extend_from_slice(&cursor);
            out.push(b'"');
        }
        write_replayed(out, event.replayed);
        out.push(b'}');
    }
    out.extend_from_slice(b"]}");
}

/// Writes `{"replayed":...,"writes":[{"append":...}]}`
///
/// # Errors
/// The problem of a write that had no effect. A transaction with such a write is refused, so there is none.
pub fn write_transacted(
    out: &mut Vec<u8>,
    contexts: &[WriteContext],
    writes: &[Written],
    replayed: bool,
) -> Result<(), Box<Problem>> {
    out.extend_from_slice(b"{\"replayed\":");
    out.extend_from_slice(if replayed { b"true" } else { b"false" });
    out.extend_from_slice(b",\"writes\":[");
    for (at, (context, written)) in contexts.iter().zip(writes).enumerate() {
        out.extend_from_slice(if at > 0 { b",{\"" } else { b"{\"" });
        out.extend_from_slice(context.kind().as_bytes());
        out.extend_from_slice(b"\":");
        match (context, written) {
            (WriteContext::Append(context), Written::Appended(appended)) => {
                write_appended(out, context, appended);
            }
            (WriteContext::Enqueue(context), Written::Enqueued(enqueued)) => {
                write_tasks_enqueued(out, context, enqueued)?;
            }
            (_, Written::Settled(settled)) => {
                for settled in settled {
                    write_settled(out, *settled)?;
                }
            }
            (WriteContext::CompleteExecution(key), Written::ExecutionCompleted) => {
                out.extend_from_slice(b"{\"key\":");
                json::write_text(out, key);
                out.push(b'}');
            }
            (WriteContext::Group(context), Written::GroupCreated(created)) => {
                write_created(out, &context.id, created.group, created.replayed);
            }
            _ => return Err(Problem::new(Code::Internal, "the outcome does not belong to this write")),
        }
        out.push(b'}');
    }
    out.extend_from_slice(b"]}");
    Ok(())
}

/// Writes `{"tasks":[...]}`
fn write_tasks_enqueued(
    out: &mut Vec<u8>,
    context: &EnqueueContext,
    enqueued: &Enqueued,
) -> Result<(), Box<Problem>> {
    out.extend_from_slice(b"{\"tasks\":[");
    for (at, (task, id)) in enqueued.tasks.iter().zip(&context.ids).enumerate() {
        if at > 0 {
            out.push(b',');
        }
        write_enqueued(out, id.as_deref(), task, enqueued.slot)?;
    }
    out.extend_from_slice(b"]}");
    Ok(())
}

/// Writes the result of one line of `POST /v1/events`, with its newline.
pub fn write_line(out: &mut Vec<u8>, line: u64, stream: &str, appended: &Appended) {
    out.extend_from_slice(b"{\"line\":");
    write_number(out, line);
    out.extend_from_slice(b",\"stream\":");
    json::write_text(out, stream);
    for event in &appended.events {
        out.extend_from_slice(b",\"revision\":");
        write_number(out, event.revision.0);
        out.extend_from_slice(b",\"cursor\":\"");
        out.extend_from_slice(&appended.cursor(*event).to_hex());
        out.push(b'"');
        write_replayed(out, event.replayed);
    }
    out.extend_from_slice(b"}\n");
}

/// How many lines of a stream of lines had which result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Lines with a result. Empty lines have none.
    pub lines: u64,
    pub appended: u64,
    pub replayed: u64,
    pub refused: u64,
}

impl Summary {
    /// Writes `{"summary":{...}}`, with its newline.
    pub fn write(&self, out: &mut Vec<u8>) {
        let numbers = [
            ("{\"summary\":{\"lines\":", self.lines),
            (",\"appended\":", self.appended),
            (",\"replayed\":", self.replayed),
            (",\"refused\":", self.refused),
        ];
        for (name, number) in numbers {
            out.extend_from_slice(name.as_bytes());
            write_number(out, number);
        }
        out.extend_from_slice(b"}}\n");
    }
}

/// A stream's settings in force.
pub fn write_settings(out: &mut Vec<u8>, stream: &str, settings: &Settings) {
    out.extend_from_slice(b"{\"stream\":");
    json::write_text(out, stream);
    out.push(b',');
    settings::write(out, settings);
    out.push(b'}');
}

/// A stream was deleted; `last` is the last revision that it had.
pub fn write_deleted(out: &mut Vec<u8>, stream: &str, last: Option<Revision>) {
    out.extend_from_slice(b"{\"stream\":");
    json::write_text(out, stream);
    out.extend_from_slice(b",\"revision\":");
    write_revision(out, last);
    out.push(b'}');
}

pub(super) fn write_revision(out: &mut Vec<u8>, revision: Option<Revision>) {
    match revision {
        None => out.extend_from_slice(b"null"),
        Some(revision) => write_number(out, revision.0),
    }
}

fn write_replayed(out: &mut Vec<u8>, replayed: bool) {
    out.extend_from_slice(if replayed { b",\"replayed\":true" } else { b",\"replayed\":false" });
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{AppendedEvent, Position, Slot};

    fn place(revision: u64, replayed: bool) -> AppendedEvent {
        AppendedEvent { revision: Revision(revision), position: Position(revision + 1), replayed }
    }

    fn text(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_response_to_an_append_has_the_location_of_each_event() {
        let appended = Appended { slot: Slot(7), events: vec![place(4, true), place(5, false)] };
        let context = AppendContext { stream: "s".into(), unnamed: Unnamed::Some([false, true].into()) };
        assert_eq!(
            text(|out| write_appended(out, &context, &appended)),
            concat!(
                r#"{"stream":"s","revision":5,"cursor":"00000000000000060007","replayed":false,"events":["#,
                r#"{"revision":4,"cursor":"00000000000000050007","replayed":true},"#,
                r#"{"revision":5,"cursor":"00000000000000060007","id":"~00000000000000060007","replayed":false}]}"#
            )
        );
        assert_eq!(
            text(|out| {
                let context = WriteContext::Append(context);
                write_transacted(out, &[context], &[Written::Appended(appended)], true).unwrap();
            })[..50],
            r#"{"replayed":true,"writes":[{"append":{"stream":"s"}"#[..50]
        );
    }

    #[test]
    fn the_result_of_a_line_and_the_summary_are_lines() {
        let appended = Appended { slot: Slot(7), events: vec![place(4, true)] };
        assert_eq!(
            text(|out| write_line(out, 3, "s", &appended)),
            "{\"line\":3,\"stream\":\"s\",\"revision\":4,\"cursor\":\"00000000000000050007\",\"replayed\":true}\n"
        );
        let summary = Summary { lines: 3, appended: 1, replayed: 1, refused: 1 };
        assert_eq!(
            text(|out| summary.write(out)),
            "{\"summary\":{\"lines\":3,\"appended\":1,\"replayed\":1,\"refused\":1}}\n"
        );
    }

    #[test]
    fn what_a_deleted_stream_had_may_be_nothing() {
        assert_eq!(text(|out| write_deleted(out, "s", None)), r#"{"stream":"s","revision":null}"#);
        assert_eq!(text(|out| write_deleted(out, "s", Some(Revision(3)))), r#"{"stream":"s","revision":3}"#);
    }
}
