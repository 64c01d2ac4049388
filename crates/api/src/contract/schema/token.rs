//! The JSON objects of tokens.

use serde::Deserialize;
use utoipa::ToSchema;

/// What a token may do.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TokenSettings {
    pub role: Role,
    /// The token may use names that begin with one of these; all names if there are none. At most 16.
    #[schema(example = json!(["orders-"]))]
    pub prefixes: Option<Vec<String>>,
    /// A note for people.
    pub name: Option<String>,
    /// How long the token is valid. The default is for as long as it exists.
    #[schema(example = "90d")]
    pub expires_after: Option<String>,
    /// Requests a second, and as many at once after a quiet second. From 1 to 1,000,000.
    pub requests_per_second: Option<u64>,
    /// Bytes of bodies a second, of requests and responses together. From 16,384 to 8 GiB.
    pub bytes_per_second: Option<u64>,
    /// Subscriptions and watches at the same time. From 0 to 1,024.
    pub subscribers_max: Option<u64>,
    /// Bytes of one request's body. From 1,024 to 8 MiB.
    pub body_bytes_max: Option<u64>,
}

/// Each role may do what those before it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    Read,
    Write,
    Admin,
}

/// A new token.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TokenCreated {
    /// The token itself. It is not shown again.
    pub token: String,
    pub id: String,
    pub role: Role,
    pub prefixes: Vec<String>,
    pub name: String,
    /// Absent unless the token is limited; also the next three.
    pub requests_per_second: Option<u64>,
    pub bytes_per_second: Option<u64>,
    pub subscribers_max: Option<u64>,
    pub body_bytes_max: Option<u64>,
    pub created: String,
    /// Absent if it never expires.
    pub expires: Option<String>,
}

/// A token without its secret.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Token {
    /// 16 hex digits, or `initial`.
    pub id: String,
    pub role: Role,
    pub prefixes: Vec<String>,
    pub name: String,
    /// Absent unless the token is limited; also the next three.
    pub requests_per_second: Option<u64>,
    pub bytes_per_second: Option<u64>,
    pub subscribers_max: Option<u64>,
    pub body_bytes_max: Option<u64>,
    pub created: String,
    /// Absent if it never expires.
    pub expires: Option<String>,
    /// Absent if it was never used.
    pub last_used: Option<String>,
}

#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TokenList {
    pub tokens: Vec<Token>,
    /// The path of the next page, if there is one.
    pub next: Option<String>,
}

#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TokenRevoked {
    pub id: String,
    pub revoked: bool,
}
