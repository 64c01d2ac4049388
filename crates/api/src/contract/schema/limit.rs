//! The JSON objects of limits.

use serde::Deserialize;
use utoipa::ToSchema;

/// What each key of a limit may use: tasks at the same time, or a rate, or both.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LimitSettings {
    /// Tasks that run at the same time.
    pub concurrency: Option<u32>,
    pub rate: Option<Rate>,
}

/// What the tasks that begin may cost in a time.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Rate {
    /// The cost that is allowed in that time.
    #[schema(minimum = 1, maximum = 1_000_000)]
    pub max: u64,
    /// The time, at most `1d`.
    #[schema(example = "1s")]
    pub per: String,
    /// What may be used at once after a pause. The default is `max`.
    #[schema(minimum = 1, maximum = 1_000_000)]
    pub burst: Option<u64>,
}

#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LimitInForce {
    pub limit: String,
    pub concurrency: Option<u32>,
    pub rate: Option<Rate>,
}

#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Limit {
    pub limit: String,
    pub concurrency: Option<u32>,
    pub rate: Option<Rate>,
    /// At most 100 keys that are in use, in no particular order.
    pub keys: Vec<LimitKey>,
    /// Whether more keys are in use.
    pub more_keys: bool,
}

/// What one key has in use.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LimitKey {
    /// Empty for tasks without a key.
    pub key: String,
    /// Tasks of the key that run.
    pub running: u64,
    /// Whether tasks wait for the key.
    pub waiting: bool,
    /// How much longer a worker has closed the key for.
    pub closed_for: Option<String>,
}

#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ListedLimit {
    pub limit: String,
}

#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LimitList {
    pub limits: Vec<ListedLimit>,
    /// The path of the next page; null at the end.
    pub next: Option<String>,
}

/// A limit that holds for tasks of a queue.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct QueueLimit {
    /// The limit's name. It limits nothing until it exists.
    pub limit: String,
    /// Which key a task has: `type`, `queue`, `key`, `tag.NAME` (what follows `NAME:` in a tag), or a member of the
    /// payload. When absent, all tasks share one key.
    #[schema(example = "payload.host")]
    pub key: Option<String>,
    /// Only tasks of these types. The default is all.
    pub types: Option<Vec<String>>,
    /// What one task costs of a rate. The default is 1.
    #[schema(minimum = 1, maximum = 1_000_000)]
    pub cost: Option<u32>,
}

/// Why a task cannot be claimed.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TaskBlockedOn {
    pub reason: BlockedReason,
    /// `concurrency`, `rate` and `throttle`: the limit.
    pub limit: Option<String>,
    /// `concurrency`, `rate` and `throttle`: the task's key of the limit.
    pub key: Option<String>,
    /// `breaker`: the breaker.
    pub breaker: Option<String>,
    /// `rate`, `throttle` and `breaker`: when the task may go on.
    pub opens_in: Option<String>,
}

/// `time`: its time has not come. `key`: an earlier task has its key. `pause`: its queue is paused. `concurrency`: as many
/// tasks run as may. `rate`: as many have begun as may. `throttle`: a worker has closed the key.
/// `breaker`: its breaker is open, or admits only some tasks yet.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum BlockedReason {
    Time,
    Key,
    Pause,
    Concurrency,
    Rate,
    Throttle,
    Breaker,
}

/// The key of a limit that a worker closes.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Throttle {
    /// The limit's name.
    pub limit: String,
    /// The default is the key that the task has there.
    pub key: Option<String>,
    /// For how long, at most `1d`.
    #[serde(rename = "for")]
    #[schema(example = "30s")]
    pub close_for: String,
}
