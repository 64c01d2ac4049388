//! What can go wrong, in classes that a caller can act on: the server said no (a [`Problem`]), the world
//! failed (connection, time-out), or what came is not what the API promises.
//!
//! Every request of this crate is safe to send again, and has been sent again as often as its
//! [`crate::Retry`] allows before one of these comes out.

use crate::event::Revision;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::fmt;
use std::time::Duration;

/// A problem as the server states it (RFC 9457): a stable `code`, what happened, and whether trying again
/// can help.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq)]
pub struct Problem {
    /// The stable name of this kind of problem, for programs.
    #[serde(default)]
    pub code: String,
    /// The HTTP status that the problem came with.
    #[serde(default)]
    pub status: u16,
    /// The kind of problem in words.
    #[serde(default)]
    pub title: String,
    /// What happened this time.
    #[serde(default)]
    pub detail: String,
    /// The same request may succeed later.
    #[serde(default)]
    pub retryable: bool,
    /// Everything else that the server said, such as what to do and the current revision.
    #[serde(flatten)]
    pub members: Map<String, Value>,
    /// Seconds to wait before the next try, from `Retry-After`.
    #[serde(skip)]
    pub retry_after: Option<Duration>,
}

impl Problem {
    /// The stream's last revision, where the problem is about an expected one. `None` also when the stream
    /// does not exist.
    #[must_use]
    pub fn current_revision(&self) -> Option<Revision> {
        self.members.get("current_revision").and_then(Value::as_u64).map(Revision)
    }

    /// What the server advises to do.
    #[must_use]
    pub fn advice(&self) -> Option<&str> {
        self.members.get("action").and_then(Value::as_str)
    }

    /// One that the server did not state.
    pub(crate) fn local(status: u16, detail: String) -> Self {
        Self {
            code: String::new(),
            status,
            title: String::new(),
            detail,
            retryable: false,
            members: Map::new(),
            retry_after: None,
        }
    }

    /// From an answer's status and body; a body that is no problem becomes one without a code.
    pub(crate) fn from_answer(status: u16, body: &[u8]) -> Self {
        let problem = serde_json::from_slice(body).ok().filter(|problem: &Self| !problem.code.is_empty());
        let mut problem = problem.unwrap_or_else(|| Self {
            retryable: matches!(status, 429 | 502 | 503 | 504),
            ..Self::local(status, String::from_utf8_lossy(&body[..body.len().min(500)]).into_owned())
        });
        if problem.status == 0 {
            problem.status = status;
        }
        problem
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
    /// The URL given to the client is not one it can use.
    #[error("{url:?} is not a URL of a node: {why}")]
    Url { url: String, why: &'static str },
    /// The server understood, and refused.
    #[error("{0}")]
    Problem(Box<Problem>),
    /// No connection came about.
    #[error("cannot connect to {address}: {source}")]
    Connect { address: String, source: std::io::Error },
    /// The connection broke before the answer was complete. For a write the effect is unknown; sending the
    /// same events again is safe.
    #[error("the connection broke: {0}")]
    Broken(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Nothing came for too long.
    #[error("no answer within {0:?}")]
    TimedOut(Duration),
    /// The answer is not what the API promises.
    #[error("the answer cannot be read: {0}")]
    Answer(String),
    /// An event could not be written as JSON.
    #[error("the event cannot be written as JSON: {0}")]
    Encode(#[source] serde_json::Error),
    /// An event's data is not what the caller's type expects.
    #[error("the event at revision {revision} cannot be read as the type asked for: {source}")]
    Decode { revision: Revision, source: serde_json::Error },
    /// The input of an import could not be read.
    #[error("the input cannot be read: {0}")]
    Input(#[source] std::io::Error),
}

impl Error {
    /// The server's problem, if it was one.
    #[must_use]
    pub fn problem(&self) -> Option<&Problem> {
        match self {
            Self::Problem(problem) => Some(problem),
            _ => None,
        }
    }

    /// The stream was not at the expected revision.
    #[must_use]
    pub fn is_wrong_revision(&self) -> bool {
        self.problem().is_some_and(|problem| problem.status == 412)
    }

    /// The same call may succeed later.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Problem(problem) => problem.retryable,
            Self::Connect { .. } | Self::Broken(_) | Self::TimedOut(_) => true,
            _ => false,
        }
    }
}

pub type Result<T, E = Error> = std::result::Result<T, E>;
