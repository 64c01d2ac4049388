//! What a scrape reads from the state, rather than from what was counted.

use crate::named_limits::NamedLimits;
use crate::task_queues::TaskQueues;

/// See the module. It is empty while the state cannot be read.
#[derive(Clone, Debug, Default)]
pub struct FromState {
    pub task_queues: TaskQueues,
    pub limits: NamedLimits,
    /// Those that are not paused.
    pub reactions: Vec<ReactionFigures>,
}

/// How far a reaction has come.
#[derive(Clone, Debug, Default)]
pub struct ReactionFigures {
    pub reaction: String,
    /// Events between it and the newest one.
    pub behind_events: u64,
}
