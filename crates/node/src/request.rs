//! Requests to a node, and the reasons why it may not serve one.
//!
//! The caller chooses the type of the reply that it sends with each request: a channel or a number, for
//! example. The node keeps the reply while the request waits, and hands it back with the result, exactly
//! once. Each kind of request therefore has its own type of result, and the caller needs no table of waiting
//! requests.

use model::{Claim, Command, Key, Wall};
use std::fmt;

/// The types of a caller's replies.
pub trait Replies {
    /// Receives the outcome of a command.
    type Outcome: fmt::Debug;
    /// Learns that a time is closed.
    type TimeClosed: fmt::Debug;
    /// Learns that something has happened to the row that it waits for.
    type Woken: fmt::Debug;

    /// Whether a waiter is no longer interested. The node asks when too many wait.
    fn is_gone(waiter: &Self::Woken) -> bool;

    /// Whether nobody waits for the outcome of a command any more. The node asks before it claims tasks for a request
    /// that has waited.
    fn is_abandoned(reply: &Self::Outcome) -> bool;
}

/// One request.
#[derive(Debug)]
pub enum Request<R: Replies> {
    /// Apply a command.
    Command { command: Command<'static>, reply: R::Outcome },
    /// Claim tasks, and wait for them if none can be claimed. The caller decides how long: it drops its end of the
    /// reply, and the node never replies without tasks unless it can no longer wait.
    Claim { claim: Claim<'static>, reply: R::Outcome },
    /// Reply once no later event can have a position in the time's millisecond or before it.
    CloseTime { time: AskedTime, reply: R::TimeClosed },
    /// Reply when something happens to the row with this key ([`model::Effect::Notify`]).
    Wait { key: Key, reply: R::Woken },
}

/// A time to be closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AskedTime {
    /// The present, by the clock that gives events their positions. It never goes back, even if the machine's clock
    /// does.
    Now,
    At(Wall),
}

/// What a request to close a time results in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClosedTime {
    /// No later event can have a position in this millisecond or before it. This is the time that was asked for, or
    /// the present if that time lies at most [`model::limits::AS_OF_AHEAD_MS_MAX`] ahead.
    Through(Wall),
    /// The time lies further ahead of the present than that.
    TooFarAhead { ms: u64 },
}

/// Why a node did not serve a request. With every variant but `Lost`, the request changed nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unavailable {
    /// Too many requests are waiting. Retry after a short pause.
    Busy,
    /// The node accepts no writes until the problem named here is solved (a full disk).
    ReadOnly(String),
    /// The disk does not respond, as described here. Retry after a pause.
    DiskStalled(String),
    /// The node has not finished starting, or another replica leads.
    NotReady,
    /// The node is shutting down.
    Stopping,
    /// The request does not fit into what the node can store at once. A retry cannot help.
    TooLarge,
    /// The node stopped, or lost the lead, before it knew the outcome: the write may or may not have
    /// happened. Retrying is safe, because a write has an identity of its own.
    Lost,
}

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Busy => f.write_str("too many requests are waiting"),
            Self::ReadOnly(why) => write!(f, "the node is read-only: {why}"),
            Self::DiskStalled(why) => write!(f, "the disk does not respond: {why}"),
            Self::NotReady => f.write_str("the node is not ready to take requests"),
            Self::Stopping => f.write_str("the node is stopping"),
            Self::TooLarge => f.write_str("the request does not fit into one entry"),
            Self::Lost => f.write_str("the node stopped or lost the lead before the outcome was known"),
        }
    }
}

impl std::error::Error for Unavailable {}
