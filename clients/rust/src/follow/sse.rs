//! Server-sent events (WHATWG HTML, section 9.2): parts of a body in, messages out.

use crate::line_buffer::LineBuffer;
use bytes::Bytes;

/// One message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    /// The kind; `message` when the server names none.
    pub(crate) event: String,
    /// The id that this message set, if any.
    pub(crate) id: Option<String>,
    pub(crate) data: Bytes,
}

/// Assembles messages from parts that end anywhere.
#[derive(Debug, Default)]
pub(crate) struct Parser {
    lines: LineBuffer,
    id: Option<String>,
    event: String,
    data: Option<Vec<u8>>,
}

impl Parser {
    pub(crate) fn push(&mut self, part: &[u8]) {
        self.lines.push(part);
    }

    /// Forgets the unfinished message of a connection that is gone.
    pub(crate) fn cut(&mut self) {
        *self = Self::default();
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
                // Comments (an empty field) keep the connection alive. `Follow` decides when to retry.
                _ => {}
            }
        }
        None
    }

    /// The finished message. WHATWG discards a message without data; one that only sets an id is returned
    /// anyway, because older servers report progress that way.
    fn dispatch(&mut self) -> Option<Message> {
        let (event, id, data) = (std::mem::take(&mut self.event), self.id.take(), self.data.take());
        let event = match (&data, &id) {
            (None, None) => return None,
            (None, Some(_)) => "id".into(),
            (Some(_), _) if event.is_empty() => "message".into(),
            _ => event,
        };
        Some(Message { event, id, data: data.unwrap_or_default().into() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The messages of `text`, cut into two parts at each possible point: kind, id, data.
    fn check(text: &str, want: &[(&str, Option<&str>, &str)]) {
        for cut in 0..=text.len() {
            let (mut parser, mut got) = (Parser::default(), Vec::new());
            for part in [&text.as_bytes()[..cut], &text.as_bytes()[cut..]] {
                parser.push(part);
                while let Some(message) = parser.message() {
                    got.push((message.event, message.id, String::from_utf8(message.data.to_vec()).unwrap()));
                }
            }
            let got: Vec<_> = got.iter().map(|(e, i, d)| (e.as_str(), i.as_deref(), d.as_str())).collect();
            assert_eq!(got, want, "cut at {cut}");
        }
    }

    #[test]
    fn messages_carry_their_kind_and_data() {
        let text = "event: problem\ndata: {}\n\ndata:a\ndata: b\n\n";
        check(text, &[("problem", None, "{}"), ("message", None, "a\nb")]);
        check(": hello\n\ndata: x\r\n\r\n", &[("message", None, "x")]);
    }

    #[test]
    fn a_bare_id_is_a_message_without_data() {
        check("id: 1\ndata: x\n\nid: 7\n\n", &[("message", Some("1"), "x"), ("id", Some("7"), "")]);
    }

    #[test]
    fn an_unfinished_message_does_not_count() {
        check("id: 1\ndata: x\n\nid: 2\ndata: y\n", &[("message", Some("1"), "x")]);
    }

    #[test]
    fn a_cut_forgets_the_unfinished_message() {
        let mut parser = Parser::default();
        parser.push(b"id: 1\ndata: x\n\nid: 2\ndata: half");
        assert!(parser.message().is_some() && parser.message().is_none());
        parser.cut();
        parser.push(b"data: y\n\n");
        let message = parser.message().unwrap();
        assert_eq!((message.id, message.data), (None, Bytes::from("y")));
    }
}
