//! Heartbeats, and the ends of claims.

use super::task::{ClaimedTask, TaskState};
use super::{Queue, duration};
use crate::error::{Error, Result};
use crate::transport::Call;
use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
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
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Follows {
    /// As the retry policy says.
    Retry,
    RetryAfter(Duration),
    DeadLetter,
    /// The attempt does not count.
    Defer(Duration),
    /// The key of a limit is closed, and the attempt does not count.
    Throttle(Box<Throttle>),
}

/// Which key of a limit is closed, and for how long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Throttle {
    limit: String,
    key: Option<String>,
    time: String,
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

    /// A service that the task needs is called too often: closes this key of a limit for some time. The task, and all
    /// others with the key, wait until then, and the attempt does not count. Without a key, it is the task's own.
    #[must_use]
    pub fn throttle<'a>(limit: impl Into<String>, key: impl Into<Option<&'a str>>, time: Duration) -> Self {
        let throttle = Throttle {
            limit: limit.into(),
            key: key.into().map(str::to_owned),
            time: duration::written(time),
        };
        Self { follows: Follows::Throttle(Box::new(throttle)), ..Self::new("throttled", "") }
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

/// What becomes of a claimed task. [`Queue::complete`] and the like send one; [`Queue::settle_and_claim`] sends many.
#[derive(Clone, Debug)]
pub struct Settlement {
    id: String,
    action: &'static str,
    /// The token, and what belongs to the action.
    members: Map<String, Value>,
}

impl Settlement {
    fn new(task: &ClaimedTask, action: &'static str) -> Self {
        let members = Map::from_iter([("token".to_owned(), Value::from(task.token.as_str()))]);
        Self { id: task.id.clone(), action, members }
    }

    fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.members.insert(name.to_owned(), value.into());
        self
    }

    /// The task is done. `result` is kept with it for a while.
    ///
    /// # Errors
    /// [`Error::Encode`] when the result cannot be written as JSON.
    pub fn complete<T: Serialize + ?Sized>(task: &ClaimedTask, result: &T) -> Result<Self> {
        let result = serde_json::to_value(result).map_err(Error::Encode)?;
        Ok(Self::new(task, "complete").with("result", result))
    }

    /// The attempt did not succeed.
    #[must_use]
    pub fn fail(task: &ClaimedTask, error: &TaskError) -> Self {
        match &error.follows {
            Follows::Defer(delay) => {
                return Self::new(task, "defer").with("delay", duration::written(*delay));
            }
            Follows::Throttle(throttle) => {
                let Throttle { limit, key, time } = &**throttle;
                let throttle = json!({"limit": limit, "key": key, "for": time});
                return Self::new(task, "fail").with("throttle", throttle);
            }
            Follows::Retry | Follows::RetryAfter(_) | Follows::DeadLetter => {}
        }
        let class = cut(&error.class, CLASS_BYTES_MAX).replace(char::is_control, " ");
        let mut settlement = Self::new(task, "fail")
            .with("class", if class.is_empty() { "error".to_owned() } else { class })
            .with("message", cut(&error.message, FAILURE_TEXT_BYTES_MAX / 2));
        if let Some(traceback) = &error.traceback {
            settlement = settlement.with("traceback", cut(traceback, FAILURE_TEXT_BYTES_MAX / 2));
        }
        match &error.follows {
            Follows::DeadLetter => settlement.with("retryable", false),
            Follows::RetryAfter(delay) => settlement.with("delay", duration::written(*delay)),
            Follows::Retry | Follows::Defer(_) | Follows::Throttle(_) => settlement,
        }
    }

    /// The worker gives the task back. The attempt does not count.
    #[must_use]
    pub fn give_back(task: &ClaimedTask) -> Self {
        Self::new(task, "return")
    }

    /// As an item of many.
    pub(super) fn into_item(self) -> Map<String, Value> {
        let Self { id, action, mut members } = self;
        members.insert("id".to_owned(), id.into());
        members.insert("action".to_owned(), action.into());
        members
    }
}

#[derive(Deserialize)]
struct Settled {
    state: TaskState,
}

/// What [`Queue::settle_and_claim`] did.
#[derive(Debug)]
#[non_exhaustive]
pub struct SettledAndClaimed {
    /// For each settlement, where its task stands now, or why it had no effect.
    pub settled: Vec<Result<TaskState>>,
    pub tasks: Vec<ClaimedTask>,
}

impl Queue {
    /// Keeps a claim for its whole time again. `progress` is for the next attempt.
    ///
    /// # Errors
    /// [`Error`]; one with [`Error::is_claim_lost`] when another worker may run the task now.
    pub async fn heartbeat(&self, task: &ClaimedTask, progress: Option<&Value>) -> Result<Heartbeat> {
        let mut heartbeat = Settlement::new(task, "heartbeat");
        if let Some(progress) = progress {
            heartbeat = heartbeat.with("progress", progress.clone());
        }
        self.client.call_json(&self.settle_call(&heartbeat)?).await
    }

    /// Completes a task. `result` is kept with it for a while.
    ///
    /// # Errors
    /// [`Error`]; one with [`Error::is_claim_lost`] when another worker may run the task now.
    pub async fn complete<T: Serialize + ?Sized>(&self, task: &ClaimedTask, result: &T) -> Result<TaskState> {
        self.settle(&Settlement::complete(task, result)?).await
    }

    /// Ends an attempt that did not succeed. Returns where the task stands then.
    ///
    /// # Errors
    /// [`Error`]; one with [`Error::is_claim_lost`] when another worker may run the task now.
    pub async fn fail(&self, task: &ClaimedTask, error: &TaskError) -> Result<TaskState> {
        self.settle(&Settlement::fail(task, error)).await
    }

    /// Gives a task back, because this worker stops. The attempt does not count.
    ///
    /// # Errors
    /// [`Error`]; one with [`Error::is_claim_lost`] when another worker may run the task now.
    pub async fn give_back(&self, task: &ClaimedTask) -> Result<TaskState> {
        self.settle(&Settlement::give_back(task)).await
    }

    pub(crate) async fn settle(&self, settlement: &Settlement) -> Result<TaskState> {
        let call = self.settle_call(settlement)?;
        self.client.call_json::<Settled>(&call).await.map(|settled| settled.state)
    }

    fn settle_call(&self, settlement: &Settlement) -> Result<Call> {
        let body = serde_json::to_vec(&settlement.members).map_err(Error::Encode)?;
        let path = self.task_path(&settlement.id, &format!("/{}", settlement.action));
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
