//! Ids as text.

/// The number that a text of exactly `digits` lower-case hex digits stands for. At most 32 digits.
#[must_use]
pub fn parse_hex(text: &str, digits: usize) -> Option<u128> {
    let is_form = text.len() == digits && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    is_form.then(|| u128::from_str_radix(text, 16).ok()).flatten()
}
