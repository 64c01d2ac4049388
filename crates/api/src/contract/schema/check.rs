//! The JSON objects of the node's own check of its data.

use serde::Deserialize;
use utoipa::ToSchema;

/// How often a node checks its data, and what it has found.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Checks {
    /// The time between two checks, such as `1w`; null if the node makes none.
    #[schema(required)]
    pub every: Option<String>,
    /// The last check that has ended, also by an earlier start of the node; null before the first.
    #[schema(required)]
    pub last: Option<LastCheck>,
}

/// A check that has ended.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LastCheck {
    /// The time of day at which it ended.
    pub ended: String,
    /// Whether everything was as it was written.
    pub healthy: bool,
    /// Events that were read. If something is wrong, removed ones count too.
    pub events: u64,
    /// Rows of the state that were read.
    pub rows: u64,
    /// Bytes that were read.
    pub bytes: u64,
    pub took_ms: u64,
    /// What is wrong: the first 20 findings.
    pub findings: Vec<CheckFinding>,
}

/// Something is not as it was written.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CheckFinding {
    /// What is wrong, with the name of the file.
    pub what: String,
    /// What can no longer be relied on.
    pub affected: String,
    /// What to do.
    pub remedy: String,
}
