//! Asking for tasks.

use super::task::ClaimedTask;
use super::{Queue, duration};
use crate::error::{Error, Result};
use crate::id::new_id;
use serde::{Deserialize, Serialize};
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

impl Queue {
    /// Claims tasks. The list is empty when there were none.
    ///
    /// A retry of the client gets the same tasks. Dropping the future stops the wait: tasks that the server grants
    /// while that happens go back to their queue.
    ///
    /// # Errors
    /// [`Error`]
    pub async fn claim(&self, claim: &Claim) -> Result<Vec<ClaimedTask>> {
        #[derive(Deserialize)]
        struct Claimed {
            tasks: Vec<ClaimedTask>,
        }
        let claim = Claim { request_id: new_id(), ..claim.clone() };
        let body = serde_json::to_vec(&claim).map_err(Error::Encode)?;
        let call = self.post("/claims").body("application/json", body);
        self.client.call_json::<Claimed>(&call).await.map(|claimed| claimed.tasks)
    }
}
