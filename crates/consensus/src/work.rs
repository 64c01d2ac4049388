//! What a group needs done.

use crate::message::{LogEntry, Message};
use bytes::Bytes;
use format::frame::HardState;
use format::membership::Membership;
use model::{Index, Term};

/// Identifies one write. Tickets are in ascending order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticket(pub u64);

/// The work that the group needs done.
#[derive(Debug, Default)]
pub struct Work {
    pub write: Option<LogWrite>,
    /// Messages to other replicas, to be sent now. Those that promise something durable come only after it
    /// is.
    pub messages: Vec<Message>,
    pub committed: Vec<Committed>,
}

/// Make this durable, then report it with [`Group::synced`].
#[derive(Debug)]
pub struct LogWrite {
    pub ticket: Ticket,
    pub hard_state: Option<HardState>,
    /// They replace all entries from the first of them on.
    pub entries: Vec<LogEntry>,
}

/// An entry to apply.
#[derive(Clone, Debug)]
pub struct Committed {
    pub index: Index,
    pub term: Term,
    /// Empty in the group's own entries: the first of a leader's term, and those of configuration.
    pub data: Bytes,
    /// The replicas from this entry on, if it is one of configuration. Store it in the same batch as the
    /// applied index.
    pub membership: Option<Membership>,
}
