//! The two protocols: writes requests and recognises responses, both without an allocation.

use super::payload::Payload;
use std::io::Write;

/// The protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wire {
    /// `POST /v1/streams/s-N/events`: one event, or lines.
    Mainstay,
    /// `XADD ev:N`, pipelined for a batch.
    Redis,
}

/// What the bytes received so far hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Received {
    /// An incomplete response.
    Partial,
    Done {
        bytes: usize,
    },
    /// A complete response that reports a refusal.
    Refused {
        bytes: usize,
    },
}

impl Wire {
    /// Writes one request and returns how many responses it gets.
    pub(super) fn request(
        self,
        out: &mut Vec<u8>,
        stream: u64,
        batch: u64,
        bytes: usize,
        payload: &mut Payload,
    ) -> u64 {
        match self {
            Self::Mainstay => {
                http_request(out, stream, batch, bytes, payload);
                1
            }
            Self::Redis => {
                (0..batch).for_each(|_| redis_command(out, stream, bytes, payload));
                batch
            }
        }
    }

    /// # Errors
    /// A message, if the bytes do not belong to this protocol.
    pub(super) fn receive(self, bytes: &[u8]) -> Result<Received, String> {
        match self {
            Self::Mainstay => http_response(bytes),
            Self::Redis => redis_response(bytes),
        }
    }
}

/// Space for the digits of a length that is known only after the counted bytes are written.
const LENGTH_DIGITS: usize = 10;

fn http_request(out: &mut Vec<u8>, stream: u64, batch: u64, bytes: usize, payload: &mut Payload) {
    let content_type = if batch > 1 { "application/x-ndjson" } else { "application/cloudevents+json" };
    // Writing to a vector cannot fail.
    let _ = write!(
        out,
        "POST /v1/streams/s-{stream}/events HTTP/1.1\r\nhost: localhost\r\ncontent-type: {content_type}\r\n\
         content-length: "
    );
    let length_at = out.len();
    out.extend_from_slice(&[b'0'; LENGTH_DIGITS]);
    out.extend_from_slice(b"\r\n\r\n");
    let body_at = out.len();
    for _ in 0..batch {
        payload.write_event(bytes, out);
        if batch > 1 {
            out.push(b'\n');
        }
    }
    patch_length(out, length_at, body_at);
}

fn redis_command(out: &mut Vec<u8>, stream: u64, bytes: usize, payload: &mut Payload) {
    let key_bytes = 3 + stream.checked_ilog10().unwrap_or(0) + 1;
    // Redis refuses a length with leading zeros, so the event is made first.
    let event = payload.event(bytes);
    let _ = write!(
        out,
        "*5\r\n$4\r\nXADD\r\n${key_bytes}\r\nev:{stream}\r\n$1\r\n*\r\n$1\r\nd\r\n${}\r\n",
        event.len()
    );
    out.extend_from_slice(event);
    out.extend_from_slice(b"\r\n");
}

/// Writes the number of bytes from `from` to the end into the digits reserved at `at`.
fn patch_length(out: &mut [u8], at: usize, from: usize) {
    let mut length = out.len() - from;
    for digit in out[at..at + LENGTH_DIGITS].iter_mut().rev() {
        *digit = b'0' + (length % 10) as u8;
        length /= 10;
    }
}

fn http_response(bytes: &[u8]) -> Result<Received, String> {
    let Some(head_end) = memchr::memmem::find(bytes, b"\r\n\r\n") else { return Ok(Received::Partial) };
    let head = &bytes[..head_end];
    let length = content_length(head)
        .ok_or_else(|| format!("a response without content-length: {}", String::from_utf8_lossy(head)))?;
    let whole = head_end + 4 + length;
    Ok(if bytes.len() < whole {
        Received::Partial
    } else if head.get(9) == Some(&b'2') {
        Received::Done { bytes: whole }
    } else {
        Received::Refused { bytes: whole }
    })
}

fn content_length(head: &[u8]) -> Option<usize> {
    const NAME: &[u8] = b"content-length:";
    head.split(|byte| *byte == b'\n')
        .find(|line| line.len() > NAME.len() && line[..NAME.len()].eq_ignore_ascii_case(NAME))
        .and_then(|line| std::str::from_utf8(&line[NAME.len()..]).ok()?.trim().parse().ok())
}

fn redis_response(bytes: &[u8]) -> Result<Received, String> {
    let Some(line_end) = memchr::memchr(b'\n', bytes) else { return Ok(Received::Partial) };
    let line = &bytes[..line_end];
    match line.first() {
        Some(b'-') => Ok(Received::Refused { bytes: line_end + 1 }),
        Some(b'$') => {
            let length: usize = std::str::from_utf8(&line[1..])
                .ok()
                .and_then(|digits| digits.trim().parse().ok())
                .ok_or_else(|| "a Redis response with an invalid length".to_owned())?;
            let whole = line_end + 1 + length + 2;
            Ok(if bytes.len() < whole { Received::Partial } else { Received::Done { bytes: whole } })
        }
        _ => Err(format!("not a Redis response to XADD: {}", String::from_utf8_lossy(line))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_say_how_long_they_are() {
        for (batch, lines) in [(1, 0), (3, 3)] {
            let mut out = Vec::new();
            assert_eq!(Wire::Mainstay.request(&mut out, 7, batch, 100, &mut Payload::new()), 1);
            let body_at = memchr::memmem::find(&out, b"\r\n\r\n").unwrap() + 4;
            assert_eq!(content_length(&out[..body_at]), Some(out.len() - body_at));
            assert_eq!(out.iter().filter(|byte| **byte == b'\n').count() - 5, lines);
        }
        let mut out = Vec::new();
        assert_eq!(Wire::Redis.request(&mut out, 120, 2, 5, &mut Payload::new()), 2);
        assert!(out.starts_with(b"*5\r\n$4\r\nXADD\r\n$6\r\nev:120\r\n"));
    }

    #[test]
    fn responses_are_recognised_when_they_are_whole() {
        let created = b"HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\n{}HTTP".as_slice();
        let refused = b"HTTP/1.1 412 X\r\ncontent-length: 0\r\n\r\n".as_slice();
        for (wire, bytes, want) in [
            (Wire::Mainstay, created, Received::Done { bytes: created.len() - 4 }),
            (Wire::Mainstay, &created[..created.len() - 5], Received::Partial),
            (Wire::Mainstay, &created[..20], Received::Partial),
            (Wire::Mainstay, refused, Received::Refused { bytes: refused.len() }),
            (Wire::Redis, b"$3\r\n1-0\r\n$", Received::Done { bytes: 9 }),
            (Wire::Redis, b"$3\r\n1-0", Received::Partial),
            (Wire::Redis, b"-OOM\r\n", Received::Refused { bytes: 6 }),
            (Wire::Redis, b"", Received::Partial),
        ] {
            assert_eq!(wire.receive(bytes), Ok(want), "{}", String::from_utf8_lossy(bytes));
        }
        assert!(Wire::Redis.receive(b"+OK\r\n").is_err());
        assert!(Wire::Mainstay.receive(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
    }
}
