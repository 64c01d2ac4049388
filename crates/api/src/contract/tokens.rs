//! The operations on tokens.

use super::operations::{ANY, BODY, COMMAND, DATA, OBJECT, QUERY, json};
use super::parameters::{LIST_CURSOR, STORE, TOKEN, TOKENS_LIMIT};
use super::{Access, Description, Method, Response, Scope, Tag};
use crate::catalogue::Code;

pub(super) const CREATE: Description = Description {
    id: "createToken",
    method: Method::Post,
    path: "/v1/tokens",
    access: Access::admin(Scope::Store),
    tag: Tag::Tokens,
    summary: "Create a token",
    description: "Returns the token once: the store keeps only its hash. The token is valid from the response on. A request that is repeated creates another token.",
    parameters: &[&STORE],
    request: &[json("TokenSettings")],
    response: Response { description: "The token.", content: &[json("TokenCreated")], headers: &[] },
    problems: &[ANY, DATA, BODY, OBJECT, COMMAND, QUERY, &[Code::TooManyItems, Code::TooManyTokens]],
};

pub(super) const LIST: Description = Description {
    id: "listTokens",
    method: Method::Get,
    path: "/v1/tokens",
    access: Access::admin(Scope::Store),
    tag: Tag::Tokens,
    summary: "List tokens",
    description: "Returns one page of the tokens, by id, without their secrets. `last_used` is exact to an hour.",
    parameters: &[&LIST_CURSOR, &TOKENS_LIMIT, &STORE],
    request: &[],
    response: Response { description: "The tokens.", content: &[json("TokenList")], headers: &[] },
    problems: &[ANY, DATA, QUERY],
};

pub(super) const REVOKE: Description = Description {
    id: "revokeToken",
    method: Method::Delete,
    path: "/v1/tokens/{id}",
    access: Access::admin(Scope::Store),
    tag: Tag::Tokens,
    summary: "Revoke a token",
    description: "From the response on, this node accepts the token no longer. Requests with it that are waiting, and its subscriptions, end with a problem.",
    parameters: &[&TOKEN, &STORE],
    request: &[],
    response: Response {
        description: "The token is not valid any more.",
        content: &[json("TokenRevoked")],
        headers: &[],
    },
    problems: &[ANY, DATA, COMMAND, QUERY, &[Code::InvalidPath, Code::TokenNotFound]],
};
