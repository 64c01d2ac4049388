//! Changes of many tasks at once, and replays with other content or into another queue.

use super::Queue;
use crate::error::{Error, Result};
use crate::transport::{Call, Repeat};
use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// The dead letters of one class.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[non_exhaustive]
pub struct DeadLetterClass {
    pub class: String,
    pub tasks: u64,
}

/// Which tasks to change; the default is all that can be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Which {
    /// Only dead letters whose last failure has this class. Not for tasks to be cancelled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
    /// Only tasks of this type.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub task_type: Option<String>,
    /// Only tasks to be cancelled that are in this state.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<super::TaskState>,
}

/// What became of many tasks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Changed {
    pub changed: u64,
    /// Dead letters that stay, because the other queue has a task with their id or as many types as it may.
    pub kept: u64,
}

/// How to replay one dead letter; the default is as it is, in its queue.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Replay {
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<String>,
}

impl Replay {
    /// Replaces the payload, by JSON.
    ///
    /// # Errors
    /// [`Error::Encode`] when the value cannot be written as JSON.
    pub fn payload<T: Serialize + ?Sized>(self, payload: &T) -> Result<Self> {
        Ok(Self { payload: Some(serde_json::value::to_raw_value(payload).map_err(Error::Encode)?), ..self })
    }

    /// Moves the task into another queue.
    #[must_use]
    pub fn to(self, queue: impl Into<String>) -> Self {
        Self { to: Some(queue.into()), ..self }
    }
}

impl Queue {
    /// The classes of the queue's dead letters, those with the most first, at most 1,000.
    ///
    /// # Errors
    /// [`Error`]
    pub async fn dead_letter_classes(&self) -> Result<Vec<DeadLetterClass>> {
        #[derive(Deserialize)]
        struct Classes {
            classes: Vec<DeadLetterClass>,
        }
        let classes: Classes = self.client.call_json(&Call::get(self.path("/dead-letters"))).await?;
        Ok(classes.classes)
    }

    /// Puts a dead letter back, with another payload or into another queue.
    ///
    /// # Errors
    /// [`Error`], with the code `wrong_task_state` when the task is not a dead letter.
    pub async fn replay_as(&self, id: &str, replay: &Replay) -> Result<()> {
        let body = serde_json::to_vec(replay).map_err(Error::Encode)?;
        let call = Call::new(Method::POST, self.task_path(id, "/replay")).body("application/json", body);
        self.client.call(&call.repeat(Repeat::IfUnchanged)).await.map(drop)
    }

    /// Puts dead letters back, oldest first, or moves them into another queue.
    ///
    /// # Errors
    /// [`Error`], with the code `queue_full` when there is no space for all of them; some may have been put back.
    pub async fn replay_many(&self, which: &Which, to: Option<&str>) -> Result<Changed> {
        self.change("/dead-letters/replay", which, to).await
    }

    /// Removes dead letters for good.
    ///
    /// # Errors
    /// [`Error`]
    pub async fn drop_many(&self, which: &Which) -> Result<Changed> {
        self.change("/dead-letters/drop", which, None).await
    }

    /// Cancels unfinished tasks. Those that run stay running: their workers learn of it from their next heartbeat.
    ///
    /// # Errors
    /// [`Error`]
    pub async fn cancel_many(&self, which: &Which) -> Result<Changed> {
        self.change("/cancel", which, None).await
    }

    /// Sends requests until all tasks were looked at once.
    async fn change(&self, path: &str, which: &Which, to: Option<&str>) -> Result<Changed> {
        #[derive(Serialize)]
        struct Body<'a> {
            #[serde(flatten)]
            which: &'a Which,
            #[serde(skip_serializing_if = "Option::is_none")]
            to: Option<&'a str>,
            #[serde(skip_serializing_if = "Option::is_none")]
            after: Option<&'a str>,
        }
        #[derive(Deserialize)]
        struct Step {
            changed: u64,
            kept: u64,
            next: Option<String>,
        }
        let mut all = Changed::default();
        let mut after: Option<String> = None;
        loop {
            let body = Body { which, to, after: after.as_deref() };
            let body = serde_json::to_vec(&body).map_err(Error::Encode)?;
            let call = Call::new(Method::POST, self.path(path)).body("application/json", body);
            let step: Step = self.client.call_json(&call.repeat(Repeat::Always)).await?;
            all.changed += step.changed;
            all.kept += step.kept;
            after = step.next;
            if after.is_none() {
                return Ok(all);
            }
        }
    }
}
