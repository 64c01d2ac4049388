//! Groups: tasks that belong together, and what follows.

use super::NewTask;
use crate::client::{Client, Query, encode};
use crate::error::{Error, Result};
use crate::queue::duration;
use crate::transport::{Call, Repeat};
use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::time::{Duration, Instant};

/// Tasks of any queues that belong together, and what follows when all of them are done, or one is not.
///
/// ```
/// use mainstay_client::{NewGroup, NewTask};
///
/// let group = NewGroup::new("report-7")
///     .task("pages", NewTask::new("page").id("report-7-1"))
///     .task("pages", NewTask::new("page").id("report-7-2"))
///     .then("reports", NewTask::new("bind").id("report-7"));
/// # let _ = group;
/// ```
#[derive(Clone, Debug, Serialize)]
pub struct NewGroup {
    id: String,
    #[serde(flatten)]
    content: Content,
}

#[derive(Clone, Debug, Default, Serialize)]
struct Content {
    members: Vec<Member>,
    #[serde(skip_serializing_if = "Option::is_none")]
    then: Option<GroupTask>,
    #[serde(skip_serializing_if = "Option::is_none")]
    on_dead: Option<GroupTask>,
}

#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
enum Member {
    Task(Box<GroupTask>),
    Group { group: Box<Content> },
}

#[derive(Clone, Debug, Serialize)]
struct GroupTask {
    queue: String,
    #[serde(flatten)]
    task: NewTask,
}

impl NewGroup {
    /// A group without tasks. The id identifies it: creating it again with the same content has no effect.
    #[must_use]
    pub fn new(id: impl Into<String>) -> Self {
        Self { id: id.into(), content: Content::default() }
    }

    /// Adds a task.
    #[must_use]
    pub fn task(mut self, queue: impl Into<String>, task: NewTask) -> Self {
        self.content.members.push(Member::Task(Box::new(GroupTask { queue: queue.into(), task })));
        self
    }

    /// Adds a group as a member. Its id does not matter. What follows it takes its place.
    #[must_use]
    pub fn group(mut self, group: Self) -> Self {
        self.content.members.push(Member::Group { group: Box::new(group.content) });
        self
    }

    /// Enqueues this task when all members are done.
    #[must_use]
    pub fn then(mut self, queue: impl Into<String>, task: NewTask) -> Self {
        self.content.then = Some(GroupTask { queue: queue.into(), task });
        self
    }

    /// Enqueues this task when a member is dead or cancelled.
    #[must_use]
    pub fn on_dead(mut self, queue: impl Into<String>, task: NewTask) -> Self {
        self.content.on_dead = Some(GroupTask { queue: queue.into(), task });
        self
    }
}

/// Where a group is.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[non_exhaustive]
pub struct GroupCreated {
    pub id: String,
    pub cursor: String,
    /// Whether the group was there already.
    pub replayed: bool,
}

/// How a group stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum GroupState {
    Open,
    /// All members are done.
    Done,
    /// All members have ended, and some are dead or cancelled.
    Failed,
}

/// Everything about one group.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[non_exhaustive]
pub struct GroupInfo {
    pub id: String,
    pub state: GroupState,
    /// How many members it has.
    pub total: u32,
    pub done: u32,
    /// Members that are dead or cancelled.
    pub failed: u32,
    /// All other members: see the API's description.
    #[serde(flatten)]
    pub members: Map<String, Value>,
}

impl Client {
    /// Enqueues all tasks of a group, or none.
    ///
    /// # Errors
    /// [`Error`], with the code `group_conflict` when there is a group with this id and other tasks.
    pub async fn create_group(&self, group: &NewGroup) -> Result<GroupCreated> {
        let body = serde_json::to_vec(group).map_err(Error::Encode)?;
        self.create_group_of(body).await
    }

    /// Creates a group from the body of a request.
    ///
    /// # Errors
    /// As for [`Self::create_group`].
    pub async fn create_group_of(&self, body: Vec<u8>) -> Result<GroupCreated> {
        let call = Call::new(Method::POST, "/v1/groups").body("application/json", body);
        self.call_json(&call.repeat(Repeat::Always)).await
    }

    /// One group, as soon as it is done or failed, or as it is when `wait` is over.
    ///
    /// # Errors
    /// [`Error`], with the code `group_not_found` when there is no such group.
    pub async fn group(&self, id: &str, wait: Duration) -> Result<GroupInfo> {
        /// One request waits for at most this long.
        const REQUEST_WAIT_MAX: Duration = Duration::from_secs(20);
        let until = Instant::now() + wait;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let this = left.min(REQUEST_WAIT_MAX);
            let mut query = Query::default();
            query.push("wait", duration::written(this));
            let path = format!("/v1/groups/{}", encode(id));
            let call = Call::get(query.on(&path)).wait(this);
            let group: GroupInfo = self.call_json(&call).await?;
            if group.state != GroupState::Open || left.is_zero() {
                return Ok(group);
            }
        }
    }
}
