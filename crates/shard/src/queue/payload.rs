//! Looks up one text in what a task carries.
//!
//! The envelope consists of the members of a JSON object without its braces, as the server has checked and written them.
//! A search reads it once, from left to right, and builds nothing. Whatever is not as expected has no text.

use alloc::borrow::Cow;
use alloc::string::String;
use model::KeySource;

/// The text that an expression gives for a task with this envelope. A text stands for itself, a number and a truth value
/// for how they are written. Everything else has none.
pub(crate) fn find<'a>(envelope: &'a [u8], source: KeySource<'_>) -> Option<Cow<'a, str>> {
    let mut scan = Scan(envelope);
    match source {
        KeySource::Tag(name) => {
            scan.member("tags")?;
            scan.tag(name)
        }
        KeySource::Payload(path) => {
            scan.member("payload")?;
            for member in path.split('.').filter(|member| !member.is_empty()) {
                scan.enter(b'{')?;
                scan.member(member)?;
            }
            scan.scalar()
        }
        KeySource::Nothing | KeySource::Type | KeySource::Queue | KeySource::Key => None,
    }
}

/// A text among the members that every task may have.
pub(crate) fn member<'a>(envelope: &'a [u8], name: &str) -> Option<Cow<'a, str>> {
    let mut scan = Scan(envelope);
    scan.member(name)?;
    scan.text()
}

/// What is left to read.
struct Scan<'a>(&'a [u8]);

impl<'a> Scan<'a> {
    fn peek(&mut self) -> Option<u8> {
        while let [b' ' | b'\t' | b'\n' | b'\r', rest @ ..] = self.0 {
            self.0 = rest;
        }
        self.0.first().copied()
    }

    fn enter(&mut self, byte: u8) -> Option<()> {
        (self.peek()? == byte).then(|| self.0 = &self.0[1..])
    }

    /// Goes to the value of a member of the object that has been entered.
    fn member(&mut self, name: &str) -> Option<()> {
        loop {
            let found = self.text()?;
            self.enter(b':')?;
            if found == name {
                return Some(());
            }
            self.skip()?;
            self.enter(b',')?;
        }
    }

    /// What follows the name and a colon in the first tag that begins so.
    fn tag(&mut self, name: &str) -> Option<Cow<'a, str>> {
        self.enter(b'[')?;
        loop {
            let tag = self.text()?;
            if let Some(value) = tag.strip_prefix(name).and_then(|rest| rest.strip_prefix(':')) {
                return Some(Cow::Owned(String::from(value)));
            }
            self.enter(b',')?;
        }
    }

    fn scalar(&mut self) -> Option<Cow<'a, str>> {
        match self.peek()? {
            b'"' => self.text(),
            b'{' | b'[' | b'n' => None,
            _ => {
                let end = self.0.iter().position(|byte| b" \t\n\r,}]".contains(byte)).unwrap_or(self.0.len());
                core::str::from_utf8(&self.0[..end]).ok().map(Cow::Borrowed)
            }
        }
    }

    /// Reads a text.
    fn text(&mut self) -> Option<Cow<'a, str>> {
        self.enter(b'"')?;
        let end = self.0.iter().position(|byte| *byte == b'"' || *byte == b'\\')?;
        if self.0[end] == b'"' {
            let text = core::str::from_utf8(&self.0[..end]).ok()?;
            self.0 = &self.0[end + 1..];
            return Some(Cow::Borrowed(text));
        }
        let mut text = String::new();
        loop {
            let end = self.0.iter().position(|byte| *byte == b'"' || *byte == b'\\')?;
            text.push_str(core::str::from_utf8(&self.0[..end]).ok()?);
            let is_end = self.0[end] == b'"';
            self.0 = &self.0[end + 1..];
            if is_end {
                return Some(Cow::Owned(text));
            }
            text.push(self.escaped()?);
        }
    }

    /// Reads what follows a backslash.
    fn escaped(&mut self) -> Option<char> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(match first {
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let unit = self.unit()?;
                if !(0xd800..0xdc00).contains(&unit) {
                    return char::from_u32(unit);
                }
                self.0 = self.0.strip_prefix(b"\\u")?;
                let low = self.unit()?.checked_sub(0xdc00).filter(|low| *low < 0x400)?;
                char::from_u32(0x1_0000 + ((unit - 0xd800) << 10) + low)?
            }
            other => char::from(*other),
        })
    }

    fn unit(&mut self) -> Option<u32> {
        let (digits, rest) = self.0.split_at_checked(4)?;
        self.0 = rest;
        u32::from_str_radix(core::str::from_utf8(digits).ok()?, 16).ok()
    }

    /// Skips a value.
    fn skip(&mut self) -> Option<()> {
        let mut depth = 0_u32;
        loop {
            match self.peek()? {
                b'"' => self.skip_text()?,
                b'{' | b'[' => {
                    depth += 1;
                    self.0 = &self.0[1..];
                }
                b'}' | b']' => {
                    depth = depth.checked_sub(1)?;
                    self.0 = &self.0[1..];
                }
                b',' | b':' if depth > 0 => self.0 = &self.0[1..],
                b',' | b':' => return None,
                _ => {
                    let end = self.0.iter().position(|byte| b" \t\n\r,:}]\"".contains(byte));
                    self.0 = &self.0[end.unwrap_or(self.0.len())..];
                }
            }
            if depth == 0 {
                return Some(());
            }
        }
    }

    fn skip_text(&mut self) -> Option<()> {
        self.enter(b'"')?;
        loop {
            let at = self.0.iter().position(|byte| *byte == b'"' || *byte == b'\\')?;
            let is_end = self.0[at] == b'"';
            self.0 = self.0.get(at + if is_end { 1 } else { 2 }..)?;
            if is_end {
                return Some(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payload(envelope: &str, path: &str) -> Option<String> {
        find(envelope.as_bytes(), KeySource::Payload(path)).map(Cow::into_owned)
    }

    #[test]
    fn a_member_of_the_payload_is_found_however_deep_it_is() {
        let envelope = r#""type":"mail","payload":{"a":[1,{"host":"x"}],"s":"}\"{","to":{"host":"h","n":-1.5e3 , "yes":true},"none":null}"#;
        for (path, text) in [
            ("to.host", Some("h")),
            ("to.n", Some("-1.5e3")),
            ("to.yes", Some("true")),
            ("s", Some("}\"{")),
            ("none", None),
            ("to", None),
            ("a", None),
            ("host", None),
            ("to.port", None),
            ("to.host.name", None),
        ] {
            assert_eq!(payload(envelope, path).as_deref(), text, "{path}");
        }
        assert_eq!(payload(r#""type":"a","payload":"acme","priority":1"#, "").as_deref(), Some("acme"));
        assert_eq!(payload(r#""type":"a","payload":7"#, "").as_deref(), Some("7"));
        assert_eq!(payload(r#""type":"a","payload_base64":"Zg==""#, ""), None);
        assert_eq!(payload(r#""type":"a""#, "host"), None);
    }

    #[test]
    fn escapes_stand_for_what_they_mean() {
        let envelope = r#""payload":{"\u0068ost":"\u007a\n\/\ud83d\ude00"}"#;
        assert_eq!(payload(envelope, "host").as_deref(), Some("z\n/😀"));
        assert_eq!(payload(r#""payload":{"host":"\ud83d"}"#, "host"), None);
    }

    #[test]
    fn a_tag_is_found_by_what_it_begins_with() {
        let envelope =
            br#""type":"a","payload":{"tags":["tenant:no"]},"tags":["tenants:x","tenant:acme:1","tenant:b"]"#;
        assert_eq!(find(envelope, KeySource::Tag("tenant")).as_deref(), Some("acme:1"));
        assert_eq!(find(envelope, KeySource::Tag("host")), None);
        assert_eq!(find(br#""type":"a""#, KeySource::Tag("tenant")), None);
    }

    /// The server checks what it stores, but a search must come to an end whatever it reads.
    #[test]
    fn what_is_not_json_has_no_text() {
        let envelope = br#""type":"a\"b","payload":{"x":[{},"]"],"host":"h"},"tags":["t:1"]"#;
        for end in 0..envelope.len() {
            let _ = find(&envelope[..end], KeySource::Payload("host"));
            let _ = find(&envelope[end..], KeySource::Tag("t"));
        }
        for text in [
            "",
            "7",
            "{",
            "\"payload\"",
            "\"payload\":",
            "\"payload\":{]",
            "\"a\":,\"payload\":{\"host\":\"h\"}",
        ] {
            assert_eq!(payload(text, "host"), None, "{text}");
        }
    }
}
