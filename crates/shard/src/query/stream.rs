//! Where one stream stands.

use crate::heads::Head;
use model::{Namespace, Position, Revision, Settings, Slot, StreamName, View, ViewError};

/// Whether a stream is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// It was never appended to.
    Never,
    Exists,
    /// It was deleted, and not appended to since.
    Deleted,
}

/// One stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamState {
    pub slot: Slot,
    pub presence: Presence,
    /// The first kept revision; equal to `next` when nothing is kept.
    pub first: Revision,
    /// The revision that the next event gets.
    pub next: Revision,
    /// The greatest position of an event that was removed; zero when none was.
    pub removed_through: Position,
    pub settings: Settings,
}

impl StreamState {
    /// The last revision, if the stream exists; that event itself may have been removed.
    #[must_use]
    pub fn last(&self) -> Option<Revision> {
        (self.presence == Presence::Exists).then(|| Revision(self.next.0.saturating_sub(1)))
    }

    pub(super) fn of(slot: Slot, head: Option<&Head>) -> Self {
        let Some(head) = head else {
            return Self {
                slot,
                presence: Presence::Never,
                first: Revision::FIRST,
                next: Revision::FIRST,
                removed_through: Position::ZERO,
                settings: Settings::default(),
            };
        };
        let presence = if head.exists() {
            Presence::Exists
        } else if head.row.deleted {
            Presence::Deleted
        } else {
            Presence::Never
        };
        Self {
            slot,
            presence,
            first: head.row.first,
            next: head.next,
            removed_through: head.row.removed_through,
            settings: head.row.settings,
        }
    }
}

/// Reads where a stream stands. One that is not there is an answer, not an error.
///
/// # Errors
/// [`ViewError`].
pub fn stream(view: &impl View, name: &StreamName<'_>) -> Result<StreamState, ViewError> {
    let slot = name.slot(Namespace::ROOT);
    let head = Head::load(view, slot, name.as_str())?;
    Ok(StreamState::of(slot, head.as_ref()))
}
