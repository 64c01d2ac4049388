//! `mainstay append`: one event, built from the arguments.

use super::Global;
use super::failure::{Failure, Result};
use super::output::{Output, stdout};
use mainstay_client::{Expected, NewEvent, Revision};
use serde_json::value::RawValue;
use std::io::{Read, Write};
use std::str::FromStr;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The stream to append to
    stream: String,
    /// The event's type, such as cart.item-added
    #[arg(value_name = "TYPE")]
    event_type: String,
    /// The event's data as JSON, or `-` to read it from standard input
    data: Option<String>,
    /// The event's id; repeating the command with the same id changes nothing [default: a new id]
    #[arg(long)]
    id: Option<String>,
    /// The event's source, a URI reference [default: /streams/STREAM]
    #[arg(long)]
    source: Option<String>,
    /// What the event is about
    #[arg(long)]
    subject: Option<String>,
    /// When the event happened, in RFC 3339 [default: when it is recorded]
    #[arg(long)]
    time: Option<String>,
    /// A CloudEvents extension attribute; may be repeated
    #[arg(long = "extension", value_name = "NAME=TEXT")]
    extensions: Vec<Extension>,
    /// Append only if the stream is in this state: `any`, `none` (it does not exist), `exists`, or its last
    /// revision
    #[arg(long, value_name = "STATE", default_value = "any")]
    expect: Expect,
}

/// An expected revision, as it is typed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Expect(pub(super) Expected);

impl FromStr for Expect {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "any" => Ok(Self(Expected::Any)),
            "none" => Ok(Self(Expected::None)),
            "exists" => Ok(Self(Expected::Exists)),
            number => {
                let revision =
                    number.parse().map_err(|_| "expected `any`, `none`, `exists` or a revision")?;
                Ok(Self(Expected::Revision(Revision(revision))))
            }
        }
    }
}

#[derive(Clone, Debug)]
struct Extension(String, String);

impl FromStr for Extension {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, value) = text.split_once('=').ok_or("expected NAME=TEXT")?;
        Ok(Self(name.to_owned(), value.to_owned()))
    }
}

pub(crate) fn run(global: &Global, args: Args) -> Result {
    let mut event = NewEvent::new(args.event_type);
    if let Some(data) = args.data {
        event = event.data(&json(data)?)?;
    }
    for (value, set) in [
        (args.id, NewEvent::id as fn(NewEvent, String) -> NewEvent),
        (args.source, NewEvent::source),
        (args.subject, NewEvent::subject),
        (args.time, NewEvent::time),
    ] {
        if let Some(value) = value {
            event = set(event, value);
        }
    }
    for Extension(name, value) in args.extensions {
        event = event.extension(name, value);
    }
    let appended = global.client()?.append(args.stream.as_str(), [event]).expected(args.expect.0).send()?;
    let mut out = stdout();
    match global.output {
        Output::Table => {
            for event in &appended.events {
                let note = if event.replayed { " (existed already)" } else { "" };
                writeln!(out, "{} revision {} id {}{note}", args.stream, event.revision, event.id)?;
            }
        }
        Output::Json | Output::Jsonl => {
            serde_json::to_writer(&mut out, &appended).map_err(Failure::local)?;
            writeln!(out)?;
        }
    }
    Ok(out.flush()?)
}

/// Checks that the text is JSON and keeps it as it was typed, numbers and order of members included.
pub(super) fn json(text: String) -> Result<Box<RawValue>> {
    let text = if text == "-" {
        let mut input = String::new();
        std::io::stdin().read_to_string(&mut input)?;
        input.trim().to_owned()
    } else {
        text
    };
    RawValue::from_string(text).map_err(|error| {
        Failure::usage(format!("the data is not JSON: {error}"))
            .advice("A JSON string needs its own quotes: '\"text\"'. In a shell, put JSON in single quotes.")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_stays_as_it_was_typed() {
        assert_eq!(json(r#"{"b": 1.50, "a":1}"#.into()).unwrap().get(), r#"{"b": 1.50, "a":1}"#);
        assert!(json("text".into()).is_err());
    }

    #[test]
    fn expectations_are_words_or_revisions() {
        for (text, want) in [
            ("any", Some(Expected::Any)),
            ("none", Some(Expected::None)),
            ("exists", Some(Expected::Exists)),
            ("41", Some(Expected::Revision(Revision(41)))),
            ("-1", None),
            ("", None),
        ] {
            assert_eq!(text.parse::<Expect>().ok().map(|expect| expect.0), want, "{text}");
        }
    }
}
