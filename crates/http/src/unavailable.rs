//! The problem for a node that does not take a request.

use crate::context::Context;
use crate::response::Result;
use api::{Code, Problem};
use runtime::{Phase, Unavailable};

pub(crate) fn problem(unavailable: &Unavailable) -> Box<Problem> {
    let (code, retry_after_s) = match unavailable {
        Unavailable::Busy => (Code::Busy, Some(1)),
        Unavailable::ReadOnly(_) => (Code::ReadOnly, Some(10)),
        Unavailable::NotReady => (Code::NotReady, Some(1)),
        Unavailable::Stopping => (Code::Stopping, Some(5)),
        Unavailable::TooLarge => (Code::BodyTooLarge, None),
        Unavailable::Lost => (Code::OutcomeUnknown, Some(1)),
    };
    let mut problem = Problem::new(code, unavailable.to_string());
    problem.retry_after_s = retry_after_s;
    problem
}

/// Reads are possible once the log has been replayed.
///
/// # Errors
/// [`Code::NotReady`] before.
pub(crate) fn check_readable(context: &Context) -> Result<()> {
    match context.handle.status().phase {
        Phase::Starting => Err(problem(&Unavailable::NotReady)),
        _ => Ok(()),
    }
}

/// The problem for a read. It changes nothing, so no outcome can be unknown.
pub(crate) fn read_problem(unavailable: &Unavailable) -> Box<Problem> {
    match unavailable {
        Unavailable::Lost => Problem::new(Code::Internal, "the read did not finish"),
        other => problem(other),
    }
}
