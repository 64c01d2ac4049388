//! The commands that change a shard. Text and bytes are `Cow`: owned on their way into the log, borrowed from the
//! logged bytes when `apply` reads them.

use crate::breaker::{AskBreaker, ControlBreaker, DeleteBreaker, PutBreaker, RecordBreaker};
use crate::execution::{AbandonExecution, BeginExecution, CompleteExecution, ExpireExecutions};
use crate::group::CreateGroup;
use crate::ids::{
    Behaviour, Cursor, Elapsed, Fingerprint, IdHash, KeyHash, KeyId, Position, Revision, Slot, Wall,
};
use crate::lease::{AcquireLease, ExpireLeases, ReleaseLease, RenewLease, WithdrawLease};
use crate::limit::{AdvanceLimits, DeleteLimit, PutLimit};
use crate::name::{ExecutionKey, LeaseName, StreamName, ValueName};
use crate::queue::{
    AdvanceTasks, CancelTask, ChangeTasks, Claim, DeleteTenant, Enqueue, PutQueue, PutTenant, ReplayTask,
    Settle, SettleDeadLetter,
};
use crate::reaction::{DeleteReaction, PutReaction, React};
use crate::schedule::{AdvanceSchedule, ControlSchedule, DeleteSchedule, PutSchedule, PutScheduleSet};
use crate::token::{Audited, ChangeToken};
use crate::value::{DeleteValue, PutValue};
use alloc::borrow::Cow;
use alloc::vec::Vec;

/// One element of the log: two clocks, a behaviour number, and a batch of commands. Each command is applied or
/// refused independently of the others. An entry without commands only advances the clocks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    pub behaviour: Behaviour,
    pub wall: Wall,
    pub elapsed: Elapsed,
    pub commands: Vec<Command<'a>>,
}

/// One replicated input of a shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command<'a> {
    Append(Append<'a>),
    Transaction(Transaction<'a>),
    PutSettings(PutSettings<'a>),
    DeleteStream(DeleteStream<'a>),
    /// The node proposes this when a stream's oldest event is older than its `max_age`.
    ExpireEvents(ExpireEvents<'a>),
    /// The node proposes this while rows of removed events remain.
    CleanUp(CleanUp),
    /// The node proposes this when idempotency records expire.
    ExpireRecords(ExpireRecords),
    AcquireLease(AcquireLease<'a>),
    RenewLease(RenewLease<'a>),
    ReleaseLease(ReleaseLease<'a>),
    WithdrawLease(WithdrawLease<'a>),
    /// The node proposes this when leases expire, and when someone has waited for long enough.
    ExpireLeases(ExpireLeases),
    PutValue(PutValue<'a>),
    DeleteValue(DeleteValue<'a>),
    BeginExecution(BeginExecution<'a>),
    CompleteExecution(CompleteExecution<'a>),
    AbandonExecution(AbandonExecution<'a>),
    /// The node proposes this when the time of executions is over.
    ExpireExecutions(ExpireExecutions),
    PutQueue(PutQueue<'a>),
    Enqueue(Enqueue<'a>),
    Claim(Claim<'a>),
    Settle(Settle<'a>),
    CancelTask(CancelTask<'a>),
    SettleDeadLetter(SettleDeadLetter<'a>),
    ReplayTask(ReplayTask<'a>),
    ChangeTasks(ChangeTasks<'a>),
    CreateGroup(CreateGroup<'a>),
    /// The node proposes this when tasks of a slot are due.
    AdvanceTasks(AdvanceTasks),
    PutTenant(PutTenant<'a>),
    DeleteTenant(DeleteTenant<'a>),
    PutLimit(PutLimit<'a>),
    DeleteLimit(DeleteLimit<'a>),
    /// The node proposes this when keys of limits may be open again.
    AdvanceLimits(AdvanceLimits),
    PutBreaker(PutBreaker<'a>),
    DeleteBreaker(DeleteBreaker<'a>),
    ControlBreaker(ControlBreaker<'a>),
    AskBreaker(AskBreaker<'a>),
    RecordBreaker(RecordBreaker<'a>),
    PutSchedule(PutSchedule<'a>),
    PutScheduleSet(PutScheduleSet<'a>),
    DeleteSchedule(DeleteSchedule<'a>),
    ControlSchedule(ControlSchedule<'a>),
    /// The node proposes this when a schedule is due.
    AdvanceSchedule(AdvanceSchedule<'a>),
    PutReaction(PutReaction<'a>),
    DeleteReaction(DeleteReaction<'a>),
    /// The node proposes this when events were appended after a reaction's cursor.
    React(React<'a>),
    ChangeToken(ChangeToken<'a>),
    EraseSubject(EraseSubject),
    Audited(Audited<'a>),
}

/// An idempotency key with the request it was used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keyed {
    pub key: KeyHash,
    pub fingerprint: Fingerprint,
    /// The slot of the record: that of the stream, or that of the key when the route names no stream.
    pub slot: Slot,
}

/// Append a batch to one stream: all of its events or none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Append<'a> {
    pub keyed: Option<Keyed>,
    pub stream: StreamName<'a>,
    pub expected: Expected,
    pub events: Vec<NewEvent<'a>>,
}

/// The condition that a command sets on the revision of a stream or of a value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Expected {
    #[default]
    Any,
    /// It does not exist: nothing was ever written to it, or it was deleted.
    None,
    /// It exists.
    Exists,
    /// Its last revision is this one.
    Revision(Revision),
}

/// One event as a client sent it, in the form in which it will be stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewEvent<'a> {
    pub identity: Identity,
    /// A hash of the attributes as sent, sorted, and of the data. It omits the `id`, a `source` that equals
    /// the stream's default, and the trace context.
    pub fingerprint: Fingerprint,
    pub filled: Filled,
    pub event_type: Cow<'a, str>,
    /// The key that the envelope is sealed with.
    pub key_id: KeyId,
    /// The event's JSON object as it will be sent, without the members that are filled in on reading. Sealed, it is
    /// bytes that mean nothing here.
    pub envelope: Cow<'a, [u8]>,
}

/// Who gave the event its `id`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Identity {
    /// The client. The hash of `source` and `id` finds the event again.
    Client(IdHash),
    /// The server. The id is `~` followed by the cursor, so it needs no row in the state.
    Server,
    /// The client sent back an id of the server's form. If this stream holds an event with that cursor, the
    /// event is that one. Otherwise the id counts as the client's own.
    Echo { id: IdHash, cursor: Cursor },
}

/// The members that the server fills in when an event is read, as a set of bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Filled(pub u8);

impl Filled {
    pub const ID: Self = Self(1);
    pub const SOURCE: Self = Self(2);
    pub const TIME: Self = Self(4);

    #[must_use]
    pub const fn has(self, member: Self) -> bool {
        self.0 & member.0 != 0
    }

    #[must_use]
    pub const fn with(self, member: Self) -> Self {
        Self(self.0 | member.0)
    }
}

/// Note that a subject key is erased. The key itself is elsewhere: the state never holds it. The node's keeper of keys
/// erases it, now and whenever it is found in an older copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EraseSubject {
    pub key_id: KeyId,
}

/// Checks and writes that are applied together or not at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transaction<'a> {
    pub keyed: Option<Keyed>,
    pub checks: Vec<Check<'a>>,
    pub writes: Vec<Write<'a>>,
}

/// A condition on the state before the transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Check<'a> {
    Stream {
        stream: StreamName<'a>,
        expected: Expected,
    },
    /// The lease is held with this token.
    Lease {
        lease: LeaseName<'a>,
        token: Cursor,
    },
    Value {
        value: ValueName<'a>,
        expected: Expected,
    },
    /// The execution was begun with this token, and no one has ended it.
    Execution {
        key: ExecutionKey<'a>,
        token: Cursor,
    },
}

/// One write of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Write<'a> {
    /// `keyed` is never set here: the key is the transaction's.
    Append(Append<'a>),
    /// `keyed` is never set here. Every task must be added, or be known with the same content.
    Enqueue(Enqueue<'a>),
    /// Every settlement must end a claim that is held.
    Settle(Settle<'a>),
    /// The execution must be one that no one has ended.
    CompleteExecution(CompleteExecution<'a>),
    /// The group must be created, or be known with the same content.
    CreateGroup(CreateGroup<'a>),
}

/// A stream's retention. An absent member removes nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// Events recorded more than this many milliseconds ago are removed.
    pub max_age_ms: Option<u64>,
    /// Only this many of the newest events are kept.
    pub max_count: Option<u64>,
    /// Events below this revision are removed. It never decreases.
    pub truncate_before: Option<Revision>,
}

/// Replace all of a stream's settings. The stream need not exist yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PutSettings<'a> {
    pub stream: StreamName<'a>,
    pub settings: Settings,
}

/// Remove a stream's events. Their revisions are never used again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeleteStream<'a> {
    pub stream: StreamName<'a>,
    pub expected: Expected,
}

/// Remove those events of one stream that are older than its `max_age`, measured by the entry's wall.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpireEvents<'a> {
    pub stream: StreamName<'a>,
}

/// Delete rows of one slot's removed events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CleanUp {
    pub slot: Slot,
    /// Where to begin: no work of this slot was queued earlier. Without it, every command would have to pass
    /// over what the commands before it deleted.
    pub from: Position,
    /// The maximum number of rows to delete. Values above [`crate::limits::CLEAN_UP_ROWS_MAX`] count as that
    /// limit.
    pub rows_max: u32,
}

/// Delete one slot's expired idempotency records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExpireRecords {
    pub slot: Slot,
    /// Where to begin: no record of this slot expires earlier.
    pub from: Elapsed,
    /// The maximum number of rows to delete; as for [`CleanUp`].
    pub rows_max: u32,
}
