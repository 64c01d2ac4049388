//! Task queues: enqueue, claim, settle, and look at tasks.
//!
//! | module | what it holds |
//! |---|---|
//! | `task` | [`NewTask`], [`ClaimedTask`], [`TaskInfo`] |
//! | `claim` | [`Claim`]: asking for tasks |
//! | `settle` | [`Settlement`], [`TaskError`], heartbeats and ends of claims |
//! | `admin` | settings, lists, dead letters |
//! | `limit` | [`Limit`]: how many tasks run or begin |
//! | `tenant` | [`Tenant`]: whose tasks the claims are shared among |
//! | `change` | changes of many tasks at once |
//! | `group` | [`NewGroup`]: tasks that belong together |
//! | `duration` | durations as the API writes them |

mod admin;
mod change;
mod claim;
pub(crate) mod duration;
mod group;
mod limit;
mod settle;
mod task;
mod tenant;
mod workers;

pub use admin::{Depth, QueueInfo, QueueSettings, TaskPage};
pub use change::{Changed, DeadLetterClass, Replay, Which};
pub use claim::Claim;
pub use group::{GroupCreated, GroupInfo, GroupState, NewGroup};
pub use limit::{Limit, LimitKey, LimitSettings, QueueLimit, Rate};
pub use settle::{Heartbeat, SettledAndClaimed, Settlement, TaskError};
pub use task::{ClaimedTask, Enqueued, NewTask, RetryPolicy, TaskFailure, TaskInfo, TaskState, Unique};
pub use tenant::Tenant;
pub use workers::WorkerInfo;

use crate::client::{Client, encode, problem_within};
use crate::error::{Error, Result};
use crate::transport::Call;
use http::Method;

/// One task queue of a node. Cloning is cheap.
///
/// ```no_run
/// use mainstay_client::{Client, NewTask};
///
/// # async fn example() -> Result<(), mainstay_client::Error> {
/// let reports = Client::new("http://127.0.0.1:7070")?.queue("reports");
/// let task = NewTask::new("monthly").id("2026-11").payload(&serde_json::json!({"month": "2026-11"}))?;
/// let enqueued = reports.enqueue(&task).await?;
/// println!("{} {}", enqueued.id, if enqueued.replayed { "was there already" } else { "is new" });
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct Queue {
    pub(crate) client: Client,
    name: String,
}

impl Client {
    /// A task queue. It exists when it is first used.
    #[must_use]
    pub fn queue(&self, name: &str) -> Queue {
        Queue { client: self.clone(), name: name.to_owned() }
    }
}

impl Queue {
    /// The queue's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Enqueues a task. The task's id makes it safe to send again, so the client retries.
    ///
    /// # Errors
    /// [`Error`]; with the code `task_conflict` when the queue has another task with this id, and `queue_full` when
    /// it takes no more tasks.
    pub async fn enqueue(&self, task: &NewTask) -> Result<Enqueued> {
        let body = serde_json::to_vec(task).map_err(Error::Encode)?;
        self.client.call_json(&self.post("/tasks").body("application/json", body)).await
    }

    /// Enqueues up to 1,000 tasks in one request. Each has a result of its own: a task whose id belongs to another
    /// one does not affect the rest.
    ///
    /// # Errors
    /// [`Error`] when none was enqueued.
    pub async fn enqueue_all(&self, tasks: &[NewTask]) -> Result<Vec<Result<Enqueued>>> {
        if tasks.is_empty() {
            return Ok(Vec::new());
        }
        let mut body = Vec::new();
        for task in tasks {
            serde_json::to_writer(&mut body, task).map_err(Error::Encode)?;
            body.push(b'\n');
        }
        let response = self.client.call(&self.post("/tasks").body(LINES, body)).await?;
        Ok(lines(&response)
            .map(|line| serde_json::from_slice(line).map_err(|_| problem_within(line)))
            .collect())
    }

    fn path(&self, below: &str) -> String {
        format!("/v1/queues/{}{below}", encode(&self.name))
    }

    fn task_path(&self, id: &str, below: &str) -> String {
        self.path(&format!("/tasks/{}{below}", encode(id)))
    }

    fn post(&self, below: &str) -> Call {
        Call::new(Method::POST, self.path(below))
    }
}

const LINES: &str = "application/x-ndjson";

fn lines(body: &[u8]) -> impl Iterator<Item = &[u8]> {
    body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty())
}
