//! `POST /v1/transactions`: checks and writes that are applied all or nothing.
//!
//! Both lists will get more kinds of items. A check is recognised by the member that
//! names what it is about (`stream`, `lease`, `value` or `idempotency`); a write
//! is an object with one member that names its kind (`append`, `enqueue`, `group`, `complete`, `fail` or
//! `idempotency`).

use super::append::{read_events, too_many};
use super::execution::{self, read_key};
use super::group;
use super::head::Head;
use super::lease::read_token;
use super::object::{
    Known, invalid, missing, read_array, read_expected, read_name, read_object, read_stream,
};
use super::queue::settle::Kind;
use super::queue::write::{read_enqueue, read_settle};
use crate::catalogue::Code;
use crate::event::Recipient;
use crate::json::Reader;
use crate::media;
use crate::problem::{Problem, Result};
use crate::trace::Trace;
use http::HeaderMap;
use model::{Append, Check, Expected, LeaseName, Transaction, ValueName, Wall, Write, limits};

/// Reads the whole request. `now` is the node's time of day, from which the delay of a task counts.
///
/// # Errors
/// The problem with the request, which then has no effect.
pub fn read(headers: &HeaderMap, body: &[u8], now: Wall) -> Result<Transaction<'static>> {
    let head = Head::read(headers)?;
    media::check_json(head.content_type)?;
    if head.expected()? != Expected::Any {
        let detail = "state the conditions of a transaction in `checks`, or as `expected` in an append";
        return Err(Problem::new(Code::InvalidHeader, detail).header("if-match"));
    }
    let key = head.key()?;
    let trace = head.trace();
    let (mut checks, mut writes) = (Vec::new(), None);
    let mut reader = Reader::new(body)?;
    read_object(&mut reader, "`checks` and `writes`", |name, reader| {
        match name {
            "checks" => read_array(reader, |at, reader| {
                if at == limits::TRANSACTION_CHECKS_MAX {
                    return Err(too_many_checks());
                }
                checks.push(read_check(reader)?);
                Ok(())
            })?,
            "writes" => writes = Some(read_writes(reader, trace.as_ref(), now)?),
            _ => return Ok(Known::No),
        }
        Ok(Known::Yes)
    })?;
    reader.end()?;
    let writes = writes.ok_or_else(|| missing("writes"))?;
    let keyed = key.map(|key| key.for_transaction(&checks, &writes));
    Ok(Transaction { keyed, checks, writes })
}

fn read_check(reader: &mut Reader<'_>) -> Result<Check<'static>> {
    const KNOWN: &str =
        "`stream` and `expected`, `lease` and `token`, `value` and `expected`, or `idempotency` and `token`";
    let (mut stream, mut lease, mut value, mut key) = (None, None, None, None);
    let (mut expected, mut token) = (None, None);
    read_object(reader, KNOWN, |name, reader| {
        match name {
            "stream" => stream = Some(read_stream(reader)?.into_owned()),
            "lease" => {
                let name = read_name(reader, "a lease name must be a string")?;
                lease = Some(LeaseName::new(name)?.into_owned());
            }
            "value" => {
                let name = read_name(reader, "a value name must be a string")?;
                value = Some(ValueName::new(name)?.into_owned());
            }
            "idempotency" => key = Some(read_key(reader)?),
            "expected" => expected = read_expected(reader)?,
            "token" => token = Some(read_token(reader)?),
            _ => return Ok(Known::No),
        }
        Ok(Known::Yes)
    })?;
    match (stream, lease, value, key) {
        (Some(stream), None, None, None) if token.is_none() => {
            Ok(Check::Stream { stream, expected: expected.ok_or_else(|| missing("expected"))? })
        }
        (None, Some(lease), None, None) if expected.is_none() => {
            Ok(Check::Lease { lease, token: token.ok_or_else(|| missing("token"))? })
        }
        (None, None, Some(value), None) if token.is_none() => {
            Ok(Check::Value { value, expected: expected.ok_or_else(|| missing("expected"))? })
        }
        (None, None, None, Some(key)) if expected.is_none() => {
            Ok(Check::Execution { key, token: token.ok_or_else(|| missing("token"))? })
        }
        (None, None, None, None) => Err(missing("stream")),
        _ => Err(invalid(format!("a check is about one thing: it has {KNOWN}"))),
    }
}

fn read_writes(reader: &mut Reader<'_>, trace: Option<&Trace>, now: Wall) -> Result<Vec<Write<'static>>> {
    const KINDS: &str =
        "one member, the kind of write: `append`, `enqueue`, `group`, `complete`, `fail` or `idempotency`";
    let mut writes = Vec::new();
    let mut remaining = limits::BATCH_EVENTS_MAX;
    read_array(reader, |at, reader| {
        if at == limits::BATCH_EVENTS_MAX {
            return Err(too_many());
        }
        let mut write = None;
        read_object(reader, KINDS, |name, reader| {
            if write.is_some() {
                return Err(invalid("a write has one kind"));
            }
            write = Some(match name {
                "append" => Write::Append(read_append(reader, trace, remaining)?),
                "enqueue" => Write::Enqueue(read_enqueue(reader, trace, now, remaining)?),
                "group" => Write::CreateGroup(group::read_write(reader, trace, now, remaining)?),
                "complete" => Write::Settle(read_settle(reader, Kind::Complete)?),
                "fail" => Write::Settle(read_settle(reader, Kind::Fail)?),
                "idempotency" => Write::CompleteExecution(execution::read_write(reader)?),
                _ => return Ok(Known::No),
            });
            Ok(Known::Yes)
        })?;
        let write = write.ok_or_else(|| missing("append"))?;
        remaining = remaining.saturating_sub(match &write {
            Write::Append(append) => append.events.len(),
            Write::Enqueue(enqueue) => enqueue.tasks.len(),
            Write::Settle(settle) => settle.settlements.len(),
            Write::CompleteExecution(_) => 1,
            Write::CreateGroup(create) => create.content.tasks().chain(create.content.followers()).count(),
        });
        writes.push(write);
        Ok(())
    })?;
    if writes.is_empty() {
        return Err(Problem::new(Code::EmptyBatch, "a transaction needs at least one write"));
    }
    Ok(writes)
}

fn read_append(reader: &mut Reader<'_>, trace: Option<&Trace>, remaining: usize) -> Result<Append<'static>> {
    let (mut stream, mut expected, mut events) = (None, None, None);
    read_object(reader, "`stream`, `expected` and `events`", |name, reader| {
        match name {
            "stream" => stream = Some(read_stream(reader)?),
            "expected" => expected = read_expected(reader)?,
            "events" => events = Some(read_events(reader, remaining)?),
            _ => return Ok(Known::No),
        }
        Ok(Known::Yes)
    })?;
    let stream = stream.ok_or_else(|| missing("stream"))?;
    let events = events.ok_or_else(|| missing("events"))?;
    if events.is_empty() {
        return Err(Problem::new(Code::EmptyBatch, "an append needs at least one event").member("events"));
    }
    // An event's identity depends on its stream, which may come after the events.
    let recipient = Recipient { stream: stream.as_str(), trace };
    let events = events.iter().map(|event| recipient.new_event(event)).collect();
    Ok(Append { keyed: None, stream: stream.into_owned(), expected: expected.unwrap_or_default(), events })
}

fn too_many_checks() -> Box<Problem> {
    Problem::new(
        Code::TooManyItems,
        format!("a transaction may have at most {} checks", limits::TRANSACTION_CHECKS_MAX),
    )
    .number("limit", limits::TRANSACTION_CHECKS_MAX as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::header::{CONTENT_TYPE, HeaderValue};
    use model::{Action, Cursor, Position, QueueName, Revision, Settlement, StreamName, TaskRef};

    fn transaction(body: &str) -> Result<Transaction<'static>> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        read(&headers, body.as_bytes(), Wall(1_000))
    }

    #[test]
    fn checks_and_writes_are_read_whatever_their_order() {
        let read = transaction(
            r#"{"writes":[{"append":{"events":[{"type":"t","source":"/streams/b"}],"expected":"none","stream":"b"}},
                          {"append":{"stream":"c","events":[{"type":"t"},{"type":"u"}]}}],
                "checks":[{"stream":"a","expected":41},{"expected":"exists","stream":"d"}]}"#,
        )
        .unwrap();
        let stream = |name| StreamName::new(name).unwrap();
        assert_eq!(
            read.checks,
            [
                Check::Stream { stream: stream("a"), expected: Expected::Revision(Revision(41)) },
                Check::Stream { stream: stream("d"), expected: Expected::Exists },
            ]
        );
        let [Write::Append(b), Write::Append(c)] = &read.writes[..] else { panic!() };
        assert_eq!((b.stream.as_str(), b.expected, b.events.len()), ("b", Expected::None, 1));
        assert_eq!((c.stream.as_str(), c.expected, c.events.len()), ("c", Expected::Any, 2));
    }

    #[test]
    fn tasks_are_enqueued_and_settled_whatever_the_order_of_their_members() {
        let queue = QueueName::new("q").unwrap();
        let token = Cursor::new(Position(9), queue.slot(model::Namespace::ROOT));
        let read = transaction(&format!(
            r#"{{"writes":[
                {{"complete":{{"result":{{"pages":3}},"token":"{token}","id":"report-7","queue":"q"}}}},
                {{"fail":{{"queue":"q","id":"~{token}","token":"{token}","class":"E","delay":"5s"}}}},
                {{"enqueue":{{"tasks":[{{"type":"mail","payload":[1, 2],"delay":"2s"}}],"queue":"q"}}}}]}}"#
        ))
        .unwrap();
        let [Write::Settle(complete), Write::Settle(fail), Write::Enqueue(enqueue)] = &read.writes[..] else {
            panic!("{read:?}")
        };
        let result = Some(br#"{"pages":3}"#.to_vec().into());
        let settlement = Settlement {
            task: TaskRef::Client("report-7".into()),
            token: Position(9),
            action: Action::Complete { result },
        };
        assert_eq!((&complete.queue, &complete.settlements[..]), (&queue, &[settlement][..]));
        assert_eq!(fail.settlements[0].task, TaskRef::Server(Position(9)));
        assert!(matches!(&fail.settlements[0].action, Action::Fail(fail) if fail.delay_ms == Some(5_000)));
        assert_eq!((&*enqueue.tasks[0].task_type, enqueue.tasks[0].run_after), ("mail", Some(Wall(3_000))));
    }

    #[track_caller]
    fn assert_refused(body: &str, code: &str, member: Option<&str>) {
        let problem = transaction(body).expect_err(body);
        let rendered: serde_json::Value = serde_json::from_slice(&problem.to_bytes()).unwrap();
        assert_eq!((problem.code.as_str(), rendered["member"].as_str()), (code, member), "{body}");
    }

    #[test]
    fn what_is_not_understood_about_tasks_is_refused_with_its_place() {
        let t = r#"{"type":"t"}"#;
        for (body, code, member) in [
            (r#"{"writes":[{"enqueue":{}}]}"#.into(), "missing_member", Some("writes[0].enqueue.queue")),
            (
                r#"{"writes":[{"enqueue":{"queue":"q","tasks":[]}}]}"#.into(),
                "empty_batch",
                Some("writes[0].enqueue.tasks"),
            ),
            (
                r#"{"writes":[{"enqueue":{"queue":"q","tasks":[{"type":7}]}}]}"#.into(),
                "invalid_member",
                Some("writes[0].enqueue.tasks[0].type"),
            ),
            (
                r#"{"writes":[{"complete":{"id":"a"}}]}"#.into(),
                "missing_member",
                Some("writes[0].complete.queue"),
            ),
            (
                r#"{"writes":[{"complete":{"queue":"q","id":"a","class":"E"}}]}"#.into(),
                "unknown_member",
                Some("writes[0].complete.class"),
            ),
            (
                r#"{"writes":[{"complete":{"queue":"q","id":"a","token":"x"}}]}"#.into(),
                "invalid_member",
                Some("writes[0].complete.token"),
            ),
            (
                r#"{"writes":[{"group":{"members":[]}}]}"#.into(),
                "empty_batch",
                Some("writes[0].group.members"),
            ),
            (
                r#"{"writes":[{"group":{"members":[{"queue":"q","type":"t"}]}}]}"#.into(),
                "missing_member",
                Some("writes[0].group.id"),
            ),
            (
                r#"{"writes":[{"group":{"id":"g","members":[{"queue":"q","type":7}]}}]}"#.into(),
                "invalid_member",
                Some("writes[0].group.members[0].type"),
            ),
            (
                format!(
                    r#"{{"writes":[{{"enqueue":{{"queue":"q","tasks":[{}]}}}},
                        {{"group":{{"id":"g","members":[{{"queue":"q","type":"t"}}],"then":{{"queue":"q","type":"t"}}}}}}]}}"#,
                    vec![t; 999].join(",")
                ),
                "too_many_items",
                Some("writes[1].group.then"),
            ),
            (
                format!(r#"{{"writes":[{{"append":{{"stream":"a","events":[{t}]}},"enqueue":{{}}}}]}}"#),
                "invalid_member",
                Some("writes[0].enqueue"),
            ),
        ] {
            let body: String = body;
            assert_refused(&body, code, member);
        }
    }

    #[test]
    fn what_is_not_understood_is_refused_with_its_place() {
        let t = r#"{"type":"t"}"#;
        let thousand = vec![t; 1_000].join(",");
        for (body, code, member) in [
            ("[]".into(), "invalid_member", None),
            ("{}".into(), "missing_member", Some("writes")),
            (r#"{"writes":[]}"#.into(), "empty_batch", Some("writes")),
            (r#"{"writes":{}}"#.into(), "invalid_member", Some("writes")),
            (r#"{"chekcs":[],"writes":[]}"#.into(), "unknown_member", Some("chekcs")),
            (r#"{"checks":[],"checks":[]}"#.into(), "duplicate_member", Some("checks")),
            (r#"{"checks":[{"stream":"a"}]}"#.into(), "missing_member", Some("checks[0].expected")),
            (
                r#"{"checks":[{"stream":"a","expected":-1}]}"#.into(),
                "invalid_member",
                Some("checks[0].expected"),
            ),
            (
                r#"{"checks":[{"stream":"a","expected":1e3}]}"#.into(),
                "invalid_member",
                Some("checks[0].expected"),
            ),
            (
                r#"{"checks":[{"stream":"a","expected":99999999999999999999}]}"#.into(),
                "invalid_member",
                Some("checks[0].expected"),
            ),
            (r#"{"checks":[{"stream":"","expected":1}]}"#.into(), "invalid_name", Some("checks[0].stream")),
            (r#"{"checks":[{"lease":"a"}]}"#.into(), "missing_member", Some("checks[0].token")),
            (r#"{"checks":[{"lease":"a","token":7}]}"#.into(), "invalid_member", Some("checks[0].token")),
            (r#"{"checks":[{"lease":"a","expected":7}]}"#.into(), "invalid_member", Some("checks[0]")),
            (
                r#"{"checks":[{"lease":"a","stream":"b","expected":7}]}"#.into(),
                "invalid_member",
                Some("checks[0]"),
            ),
            (r#"{"checks":[{"value":"a"}]}"#.into(), "missing_member", Some("checks[0].expected")),
            (r#"{"checks":[{"value":"","expected":1}]}"#.into(), "invalid_name", Some("checks[0].value")),
            (r#"{"checks":[{"limit":"a"}]}"#.into(), "unknown_member", Some("checks[0].limit")),
            (r#"{"writes":[{}]}"#.into(), "missing_member", Some("writes[0].append")),
            (r#"{"writes":[{"enqeue":{}}]}"#.into(), "unknown_member", Some("writes[0].enqeue")),
            (
                r#"{"writes":[{"append":{"stream":"a","events":[]}}]}"#.into(),
                "empty_batch",
                Some("writes[0].append.events"),
            ),
            (
                format!(r#"{{"writes":[{{"append":{{"stream":"a","events":[{t},{{"type":7}}]}}}}]}}"#),
                "invalid_member",
                Some("writes[0].append.events[1].type"),
            ),
            (
                format!(
                    r#"{{"writes":[{{"append":{{"stream":"a","events":[{thousand}]}}}},{{"append":{{"stream":"b","events":[{t}]}}}}]}}"#
                ),
                "too_many_items",
                Some("writes[1].append.events[0]"),
            ),
            (
                format!(r#"{{"writes":[{{"append":{{"events":[{t}]}}}}]}}"#),
                "missing_member",
                Some("writes[0].append.stream"),
            ),
            (r#"{"writes":[{"append""#.into(), "invalid_json", None),
        ] {
            assert_refused(&body, code, member);
        }
    }
}
