//! Server-sent events (WHATWG HTML, section 9.2) out of the parts of a body. Pure: parts in, messages out.

use crate::lines::LineBuffer;
use bytes::Bytes;

/// One dispatched message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    /// The kind; `message` when the server names none.
    pub(crate) event: String,
    pub(crate) data: Bytes,
}

/// What a reader of messages has to keep: the message in the making, and the last id, which outlives it.
#[derive(Debug, Default)]
pub(crate) struct Parser {
    lines: LineBuffer,
    last_id: Option<String>,
    id: Option<String>,
    event: String,
    data: Option<Vec<u8>>,
}

impl Parser {
    pub(crate) fn push(&mut self, part: &[u8]) {
        self.lines.push(part);
    }

    /// The id of the last message that was taken out, or of a bare id after it.
    pub(crate) fn last_id(&self) -> Option<&str> {
        self.last_id.as_deref()
    }

    /// Forgets the message in the making, which will never be finished, and keeps the id.
    pub(crate) fn cut(&mut self) {
        *self = Self { last_id: self.last_id.take(), ..Self::default() };
    }

    pub(crate) fn message(&mut self) -> Option<Message> {
        while let Some(line) = self.lines.line() {
            let line = line.strip_suffix(b"\r").unwrap_or(&line);
            if line.is_empty() {
                if let Some(message) = self.dispatch() {
                    return Some(message);
                }
                continue;
            }
            let (field, value) = match line.iter().position(|byte| *byte == b':') {
                Some(colon) => (&line[..colon], &line[colon + 1..]),
                None => (line, &[][..]),
            };
            let value = value.strip_prefix(b" ").unwrap_or(value);
            match field {
                b"data" => match &mut self.data {
                    Some(data) => {
                        data.push(b'\n');
                        data.extend_from_slice(value);
                    }
                    None => self.data = Some(value.to_vec()),
                },
                b"event" => self.event = String::from_utf8_lossy(value).into_owned(),
                b"id" if !value.contains(&0) => self.id = Some(String::from_utf8_lossy(value).into_owned()),
                // Comments (an empty field) keep the connection alive; `retry` is the caller's decision here.
                _ => {}
            }
        }
        None
    }

    fn dispatch(&mut self) -> Option<Message> {
        if let Some(id) = self.id.take() {
            self.last_id = Some(id);
        }
        let event = std::mem::take(&mut self.event);
        let data = self.data.take()?;
        Some(Message { event: if event.is_empty() { "message".into() } else { event }, data: data.into() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The messages of `text`, cut into two parts at each possible place, with the last id after it.
    fn check(text: &str, want: &[(&str, &str)], last_id: Option<&str>) {
        for cut in 0..=text.len() {
            let (mut parser, mut got) = (Parser::default(), Vec::new());
            for part in [&text.as_bytes()[..cut], &text.as_bytes()[cut..]] {
                parser.push(part);
                while let Some(message) = parser.message() {
                    got.push((message.event, String::from_utf8(message.data.to_vec()).unwrap()));
                }
            }
            let want: Vec<(String, String)> = want.iter().map(|(e, d)| ((*e).into(), (*d).into())).collect();
            assert_eq!(got, want, "cut at {cut}");
            assert_eq!(parser.last_id(), last_id, "cut at {cut}");
        }
    }

    #[test]
    fn messages_carry_their_kind_and_data() {
        check(
            "event: problem\ndata: {}\n\ndata:a\ndata: b\n\n",
            &[("problem", "{}"), ("message", "a\nb")],
            None,
        );
        check(": hello\n\ndata: x\r\n\r\n", &[("message", "x")], None);
    }

    #[test]
    fn a_bare_id_advances_without_a_message() {
        check("id: 1\ndata: x\n\nid: 7\n\n", &[("message", "x")], Some("7"));
    }

    #[test]
    fn an_unfinished_message_does_not_count() {
        check("id: 1\ndata: x\n\nid: 2\ndata: y\n", &[("message", "x")], Some("1"));
    }

    #[test]
    fn a_cut_forgets_the_half_message_and_keeps_the_id() {
        let mut parser = Parser::default();
        parser.push(b"id: 1\ndata: x\n\nid: 2\ndata: half");
        assert!(parser.message().is_some() && parser.message().is_none());
        parser.cut();
        parser.push(b"data: y\n\n");
        assert_eq!(parser.message().map(|message| message.data), Some(Bytes::from("y")));
        assert_eq!(parser.last_id(), Some("1"));
    }
}
