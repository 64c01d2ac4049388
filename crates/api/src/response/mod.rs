//! Writers of responses.
//!
//! | module | what it writes |
//! |---|---|
//! | [`token`] | tokens |
//! | [`stored`] | recorded events |
//! | [`outcome`] | outcomes of commands |
//! | [`refusal`] | problems for refused commands |
//! | [`lease`] | leases |
//! | [`breaker`] | breakers |
//! | [`limit`] | limits |
//! | [`value`] | writes of values |
//! | [`execution`] | executions |
//! | [`page`] | pages of events and of streams |
//! | [`queue`] | everything about task queues |
//! | [`tenant`] | tenants of queues |
//! | [`schedule`] | schedules |
//! | [`reaction`] | reactions, and their tasks |
//! | [`backup`] | backups under way |
//! | [`check`] | the node's own check of its data |

pub mod backup;
pub mod breaker;
pub mod check;
pub mod execution;
pub mod group;
pub mod lease;
pub mod limit;
pub mod outcome;
pub mod page;
pub mod queue;
pub mod reaction;
pub mod refusal;
pub mod schedule;
pub mod stored;
pub mod subject;
pub mod tenant;
pub mod token;
pub mod value;

/// All states that a task can be in.
pub const TASK_STATES: [model::TaskState; 7] = {
    use model::TaskState;
    [
        TaskState::Delayed,
        TaskState::Blocked,
        TaskState::Ready,
        TaskState::Running,
        TaskState::Done,
        TaskState::Dead,
        TaskState::Cancelled,
    ]
};

/// The name of a task's state.
#[must_use]
pub const fn task_state(state: model::TaskState) -> &'static str {
    use model::TaskState;
    match state {
        TaskState::Delayed => "delayed",
        TaskState::Blocked => "blocked",
        TaskState::Ready => "ready",
        TaskState::Running => "running",
        TaskState::Done => "done",
        TaskState::Dead => "dead",
        TaskState::Cancelled => "cancelled",
    }
}
