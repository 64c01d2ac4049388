//! The input of an import: read on a thread of its own, cut into lines, each given a name of its own.

use crate::lines::LineBuffer;
use bytes::Bytes;
use serde::Deserialize;
use std::collections::VecDeque;
use std::io::Read;
use tokio::sync::mpsc;

/// Bytes that are read at a time.
const PART_BYTES: usize = 64 << 10;
/// A longer line ends the server's reading, so it is refused here and the others go on.
pub(super) const LINE_BYTES_MAX: usize = 2 << 20;

/// One line on its way to the node.
pub(super) struct Line {
    pub(super) number: u64,
    /// `None` when it is too long to send.
    pub(super) text: Option<Bytes>,
}

/// What the reading thread hands over.
pub(super) enum Input {
    Line(Line),
    Failed(std::io::Error),
}

/// Runs on a thread of its own until the input ends, fails, or nobody wants its lines any more.
pub(super) fn read_lines(mut input: impl Read, lines: &mpsc::Sender<Input>) {
    let mut reading = Reading::default();
    let mut part = vec![0; PART_BYTES];
    loop {
        match input.read(&mut part) {
            Ok(0) => {
                reading.end();
                let _ = reading.drain(lines);
                return;
            }
            Ok(bytes) => reading.push(&part[..bytes]),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => {
                let _ = lines.blocking_send(Input::Failed(error));
                return;
            }
        }
        if reading.drain(lines).is_err() {
            return;
        }
    }
}

/// Cuts the input into lines, in memory bounded by the longest line that may be sent.
#[derive(Default)]
struct Reading {
    buffer: LineBuffer,
    /// Bytes of the line in the making, and whether what came of it is being thrown away.
    line_bytes: usize,
    number: u64,
    done: VecDeque<Line>,
}

impl Reading {
    fn push(&mut self, mut part: &[u8]) {
        while let Some(newline) = memchr::memchr(b'\n', part) {
            self.extend(&part[..newline]);
            self.end_line();
            part = &part[newline + 1..];
        }
        self.extend(part);
    }

    fn extend(&mut self, bytes: &[u8]) {
        self.line_bytes += bytes.len();
        if self.line_bytes <= LINE_BYTES_MAX {
            self.buffer.push(bytes);
        } else {
            self.buffer.clear();
        }
    }

    fn end_line(&mut self) {
        self.number += 1;
        let bytes = std::mem::take(&mut self.line_bytes);
        let text = self.buffer.rest().unwrap_or_default();
        let number = self.number;
        if bytes > LINE_BYTES_MAX {
            self.done.push_back(Line { number, text: None });
        } else if !text.trim_ascii().is_empty() {
            self.done.push_back(Line { number, text: Some(named(text)) });
        }
    }

    fn end(&mut self) {
        if self.line_bytes > 0 {
            self.end_line();
        }
    }

    fn drain(&mut self, lines: &mpsc::Sender<Input>) -> std::result::Result<(), ()> {
        for line in self.done.drain(..) {
            lines.blocking_send(Input::Line(line)).map_err(|_| ())?;
        }
        Ok(())
    }
}

/// The line with an `id`, so that it can be sent again. What is no JSON object goes as it is: the server's
/// answer says what is wrong with it.
fn named(line: Bytes) -> Bytes {
    #[derive(Deserialize)]
    struct Named {
        id: Option<serde::de::IgnoredAny>,
    }
    let text = line.trim_ascii();
    let unnamed = matches!(serde_json::from_slice(text), Ok(Named { id: None }));
    if !unnamed || !text.starts_with(b"{") || text[1..].trim_ascii().starts_with(b"}") {
        return line;
    }
    let mut named = Vec::with_capacity(text.len() + 50);
    named.extend_from_slice(format!("{{\"id\":\"{}\",", crate::id::new_id()).as_bytes());
    named.extend_from_slice(&text[1..]);
    named.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_input_is_cut_into_numbered_lines_wherever_reads_end() {
        let long = "x".repeat(LINE_BYTES_MAX + 1);
        let text = format!("{{\"id\":\"1\"}}\n\n  \n{long}\nnot json\n{{\"id\":\"2\"}}");
        let mut reading = Reading::default();
        text.as_bytes().chunks(70_001).for_each(|part| reading.push(part));
        reading.end();
        let got: Vec<(u64, Option<&[u8]>)> =
            reading.done.iter().map(|line| (line.number, line.text.as_deref())).collect();
        let want: [(u64, Option<&[u8]>); 4] =
            [(1, Some(b"{\"id\":\"1\"}")), (4, None), (5, Some(b"not json")), (6, Some(b"{\"id\":\"2\"}"))];
        assert_eq!(got, want);
    }

    #[test]
    fn a_line_without_an_id_is_given_one_and_stays_itself_otherwise() {
        let line = named(Bytes::from(r#" {"stream":"s","type":"t","data":1.50}"#));
        let text = String::from_utf8(line.to_vec()).unwrap();
        assert!(text.starts_with("{\"id\":\"") && text.ends_with(r#","stream":"s","type":"t","data":1.50}"#));
        for same in [r#"{"id":"a"}"#, "[1]", "{}", "{", "\"x\""] {
            assert_eq!(named(Bytes::from(same)), same);
        }
    }
}
