//! What is asked of a node, and what it answers.

use model::{Command, Outcome, Wall};
use std::fmt;

/// One request.
#[derive(Clone, Debug)]
pub enum Ask {
    Command(Command<'static>),
    /// Answered once every later position lies above this millisecond.
    CloseTime(Wall),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    Outcome(Outcome),
    TimeClosed,
}

/// Why a node did not answer with an outcome. All but `Lost` mean that nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unavailable {
    /// Too much is waiting already: come back in a moment.
    Busy,
    /// Writes are refused until what is named here is mended (a full disk).
    ReadOnly(String),
    /// The node has not finished its start.
    NotReady,
    Stopping,
    /// The node stopped, or lost its place, before the outcome was known: the write may or may not be
    /// there. Retrying is safe by the write's own identity.
    Lost,
}

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Busy => f.write_str("too many requests are waiting"),
            Self::ReadOnly(why) => write!(f, "the node is read-only: {why}"),
            Self::NotReady => f.write_str("the node is still starting"),
            Self::Stopping => f.write_str("the node is stopping"),
            Self::Lost => f.write_str("the node stopped before the outcome was known"),
        }
    }
}

impl std::error::Error for Unavailable {}
