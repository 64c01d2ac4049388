//! Parses and writes a stream's settings. A duration is a whole number and a unit: `"30d"`, `"500ms"`.

use super::head::Head;
use super::object::{Known, invalid, read_number, read_object};
use crate::json::{self, Reader, Value};
use crate::media;
use crate::problem::Result;
use crate::time;
use http::HeaderMap;
use model::{Revision, Settings};

/// Reads the body of `PUT /v1/streams/{stream}/settings`. It replaces all settings: what is absent or null
/// keeps everything.
///
/// # Errors
/// The problem with the request.
pub fn read(headers: &HeaderMap, body: &[u8]) -> Result<Settings> {
    let head = Head::read(headers)?;
    media::check_json(head.content_type)?;
    head.refuse_key("the request replaces all settings, so repeating it is safe without a key")?;
    let mut settings = Settings::default();
    let mut reader = Reader::new(body)?;
    read_object(&mut reader, "`max_age`, `max_count` and `truncate_before`", |name, reader| {
        match name {
            "max_age" => settings.max_age_ms = read_duration(reader)?,
            "max_count" => {
                settings.max_count = read_number(reader)?;
                if settings.max_count == Some(0) {
                    return Err(invalid(
                        "a stream keeps at least 1 event; to remove all events, delete the stream",
                    ));
                }
            }
            "truncate_before" => settings.truncate_before = read_number(reader)?.map(Revision),
            _ => return Ok(Known::No),
        }
        Ok(Known::Yes)
    })?;
    reader.end()?;
    Ok(settings)
}

fn read_duration(reader: &mut Reader<'_>) -> Result<Option<u64>> {
    const FORM: &str =
        "a duration is a string with a whole number and a unit (ms, s, m, h, d or w), such as \"30d\"";
    let text = match reader.value()? {
        Value::Null => return Ok(None),
        Value::Text(text) => text.as_sent(),
        _ => return Err(invalid(FORM)),
    };
    match time::parse_duration_ms(text) {
        None => Err(invalid(FORM)),
        Some(ms @ 1..) if i64::try_from(ms).is_ok() => Ok(Some(ms)),
        Some(_) => Err(invalid("a duration must be at least 1 ms and less than 2^63 ms")),
    }
}

/// Writes the members of the settings, without braces.
pub(crate) fn write(out: &mut Vec<u8>, settings: &Settings) {
    out.extend_from_slice(b"\"max_age\":");
    match settings.max_age_ms {
        None => out.extend_from_slice(b"null"),
        Some(ms) => {
            out.push(b'"');
            time::write_duration_ms(out, ms);
            out.push(b'"');
        }
    }
    let numbers =
        [("max_count", settings.max_count), ("truncate_before", settings.truncate_before.map(|r| r.0))];
    for (name, number) in numbers {
        out.push(b',');
        json::write_text(out, name);
        out.push(b':');
        match number {
            None => out.extend_from_slice(b"null"),
            Some(number) => json::write_number(out, number),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::header::{CONTENT_TYPE, HeaderValue};

    fn settings(body: &str) -> Result<Settings> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        read(&headers, body.as_bytes())
    }

    fn written(settings: &Settings) -> String {
        let mut out = vec![b'{'];
        write(&mut out, settings);
        out.push(b'}');
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn settings_are_written_as_they_can_be_read() {
        for (body, want) in [
            ("{}", r#"{"max_age":null,"max_count":null,"truncate_before":null}"#),
            (
                r#"{"max_age":"30d","max_count":5,"truncate_before":0}"#,
                r#"{"max_age":"30d","max_count":5,"truncate_before":0}"#,
            ),
            (r#"{"max_age":"48h"}"#, r#"{"max_age":"2d","max_count":null,"truncate_before":null}"#),
            (r#"{"max_age":"1500ms"}"#, r#"{"max_age":"1500ms","max_count":null,"truncate_before":null}"#),
            (r#"{"max_age":null}"#, r#"{"max_age":null,"max_count":null,"truncate_before":null}"#),
        ] {
            let read = settings(body).unwrap();
            assert_eq!(written(&read), want);
            assert_eq!(settings(want).unwrap(), read);
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for body in [
            r#"{"max_age":30}"#,
            r#"{"max_age":""}"#,
            r#"{"max_age":"30"}"#,
            r#"{"max_age":"d"}"#,
            r#"{"max_age":"-1d"}"#,
            r#"{"max_age":"0s"}"#,
            r#"{"max_age":"1.5h"}"#,
            r#"{"max_age":"1y"}"#,
            r#"{"max_age":"99999999999999999999d"}"#,
            r#"{"max_age":"99999999999999999d"}"#,
            r#"{"max_count":0}"#,
            r#"{"max_count":-1}"#,
            r#"{"max_count":"5"}"#,
            r#"{"max_count":1e2}"#,
            r#"{"truncate_before":18446744073709551616}"#,
            r#"{"truncate_before":1.0}"#,
            r#"{"max_size":1}"#,
            "7",
            "",
        ] {
            assert_eq!(settings(body).expect_err(body).status(), 400, "{body}");
        }
    }
}
