//! Errors, in classes that a program can act on: the server refused (a [`Problem`]), the connection failed,
//! or something that was sent or received cannot be read.
//!
//! A call returns an error only after the client has retried as often as its [`crate::Retry`] allows. Every
//! error answers three questions: [`Error::code`] names the server's problem, [`Error::is_retryable`] says
//! whether the same call may succeed later, and [`Error::is_outcome_unknown`] says whether a write may have
//! taken effect anyway.

use crate::event::Revision;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::fmt;
use std::time::Duration;

pub(crate) type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A problem as the server reports it (RFC 9457).
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq)]
#[non_exhaustive]
pub struct Problem {
    /// The stable name of this kind of problem, such as `wrong_revision`. Empty when something other than a
    /// node sent the response, such as a proxy.
    #[serde(default)]
    pub code: String,
    /// The HTTP status of the response.
    #[serde(default)]
    pub status: u16,
    /// The kind of problem in words.
    #[serde(default)]
    pub title: String,
    /// What happened this time.
    #[serde(default)]
    pub detail: String,
    /// Whether the same request may succeed later.
    #[serde(default)]
    pub retryable: bool,
    /// Further members, such as `action` and `current_revision`.
    #[serde(flatten)]
    pub members: Map<String, Value>,
    /// How long the server asks to wait before the next attempt (`Retry-After`).
    #[serde(skip)]
    pub retry_after: Option<Duration>,
}

impl Problem {
    /// The stream's last revision, when the problem is about an expected revision. `None` also when the
    /// stream does not exist.
    #[must_use]
    pub fn current_revision(&self) -> Option<Revision> {
        self.members.get("current_revision").and_then(Value::as_u64).map(Revision)
    }

    /// What the server advises you to do.
    #[must_use]
    pub fn advice(&self) -> Option<&str> {
        self.members.get("action").and_then(Value::as_str)
    }

    /// A problem that this crate found, in the server's form.
    pub(crate) fn local(status: u16, code: &str, detail: String) -> Self {
        Self {
            code: code.to_owned(),
            status,
            title: String::new(),
            detail,
            retryable: false,
            members: Map::new(),
            retry_after: None,
        }
    }

    /// The problem in a response. A body that is not a problem becomes the detail of a problem without a
    /// code.
    pub(crate) fn from_response(status: u16, body: &[u8]) -> Self {
        let problem = serde_json::from_slice(body).ok().filter(|problem: &Self| !problem.code.is_empty());
        let mut problem = problem.unwrap_or_else(|| Self {
            retryable: matches!(status, 429 | 502 | 503 | 504),
            ..Self::local(status, "", String::from_utf8_lossy(&body[..body.len().min(500)]).into_owned())
        });
        if problem.status == 0 {
            problem.status = status;
        }
        problem
    }

    /// Whether the request may have taken effect. A node says so with a code of its own. A proxy may have
    /// sent any 5xx other than 503 after the node did its work.
    fn is_outcome_unknown(&self) -> bool {
        match self.code.as_str() {
            "outcome_unknown" | "internal" => true,
            "" => self.status >= 500 && self.status != 503,
            _ => false,
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = if self.detail.is_empty() { &self.title } else { &self.detail };
        write!(f, "{words} ({}", self.status)?;
        if !self.code.is_empty() {
            write!(f, " {}", self.code)?;
        }
        f.write_str(")")
    }
}

/// Why a call of this crate failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The client cannot use the URL that it was given.
    #[error("{url:?} is not the URL of a node: {reason}")]
    Url { url: String, reason: &'static str },
    /// TLS could not be set up.
    #[error("TLS cannot be used: {0}")]
    Tls(#[source] BoxError),
    /// The server responded with a problem.
    #[error("{0}")]
    Problem(Box<Problem>),
    /// No connection could be opened. Nothing was sent.
    #[error("cannot connect to {address}: {source}")]
    Connect { address: String, source: BoxError },
    /// The server could not be reached securely: one side does not trust the other, or only one uses TLS. Nothing was sent
    /// that could have taken effect, and trying again does not help.
    #[error("cannot connect to {address} with TLS: {reason}")]
    Untrusted { address: String, reason: String },
    /// The connection broke before the response was complete. A write may have taken effect.
    #[error("the connection broke: {0}")]
    Broken(#[source] BoxError),
    /// Nothing arrived for this long. A write may have taken effect.
    #[error("no response within {0:?}")]
    TimedOut(Duration),
    /// The request cannot be expressed in HTTP.
    #[error("the request cannot be sent: {0}")]
    Request(String),
    /// The response is not what the API promises.
    #[error("the response cannot be read: {0}")]
    Response(String),
    /// An event could not be written as JSON.
    #[error("the event cannot be written as JSON: {0}")]
    Encode(#[source] serde_json::Error),
    /// An event's data does not have the type that the caller asked for.
    #[error("the event at revision {revision} does not have the requested type: {source}")]
    Decode { revision: Revision, source: serde_json::Error },
    /// The input of an import could not be read.
    #[error("the input cannot be read: {0}")]
    Input(#[source] std::io::Error),
    /// A retry setting is out of range.
    #[error("the retry settings are invalid: {0}")]
    Retry(String),
    /// The blocking client could not start its runtime.
    #[error("the client's runtime cannot start: {0}")]
    Runtime(#[source] std::io::Error),
}

impl Error {
    /// The server's problem, if there is one.
    #[must_use]
    pub fn problem(&self) -> Option<&Problem> {
        match self {
            Self::Problem(problem) => Some(problem),
            _ => None,
        }
    }

    /// The code of the server's problem, such as `wrong_revision`: see docs/errors.md.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        self.problem().map(|problem| problem.code.as_str()).filter(|code| !code.is_empty())
    }

    /// Whether the stream was not at the expected revision.
    #[must_use]
    pub fn is_wrong_revision(&self) -> bool {
        self.problem().is_some_and(|problem| problem.status == 412)
    }

    /// Whether the request named another store than the one that the node serves.
    #[must_use]
    pub fn is_other_store(&self) -> bool {
        self.code() == Some("other_store")
    }

    /// Whether others hold the lease that was asked for.
    #[must_use]
    pub fn is_lease_held(&self) -> bool {
        self.code() == Some("lease_held")
    }

    /// Whether the lease is not held with the token that was sent: it was released or has expired.
    #[must_use]
    pub fn is_lease_lost(&self) -> bool {
        self.code() == Some("lease_lost")
    }

    /// Whether someone else does the work under the idempotency key.
    #[must_use]
    pub fn is_execution_in_progress(&self) -> bool {
        self.code() == Some("execution_in_progress")
    }

    /// Whether the idempotency key was used for a request with another fingerprint.
    #[must_use]
    pub fn is_fingerprint_different(&self) -> bool {
        self.code() == Some("fingerprint_differs")
    }

    /// Whether the execution with the token that was sent is over.
    #[must_use]
    pub fn is_execution_lost(&self) -> bool {
        self.code() == Some("execution_lost")
    }

    /// Whether the same call may succeed later.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Problem(problem) => problem.retryable,
            Self::Connect { .. } | Self::Broken(_) | Self::TimedOut(_) => true,
            _ => false,
        }
    }

    /// Whether a write may have taken effect although the call failed. Repeat it with the same event ids or
    /// the same idempotency key, so that it takes effect once.
    #[must_use]
    pub fn is_outcome_unknown(&self) -> bool {
        match self {
            Self::Problem(problem) => problem.is_outcome_unknown(),
            Self::Broken(_) | Self::TimedOut(_) | Self::Response(_) => true,
            _ => false,
        }
    }
}

pub type Result<T, E = Error> = std::result::Result<T, E>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_may_have_happened_has_an_unknown_outcome() {
        let problem =
            |status, body: &str| Error::Problem(Box::new(Problem::from_response(status, body.as_bytes())));
        for (error, retryable, unknown) in [
            (problem(503, r#"{"code":"busy","retryable":true}"#), true, false),
            (problem(503, r#"{"code":"outcome_unknown","retryable":true}"#), true, true),
            (problem(412, r#"{"code":"wrong_revision"}"#), false, false),
            (problem(502, "<html>bad gateway</html>"), true, true),
            (problem(503, "no backend"), true, false),
            (Error::Connect { address: "x".into(), source: "refused".into() }, true, false),
            (Error::Untrusted { address: "x".into(), reason: "expired".into() }, false, false),
            (Error::Broken("reset".into()), true, true),
            (Error::TimedOut(Duration::from_secs(1)), true, true),
        ] {
            assert_eq!((error.is_retryable(), error.is_outcome_unknown()), (retryable, unknown), "{error}");
        }
    }
}
