//! The boundary between a node and the engine that keeps its state: entries go in, durable outcomes come out,
//! and the state as of the last applied entry can be read.
//!
//! The built-in engine writes its Raft log first and applies afterwards. The trait also fits an engine that
//! applies first, over a view of a database, and then stores the entry and its write set in one guarded
//! transaction there. Such an engine settles entries as [`EntryResult::Fenced`], [`EntryResult::Unknown`] or
//! [`EntryResult::TooLarge`], which a local log never does. With either kind, outcomes and effects leave the
//! node only after [`EntryResult::Durable`].
//!
//! An engine with several replicas gives messages to send as part of its work, and takes in those that
//! arrive. It counts time in ticks.

use bytes::Bytes;
use model::{Absent, Cursor, Effect, EntryClock, Index, Outcome, Position, SlotRange, Term, View, ViewError};
use std::error::Error;

/// Makes entries durable and keeps the state.
pub trait Engine {
    /// The state as of one applied entry.
    type View: View;
    /// Work that the engine needs the runtime to do.
    type Io;
    /// The report that one piece of that work has ended.
    type Completion;
    /// What another replica sends.
    type Message;

    /// The slots of the shard whose entries these are.
    fn slots(&self) -> SlotRange;

    /// The state as of the last applied entry. If it does not have some rows at hand, the node asks for them
    /// with [`Self::load`].
    fn view(&self) -> &Self::View;

    /// Fetches rows that the view does not have at hand. [`Polled::Loaded`] follows.
    ///
    /// # Errors
    /// The node stops.
    fn load(&mut self, absent: Vec<Absent>) -> Result<(), EngineError>;

    /// Starts recovery of what is durable, and then takes the lead. [`Polled::Leading`] follows once both are
    /// done.
    ///
    /// # Errors
    /// The node stops.
    fn start(&mut self) -> Result<(), EngineError>;

    /// Whether the next entry may be proposed now. Until then the node adds requests to its open batch.
    fn can_propose(&self) -> bool;

    /// Proposes an entry. [`Polled::Settled`] follows with the id returned here, unless [`Polled::Following`]
    /// comes first: then the outcome is unknown. `None`: the entry was dropped and changes nothing.
    ///
    /// # Errors
    /// The node stops.
    fn propose(&mut self, entry: Bytes) -> Result<Option<EntryId>, EngineError>;

    /// Reports that a piece of work has ended.
    ///
    /// # Errors
    /// The node stops, because the failure cannot be repaired by continuing.
    fn complete(&mut self, completion: Self::Completion) -> Result<(), EngineError>;

    /// A message has arrived from another replica.
    ///
    /// # Errors
    /// The node stops.
    fn receive(&mut self, message: Self::Message) -> Result<(), EngineError>;

    /// How many milliseconds lie between two calls of [`Self::tick`]. `None`: none are needed now.
    fn tick_ms(&self) -> Option<u64>;

    /// The time of a tick has passed.
    fn tick(&mut self);

    /// Tells the engine whether the disk has space. While space is low, the node proposes nothing new, but
    /// the engine may still finish what it has begun.
    fn set_disk_space(&mut self, space: &DiskSpace);

    /// Asks for a flush soon, even if little has accumulated since the last one, because removed data can
    /// leave the disk only after a flush.
    fn flush_soon(&mut self);

    /// An archive has all entries through this one, and reads those after it. `None`: no archive reads. An engine
    /// whose log others keep may ignore this.
    fn archived(&mut self, through: Option<Index>);

    /// Adds the work that is due to `io`, until something happens that the node must know about, and returns
    /// that. Call it until it returns [`Polled::Idle`], [`Polled::More`] or [`Polled::Stopped`].
    ///
    /// # Errors
    /// The node stops. The work added to `io` before the error must still be done.
    fn poll(&mut self, io: &mut Vec<Self::Io>) -> Result<Polled, EngineError>;

    /// Nothing more will be proposed. The engine makes the state durable, and then [`Self::poll`] returns
    /// [`Polled::Stopped`].
    fn stop(&mut self);
}

/// Whether the disk has space for more data.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum DiskSpace {
    #[default]
    Enough,
    /// The node is read-only. `why` is a sentence for the operator.
    Low { why: String },
}

/// Identifies an entry. If two leaders proposed entries with the same index, their terms differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct EntryId {
    pub index: Index,
    pub term: Term,
}

/// Why [`Engine::poll`] returned.
#[derive(Debug)]
pub enum Polled {
    /// From now on, entries may be proposed. `clock` is the clock of the last applied entry, and `last` the
    /// last position that was assigned.
    Leading { clock: EntryClock, last: Position, replayed_entries: u64 },
    /// Another replica leads or may lead. Proposed entries that were not settled may still become durable.
    Following,
    /// The view has the rows at hand that [`Engine::load`] asked for.
    Loaded,
    /// The result of an entry is known. The entry may be another replica's.
    Settled { entry: EntryId, result: EntryResult },
    /// There is more to do: poll again after the work so far has been handed out.
    More,
    /// Nothing is left to do for now.
    Idle,
    /// Everything is durable. The next start replays nothing, unless the disk had no space for the final
    /// flush.
    Stopped,
}

/// What happened to an entry.
#[derive(Debug)]
pub enum EntryResult {
    Durable {
        outcomes: Vec<Outcome>,
        effects: Vec<Effect>,
        /// The greatest cursor it appended; `None` if it appended no event.
        last: Option<Cursor>,
    },
    /// Another leader took over before the entry was stored: it changed nothing here.
    Fenced,
    /// The entry may or may not have become durable.
    Unknown,
    /// The engine's store cannot hold an entry of this size. It changed nothing.
    TooLarge,
}

/// Why an engine cannot continue. The node stops.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct EngineError(Box<dyn Error + Send + Sync>);

impl EngineError {
    /// Wraps an engine's own error, or a message.
    pub fn new(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self(source.into())
    }
}

impl From<ViewError> for EngineError {
    fn from(error: ViewError) -> Self {
        Self::new(error)
    }
}
