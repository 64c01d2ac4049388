//! Asking for tasks.

use super::settle::{SettledAndClaimed, Settlement};
use super::task::{ClaimedTask, TaskState};
use super::{Queue, duration};
use crate::error::{Error, Problem, Result};
use crate::id::new_id;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::time::Duration;

/// What a worker asks for.
///
/// ```
/// use mainstay_client::Claim;
/// use std::time::Duration;
/// let claim = Claim::new("worker-1").types(["monthly"]).max(5).wait(Duration::from_secs(20));
/// # let _ = claim;
/// ```
#[derive(Clone, Debug, Serialize)]
pub struct Claim {
    worker: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    types: Vec<String>,
    max: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    claim_timeout: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    wait: Option<String>,
    request_id: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    settle: Vec<Map<String, Value>>,
}

impl Claim {
    /// Asks for one task of any type, without waiting. `worker` identifies this process.
    #[must_use]
    pub fn new(worker: impl Into<String>) -> Self {
        let worker = worker.into();
        Self {
            worker,
            version: None,
            types: Vec::new(),
            max: 1,
            claim_timeout: None,
            wait: None,
            request_id: String::new(),
            settle: Vec::new(),
        }
    }

    /// Says which version of its program the worker runs, for those who look at the list of workers.
    #[must_use]
    pub fn version(self, version: impl Into<String>) -> Self {
        Self { version: Some(version.into()), ..self }
    }

    /// Only tasks of these types.
    #[must_use]
    pub fn types<T: Into<String>>(self, types: impl IntoIterator<Item = T>) -> Self {
        Self { types: types.into_iter().map(Into::into).collect(), ..self }
    }

    /// At most this many tasks, up to 100.
    #[must_use]
    pub fn max(self, max: u32) -> Self {
        Self { max, ..self }
    }

    /// Sets how long the claims last. The default is what the tasks or the queue say.
    #[must_use]
    pub fn claim_timeout(self, timeout: Duration) -> Self {
        Self { claim_timeout: Some(duration::written(timeout)), ..self }
    }

    /// Waits this long for a task, up to 60 s. It must be shorter than the client's timeout.
    #[must_use]
    pub fn wait(self, wait: Duration) -> Self {
        Self { wait: Some(duration::written(wait)), ..self }
    }
}

#[derive(Deserialize)]
struct Claimed {
    #[serde(default)]
    settled: Vec<Item>,
    tasks: Vec<ClaimedTask>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Item {
    Settled { state: TaskState },
    Refused { problem: Box<Problem> },
}

impl Queue {
    /// Claims tasks. The list is empty when there were none.
    ///
    /// A retry of the client gets the same tasks. Dropping the future stops the wait: tasks that the server grants
    /// while that happens go back to their queue.
    ///
    /// # Errors
    /// [`Error`]
    pub async fn claim(&self, claim: &Claim) -> Result<Vec<ClaimedTask>> {
        let claim = Claim { request_id: new_id(), ..claim.clone() };
        self.send_claim(&claim).await.map(|claimed| claimed.tasks)
    }

    /// Settles tasks, up to 1,000, and then claims others, in one request. It does not wait for tasks.
    ///
    /// A settlement that comes too late does not affect the others, nor the claim.
    ///
    /// # Errors
    /// [`Error`] of the request as a whole.
    pub async fn settle_and_claim(
        &self,
        settlements: Vec<Settlement>,
        claim: &Claim,
    ) -> Result<SettledAndClaimed> {
        let settle = settlements.into_iter().map(Settlement::into_item).collect();
        let claim = Claim { request_id: new_id(), wait: None, settle, ..claim.clone() };
        let claimed = self.send_claim(&claim).await?;
        let settled = claimed.settled.into_iter().map(|item| match item {
            Item::Settled { state } => Ok(state),
            Item::Refused { problem } => Err(Error::Problem(problem)),
        });
        Ok(SettledAndClaimed { settled: settled.collect(), tasks: claimed.tasks })
    }

    async fn send_claim(&self, claim: &Claim) -> Result<Claimed> {
        let body = serde_json::to_vec(claim).map_err(Error::Encode)?;
        self.client.call_json(&self.post("/claims").body("application/json", body)).await
    }
}
