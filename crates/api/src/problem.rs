//! A problem as a client receives it: a code of the catalogue with the details of this occurrence, rendered as JSON
//! (RFC 9457).

use crate::catalogue::Code;
use crate::json;
use model::{NameError, Revision};
use std::borrow::Cow;
use std::fmt;

/// The result of every parser in this crate. The problem is boxed, so that results stay small.
pub type Result<T, E = Box<Problem>> = std::result::Result<T, E>;

/// The `type` of RFC 9457 points to a section of the page that every node serves.
const TYPE_PREFIX: &str = "/v1/errors#";

/// One problem.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub code: Code,
    pub detail: Cow<'static, str>,
    /// The value of `Retry-After`, in seconds.
    pub retry_after_s: Option<u32>,
    members: Vec<(&'static str, Member)>,
}

/// The value of a further member.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Member {
    Null,
    Number(u64),
    Text(String),
}

impl Problem {
    #[must_use]
    pub fn new(code: Code, detail: impl Into<Cow<'static, str>>) -> Box<Self> {
        let waits = matches!(code.status(), 429 | 503) || code == Code::ExecutionInProgress;
        let retry_after_s = waits.then_some(1);
        Box::new(Self { code, detail: detail.into(), retry_after_s, members: Vec::new() })
    }

    #[must_use]
    pub fn status(&self) -> u16 {
        self.code.status()
    }

    /// Names a member of the JSON that was sent.
    #[must_use]
    pub fn member(self: Box<Self>, path: impl Into<String>) -> Box<Self> {
        self.with("member", Member::Text(path.into()))
    }

    /// Puts `outer`, an object or an item of an array, before the path of the member.
    #[must_use]
    pub fn within(mut self: Box<Self>, outer: &str) -> Box<Self> {
        match self.members.iter_mut().find(|(name, _)| *name == "member") {
            Some((_, Member::Text(path))) => {
                let dot = if path.starts_with('[') { "" } else { "." };
                *path = format!("{outer}{dot}{path}");
                self
            }
            _ => self.member(outer),
        }
    }

    #[must_use]
    pub fn parameter(self: Box<Self>, name: impl Into<String>) -> Box<Self> {
        self.with("parameter", Member::Text(name.into()))
    }

    #[must_use]
    pub fn header(self: Box<Self>, name: impl Into<String>) -> Box<Self> {
        self.with("header", Member::Text(name.into()))
    }

    /// Numbers the line of the request, from 1.
    #[must_use]
    pub fn line(self: Box<Self>, line: u64) -> Box<Self> {
        self.with("line", Member::Number(line))
    }

    #[must_use]
    pub fn text(self: Box<Self>, name: &'static str, value: impl Into<String>) -> Box<Self> {
        self.with(name, Member::Text(value.into()))
    }

    #[must_use]
    pub fn number(self: Box<Self>, name: &'static str, value: u64) -> Box<Self> {
        self.with(name, Member::Number(value))
    }

    /// A revision, or null when there is none.
    #[must_use]
    pub fn revision(self: Box<Self>, name: &'static str, value: Option<Revision>) -> Box<Self> {
        self.with(name, value.map_or(Member::Null, |revision| Member::Number(revision.0)))
    }

    fn with(mut self: Box<Self>, name: &'static str, value: Member) -> Box<Self> {
        self.members.retain(|(known, _)| *known != name);
        self.members.push((name, value));
        self
    }

    /// Writes the problem as a JSON object, in one line.
    pub fn render(&self, out: &mut Vec<u8>) {
        let kind = self.code.kind();
        out.extend_from_slice(b"{\"type\":\"");
        out.extend_from_slice(TYPE_PREFIX.as_bytes());
        out.extend_from_slice(kind.code.as_bytes());
        out.extend_from_slice(b"\",\"title\":");
        json::write_text(out, kind.title);
        out.extend_from_slice(b",\"status\":");
        json::write_number(out, u64::from(kind.status));
        out.extend_from_slice(b",\"code\":");
        json::write_text(out, kind.code);
        out.extend_from_slice(b",\"detail\":");
        json::write_text(out, &self.detail);
        out.extend_from_slice(b",\"action\":");
        json::write_text(out, kind.action);
        out.extend_from_slice(if kind.retryable { b",\"retryable\":true" } else { b",\"retryable\":false" });
        for (name, value) in &self.members {
            out.push(b',');
            json::write_text(out, name);
            out.push(b':');
            match value {
                Member::Null => out.extend_from_slice(b"null"),
                Member::Number(number) => json::write_number(out, *number),
                Member::Text(text) => json::write_text(out, text),
            }
        }
        out.push(b'}');
    }

    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(512);
        self.render(&mut out);
        out
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.detail)
    }
}

impl std::error::Error for Problem {}

impl From<NameError> for Box<Problem> {
    fn from(error: NameError) -> Self {
        Problem::new(Code::InvalidName, error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_one_line_of_json_with_its_members() {
        let problem = Problem::new(Code::UnknownMember, "`fo\"o` is not known")
            .member("fo\"o")
            .within("[3]")
            .within("events")
            .line(7)
            .revision("current_revision", None);
        let text = String::from_utf8(problem.to_bytes()).unwrap();
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(json["type"], "/v1/errors#unknown_member");
        assert_eq!(json["status"], 400);
        assert_eq!(json["member"], "events[3].fo\"o");
        assert_eq!(json["line"], 7);
        assert_eq!(json["current_revision"], serde_json::Value::Null);
        assert_eq!(json["retryable"], false);
        assert!(!text.contains('\n'));
    }
}
