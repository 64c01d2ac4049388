//! The JSON objects of tenants.

use serde::Deserialize;
use utoipa::ToSchema;

#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TenantSettings {
    #[schema(minimum = 1, maximum = 100)]
    pub weight: u32,
}

#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TenantInForce {
    pub queue: String,
    pub tenant: String,
    pub weight: u32,
}

/// A tenant of a queue, and what it has there.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Tenant {
    pub tenant: String,
    pub weight: u32,
    /// Unfinished tasks that do not run.
    pub waiting: u64,
    /// Tasks that run.
    pub running: u64,
}

/// What tasks that name no tenant have together.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UnnamedTenant {
    pub weight: u32,
    pub waiting: u64,
    pub running: u64,
}

#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TenantList {
    pub tenants: Vec<Tenant>,
    pub unnamed: UnnamedTenant,
    /// The path of the next page; null at the end.
    pub next: Option<String>,
}
