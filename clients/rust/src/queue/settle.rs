//! Heartbeats, and the ends of claims.

use super::task::{ClaimedTask, TaskState};
use super::{Queue, duration};
use crate::error::{Error, Result};
use crate::transport::Call;
use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::fmt;
use std::time::Duration;

/// How much text about a failure is sent. The server takes 64 KiB as JSON, where a character may take six bytes.
const FAILURE_TEXT_BYTES_MAX: usize = 10 << 10;
const CLASS_BYTES_MAX: usize = 256;

/// What the server says to a heartbeat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct Heartbeat {
    /// How long the claim lasts from now on.
    #[serde(deserialize_with = "duration::read")]
    pub expires_in: Duration,
    /// The task was cancelled: stop, and return it.
    pub cancelled: bool,
}

/// Why an attempt did not succeed, and what follows. Any error of a program becomes one with `?`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskError {
    pub(crate) class: String,
    pub(crate) message: String,
    pub(crate) traceback: Option<String>,
    pub(crate) follows: Follows,
}

/// What happens to a task after an attempt that did not succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Follows {
    /// As the retry policy says.
    Retry,
    RetryAfter(Duration),
    DeadLetter,
    /// The attempt does not count.
    Defer(Duration),
}

impl TaskError {
    /// A failure that another attempt may cure. `class` is the kind of error.
    #[must_use]
    pub fn new(class: impl Into<String>, message: impl fmt::Display) -> Self {
        Self { class: class.into(), message: message.to_string(), traceback: None, follows: Follows::Retry }
    }

    /// Not now: the task runs again after `delay`, and the attempt does not count.
    #[must_use]
    pub fn defer(delay: Duration) -> Self {
        Self { follows: Follows::Defer(delay), ..Self::new("deferred", "") }
    }

    /// Another attempt cannot help: the task becomes a dead letter.
    #[must_use]
    pub fn permanent(self) -> Self {
        Self { follows: Follows::DeadLetter, ..self }
    }

    /// Runs the task again after this delay, whatever the retry policy says.
    #[must_use]
    pub fn retry_after(self, delay: Duration) -> Self {
        Self { follows: Follows::RetryAfter(delay), ..self }
    }

    /// Adds a traceback.
    #[must_use]
    pub fn traceback(self, traceback: impl Into<String>) -> Self {
        Self { traceback: Some(traceback.into()), ..self }
    }
}

impl fmt::Display for TaskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.class, self.message)
    }
}

impl<E: std::error::Error> From<E> for TaskError {
    /// The class is the name of the type; the message has the causes too.
    fn from(error: E) -> Self {
        let (mut message, mut cause) = (error.to_string(), error.source());
        while let Some(error) = cause {
            message.push_str(": ");
            message.push_str(&error.to_string());
            cause = error.source();
        }
        Self::new(std::any::type_name::<E>(), message)
    }
}

#[derive(Deserialize)]
struct Settled {
    state: TaskState,
}

impl Queue {
    /// Keeps a claim for its whole time again. `progress` is for the next attempt.
    ///
    /// # Errors
    /// [`Error`]; one with [`Error::is_claim_lost`] when another worker may run the task now.
    pub async fn heartbeat(&self, task: &ClaimedTask, progress: Option<&Value>) -> Result<Heartbeat> {
        let mut body = Map::new();
        if let Some(progress) = progress {
            body.insert("progress".into(), progress.clone());
        }
        self.client.call_json(&self.settle_call(task, "heartbeat", body)?).await
    }

    /// Completes a task. `result` is kept with it for a while.
    ///
    /// # Errors
    /// [`Error`]; one with [`Error::is_claim_lost`] when another worker may run the task now.
    pub async fn complete<T: Serialize + ?Sized>(&self, task: &ClaimedTask, result: &T) -> Result<TaskState> {
        let result = serde_json::to_value(result).map_err(Error::Encode)?;
        let body = Map::from_iter([("result".to_owned(), result)]);
        self.settle(task, "complete", body).await
    }

    /// Ends an attempt that did not succeed. Returns where the task stands then.
    ///
    /// # Errors
    /// [`Error`]; one with [`Error::is_claim_lost`] when another worker may run the task now.
    pub async fn fail(&self, task: &ClaimedTask, error: &TaskError) -> Result<TaskState> {
        let mut body = Map::new();
        if let Follows::Defer(delay) = error.follows {
            body.insert("delay".into(), duration::written(delay).into());
            return self.settle(task, "defer", body).await;
        }
        let class = cut(&error.class, CLASS_BYTES_MAX).replace(char::is_control, " ");
        body.insert("class".into(), if class.is_empty() { "error".into() } else { class.into() });
        body.insert("message".into(), cut(&error.message, FAILURE_TEXT_BYTES_MAX / 2).into());
        if let Some(traceback) = &error.traceback {
            body.insert("traceback".into(), cut(traceback, FAILURE_TEXT_BYTES_MAX / 2).into());
        }
        match error.follows {
            Follows::DeadLetter => drop(body.insert("retryable".into(), false.into())),
            Follows::RetryAfter(delay) => drop(body.insert("delay".into(), duration::written(delay).into())),
            Follows::Retry | Follows::Defer(_) => {}
        }
        self.settle(task, "fail", body).await
    }

    /// Gives a task back, because this worker stops. The attempt does not count.
    ///
    /// # Errors
    /// [`Error`]; one with [`Error::is_claim_lost`] when another worker may run the task now.
    pub async fn give_back(&self, task: &ClaimedTask) -> Result<TaskState> {
        self.settle(task, "return", Map::new()).await
    }

    async fn settle(&self, task: &ClaimedTask, verb: &str, body: Map<String, Value>) -> Result<TaskState> {
        let call = self.settle_call(task, verb, body)?;
        self.client.call_json::<Settled>(&call).await.map(|settled| settled.state)
    }

    fn settle_call(&self, task: &ClaimedTask, verb: &str, mut body: Map<String, Value>) -> Result<Call> {
        body.insert("token".into(), task.token.clone().into());
        let body = serde_json::to_vec(&body).map_err(Error::Encode)?;
        let path = self.task_path(&task.id, &format!("/{verb}"));
        Ok(Call::new(Method::POST, path).body("application/json", body))
    }
}

/// The first part of a text, at most this many bytes.
fn cut(text: &str, bytes_max: usize) -> &str {
    let mut end = text.len().min(bytes_max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_its_type_and_its_causes() {
        let error = serde_json::from_str::<u32>("x").unwrap_err();
        let failed: TaskError = error.into();
        assert_eq!(failed.class, "serde_json::error::Error");
        assert!(failed.message.contains("expected"), "{failed}");
        assert_eq!(failed.clone().permanent().follows, Follows::DeadLetter);
        assert_eq!(cut("aż", 2), "a");
    }
}
