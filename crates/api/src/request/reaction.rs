//! `PUT /v1/reactions/{reaction}`: which events a reaction selects, and which tasks it makes of them.

use crate::catalogue::Code;
use crate::json::Reader;
use crate::media;
use crate::problem::{Problem, Result};
use crate::request::head::Head;
use crate::request::object::{
    Known, invalid, missing, read_bool, read_label, read_labels, read_name, read_number_in, read_object,
    read_optional_text,
};
use http::HeaderMap;
use model::{
    Cursor, PutReaction, QueueName, ReactionKey, ReactionName, ReactionPayload, ReactionSettings, limits,
};
use std::borrow::Cow;

const MEMBERS: &str = "`prefix`, `types`, `queue`, `task_type`, `key` or `key_from`, `priority`, `payload`, \
    `paused` and `from`";

/// The reaction's name in a segment of the path.
///
/// # Errors
/// When the segment cannot be decoded or is not a valid name.
pub fn reaction_in_path(segment: &str) -> Result<ReactionName<'_>> {
    let name = ReactionName::new(super::decode(segment)?)?;
    let max = limits::REACTION_NAME_BYTES_MAX;
    if name.as_str().len() > max {
        return Err(Problem::new(
            Code::InvalidName,
            format!("the name of a reaction has at most {max} bytes"),
        ));
    }
    Ok(name)
}

/// Reads the request.
///
/// # Errors
/// The problem with the request, which then has no effect.
pub fn put(headers: &HeaderMap, reaction: ReactionName<'_>, body: &[u8]) -> Result<PutReaction<'static>> {
    let head = Head::read(headers)?;
    media::check_json(head.content_type)?;
    head.refuse_key("the request replaces all settings, so repeating it is safe without a key")?;
    let mut sent = Sent::default();
    let mut reader = Reader::new(body)?;
    read_object(&mut reader, MEMBERS, |name, reader| sent.read(name, reader))?;
    reader.end()?;
    sent.into_command(reaction.into_owned())
}

/// The members as they were sent.
#[derive(Debug, Default)]
struct Sent {
    prefix: Option<String>,
    types: Vec<Cow<'static, str>>,
    queue: Option<QueueName<'static>>,
    task_type: Option<String>,
    key: Option<String>,
    key_from_stream: bool,
    priority: Option<u64>,
    payload: ReactionPayload,
    paused: Option<bool>,
    from: Option<Cursor>,
}

impl Sent {
    fn read(&mut self, name: &str, reader: &mut Reader<'_>) -> Result<Known> {
        match name {
            "prefix" => self.prefix = read_prefix(reader)?,
            "types" => {
                let types = read_labels(reader, limits::REACTION_TYPES_MAX)?;
                self.types = types.into_iter().map(|text| Cow::Owned(text.into_owned())).collect();
            }
            "queue" => {
                let name = read_name(reader, "a queue name must be a string")?;
                self.queue = Some(QueueName::new(name)?.into_owned());
            }
            "task_type" => self.task_type = read_label(reader)?.map(Cow::into_owned),
            "key" => self.key = read_label(reader)?.map(Cow::into_owned),
            "key_from" => {
                self.key_from_stream = match read_optional_text(reader)?.as_deref() {
                    None => false,
                    Some("stream") => true,
                    Some(_) => return Err(invalid("this must be \"stream\"")),
                };
            }
            "priority" => self.priority = read_number_in(reader, 0..=limits::PRIORITY_MAX.into())?,
            "payload" => {
                self.payload = match read_optional_text(reader)?.as_deref() {
                    None | Some("event") => ReactionPayload::Event,
                    Some("reference") => ReactionPayload::Reference,
                    Some(_) => return Err(invalid("this must be \"event\" or \"reference\"")),
                };
            }
            "paused" => self.paused = read_bool(reader)?,
            "from" => self.from = read_from(reader)?,
            _ => return Ok(Known::No),
        }
        Ok(Known::Yes)
    }

    fn into_command(self, reaction: ReactionName<'static>) -> Result<PutReaction<'static>> {
        let key = match (self.key, self.key_from_stream) {
            (Some(_), true) => {
                return Err(invalid("a reaction has `key` or `key_from`, not both").member("key_from"));
            }
            (Some(key), false) => ReactionKey::Fixed(Cow::Owned(key)),
            (None, true) => ReactionKey::Stream,
            (None, false) => ReactionKey::None,
        };
        let settings = ReactionSettings {
            prefix: Cow::Owned(self.prefix.unwrap_or_default()),
            types: self.types,
            queue: self.queue.ok_or_else(|| missing("queue"))?,
            task_type: Cow::Owned(self.task_type.ok_or_else(|| missing("task_type"))?),
            key,
            priority: self.priority.map_or(limits::PRIORITY_DEFAULT, |priority| priority as u8),
            payload: self.payload,
            paused: self.paused.unwrap_or(false),
        };
        Ok(PutReaction { reaction, settings, from: self.from })
    }
}

/// Reads what names of streams begin with, or null.
fn read_prefix(reader: &mut Reader<'_>) -> Result<Option<String>> {
    let Some(text) = read_optional_text(reader)? else { return Ok(None) };
    let max = limits::NAME_BYTES_MAX;
    if text.len() > max {
        return Err(invalid(format!("a stream's name has at most {max} bytes, and this is longer")));
    }
    Ok(Some(text.into_owned()))
}

/// Reads where a reaction begins: `now`, `beginning`, a cursor, or null.
fn read_from(reader: &mut Reader<'_>) -> Result<Option<Cursor>> {
    match read_optional_text(reader)?.as_deref() {
        None | Some("now") => Ok(None),
        Some("beginning") => Ok(Some(Cursor::START)),
        Some(text) => match text.parse() {
            Ok(cursor) => Ok(Some(cursor)),
            Err(_) => {
                Err(invalid("this must be \"now\", \"beginning\" or a cursor of 20 lower-case hex digits"))
            }
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::header::{CONTENT_TYPE, HeaderValue};

    fn read(body: &str) -> Result<PutReaction<'static>> {
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/json"))]);
        put(&headers, ReactionName::new("r").unwrap(), body.as_bytes())
    }

    #[test]
    fn absent_members_have_defaults() {
        let put = read(r#"{"queue":"q","task_type":"t"}"#).unwrap();
        assert_eq!(put.from, None);
        let settings = put.settings;
        assert!(settings.selects("any", "thing"));
        assert_eq!((settings.queue.as_str(), &*settings.task_type, settings.priority), ("q", "t", 5));
        assert_eq!((settings.key, settings.payload), (ReactionKey::None, ReactionPayload::Event));
        assert!(!settings.paused);
    }

    #[test]
    fn every_member_is_read() {
        let put = read(
            r#"{"prefix":"order-","types":["placed","paid"],"queue":"q","task_type":"t","key_from":"stream",
            "priority":9,"payload":"reference","paused":true,"from":"012b6bd05e6200050007"}"#,
        )
        .unwrap();
        assert_eq!(put.from.unwrap().to_string(), "012b6bd05e6200050007");
        let settings = put.settings;
        assert!(settings.selects("order-7", "paid"));
        assert!(!settings.selects("order-7", "shipped"));
        assert!(!settings.selects("cart-7", "paid"));
        assert_eq!((settings.key, settings.payload), (ReactionKey::Stream, ReactionPayload::Reference));
        assert_eq!((settings.priority, settings.paused), (9, true));
        let put = read(r#"{"queue":"q","task_type":"t","key":"k","from":"beginning"}"#).unwrap();
        assert_eq!(put.settings.key, ReactionKey::Fixed("k".into()));
        assert_eq!(put.from, Some(Cursor::START));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let many = format!(r#"{{"queue":"q","task_type":"t","types":{:?}}}"#, vec!["t"; 33]);
        let long = format!(r#"{{"queue":"q","task_type":"t","prefix":"{}"}}"#, "x".repeat(257));
        for body in [
            "{}",
            r#"{"queue":"q"}"#,
            r#"{"task_type":"t"}"#,
            r#"{"queue":"","task_type":"t"}"#,
            r#"{"queue":7,"task_type":"t"}"#,
            r#"{"queue":"q","task_type":""}"#,
            r#"{"queue":"q","task_type":"t","key":"k","key_from":"stream"}"#,
            r#"{"queue":"q","task_type":"t","key_from":"id"}"#,
            r#"{"queue":"q","task_type":"t","priority":10}"#,
            r#"{"queue":"q","task_type":"t","payload":"all"}"#,
            r#"{"queue":"q","task_type":"t","from":"yesterday"}"#,
            r#"{"queue":"q","task_type":"t","from":7}"#,
            r#"{"queue":"q","task_type":"t","types":"t"}"#,
            r#"{"queue":"q","task_type":"t","type":"t"}"#,
            &many,
            &long,
            "7",
            "",
        ] {
            assert_eq!(read(body).expect_err(body).status(), 400, "{body}");
        }
        assert!(reaction_in_path(&"x".repeat(200)).is_ok());
        for segment in ["x".repeat(201), String::new(), "..".into(), "%zz".into()] {
            assert_eq!(reaction_in_path(&segment).expect_err(&segment).status(), 400);
        }
    }
}
