//! Schedules: put them, look at them, fire them now.

use crate::client::{Client, encode};
use crate::error::{Error, Result};
use crate::queue::RetryPolicy;
use crate::transport::{Call, Repeat};
use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// When a schedule is due, and what it enqueues then. An absent member has its default; see the API's description.
///
/// ```
/// use mainstay_client::{Schedule, ScheduledTask};
///
/// let nightly = Schedule::cron("0 2 * * *", "reports", ScheduledTask::new("cleanup")).zone("Europe/Berlin");
/// # let _ = nightly;
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub struct Schedule {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cron: Option<String>,
    /// The time zone of `cron`, such as `Europe/Berlin`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// The time between two ticks, such as `15m`, instead of `cron`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub every: Option<String>,
    pub queue: String,
    pub task: ScheduledTask,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end: Option<String>,
    /// Days and ranges of time without ticks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exclude: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runs_max: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jitter: Option<String>,
    /// `skip`, `one` or `all`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub catch_up: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub catch_up_max: Option<u32>,
    /// A tick that is later than this is missed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub late: Option<String>,
    /// `allow`, `skip`, `buffer_one` or `cancel_other`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub overlap: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pause_on_failure: Option<bool>,
}

impl Schedule {
    /// A schedule with a cron expression.
    #[must_use]
    pub fn cron(expression: impl Into<String>, queue: impl Into<String>, task: ScheduledTask) -> Self {
        Self { cron: Some(expression.into()), queue: queue.into(), task, ..Self::default() }
    }

    /// A schedule with an interval, such as `15m`.
    #[must_use]
    pub fn every(interval: impl Into<String>, queue: impl Into<String>, task: ScheduledTask) -> Self {
        Self { every: Some(interval.into()), queue: queue.into(), task, ..Self::default() }
    }

    /// The time zone of the cron expression.
    #[must_use]
    pub fn zone(mut self, zone: impl Into<String>) -> Self {
        self.zone = Some(zone.into());
        self
    }
}

/// The task that each tick enqueues.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub struct ScheduledTask {
    #[serde(rename = "type")]
    pub task_type: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payload: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub claim_timeout: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry: Option<RetryPolicy>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// All other members: see the API's description.
    #[serde(flatten)]
    pub members: Map<String, Value>,
}

impl ScheduledTask {
    #[must_use]
    pub fn new(task_type: impl Into<String>) -> Self {
        Self { task_type: task_type.into(), ..Self::default() }
    }

    /// What the worker gets.
    ///
    /// # Errors
    /// [`Error::Encode`] when the value is not JSON.
    pub fn payload<T: Serialize + ?Sized>(mut self, payload: &T) -> Result<Self> {
        self.payload = Some(serde_json::to_value(payload).map_err(Error::Encode)?);
        Ok(self)
    }
}

/// What a put has led to.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[non_exhaustive]
pub struct SchedulePut {
    pub schedule: String,
    /// Whether the schedule begins again. Absent in a preview.
    pub changed: Option<bool>,
    /// When the next ticks happen.
    pub next: Vec<String>,
    /// The version of the node's time zones.
    pub tzdata: String,
}

/// A schedule as it is.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[non_exhaustive]
pub struct ScheduleInfo {
    pub schedule: String,
    /// `active`, `paused`, `held`, `broken` or `finished`.
    pub state: String,
    pub next: Vec<String>,
    /// The last runs, oldest first.
    pub runs: Vec<ScheduleRun>,
    pub definition: Schedule,
    /// All other members: see the API's description.
    #[serde(flatten)]
    pub members: Map<String, Value>,
}

/// A task that a schedule has enqueued.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[non_exhaustive]
pub struct ScheduleRun {
    pub tick: String,
    /// The id of the task.
    pub task: String,
    /// `tick`, `fired` or `backfill`.
    pub cause: String,
    /// Absent where the run was just begun.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
}

/// What a request to fire or a backfill has led to.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[non_exhaustive]
pub struct ScheduleControlled {
    pub schedule: String,
    pub runs: Vec<ScheduleRun>,
    /// Ticks that wait for a run to finish.
    pub waiting: u32,
    pub skipped: u32,
    pub replayed: bool,
}

/// A schedule in a list.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[non_exhaustive]
pub struct ListedSchedule {
    pub schedule: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    pub state: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last: Option<String>,
}

/// What putting a set has led to.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[non_exhaustive]
pub struct ScheduleSet {
    pub owner: String,
    pub schedules: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub changed: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deleted: Option<u32>,
}

/// What a backfill does while a run is unfinished.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum BackfillOverlap {
    /// All tasks are enqueued at once.
    Allow,
    /// Only one task is enqueued.
    Skip,
    /// Each task is enqueued when the run before it is finished.
    Wait,
}

#[derive(Serialize)]
struct Page {
    schedules: Vec<Named>,
}

#[derive(Serialize)]
struct Named {
    schedule: String,
    #[serde(flatten)]
    definition: Schedule,
}

impl Client {
    /// Puts a schedule. One that is put as it is goes on; one that has changed begins again from now.
    ///
    /// # Errors
    /// [`Error`], with the code `invalid_member` when the schedule makes no sense.
    pub async fn put_schedule(&self, name: &str, schedule: &Schedule) -> Result<SchedulePut> {
        let body = serde_json::to_vec(schedule).map_err(Error::Encode)?;
        self.call_json(&Call::new(Method::PUT, path(name, "")).body("application/json", body)).await
    }

    /// The next ticks of a schedule as if it were put now. Stores nothing.
    ///
    /// # Errors
    /// As for [`Self::put_schedule`].
    pub async fn preview_schedule(&self, name: &str, schedule: &Schedule) -> Result<SchedulePut> {
        let body = serde_json::to_vec(schedule).map_err(Error::Encode)?;
        self.call_json(&Call::new(Method::POST, path(name, "/preview")).body("application/json", body)).await
    }

    /// Puts all schedules of an owner, and deletes those that the owner has put before and that are not named now.
    ///
    /// # Errors
    /// [`Error`], with the code `schedule_owned` when a schedule belongs to another owner.
    pub async fn put_schedules(
        &self,
        owner: &str,
        schedules: impl IntoIterator<Item = (String, Schedule)>,
    ) -> Result<ScheduleSet> {
        let named = schedules.into_iter().map(|(schedule, definition)| Named { schedule, definition });
        let body = serde_json::to_vec(&Page { schedules: named.collect() }).map_err(Error::Encode)?;
        self.put_schedules_of(owner, body).await
    }

    /// Puts all schedules of an owner, whose body is JSON as `PUT /v1/schedule-sets/{owner}` takes it.
    ///
    /// # Errors
    /// As for [`Self::put_schedules`].
    pub async fn put_schedules_of(&self, owner: &str, body: impl Into<Vec<u8>>) -> Result<ScheduleSet> {
        self.call_json(&Call::new(Method::PUT, set_path(owner)).body("application/json", body.into())).await
    }

    /// The names of an owner's schedules.
    ///
    /// # Errors
    /// [`Error`]
    pub async fn schedule_set(&self, owner: &str) -> Result<ScheduleSet> {
        self.call_json(&Call::get(set_path(owner))).await
    }

    /// A schedule with its next ticks and last runs.
    ///
    /// # Errors
    /// [`Error`], with the code `schedule_not_found`.
    pub async fn schedule(&self, name: &str) -> Result<ScheduleInfo> {
        self.call_json(&Call::get(path(name, ""))).await
    }

    /// All schedules, in no particular order.
    ///
    /// # Errors
    /// [`Error`]
    pub async fn schedules(&self) -> Result<Vec<ListedSchedule>> {
        self.list("/v1/schedules", "schedules").await
    }

    /// Deletes a schedule. Its tasks stay in their queue.
    ///
    /// # Errors
    /// [`Error`]
    pub async fn delete_schedule(&self, name: &str) -> Result<()> {
        self.call(&Call::new(Method::DELETE, path(name, ""))).await.map(drop)
    }

    /// Stops the ticks of a schedule.
    ///
    /// # Errors
    /// [`Error`], with the code `schedule_not_found`.
    pub async fn pause_schedule(&self, name: &str) -> Result<()> {
        self.call(&Call::new(Method::POST, path(name, "/pause"))).await.map(drop)
    }

    /// Lets a paused schedule go on from now.
    ///
    /// # Errors
    /// As for [`Self::pause_schedule`].
    pub async fn resume_schedule(&self, name: &str) -> Result<()> {
        self.call(&Call::new(Method::POST, path(name, "/resume"))).await.map(drop)
    }

    /// Enqueues a schedule's task now. With an idempotency key, the request is repeated after a lost response.
    ///
    /// # Errors
    /// [`Error`], with the codes `schedule_not_found` and `queue_full`.
    pub async fn fire_schedule(&self, name: &str, key: Option<&str>) -> Result<ScheduleControlled> {
        self.call_json(&with_key(Call::new(Method::POST, path(name, "/fire")), key)).await
    }

    /// Enqueues a task for each tick of a range: two RFC 3339 times. With an idempotency key, the request is repeated
    /// after a lost response.
    ///
    /// # Errors
    /// As for [`Self::fire_schedule`].
    pub async fn backfill_schedule(
        &self,
        name: &str,
        (from, to): (&str, &str),
        overlap: BackfillOverlap,
        key: Option<&str>,
    ) -> Result<ScheduleControlled> {
        let body = serde_json::json!({ "from": from, "to": to, "overlap": overlap });
        let body = serde_json::to_vec(&body).map_err(Error::Encode)?;
        let call = Call::new(Method::POST, path(name, "/backfill")).body("application/json", body);
        self.call_json(&with_key(call, key)).await
    }
}

fn path(name: &str, below: &str) -> String {
    format!("/v1/schedules/{}{below}", encode(name))
}

/// Without a key, nobody can tell a second request from the first.
fn with_key(call: Call, key: Option<&str>) -> Call {
    match key {
        None => call.repeat(Repeat::IfUnchanged),
        Some(key) => call.idempotency_key(key),
    }
}

fn set_path(owner: &str) -> String {
    format!("/v1/schedule-sets/{}", encode(owner))
}
