//! Scans single tokens of JSON (RFC 8259): the end of a string, the extent of a number.

/// How far `special` looks at a time. Text with a control character in every line must not be searched to its end
/// for each of them.
const WINDOW_BYTES: usize = 256;

/// The first byte at or after `at` that is a quote, a backslash or a control character.
pub(super) fn special(bytes: &[u8], mut at: usize) -> usize {
    while at < bytes.len() {
        let window = &bytes[at..bytes.len().min(at + WINDOW_BYTES)];
        let end = memchr::memchr2(b'"', b'\\', window).unwrap_or(window.len());
        // There is hardly ever one, so it is only searched for when the least byte says so.
        let least = window[..end].iter().fold(u8::MAX, |least, byte| least.min(*byte));
        if least < b' ' {
            return at + window.iter().position(|byte| *byte < b' ').unwrap_or(end);
        }
        at += end;
        if end < window.len() {
            break;
        }
    }
    at
}

/// The length of the number at the start of `bytes`; `None` when there is none.
pub(super) fn number(bytes: &[u8]) -> Option<usize> {
    let digits = |at: usize| bytes[at..].iter().take_while(|b| b.is_ascii_digit()).count();
    let mut at = usize::from(bytes.first() == Some(&b'-'));
    at += match bytes.get(at)? {
        b'0' => 1,
        b'1'..=b'9' => digits(at),
        _ => return None,
    };
    if bytes.get(at) == Some(&b'.') {
        let fraction = digits(at + 1);
        if fraction == 0 {
            return None;
        }
        at += 1 + fraction;
    }
    if matches!(bytes.get(at), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(at + 1), Some(b'+' | b'-')));
        let exponent = digits(at + 1 + sign);
        if exponent == 0 {
            return None;
        }
        at += 1 + sign + exponent;
    }
    Some(at)
}

/// The bytes of an escape after its backslash: 1, or 5 for `uXXXX`; `None` when it is not one.
pub(super) fn escape(bytes: &[u8]) -> Option<usize> {
    match bytes.first()? {
        b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Some(1),
        b'u' => bytes.get(1..5)?.iter().all(u8::is_ascii_hexdigit).then_some(5),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_special_byte_is_found_at_any_place() {
        for len in (0..40).chain(WINDOW_BYTES - 1..WINDOW_BYTES + 3) {
            for at in 0..len {
                for special_byte in [b'"', b'\\', 0, 0x1f, b'\n'] {
                    let mut text = vec![b'!'; len];
                    text[at] = special_byte;
                    // What is close to special must not be taken for it.
                    for (n, byte) in text.iter_mut().enumerate().take(at) {
                        *byte = [b' ', b'!', b'#', 0x7f, 0x80, 0xff, b'[', b']', 0xa2, 0xdc][n % 10];
                    }
                    assert_eq!(special(&text, 0), at, "{text:?}");
                }
            }
            assert_eq!(special(&vec![0xc3; len], 0), len);
        }
    }

    #[test]
    fn numbers_are_those_of_the_grammar() {
        for (text, want) in [
            ("0", Some(1)),
            ("-0", Some(2)),
            ("12,", Some(2)),
            ("1.50e+07 ", Some(8)),
            ("1E5", Some(3)),
            ("01", Some(1)),
            ("-", None),
            ("1.", None),
            (".5", None),
            ("1e", None),
            ("1e+", None),
            ("+1", None),
            ("", None),
            ("NaN", None),
        ] {
            assert_eq!(number(text.as_bytes()), want, "{text}");
        }
    }
}
