//! Requests about breakers: settings, and the outcomes of calls.

use crate::catalogue::Code;
use crate::json::{self, Reader};
use crate::media;
use crate::problem::{Problem, Result};
use crate::request::head::Head;
use crate::request::object::{
    Known, invalid, missing, read_array, read_duration_in, read_label, read_labels, read_name,
    read_number_in, read_object, read_optional_text, read_text,
};
use crate::request::queue::tasks::write_duration;
use http::HeaderMap;
use model::{
    BreakerName, BreakerPermit, BreakerRecord, BreakerSettings, BreakerWindow, CallOutcome, KeyExpression,
    PutBreaker, QueueBreaker, RecordBreaker, SlowCalls, limits,
};
use std::borrow::Cow;
use std::ops::RangeInclusive;

const SETTINGS: &str = "`window`, `calls_min`, `failure_percent`, `slow_after`, `slow_percent`, \
     `consecutive_failures`, `workers_min`, \
     `workers_within`, `open_for`, `open_for_max`, `forget_after`, `probes`, `probes_at_once`, \
     `probe_success_percent`, `probe_for`, `ramp_for`, `ramp_from_percent` and `ignore`";
const RECORD: &str = "`token`, `outcome`, `class`, `took` and `worker`";
/// The share of slow calls that trips a breaker, if only `slow_after` is given.
const SLOW_PERCENT: u8 = 50;
/// A time that cannot be 0, and one that can.
const TIME: RangeInclusive<u64> = limits::BREAKER_MS_MIN..=limits::BREAKER_MS_MAX;
const TIME_OR_NONE: RangeInclusive<u64> = 0..=limits::BREAKER_MS_MAX;

/// Reads `PUT /v1/breakers/{breaker}`. It replaces all settings.
///
/// # Errors
/// The problem with the request, which then has no effect.
pub fn put(headers: &HeaderMap, breaker: BreakerName<'_>, body: &[u8]) -> Result<PutBreaker<'static>> {
    check_head(headers, "the request replaces the settings, so repeating it is safe without a key")?;
    let mut settings = BreakerSettings::default();
    let (mut calls_min, mut open_ms_max, mut probes_at_once) = (None, None, None);
    let (mut slow_ms, mut slow_percent) = (None, None);
    let mut reader = Reader::new(body)?;
    read_object(&mut reader, SETTINGS, |name, reader| {
        match name {
            "window" => settings.window = read_window(reader)?.unwrap_or(settings.window),
            "calls_min" => calls_min = read_u32(reader, 1..=limits::BREAKER_CALLS_MAX)?,
            "slow_after" => slow_ms = read_duration_in(reader, TIME)?,
            "slow_percent" => slow_percent = read_number_in(reader, 1..=100)?.map(|percent| percent as u8),
            "open_for_max" => open_ms_max = read_duration_in(reader, TIME)?,
            "probes_at_once" => probes_at_once = read_u32(reader, 1..=limits::BREAKER_PROBES_MAX)?,
            name => return read_member(name, reader, &mut settings),
        }
        Ok(Known::Yes)
    })?;
    reader.end()?;
    if let BreakerWindow::Calls(calls) = settings.window {
        settings.calls_min = settings.calls_min.min(calls);
        if calls_min.is_some_and(|min| min > calls) {
            return Err(invalid("the window never holds that many calls").member("calls_min"));
        }
    }
    if slow_ms.is_none() && slow_percent.is_some() {
        return Err(missing("slow_after"));
    }
    settings.slow =
        slow_ms.map(|after_ms| SlowCalls { after_ms, percent: slow_percent.unwrap_or(SLOW_PERCENT) });
    settings.calls_min = calls_min.unwrap_or(settings.calls_min);
    settings.open_ms_max = open_ms_max.unwrap_or_else(|| settings.open_ms_max.max(settings.open_ms));
    if settings.open_ms_max < settings.open_ms {
        return Err(invalid("this must be at least `open_for`").member("open_for_max"));
    }
    settings.probes_at_once = probes_at_once.unwrap_or(settings.probes_at_once);
    if settings.probes_at_once > settings.probes {
        return Err(invalid("this must be at most `probes`").member("probes_at_once"));
    }
    Ok(PutBreaker { breaker: breaker.into_owned(), settings })
}

/// Reads a member that no other depends on.
fn read_member(name: &str, reader: &mut Reader<'_>, settings: &mut BreakerSettings) -> Result<Known> {
    let known = BreakerSettings::default();
    let percent = |reader: &mut Reader<'_>, from| {
        read_number_in(reader, from..=100).map(|number| number.map(|percent| percent as u8))
    };
    match name {
        "failure_percent" => {
            // 0 turns it off: a share of 0 would trip a breaker without failures.
            let read = percent(reader, 0)?;
            settings.failure_percent = read.map_or(known.failure_percent, |read| (read > 0).then_some(read));
        }
        "consecutive_failures" => {
            settings.consecutive_failures = read_u32(reader, 1..=limits::BREAKER_CALLS_MAX)?;
        }
        "workers_min" => {
            let read = read_u32(reader, 1..=limits::BREAKER_WORKERS_MIN_MAX)?;
            settings.workers_min = read.unwrap_or(known.workers_min);
        }
        "workers_within" => {
            settings.workers_within_ms = read_duration_in(reader, TIME)?.unwrap_or(known.workers_within_ms);
        }
        "open_for" => settings.open_ms = read_duration_in(reader, TIME)?.unwrap_or(known.open_ms),
        "forget_after" => {
            let read = read_duration_in(reader, TIME_OR_NONE)?;
            settings.forget_after_ms = read.unwrap_or(known.forget_after_ms);
        }
        "probes" => {
            settings.probes = read_u32(reader, 1..=limits::BREAKER_PROBES_MAX)?.unwrap_or(known.probes);
        }
        "probe_success_percent" => {
            settings.probe_success_percent = percent(reader, 1)?.unwrap_or(known.probe_success_percent);
        }
        "probe_for" => settings.probe_ms = read_duration_in(reader, TIME)?.unwrap_or(known.probe_ms),
        "ramp_for" => settings.ramp_ms = read_duration_in(reader, TIME_OR_NONE)?.unwrap_or(known.ramp_ms),
        "ramp_from_percent" => {
            settings.ramp_from_percent = percent(reader, 1)?.unwrap_or(known.ramp_from_percent);
        }
        "ignore" => {
            let classes = read_labels(reader, limits::BREAKER_CLASSES_MAX)?;
            settings.ignore = classes.into_iter().map(Cow::into_owned).collect();
        }
        _ => return Ok(Known::No),
    }
    Ok(Known::Yes)
}

/// Reads `{"calls":...}` or `{"time":...}`, or null.
fn read_window(reader: &mut Reader<'_>) -> Result<Option<BreakerWindow>> {
    if reader.peek() == Some(b'n') {
        reader.value()?;
        return Ok(None);
    }
    let (mut calls, mut time) = (None, None);
    read_object(reader, "`calls` or `time`", |name, reader| {
        match name {
            "calls" => calls = read_u32(reader, 1..=limits::BREAKER_CALLS_MAX)?,
            "time" => time = read_duration_in(reader, TIME)?,
            _ => return Ok(Known::No),
        }
        Ok(Known::Yes)
    })?;
    match (calls, time) {
        (Some(calls), None) => Ok(Some(BreakerWindow::Calls(calls))),
        (None, Some(ms)) => Ok(Some(BreakerWindow::Time(ms))),
        _ => Err(invalid("a window has either `calls` or `time`")),
    }
}

/// Checks a request without a body that changes a breaker.
///
/// # Errors
/// The problem with the request.
pub fn check_change(headers: &HeaderMap) -> Result<()> {
    Head::read(headers)?
        .refuse_key("the request sets how the breaker is, so repeating it is safe without a key")
}

/// Checks `POST /v1/breakers/{breaker}/permit`.
///
/// # Errors
/// The problem with the request.
pub fn check_permit(headers: &HeaderMap) -> Result<()> {
    Head::read(headers)?.refuse_key("a permit that is not used is given up, so repeating the request is safe")
}

/// Reads `POST /v1/breakers/{breaker}/record`: one outcome, or several in `records`.
///
/// # Errors
/// The problem with the request, which then has no effect.
pub fn record(headers: &HeaderMap, breaker: BreakerName<'_>, body: &[u8]) -> Result<RecordBreaker<'static>> {
    check_head(headers, "each token counts once, so repeating the request is safe without a key")?;
    let breaker = breaker.into_owned();
    let (mut one, mut records) = (OneRecord::default(), None);
    let mut reader = Reader::new(body)?;
    let known = "`token`, `outcome`, `class`, `took` and `worker`, or `records`";
    read_object(&mut reader, known, |name, reader| {
        if name != "records" {
            return one.read(name, reader);
        }
        let mut read = Vec::new();
        read_array(reader, |at, reader| {
            if at == limits::BREAKER_RECORDS_MAX {
                let detail = format!("a request has at most {} outcomes", limits::BREAKER_RECORDS_MAX);
                return Err(Problem::new(Code::TooManyItems, detail)
                    .number("limit", limits::BREAKER_RECORDS_MAX as u64));
            }
            let mut one = OneRecord::default();
            read_object(reader, RECORD, |name, reader| one.read(name, reader))?;
            read.push(one.finish(&breaker)?);
            Ok(())
        })?;
        records = Some(read);
        Ok(Known::Yes)
    })?;
    reader.end()?;
    let records = match records {
        None => vec![one.finish(&breaker)?],
        Some(records) if one == OneRecord::default() => records,
        Some(_) => return Err(invalid("with `records`, each outcome is one of its items").member("records")),
    };
    Ok(RecordBreaker { breaker, records })
}

/// The members of one outcome.
#[derive(Debug, Default, PartialEq, Eq)]
struct OneRecord {
    permit: Option<BreakerPermit>,
    outcome: Option<CallOutcome<'static>>,
    class: Option<String>,
    took_ms: Option<u64>,
    worker: String,
}

impl OneRecord {
    fn read(&mut self, name: &str, reader: &mut Reader<'_>) -> Result<Known> {
        match name {
            "token" => {
                let token = read_text(reader)?;
                self.permit =
                    Some(token.parse().map_err(|error: model::BadPermit| invalid(error.to_string()))?);
            }
            "outcome" => {
                const FORM: &str = "this must be \"ok\", \"failed\" or \"ignored\"";
                self.outcome = Some(match &*read_name(reader, FORM)? {
                    "ok" => CallOutcome::Ok,
                    "failed" => CallOutcome::Failed { class: "".into() },
                    "ignored" => CallOutcome::Ignored,
                    _ => return Err(invalid(FORM)),
                });
            }
            "class" => self.class = read_label(reader)?.map(Cow::into_owned),
            "took" => self.took_ms = read_duration_in(reader, TIME_OR_NONE)?,
            "worker" => self.worker = read_label(reader)?.unwrap_or_default().into_owned(),
            _ => return Ok(Known::No),
        }
        Ok(Known::Yes)
    }

    fn finish(self, breaker: &BreakerName<'_>) -> Result<BreakerRecord<'static>> {
        let permit = self.permit.ok_or_else(|| missing("token"))?;
        if !permit.is_of(breaker) {
            let why = format!("this is not a token of the breaker `{breaker}`");
            return Err(invalid(why).member("token"));
        }
        let took_ms = self.took_ms;
        let outcome = match (self.outcome.ok_or_else(|| missing("outcome"))?, self.class) {
            (CallOutcome::Failed { .. }, class) => {
                CallOutcome::Failed { class: class.unwrap_or_default().into() }
            }
            (_, Some(_)) => return Err(invalid("only a failure has a class").member("class")),
            (CallOutcome::Ok, None) => {
                took_ms.map_or(CallOutcome::Ok, |took_ms| CallOutcome::OkIn { took_ms })
            }
            (outcome, None) => outcome,
        };
        // The time of a failure, or of a call that says nothing, decides nothing: it may be sent, and is not kept.
        Ok(BreakerRecord { permit, worker: self.worker.into(), outcome })
    }
}

/// Reads the breaker of a queue's tasks, or null.
pub(crate) fn read_queue_breaker(reader: &mut Reader<'_>) -> Result<Option<QueueBreaker>> {
    if reader.peek() == Some(b'n') {
        reader.value()?;
        return Ok(None);
    }
    let mut read = QueueBreaker { prefix: String::new(), key: KeyExpression::NOTHING, types: Vec::new() };
    read_object(reader, "`breaker`, `key` and `types`", |name, reader| {
        match name {
            "breaker" => {
                let prefix = read_optional_text(reader)?.unwrap_or_default();
                if !prefix.is_empty() {
                    read.prefix = BreakerName::new(prefix)?.into_string();
                }
            }
            "key" => {
                if let Some(text) = read_optional_text(reader)? {
                    read.key = KeyExpression::new(text).map_err(|error| invalid(error.to_string()))?;
                }
            }
            "types" => {
                let types = read_labels(reader, limits::LIMIT_TYPES_MAX)?;
                read.types = types.into_iter().map(Cow::into_owned).collect();
            }
            _ => return Ok(Known::No),
        }
        Ok(Known::Yes)
    })?;
    if read.prefix.is_empty() && read.key == KeyExpression::NOTHING {
        return Err(missing("breaker"));
    }
    Ok(Some(read))
}

/// Writes the breaker of a queue's tasks, as it can be read.
pub(crate) fn write_queue_breaker(out: &mut Vec<u8>, breaker: &QueueBreaker) {
    out.extend_from_slice(b"{\"breaker\":");
    json::write_text(out, &breaker.prefix);
    if breaker.key != KeyExpression::NOTHING {
        out.extend_from_slice(b",\"key\":");
        json::write_text(out, breaker.key.as_str());
    }
    for (at, task_type) in breaker.types.iter().enumerate() {
        out.extend_from_slice(if at == 0 { b",\"types\":[" } else { b"," });
        json::write_text(out, task_type);
    }
    out.extend_from_slice(if breaker.types.is_empty() { b"}" } else { b"]}" });
}

fn check_head(headers: &HeaderMap, why_no_key: &'static str) -> Result<()> {
    let head = Head::read(headers)?;
    media::check_json(head.content_type)?;
    head.refuse_key(why_no_key)
}

fn read_u32(reader: &mut Reader<'_>, range: RangeInclusive<u64>) -> Result<Option<u32>> {
    let number = read_number_in(reader, range)?;
    Ok(number.map(|number| u32::try_from(number).unwrap_or(u32::MAX)))
}

/// Writes the members of the settings, as they can be read, the first without a comma before it.
pub(crate) fn write_members(out: &mut Vec<u8>, settings: &BreakerSettings) {
    match settings.window {
        BreakerWindow::Calls(calls) => {
            out.extend_from_slice(b"\"window\":{\"calls\":");
            json::write_number(out, calls.into());
        }
        BreakerWindow::Time(ms) => {
            out.extend_from_slice(b"\"window\":{\"time\":");
            write_duration(out, ms);
        }
    }
    out.push(b'}');
    let number = |out: &mut Vec<u8>, name: &str, number: Option<u64>| {
        out.extend_from_slice(format!(",\"{name}\":").as_bytes());
        match number {
            Some(number) => json::write_number(out, number),
            None => out.extend_from_slice(b"null"),
        }
    };
    let duration = |out: &mut Vec<u8>, name: &str, ms: u64| {
        out.extend_from_slice(format!(",\"{name}\":").as_bytes());
        write_duration(out, ms);
    };
    number(out, "calls_min", Some(settings.calls_min.into()));
    number(out, "failure_percent", Some(settings.failure_percent.unwrap_or(0).into()));
    if let Some(SlowCalls { after_ms, percent }) = settings.slow {
        duration(out, "slow_after", after_ms);
        number(out, "slow_percent", Some(percent.into()));
    }
    number(out, "consecutive_failures", settings.consecutive_failures.map(Into::into));
    number(out, "workers_min", Some(settings.workers_min.into()));
    duration(out, "workers_within", settings.workers_within_ms);
    duration(out, "open_for", settings.open_ms);
    duration(out, "open_for_max", settings.open_ms_max);
    duration(out, "forget_after", settings.forget_after_ms);
    number(out, "probes", Some(settings.probes.into()));
    number(out, "probes_at_once", Some(settings.probes_at_once.into()));
    number(out, "probe_success_percent", Some(settings.probe_success_percent.into()));
    duration(out, "probe_for", settings.probe_ms);
    duration(out, "ramp_for", settings.ramp_ms);
    number(out, "ramp_from_percent", Some(settings.ramp_from_percent.into()));
    out.extend_from_slice(b",\"ignore\":[");
    for (at, class) in settings.ignore.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        json::write_text(out, class);
    }
    out.push(b']');
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::header::{CONTENT_TYPE, HeaderValue};

    fn headers() -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers
    }

    fn name() -> BreakerName<'static> {
        BreakerName::new("partner").unwrap()
    }

    fn settings(body: &str) -> Result<BreakerSettings> {
        put(&headers(), name(), body.as_bytes()).map(|put| put.settings)
    }

    #[test]
    fn what_is_not_said_has_a_default_that_fits_the_rest() {
        assert_eq!(settings("{}").unwrap(), BreakerSettings::default());
        let read = settings(r#"{"window":{"calls":10}}"#).unwrap();
        assert_eq!((read.window, read.calls_min), (BreakerWindow::Calls(10), 10));
        let read = settings(r#"{"open_for":"5m","failure_percent":0,"ignore":["E"]}"#).unwrap();
        assert_eq!((read.open_ms, read.open_ms_max), (300_000, 300_000));
        assert_eq!((read.failure_percent, &read.ignore[..]), (None, &["E".to_owned()][..]));
        let read = settings(r#"{"slow_after":"2s"}"#).unwrap();
        assert_eq!(read.slow, Some(SlowCalls { after_ms: 2_000, percent: 50 }));
        let read = settings(r#"{"window":{"time":"10s"},"calls_min":1000}"#).unwrap();
        assert_eq!((read.window, read.calls_min), (BreakerWindow::Time(10_000), 1_000));
    }

    #[test]
    fn settings_can_be_read_as_they_are_written() {
        for body in [
            "{}",
            r#"{"window":{"time":"10s"},"slow_after":"800ms","consecutive_failures":3,"ignore":["a","b"]}"#,
        ] {
            let read = settings(body).unwrap();
            let mut out = b"{".to_vec();
            write_members(&mut out, &read);
            out.push(b'}');
            assert_eq!(settings(std::str::from_utf8(&out).unwrap()).unwrap(), read);
        }
    }

    #[test]
    fn what_is_out_of_range_is_refused_with_its_member() {
        for (body, member) in [
            (r#"{"window":{"calls":0}}"#, "window.calls"),
            (r#"{"window":{"calls":1001}}"#, "window.calls"),
            (r#"{"window":{"calls":5,"time":"5s"}}"#, "window"),
            (r#"{"window":{}}"#, "window"),
            (r#"{"window":5}"#, "window"),
            (r#"{"window":{"calls":5},"calls_min":6}"#, "calls_min"),
            (r#"{"calls_min":0}"#, "calls_min"),
            (r#"{"failure_percent":101}"#, "failure_percent"),
            (r#"{"consecutive_failures":0}"#, "consecutive_failures"),
            (r#"{"workers_min":33}"#, "workers_min"),
            (r#"{"open_for":"0s"}"#, "open_for"),
            (r#"{"open_for":"2d"}"#, "open_for"),
            (r#"{"open_for":"10s","open_for_max":"9s"}"#, "open_for_max"),
            (r#"{"probes":101}"#, "probes"),
            (r#"{"probes_at_once":4}"#, "probes_at_once"),
            (r#"{"probe_success_percent":0}"#, "probe_success_percent"),
            (r#"{"ramp_from_percent":0}"#, "ramp_from_percent"),
            (r#"{"ignore":["a\nb"]}"#, "ignore[0]"),
            (r#"{"slow_percent":5}"#, "slow_after"),
            (r#"{"slow_after":"1s","slow_percent":0}"#, "slow_percent"),
            (r#"{"slow_after":"0s"}"#, "slow_after"),
            (r#"{"slow_part":5}"#, "slow_part"),
        ] {
            let problem = settings(body).expect_err(body);
            let json: serde_json::Value = serde_json::from_slice(&problem.to_bytes()).unwrap();
            assert_eq!(json["member"].as_str(), Some(member), "{body}: {json}");
        }
    }

    #[test]
    fn an_outcome_has_the_token_of_its_breaker() {
        let token = BreakerPermit::new(&name(), 3, 0, 7);
        let other = BreakerPermit::new(&BreakerName::new("other").unwrap(), 3, 0, 7);
        let read = |body: &str| record(&headers(), name(), body.as_bytes()).map(|read| read.records);
        let read_one = read(&format!(r#"{{"token":"{token}","outcome":"failed","class":"E","worker":"w"}}"#));
        let failed = CallOutcome::Failed { class: "E".into() };
        assert_eq!(read_one.unwrap(), [BreakerRecord { permit: token, worker: "w".into(), outcome: failed }]);
        let many = format!(r#"{{"records":[{{"token":"{token}","outcome":"ok"}}]}}"#);
        assert_eq!(read(&many).unwrap().len(), 1);
        for (outcome, took, wanted) in [
            ("ok", "1200ms", CallOutcome::OkIn { took_ms: 1_200 }),
            ("failed", "1s", CallOutcome::Failed { class: "".into() }),
            ("ignored", "1s", CallOutcome::Ignored),
        ] {
            let body = format!(r#"{{"token":"{token}","outcome":"{outcome}","took":"{took}"}}"#);
            assert_eq!(read(&body).unwrap()[0].outcome, wanted);
        }
        for (body, member) in [
            ("{}".to_owned(), "token"),
            (format!(r#"{{"token":"{token}","outcome":"ok","took":"400d"}}"#), "took"),
            (format!(r#"{{"token":"{token}"}}"#), "outcome"),
            (format!(r#"{{"token":"{other}","outcome":"ok"}}"#), "token"),
            (r#"{"token":"7","outcome":"ok"}"#.to_owned(), "token"),
            (format!(r#"{{"token":"{token}","outcome":"fine"}}"#), "outcome"),
            (format!(r#"{{"token":"{token}","outcome":"ok","class":"E"}}"#), "class"),
            (format!(r#"{{"token":"{token}","outcome":"ok","records":[]}}"#), "records"),
            (r#"{"records":[{"outcome":"ok"}]}"#.to_owned(), "records[0].token"),
        ] {
            let problem = read(&body).expect_err(&body);
            let json: serde_json::Value = serde_json::from_slice(&problem.to_bytes()).unwrap();
            assert_eq!(json["member"].as_str(), Some(member), "{body}: {json}");
        }
    }
}
