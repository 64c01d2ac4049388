//! One stream's revisions and settings.

use crate::heads::Head;
use model::{Namespace, Position, Revision, Settings, Slot, StreamName, View, ViewError};

/// Whether a stream exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// The stream was never appended to.
    Never,
    Exists,
    /// The stream was deleted, and nothing was appended since.
    Deleted,
}

/// One stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamState {
    pub slot: Slot,
    pub presence: Presence,
    /// The first kept revision, or `next` when no event is kept.
    pub first: Revision,
    /// The revision that the next event gets.
    pub next: Revision,
    /// The greatest position of a removed event; zero when none was removed.
    pub removed_through: Position,
    pub settings: Settings,
}

impl StreamState {
    /// The last revision, if the stream exists. The event itself may have been removed.
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

/// Reads one stream. A stream that does not exist is a result, not an error.
///
/// # Errors
/// [`ViewError`].
pub fn stream(view: &impl View, name: &StreamName<'_>) -> Result<StreamState, ViewError> {
    let slot = name.slot(Namespace::ROOT);
    let head = Head::load(view, slot, name.as_str())?;
    Ok(StreamState::of(slot, head.as_ref()))
}
