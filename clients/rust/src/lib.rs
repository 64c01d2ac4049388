//! An async Rust client for Mainstay: append events with an expected revision, write several streams in one
//! transaction, read as of any moment, follow, import, and fold streams into aggregates.
//!
//! The identity of an event makes it safe to send again, so the client retries requests itself: within a
//! budget, with jittered backoff, and only when a retry can help.
//!
//! It speaks the HTTP API over HTTP/1.1 or HTTP/2, with TLS for https URLs, and knows nothing of the server's
//! internals.
//!
//! | module | what it holds |
//! |---|---|
//! | `client` | [`Client`], [`ClientBuilder`], the loop that retries |
//! | `event` | [`NewEvent`], [`RecordedEvent`], [`Expected`], [`Revision`], [`Cursor`] |
//! | `append`, `transaction` | writes |
//! | `aggregate` | folds, and decisions on them |
//! | `read`, `follow` | pages, streams of events, subscriptions that resume |
//! | `import` | lines for many streams, in bounded memory |
//! | `leases`, `elected` | leader election, locks and semaphores; work that runs only while a lease is held |
//! | `breakers` | shared circuit breakers: [`Breaker`] |
//! | `values`, `watch` | small named pieces of content; what changes, as it changes |
//! | `idempotency` | endpoints of your own that are safe to retry: [`Client::once`] |
//! | `streams` | listing, settings, deletion |
//! | `tokens` | who may do what |
//! | `schedules` | schedules: [`Client::put_schedule`] |
//! | `queue`, `worker` | task queues: [`Queue`], and [`Worker`] to run their tasks |
//! | `reactions` | tasks that follow from events |
//! | `raw` | any request, and its response |
//! | [`blocking`] (feature `blocking`) | the same for programs without an async runtime |
//! | [`tower`] (feature `tower`) | a layer that asks a shared breaker before each call |
//! | `transport`, `retry`, `feed`, `line_buffer`, `id` | what these are built on |

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}

mod aggregate;
mod append;
mod backups;
#[cfg(feature = "blocking")]
pub mod blocking;
mod breakers;
mod client;
mod elected;
mod error;
mod event;
mod feed;
mod follow;
mod id;
mod idempotency;
mod import;
mod leases;
mod line_buffer;
mod queue;
mod raw;
mod reactions;
mod read;
mod retry;
mod schedules;
mod streams;
mod subjects;
mod tokens;
#[cfg(feature = "tower")]
pub mod tower;
mod transaction;
mod transport;
mod values;
mod watch;
mod worker;

pub use aggregate::{Aggregate, AggregateStream, Loaded, Update, UpdateError, Updated};
pub use append::{Append, Appended, AppendedEvent};
pub use backups::{Backup, BackupSegment};
pub use breakers::{
    Breaker, BreakerForced, BreakerInfo, BreakerPermit, BreakerSettings, BreakerState, BreakerWindow,
    BreakerWorker, CallOutcome, Decision, FailedCall, GuardError, QueueBreaker, Recorded, Rejected,
    RejectedBy,
};
pub use client::{Client, ClientBuilder};
pub use elected::{Elected, Leader, Led};
pub use error::{Error, Problem, Result};
pub use event::{Cursor, Expected, NewEvent, RecordedEvent, Revision};
pub use follow::Follow;
pub use idempotency::{Begun, Execution, ExecutionState, ExecutionToken, Once, OnceError, StoredResponse};
pub use import::{Import, ImportOutcome, ImportedLine};
pub use leases::{AcquireLease, LeaseGrant, LeaseHolder, LeaseState, LeaseToken};
pub use queue::{
    Changed, Claim, ClaimedTask, DeadLetterClass, Depth, Enqueued, GroupCreated, GroupInfo, GroupState,
    Heartbeat, Limit, LimitKey, LimitSettings, NewGroup, NewTask, Queue, QueueInfo, QueueLimit,
    QueueSettings, Rate, Replay, RetryPolicy, SettledAndClaimed, Settlement, TaskError, TaskFailure,
    TaskInfo, TaskPage, TaskState, Tenant, Unique, Which, WorkerInfo,
};
pub use raw::{Request, Response};
pub use reactions::{ReactionInfo, ReactionSettings};
pub use read::{Direction, Events, Lines, Page, Read};
pub use retry::Retry;
pub use schedules::{
    BackfillOverlap, ListedSchedule, Schedule, ScheduleControlled, ScheduleInfo, SchedulePut, ScheduleRun,
    ScheduleSet, ScheduledTask,
};
pub use streams::{Settings, StreamSummary, Streams};
pub use tokens::{Allowance, CreatedToken, NewToken, Role, TokenInfo};
pub use transaction::{Committed, Transaction, Written};
pub use values::{ListedValue, PutValue, StoredValue, ValueSeen};
pub use watch::Watch;
pub use worker::{Worker, WorkerSummary};
