//! The JSON objects of executions.

use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// The beginning of the work under a key.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ExecutionBegin {
    /// What identifies the content of the request, such as a hash of its body: 1 to 256 bytes. A key that comes back
    /// with another fingerprint is refused.
    pub fingerprint: Option<String>,
    /// Who asks: a name of its own for each attempt to begin, 1 to 256 bytes. With it, the request can be sent again.
    pub owner: Option<String>,
    /// How long the key is in use if the work is not completed, from `1s` to `24h`; `60s` by default.
    pub ttl: Option<String>,
    /// How long to wait for the response while someone else does the work: `60s` at most, not at all by default.
    pub wait: Option<String>,
}

/// What there is under a key.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ExecutionBegun {
    pub key: String,
    /// `begun` or `completed`.
    pub state: String,
    /// With `begun`: what completes the work. A later one of the same key is greater, compared as text.
    pub token: Option<String>,
    /// With `begun`: the same owner had begun it before.
    pub replayed: Option<bool>,
    /// With `completed`: what was stored.
    pub response: Option<StoredResponse>,
    /// How long the key is in use if nothing is done.
    pub expires_in: String,
}

/// The response of an endpoint. It is stored and returned byte for byte.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StoredResponse {
    /// From 200 to 599.
    pub status: u16,
    /// At most 64. A value is a string, or an array of strings.
    #[serde(default)]
    pub headers: BTreeMap<String, Value>,
    /// Any JSON value.
    pub body: Option<Value>,
    /// Binary content, in base64.
    pub body_base64: Option<String>,
}

#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ExecutionComplete {
    pub token: String,
    /// At most 256 KiB.
    pub response: StoredResponse,
    /// How long the response is kept, from `1s` to `366d`; `24h` by default.
    pub keep: Option<String>,
}

#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ExecutionCompleted {
    pub key: String,
    pub token: String,
    /// It was completed before, with the same token. The response is the one that was stored then.
    pub replayed: bool,
}

#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ExecutionAbandon {
    pub token: String,
}

#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ExecutionAbandoned {
    pub key: String,
    pub token: String,
}

#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ExecutionForgotten {
    pub key: String,
    /// Something was under the key.
    pub existed: bool,
}

/// The state of a key.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Execution {
    pub key: String,
    /// `in_progress` or `completed`.
    pub state: String,
    pub response: Option<StoredResponse>,
    pub expires_in: String,
}

/// The execution was begun with this token, and no one has ended it.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ExecutionCheck {
    /// The key.
    pub idempotency: String,
    pub token: String,
}

/// Completes an execution.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ExecutionWrite {
    pub key: String,
    pub token: String,
    pub response: StoredResponse,
    pub keep: Option<String>,
}

#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ExecutionWritten {
    pub key: String,
}
