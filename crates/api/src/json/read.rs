//! A pull reader over borrowed text. The caller reads what it expects next. Values it does not interpret are read as
//! [`Raw`]: validated, and byte for byte.
//!
//! Guarantees: everything read is valid JSON; values are nested at most [`limits::JSON_DEPTH_MAX`] levels deep; no
//! input makes the reader recurse, panic or allocate.

use super::{escape, scan};
use crate::catalogue::Code;
use crate::problem::{Problem, Result};
use model::limits;
use std::borrow::Cow;

/// A string as it is between its quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Text<'a> {
    inner: &'a str,
    escaped: bool,
}

/// A value as it was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Raw<'a> {
    pub text: &'a str,
    /// Whether there are newlines or carriage returns between its tokens. Tokens cannot contain any.
    pub has_newlines: bool,
}

/// One value. The inside of an object or array is not read yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    Null,
    Bool(bool),
    /// As it was written.
    Number(&'a str),
    Text(Text<'a>),
    Object,
    Array,
}

/// Reads one JSON text from its start to its end.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    text: &'a str,
    at: usize,
    has_newlines: bool,
}

impl<'a> Text<'a> {
    /// A string without escapes.
    #[must_use]
    pub const fn plain(inner: &'a str) -> Self {
        Self { inner, escaped: false }
    }

    /// The decoded text; `None` when it contains half of a surrogate pair, which is not a character.
    #[must_use]
    pub fn decode(self) -> Option<Cow<'a, str>> {
        if self.escaped {
            escape::unescape(self.inner).map(Cow::Owned)
        } else {
            Some(Cow::Borrowed(self.inner))
        }
    }

    /// As it was sent, without the quotes.
    #[must_use]
    pub const fn as_sent(self) -> &'a str {
        self.inner
    }
}

impl<'a> Reader<'a> {
    /// # Errors
    /// When the bytes are not UTF-8.
    pub fn new(bytes: &'a [u8]) -> Result<Self> {
        match std::str::from_utf8(bytes) {
            Ok(text) => Ok(Self { text, at: 0, has_newlines: false }),
            Err(error) => Err(Problem::new(
                Code::InvalidUtf8,
                format!("the text is not UTF-8 at byte {}", error.valid_up_to()),
            )),
        }
    }

    /// Skips white space and returns the next byte without consuming it.
    pub fn peek(&mut self) -> Option<u8> {
        let bytes = self.text.as_bytes();
        loop {
            match bytes.get(self.at) {
                Some(b' ' | b'\t') => {}
                Some(b'\n' | b'\r') => self.has_newlines = true,
                other => return other.copied(),
            }
            self.at += 1;
        }
    }

    /// # Errors
    /// When anything but white space is left.
    pub fn end(&mut self) -> Result<()> {
        match self.peek() {
            None => Ok(()),
            Some(_) => Err(self.broken("the end")),
        }
    }

    /// Reads a `{`, an `[`, or any other whole value.
    ///
    /// # Errors
    /// When there is no value.
    pub fn value(&mut self) -> Result<Value<'a>> {
        match self.peek() {
            Some(b'{') => self.step(Value::Object),
            Some(b'[') => self.step(Value::Array),
            Some(b'"') => self.text().map(Value::Text),
            Some(b't') => self.word("true", Value::Bool(true)),
            Some(b'f') => self.word("false", Value::Bool(false)),
            Some(b'n') => self.word("null", Value::Null),
            Some(b'-' | b'0'..=b'9') => {
                let rest = &self.text[self.at..];
                let len = scan::number(rest.as_bytes()).ok_or_else(|| self.broken("a number"))?;
                self.at += len;
                Ok(Value::Number(&rest[..len]))
            }
            _ => Err(self.broken("a value")),
        }
    }

    /// Reads the next member's name, or the closing `}`, which returns `None`. To be called after the `{`, and after
    /// the value of each member.
    ///
    /// # Errors
    /// When there is neither.
    pub fn member(&mut self, comma: Comma) -> Result<Option<Text<'a>>> {
        if !self.item_of(b'}', comma)? {
            return Ok(None);
        }
        if self.peek() != Some(b'"') {
            return Err(self.broken("a member's name in quotes"));
        }
        let name = self.text()?;
        if self.peek() != Some(b':') {
            return Err(self.broken("`:`"));
        }
        self.at += 1;
        Ok(Some(name))
    }

    /// Returns whether another item follows; if not, reads the closing `]`. To be called after the `[`, and after each
    /// item.
    ///
    /// # Errors
    /// When there is neither.
    pub fn item(&mut self, comma: Comma) -> Result<bool> {
        self.item_of(b']', comma)
    }

    fn item_of(&mut self, close: u8, comma: Comma) -> Result<bool> {
        match (self.peek(), comma) {
            (Some(byte), _) if byte == close => {
                self.at += 1;
                Ok(false)
            }
            (Some(b','), Comma::Required) => {
                self.at += 1;
                if self.peek() == Some(close) {
                    return Err(self.broken("another member or item after the comma"));
                }
                Ok(true)
            }
            (Some(_), Comma::None) => Ok(true),
            _ => Err(self.broken(if close == b'}' { "`,` or `}`" } else { "`,` or `]`" })),
        }
    }

    /// Reads and validates the next whole value.
    ///
    /// # Errors
    /// When it is not valid JSON, or nested too deeply.
    pub fn raw(&mut self) -> Result<Raw<'a>> {
        self.peek();
        let from = self.at;
        let outer = std::mem::take(&mut self.has_newlines);
        self.skip()?;
        let has_newlines = std::mem::replace(&mut self.has_newlines, outer);
        Ok(Raw { text: &self.text[from..self.at], has_newlines })
    }

    /// Works without recursion: one bit per level records whether it is an object.
    fn skip(&mut self) -> Result<()> {
        let mut depth = 0;
        let mut objects: u64 = 0;
        let mut comma;
        loop {
            match self.value()? {
                opened @ (Value::Object | Value::Array) => {
                    if depth == limits::JSON_DEPTH_MAX {
                        return Err(Problem::new(
                            Code::JsonTooDeep,
                            format!(
                                "nested deeper than {} levels at byte {}",
                                limits::JSON_DEPTH_MAX,
                                self.at
                            ),
                        ));
                    }
                    depth += 1;
                    objects = (objects << 1) | u64::from(opened == Value::Object);
                    comma = Comma::None;
                }
                _ => comma = Comma::Required,
            }
            // Close every level that ends here, then continue with the next value.
            loop {
                if depth == 0 {
                    return Ok(());
                }
                let more = if objects & 1 == 1 { self.member(comma)?.is_some() } else { self.item(comma)? };
                if more {
                    break;
                }
                depth -= 1;
                objects >>= 1;
                comma = Comma::Required;
            }
        }
    }

    fn text(&mut self) -> Result<Text<'a>> {
        let bytes = self.text.as_bytes();
        let from = self.at + 1;
        let mut escaped = false;
        let mut at = from;
        loop {
            at = scan::special(bytes, at);
            match bytes.get(at) {
                Some(b'"') => {
                    self.at = at + 1;
                    return Ok(Text { inner: &self.text[from..at], escaped });
                }
                Some(b'\\') => {
                    escaped = true;
                    let Some(len) = scan::escape(&bytes[at + 1..]) else {
                        self.at = at;
                        return Err(self.broken("a valid escape"));
                    };
                    at += 1 + len;
                }
                Some(_) => {
                    self.at = at;
                    return Err(self.broken("a string without control characters"));
                }
                None => {
                    self.at = at;
                    return Err(self.broken("a closing quote"));
                }
            }
        }
    }

    fn word(&mut self, word: &str, value: Value<'a>) -> Result<Value<'a>> {
        if !self.text[self.at..].starts_with(word) {
            return Err(self.broken("a value"));
        }
        self.at += word.len();
        Ok(value)
    }

    fn step(&mut self, value: Value<'a>) -> Result<Value<'a>> {
        self.at += 1;
        Ok(value)
    }

    fn broken(&self, wanted: &str) -> Box<Problem> {
        let detail = match self.text[self.at..].chars().next() {
            Some(found) => format!("expected {wanted} at byte {}, found {found:?}", self.at),
            None => format!("expected {wanted} at byte {}, found the end of the text", self.at),
        };
        Problem::new(Code::InvalidJson, detail)
    }
}

/// Whether a comma separates the next member or item from the one before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comma {
    /// Directly after the opening bracket.
    None,
    /// After a member or an item.
    Required,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(text: &[u8]) -> Result<Raw<'_>> {
        let mut reader = Reader::new(text)?;
        let raw = reader.raw()?;
        reader.end()?;
        Ok(raw)
    }

    #[test]
    fn only_valid_json_is_accepted() {
        for text in [
            "null",
            " [] ",
            "{}",
            r#"{"a":[1,-2.5e3,{"b":"\u00e9\n"}],"a":true}"#,
            r#""\ud800""#,
            "[[],[{}],\"\u{2028}\"]",
        ] {
            assert!(whole(text.as_bytes()).is_ok(), "{text}");
        }
        for text in [
            "",
            " ",
            "nul",
            "tru",
            "[",
            "]",
            "{",
            "[1,]",
            "[,1]",
            "[1 2]",
            "{\"a\"}",
            "{\"a\":}",
            "{\"a\":1,}",
            "{a:1}",
            "{'a':1}",
            "\"",
            "\"\\\"",
            "\"\\x\"",
            "\"\\u12g4\"",
            "\"a\nb\"",
            "01",
            "1.",
            "+1",
            "1 1",
            "[1]]",
            "{\"a\":1]",
            "[}",
            "\u{feff}1",
            "NaN",
            "Infinity",
            "\"\t\"",
            "/* */1",
        ] {
            assert_eq!(whole(text.as_bytes()).map_err(|p| p.code), Err(Code::InvalidJson), "{text}");
        }
        assert_eq!(whole(b"\"\xff\"").map_err(|p| p.code), Err(Code::InvalidUtf8));
    }

    #[test]
    fn depth_is_bounded_and_ten_thousand_brackets_are_a_problem_not_a_crash() {
        let nested = |n: usize| "[".repeat(n) + &"]".repeat(n);
        assert!(whole(nested(64).as_bytes()).is_ok());
        assert_eq!(whole(nested(65).as_bytes()).map_err(|p| p.code), Err(Code::JsonTooDeep));
        assert_eq!(whole("[".repeat(10_000).as_bytes()).map_err(|p| p.code), Err(Code::JsonTooDeep));
        let objects = "{\"a\":".repeat(10_000);
        assert_eq!(whole(objects.as_bytes()).map_err(|p| p.code), Err(Code::JsonTooDeep));
    }

    #[test]
    fn newlines_are_noticed_only_between_tokens() {
        assert!(whole(b"[1,\n2]").unwrap().has_newlines);
        assert!(whole(b"{\r\n}").unwrap().has_newlines);
        assert!(!whole(b"\n[1, 2]\n").unwrap().has_newlines, "outside of the value");
        assert!(!whole(br#""a\nb""#).unwrap().has_newlines, "an escape is no newline");
    }

    #[test]
    fn escapes_are_decoded_and_half_pairs_refused() {
        for (text, want) in [
            (r#""plain""#, Some("plain")),
            (r#""\"\\\/\b\f\n\r\t""#, Some("\"\\/\u{8}\u{c}\n\r\t")),
            (r#""\u00e9\uD83D\uDC22x""#, Some("é🐢x")),
            (r#""\ud83d""#, None),
            (r#""\udc22""#, None),
            (r#""\ud83dx""#, None),
            (r#""\ud83d\u0041""#, None),
        ] {
            let Value::Text(read) = Reader::new(text.as_bytes()).unwrap().value().unwrap() else { panic!() };
            assert_eq!(read.decode().as_deref(), want, "{text}");
        }
    }

    proptest::proptest! {
        /// Whatever comes, this reader and serde_json agree on whether it is JSON.
        #[test]
        fn agrees_with_serde_json(text in r#"[\[\]{}:,"\\a1e.\-+ \nu0tfn]{0,24}"#) {
            let theirs = serde_json::from_str::<&serde_json::value::RawValue>(&text).is_ok();
            proptest::prop_assert_eq!(whole(text.as_bytes()).is_ok(), theirs, "{}", text);
        }
    }
}
