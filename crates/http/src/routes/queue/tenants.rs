//! `/v1/queues/{queue}/tenants`: weights of tenants, and what they have in the queue.

use crate::body::read_whole;
use crate::context::Context;
use crate::response::{self, Result};
use crate::routes::command::{refused, submit};
use crate::routes::parts;
use crate::unavailable;
use api::media;
use api::request::head::Head;
use api::request::query::ListTenants;
use api::request::tenant;
use api::response::page::Link;
use api::response::refusal::Target;
use api::response::tenant::{Tenant, write_tenant, write_tenants, write_weight};
use axum::body::Body;
use http::request;
use model::{Command, DeleteTenant, Outcome};
use shard::query::{self, TenantView};

pub(in crate::routes) async fn put(context: &Context, parts: &request::Parts, body: &mut Body) -> Result {
    parts::no_query(parts)?;
    let (queue, name) = (parts::queue(parts)?, parts::tenant(parts)?);
    media::check_json(Head::read(&parts.headers)?.content_type)?;
    let body = read_whole(&context.buffers, &parts.headers, body).await?;
    let put = tenant::put(&parts.headers, queue, name, &body)?;
    drop(body);
    let mut out = Vec::with_capacity(128);
    write_weight(&mut out, put.queue.as_str(), put.tenant.as_str(), put.weight);
    match submit(context, parts, Command::PutTenant(put)).await? {
        Outcome::TenantPut => Ok(response::json(out)),
        outcome => Err(refused(context, &outcome, Target::Queue)),
    }
}

pub(in crate::routes) async fn get(context: &Context, parts: &request::Parts) -> Result {
    parts::no_query(parts)?;
    unavailable::check_readable(context)?;
    let (queue, name) = (parts::queue(parts)?.into_owned(), parts::tenant(parts)?.into_owned());
    let found = context
        .handle
        .read(move |snapshot| Ok(query::tenant(&snapshot.state, &queue, &name)?))
        .await
        .map_err(|error| unavailable::read_problem(&error))?;
    let mut out = Vec::with_capacity(128);
    write_tenant(&mut out, &shown(&found));
    Ok(response::json(out))
}

pub(in crate::routes) async fn delete(context: &Context, parts: &request::Parts) -> Result {
    parts::no_query(parts)?;
    let (queue, tenant) = (parts::queue(parts)?.into_owned(), parts::tenant(parts)?.into_owned());
    tenant::check_delete(&parts.headers)?;
    let mut out = Vec::with_capacity(128);
    write_weight(&mut out, queue.as_str(), tenant.as_str(), 1);
    match submit(context, parts, Command::DeleteTenant(DeleteTenant { queue, tenant })).await? {
        Outcome::TenantDeleted { .. } => Ok(response::json(out)),
        outcome => Err(refused(context, &outcome, Target::Queue)),
    }
}

pub(in crate::routes) async fn list(context: &Context, parts: &request::Parts) -> Result {
    unavailable::check_readable(context)?;
    let list = ListTenants::parse(parts.uri.query())?;
    let queue = parts::queue(parts)?.into_owned();
    let asked = queue.clone();
    let (after, read_max) = (list.cursor.clone(), list.read_max());
    let (mut tenants, unnamed) = context
        .handle
        .read(move |snapshot| {
            let tenants = query::tenants(&snapshot.state, &asked, after.as_ref(), read_max)?;
            Ok((tenants, query::unnamed_tenant(&snapshot.state, &asked)?))
        })
        .await
        .map_err(|error| unavailable::read_problem(&error))?;
    let has_more = tenants.len() > list.page_max();
    tenants.truncate(list.page_max());
    let next = tenants.last().filter(|_| has_more).map(|last| {
        Link::tenants(queue.as_str())
            .with_some("limit", list.limit.map(|limit| limit.to_string()).as_deref())
            .with("cursor", &last.name)
            .into_text()
    });
    let mut out = Vec::with_capacity(96 * tenants.len() + 128);
    write_tenants(&mut out, tenants.iter().map(shown), &shown(&unnamed), next.as_deref());
    Ok(response::json(out))
}

fn shown(view: &TenantView) -> Tenant<'_> {
    Tenant { name: &view.name, weight: view.weight, waiting: view.waiting, running: view.running }
}
