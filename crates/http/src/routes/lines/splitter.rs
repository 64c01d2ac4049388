//! Splits the parts of a body into lines. Parts end anywhere; lines end at newlines. At most one incomplete line is
//! held, and a line that is too long is refused before it is held.

use crate::response::Result;
use api::{Code, Problem};
use bytes::{Buf as _, Bytes, BytesMut};
use model::limits;

#[derive(Debug, Default)]
pub(super) struct Splitter {
    /// The start of an incomplete line.
    begun: BytesMut,
    /// The last part, not split yet.
    part: Bytes,
    /// Lines returned so far, including empty ones.
    lines: u64,
}

/// One line, without its newline.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// From 1.
    pub(super) number: u64,
    pub(super) bytes: Bytes,
}

/// Whether more parts are expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rest {
    MoreComes,
    /// The body has ended: the rest without a newline is a line too.
    IsALine,
    /// The body was cut off: the rest without a newline is incomplete.
    IsCut,
}

impl Splitter {
    /// Takes the next part. The part before must have been split.
    pub(super) fn push(&mut self, part: Bytes) {
        debug_assert!(self.part.is_empty(), "a part is split before the next one arrives");
        self.part = part;
    }

    /// The next complete line.
    ///
    /// # Errors
    /// When it is too long.
    pub(super) fn next(&mut self, rest: Rest) -> Result<Option<Line>> {
        let newline = memchr::memchr(b'\n', &self.part);
        let len = self.begun.len() + newline.unwrap_or(self.part.len());
        if len > limits::LINE_BYTES_MAX {
            let detail = format!("the line has more than {} bytes", limits::LINE_BYTES_MAX);
            return Err(Problem::new(Code::LineTooLong, detail)
                .number("limit", limits::LINE_BYTES_MAX as u64)
                .line(self.lines + 1));
        }
        let Some(newline) = newline else {
            self.begun.extend_from_slice(&std::mem::take(&mut self.part));
            let whole = rest == Rest::IsALine && !self.begun.is_empty();
            return Ok(whole.then(|| self.number(BytesMut::freeze)));
        };
        let end = self.part.split_to(newline);
        self.part.advance(1);
        if self.begun.is_empty() {
            self.lines += 1;
            return Ok(Some(Line { number: self.lines, bytes: end }));
        }
        self.begun.extend_from_slice(&end);
        Ok(Some(self.number(BytesMut::freeze)))
    }

    fn number(&mut self, freeze: impl FnOnce(BytesMut) -> Bytes) -> Line {
        self.lines += 1;
        Line { number: self.lines, bytes: freeze(self.begun.split()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(parts: &[&[u8]], rest: Rest) -> Vec<String> {
        let mut splitter = Splitter::default();
        let mut lines = Vec::new();
        for part in parts {
            splitter.push(Bytes::copy_from_slice(part));
            while let Some(line) = splitter.next(Rest::MoreComes).unwrap() {
                assert_eq!(line.number, lines.len() as u64 + 1);
                lines.push(String::from_utf8(line.bytes.to_vec()).unwrap());
            }
        }
        while let Some(line) = splitter.next(rest).unwrap() {
            lines.push(String::from_utf8(line.bytes.to_vec()).unwrap());
        }
        lines
    }

    #[test]
    fn lines_come_out_whole_wherever_parts_end() {
        let text = b"one\n\ntwo\nthree";
        for cut in 0..=text.len() {
            let parts = [&text[..cut], &text[cut..]];
            assert_eq!(split(&parts, Rest::IsALine), ["one", "", "two", "three"], "cut at {cut}");
            assert_eq!(split(&parts, Rest::IsCut), ["one", "", "two"], "cut at {cut}");
        }
        assert_eq!(split(&[b"one\n"], Rest::IsALine), ["one"]);
        assert!(split(&[], Rest::IsALine).is_empty());
    }

    #[test]
    fn a_line_without_an_end_is_refused_before_it_is_held() {
        let mut splitter = Splitter::default();
        let part = Bytes::from(vec![b'x'; 1 << 20]);
        for _ in 0..2 {
            splitter.push(part.clone());
            assert_eq!(splitter.next(Rest::MoreComes), Ok(None));
        }
        splitter.push(part);
        assert_eq!(splitter.next(Rest::MoreComes).unwrap_err().code, Code::LineTooLong);
        assert!(splitter.begun.len() <= limits::LINE_BYTES_MAX);
    }
}
