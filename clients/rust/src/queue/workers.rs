//! Who asks for tasks.

use super::Queue;
use crate::error::Result;
use crate::transport::Call;
use serde::{Deserialize, Serialize};

/// A worker that has asked the node for tasks of a queue.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[non_exhaustive]
pub struct WorkerInfo {
    pub worker: String,
    /// The version of its program, if it says so.
    pub version: Option<String>,
    /// The types that it last asked for. All, if there are none.
    pub types: Vec<String>,
    /// Whether it waits for tasks now.
    pub waiting: bool,
    /// How many tasks it has been given.
    pub tasks: u64,
    /// How long ago it last asked for tasks, or stopped waiting for them, such as `3s`.
    pub last_asked: String,
}

impl Queue {
    /// The workers that the node has seen since it started, by name, at most 1,000.
    ///
    /// # Errors
    /// [`Error`](crate::Error)
    pub async fn workers(&self) -> Result<Vec<WorkerInfo>> {
        #[derive(Deserialize)]
        struct Workers {
            workers: Vec<WorkerInfo>,
        }
        let workers: Workers = self.client.call_json(&Call::get(self.path("/workers"))).await?;
        Ok(workers.workers)
    }
}
