//! `PUT /v1/queues/{queue}`: a queue's settings. Absent members have their defaults.

use super::tasks::{claim_range, read_retry, write_duration, write_retry};
use crate::json::{self, Reader};
use crate::media;
use crate::problem::Result;
use crate::request::head::Head;
use crate::request::object::{Known, read_bool, read_duration_in, read_number_in, read_object};
use crate::request::{breaker, limit};
use http::HeaderMap;
use model::{QueueSettings, limits};
use std::ops::RangeInclusive;

const MEMBERS: &str = "`retry`, `claim_timeout`, `lost_max`, `keep_done`, `keep_dead`, `backlog_max`, `paused`, `concurrency`, `limits` and `breaker`";
const KEEP: RangeInclusive<u64> = 0..=limits::TASK_DELAY_MS_MAX;

/// Reads the request. It replaces all settings.
///
/// # Errors
/// The problem with the request, which then has no effect.
pub fn read(headers: &HeaderMap, body: &[u8]) -> Result<QueueSettings> {
    let head = Head::read(headers)?;
    media::check_json(head.content_type)?;
    head.refuse_key("the request replaces all settings, so repeating it is safe without a key")?;
    let mut settings = QueueSettings::default();
    let mut reader = Reader::new(body)?;
    read_object(&mut reader, MEMBERS, |name, reader| {
        fn set<T>(to: &mut T, value: Option<T>) {
            if let Some(value) = value {
                *to = value;
            }
        }
        match name {
            "retry" => {
                if let Some(retry) = read_retry(reader)? {
                    settings.retry = retry.policy;
                    settings.options.give_up = retry.give_up;
                }
            }
            "claim_timeout" => set(&mut settings.claim_ms, read_duration_in(reader, claim_range())?),
            "lost_max" => {
                let number = read_number_in(reader, 1..=u32::MAX.into())?;
                set(&mut settings.lost_max, number.map(|number| u32::try_from(number).unwrap_or(u32::MAX)));
            }
            "keep_done" => set(&mut settings.keep_done_ms, read_duration_in(reader, KEEP)?),
            "keep_dead" => set(&mut settings.keep_dead_ms, read_duration_in(reader, KEEP)?),
            "backlog_max" => set(&mut settings.backlog_max, read_number_in(reader, 1..=u64::MAX)?),
            "paused" => set(&mut settings.paused, read_bool(reader)?),
            "concurrency" => {
                let tasks = read_number_in(reader, 1..=u32::MAX.into())?;
                settings.options.concurrency = tasks.map(|tasks| u32::try_from(tasks).unwrap_or(u32::MAX));
            }
            "limits" => settings.options.limits = limit::read_queue_limits(reader)?,
            "breaker" => settings.options.breaker = breaker::read_queue_breaker(reader)?,
            _ => return Ok(Known::No),
        }
        Ok(Known::Yes)
    })?;
    reader.end()?;
    Ok(settings)
}

/// Writes the settings as an object that can be read again.
pub(crate) fn write(out: &mut Vec<u8>, settings: &QueueSettings) {
    out.extend_from_slice(b"{\"retry\":");
    write_retry(out, &settings.retry, &settings.options.give_up);
    out.extend_from_slice(b",\"claim_timeout\":");
    write_duration(out, settings.claim_ms);
    out.extend_from_slice(b",\"lost_max\":");
    json::write_number(out, settings.lost_max.into());
    out.extend_from_slice(b",\"keep_done\":");
    write_duration(out, settings.keep_done_ms);
    out.extend_from_slice(b",\"keep_dead\":");
    write_duration(out, settings.keep_dead_ms);
    out.extend_from_slice(b",\"backlog_max\":");
    json::write_number(out, settings.backlog_max);
    out.extend_from_slice(if settings.paused { b",\"paused\":true" } else { b",\"paused\":false" });
    if let Some(tasks) = settings.options.concurrency {
        out.extend_from_slice(b",\"concurrency\":");
        json::write_number(out, tasks.into());
    }
    if !settings.options.limits.is_empty() {
        out.extend_from_slice(b",\"limits\":");
        limit::write_queue_limits(out, &settings.options.limits);
    }
    if let Some(of_tasks) = &settings.options.breaker {
        out.extend_from_slice(b",\"breaker\":");
        breaker::write_queue_breaker(out, of_tasks);
    }
    out.push(b'}');
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::header::{CONTENT_TYPE, HeaderValue};

    fn settings(body: &str) -> Result<QueueSettings> {
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/json"))]);
        read(&headers, body.as_bytes())
    }

    fn written(settings: &QueueSettings) -> String {
        let mut out = Vec::new();
        write(&mut out, settings);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn settings_are_written_as_they_can_be_read() {
        let defaults = r#"{"retry":{"attempts":10,"first":"1s","max":"10m"},"claim_timeout":"30s","lost_max":3,"keep_done":"1d","keep_dead":"30d","backlog_max":10000000,"paused":false}"#;
        assert_eq!(written(&settings("{}").unwrap()), defaults);
        assert_eq!(settings(defaults).unwrap(), QueueSettings::default());
        let own = r#"{"retry":{"attempts":1,"first":"0s","max":"1500ms"},"claim_timeout":"2m","lost_max":1,"keep_done":"0s","keep_dead":"366d","backlog_max":1,"paused":true,"concurrency":7,"limits":[{"limit":"api","key":"type","cost":1}]}"#;
        assert_eq!(written(&settings(own).unwrap()), own);
        let own = own.replace("\"max\":\"1500ms\"", r#""max":"1500ms","max_age":"2h","never":["a","b"]"#);
        let own = &own[..];
        assert_eq!(written(&settings(own).unwrap()), own);
        let partial = settings(r#"{"retry":{"attempts":2},"paused":null}"#).unwrap();
        assert_eq!((partial.retry.attempts_max, partial.retry.first_ms, partial.paused), (2, 1_000, false));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for body in [
            r#"{"retry":{"attempts":0}}"#,
            r#"{"retry":{"attempts":4294967296}}"#,
            r#"{"retry":{"first":1}}"#,
            r#"{"retry":{"factor":2}}"#,
            r#"{"retry":[]}"#,
            r#"{"retry":{"max_age":"0s"}}"#,
            r#"{"retry":{"never":"a"}}"#,
            r#"{"retry":{"never":[""]}}"#,
            r#"{"retry":{"never":["1","2","3","4","5","6","7","8","9","0","1","2","3","4","5","6","7"]}}"#,
            r#"{"claim_timeout":"1ms"}"#,
            r#"{"claim_timeout":"2d"}"#,
            r#"{"lost_max":0}"#,
            r#"{"keep_done":"367d"}"#,
            r#"{"keep_dead":-1}"#,
            r#"{"backlog_max":0}"#,
            r#"{"paused":"yes"}"#,
            r#"{"pause":true}"#,
            r#"{"limits":{}}"#,
            r#"{"concurrency":0}"#,
            r#"{"limits":[{"limit":"api","key":"host"}]}"#,
            "7",
            "",
        ] {
            assert_eq!(settings(body).expect_err(body).status(), 400, "{body}");
        }
    }
}
