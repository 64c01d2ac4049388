//! The rows of a shard's state: the encoding of each key and each value.
//!
//! A key begins with the slot (u16), the namespace (u32) and the kind (u8), all big-endian. So the rows of a
//! slot are adjacent, and those of one kind are in order. Everything about a name is in the name's slot, timers
//! included, so that a shard can be split between two slots without rewriting a row. Only the shard's own row,
//! its reactions, its tokens and its counts are about all of its slots; they are in the first one. Rows in [`Namespace::SYSTEM`] come last in their slot.
//!
//! | kind | namespace | key after the prefix | value | written |
//! |---|---|---|---|---|
//! | stream | the name's | name | [`StreamRow`] | on creation, settings, retention, delete |
//! | revision | the name's | stream id, revision | [`RevisionRow`] | once for each event |
//! | dedup | the name's | stream id, id hash | [`DedupRow`] | once for each event whose client gave it its id |
//! | idempotency | the name's | key hash | [`IdempotencyRow`] | once for each request with an idempotency key |
//! | lease | the name's | name | [`LeaseRow`] | on each change of who holds it or waits for it |
//! | waiting holder | the name's | length of the name, name, holder | [`LeaseWaiterRow`] | when a holder begins to wait, and when its neighbours in the queue change |
//! | value | the name's | name | [`ValueRow`] | on each write of the value |
//! | execution | the name's | key | [`ExecutionRow`] | when an execution begins, and when it is completed |
//! | queue name | the name's | queue's name | queue id | once for each queue |
//! | queue | the name's | queue id | [`QueueRow`] | with each command that changes a queue |
//! | task type | the name's | queue id, type | [`TypeRow`] | whenever a task of the type changes its state |
//! | task | the name's | queue id, position | [`TaskRow`] | whenever a task changes its state |
//! | envelope, result, progress, failures, attempts | the name's | queue id, position | [`TaskPart`] | when a worker or client says so |
//! | task id | the name's | queue id, id hash | [`TaskIdRow`] | once for each task whose client gave it its id |
//! | ready | the name's | queue id, type number, lane, position | task's position | while a task can be claimed |
//! | task key | the name's | queue id, key hash | [`KeyRow`] | while an unfinished task has the key |
//! | blocked | the name's | queue id, key hash, position | nothing | while a task waits for its key |
//! | unique key | the name's | queue id, key hash | [`UniqueRow`] | while an unfinished task has the unique key |
//! | claim request | the name's | queue id, request hash | [`ClaimRequestRow`] | while a claim of the request lasts |
//! | dead | the name's | queue id, position | nothing | while a task is a dead letter |
//! | limit | the name's | name | [`LimitRow`] | on each change of the limit's settings |
//! | limit's key | the limit's | limit hash, key hash | [`LimitKeyRow`] | when a task of the key is claimed or settled, or a cohort begins or ends to wait |
//! | list of waiting cohorts | the limit's | limit hash, key hash, queue slot, queue id, type number | [`LimitListRow`] | as a cohort begins or ends to wait |
//! | waiting cohort | the limit's | as above, then its place | cohort's hash | while a cohort waits for a key |
//! | cohort | the queue's | queue id, type number, cohort hash | [`CohortRow`] | whenever a ready task enters or leaves the cohort |
//! | cohort's task | the queue's | queue id, type number, cohort hash, lane, position | task's position | while a task with limits or a tenant is ready |
//! | cohort's turn | the queue's | queue id, type number, rank, turn | cohort's hash | while tasks of a cohort can be claimed, or it waits |
//! | breaker | the name's | name | [`BreakerRow`] | when outcomes are recorded, a probe begins, or an operator changes it |
//! | count of breakers | the shard's first slot | | [`BreakerTally`] | when a breaker is created or removed, opens or closes |
//! | recent permits | the breaker's | name's hash, group | [`RecentRow`] | when an outcome of one of the group is recorded |
//! | tenant | the queue's | queue id, tenant hash | [`TenantRow`] | with its weight, and whenever a task of it changes its state |
//! | tenants together | the queue's | queue id | [`FairRow`] | as the tenants, once a task of the queue has named one |
//! | lists of tenants | the queue's | queue id, type number | [`FairTypeRow`] | as a tenant has its turn, or comes or goes |
//! | share | the queue's | queue id, type number, tenant hash, lane | [`ShareRow`] | while tasks of a tenant can be claimed |
//! | tenant's turn | the queue's | queue id, type number, lane, weight, pass, turn | tenant's hash | as the share |
//! | cohort of a share | the queue's | queue id, type number, tenant hash, lane, turn | cohort's hash | while tasks of the cohort can be claimed |
//! | schedule | the name's | name | [`ScheduleRow`] | with each tick, and when it is changed |
//! | schedule's definition | the name's | name | [`encode_definition`] | when a client puts it |
//! | set of schedules | the owner's | owner | [`encode_schedule_set`] | when a client puts the set |
//! | count of schedules | the shard's first slot | | [`ScheduleTally`] | with each change of a schedule |
//! | class of dead letters | the name's | queue id, class hash | [`DeadClassRow`] | whenever the number of its dead letters changes |
//! | dead of a class | the name's | queue id, class hash, position | nothing | while a task is a dead letter |
//! | group name | the name's | group's name | position | once for each group |
//! | group | the group's | position | [`GroupRow`] | whenever a member ends or goes |
//! | then, on dead | the group's | position | a task that may follow | once for each group |
//! | member | the group's | position, number | [`MemberRow`] | while a task or group of the group is kept |
//! | shard | system | | [`ShardRow`] | once for each entry |
//! | wall timer | system | wall, namespace, stream id | stream's name | when a stream gets a `max_age` or its first event, and after each expiry |
//! | record timer | system | elapsed, namespace, key hash | nothing | once for each request with an idempotency key |
//! | clean-up | system | position at which it was queued, namespace, stream id | stream's name | when a stream has removed events whose rows remain |
//! | lease timer | system | elapsed, namespace, name | nothing | when a lease is granted, and each time it has come due |
//! | execution timer | system | elapsed, namespace, key | nothing | as the execution |
//! | task timer, by wall or by elapsed | system | moment, namespace, queue id, position | nothing | when something is due for a task |
//! | limit timer | system | elapsed, limit hash, subject | limit's name | when a key closes for a time, or a limit's settings change |
//! | schedule timer | system | wall, generation | schedule's name | when something is due for a schedule |
//! | reaction | system | name | [`ReactionRow`] | when its settings change, and when it moves |
//! | reactions | system | | their number | when a reaction is created, changed or deleted |
//! | token | system | id | [`TokenRow`] | when it is created |
//! | tokens | system | | their number | when a token is created or revoked |
//! | use of a token | the shard's first slot | id | a time of day | at most once an hour while it is in use |
//! | origins | system | | [`Origin`]s | when a backup is restored |
//! | erased key | system | key id | a time of day | when a subject is erased |
//! | membership | system | | [`crate::membership::Membership`] | once for each configuration entry |
//!
//! Every value begins with the number of its layout.

mod breaker;
mod erased;
mod execution;
mod group;
mod key;
mod lease;
mod limit;
mod named;
mod named_timer;
mod origins;
mod queue;
mod reaction;
mod schedule;
mod stored_value;
mod token;
mod value;

pub use breaker::{
    BreakerCalls, BreakerFailure, BreakerMode, BreakerRow, BreakerState, BreakerTally, BreakerWorker,
    RecentRow, breaker_key, breaker_recent_key, breaker_tally_key,
};
pub use erased::{erased_key, erased_rows, parse_erased_key};
pub use execution::{ExecutionRow, ExecutionState, ExecutionTimerKey, execution_key};
pub use group::{
    Follows, GroupKeys, GroupPlace, GroupRow, MemberRange, MemberRow, decode_follower, encode_follower,
};
pub use key::{
    ALL_ROWS, CleanUpKey, PREFIX_BYTES, RecordTimerKey, ShardRows, TimerKey, TimerRange, TimerSearch,
    WallTimerKey, dedup_key, idempotency_key, membership_key, parse_revision_key, parse_stream_key,
    revision_key, shard_key, stream_key, stream_kind_prefix,
};
pub use lease::{
    LeaseHolder, LeaseQueueEnds, LeaseRow, LeaseTimerKey, LeaseWaiterRow, lease_key, lease_waiter_key,
};
pub use limit::{
    LimitKeyRow, LimitKeys, LimitListId, LimitListRow, LimitRange, LimitRow, LimitSubject, LimitTimerKey,
};
pub use named::NamedRows;
pub use named_timer::NamedTimers;
pub use origins::{Origin, decode_origins, encode_origins, origins_key};
pub use queue::{
    AttemptEnd, AttemptRow, ClaimPart, ClaimRequestRow, CohortId, CohortLane, CohortRow, CohortWait,
    CompletedPart, DeadClassRow, FailureRow, FairLane, FairRow, FairTypeRow, Gate, Gates, KeyRow, Lane, Pass,
    QueueKeys, QueueRange, QueueRow, RankRow, SettledBy, SettledPart, ShareId, ShareRow, TaskIdRow, TaskPart,
    TaskRow, TaskTimerKey, TenantList, TenantListId, TenantRow, TextHash, Turn, TypeCohorts, TypeRow,
    UniqueRow, decode_cohort_hash, decode_number, decode_part, encode_cohort_hash, encode_number,
    encode_part,
};
pub use reaction::{ReactionRow, parse_reaction_key, reaction_key, reaction_rows, reactions_key};
pub use schedule::{
    Held, ScheduleRow, ScheduleTally, ScheduleTimerKey, ScheduleTimers, ScheduleTotals, decode_definition,
    decode_schedule_set, encode_definition, encode_schedule_set, schedule_definition_key, schedule_key,
    schedule_set_key, schedule_tally_key,
};
pub use stored_value::{ValueContent, ValueRow, value_key};
pub use token::{TokenRow, parse_token_key, token_key, token_rows, token_use_key, tokens_key};
pub use value::{
    Author, CleanUpWork, DedupRow, IdempotencyRow, RevisionRow, ShardRow, StreamRow, decode_name,
};

#[cfg(doc)]
use model::Namespace;
