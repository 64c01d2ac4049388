//! `POST /v1/queues/{queue}/tasks`: one task as a JSON object, or a batch as NDJSON.
//!
//! A task's envelope is what the server stores and sends again: the members as they came, without the `id`. The
//! fingerprint covers the same members, apart from the trace context, which differs between two attempts, and with
//! `delay` instead of the time that it leads to. It is stored, so its input never changes. The tests contain golden
//! values.

use super::{required, slot_of, too_large};
use crate::catalogue::Code;
use crate::event::base64_len;
use crate::json::{self, Reader, Value};
use crate::media;
use crate::problem::{Problem, Result};
use crate::request::append::split_lines;
use crate::request::head::Head;
use crate::request::key::Key;
use crate::request::object::{
    Known, invalid, read_duration_in, read_label, read_labels, read_number_in, read_object, read_one_line,
    read_optional_text,
};
use crate::time::{self, Moment, write_wall};
use crate::trace::Trace;
use http::HeaderMap;
use model::{
    Enqueue, Fingerprint, GiveUp, NewTask, QueueName, TaskOptions, TenantName, Unique, UniqueMode, Wall,
    limits,
};
use std::borrow::Cow;
use std::ops::RangeInclusive;
use xxhash_rust::xxh3::Xxh3Default;

pub(in crate::request) const MEMBERS: &str = "`id`, `type`, `payload` or `payload_base64`, `run_after` or `delay`, `priority`, `key`, \
    `fair`, `unique`, `deadline`, `claim_timeout`, `retry`, `tags`, `traceparent` and `tracestate`";

/// The form of a body with tasks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    One,
    Lines,
}

/// The head of the request: everything that can be refused before the body arrives.
#[derive(Debug)]
pub struct TasksHead<'a> {
    pub form: Form,
    key: Option<Key<'a>>,
    trace: Option<Trace>,
}

impl<'a> TasksHead<'a> {
    /// # Errors
    /// The problem with the request.
    pub fn of(headers: &'a HeaderMap) -> Result<Self> {
        let head = Head::read(headers)?;
        let form = if media::is_lines(head.content_type) {
            media::check_lines(head.content_type)?;
            Form::Lines
        } else {
            media::check_json(head.content_type)?;
            Form::One
        };
        Ok(Self { form, key: head.key()?, trace: head.trace() })
    }

    /// Reads the body. `now` is the node's time of day, from which a `delay` counts.
    ///
    /// # Errors
    /// The problem with the request, which then has no effect.
    pub fn read(&self, queue: QueueName<'_>, body: &[u8], now: Wall) -> Result<Enqueue<'static>> {
        let tasks = match self.form {
            Form::One => vec![self.task(body, now)?],
            Form::Lines => self.lines(body, now)?,
        };
        let slot = slot_of(&queue);
        let keyed = self.key.as_ref().map(|key| key.for_tasks(queue.as_str(), &tasks, slot));
        Ok(Enqueue { keyed, queue: queue.into_owned(), tasks })
    }

    fn lines(&self, body: &[u8], now: Wall) -> Result<Vec<NewTask<'static>>> {
        let mut tasks = Vec::new();
        for (number, line) in (1..).zip(split_lines(body)) {
            if line.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            if tasks.len() == limits::TASK_BATCH_MAX {
                let detail = format!("the request has more than {} tasks", limits::TASK_BATCH_MAX);
                let problem = Problem::new(Code::TooManyItems, detail).line(number);
                return Err(problem.number("limit", limits::TASK_BATCH_MAX as u64));
            }
            tasks.push(self.task(line, now).map_err(|problem| problem.line(number))?);
        }
        if tasks.is_empty() {
            return Err(Problem::new(Code::EmptyBatch, "the body contains no tasks"));
        }
        Ok(tasks)
    }

    fn task(&self, text: &[u8], now: Wall) -> Result<NewTask<'static>> {
        let mut reader = Reader::new(text)?;
        let sent = Sent::read(&mut reader)?;
        reader.end()?;
        sent.into_task(self.trace.as_ref(), now)
    }
}

/// A task as it was sent.
#[derive(Debug, Default)]
pub(in crate::request) struct Sent<'a> {
    id: Option<Cow<'a, str>>,
    task_type: Option<Cow<'a, str>>,
    payload: Payload<'a>,
    run_after: Option<Wall>,
    delay_ms: Option<u64>,
    priority: Option<u64>,
    key: Option<Cow<'a, str>>,
    fair: Option<TenantName<'a>>,
    claim_ms: Option<u64>,
    retry: Option<Retry>,
    unique: Option<Unique<'a>>,
    deadline: Option<Wall>,
    tags: Vec<Cow<'a, str>>,
    traceparent: Option<Cow<'a, str>>,
    tracestate: Option<Cow<'a, str>>,
}

#[derive(Debug, Default)]
enum Payload<'a> {
    #[default]
    None,
    Json(Cow<'a, [u8]>),
    Base64(&'a str),
}

impl<'a> Sent<'a> {
    pub(in crate::request) fn read(reader: &mut Reader<'a>) -> Result<Self> {
        Self::read_with(reader, MEMBERS, |_, _| Ok(Known::No))
    }

    /// Reads a task that has other members too, which `other` reads.
    pub(in crate::request) fn read_with(
        reader: &mut Reader<'a>,
        known: &str,
        mut other: impl FnMut(&str, &mut Reader<'a>) -> Result<Known>,
    ) -> Result<Self> {
        let mut sent = Self::default();
        read_object(reader, known, |name, reader| {
            match name {
                "id" => sent.id = read_id(reader)?,
                "type" => sent.task_type = read_label(reader)?,
                "payload" | "payload_base64" => sent.read_payload(name, reader)?,
                "run_after" => sent.run_after = read_time(reader)?,
                "delay" => sent.delay_ms = read_duration_in(reader, 0..=limits::TASK_DELAY_MS_MAX)?,
                "priority" => sent.priority = read_number_in(reader, 0..=limits::PRIORITY_MAX.into())?,
                "key" => sent.key = read_label(reader)?,
                "fair" => sent.fair = read_tenant(reader)?,
                "unique" => sent.unique = unique::read(reader)?,
                "deadline" => sent.deadline = read_time(reader)?,
                "claim_timeout" => sent.claim_ms = read_duration_in(reader, claim_range())?,
                "retry" => sent.retry = read_retry(reader)?,
                "tags" => sent.tags = read_labels(reader, limits::TASK_TAGS_MAX)?,
                "traceparent" => sent.traceparent = read_optional_text(reader)?,
                "tracestate" => sent.tracestate = read_optional_text(reader)?,
                _ => return other(name, reader),
            }
            Ok(Known::Yes)
        })?;
        Ok(sent)
    }

    pub(super) fn read_payload(&mut self, name: &str, reader: &mut Reader<'a>) -> Result<()> {
        const MAX: usize = limits::TASK_PAYLOAD_BYTES_MAX;
        if !matches!(self.payload, Payload::None) {
            return Err(invalid("a task has `payload` or `payload_base64`, not both"));
        }
        if name == "payload" {
            let payload = read_one_line(reader)?;
            if payload.len() > MAX {
                return Err(too_large("the payload has", payload.len(), MAX));
            }
            self.payload = Payload::Json(payload);
            return Ok(());
        }
        let encoded = match reader.value()? {
            Value::Null => return Ok(()),
            Value::Text(text) => text.as_sent(),
            _ => return Err(invalid("this must be a string")),
        };
        match base64_len(encoded) {
            None => Err(invalid("this must be base64 with padding (RFC 4648, section 4)")),
            Some(bytes) if bytes > MAX => Err(too_large("the payload has", bytes, MAX)),
            Some(_) => {
                self.payload = Payload::Base64(encoded);
                Ok(())
            }
        }
    }

    pub(in crate::request) fn into_task(self, header: Option<&Trace>, now: Wall) -> Result<NewTask<'static>> {
        let task_type = required(self.task_type.as_ref(), "type")?.to_string();
        if self.run_after.is_some() && self.delay_ms.is_some() {
            return Err(invalid("a task has `run_after` or `delay`, not both").member("delay"));
        }
        let has_key = self.unique.as_ref().is_some_and(|unique| unique.mode != UniqueMode::Existing);
        if has_key && self.key.is_some() {
            let detail =
                "with this kind of `unique`, tasks run one at a time by the unique key, so there is no `key`";
            return Err(invalid(detail).member("key"));
        }
        let trace = self.trace()?;
        let mut envelope = Vec::with_capacity(self.envelope_bytes());
        self.write_content(&mut envelope, &task_type);
        let mut hasher = Xxh3Default::new();
        hasher.update(&envelope);
        let run_after = self.run_after.or(self.delay_ms.map(|ms| Wall(now.0.saturating_add(ms))));
        if let (Some(run_after), Some(deadline)) = (run_after, self.deadline)
            && deadline <= run_after
        {
            return Err(invalid("the deadline is before the task may run").member("deadline"));
        }
        let from = envelope.len();
        if let Some(wall) = run_after {
            envelope.extend_from_slice(b",\"run_after\":\"");
            write_wall(&mut envelope, wall);
            envelope.push(b'"');
        }
        match self.delay_ms {
            None => hasher.update(&envelope[from..]),
            Some(ms) => hasher.update(format!(",\"delay\":{ms}").as_bytes()),
        }
        if let Some(trace) = trace.as_ref().or(header) {
            write_text_member(&mut envelope, "traceparent", &trace.traceparent);
            if let Some(state) = &trace.tracestate {
                write_text_member(&mut envelope, "tracestate", state);
            }
        }
        Ok(NewTask {
            id: self.id.map(|id| Cow::Owned(id.into_owned())),
            fingerprint: Fingerprint(hasher.digest128()),
            task_type: Cow::Owned(task_type),
            run_after,
            priority: self.priority.map_or(limits::PRIORITY_DEFAULT, |priority| priority as u8),
            key: self.key.map(|key| Cow::Owned(key.into_owned())),
            claim_ms: self.claim_ms,
            envelope: Cow::Owned(envelope),
            retry: self.retry.as_ref().map(|retry| retry.policy),
            options: TaskOptions {
                unique: self.unique,
                deadline: self.deadline,
                give_up: self.retry.map_or(GiveUp::NEVER, |retry| retry.give_up),
                schedule: None,
                fair: self.fair,
            }
            .into_owned(),
        })
    }

    /// The trace context that the task names itself. It goes before that of the request.
    fn trace(&self) -> Result<Option<Trace>> {
        let Some(traceparent) = &self.traceparent else {
            return match self.tracestate {
                None => Ok(None),
                Some(_) => Err(invalid("`tracestate` needs `traceparent`").member("tracestate")),
            };
        };
        let trace = Trace::parse(traceparent, self.tracestate.as_deref());
        trace.map(Some).ok_or_else(|| {
            invalid("this must be a `traceparent` as in W3C Trace Context").member("traceparent")
        })
    }

    /// Writes what does not depend on when the request came.
    fn write_content(&self, out: &mut Vec<u8>, task_type: &str) {
        out.extend_from_slice(b"\"type\":");
        json::write_text(out, task_type);
        self.write_payload(out);
        if let Some(priority) = self.priority {
            out.extend_from_slice(b",\"priority\":");
            json::write_number(out, priority);
        }
        if let Some(key) = &self.key {
            write_text_member(out, "key", key);
        }
        if let Some(tenant) = &self.fair {
            write_text_member(out, "fair", tenant.as_str());
        }
        if let Some(unique) = &self.unique {
            out.extend_from_slice(b",\"unique\":");
            unique::write(out, unique);
        }
        if let Some(deadline) = self.deadline {
            out.extend_from_slice(b",\"deadline\":\"");
            write_wall(out, deadline);
            out.push(b'"');
        }
        if let Some(ms) = self.claim_ms {
            out.extend_from_slice(b",\"claim_timeout\":");
            write_duration(out, ms);
        }
        if let Some(retry) = &self.retry {
            out.extend_from_slice(b",\"retry\":");
            write_retry(out, &retry.policy, &retry.give_up);
        }
        if !self.tags.is_empty() {
            for (at, tag) in self.tags.iter().enumerate() {
                out.extend_from_slice(if at == 0 { b",\"tags\":[" } else { b"," });
                json::write_text(out, tag);
            }
            out.push(b']');
        }
    }

    /// Writes the payload with a comma before it.
    pub(super) fn write_payload(&self, out: &mut Vec<u8>) {
        match &self.payload {
            Payload::None => {}
            Payload::Json(raw) => {
                out.extend_from_slice(b",\"payload\":");
                out.extend_from_slice(raw);
            }
            Payload::Base64(encoded) => {
                out.extend_from_slice(b",\"payload_base64\":\"");
                out.extend_from_slice(encoded.as_bytes());
                out.push(b'"');
            }
        }
    }

    /// Enough for almost all tasks in one allocation.
    fn envelope_bytes(&self) -> usize {
        let payload = match &self.payload {
            Payload::None => 0,
            Payload::Json(raw) => raw.len(),
            Payload::Base64(encoded) => encoded.len(),
        };
        256 + payload
    }
}

fn read_id<'a>(reader: &mut Reader<'a>) -> Result<Option<Cow<'a, str>>> {
    let Some(id) = read_label(reader)? else { return Ok(None) };
    if id.starts_with('~') {
        return Err(invalid("ids that begin with `~` are the server's"));
    }
    if id == "." || id == ".." {
        return Err(invalid("`.` and `..` are not ids, because clients rewrite them in paths"));
    }
    Ok(Some(id))
}

/// Reads the name of a tenant, or null.
fn read_tenant<'a>(reader: &mut Reader<'a>) -> Result<Option<TenantName<'a>>> {
    let Some(name) = read_optional_text(reader)? else { return Ok(None) };
    TenantName::new(name).map(Some).map_err(|error| invalid(error.to_string()))
}

/// Reads a time, or null. Times before 1970 count as 1970.
fn read_time(reader: &mut Reader<'_>) -> Result<Option<Wall>> {
    let Some(text) = read_optional_text(reader)? else { return Ok(None) };
    match Moment::parse(&text) {
        Some(moment) => Ok(Some(moment.wall().unwrap_or_default())),
        None => Err(invalid("this must be a valid RFC 3339 time, such as `2010-10-02T07:20:39Z`")),
    }
}

/// Writes a duration with its quotes.
pub(crate) fn write_duration(out: &mut Vec<u8>, ms: u64) {
    out.push(b'"');
    time::write_duration_ms(out, ms);
    out.push(b'"');
}

fn write_text_member(out: &mut Vec<u8>, name: &str, value: &str) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
    json::write_text(out, value);
}

/// How long a claim may last.
pub(super) const fn claim_range() -> RangeInclusive<u64> {
    limits::CLAIM_MS_MIN..=limits::CLAIM_MS_MAX
}

mod retry;
#[cfg(test)]
mod tests;
mod unique;

pub(super) use retry::read_retry;
pub(crate) use retry::{Retry, write_retry};
