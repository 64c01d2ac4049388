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
