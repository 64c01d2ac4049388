//! What each operation does: reads its request with `api`, asks the node, writes the answer with `api`. One
//! file a kind of thing, one function an operation.

mod append;
mod errors;
mod lines;
mod operations;
mod settings;
mod streams;
mod transaction;

use crate::activity::Activity;
use crate::context::Context;
use crate::read;
use crate::response::{self, Result};
use crate::router::{Operation, stream_segment};
use crate::unavailable;
use api::request::{query, stream_in_path};
use api::response::refusal::{self, Target};
use api::{Code, Problem};
use bytes::Bytes;
use http::{Method, Request, request};
use http_body::Body;
use model::{Command, Outcome, StreamName};
use std::sync::Arc;

/// Runs an operation. `allowed` are the methods of an unmatched request's path, if there is such a path.
pub(crate) async fn respond<B>(
    context: &Arc<Context>,
    operation: Operation,
    request: Request<B>,
    allowed: &str,
) -> Result
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: std::error::Error + Send + Sync + 'static,
{
    let (parts, mut body) = request.into_parts();
    match operation {
        Operation::Append => append::respond(context, &parts, &mut body).await,
        Operation::ReadStream => read::stream(context, &parts, stream_of(&parts)?.into_owned()).await,
        Operation::DeleteStream => streams::delete(context, &parts).await,
        Operation::GetSettings => settings::get(context, &parts).await,
        Operation::PutSettings => settings::put(context, &parts, &mut body).await,
        Operation::ListStreams => streams::list(context, &parts).await,
        Operation::AppendLines => {
            let activity = parts.extensions.get::<Arc<Activity>>().cloned();
            lines::respond(context, &parts, body, activity).await
        }
        Operation::ReadStore => read::store(context, &parts).await,
        Operation::Transact => transaction::respond(context, &parts, &mut body).await,
        Operation::Live => operations::live(&parts),
        Operation::Ready => operations::ready(context, &parts),
        Operation::Metrics => operations::metrics(context, &parts),
        Operation::OpenApi => operations::openapi(context, &parts),
        Operation::Errors => errors::respond(&parts),
        Operation::Unmatched => unmatched(&parts, allowed),
    }
}

fn unmatched(parts: &request::Parts, allowed: &str) -> Result {
    if parts.uri.path().starts_with("/v1/streams//") {
        return Err(stream_in_path("").err().unwrap_or_else(|| not_found(parts)));
    }
    if allowed.is_empty() {
        return Err(not_found(parts));
    }
    if parts.method == Method::OPTIONS {
        return Ok(response::allow(response::no_content(), allowed));
    }
    let detail = format!("`{}` is not among {allowed}", parts.method);
    Ok(response::allow(response::problem(&Problem::new(Code::MethodNotAllowed, detail)), allowed))
}

fn not_found(parts: &request::Parts) -> Box<Problem> {
    Problem::new(Code::NotFound, format!("no route has the path `{}`", parts.uri.path()))
}

/// The stream that the path names.
fn stream_of(parts: &request::Parts) -> Result<StreamName<'_>> {
    stream_in_path(stream_segment(parts.uri.path()))
}

/// Has the node decide about a command.
async fn submit(context: &Context, command: Command<'static>) -> Result<Outcome> {
    let pending = context.handle.submit(command).map_err(|error| unavailable::problem(&error))?;
    pending.await.map_err(|error| unavailable::problem(&error))
}

/// A refusal as its problem; any other outcome is not one that the command can have.
fn refused(context: &Context, outcome: &Outcome, target: Target<'_>) -> Box<Problem> {
    match outcome {
        Outcome::Refused(refusal) => {
            context.metrics.commands_refused.inc();
            refusal::problem(refusal, target)
        }
        other => {
            tracing::error!(?other, "a command has an outcome of another one");
            Problem::new(Code::Internal, "the outcome is not one of this command")
        }
    }
}

/// For routes that take no parameters and no body.
fn check_plain(parts: &request::Parts) -> Result<()> {
    query::none(parts.uri.query())
}
