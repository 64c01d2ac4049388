//! Tasks: as they are enqueued, as a worker gets them, and as they are.

use super::duration;
use crate::error::{Error, Result};
use crate::id::new_id;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use std::fmt;
use std::time::Duration;

/// A task to enqueue.
///
/// Its id identifies it within its queue: enqueuing a task again is a replay. Give a task an id that follows from
/// what it is for, so that a repeated request of your users does not enqueue it twice. Without one, the client makes
/// an id, which makes its own retries safe.
///
/// ```
/// use mainstay_client::NewTask;
/// use std::time::Duration;
/// # fn main() -> Result<(), mainstay_client::Error> {
/// let task = NewTask::new("mail.send").id("welcome-7").key("user-7").priority(7)
///     .delay(Duration::from_secs(60))
///     .payload(&serde_json::json!({"user": 7}))?;
/// # let _ = task; Ok(()) }
/// ```
#[derive(Clone, Debug, Serialize)]
pub struct NewTask {
    id: String,
    r#type: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload_base64: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    run_after: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    delay: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    priority: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fair: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    claim_timeout: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry: Option<RetryPolicy>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unique: Option<SentUnique>,
    #[serde(skip_serializing_if = "Option::is_none")]
    deadline: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tags: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    traceparent: Option<String>,
}

/// When a failed task runs again: after a random delay of at most `first * 2^(attempts - 1)`, and at most `max`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetryPolicy {
    /// Attempts in all, from 1.
    pub attempts: u32,
    /// A number and `ms`, `s`, `m`, `h`, `d` or `w`.
    pub first: String,
    pub max: String,
    /// A task that fails this long after it was enqueued, or replayed, is a dead letter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_age: Option<String>,
    /// Failures of these classes are never retried.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub never: Vec<String>,
}

/// What happens to a task that meets an unfinished one of its queue with the same unique key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Unique {
    /// It is not added.
    Existing,
    /// It is not added if the other one waits. If that runs, it waits behind it.
    OneWaiting,
    /// The other one is cancelled if it waits. If that runs, it waits behind it.
    Replace,
}

#[derive(Clone, Debug, Serialize)]
struct SentUnique {
    key: String,
    mode: Unique,
}

impl RetryPolicy {
    /// At most this many attempts, with the delays given.
    #[must_use]
    pub fn new(attempts: u32, first: Duration, max: Duration) -> Self {
        let (first, max) = (duration::written(first), duration::written(max));
        Self { attempts, first, max, max_age: None, never: Vec::new() }
    }

    /// A task that fails this long after it was enqueued, or replayed, is a dead letter.
    #[must_use]
    pub fn max_age(self, age: Duration) -> Self {
        Self { max_age: Some(duration::written(age)), ..self }
    }

    /// Failures of this class are never retried.
    #[must_use]
    pub fn never(mut self, class: impl Into<String>) -> Self {
        self.never.push(class.into());
        self
    }
}

impl NewTask {
    /// A task of this type, without a payload.
    #[must_use]
    pub fn new(task_type: impl Into<String>) -> Self {
        Self {
            id: new_id(),
            r#type: task_type.into(),
            payload: None,
            payload_base64: None,
            run_after: None,
            delay: None,
            priority: None,
            key: None,
            fair: None,
            claim_timeout: None,
            retry: None,
            unique: None,
            deadline: None,
            tags: Vec::new(),
            traceparent: None,
        }
    }

    /// Sets the id.
    #[must_use]
    pub fn id(self, id: impl Into<String>) -> Self {
        Self { id: id.into(), ..self }
    }

    /// Sets the payload, as JSON.
    ///
    /// # Errors
    /// [`Error::Encode`] when the value cannot be written as JSON.
    pub fn payload<T: Serialize + ?Sized>(self, payload: &T) -> Result<Self> {
        let payload = serde_json::value::to_raw_value(payload).map_err(Error::Encode)?;
        Ok(Self { payload: Some(payload), payload_base64: None, ..self })
    }

    /// Sets the payload, as bytes of any kind.
    #[must_use]
    pub fn payload_bytes(self, payload: impl AsRef<[u8]>) -> Self {
        Self { payload_base64: Some(STANDARD.encode(payload)), payload: None, ..self }
    }

    /// Does not run the task before this RFC 3339 time.
    #[must_use]
    pub fn run_after(self, time: impl Into<String>) -> Self {
        Self { run_after: Some(time.into()), delay: None, ..self }
    }

    /// Does not run the task before this much time has passed.
    #[must_use]
    pub fn delay(self, delay: Duration) -> Self {
        Self { delay: Some(duration::written(delay)), run_after: None, ..self }
    }

    /// Sets the priority, from 0 to 9. The default is 5; tasks with a higher one run first.
    #[must_use]
    pub fn priority(self, priority: u8) -> Self {
        Self { priority: Some(priority), ..self }
    }

    /// Sets the key: tasks with the same key run one at a time, in the order in which they were enqueued.
    #[must_use]
    pub fn key(self, key: impl Into<String>) -> Self {
        Self { key: Some(key.into()), ..self }
    }

    /// Sets the tenant from whose share of the claims the task is served.
    #[must_use]
    pub fn fair(self, tenant: impl Into<String>) -> Self {
        Self { fair: Some(tenant.into()), ..self }
    }

    /// Sets the unique key, and what happens while another task with that key is unfinished.
    #[must_use]
    pub fn unique(self, key: impl Into<String>, mode: Unique) -> Self {
        Self { unique: Some(SentUnique { key: key.into(), mode }), ..self }
    }

    /// Begins no attempt at or after this RFC 3339 time. A task that still waits then is a dead letter.
    #[must_use]
    pub fn deadline(self, time: impl Into<String>) -> Self {
        Self { deadline: Some(time.into()), ..self }
    }

    /// Sets how long a claim of this task lasts.
    #[must_use]
    pub fn claim_timeout(self, timeout: Duration) -> Self {
        Self { claim_timeout: Some(duration::written(timeout)), ..self }
    }

    /// Sets when the task runs again after it failed.
    #[must_use]
    pub fn retry(self, retry: RetryPolicy) -> Self {
        Self { retry: Some(retry), ..self }
    }

    /// Adds a tag.
    #[must_use]
    pub fn tag(mut self, tag: impl Into<String>) -> Self {
        self.tags.push(tag.into());
        self
    }

    /// Sets the trace that the task belongs to (W3C Trace Context).
    #[must_use]
    pub fn traceparent(self, traceparent: impl Into<String>) -> Self {
        Self { traceparent: Some(traceparent.into()), ..self }
    }
}

/// Where a task is.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[non_exhaustive]
pub struct Enqueued {
    pub id: String,
    /// The task's place in the order of the whole store.
    pub cursor: String,
    /// Whether the queue had the task already.
    pub replayed: bool,
    /// Whether the task was not added, because this one has its unique key.
    #[serde(default, skip_serializing_if = "is_false")]
    pub existing: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_false(flag: &bool) -> bool {
    !*flag
}

/// A task that this worker has claimed.
#[derive(Clone, Debug, Deserialize)]
#[non_exhaustive]
pub struct ClaimedTask {
    pub id: String,
    /// Settles the task. A later claim of the same task has a greater one.
    pub token: String,
    /// From 1.
    pub attempt: u32,
    /// How long the claim lasts, from the moment at which the server granted it.
    #[serde(deserialize_with = "duration::read")]
    pub expires_in: Duration,
    #[serde(rename = "type")]
    pub task_type: String,
    /// The payload as JSON.
    #[serde(default)]
    pub payload: Option<Box<RawValue>>,
    #[serde(default)]
    payload_base64: Option<String>,
    /// What an earlier attempt said in a heartbeat.
    #[serde(default)]
    pub progress: Option<Value>,
    #[serde(default)]
    pub key: Option<String>,
    #[serde(default)]
    pub tags: Vec<String>,
    #[serde(default)]
    pub traceparent: Option<String>,
}

impl ClaimedTask {
    /// The payload as a type. A task without one has the payload `null`.
    ///
    /// # Errors
    /// When the payload does not have this type.
    pub fn decode<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_str(self.payload.as_deref().map_or("null", RawValue::get))
    }

    /// The payload as bytes: those that were enqueued, or the text of the JSON.
    #[must_use]
    pub fn payload_bytes(&self) -> Vec<u8> {
        match (&self.payload_base64, &self.payload) {
            (Some(encoded), _) => STANDARD.decode(encoded).unwrap_or_default(),
            (None, Some(json)) => json.get().as_bytes().to_vec(),
            (None, None) => Vec::new(),
        }
    }
}

/// Where a task stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum TaskState {
    /// Waits for its time, or for the delay before another attempt.
    Delayed,
    /// Waits for an earlier task with the same key.
    Blocked,
    Ready,
    Running,
    Done,
    /// A dead letter.
    Dead,
    Cancelled,
}

impl TaskState {
    /// Whether nothing more will happen to the task by itself.
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Done | Self::Dead | Self::Cancelled)
    }
}

impl fmt::Display for TaskState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Delayed => "delayed",
            Self::Blocked => "blocked",
            Self::Ready => "ready",
            Self::Running => "running",
            Self::Done => "done",
            Self::Dead => "dead",
            Self::Cancelled => "cancelled",
        })
    }
}

/// Everything about one task.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[non_exhaustive]
pub struct TaskInfo {
    pub id: String,
    pub state: TaskState,
    /// Attempts that count so far.
    pub attempts: u32,
    /// When it was enqueued, in RFC 3339.
    pub enqueued: String,
    #[serde(rename = "type")]
    pub task_type: String,
    /// The last failed attempts, oldest first.
    pub failures: Vec<TaskFailure>,
    /// What the worker said when it completed the task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<Value>,
    /// All other members: see the API's description.
    #[serde(flatten)]
    pub members: Map<String, Value>,
}

/// One attempt that failed.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[non_exhaustive]
pub struct TaskFailure {
    pub attempt: u32,
    pub worker: String,
    pub started: String,
    pub ended: String,
    /// The kind of error.
    pub class: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceback: Option<String>,
}
