//! Percent-encoding (RFC 3986, section 2.1) of names in paths, queries and headers.

use std::borrow::Cow;

/// Why a text cannot be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecodeError {
    /// A `%` is not followed by two hex digits.
    Percent,
    Utf8,
}

impl DecodeError {
    #[must_use]
    pub const fn why(self) -> &'static str {
        match self {
            Self::Percent => "a `%` is not followed by two hex digits",
            Self::Utf8 => "the decoded bytes are not UTF-8",
        }
    }
}

/// Decodes `%XX`. A `+` is left as it is.
///
/// # Errors
/// [`DecodeError`]
pub fn decode(text: &[u8]) -> Result<Cow<'_, str>, DecodeError> {
    if !text.contains(&b'%') {
        return std::str::from_utf8(text).map(Cow::Borrowed).map_err(|_| DecodeError::Utf8);
    }
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        if *byte != b'%' {
            out.push(*byte);
            continue;
        }
        let [high, low, after @ ..] = rest else { return Err(DecodeError::Percent) };
        let (Some(high), Some(low)) = (hex(*high), hex(*low)) else { return Err(DecodeError::Percent) };
        out.push(high << 4 | low);
        rest = after;
    }
    String::from_utf8(out).map(Cow::Owned).map_err(|_| DecodeError::Utf8)
}

const fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

/// Encodes everything but the characters that RFC 3986 leaves unreserved.
pub fn encode(out: &mut Vec<u8>, text: &str) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(byte),
            _ => out.extend_from_slice(&[b'%', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]),
        }
    }
}

/// The `source` of events that were sent without one: `/streams/` and the encoded name.
pub fn write_default_source(out: &mut Vec<u8>, stream: &str) {
    out.extend_from_slice(DEFAULT_SOURCE_PREFIX.as_bytes());
    encode(out, stream);
}

pub(crate) const DEFAULT_SOURCE_PREFIX: &str = "/streams/";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_survive_encoding() {
        for name in ["cart-7", "a b/c?d#e%f+g", "żółw 🐢", "{42}~._-", "\u{1}"] {
            let mut out = Vec::new();
            encode(&mut out, name);
            assert!(out.is_ascii());
            assert_eq!(decode(&out).as_deref(), Ok(name));
        }
    }

    #[test]
    fn wrong_encoding_is_refused() {
        for (text, want) in [
            ("%", DecodeError::Percent),
            ("a%2", DecodeError::Percent),
            ("%zz", DecodeError::Percent),
            ("%+1", DecodeError::Percent),
            ("%ff", DecodeError::Utf8),
            ("%c3", DecodeError::Utf8),
        ] {
            assert_eq!(decode(text.as_bytes()), Err(want), "{text}");
        }
        assert_eq!(decode(b"\xff"), Err(DecodeError::Utf8));
        assert_eq!(decode(b"a%2Fb%2fc+").as_deref(), Ok("a/b/c+"));
    }
}
