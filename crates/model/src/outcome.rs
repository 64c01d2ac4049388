//! What a shard answers to a command, and what it leaves for the node to do.

use crate::ids::{Cursor, Elapsed, Position, Revision, Slot, Wall};
use alloc::vec::Vec;

/// The answer to a command: a value, the same on every replica and in every replay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Appended(Appended),
    Transacted {
        /// The whole answer was given again from an idempotency record, or every event was there already.
        replayed: bool,
        /// One a write, in their order.
        writes: Vec<Appended>,
    },
    /// Settings are in force; what they remove is no longer readable.
    SettingsPut,
    /// The stream's events are gone. `last` is its last revision; null when it had none or was gone already.
    StreamDeleted {
        last: Option<Revision>,
    },
    /// An internal command did its step; `more` says whether another is due at once.
    Progressed {
        more: bool,
    },
    Refused(Refusal),
}

/// Where a batch went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Appended {
    pub slot: Slot,
    /// One an event, in their order.
    pub events: Vec<AppendedEvent>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AppendedEvent {
    pub revision: Revision,
    pub position: Position,
    /// It was there already: nothing was appended for it.
    pub replayed: bool,
}

impl Appended {
    #[must_use]
    pub fn all_replayed(&self) -> bool {
        self.events.iter().all(|event| event.replayed)
    }

    #[must_use]
    pub fn cursor(&self, event: AppendedEvent) -> Cursor {
        Cursor::new(event.position, self.slot)
    }
}

/// The domain said no. Nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The stream is not at the expected revision; `current` is its last, null when it does not exist.
    /// `part` counts the transaction's checks, then its writes, from 0 (0 for a plain append).
    WrongRevision { part: u32, current: Option<Revision> },
    /// The stream holds an event with this `source` and `id` and other content, or the request holds two.
    /// `write` and `event` are counted from 0.
    EventConflict { write: u32, event: u32, revision: Option<Revision> },
    /// An earlier request with this key took effect, and this one differs from it.
    KeyConflict { differs: KeyDifference },
    /// The store of idempotency records is full.
    KeysFull,
    /// `truncate_before` lies beyond the stream's next revision.
    TruncateBeyondEnd { next: Revision },
    /// The entry's behaviour does not know this command.
    Unsupported,
    /// The stream has no revision left to give (2^63).
    StreamFull,
}

/// In what a request differs from the one that its idempotency key was first used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyDifference {
    /// In its events or streams, whatever its preconditions.
    Content,
    /// Only in its preconditions: expected revisions, or the checks of a transaction.
    Precondition,
}

/// Work that a shard leaves to its node. Safe to repeat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// The events at these positions are gone from the state for good: their bodies may be removed from
    /// disk. Pairs of position and the body's stored bytes are found by the body store itself.
    BodiesRemoved { positions: Vec<Position> },
    /// Rows remain to be cleaned up: propose [`crate::CleanUp`].
    CleanUpDue,
    /// Timers were set; these are the earliest of them. A deadline may be gone again when it comes.
    TimersSet { wall: Option<Wall>, elapsed: Option<Elapsed> },
}
