//! Distinct events that cost almost nothing to make: slices of one pool of characters, with a number.

use std::time::{SystemTime, UNIX_EPOCH};

const POOL_BYTES: usize = 8 << 20;
const CHARACTERS: &[u8; 64] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_";

/// The data of events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Data {
    /// Random characters, which do not compress
    Random,
    /// The same 64 characters again and again: on a file system that compresses, more fits than the disk holds
    Repeated,
}

#[derive(Debug)]
pub(super) struct Payload {
    pool: Vec<u8>,
    random: u64,
    /// Part of every id, so that two runs against one server do not replay each other.
    run: u64,
    made: u64,
    /// 0: events have no subject.
    subjects: u64,
    event: Vec<u8>,
}

impl Payload {
    pub(super) fn new() -> Self {
        Self::with(Data::Random)
    }

    pub(super) fn with(data: Data) -> Self {
        let run = SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |since| since.as_micros() as u64);
        let mut payload =
            Self { pool: Vec::new(), random: run | 1, run, made: 0, subjects: 0, event: Vec::new() };
        payload.pool = match data {
            Data::Random => (0..POOL_BYTES).map(|_| CHARACTERS[(payload.draw() >> 58) as usize]).collect(),
            Data::Repeated => CHARACTERS.iter().copied().cycle().take(POOL_BYTES).collect(),
        };
        payload
    }

    /// The same events, about this many subjects in turn.
    pub(super) fn about(self, subjects: u64) -> Self {
        Self { subjects, ..self }
    }

    /// xorshift64*: fast, and even enough for text that does not compress.
    fn draw(&mut self) -> u64 {
        self.random ^= self.random >> 12;
        self.random ^= self.random << 25;
        self.random ^= self.random >> 27;
        self.random.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// The next event, to be used before the one after it.
    pub(super) fn event(&mut self, bytes: usize) -> &[u8] {
        let mut event = std::mem::take(&mut self.event);
        event.clear();
        self.write_event(bytes, &mut event);
        self.event = event;
        &self.event
    }

    /// Writes one CloudEvent in JSON whose data is a string of this many bytes.
    pub(super) fn write_event(&mut self, bytes: usize, out: &mut Vec<u8>) {
        let bytes = bytes.min(POOL_BYTES / 2);
        let from = (self.draw() >> 16) as usize % (POOL_BYTES - bytes);
        self.made += 1;
        out.extend_from_slice(b"{\"specversion\":\"1.0\",\"id\":\"");
        write_hex(self.run, out);
        out.push(b'-');
        write_hex(self.made, out);
        if let Some(subject) = self.made.checked_rem(self.subjects) {
            out.extend_from_slice(b"\",\"subject\":\"");
            write_hex(subject, out);
        }
        out.extend_from_slice(b"\",\"source\":\"/bench\",\"type\":\"bench.appended\",\"data\":\"");
        out.extend_from_slice(&self.pool[from..from + bytes]);
        out.extend_from_slice(b"\"}");
    }
}

fn write_hex(number: u64, out: &mut Vec<u8>) {
    let digits = (64 - number.leading_zeros()).div_ceil(4).max(1);
    out.extend((0..digits).rev().map(|digit| b"0123456789abcdef"[(number >> (digit * 4)) as usize & 15]));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_json_of_the_size_asked_for_and_differ() {
        for data in [Data::Random, Data::Repeated] {
            let mut payload = Payload::with(data);
            let mut made = std::collections::BTreeSet::new();
            for _ in 0..1_000 {
                let mut out = Vec::new();
                payload.write_event(1_024, &mut out);
                let event: serde_json::Value = serde_json::from_slice(&out).unwrap();
                let text = event["data"].as_str().unwrap();
                assert_eq!(text.len(), 1_024);
                assert_eq!(text[..64] == text[64..128], data == Data::Repeated);
                assert!(made.insert(event["id"].as_str().unwrap().to_owned()));
            }
        }
    }

    #[test]
    fn hex_is_hex() {
        for number in [0, 1, 15, 16, 0xfeed_face, u64::MAX] {
            let mut out = Vec::new();
            write_hex(number, &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), format!("{number:x}"));
        }
    }
}
