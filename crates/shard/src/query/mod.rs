//! Reads: pure functions over any view of the state. None of them needs the shard itself, so they run on any
//! thread, over any view that a reader holds. A query about a whole shard takes the shard's first slot.
//!
//! | function | what it returns |
//! |---|---|
//! | [`clock`] | how far the shard has come |
//! | [`stream`] | one stream's revisions and settings |
//! | [`page`] | one page of a stream: revisions and positions, as of any cursor |
//! | [`streams`] | one page of the list of streams |
//! | [`lease`], [`leases`] | who holds a lease, and who waits for it, and the list of leases in use |
//! | [`turn`] | what has become of a request that waits for a lease |
//! | [`value`], [`values`] | one value's content and revision, and the list of values |
//! | [`execution`] | whether the work under a key is in progress or done |
//! | [`limit`], [`limits`] | one limit and what its keys have in use, and the list of limits |
//! | [`limit_use`] | what a limit has in use, in numbers |
//! | [`breaker`], [`breakers`] | one breaker, and the list of breakers |
//! | [`breaker_tally`] | how many breakers there are, by state |
//! | [`breaker_permit`] | whether a breaker admits a call |
//! | [`queue`], [`queues`] | one queue, and the list of queues |
//! | [`tenant`], [`tenants`] | one tenant of a queue, and the list of them |
//! | [`task`], [`tasks`] | one task, and the list of a queue's tasks |
//! | [`schedule`], [`schedules`], [`schedule_set`] | one schedule, the list of schedules, and the names of an owner's |
//! | [`schedule_tally`] | how many schedules there are, and how they are |
//! | [`reaction`], [`reactions`] | one reaction, and all of them |
//! | [`tokens`] | all tokens |
//! | [`tasks_sought`], [`dead_classes`] | tasks to be changed alike, and dead letters by class |
//! | [`group`] | one group and its members |
//! | [`is_live`], [`Liveness`] | whether an event found in the body file is still readable |

mod breaker;
mod clock;
mod erasure;
mod execution;
mod found;
mod group;
mod lease;
mod limit;
mod limit_use;
mod live;
mod names;
mod page;
mod queue;
mod reaction;
mod schedule;
mod stream;
mod streams;
mod tenant;
mod token;
mod value;

pub use breaker::{
    BreakerView, FailedCall, PermitRead, WorkerView, breaker, breaker_permit, breaker_row_key, breaker_tally,
    breakers,
};
pub(crate) use clock::shard_row;
pub use clock::{ShardClock, clock};
pub use erasure::erased_keys;
pub use execution::{ExecutionView, execution};
pub use found::{DeadClass, DeadClasses, TasksFound, TasksSought, dead_classes, tasks_sought};
pub use group::{FollowerView, GroupCounts, GroupState, GroupView, MemberTask, MemberView, group, group_key};
pub use lease::{HeldBy, LeaseState, Turn, lease, leases, turn};
pub use limit::{LimitKeyView, LimitView, limit, limits};
pub use limit_use::{LimitUse, limit_use};
pub use live::{Liveness, first_kept, is_live};
pub use names::Names;
pub use page::{EventsPage, Page, PageRequest, StoredEvent, Truncated, page};
pub use queue::{
    AttemptEnd, AttemptView, BlockedOn, ClaimView, Closed, FailureView, QueueView, TaskView, TasksPage,
    TasksRequest, TypeView, queue, queues, task, task_key, tasks,
};
pub use reaction::{Obstacle, ReactionView, reaction, reactions};
pub use schedule::{ScheduleView, due_schedule, schedule, schedule_set, schedule_tally, schedules};
pub use stream::{Presence, StreamState, stream};
pub use streams::{ListPoint, ListedStream, StreamsPage, StreamsRequest, streams};
pub use tenant::{TenantView, tenant, tenants, unnamed_tenant};
pub use token::{TokenView, tokens};
pub use value::{ListedValue, StoredValue, value, values};
