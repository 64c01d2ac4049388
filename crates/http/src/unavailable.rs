//! The problem for a node that does not take a request.

use crate::context::Context;
use crate::response::Result;
use api::{Code, Problem};
use runtime::{Phase, Status, Unavailable};

pub(crate) fn problem(unavailable: &Unavailable) -> Box<Problem> {
    let (code, retry_after_s) = match unavailable {
        Unavailable::Busy => (Code::Busy, Some(1)),
        Unavailable::ReadOnly(_) => (Code::ReadOnly, Some(10)),
        Unavailable::DiskStalled(_) => (Code::DiskStalled, Some(2)),
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
/// [`Code::NotReady`] before, or [`Code::Stopping`] if the node is stopped before.
pub(crate) fn check_readable(context: &Context) -> Result<()> {
    readable(&context.handle.status()).map_err(|why| problem(&why))
}

fn readable(status: &Status) -> std::result::Result<(), Unavailable> {
    match status.phase {
        _ if status.is_readable => Ok(()),
        Phase::Starting | Phase::Ready => Err(Unavailable::NotReady),
        // It was stopped during its start. Its state may lack events that were acknowledged.
        Phase::Stopping | Phase::Stopped => Err(Unavailable::Stopping),
    }
}

/// The problem for a read. It changes nothing, so no outcome can be unknown.
pub(crate) fn read_problem(unavailable: &Unavailable) -> Box<Problem> {
    match unavailable {
        Unavailable::Lost => Problem::new(Code::Internal, "the read did not finish"),
        other => problem(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::Index;

    #[test]
    fn a_node_that_has_not_replayed_its_log_serves_no_reads_even_while_it_stops() {
        for (phase, is_readable, result) in [
            (Phase::Starting, false, Err(Unavailable::NotReady)),
            (Phase::Ready, true, Ok(())),
            (Phase::Stopping, true, Ok(())),
            (Phase::Stopping, false, Err(Unavailable::Stopping)),
            (Phase::Stopped, false, Err(Unavailable::Stopping)),
        ] {
            let status = Status {
                phase,
                is_readable,
                read_only: None,
                disk_stalled: None,
                replayed_entries: 0,
                replay: (Index(0), Index(0)),
            };
            assert_eq!(readable(&status), result, "{phase:?} {is_readable}");
        }
    }
}
