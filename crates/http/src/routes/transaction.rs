//! `POST /v1/transactions`: applies checks and writes all or nothing.

use super::command::{count, refused, submit};
use super::queue::settle::Counting;
use super::{groups, parts, queue};
use crate::body::read_whole;
use crate::context::Context;
use crate::response::{self, REPLAYED, Result};
use api::media;
use api::request::transaction;
use api::response::outcome::{WriteContext, write_transacted};
use api::response::refusal::Target;
use axum::body::Body;
use http::header::HeaderValue;
use http::request;
use model::{Check, Command, Outcome, Write, Written};

pub(super) async fn respond(context: &Context, parts: &request::Parts, body: &mut Body) -> Result {
    parts::no_query(parts)?;
    media::check_json(api::request::head::Head::read(&parts.headers)?.content_type)?;
    let body = read_whole(&context.buffers, &parts.headers, body).await?;
    let transaction = transaction::read(&parts.headers, &body, context.handle.wall_now())?;
    drop(body);
    let name = |check: &Check<'_>| match check {
        Check::Stream { stream, .. } => stream.to_string(),
        Check::Lease { lease, .. } => lease.to_string(),
        Check::Value { value, .. } => value.to_string(),
        Check::Execution { key, .. } => key.to_string(),
    };
    let checks: Vec<String> = transaction.checks.iter().map(name).collect();
    let contexts = WriteContext::of_writes(&transaction.writes);
    let settled_by: Vec<Vec<Counting>> = transaction.writes.iter().map(counting).collect();
    let outcome = submit(context, parts, Command::Transaction(transaction)).await?;
    let Outcome::Transacted { replayed, writes } = outcome else {
        return Err(refused(context, &outcome, Target::Transaction { checks: &checks, writes: &contexts }));
    };
    for ((written, countings), write) in writes.iter().zip(settled_by).zip(&contexts) {
        match written {
            Written::Appended(appended) => count(context, appended),
            Written::GroupCreated(created) => {
                if let WriteContext::Group(group) = write {
                    groups::count(context, group, *created);
                }
            }
            Written::Enqueued(enqueued) => queue::enqueue::count(context, enqueued),
            Written::Settled(_) if replayed => {}
            Written::ExecutionCompleted => {}
            Written::Settled(settled) => {
                countings
                    .iter()
                    .zip(settled)
                    .for_each(|(counting, settled)| counting.count(context, *settled));
            }
        }
    }
    let mut out = Vec::with_capacity(1_024);
    write_transacted(&mut out, &contexts, &writes, replayed)?;
    let mut response = response::json(out);
    if replayed {
        response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    }
    Ok(response)
}

fn counting(write: &Write<'_>) -> Vec<Counting> {
    match write {
        Write::Settle(settle) => settle.settlements.iter().map(Counting::of).collect(),
        _ => Vec::new(),
    }
}
