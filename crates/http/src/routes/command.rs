//! Commands of a request on their way to the node, and their outcomes.

use crate::access::Caller;
use crate::context::Context;
use crate::response::Result;
use crate::unavailable;
use api::response::refusal::{self, Target};
use api::{Code, Problem};
use http::request;
use model::{Appended, Command, Outcome};

/// Submits a command to the node and waits for its outcome.
///
/// # Errors
/// When the sender of the request may not send the command, the node does not take it, or it stops before the outcome is
/// known.
pub(super) async fn submit(
    context: &Context,
    parts: &request::Parts,
    command: Command<'static>,
) -> Result<Outcome> {
    let pending = context.handle.submit(&Caller::of(context, parts), command)?.pending().await?;
    pending.await.map_err(|error| unavailable::problem(&error))
}

/// The problem for a refusal. No other outcome can get here: a command has only its own outcomes.
pub(super) fn refused(context: &Context, outcome: &Outcome, target: Target<'_>) -> Box<Problem> {
    match outcome {
        Outcome::Refused(refusal) => {
            context.metrics.commands_refused.inc();
            refusal::problem(refusal, target)
        }
        other => {
            tracing::error!(?other, "a command has the outcome of another command");
            Problem::new(Code::Internal, "the outcome does not belong to this command")
        }
    }
}

/// Counts the events of an append.
pub(super) fn count(context: &Context, appended: &Appended) {
    let replayed = appended.events.iter().filter(|event| event.replayed).count() as u64;
    context.metrics.events_appended.add(appended.events.len() as u64 - replayed);
    if replayed > 0 {
        context.metrics.events_replayed.add(replayed);
    }
}
