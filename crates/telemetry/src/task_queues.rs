//! Metrics of the queues of tasks. They are read from the state for each scrape, not counted.

use std::time::Duration;

/// The tasks of one type in one queue, and who asks for them.
#[derive(Clone, Debug, Default)]
pub struct TaskTypeFigures {
    pub queue: String,
    pub task_type: String,
    pub delayed: u64,
    pub blocked: u64,
    pub ready: u64,
    pub running: u64,
    pub done: u64,
    pub dead: u64,
    pub cancelled: u64,
    /// How long the task that has been ready for the longest time has been so; zero if none is ready.
    pub oldest_ready: Duration,
    /// For how long no worker has asked for tasks of this type although one is ready; zero otherwise.
    pub unclaimed: Duration,
    /// For how long a task has been ready although a worker waits for tasks of this type; zero otherwise.
    pub missed: Duration,
}

impl TaskTypeFigures {
    pub(crate) fn by_state(&self) -> [(&'static str, u64); 7] {
        [
            ("delayed", self.delayed),
            ("blocked", self.blocked),
            ("ready", self.ready),
            ("running", self.running),
            ("done", self.done),
            ("dead", self.dead),
            ("cancelled", self.cancelled),
        ]
    }
}

/// What a scrape shows of all queues of tasks.
#[derive(Clone, Debug, Default)]
pub struct TaskQueues {
    /// At most a bounded number; the rest is left out.
    pub types: Vec<TaskTypeFigures>,
    /// Queues, and how many workers have asked them for tasks lately.
    pub workers: Vec<(String, u64)>,
}
