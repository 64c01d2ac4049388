//! What can be asked of a shard. Text and bytes are `Cow`: owned on their way in, borrowed from the logged
//! bytes when `apply` reads them.

use crate::ids::{Behaviour, Cursor, Elapsed, Fingerprint, IdHash, KeyHash, Revision, Slot, Wall};
use crate::name::StreamName;
use alloc::borrow::Cow;
use alloc::vec::Vec;

/// What the log holds: two clocks, a behaviour number, a batch of commands. Each command is applied or
/// refused on its own. An entry without commands only moves the clocks.
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
    /// Proposed by the node when a stream's oldest event has passed its `max_age`.
    ExpireEvents(ExpireEvents<'a>),
    /// Proposed by the node while rows of removed events, or expired idempotency records, remain.
    CleanUp(CleanUp),
}

/// The client's name for one intended effect, with what was asked under it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keyed {
    pub key: KeyHash,
    pub fingerprint: Fingerprint,
    /// Where the record lives when the route names no stream: the slot of the key.
    pub slot: Slot,
}

/// Append a batch to one stream, all or none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Append<'a> {
    pub keyed: Option<Keyed>,
    pub stream: StreamName<'a>,
    pub expected: Expected,
    pub events: Vec<NewEvent<'a>>,
}

/// The check an append carries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Expected {
    #[default]
    Any,
    /// The stream does not exist (never appended to, or deleted).
    None,
    /// The stream exists.
    Exists,
    /// The stream's last revision is this one.
    Revision(Revision),
}

/// One event as a client sent it, ready to be stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewEvent<'a> {
    pub identity: Identity,
    /// Over the attributes as sent (sorted) and the data; for [`Identity::Server`] and [`Identity::Echo`]
    /// without `id`, and without a `source` equal to the stream's default.
    pub fingerprint: Fingerprint,
    pub filled: Filled,
    pub event_type: Cow<'a, str>,
    /// A JSON object in bytes, as it will be sent, without the members that are filled in on reading.
    pub envelope: Cow<'a, [u8]>,
}

/// Who named the event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Identity {
    /// The client: the hash of `source` and `id` finds it again.
    Client(IdHash),
    /// Nobody: the server's id is `~` and the cursor, and needs no row.
    Server,
    /// The client sent an id of the server's form back: it is found by its cursor if this stream holds it,
    /// and else treated as the client's own.
    Echo { id: IdHash, cursor: Cursor },
}

/// Members that the server fills in when an event is read.
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

/// Checks and writes, all or none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transaction<'a> {
    pub keyed: Option<Keyed>,
    pub checks: Vec<Check<'a>>,
    pub writes: Vec<Write<'a>>,
}

/// A condition on the state before the transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Check<'a> {
    Stream { stream: StreamName<'a>, expected: Expected },
}

/// One write of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Write<'a> {
    /// `keyed` is never set here: the key is the transaction's.
    Append(Append<'a>),
}

/// What a stream keeps. Absent members keep everything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// Events recorded longer ago than this are removed.
    pub max_age_ms: Option<u64>,
    /// Only the newest so many events are kept.
    pub max_count: Option<u64>,
    /// Events below this revision are removed; it never moves back.
    pub truncate_before: Option<Revision>,
}

/// Replace a stream's settings, whole. The stream need not exist yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PutSettings<'a> {
    pub stream: StreamName<'a>,
    pub settings: Settings,
}

/// Remove a stream's events; its revisions are never used again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeleteStream<'a> {
    pub stream: StreamName<'a>,
    pub expected: Expected,
}

/// Hide one stream's events that its `max_age` has passed, by the entry's wall.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpireEvents<'a> {
    pub stream: StreamName<'a>,
}

/// Delete a bounded number of rows that nothing can read any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CleanUp {
    pub rows_max: u32,
}
