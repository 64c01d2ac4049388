//! The parameters of a query string, one after the other, and the forms of their values.

use crate::catalogue::Code;
use crate::contract::Operation;
use crate::media::ReadForm;
use crate::problem::{Problem, Result};
use crate::request::query::{AsOf, Start};
use crate::response::{TASK_STATES, task_state};
use crate::time::{self, Moment};
use crate::uri;
use model::{Cursor, Order, Revision, TaskState, limits};
use std::borrow::Cow;
use std::time::Duration;

/// The only parameter that may be repeated.
const REPEATABLE: &str = "type";

pub(super) struct Parameters<'a> {
    operation: Operation,
    rest: &'a str,
    seen: Vec<Cow<'a, str>>,
}

pub(super) struct Parameter<'a> {
    operation: Operation,
    pub(super) name: Cow<'a, str>,
    value: Cow<'a, str>,
}

impl<'a> Parameters<'a> {
    /// The contract says which parameters the operation has; others are refused.
    pub(super) fn of(operation: Operation, query: Option<&'a str>) -> Self {
        Self { operation, rest: query.unwrap_or_default(), seen: Vec::new() }
    }

    pub(super) fn next(&mut self) -> Result<Option<Parameter<'a>>> {
        while !self.rest.is_empty() {
            let (pair, rest) = self.rest.split_once('&').unwrap_or((self.rest, ""));
            self.rest = rest;
            if pair.is_empty() {
                continue;
            }
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let name = decode(name).map_err(|why| invalid(name, why))?;
            let value = decode(value).map_err(|why| invalid(&name, why))?;
            if name != REPEATABLE {
                if self.seen.contains(&name) {
                    let detail = format!("`{name}` was given twice");
                    return Err(Problem::new(Code::DuplicateParameter, detail).parameter(name));
                }
                self.seen.push(name.clone());
            }
            let parameter = Parameter { operation: self.operation, name, value };
            if !self.operation.query_parameters().any(|known| known == parameter.name) {
                return Err(parameter.unknown());
            }
            return Ok(Some(parameter));
        }
        Ok(None)
    }
}

/// Decodes as HTML forms encode: `+` is a space.
fn decode(text: &str) -> Result<Cow<'_, str>, &'static str> {
    if text.contains('+') {
        let spaced = text.replace('+', " ");
        let decoded = uri::decode(spaced.as_bytes()).map_err(uri::DecodeError::why)?;
        return Ok(Cow::Owned(decoded.into_owned()));
    }
    uri::decode(text.as_bytes()).map_err(uri::DecodeError::why)
}

impl Parameter<'_> {
    fn number(&self, what: &str) -> Result<u64> {
        let digits = !self.value.is_empty() && self.value.bytes().all(|b| b.is_ascii_digit());
        let number = digits.then(|| self.value.parse().ok()).flatten();
        number.ok_or_else(|| self.invalid(&format!("`{}` is not {what}", self.value)))
    }

    /// A number from 0 that has at most this value.
    pub(super) fn number_to(&self, max: u64) -> Result<u64> {
        let what = format!("a whole number of at most {max}");
        self.number(&what).and_then(|number| {
            if number <= max { Ok(number) } else { Err(self.invalid(&format!("this must be {what}"))) }
        })
    }

    /// How long to wait.
    pub(super) fn wait_ms(&self, max: u64) -> Result<u64> {
        time::parse_duration_ms(&self.value)
            .filter(|ms| *ms <= max)
            .ok_or_else(|| self.invalid("this must be a duration of at most a minute, such as `20s`"))
    }

    /// A page is bounded; lines are not.
    pub(super) fn limit(&self, form: ReadForm) -> Result<u64> {
        let limit = self.number("a whole number")?;
        let max = limits::PAGE_EVENTS_MAX as u64;
        match form {
            ReadForm::Json if limit == 0 || limit > max => {
                Err(self.invalid(&format!("`limit` must be from 1 to {max} here")).number("limit", max))
            }
            ReadForm::Lines | ReadForm::Follow if limit == 0 => {
                Err(self.invalid("`limit` must be at least 1"))
            }
            _ => Ok(limit),
        }
    }

    /// A revision, or `end`.
    pub(super) fn from(&self) -> Result<Start> {
        if self.value == "end" {
            return Ok(Start::End);
        }
        Ok(Start::From(Revision(self.number("a revision or `end`")?)))
    }

    pub(super) fn task_state(&self) -> Result<TaskState> {
        TASK_STATES.into_iter().find(|state| task_state(*state) == self.value).ok_or_else(|| {
            let known: Vec<&str> = TASK_STATES.into_iter().map(task_state).collect();
            self.invalid(&format!("use one of {}", known.join(", ")))
        })
    }

    pub(super) fn cursor(&self) -> Result<Cursor> {
        self.value.parse().map_err(|error| self.invalid(&format!("{error}")))
    }

    /// A cursor.
    pub(super) fn after(&self) -> Result<Start> {
        self.cursor().map(Start::After)
    }

    /// A cursor, or `end`.
    pub(super) fn after_or_end(&self) -> Result<Start> {
        if self.value == "end" { Ok(Start::End) } else { self.after() }
    }

    pub(super) fn direction(&self) -> Result<Order> {
        match &*self.value {
            "forward" => Ok(Order::Ascending),
            "backward" => Ok(Order::Descending),
            _ => Err(self.invalid("use `forward` or `backward`")),
        }
    }

    pub(super) fn as_of(&self) -> Result<AsOf> {
        if self.value == "now" {
            return Ok(AsOf::Now);
        }
        match self.value.parse() {
            Ok(cursor) => Ok(AsOf::Cursor(cursor)),
            Err(_) => self.moment().map(AsOf::Time),
        }
    }

    /// The unencoded `+` of an offset has become a space. A valid time has no space there.
    pub(super) fn moment(&self) -> Result<Moment> {
        let text = self.value.replace(' ', "+");
        Moment::parse(&text).ok_or_else(|| {
            self.invalid(&format!(
                "`{}` is not a valid RFC 3339 time, such as `2010-10-02T07:20:39Z`",
                self.value
            ))
        })
    }

    pub(super) fn keep_alive(&self) -> Result<Duration> {
        parse_keep_alive(&self.value).map_err(|why| self.invalid(&why))
    }

    pub(super) fn prefix(&self) -> Result<String> {
        if self.value.len() > limits::NAME_BYTES_MAX {
            return Err(self.invalid("a name has at most 256 bytes"));
        }
        self.text()
    }

    pub(super) fn reader(&self) -> Result<String> {
        let max = limits::READER_NAME_BYTES_MAX;
        if self.value.len() > max || self.value.contains(char::is_control) {
            return Err(self
                .invalid(&format!("a name of a reader has at most {max} bytes and no control characters")));
        }
        self.text()
    }

    pub(super) fn text(&self) -> Result<String> {
        if self.value.is_empty() {
            return Err(self.invalid("it is empty; leave it out instead"));
        }
        Ok(self.value.clone().into_owned())
    }

    pub(super) fn unknown(&self) -> Box<Problem> {
        let known: Vec<&str> = self.operation.query_parameters().collect();
        let known = if known.is_empty() { "no parameters".to_owned() } else { known.join(", ") };
        let detail = format!("this route has no parameter `{}`; it has {known}", self.name);
        Problem::new(Code::UnknownParameter, detail).parameter(self.name.clone())
    }

    fn invalid(&self, why: &str) -> Box<Problem> {
        invalid(&self.name, why)
    }
}

pub(super) fn invalid(name: &str, why: &str) -> Box<Problem> {
    Problem::new(Code::InvalidParameter, format!("`{name}` cannot be used: {why}")).parameter(name)
}

/// Reads the interval of keep-alive messages: a whole number and a unit, such as `3s` or `1500ms`, from 1 to
/// 60 seconds.
///
/// # Errors
/// Why the text cannot be used.
pub fn parse_keep_alive(text: &str) -> Result<Duration, String> {
    let range = limits::KEEP_ALIVE_MS_MIN..=limits::KEEP_ALIVE_MS_MAX;
    match time::parse_duration_ms(text) {
        Some(ms) if range.contains(&ms) => Ok(Duration::from_millis(ms)),
        _ => Err(format!("`{text}` is not a duration from 1s to 60s, such as `3s` or `1500ms`")),
    }
}
