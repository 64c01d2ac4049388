//! `/v1/tokens`: create, list and revoke tokens.
//!
//! A response follows the table of tokens: what it says holds for every request to this node that follows it.

use super::command::{refused, submit};
use super::parts;
use crate::access::admin::Secret;
use crate::body::read_whole;
use crate::context::Context;
use crate::response::{self, Result};
use crate::unavailable;
use api::request::token::{self, ListTokens};
use api::response::page::{Link, write_list};
use api::response::refusal::Target;
use api::response::token::{Token, write_created, write_revoked, write_token};
use api::{Code, Problem};
use axum::body::Body;
use http::request;
use model::{ChangeToken, Command, Outcome, TokenChange};
use shard::query::{self, TokenView};

pub(super) async fn create(context: &Context, parts: &request::Parts, body: &mut Body) -> Result {
    parts::no_query(parts)?;
    let body = read_whole(&context.buffers, &parts.headers, body).await?;
    let new = token::create(&parts.headers, &body)?;
    drop(body);
    let secret = Secret::draw().map_err(|error| {
        tracing::error!(%error, "a token cannot be drawn");
        Problem::new(Code::Internal, "a token cannot be drawn")
    })?;
    let change =
        TokenChange::Create { hash: secret.hash(), settings: new.settings.clone(), ttl_ms: new.ttl_ms };
    let command = Command::ChangeToken(ChangeToken { token: secret.id(), change });
    match submit(context, parts, command).await? {
        Outcome::TokenCreated { created, expires } => {
            renew(context).await?;
            let token = Token { id: secret.id(), settings: &new.settings, created, expires, used: None };
            let mut out = Vec::with_capacity(512);
            write_created(&mut out, secret.reveal(), &token);
            Ok(response::json(out))
        }
        outcome => Err(refused(context, &outcome, Target::Queue)),
    }
}

pub(super) async fn list(context: &Context, parts: &request::Parts) -> Result {
    unavailable::check_readable(context)?;
    let list = ListTokens::parse(parts.uri.query())?;
    let found = context
        .handle
        .read(|snapshot| Ok(query::tokens(&snapshot.state, snapshot.slots.first)?))
        .await
        .map_err(|error| unavailable::read_problem(&error))?;
    let mut page: Vec<&TokenView> =
        found.iter().filter(|token| list.cursor.is_none_or(|after| token.id > after)).collect();
    let has_more = page.len() > list.page_max();
    page.truncate(list.page_max());
    let next = page.last().filter(|_| has_more).map(|last| {
        Link::path("/v1/tokens")
            .with_some("limit", list.limit.map(|limit| limit.to_string()).as_deref())
            .with("cursor", &last.id.to_string())
            .into_text()
    });
    let mut out = Vec::with_capacity(256 * page.len() + 64);
    write_list(&mut out, "tokens", page, next.as_deref(), |out, view| {
        let (id, settings, created, expires, used) =
            (view.id, &view.settings, view.created, view.expires, view.used);
        write_token(out, &Token { id, settings, created, expires, used });
    });
    Ok(response::json(out))
}

pub(super) async fn revoke(context: &Context, parts: &request::Parts) -> Result {
    parts::no_query(parts)?;
    let token = token::token_in_path(parts.uri.path().split('/').nth(3).unwrap_or_default())?;
    let command = Command::ChangeToken(ChangeToken { token, change: TokenChange::Revoke });
    match submit(context, parts, command).await? {
        Outcome::TokenRevoked => {
            renew(context).await?;
            let mut out = Vec::with_capacity(64);
            write_revoked(&mut out, token);
            Ok(response::json(out))
        }
        outcome => Err(refused(context, &outcome, Target::Queue)),
    }
}

/// The change has happened, whatever becomes of this.
async fn renew(context: &Context) -> Result<()> {
    context.access.renew().await.map_err(|error| unavailable::read_problem(&error))
}
