//! Assembles lines from the parts of a body, which may end anywhere in a line.

use bytes::{Bytes, BytesMut};

/// Bytes that have arrived and have not been returned as lines.
#[derive(Debug, Default)]
pub(crate) struct LineBuffer {
    bytes: BytesMut,
    /// There is no newline before this index.
    searched: usize,
}

impl LineBuffer {
    pub(crate) fn push(&mut self, part: &[u8]) {
        self.bytes.extend_from_slice(part);
    }

    /// The next whole line, without its newline.
    pub(crate) fn line(&mut self) -> Option<Bytes> {
        let Some(found) = memchr::memchr(b'\n', &self.bytes[self.searched..]) else {
            self.searched = self.bytes.len();
            return None;
        };
        let line = self.bytes.split_to(self.searched + found + 1).freeze();
        self.searched = 0;
        Some(line.slice(..line.len() - 1))
    }

    /// What came after the last newline.
    pub(crate) fn rest(&mut self) -> Option<Bytes> {
        self.searched = 0;
        (!self.bytes.is_empty()).then(|| self.bytes.split().freeze())
    }

    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.searched = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_out_whole_wherever_parts_end() {
        let text = b"one\n\ntwo\nthree";
        for cut in 0..=text.len() {
            let mut buffer = LineBuffer::default();
            let mut lines = Vec::new();
            for part in [&text[..cut], &text[cut..]] {
                buffer.push(part);
                while let Some(line) = buffer.line() {
                    lines.push(line);
                }
            }
            lines.extend(buffer.rest());
            assert_eq!(lines, ["one", "", "two", "three"], "cut at {cut}");
        }
    }
}
