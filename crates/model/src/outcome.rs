//! The results of commands, and the effects that a shard leaves to its node.

use crate::breaker::{BreakerDecision, BreakerRecorded};
use crate::execution::Begun;
use crate::group::GroupCreated;
use crate::ids::{Cursor, Elapsed, Position, Revision, Slot, Wall};
use crate::lease::Granted;
use crate::name::QueueName;
use crate::queue::{Claimed, Enqueued, Settled, TaskDue, TaskState, TasksChanged};
use crate::schedule::ScheduleControlled;
use crate::view::Key;
use alloc::string::String;
use alloc::vec::Vec;

/// The result of a command. It is the same on every replica and in every replay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Appended(Appended),
    Transacted {
        /// Nothing was changed: the outcome comes from an idempotency record, or the stream already held every
        /// event.
        replayed: bool,
        /// One for each write, in order.
        writes: Vec<Written>,
    },
    /// The settings apply from now on. What they remove can no longer be read.
    SettingsPut,
    /// The stream's events can no longer be read. `last` is its last revision, or `None` when it had no events
    /// or was deleted before.
    StreamDeleted {
        last: Option<Revision>,
    },
    /// An internal command did one bounded step. With `more`, another step is due at once.
    Progressed {
        more: bool,
    },
    LeaseGranted(Granted),
    /// The holder waits for its turn. A [`Effect::Notify`] tells when the lease is granted.
    LeaseAwaited {
        /// When the holder asked, for [`crate::WithdrawLease`].
        asked: Position,
    },
    LeaseRenewed {
        remaining_ms: u64,
    },
    LeaseReleased,
    /// The holder does not wait for the lease any more.
    LeaseWithdrawn,
    ValuePut {
        revision: Revision,
        /// The outcome comes from an idempotency record.
        replayed: bool,
    },
    /// `last` is the last revision that the value had, or `None` when it did not exist.
    ValueDeleted {
        last: Option<Revision>,
    },
    ExecutionBegun(Begun),
    ExecutionCompleted {
        /// It was completed before, with the same token.
        replayed: bool,
    },
    ExecutionAbandoned {
        /// Something was removed.
        existed: bool,
    },
    /// The queue's settings apply from now on.
    QueuePut,
    Enqueued(Enqueued),
    Claimed(Claimed),
    /// One for each settlement, in order.
    Settled(Vec<Settled>),
    /// Where the task stands now: cancelled, or running and told to stop.
    TaskCancelled(TaskState),
    /// The dead letter is back in its queue, or gone.
    DeadLetterSettled,
    /// The tenant's weight applies from now on.
    TenantPut,
    TenantDeleted {
        /// Whether it had a weight of its own.
        existed: bool,
    },
    /// The limit's settings apply from now on.
    LimitPut,
    LimitDeleted,
    /// The breaker's settings apply from now on.
    BreakerPut,
    BreakerDeleted,
    /// An operator has set how the breaker is.
    BreakerControlled,
    BreakerAsked(BreakerDecision),
    BreakerRecorded(BreakerRecorded),
    /// The schedule is as it was asked for.
    SchedulePut {
        /// When it began.
        generation: Position,
        /// Whether it begins with this command.
        changed: bool,
    },
    ScheduleSetPut {
        /// Schedules that begin with this command.
        changed: u32,
        /// Schedules that were not named, and are deleted.
        deleted: u32,
    },
    ScheduleDeleted {
        /// Whether there was one.
        existed: bool,
    },
    ScheduleControlled(ScheduleControlled),
    /// What was due is done, as far as it could be.
    ScheduleAdvanced {
        /// Tasks that were enqueued.
        runs: u32,
        /// Ticks that were skipped.
        skipped: u64,
    },
    /// The reaction's settings apply from now on. It has come this far.
    ReactionPut {
        cursor: Cursor,
    },
    ReactionDeleted {
        existed: bool,
    },
    /// The reaction has come this far, and has enqueued this many tasks on the way. If its queue is full, that is
    /// not as far as it was to come.
    Reacted {
        tasks: u32,
        cursor: Cursor,
    },
    TasksChanged(TasksChanged),
    /// The token is valid from now on, until the given time.
    TokenCreated {
        created: Wall,
        expires: Option<Wall>,
    },
    TokenRevoked,
    /// The use of a token is recorded, if the token exists.
    TokenUsed,
    /// No copy of the subject's key counts any more.
    SubjectErased {
        /// When it was erased first.
        erased: Wall,
    },
    GroupCreated(GroupCreated),
    /// Nothing was changed.
    Refused(Refusal),
}

/// The result of one write of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Written {
    Appended(Appended),
    Enqueued(Enqueued),
    Settled(Vec<Settled>),
    ExecutionCompleted,
    GroupCreated(GroupCreated),
}

impl Written {
    /// What an append has done.
    #[must_use]
    pub const fn appended(&self) -> Option<&Appended> {
        match self {
            Self::Appended(appended) => Some(appended),
            Self::Enqueued(_) | Self::Settled(_) | Self::ExecutionCompleted | Self::GroupCreated(_) => None,
        }
    }
}

/// Where the events of a batch are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Appended {
    pub slot: Slot,
    /// One for each event, in order.
    pub events: Vec<AppendedEvent>,
}

/// Where one event is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AppendedEvent {
    pub revision: Revision,
    pub position: Position,
    /// The stream held the event already, so it was not appended again.
    pub replayed: bool,
}

impl Appended {
    /// Whether nothing was appended: the stream held every event already.
    #[must_use]
    pub fn all_replayed(&self) -> bool {
        self.events.iter().all(|event| event.replayed)
    }

    /// The cursor of one of these events.
    #[must_use]
    pub fn cursor(&self, event: AppendedEvent) -> Cursor {
        Cursor::new(event.position, self.slot)
    }
}

/// Why a command was refused. It changed nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The stream or value is not at the expected revision. `current` is its last one, or `None` when it does not
    /// exist. `part` numbers the transaction's checks, then its writes, from 0. A plain append has part 0.
    WrongRevision { part: u32, current: Option<Revision> },
    /// The stream holds an event with the same `source` and `id` but different content, or the request contains
    /// two such events. `write` and `event` count from 0.
    EventConflict { write: u32, event: u32, revision: Option<Revision> },
    /// An earlier request with this key was applied, and this one differs from it.
    KeyConflict { differs: KeyDifference },
    /// The shard already holds the maximum number, or the maximum bytes, of idempotency records
    /// ([`crate::limits`]).
    KeysFull,
    /// `truncate_before` is greater than the stream's next revision.
    TruncateBeyondEnd { next: Revision },
    /// This command does not exist under the entry's behaviour.
    Unsupported,
    /// The stream has used all its revisions (2^63).
    StreamFull,
    /// Others hold the lease. The one that is due to lose it first has this token, and may keep the lease for this
    /// long, with the time in which the lease is held off.
    LeaseHeld { token: Cursor, remaining_ms: u64 },
    /// No one holds the lease with the token: it was released or has expired. `part` is as for
    /// [`Self::WrongRevision`].
    LeaseLost { part: u32 },
    /// The lease is in use with another number of permits.
    LeasePermitsDiffer { permits: u32 },
    /// As many holders wait for the lease as may ([`crate::limits::LEASE_WAITERS_MAX`]).
    LeaseQueueFull,
    /// The value has used all its revisions (2^63).
    ValueFull,
    /// Someone else is doing the work under this key, and has this long to complete it.
    ExecutionInProgress { remaining_ms: u64 },
    /// The key came with another fingerprint before.
    ExecutionDiffers,
    /// The execution with this token is over: it was ended, or its time was, and the key is free or someone else's.
    /// `part` is as for [`Self::WrongRevision`].
    ExecutionLost { part: u32 },
    /// The queue holds as many unfinished tasks as its settings allow.
    QueueFull { backlog_max: u64 },
    /// The queue has tasks of [`crate::limits::QUEUE_TYPES_MAX`] types already. `task` counts from 0.
    TooManyTypes { task: u32 },
    /// The queue has no such task.
    NoTask,
    /// The transaction settles a task whose claim is over, or that does not exist. `part` is as for a wrong
    /// revision; `settlement` counts from 0.
    ClaimLost { part: u32, settlement: u32 },
    /// The transaction enqueues a task whose id the queue has with other content, or a group has one whose id the queue
    /// has. `task` counts from 0.
    TaskConflict { part: u32, task: u32 },
    /// The task is not in a state for this.
    WrongTaskState { state: TaskState },
    /// No limit has this name.
    NoLimit,
    /// No breaker has this name.
    NoBreaker,
    /// There is no such schedule.
    NoSchedule,
    /// As many ticks of the schedule wait as may ([`crate::limits::SCHEDULE_WAITING_MAX`]).
    ScheduleBusy,
    /// A schedule of the set belongs to another owner. `schedule` counts from 0.
    ScheduleOwned { schedule: u32 },
    /// The backfill has a tick that is in the future.
    TickInFuture,
    /// There is a group with this name and other content. `part` is as for a wrong revision.
    GroupConflict { part: u32 },
    /// The cursor lies after everything that was recorded: `end` is the last position that was assigned.
    CursorBeyondEnd { end: Position },
    /// The shard has [`crate::limits::REACTIONS_MAX`] reactions already.
    TooManyReactions,
    /// The reaction is not as the proposer knew it.
    ReactionMoved,
    /// There is no such token.
    NoToken,
    /// There is a token with this id.
    TokenExists,
    /// The shard has [`crate::limits::TOKENS_MAX`] tokens already.
    TooManyTokens,
}

/// How a request differs from the one that its idempotency key was first used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyDifference {
    /// Its events or streams differ. Its preconditions may differ as well.
    Content,
    /// Only its preconditions differ: expected revisions, or the checks of a transaction.
    Precondition,
}

/// Work that a shard leaves to its node. Repeating it is safe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// The state no longer refers to the events at these positions: their bodies may be removed from disk.
    BodiesRemoved { positions: Vec<Position> },
    /// A timer was set in this slot. It may be cancelled before its time comes. Of the timers of one kind that
    /// an entry sets in a slot, only the earliest is reported.
    TimerSet { slot: Slot, timer: Timer },
    /// Something has happened to the row with this key that requests may wait for. They must look again.
    Notify { key: Key },
    /// Tasks of this type can be claimed that could not be claimed before, this many.
    TasksReady { queue: QueueName<'static>, task_type: String, tasks: u32 },
    /// This many tasks have become dead letters.
    TasksDied { tasks: u32 },
}

/// When the node must propose a command of its own. Timers are rows in the slot of what they are about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Timer {
    /// From this time of day on, a stream's oldest event is older than its `max_age`: propose
    /// [`crate::ExpireEvents`].
    Events(Wall),
    /// An idempotency record expires: propose [`crate::ExpireRecords`].
    Records(Elapsed),
    /// Rows of removed events remain: propose [`crate::CleanUp`]. The work was queued at this position, and is
    /// due at once.
    CleanUp(Position),
    /// A lease expires, or a wait for one may end: propose [`crate::ExpireLeases`].
    Leases(Elapsed),
    /// A task is due: propose [`crate::AdvanceTasks`].
    Tasks(TaskDue),
    /// The time of an execution is over: propose [`crate::ExpireExecutions`].
    Executions(Elapsed),
    /// A key of a limit may be open again: propose [`crate::AdvanceLimits`].
    Limits(Elapsed),
    /// A schedule is due: propose [`crate::AdvanceSchedule`].
    Schedules(Wall),
}
