//! Settings, lists of tasks and queues, dead letters.

use super::Queue;
use super::duration;
use super::limit::QueueLimit;
use super::task::{RetryPolicy, TaskInfo, TaskState};
use crate::breakers::QueueBreaker;
use crate::client::{Client, Query};
use crate::error::{Error, Result};
use crate::transport::{Call, Repeat};
use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::time::{Duration, Instant};

/// What holds for the tasks of a queue that do not say otherwise. An absent member has its default. Durations are a
/// number and `ms`, `s`, `m`, `h`, `d` or `w`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default)]
pub struct QueueSettings {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry: Option<RetryPolicy>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub claim_timeout: Option<String>,
    /// A task whose claims have expired this often is a dead letter, whatever its retry policy says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lost_max: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep_done: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep_dead: Option<String>,
    /// Unfinished tasks that the queue takes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backlog_max: Option<u64>,
    /// A paused queue gives out no tasks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub paused: Option<bool>,
    /// Tasks of the queue that run at the same time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<u32>,
    /// Tasks of one key that run at the same time; one if it is absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_concurrency: Option<u32>,
    /// The stream to which an event is appended whenever a task is finished.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub events: Option<String>,
    /// The limits that hold for its tasks.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub limits: Vec<QueueLimit>,
    /// The breaker that its tasks wait for while it is open.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub breaker: Option<QueueBreaker>,
}

/// How many tasks are in which state.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[non_exhaustive]
pub struct Depth {
    pub delayed: u64,
    pub blocked: u64,
    pub ready: u64,
    pub running: u64,
    pub done: u64,
    pub dead: u64,
    pub cancelled: u64,
    /// How long the oldest ready task has been ready.
    pub oldest_ready_age: Option<String>,
    /// All other members: see the API's description.
    #[serde(flatten)]
    pub members: Map<String, Value>,
}

/// A queue's settings and depth.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[non_exhaustive]
pub struct QueueInfo {
    pub queue: String,
    pub settings: QueueSettings,
    pub depth: Depth,
    /// The depth of each type; `members` has its name as `type`.
    pub types: Vec<Depth>,
}

/// A page of tasks.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[non_exhaustive]
pub struct TaskPage {
    pub tasks: Vec<TaskInfo>,
    /// For [`Queue::next_tasks`]; `None` on the last page.
    pub next: Option<String>,
}

impl Queue {
    /// The queue's settings, and how many tasks it has.
    ///
    /// # Errors
    /// [`Error`]
    pub async fn info(&self) -> Result<QueueInfo> {
        self.client.call_json(&Call::get(self.path(""))).await
    }

    /// Replaces all settings.
    ///
    /// # Errors
    /// [`Error`]
    pub async fn put_settings(&self, settings: &QueueSettings) -> Result<()> {
        self.put_settings_of(serde_json::to_vec(settings).map_err(Error::Encode)?).await
    }

    /// Replaces all settings by JSON as `PUT /v1/queues/{queue}` takes it.
    ///
    /// # Errors
    /// [`Error`]
    pub async fn put_settings_of(&self, body: impl Into<Vec<u8>>) -> Result<()> {
        let call = Call::new(Method::PUT, self.path("")).body("application/json", body.into());
        self.client.call(&call).await.map(drop)
    }

    /// One task.
    ///
    /// # Errors
    /// [`Error`], with the code `task_not_found` when the queue has no such task.
    pub async fn task(&self, id: &str) -> Result<TaskInfo> {
        self.client.call_json(&Call::get(self.task_path(id, ""))).await
    }

    /// One task, as soon as it has ended, or as it is when `wait` is over.
    ///
    /// # Errors
    /// As for [`Self::task`].
    pub async fn task_once_ended(&self, id: &str, wait: Duration) -> Result<TaskInfo> {
        /// One request waits for at most this long.
        const REQUEST_WAIT_MAX: Duration = Duration::from_secs(20);
        let until = Instant::now() + wait;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let this = left.min(REQUEST_WAIT_MAX);
            let mut query = Query::default();
            query.push("wait", duration::written(this));
            let call = Call::get(query.on(&self.task_path(id, ""))).wait(this);
            let task: TaskInfo = self.client.call_json(&call).await?;
            if task.state.is_final() || left.is_zero() {
                return Ok(task);
            }
        }
    }

    /// The first page of tasks, oldest first; only those in `state`, if it is given. A page may be short, or even
    /// empty, and have a next one.
    ///
    /// # Errors
    /// [`Error`]
    pub async fn tasks(&self, state: Option<TaskState>, limit: u32) -> Result<TaskPage> {
        let mut query = Query::default();
        query.push_some("state", state);
        query.push("limit", limit);
        self.client.call_json(&Call::get(query.on(&self.path("/tasks")))).await
    }

    /// The page that follows another.
    ///
    /// # Errors
    /// [`Error`]
    pub async fn next_tasks(&self, next: &str) -> Result<TaskPage> {
        self.client.call_json(&Call::get(next)).await
    }

    /// Cancels a task. One that runs stays running: its worker learns of it from its next heartbeat.
    ///
    /// # Errors
    /// [`Error`], with the code `wrong_task_state` when the task is finished.
    pub async fn cancel(&self, id: &str) -> Result<()> {
        self.client.call(&Call::new(Method::POST, self.task_path(id, "/cancel"))).await.map(drop)
    }

    /// Puts a dead letter back into the queue, with all its attempts ahead of it.
    ///
    /// # Errors
    /// [`Error`], with the code `wrong_task_state` when the task is not a dead letter.
    pub async fn replay(&self, id: &str) -> Result<()> {
        let call = Call::new(Method::POST, self.task_path(id, "/replay"));
        self.client.call(&call.repeat(Repeat::IfUnchanged)).await.map(drop)
    }

    /// Removes a dead letter for good.
    ///
    /// # Errors
    /// [`Error`], with the code `wrong_task_state` when the task is not a dead letter.
    pub async fn drop_dead_letter(&self, id: &str) -> Result<()> {
        let call = Call::new(Method::DELETE, self.task_path(id, ""));
        self.client.call(&call.repeat(Repeat::IfUnchanged)).await.map(drop)
    }
}

impl Client {
    /// The names of all queues, in no particular order.
    ///
    /// # Errors
    /// [`Error`]
    pub async fn queues(&self) -> Result<Vec<String>> {
        #[derive(Deserialize)]
        struct Listed {
            queue: String,
        }
        let listed: Vec<Listed> = self.list("/v1/queues", "queues").await?;
        Ok(listed.into_iter().map(|listed| listed.queue).collect())
    }
}
