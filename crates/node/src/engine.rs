//! The seam between a node and what keeps its state: entries in, durable outcomes out, and ordered reads at
//! the last applied entry.
//!
//! The engine built in writes its Raft log first and applies then. The seam also admits an engine that
//! applies first, on a view of a database, and then persists entry and write set in one guarded transaction
//! there: it then answers [`Verdict::Fenced`], [`Verdict::Unknown`] or [`Verdict::Refused`] where a local
//! log cannot. Either way effects and answers leave only with [`Verdict::Durable`].

use bytes::Bytes;
use model::{Cursor, Effect, EntryClock, Index, Outcome, View};

/// What makes an entry durable and keeps the state.
pub trait Engine {
    type View: View;
    /// Work that the engine asks the runtime for.
    type Io;
    /// What comes back of that work.
    type Completion;

    /// The state at the last applied entry.
    fn view(&self) -> &Self::View;

    /// Begins: recovers what is durable and takes the lead, if it can.
    ///
    /// # Errors
    /// The node stops.
    fn start(&mut self) -> Result<(), EngineError>;

    /// Whether the next entry may be proposed now. Until then a node gathers its batch.
    fn has_room(&self) -> bool;

    /// Puts an entry on its way. Settled later under the returned index.
    ///
    /// # Errors
    /// The node stops.
    fn propose(&mut self, entry: Bytes) -> Result<Index, EngineError>;

    /// Takes note of finished work.
    ///
    /// # Errors
    /// The node stops: what failed cannot be repaired by going on.
    fn complete(&mut self, completion: Self::Completion) -> Result<(), EngineError>;

    /// Says what is to be done and what is settled, in order.
    ///
    /// # Errors
    /// The node stops.
    fn poll(&mut self, out: &mut Vec<EngineOutput<Self::Io>>) -> Result<(), EngineError>;

    /// Nothing more will be proposed: make the state durable, then say [`EngineOutput::Stopped`].
    fn stop(&mut self);
}

#[derive(Debug)]
pub enum EngineOutput<Io> {
    Io(Io),
    /// Entries may be proposed from now on; they follow an entry with this clock.
    Leading {
        clock: EntryClock,
        replayed_entries: u64,
    },
    /// An entry's fate is known.
    Settled {
        index: Index,
        verdict: Verdict,
    },
    /// More waits: obey what came so far, then poll again.
    More,
    /// Everything is durable; the next start replays nothing, unless there was no room for a last flush.
    Stopped,
}

/// What became of an entry.
#[derive(Debug)]
pub enum Verdict {
    Durable {
        outcomes: Vec<Outcome>,
        effects: Vec<Effect>,
        /// The greatest cursor it appended.
        last: Option<Cursor>,
    },
    /// Another leader has taken over: nothing of the entry happened here.
    Fenced,
    /// It may or may not have become durable.
    Unknown,
    /// The engine cannot take it (too large for its store); nothing happened.
    Refused,
}

/// The engine cannot go on, and so the node cannot.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    #[error(transparent)]
    Group(#[from] consensus::GroupError),
    #[error(transparent)]
    State(#[from] storage::state::StateError),
    #[error("an entry of the log cannot be read: {0}")]
    Entry(String),
    #[error("the state cannot be read: {0}")]
    View(#[from] model::ViewError),
    #[error("{0}")]
    Disk(String),
}
