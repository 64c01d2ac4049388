//! Requests: paths, parameters, headers and bodies. Whatever is wrong with them is a problem of the client's.

use api::Result;
use api::media::ReadForm;
use api::request::append::AppendHead;
use api::request::query::{self, GetGroup, GetTask, ListStreams, ListTasks, Read};
use api::request::queue::tasks::TasksHead;
use api::request::queue::{change, claim, settings as queue_settings, settle};
use api::request::{
    breaker, execution, group, lease, limit, line, reaction, schedule, settings, tenant, token, transaction,
    value,
};
use api::time::Moment;
use http::HeaderMap;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use model::{
    BreakerName, ExecutionKey, LeaseName, LimitName, QueueName, ReactionName, ScheduleName, Slot, StreamName,
    TaskRef, TenantName, ValueName, Wall,
};

const NOW: Wall = Wall(1_800_000_000_000);

/// The members of a task, as the store keeps them.
const STORED: &[u8] = br#""type":"t","payload":{"a":1}"#;

/// What reads a body.
type Body = fn(&[u8]) -> Result<()>;

fn with(content_type: &'static str) -> HeaderMap {
    HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(content_type))])
}

fn json() -> HeaderMap {
    with("application/json")
}

macro_rules! name {
    ($name:ident) => {
        $name::new("n").unwrap_or_else(|error| panic!("{error}"))
    };
}

fn append(content_type: &'static str, body: &[u8]) -> Result<()> {
    AppendHead::of(&with(content_type))?.read(name!(StreamName), body).map(drop)
}

fn tasks(content_type: &'static str, body: &[u8]) -> Result<()> {
    TasksHead::of(&with(content_type))?.read(name!(QueueName), body, NOW).map(drop)
}

fn settled(kind: settle::Kind, body: &[u8]) -> Result<()> {
    settle::read_one(&json(), kind, TaskRef::Client("1".into()), Slot(7), body).map(drop)
}

fn changed(kind: change::Kind, body: &[u8]) -> Result<()> {
    change::read(&json(), kind, Slot(7), body).map(drop)
}

/// What the operations with bodies read.
pub const BODIES: [(&str, Body); 34] = [
    ("event", |body| append("application/cloudevents+json", body)),
    ("events", |body| append("application/cloudevents-batch+json", body)),
    ("event-lines", |body| append("application/x-ndjson", body)),
    ("line", |body| line::read(body, None).map(drop)),
    ("settings", |body| settings::read(&json(), body).map(drop)),
    ("transaction", |body| transaction::read(&json(), body, NOW).map(drop)),
    ("acquire", |body| lease::acquire(&json(), name!(LeaseName), body).map(drop)),
    ("renew", |body| lease::renew(&json(), name!(LeaseName), body).map(drop)),
    ("release", |body| lease::release(&json(), name!(LeaseName), body).map(drop)),
    ("value", |body| value::put(&json(), name!(ValueName), body).map(drop)),
    ("begin", |body| execution::begin(&json(), name!(ExecutionKey), body).map(drop)),
    ("complete-execution", |body| execution::complete(&json(), name!(ExecutionKey), body).map(drop)),
    ("abandon", |body| execution::abandon(&json(), name!(ExecutionKey), body).map(drop)),
    ("task", |body| tasks("application/json", body)),
    ("task-lines", |body| tasks("application/x-ndjson", body)),
    ("claim", |body| claim::read(&json(), name!(QueueName), body).map(drop)),
    ("queue", |body| queue_settings::read(&json(), body).map(drop)),
    ("heartbeat", |body| settled(settle::Kind::Heartbeat, body)),
    ("complete", |body| settled(settle::Kind::Complete, body)),
    ("fail", |body| settled(settle::Kind::Fail, body)),
    ("defer", |body| settled(settle::Kind::Defer, body)),
    ("return", |body| settled(settle::Kind::Return, body)),
    ("settlements", settlements),
    ("cancel-many", |body| changed(change::Kind::Cancel, body)),
    ("replay-many", |body| changed(change::Kind::Replay, body)),
    ("replay", |body| change::ReplayRequest::read(&json(), body)?.edited(STORED).map(drop)),
    ("group", |body| group::read(&json(), body, NOW).map(drop)),
    ("tenant", |body| tenant::put(&json(), name!(QueueName), name!(TenantName), body).map(drop)),
    ("limit", |body| limit::put(&json(), name!(LimitName), body).map(drop)),
    ("breaker", |body| breaker::put(&json(), name!(BreakerName), body).map(drop)),
    ("record", |body| breaker::record(&json(), name!(BreakerName), body).map(drop)),
    ("schedule", schedules),
    ("reaction", |body| reaction::put(&json(), name!(ReactionName), body).map(drop)),
    ("token", |body| token::create(&json(), body).map(drop)),
];

fn settlements(body: &[u8]) -> Result<()> {
    for line in settle::read_lines(&with("application/x-ndjson"), &name!(QueueName), body)? {
        answers(line.settlement);
    }
    Ok(())
}

fn schedules(body: &[u8]) -> Result<()> {
    answers(schedule::put_set(&json(), name!(ScheduleName), body, NOW));
    answers(schedule::Backfill::read(&json(), body));
    schedule::put(&json(), name!(ScheduleName), body, NOW).map(drop)
}

/// A problem is the client's.
fn answers<T>(read: Result<T>) {
    if let Err(problem) = read {
        assert!((400..500).contains(&problem.status()), "{problem}");
    }
}

/// A body: the first byte says of which request.
pub fn body(bytes: &[u8]) {
    if let Some((kind, body)) = bytes.split_first() {
        let (_, read) = BODIES[usize::from(*kind) % BODIES.len()];
        answers(read(body));
    }
}

/// What reads a text of a request's head.
type Text = fn(&str) -> Result<()>;

/// Parts of a request's head.
pub const TEXTS: [(&str, Text); 15] = [
    ("stream", |text| each_form(text, Read::of_stream)),
    ("store", |text| each_form(text, Read::of_store)),
    ("streams", |text| ListStreams::parse(Some(text)).map(drop)),
    ("tasks", |text| ListTasks::parse(Some(text)).map(drop)),
    ("get-task", |text| GetTask::parse(Some(text)).map(drop)),
    ("get-group", |text| GetGroup::parse(Some(text)).map(drop)),
    ("backup-chunk", |text| query::backup_chunk(Some(text)).map(drop)),
    ("backup-byte", |text| query::backup_byte(Some(text)).map(drop)),
    ("path", |text| api::request::stream_in_path(text).map(|name| paths(&name))),
    ("task-path", |text| api::request::queue::task_in_path(text, Slot(7)).map(drop)),
    ("token-path", |text| token::token_in_path(text).map(drop)),
    ("time", |text| {
        times(text);
        Ok(())
    }),
    ("duration", |text| {
        durations(text);
        Ok(())
    }),
    ("cursor", |text| {
        cursors(text);
        Ok(())
    }),
    ("headers", headers),
];

fn each_form(text: &str, read: fn(Option<&str>, ReadForm) -> Result<Read>) -> Result<()> {
    for form in [ReadForm::Json, ReadForm::Lines, ReadForm::Follow] {
        answers(read(Some(text), form));
    }
    Ok(())
}

/// A name that was decoded is encoded to what decodes to it.
fn paths(name: &StreamName<'_>) {
    let mut encoded = Vec::new();
    api::uri::encode(&mut encoded, name.as_str());
    assert_eq!(api::uri::decode(&encoded).ok().as_deref(), Some(name.as_str()));
}

/// A moment that was read is written as the same moment.
fn times(text: &str) {
    if let Some(wall) = Moment::parse(text).and_then(Moment::wall) {
        let mut written = Vec::new();
        api::time::write_wall(&mut written, wall);
        let again = std::str::from_utf8(&written).ok().and_then(Moment::parse).and_then(Moment::wall);
        assert_eq!(again, Some(wall), "{text:?}");
    }
}

fn durations(text: &str) {
    if let Some(ms) = api::time::parse_duration_ms(text) {
        let mut written = Vec::new();
        api::time::write_duration_ms(&mut written, ms);
        let again = std::str::from_utf8(&written).ok().and_then(api::time::parse_duration_ms);
        assert_eq!(again, Some(ms), "{text:?}");
    }
}

/// A cursor has one form.
fn cursors(text: &str) {
    if let Ok(cursor) = text.parse::<model::Cursor>() {
        assert_eq!(cursor.to_string(), text);
    }
}

/// Lines of `name: value`.
fn headers(text: &str) -> Result<()> {
    let mut headers = HeaderMap::new();
    for line in text.split('\n').take(32) {
        let Some((name, value)) = line.split_once(':') else { continue };
        let Ok(name) = HeaderName::from_bytes(name.as_bytes()) else { continue };
        let Ok(value) = HeaderValue::from_bytes(value.trim_start().as_bytes()) else { continue };
        headers.append(name, value);
    }
    AppendHead::of(&headers)?.read(name!(StreamName), b"{}").map(drop)
}

/// A part of a request's head: the first byte says which.
pub fn query(bytes: &[u8]) {
    if let Some((kind, text)) = bytes.split_first()
        && let Ok(text) = std::str::from_utf8(text)
    {
        let (_, read) = TEXTS[usize::from(*kind) % TEXTS.len()];
        answers(read(text));
    }
}
