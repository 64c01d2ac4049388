//! The problem for a refused command, with the part of the request that it is about.

use crate::catalogue::Code;
use crate::problem::Problem;
use crate::response::outcome::WriteContext;
use model::{KeyDifference, Refusal, Revision, limits};

/// What a command was about. It determines the wording and the path of the problem.
#[derive(Clone, Copy, Debug)]
pub enum Target<'a> {
    /// One stream, lease, value or execution.
    Stream(&'a str),
    /// A set of schedules, by their names.
    Schedules(&'a [&'a str]),
    /// One queue. Its refusals do not need the name.
    Queue,
    /// A transaction: what its checks are about, and its writes.
    Transaction { checks: &'a [String], writes: &'a [WriteContext] },
}

impl<'a> Target<'a> {
    /// The path to a check or a write, for a transaction.
    fn member(self, part: u32) -> Option<String> {
        let Self::Transaction { checks, writes } = self else { return None };
        let part = part as usize;
        Some(match part.checked_sub(checks.len()) {
            None => format!("checks[{part}]"),
            Some(write) => {
                let kind = writes.get(write).map_or("append", WriteContext::kind);
                format!("writes[{write}].{kind}")
            }
        })
    }

    fn stream(self, part: u32) -> &'a str {
        match self {
            Self::Stream(name) => name,
            Self::Queue | Self::Schedules(_) => "",
            Self::Transaction { checks, writes } => {
                let part = part as usize;
                let check = checks.get(part).map(String::as_str);
                let write = || match writes.get(part.checked_sub(checks.len())?)? {
                    WriteContext::Append(append) => Some(append.stream.as_str()),
                    WriteContext::CompleteExecution(key) => Some(key.as_str()),
                    WriteContext::Enqueue(_) | WriteContext::Settle(_) | WriteContext::Group(_) => None,
                };
                check.or_else(write).unwrap_or_default()
            }
        }
    }
}

/// The problem for a refusal.
#[must_use]
#[expect(clippy::too_many_lines, reason = "one arm for each refusal")]
pub fn problem(refusal: &Refusal, target: Target<'_>) -> Box<Problem> {
    match refusal {
        Refusal::WrongRevision { part, current } => {
            let detail = match current {
                Some(revision) => format!("`{}` is at revision {revision}", target.stream(*part)),
                None => format!("`{}` does not exist", target.stream(*part)),
            };
            let problem = Problem::new(Code::WrongRevision, detail).revision("current_revision", *current);
            in_part(problem, *part, target)
        }
        Refusal::EventConflict { write, event, revision } => {
            let problem = event_conflict(*event, *revision);
            match target {
                Target::Transaction { .. } => {
                    problem.member(format!("writes[{write}].append.events[{event}]"))
                }
                Target::Stream(_) | Target::Queue | Target::Schedules(_) => problem,
            }
        }
        Refusal::KeyConflict { differs } => key_conflict(*differs),
        Refusal::KeysFull => Problem::new(Code::KeysFull, "no more idempotency keys can be stored for now"),
        Refusal::TruncateBeyondEnd { next } => {
            Problem::new(Code::TruncateBeyondEnd, format!("the stream's next revision is {next}"))
                .revision("next_revision", Some(*next))
                .member("truncate_before")
        }
        Refusal::Unsupported => {
            Problem::new(Code::UnsupportedCommand, "the store applies an older behaviour")
        }
        Refusal::StreamFull => Problem::new(Code::StreamFull, "the stream has no revisions left"),
        Refusal::LeaseHeld { token, remaining_ms } => {
            let detail =
                format!("`{}` is held, for {remaining_ms} ms if it is not renewed", target.stream(0));
            Problem::new(Code::LeaseHeld, detail)
                .text("token", token.to_string())
                .number("remaining_ms", *remaining_ms)
        }
        Refusal::LeaseLost { part } => {
            let detail = format!("no one holds `{}` with this token", target.stream(*part));
            let problem = Problem::new(Code::LeaseLost, detail);
            match target.member(*part) {
                Some(member) => problem.number("part", u64::from(*part)).member(member),
                None => problem,
            }
        }
        Refusal::LeasePermitsDiffer { permits } => {
            let detail = format!("`{}` is in use with {permits} permits", target.stream(0));
            Problem::new(Code::LeasePermitsDiffer, detail).number("permits", u64::from(*permits))
        }
        Refusal::LeaseQueueFull => {
            let detail = format!("{} holders wait for `{}`", limits::LEASE_WAITERS_MAX, target.stream(0));
            Problem::new(Code::LeaseQueueFull, detail).number("limit", u64::from(limits::LEASE_WAITERS_MAX))
        }
        Refusal::ExecutionInProgress { remaining_ms } => {
            let detail = format!("the work under `{}` is in progress", target.stream(0));
            Problem::new(Code::ExecutionInProgress, detail).number("remaining_ms", *remaining_ms)
        }
        Refusal::ExecutionDiffers => {
            let detail = format!("`{}` was first used with another fingerprint", target.stream(0));
            Problem::new(Code::FingerprintDiffers, detail)
        }
        Refusal::ExecutionLost { part } => {
            let detail = format!("the execution of `{}` with this token is over", target.stream(*part));
            in_part(Problem::new(Code::ExecutionLost, detail), *part, target)
        }
        Refusal::NoLimit => Problem::new(Code::LimitNotFound, "no limit has this name"),
        Refusal::NoBreaker => Problem::new(Code::BreakerNotFound, "no breaker has this name"),
        Refusal::ValueFull => Problem::new(Code::ValueFull, "the value has no revisions left"),
        Refusal::NoSchedule
        | Refusal::ScheduleBusy
        | Refusal::ScheduleOwned { .. }
        | Refusal::TickInFuture => schedule_problem(refusal, target),
        Refusal::CursorBeyondEnd { end } => {
            let detail = format!("the last position that was assigned is {:016x}", end.0);
            Problem::new(Code::CursorBeyondEnd, detail).member("from")
        }
        Refusal::TooManyReactions => {
            let detail = format!("there are {} reactions already", limits::REACTIONS_MAX);
            Problem::new(Code::TooManyReactions, detail).number("limit", limits::REACTIONS_MAX)
        }
        Refusal::NoToken => Problem::new(Code::TokenNotFound, "no token has this id"),
        Refusal::TokenExists => Problem::new(Code::Internal, "there is a token with this id"),
        Refusal::TooManyTokens => {
            let detail = format!("there are {} tokens already", limits::TOKENS_MAX);
            Problem::new(Code::TooManyTokens, detail).number("limit", limits::TOKENS_MAX)
        }
        Refusal::ReactionMoved => Problem::new(Code::Internal, "a reaction is not where it was"),
        Refusal::QueueFull { .. }
        | Refusal::TooManyTypes { .. }
        | Refusal::NoTask
        | Refusal::WrongTaskState { .. }
        | Refusal::ClaimLost { .. }
        | Refusal::GroupConflict { .. }
        | Refusal::TaskConflict { .. } => task_problem(refusal, target),
    }
}

/// The problem for a refusal that is about tasks.
fn task_problem(refusal: &Refusal, target: Target<'_>) -> Box<Problem> {
    match refusal {
        Refusal::QueueFull { backlog_max } => {
            let detail = format!("the queue may hold {backlog_max} unfinished tasks (`backlog_max`)");
            Problem::new(Code::QueueFull, detail).number("backlog_max", *backlog_max)
        }
        Refusal::TooManyTypes { task } => {
            let detail = format!("a queue has tasks of at most {} types", model::limits::QUEUE_TYPES_MAX);
            Problem::new(Code::TooManyTypes, detail).number("task", u64::from(*task))
        }
        Refusal::ClaimLost { part, .. } => {
            let detail = "a task's claim is over, so nothing was written";
            in_part(Problem::new(Code::ClaimLost, detail), *part, target)
        }
        Refusal::TaskConflict { part, task } => {
            let detail = "the queue has a task with this `id` and different content, so nothing was written";
            let problem = Problem::new(Code::TaskConflict, detail).number("task", u64::from(*task));
            in_part(problem, *part, target)
        }
        Refusal::GroupConflict { part } => {
            let detail = "there is a group with this `id` and other tasks";
            in_part(Problem::new(Code::GroupConflict, detail), *part, target)
        }
        Refusal::NoTask => Problem::new(Code::TaskNotFound, "the queue has no task with this id"),
        Refusal::WrongTaskState { state } => {
            let state = crate::response::task_state(*state);
            Problem::new(Code::WrongTaskState, format!("the task is {state}")).text("state", state)
        }
        _ => Problem::new(Code::Internal, "the refusal is not about tasks"),
    }
}

/// The problem for a refusal that is about schedules.
fn schedule_problem(refusal: &Refusal, target: Target<'_>) -> Box<Problem> {
    match refusal {
        Refusal::NoSchedule => {
            Problem::new(Code::ScheduleNotFound, format!("no schedule is named `{}`", target.stream(0)))
        }
        Refusal::ScheduleBusy => {
            let detail = format!("at most {} ticks of a schedule may wait", limits::SCHEDULE_WAITING_MAX);
            Problem::new(Code::ScheduleBusy, detail).number("limit", limits::SCHEDULE_WAITING_MAX as u64)
        }
        Refusal::ScheduleOwned { schedule } => {
            let names = if let Target::Schedules(names) = target { names } else { &[] };
            let name = names.get(*schedule as usize).copied().unwrap_or_default();
            Problem::new(Code::ScheduleOwned, format!("`{name}` is in the set of another owner"))
                .text("schedule", name)
        }
        Refusal::TickInFuture => {
            Problem::new(Code::InvalidMember, "the range reaches into the future").member("to")
        }
        _ => Problem::new(Code::Internal, "the refusal is not about schedules"),
    }
}

/// Says which part of a transaction the problem is about.
fn in_part(problem: Box<Problem>, part: u32, target: Target<'_>) -> Box<Problem> {
    match target.member(part) {
        Some(member) => problem.number("part", u64::from(part)).member(member),
        None => problem,
    }
}

fn key_conflict(differs: KeyDifference) -> Box<Problem> {
    let (differs, detail) = match differs {
        KeyDifference::Content => {
            ("content", "the first request with this key took effect, and its content was different")
        }
        KeyDifference::Precondition => (
            "precondition",
            "the first request with this key took effect; it had the same content and another expected revision",
        ),
    };
    Problem::new(Code::KeyConflict, detail).text("differs", differs)
}

fn event_conflict(event: u32, revision: Option<Revision>) -> Box<Problem> {
    let detail = match revision {
        Some(revision) => {
            format!("revision {revision} has the same `source` and `id` and different content")
        }
        None => {
            "the request contains two events with the same `source` and `id` and different content".into()
        }
    };
    let problem = Problem::new(Code::EventConflict, detail).number("event", u64::from(event));
    match revision {
        Some(_) => problem.revision("revision", revision),
        None => problem,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::response::outcome::{AppendContext, Unnamed};

    #[test]
    fn a_refusal_says_where_and_what_is_there() {
        let json = |refusal: Refusal, target: Target<'_>| -> serde_json::Value {
            serde_json::from_slice(&problem(&refusal, target).to_bytes()).unwrap()
        };
        let wrong = |part| Refusal::WrongRevision { part, current: Some(Revision(41)) };
        let rendered = json(wrong(0), Target::Stream("cart-7"));
        assert_eq!(
            (&rendered["detail"], &rendered["current_revision"]),
            (&"`cart-7` is at revision 41".into(), &41.into())
        );
        let checks = ["a".to_owned(), "b".to_owned()];
        let context = |name: &str| AppendContext { stream: name.into(), unnamed: Unnamed::None };
        let writes = ["c", "d"].map(|name| WriteContext::Append(context(name)));
        let transaction = Target::Transaction { checks: &checks, writes: &writes };
        let rendered = json(wrong(1), transaction);
        assert_eq!(
            (&rendered["member"], &rendered["detail"]),
            (&"checks[1]".into(), &"`b` is at revision 41".into())
        );
        let rendered = json(wrong(3), transaction);
        assert_eq!(
            (&rendered["member"], &rendered["detail"]),
            (&"writes[1].append".into(), &"`d` is at revision 41".into())
        );
        let conflict = Refusal::EventConflict { write: 1, event: 2, revision: None };
        assert_eq!(json(conflict, transaction)["member"], "writes[1].append.events[2]");
    }
}
