//! `mainstay export`: events as lines that `import` accepts.
//!
//! A line leaves out what the store adds: `revision`, `cursor` and `recordedtime`. It keeps `stream`, because
//! `import` needs it. Everything else, `data` above all, is copied byte by byte.

use super::Global;
use super::failure::{Failure, Result};
use super::output::stdout;
use super::read::Which;
use serde::Deserializer as _;
use serde::de::{MapAccess, Visitor};
use serde_json::value::RawValue;
use std::fmt;
use std::io::Write;

/// Members that the store adds when it records an event.
const ADDED: [&str; 3] = ["revision", "cursor", "recordedtime"];

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    which: Which,
    /// Export the store as it was at this moment: a time in RFC 3339 or a cursor
    #[arg(long, value_name = "MOMENT")]
    as_of: Option<String>,
}

pub(crate) fn run(global: &Global, args: &Args) -> Result {
    let client = global.client()?;
    let mut read = args.which.read(&client);
    if let Some(moment) = &args.as_of {
        read = read.as_of(moment);
    }
    let (mut out, mut line_out, mut is_empty) = (stdout(), Vec::new(), true);
    for line in read.lines() {
        let line = line?;
        is_empty = false;
        line_out.clear();
        as_sent(&line, &mut line_out)
            .map_err(|error| Failure::local(format!("the node sent a line that is not an event: {error}")))?;
        line_out.push(b'\n');
        out.write_all(&line_out)?;
    }
    out.flush()?;
    if is_empty { args.which.must_exist(&client) } else { Ok(()) }
}

/// The event without the members that the store added.
pub(super) fn as_sent(line: &[u8], out: &mut Vec<u8>) -> serde_json::Result<()> {
    serde_json::Deserializer::from_slice(line).deserialize_map(Members(out))
}

/// Copies the members of an object as text.
struct Members<'a>(&'a mut Vec<u8>);

impl<'de> Visitor<'de> for Members<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an event")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut between = b'{';
        while let Some((name, value)) = map.next_entry::<String, &RawValue>()? {
            if ADDED.contains(&name.as_str()) {
                continue;
            }
            self.0.push(between);
            between = b',';
            // Names of attributes are lower-case letters, digits and `_`: nothing to escape.
            self.0.push(b'"');
            self.0.extend_from_slice(name.as_bytes());
            self.0.extend_from_slice(b"\":");
            self.0.extend_from_slice(value.get().as_bytes());
        }
        self.0.push(b'}');
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_store_added_is_left_out() {
        let line = br#"{"stream":"s","revision":1,"cursor":"0","recordedtime":"x","id":"1","data":{"cursor": 1.50}}"#;
        let mut out = Vec::new();
        as_sent(line, &mut out).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), r#"{"stream":"s","id":"1","data":{"cursor": 1.50}}"#);
    }
}
