//! How much a token may use, and all clients together.
//!
//! ```text
//!   Admitted ─► requests a second, seat ─► body: bytes counted ─► route ─► response: bytes counted
//!      │ over a limit: 429                  lines: wait             │ a stream waits between its parts
//!      └ body announced too long: 413                               └ the next request gets 429
//! ```
//!
//! A request takes a token of the bucket of requests before it runs. What its bodies cost is known only when they have been
//! sent, so bytes are charged afterwards, and a caller that has used too many is in debt: requests are refused until it is paid,
//! and streams in either direction wait between two parts, when they hold no memory. The buckets are those of
//! `mainstay-resilience`. A caller without a limit has no [`Meter`], and costs nothing.
//!
//! | module | contents |
//! |---|---|
//! | [`meter`] | what one holder, or all of them, have left |
//! | [`body`] | counts the body of a request, and bounds it |
//! | [`response`] | counts a response, and makes a stream wait |

mod body;
mod meter;
mod response;

pub(crate) use meter::{Meter, Meters};

use crate::context::Context;
use crate::response::Result;
use api::contract::{Access, Operation};
use api::media::wants_events;
use axum::body::Body;
use http::header::{ACCEPT, CONTENT_LENGTH};
use http::request;
use model::Role;
use std::future::Future;

/// Whether what all clients together may use counts for an operation. The work of operators does not: a client that keeps the
/// node busy must not keep them from seeing it and from revoking a token.
pub(crate) fn counts_for_all(operation: Operation) -> bool {
    let is_operators =
        matches!(operation.description().access, Access::Public | Access::Token(Role::Admin, _));
    !is_operators && operation != Operation::Metrics
}

/// Runs a request within its limits. `answer` gets the body, which counts itself.
pub(crate) async fn bound<F>(
    context: &Context,
    operation: Operation,
    parts: &request::Parts,
    body: Body,
    meters: Meters,
    answer: impl FnOnce(Body) -> F,
) -> Result
where
    F: Future<Output = Result>,
{
    let metrics = &context.metrics.limited;
    let announced =
        parts.headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    let is_lines = operation == Operation::AppendLines;
    if !is_lines {
        meters.check_body(announced.unwrap_or(0), metrics)?;
    }
    meters.check_request(metrics)?;
    let accepted = parts.headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let seats = if wants_events(accepted) { meters.take_seats(metrics)? } else { meter::Seats::default() };
    let kind = if is_lines { body::Kind::Lines } else { body::Kind::Whole };
    let body = body::Counted::new(body, meters.clone(), kind, &context.metrics);
    let response = answer(Body::new(body)).await?;
    Ok(response::counted(response, meters, seats, context))
}
