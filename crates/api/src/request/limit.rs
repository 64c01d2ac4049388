//! Requests about limits: `PUT /v1/limits/{limit}`, and the limits that a queue's settings name.

use crate::json::{self, Reader};
use crate::media;
use crate::problem::Result;
use crate::request::head::Head;
use crate::request::object::{
    Known, invalid, missing, read_array, read_duration_in, read_labels, read_name, read_number_in,
    read_object, read_optional_text,
};
use crate::request::queue::tasks::write_duration;
use http::HeaderMap;
use model::{KeyExpression, LimitName, LimitSettings, PutLimit, QueueLimit, Rate, Throttle, limits};

/// Reads `PUT /v1/limits/{limit}`. It replaces the whole limit.
///
/// # Errors
/// The problem with the request, which then has no effect.
pub fn put(headers: &HeaderMap, limit: LimitName<'_>, body: &[u8]) -> Result<PutLimit<'static>> {
    let head = Head::read(headers)?;
    media::check_json(head.content_type)?;
    head.refuse_key("the request replaces the limit, so repeating it is safe without a key")?;
    let mut settings = LimitSettings::default();
    let mut reader = Reader::new(body)?;
    read_object(&mut reader, "`concurrency` and `rate`", |name, reader| {
        match name {
            "concurrency" => settings.concurrency = read_u32(reader, 0)?,
            "rate" => settings.rate = read_rate(reader)?,
            _ => return Ok(Known::No),
        }
        Ok(Known::Yes)
    })?;
    reader.end()?;
    if settings == LimitSettings::default() {
        return Err(invalid("a limit has `concurrency` or `rate`, or both"));
    }
    Ok(PutLimit { limit: limit.into_owned(), settings })
}

/// Checks `DELETE /v1/limits/{limit}`.
///
/// # Errors
/// The problem with the request.
pub fn check_delete(headers: &HeaderMap) -> Result<()> {
    Head::read(headers)?.refuse_key("a deleted limit stays deleted, so repeating the request is safe")
}

fn read_u32(reader: &mut Reader<'_>, min: u64) -> Result<Option<u32>> {
    let number = read_number_in(reader, min..=u32::MAX.into())?;
    Ok(number.map(|number| u32::try_from(number).unwrap_or(u32::MAX)))
}

/// Reads a rate, or null.
fn read_rate(reader: &mut Reader<'_>) -> Result<Option<Rate>> {
    if reader.peek() == Some(b'n') {
        reader.value()?;
        return Ok(None);
    }
    let (mut cost_max, mut per_ms, mut burst) = (None, None, None);
    read_object(reader, "`max`, `per` and `burst`", |name, reader| {
        match name {
            "max" => cost_max = read_number_in(reader, 1..=limits::LIMIT_COST_MAX)?,
            "per" => per_ms = read_duration_in(reader, 1..=limits::LIMIT_MS_MAX)?,
            "burst" => burst = read_number_in(reader, 1..=limits::LIMIT_COST_MAX)?,
            _ => return Ok(Known::No),
        }
        Ok(Known::Yes)
    })?;
    let cost_max = cost_max.ok_or_else(|| missing("max"))?;
    let per_ms = per_ms.ok_or_else(|| missing("per"))?;
    Ok(Some(Rate { cost_max, per_ms, burst: burst.unwrap_or(cost_max) }))
}

/// Writes the members of a limit, the first without a comma before it.
pub(crate) fn write_members(out: &mut Vec<u8>, settings: &LimitSettings) {
    out.extend_from_slice(b"\"concurrency\":");
    match settings.concurrency {
        Some(tasks) => json::write_number(out, tasks.into()),
        None => out.extend_from_slice(b"null"),
    }
    out.extend_from_slice(b",\"rate\":");
    let Some(rate) = settings.rate else {
        out.extend_from_slice(b"null");
        return;
    };
    out.extend_from_slice(b"{\"max\":");
    json::write_number(out, rate.cost_max);
    out.extend_from_slice(b",\"per\":");
    write_duration(out, rate.per_ms);
    out.extend_from_slice(b",\"burst\":");
    json::write_number(out, rate.burst);
    out.push(b'}');
}

/// Reads which key a worker closes, or null.
pub(crate) fn read_throttle(reader: &mut Reader<'_>) -> Result<Option<Throttle<'static>>> {
    if reader.peek() == Some(b'n') {
        reader.value()?;
        return Ok(None);
    }
    let (mut limit, mut key, mut close_ms) = (None, None, None);
    read_object(reader, "`limit`, `key` and `for`", |name, reader| {
        match name {
            "limit" => {
                let name = read_name(reader, "a limit's name must be a string")?;
                limit = Some(LimitName::new(name)?.into_owned());
            }
            "key" => key = read_optional_text(reader)?.map(std::borrow::Cow::into_owned),
            "for" => close_ms = read_duration_in(reader, 1..=limits::LIMIT_MS_MAX)?,
            _ => return Ok(Known::No),
        }
        Ok(Known::Yes)
    })?;
    if key.as_ref().is_some_and(|key| key.len() > limits::LIMIT_KEY_BYTES_MAX) {
        let why = format!("a key of a limit has at most {} bytes", limits::LIMIT_KEY_BYTES_MAX);
        return Err(invalid(why).member("key"));
    }
    Ok(Some(Throttle {
        limit: limit.ok_or_else(|| missing("limit"))?,
        key: key.map(Into::into),
        close_ms: close_ms.ok_or_else(|| missing("for"))?,
    }))
}

/// Reads the limits that a queue's settings name.
pub(crate) fn read_queue_limits(reader: &mut Reader<'_>) -> Result<Vec<QueueLimit>> {
    let mut limits = Vec::new();
    read_array(reader, |_, reader| {
        if limits.len() == limits::QUEUE_LIMITS_MAX {
            return Err(invalid(format!("a queue names at most {} limits", limits::QUEUE_LIMITS_MAX)));
        }
        limits.push(read_queue_limit(reader)?);
        Ok(())
    })?;
    Ok(limits)
}

fn read_queue_limit(reader: &mut Reader<'_>) -> Result<QueueLimit> {
    let (mut limit, mut key, mut types, mut cost) = (None, KeyExpression::NOTHING, Vec::new(), 1);
    read_object(reader, "`limit`, `key`, `types` and `cost`", |name, reader| {
        match name {
            "limit" => {
                let name = read_name(reader, "a limit's name must be a string")?;
                limit = Some(LimitName::new(name)?.into_owned());
            }
            "key" => {
                if let Some(text) = read_optional_text(reader)? {
                    key = KeyExpression::new(text).map_err(|error| invalid(error.to_string()))?;
                }
            }
            "types" => types = read_labels(reader, limits::LIMIT_TYPES_MAX)?,
            "cost" => {
                let number = read_number_in(reader, 1..=limits::LIMIT_COST_MAX)?;
                cost = number.map_or(1, |number| u32::try_from(number).unwrap_or(u32::MAX));
            }
            _ => return Ok(Known::No),
        }
        Ok(Known::Yes)
    })?;
    let limit = limit.ok_or_else(|| missing("limit"))?;
    let types = types.into_iter().map(std::borrow::Cow::into_owned).collect();
    Ok(QueueLimit { limit, key, types, cost })
}

/// Writes the limits that a queue's settings name, as they can be read.
pub(crate) fn write_queue_limits(out: &mut Vec<u8>, limits: &[QueueLimit]) {
    for (at, limit) in limits.iter().enumerate() {
        out.extend_from_slice(if at == 0 { b"[{\"limit\":" } else { b",{\"limit\":" });
        json::write_text(out, limit.limit.as_str());
        if limit.key != KeyExpression::NOTHING {
            out.extend_from_slice(b",\"key\":");
            json::write_text(out, limit.key.as_str());
        }
        for (at, task_type) in limit.types.iter().enumerate() {
            out.extend_from_slice(if at == 0 { b",\"types\":[" } else { b"," });
            json::write_text(out, task_type);
        }
        if !limit.types.is_empty() {
            out.push(b']');
        }
        out.extend_from_slice(b",\"cost\":");
        json::write_number(out, limit.cost.into());
        out.push(b'}');
    }
    out.push(b']');
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::header::{CONTENT_TYPE, HeaderValue};

    fn read(body: &str) -> Result<LimitSettings> {
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/json"))]);
        put(&headers, LimitName::new("api").unwrap(), body.as_bytes()).map(|put| put.settings)
    }

    fn named(body: &str) -> Result<Vec<QueueLimit>> {
        read_queue_limits(&mut Reader::new(body.as_bytes())?)
    }

    #[test]
    fn a_limit_is_written_as_it_can_be_read() {
        for (body, written) in [
            (r#"{"concurrency":5}"#, r#"{"concurrency":5,"rate":null}"#),
            (
                r#"{"rate":{"max":10,"per":"1s"}}"#,
                r#"{"concurrency":null,"rate":{"max":10,"per":"1s","burst":10}}"#,
            ),
            (
                r#"{"concurrency":0,"rate":{"max":1,"per":"1d","burst":3}}"#,
                r#"{"concurrency":0,"rate":{"max":1,"per":"1d","burst":3}}"#,
            ),
        ] {
            let settings = read(body).unwrap();
            let mut out = b"{".to_vec();
            write_members(&mut out, &settings);
            out.push(b'}');
            assert_eq!(String::from_utf8(out).unwrap(), written);
            assert_eq!(read(written).unwrap(), settings);
        }
        let limits =
            r#"[{"limit":"api","key":"payload.host","types":["a","b"],"cost":3},{"limit":"db","cost":1}]"#;
        let mut out = Vec::new();
        write_queue_limits(&mut out, &named(limits).unwrap());
        assert_eq!(String::from_utf8(out).unwrap(), limits);
        assert_eq!(named(r#"[{"limit":"db","key":null,"types":[]}]"#).unwrap()[0].cost, 1);
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for body in [
            "{}",
            "7",
            "",
            r#"{"concurrency":null}"#,
            r#"{"concurrency":-1}"#,
            r#"{"concurrency":4294967296}"#,
            r#"{"concurrency":"5"}"#,
            r#"{"concurrent":5}"#,
            r#"{"rate":5}"#,
            r#"{"rate":{}}"#,
            r#"{"rate":{"max":5}}"#,
            r#"{"rate":{"per":"1s"}}"#,
            r#"{"rate":{"max":0,"per":"1s"}}"#,
            r#"{"rate":{"max":1,"per":"0s"}}"#,
            r#"{"rate":{"max":1,"per":"2d"}}"#,
            r#"{"rate":{"max":1,"per":"1s","burst":0}}"#,
            r#"{"rate":{"max":1000001,"per":"1s"}}"#,
        ] {
            assert_eq!(read(body).expect_err(body).status(), 400, "{body}");
        }
        let many = format!("[{}]", [r#"{"limit":"a"}"#; limits::QUEUE_LIMITS_MAX + 1].join(","));
        for body in [
            "{}",
            "[7]",
            "[{}]",
            r#"[{"limit":""}]"#,
            r#"[{"limit":7}]"#,
            r#"[{"limit":"a","key":"host"}]"#,
            r#"[{"limit":"a","key":"payload..host"}]"#,
            r#"[{"limit":"a","types":"b"}]"#,
            r#"[{"limit":"a","cost":0}]"#,
            r#"[{"limit":"a","name":"b"}]"#,
            &many,
        ] {
            assert_eq!(named(body).expect_err(body).status(), 400, "{body}");
        }
    }
}
