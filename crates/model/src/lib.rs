//! The vocabulary of Mainstay: ids, names, limits, clocks, commands, outcomes, and the view through which
//! state is read.
//!
//! Every other crate of the server uses these types. This crate knows no clock, disk or network. The bytes on
//! disk are in `format`, and the rules are in `shard`.
//!
//! | module | what it holds |
//! |---|---|
//! | [`ids`] | every id and number as its own type: [`Cursor`], [`Position`], [`Revision`], [`Slot`], ... |
//! | `hex` | ids as text |
//! | [`name`] | validated names and the slot they hash to |
//! | [`limits`] | every bound of the product, by name |
//! | [`breaker`] | the commands of shared circuit breakers, and their outcomes |
//! | [`command`] | the requests to change a shard |
//! | [`lease`], [`value`] | the commands of leases and of values |
//! | [`execution`] | the commands that make a team's own endpoints idempotent |
//! | [`group`] | the command that creates a group of tasks |
//! | [`queue`] | the commands of task queues, and their outcomes |
//! | [`schedule`] | the commands of schedules, and their outcomes |
//! | [`reaction`] | the commands of reactions |
//! | [`token`] | roles and tokens: who may do what; and the command that is told in the audit stream |
//! | `names` | every name that a command uses |
//! | [`outcome`] | the results of commands, and the effects they leave to the node |
//! | [`view`] | ordered reads of the state, and the write set that changes it |
#![no_std]
extern crate alloc;

pub mod breaker;
pub mod command;
pub mod execution;
pub mod group;
mod hex;
pub mod ids;
pub mod lease;
pub mod limit;
pub mod limits;
pub mod name;
mod names;
pub mod outcome;
pub mod queue;
pub mod reaction;
pub mod schedule;
pub mod token;
pub mod value;
pub mod view;

pub use breaker::{
    AskBreaker, BadPermit, BreakerCircuit, BreakerDecision, BreakerForced, BreakerPermit, BreakerReason,
    BreakerRecord, BreakerRecorded, BreakerSettings, BreakerWindow, CallOutcome, ControlBreaker,
    DeleteBreaker, PutBreaker, QueueBreaker, RecordBreaker, SlowCalls, breaker_gate, breaker_source,
    gate_breaker, gate_slot,
};
pub use command::{
    Append, Check, CleanUp, Command, DeleteStream, Entry, EraseSubject, Expected, ExpireEvents,
    ExpireRecords, Filled, Identity, Keyed, NewEvent, PutSettings, Settings, Transaction, Write,
};
pub use execution::{AbandonExecution, BeginExecution, Begun, CompleteExecution, ExpireExecutions};
pub use group::{CreateGroup, GroupCreated, GroupTask, NewGroup, NewMember};
pub use hex::parse_hex;
pub use ids::{
    Behaviour, Cursor, Elapsed, EntryClock, Fingerprint, GroupId, IdHash, Index, KeyHash, KeyId, Namespace,
    ParseCursorError, Position, Revision, Slot, SlotRange, StreamId, Term, Wall,
};
pub use lease::{AcquireLease, ExpireLeases, Granted, ReleaseLease, RenewLease, WithdrawLease};
pub use limit::{
    AdvanceLimits, BadExpression, DeleteLimit, KeyExpression, KeySource, LimitSettings, PutLimit, QueueLimit,
    Rate, limit_key_hash,
};
pub use name::{
    BreakerName, ExecutionKey, GroupName, LeaseName, LimitName, NameError, QueueName, ReactionName,
    ScheduleName, StreamName, TenantName, ValueName, slot_of,
};
pub use outcome::{Appended, AppendedEvent, Effect, KeyDifference, Outcome, Refusal, Timer, Written};
pub use queue::{
    Action, AdvanceTasks, CancelTask, ChangeTasks, Claim, Claimed, ClaimedTask, DeadLetterEnd, DeleteTenant,
    Enqueue, Enqueued, EnqueuedTask, Failure, GiveUp, NewTask, PutQueue, PutTenant, QueueOptions,
    QueueSettings, ReplayTask, RetryPolicy, Settle, SettleDeadLetter, Settled, Settlement, TaskChange,
    TaskDue, TaskOptions, TaskRef, TaskState, TasksChanged, Throttle, Unique, UniqueMode,
};
pub use reaction::{
    DeleteReaction, PutReaction, React, ReactedEvent, ReactionKey, ReactionPayload, ReactionSettings,
    reaction_task_id,
};
pub use schedule::{
    AdvanceSchedule, BackfillOverlap, CatchUp, ControlSchedule, DeleteSchedule, HeldBy, Missed, NextTick,
    Overlap, Paused, PutSchedule, PutScheduleSet, RunCause, ScheduleAction, ScheduleControlled,
    ScheduleDefinition, ScheduleRules, ScheduleRun, ScheduleStep, Timing,
};
pub use token::{
    AUDIT_STREAM, Allowance, Audited, BadTokenId, ChangeToken, Role, SYSTEM_PREFIX, TokenChange, TokenHash,
    TokenId, TokenSettings, is_system_name,
};
pub use value::{DeleteValue, PutValue};
pub use view::{Absent, Key, KeyRange, Order, Value, View, ViewError, WriteSet};
