//! The input of an import: cut into lines, each with an id so that it can be sent again.

use crate::line_buffer::LineBuffer;
use bytes::Bytes;
use futures_core::Stream;
use serde::Deserialize;
use std::collections::VecDeque;
use std::io::{self, Read};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::sync::mpsc;

/// How many bytes are read at a time, and how many parts are read ahead.
const PART_BYTES: usize = 64 << 10;
const PARTS_AHEAD: usize = 2;
/// The server stops reading at a longer line, so the client refuses such a line itself and sends the others.
pub(super) const LINE_BYTES_MAX: usize = 2 << 20;

/// One line on its way to the node.
pub(super) struct Line {
    pub(super) number: u64,
    /// `None` when it is too long to send.
    pub(super) text: Option<Bytes>,
}

/// Parts of an input, from wherever they come.
pub(super) type Parts = Pin<Box<dyn Stream<Item = io::Result<Bytes>> + Send>>;

/// The lines of an input, in memory bounded by one part and the longest line that may be sent.
pub(super) struct Lines {
    parts: Parts,
    cutter: Cutter,
    ended: bool,
}

impl Lines {
    pub(super) fn new(parts: Parts) -> Self {
        Self { parts, cutter: Cutter::default(), ended: false }
    }

    /// The next line, or `None` at the end of the input.
    pub(super) fn poll_line(&mut self, context: &mut Context<'_>) -> Poll<Option<io::Result<Line>>> {
        loop {
            if let Some(line) = self.cutter.done.pop_front() {
                return Poll::Ready(Some(Ok(line)));
            }
            if self.ended {
                return Poll::Ready(None);
            }
            match ready!(self.parts.as_mut().poll_next(context)) {
                Some(Ok(part)) => self.cutter.push(&part),
                Some(Err(error)) => {
                    self.ended = true;
                    return Poll::Ready(Some(Err(error)));
                }
                None => {
                    self.ended = true;
                    self.cutter.end();
                }
            }
        }
    }
}

/// The parts of a blocking reader, read on its own thread, at most [`PARTS_AHEAD`] parts ahead.
pub(super) fn read_on_thread(input: impl Read + Send + 'static) -> Parts {
    let (sender, parts) = mpsc::channel(PARTS_AHEAD);
    // Detached on purpose: a read may block forever. The thread ends with its next part once the receiver is
    // gone.
    std::thread::spawn(move || read_parts(input, &sender));
    Box::pin(Received(parts))
}

fn read_parts(mut input: impl Read, parts: &mpsc::Sender<io::Result<Bytes>>) {
    let mut buffer = vec![0; PART_BYTES];
    loop {
        let part = match input.read(&mut buffer) {
            Ok(0) => return,
            Ok(bytes) => Ok(Bytes::copy_from_slice(&buffer[..bytes])),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => Err(error),
        };
        let failed = part.is_err();
        if parts.blocking_send(part).is_err() || failed {
            return;
        }
    }
}

struct Received(mpsc::Receiver<io::Result<Bytes>>);

impl Stream for Received {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_recv(context)
    }
}

/// Cuts parts into lines.
#[derive(Default)]
struct Cutter {
    buffer: LineBuffer,
    /// Bytes of the unfinished line, including those that were thrown away.
    line_bytes: usize,
    number: u64,
    done: VecDeque<Line>,
}

impl Cutter {
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
}

/// The line with an `id`, so that it can be sent again. A line that is not a JSON object stays as it is: the
/// server's response says what is wrong with it.
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
        let mut cutter = Cutter::default();
        text.as_bytes().chunks(70_001).for_each(|part| cutter.push(part));
        cutter.end();
        let got: Vec<(u64, Option<&[u8]>)> =
            cutter.done.iter().map(|line| (line.number, line.text.as_deref())).collect();
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
