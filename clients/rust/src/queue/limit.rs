//! Named limits, shared by queues.

use crate::client::{Client, encode};
use crate::error::{Error, Result};
use crate::transport::{Call, Repeat};
use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// What each key of a limit may use. At least one member must be there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default)]
pub struct LimitSettings {
    /// Tasks that run at the same time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<Rate>,
}

/// What the tasks that begin may cost in a time.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Rate {
    pub max: u64,
    /// A number and `ms`, `s`, `m`, `h` or `d`.
    pub per: String,
    /// What may be used at once after a pause; `None` for `max`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub burst: Option<u64>,
}

/// A limit as the settings of a queue name it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub struct QueueLimit {
    pub limit: String,
    /// Which key a task has, such as `payload.host`; `None` for one key that all tasks share.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Only tasks of these types; all if it is empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub types: Vec<String>,
    /// What one task costs of a rate; `None` for 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<u32>,
}

/// A limit, and what its keys have in use.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[non_exhaustive]
pub struct Limit {
    pub limit: String,
    pub concurrency: Option<u32>,
    pub rate: Option<Rate>,
    /// At most 100 keys that are in use, in no particular order.
    pub keys: Vec<LimitKey>,
    /// Whether more keys are in use.
    pub more_keys: bool,
}

/// What one key of a limit has in use.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[non_exhaustive]
pub struct LimitKey {
    /// Empty for tasks without a key.
    pub key: String,
    /// Tasks of the key that run.
    pub running: u64,
    /// Whether tasks wait for the key.
    pub waiting: bool,
    /// All other members: see the API's description.
    #[serde(flatten)]
    pub members: Map<String, Value>,
}

impl Client {
    /// Replaces a limit, or creates it.
    ///
    /// # Errors
    /// [`Error`]
    pub async fn put_limit(&self, name: &str, settings: &LimitSettings) -> Result<()> {
        let body = serde_json::to_vec(settings).map_err(Error::Encode)?;
        let call = Call::new(Method::PUT, path(name)).body("application/json", body);
        self.call(&call).await.map(drop)
    }

    /// A limit, and what its keys have in use.
    ///
    /// # Errors
    /// [`Error`], with the code `limit_not_found` when no limit has this name.
    pub async fn limit(&self, name: &str) -> Result<Limit> {
        self.call_json(&Call::get(path(name))).await
    }

    /// Removes a limit. Tasks that wait for it can run.
    ///
    /// # Errors
    /// [`Error`], with the code `limit_not_found` when no limit has this name.
    pub async fn delete_limit(&self, name: &str) -> Result<()> {
        let call = Call::new(Method::DELETE, path(name));
        self.call(&call.repeat(Repeat::IfUnchanged)).await.map(drop)
    }

    /// The names of all limits, in no particular order.
    ///
    /// # Errors
    /// [`Error`]
    pub async fn limits(&self) -> Result<Vec<String>> {
        #[derive(Deserialize)]
        struct Listed {
            limit: String,
        }
        let listed: Vec<Listed> = self.list("/v1/limits", "limits").await?;
        Ok(listed.into_iter().map(|listed| listed.limit).collect())
    }
}

fn path(name: &str) -> String {
    format!("/v1/limits/{}", encode(name))
}
