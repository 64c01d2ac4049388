//! Tokens of a node: who may do what.

use crate::client::Client;
use crate::client::encode;
use crate::error::Result;
use crate::transport::{Call, Repeat};
use http::Method;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What a token may do. Each role may do what those before it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Role {
    Read,
    Write,
    Admin,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Admin => "admin",
        })
    }
}

/// A token to be created: see [`Client::create_token`].
#[derive(Clone, Debug, Serialize)]
pub struct NewToken {
    pub role: Role,
    /// It may use names that begin with one of these; all names if there are none.
    pub prefixes: Vec<String>,
    /// A note for people.
    pub name: String,
    /// How long it is valid, such as `90d`; `None` for as long as it exists.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_after: Option<String>,
    /// What it may use. `None` is limited only by what the node allows all clients.
    #[serde(flatten)]
    pub allowance: Allowance,
}

/// How much the holder of a token may use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub struct Allowance {
    /// Requests a second, and as many at once after a quiet second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requests_per_second: Option<u64>,
    /// Bytes of bodies a second, of requests and responses together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes_per_second: Option<u64>,
    /// Subscriptions and watches at the same time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subscribers_max: Option<u64>,
    /// Bytes of one request's body.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body_bytes_max: Option<u64>,
}

impl NewToken {
    /// A token for all names that never expires.
    #[must_use]
    pub fn new(role: Role) -> Self {
        Self {
            role,
            prefixes: Vec::new(),
            name: String::new(),
            expires_after: None,
            allowance: Allowance::default(),
        }
    }
}

/// A new token, with its secret, which is not shown again.
#[derive(Clone, Deserialize)]
#[non_exhaustive]
pub struct CreatedToken {
    /// What clients send: see [`crate::ClientBuilder::token`].
    pub token: String,
    #[serde(flatten)]
    pub info: TokenInfo,
}

impl fmt::Debug for CreatedToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CreatedToken").field("info", &self.info).finish_non_exhaustive()
    }
}

/// A token without its secret.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[non_exhaustive]
pub struct TokenInfo {
    pub id: String,
    pub role: Role,
    pub prefixes: Vec<String>,
    pub name: String,
    #[serde(flatten)]
    pub allowance: Allowance,
    pub created: String,
    /// `None` if it never expires.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires: Option<String>,
    /// Exact to an hour; `None` if it was never used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_used: Option<String>,
}

impl Client {
    /// Creates a token. It is not retried unless nothing was changed, because each request creates another one.
    ///
    /// # Errors
    /// [`crate::Error`]
    pub async fn create_token(&self, token: &NewToken) -> Result<CreatedToken> {
        let body = serde_json::to_vec(token).map_err(|error| crate::Error::Request(error.to_string()))?;
        let call = Call::new(Method::POST, "/v1/tokens");
        self.call_json(&call.body("application/json", body).repeat(Repeat::IfUnchanged)).await
    }

    /// Lists all tokens, without their secrets.
    ///
    /// # Errors
    /// [`crate::Error`]
    pub async fn tokens(&self) -> Result<Vec<TokenInfo>> {
        self.list("/v1/tokens", "tokens").await
    }

    /// Revokes a token. From then on, the node accepts it no longer.
    ///
    /// # Errors
    /// [`crate::Error`]; a problem with the code `token_not_found` if there is no such token.
    pub async fn revoke_token(&self, id: &str) -> Result<()> {
        let call = Call::new(Method::DELETE, format!("/v1/tokens/{}", encode(id)));
        self.call(&call.repeat(Repeat::IfUnchanged)).await.map(|_| ())
    }
}
