//! What every command must result in, for tests: a slow and simple model of the streams, leases, values, executions
//! and task queues of one shard. Every stream is a vector of all events that were ever appended to it, every queue is a vector of its
//! tasks, and everything is found by searching from end to end. It shares no code with the shard.
//!
//! The tests of `shard` compare every outcome and many reads with it. The simulator gives it each entry that
//! a node has logged, and compares outcomes, readers and followers.
//!
//! | module | what it holds |
//! |---|---|
//! | [`draw`] | random commands about streams |
//! | [`queue`] | task queues |
//! | [`schedule`] | schedules |
//! | [`reaction`] | reactions |
//! | [`breaker`] | circuit breakers |
//! | [`token`] | tokens, and the audit stream |
//!
//! It knows nothing of the limits on idempotency records and on revisions.

pub mod breaker;
mod convert;
pub mod draw;
mod execution;
mod lease;
pub mod queue;
pub mod reaction;
pub mod schedule;
pub mod token;
mod value;
mod write;

use breaker::{Breaker, BreakerAsk};
pub use execution::{Complete, Execution, ExecutionAsk, Run};
pub use lease::{Acquire, Held, Lease, Token, Waiting};
use model::{
    BreakerDecision, BreakerRecorded, Claimed, Cursor, EnqueuedTask, KeyDifference, Namespace, Outcome,
    ScheduleControlled, Settled, TaskState, TasksChanged, slot_of,
};
use queue::{NewTask, QueueAsk, Queues, Settlement};
use reaction::{Reaction, ReactionAsk};
use schedule::{Schedule, ScheduleAsk};
use std::collections::BTreeMap;
use token::{AuditedAsk, TokenAsk};
pub use value::Value;

pub const DAY_MS: u64 = 86_400_000;

/// Who gave an event its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Id {
    Client(u128),
    Server,
    /// An id of the server's form, sent by a client.
    Echo {
        id: u128,
        position: u64,
        slot: u16,
    },
}

/// What a client sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sent {
    pub id: Id,
    /// A hash, without its lowest 48 bits.
    pub content: u128,
    /// 0 if none was sent.
    pub time: u64,
}

impl Sent {
    /// The id that its client gave it.
    fn name(&self) -> Option<u128> {
        match self.id {
            Id::Client(id) | Id::Echo { id, .. } => Some(id),
            Id::Server => None,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    pub position: u64,
    pub sent: Sent,
}

impl Event {
    fn is_repeated_by(&self, sent: &Sent) -> bool {
        let time_was_filled_in = self.sent.time == 0 && sent.time == self.position >> 16;
        self.sent.content == sent.content && (self.sent.time == sent.time || time_was_filled_in)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    Any,
    None,
    Exists,
    Revision(u64),
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Keep {
    pub age_ms: Option<u64>,
    pub count: Option<u64>,
    pub truncate_before: Option<u64>,
}

#[derive(Clone, Debug, Default)]
pub struct Stream {
    pub name: String,
    pub slot: u16,
    /// The position that was taken when the stream got its row.
    pub began: Option<u64>,
    pub events: Vec<Event>,
    /// How many of them are removed.
    pub removed: usize,
    pub deleted: bool,
    pub keep: Keep,
}

impl Stream {
    pub fn kept(&self) -> impl DoubleEndedIterator<Item = (u64, &Event)> {
        self.events.iter().enumerate().skip(self.removed).map(|(revision, event)| (revision as u64, event))
    }

    pub fn exists(&self) -> bool {
        !self.events.is_empty() && !self.deleted
    }

    pub fn last(&self) -> Option<u64> {
        if self.exists() { Some(self.events.len() as u64 - 1) } else { None }
    }

    fn is(&self, expect: Expect) -> bool {
        match expect {
            Expect::Any => true,
            Expect::None => !self.exists(),
            Expect::Exists => self.exists(),
            Expect::Revision(revision) => self.last() == Some(revision),
        }
    }

    fn remove_before(&mut self, revision: u64) {
        self.removed = self.removed.max((revision as usize).min(self.events.len()));
    }

    fn remove_older(&mut self, wall: u64) {
        if let Some(age_ms) = self.keep.age_ms {
            let young = self.kept().find(|(_, event)| (event.position >> 16).saturating_add(age_ms) >= wall);
            self.remove_before(young.map_or(self.events.len() as u64, |(revision, _)| revision));
        }
    }

    fn remove_surplus(&mut self) {
        if let Some(count) = self.keep.count {
            self.remove_before((self.events.len() as u64).saturating_sub(count));
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventRef {
    pub revision: u64,
    pub position: u64,
    pub replayed: bool,
}

/// The outcome of a request to the model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SimpleOutcome {
    Appended(u16, Vec<EventRef>),
    Transacted {
        replayed: bool,
        writes: Vec<Wrote>,
    },
    SettingsPut,
    Deleted(Option<u64>),
    Progressed,
    /// As `Progressed`, where the model knows whether more is due.
    Advanced {
        more: bool,
    },
    QueuePut,
    Enqueued(u16, Vec<EnqueuedTask>),
    Claimed(Claimed),
    Settled(Vec<Settled>),
    TaskCancelled(TaskState),
    DeadLetterSettled,
    TenantPut,
    /// Whether it had a weight of its own.
    TenantDeleted(bool),
    LimitPut,
    LimitDeleted,
    NoLimit,
    TasksChanged(TasksChanged),
    TaskConflict {
        part: usize,
        task: usize,
    },
    ClaimLost {
        part: usize,
        settlement: usize,
    },
    /// The group's position and slot, and whether it was there already.
    GroupCreated(u64, u16, bool),
    GroupConflict(usize),
    WrongRevision {
        part: usize,
        current: Option<u64>,
    },
    EventConflict {
        write: usize,
        event: usize,
        revision: Option<u64>,
    },
    KeyConflict {
        differs: KeyDifference,
    },
    TruncateBeyondEnd(u64),
    Unsupported,
    LeaseGranted {
        token: Token,
        remaining_ms: u64,
        replayed: bool,
    },
    LeaseAwaited(u64),
    LeaseRenewed(u64),
    LeaseReleased,
    LeaseWithdrawn,
    LeaseHeld {
        token: Token,
        remaining_ms: u64,
    },
    LeaseLost(usize),
    LeasePermitsDiffer(u32),
    ValuePut {
        revision: u64,
        replayed: bool,
    },
    ValueDeleted(Option<u64>),
    ExecutionNew {
        token: Token,
        remaining_ms: u64,
        replayed: bool,
    },
    ExecutionDone {
        response: Vec<u8>,
        remaining_ms: u64,
    },
    ExecutionCompleted {
        replayed: bool,
    },
    ExecutionAbandoned {
        existed: bool,
    },
    ExecutionInProgress(u64),
    ExecutionDiffers,
    ExecutionLost(usize),
    /// The shard has reached a limit that the model does not know.
    Full,
    QueueFull(u64),
    TooManyTypes(usize),
    NoTask,
    WrongTaskState(TaskState),
    SchedulePut {
        generation: u64,
        changed: bool,
    },
    ScheduleSetPut {
        changed: usize,
        deleted: usize,
    },
    ScheduleDeleted(bool),
    ScheduleControlled(ScheduleControlled),
    ScheduleAdvanced {
        runs: u64,
        skipped: u64,
    },
    NoSchedule,
    ScheduleBusy,
    /// The number of the schedule.
    ScheduleOwned(usize),
    TickInFuture,
    ReactionPut(Cursor),
    ReactionDeleted(bool),
    /// How many tasks, and up to where.
    Reacted(u32, Cursor),
    CursorBeyondEnd(u64),
    TooManyReactions,
    ReactionMoved,
    TokenCreated {
        created: u64,
        expires: Option<u64>,
    },
    TokenRevoked,
    TokenUsed,
    NoToken,
    TokenExists,
    TooManyTokens,
    SubjectErased(u64),
    BreakerPut,
    BreakerDeleted,
    BreakerControlled,
    BreakerAsked(BreakerDecision),
    BreakerRecorded(BreakerRecorded),
    NoBreaker,
}

impl SimpleOutcome {
    fn is_refusal(&self) -> bool {
        matches!(
            self,
            Self::WrongRevision { .. }
                | Self::EventConflict { .. }
                | Self::KeyConflict { .. }
                | Self::TruncateBeyondEnd(_)
                | Self::Unsupported
                | Self::LeaseHeld { .. }
                | Self::LeaseLost(_)
                | Self::LeasePermitsDiffer(_)
                | Self::ExecutionInProgress(_)
                | Self::ExecutionDiffers
                | Self::ExecutionLost(_)
                | Self::Full
                | Self::QueueFull(_)
                | Self::TooManyTypes(_)
                | Self::TaskConflict { .. }
                | Self::ClaimLost { .. }
                | Self::GroupConflict(_)
                | Self::NoTask
                | Self::WrongTaskState(_)
                | Self::NoLimit
                | Self::NoBreaker
                | Self::NoSchedule
                | Self::ScheduleBusy
                | Self::ScheduleOwned(_)
                | Self::TickInFuture
                | Self::CursorBeyondEnd(_)
                | Self::TooManyReactions
                | Self::ReactionMoved
                | Self::NoToken
                | Self::TokenExists
                | Self::TooManyTokens
        )
    }

    /// Whether this is the outcome of the shard.
    #[must_use]
    pub fn is(&self, outcome: &Outcome) -> bool {
        match (self, outcome) {
            (Self::Advanced { more }, Outcome::Progressed { more: theirs }) => more == theirs,
            _ => *self == Self::from(outcome),
        }
    }

    fn again(mut self) -> Self {
        let mark = |refs: &mut Vec<EventRef>| refs.iter_mut().for_each(|event| event.replayed = true);
        // A task that was a conflict when the key was first used is still one.
        let mark_tasks = |tasks: &mut Vec<EnqueuedTask>| {
            tasks.iter_mut().for_each(|task| {
                if let EnqueuedTask::Added(position) = *task {
                    *task = EnqueuedTask::Replayed(position);
                }
            });
        };
        match &mut self {
            Self::Appended(_, event_refs) => mark(event_refs),
            Self::Transacted { replayed, writes } => {
                *replayed = true;
                writes.iter_mut().for_each(|wrote| match wrote {
                    Wrote::Appended(_, event_refs) => mark(event_refs),
                    Wrote::Enqueued(_, tasks) => mark_tasks(tasks),
                    Wrote::GroupCreated(.., replayed) => *replayed = true,
                    Wrote::Settled(_) | Wrote::Completed => {}
                });
            }
            Self::ValuePut { replayed, .. } => *replayed = true,
            Self::ScheduleControlled(controlled) => controlled.replayed = true,
            Self::Enqueued(_, tasks) => mark_tasks(tasks),
            _ => {}
        }
        self
    }
}

/// What one write of a transaction has done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wrote {
    Appended(u16, Vec<EventRef>),
    Enqueued(u16, Vec<EnqueuedTask>),
    Settled(Vec<Settled>),
    Completed,
    GroupCreated(u64, u16, bool),
}

#[derive(Clone, Debug)]
pub struct Append {
    pub stream: usize,
    pub expect: Expect,
    pub events: Vec<Sent>,
}

#[derive(Clone, Copy, Debug)]
pub struct Key {
    pub key: u128,
    /// Content in the upper half, preconditions in the lower one.
    pub request: u128,
    pub slot: u16,
}

#[derive(Clone, Debug)]
pub enum Ask {
    Append(Option<Key>, Append),
    Transaction(Option<Key>, Vec<Condition>, Vec<Write>),
    Keep(usize, Keep),
    Delete(usize, Expect),
    Expire(usize),
    /// Changes nothing that can be seen.
    CleanUp,
    /// Changes nothing that can be seen.
    ExpireRecords,
    Acquire(Acquire),
    Renew(usize, Token, Option<u64>),
    Release(usize, Token),
    Withdraw(usize, String, u64),
    ExpireLeases {
        slot: u16,
        leases_max: u32,
    },
    PutValue(Option<Key>, usize, Expect, Vec<u8>),
    DeleteValue(usize, Expect),
    Execution(ExecutionAsk),
    Queue(QueueAsk),
    Schedule(ScheduleAsk),
    Reaction(ReactionAsk),
    Breaker(BreakerAsk),
    Token(TokenAsk),
    EraseSubject(u32),
    Audited(AuditedAsk),
}

/// A check of a transaction.
#[derive(Clone, Copy, Debug)]
pub enum Condition {
    Stream(usize, Expect),
    Lease(usize, Token),
    Value(usize, Expect),
    Execution(usize, Token),
}

/// A write of a transaction.
#[derive(Clone, Debug)]
pub enum Write {
    Append(Append),
    Complete(Complete),
    /// Into a queue, which is given by its number.
    Enqueue(usize, Vec<NewTask>),
    Settle(usize, Vec<Settlement>),
    Group(Box<queue::groups::SentGroup>),
}

impl Write {
    fn append(&self) -> Option<&Append> {
        match self {
            Self::Append(append) => Some(append),
            Self::Complete(_) | Self::Enqueue(..) | Self::Settle(..) | Self::Group(_) => None,
        }
    }
}

#[derive(Debug)]
struct Record {
    request: u128,
    expires: u64,
    outcome: SimpleOutcome,
}

/// All streams and queues, by number.
#[derive(Debug, Default)]
pub struct Simple {
    pub streams: Vec<Stream>,
    pub queues: Queues,
    pub groups: Vec<queue::groups::Group>,
    pub last: u64,
    pub wall: u64,
    pub elapsed: u64,
    pub leases: Vec<Lease>,
    pub values: Vec<Value>,
    pub executions: Vec<Execution>,
    pub schedules: Vec<Schedule>,
    pub reactions: Vec<Reaction>,
    pub breakers: Vec<Breaker>,
    pub tokens: Vec<token::Token>,
    /// Erased subject keys, and when they were erased.
    pub erased: BTreeMap<u32, u64>,
    records: BTreeMap<(u16, u128), Record>,
    /// The events that the last entry appended, by stream and revision.
    pub appended: Vec<(usize, u64)>,
}

impl Simple {
    /// What [`draw::command`] and [`queue::draw::command`] need: the streams of [`draw::NAMES`], the leases of
    /// [`draw::LEASES`], the values of [`draw::VALUES`], the executions of [`draw::EXECUTIONS`], and the queues of [`queue::draw::NAMES`].
    #[must_use]
    pub fn to_draw_from() -> Self {
        let mut model = Self::default();
        for name in draw::NAMES {
            model.stream(name);
        }
        for name in draw::LEASES {
            model.lease(name);
        }
        for name in draw::VALUES {
            model.value(name);
        }
        for name in draw::EXECUTIONS {
            model.execution(name);
        }
        for name in queue::draw::NAMES {
            model.queues.number(name);
        }
        model
    }

    /// The number of a stream. A name that was never seen gets the next number.
    pub fn stream(&mut self, name: &str) -> usize {
        self.streams.iter().position(|stream| stream.name == name).unwrap_or_else(|| {
            let slot = slot_of(Namespace::ROOT, name).0;
            self.streams.push(Stream { name: name.to_owned(), slot, ..Stream::default() });
            self.streams.len() - 1
        })
    }

    pub fn begin_entry(&mut self, wall: u64, elapsed: u64) {
        self.wall = self.wall.max(wall);
        self.elapsed = self.elapsed.max(elapsed);
        self.appended.clear();
        self.queues.begin_entry();
    }

    /// When the next live record expires.
    pub fn next_expiry(&self) -> Option<u64> {
        self.records.values().map(|record| record.expires).filter(|expires| *expires > self.elapsed).min()
    }

    /// Whether a record expires exactly now.
    pub fn is_expiry(&self) -> bool {
        self.records.values().any(|record| record.expires == self.elapsed)
    }

    pub fn records_live(&self) -> usize {
        self.records.values().filter(|record| record.expires > self.elapsed).count()
    }

    pub fn ask(&mut self, ask: &Ask) -> SimpleOutcome {
        match ask {
            Ask::Append(key, append) => {
                let slot = self.streams[append.stream].slot;
                self.keyed(key.map(|key| Key { slot, ..key }), |model| model.append(append))
            }
            Ask::Transaction(key, checks, writes) => {
                self.queues.begin_entry();
                let outcome = self.keyed(*key, |model| model.transaction(checks, writes));
                self.settle_groups();
                self.open_freed();
                outcome
            }
            Ask::Keep(stream, keep) => self.keep(*stream, *keep),
            Ask::Delete(stream, expect) => self.delete(*stream, *expect),
            Ask::Expire(stream) => {
                let wall = self.wall;
                self.streams[*stream].remove_older(wall);
                SimpleOutcome::Progressed
            }
            Ask::CleanUp | Ask::ExpireRecords => SimpleOutcome::Progressed,
            Ask::Acquire(acquire) => self.acquire(acquire),
            Ask::Renew(lease, token, ttl_ms) => self.renew(*lease, *token, *ttl_ms),
            Ask::Release(lease, token) => self.release(*lease, *token),
            Ask::Withdraw(lease, holder, asked) => self.withdraw(*lease, holder, *asked),
            Ask::ExpireLeases { slot, leases_max } => self.expire_leases(*slot, *leases_max),
            Ask::PutValue(key, value, expect, content) => {
                let slot = self.values[*value].slot;
                let key = key.map(|key| Key { slot, ..key });
                self.keyed(key, |model| model.put_value(*value, *expect, content))
            }
            Ask::DeleteValue(value, expect) => self.delete_value(*value, *expect),
            Ask::Execution(ask) => self.ask_execution(ask),
            Ask::Breaker(ask) => {
                let outcome = self.ask_breaker(ask);
                self.open_freed();
                outcome
            }
            Ask::Queue(ask) => self.ask_queue(ask),
            Ask::Token(ask) => self.ask_token(ask),
            Ask::EraseSubject(key) => {
                SimpleOutcome::SubjectErased(*self.erased.entry(*key).or_insert(self.wall))
            }
            Ask::Audited(audited) => {
                let outcome = self.ask(&audited.ask);
                self.tell_audit(audited, &outcome);
                outcome
            }
            Ask::Schedule(ask) => {
                let outcome = self.ask_schedule(ask);
                self.open_freed();
                outcome
            }
            Ask::Reaction(ask) => {
                let outcome = self.ask_reaction(ask);
                self.open_freed();
                outcome
            }
        }
    }

    fn keyed(&mut self, key: Option<Key>, decide: impl FnOnce(&mut Self) -> SimpleOutcome) -> SimpleOutcome {
        let Some(key) = key else { return decide(self) };
        if let Some(record) = self.records.get(&(key.slot, key.key))
            && record.expires > self.elapsed
        {
            return if record.request == key.request {
                record.outcome.clone().again()
            } else {
                let same_content = record.request >> 64 == key.request >> 64;
                let differs = if same_content { KeyDifference::Precondition } else { KeyDifference::Content };
                SimpleOutcome::KeyConflict { differs }
            };
        }
        let outcome = decide(self);
        if !outcome.is_refusal() {
            let record =
                Record { request: key.request, expires: self.elapsed + DAY_MS, outcome: outcome.clone() };
            self.records.insert((key.slot, key.key), record);
        }
        outcome
    }

    fn take_position(&mut self) -> u64 {
        self.last = (self.wall << 16).max(self.last + 1);
        self.last
    }

    fn append(&mut self, append: &Append) -> SimpleOutcome {
        match self.write_all(&[], &[Write::Append(append.clone())]) {
            Ok((_, writes)) => match writes.into_iter().next() {
                Some(Wrote::Appended(slot, event_refs)) => SimpleOutcome::Appended(slot, event_refs),
                other => unreachable!("an append has done {other:?}"),
            },
            Err(refusal) => refusal,
        }
    }

    /// Why a transaction whose check this is must be refused, if the check does not hold.
    pub(crate) fn refusal(&self, part: usize, check: Condition) -> Option<SimpleOutcome> {
        let (holds, current) = match check {
            Condition::Stream(at, expect) => (self.streams[at].is(expect), self.streams[at].last()),
            Condition::Value(at, expect) => (self.values[at].is(expect), self.values[at].last()),
            Condition::Lease(at, token) => {
                return (!self.is_held(at, token)).then_some(SimpleOutcome::LeaseLost(part));
            }
            Condition::Execution(at, token) => {
                return (!self.is_in_progress(at, token)).then_some(SimpleOutcome::ExecutionLost(part));
            }
        };
        (!holds).then_some(SimpleOutcome::WrongRevision { part, current })
    }

    fn transaction(&mut self, checks: &[Condition], writes: &[Write]) -> SimpleOutcome {
        match self.write_all(checks, writes) {
            Ok((replayed, writes)) => SimpleOutcome::Transacted { replayed, writes },
            Err(refusal) => refusal,
        }
    }

    fn keep(&mut self, stream: usize, keep: Keep) -> SimpleOutcome {
        let next = self.streams[stream].events.len() as u64;
        if let Some(first) = keep.truncate_before
            && first > next
        {
            return SimpleOutcome::TruncateBeyondEnd(next);
        }
        if self.streams[stream].began.is_none() && keep != Keep::default() {
            let position = self.take_position();
            self.streams[stream].began = Some(position);
        }
        let wall = self.wall;
        let state = &mut self.streams[stream];
        let before = state.keep.truncate_before;
        state.keep = keep;
        if let (Some(old), Some(new)) = (before, keep.truncate_before) {
            state.keep.truncate_before = Some(old.max(new));
        }
        state.remove_older(wall);
        state.remove_surplus();
        state.remove_before(state.keep.truncate_before.unwrap_or(0));
        SimpleOutcome::SettingsPut
    }

    fn delete(&mut self, stream: usize, expect: Expect) -> SimpleOutcome {
        let state = &mut self.streams[stream];
        let last = state.last();
        if !state.is(expect) {
            return SimpleOutcome::WrongRevision { part: 0, current: last };
        }
        state.keep = Keep::default();
        state.removed = state.events.len();
        state.deleted = !state.events.is_empty();
        SimpleOutcome::Deleted(last)
    }
}
