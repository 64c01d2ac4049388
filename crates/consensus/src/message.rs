//! What the replicas of a group tell each other, and the entries in it.

use bytes::Bytes;
use format::frame::EntryKind;
use model::{Index, Term};

/// An entry of a group's log. The data of a configuration entry is encoded as in [`format::membership`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogEntry {
    pub index: Index,
    pub term: Term,
    pub kind: EntryKind,
    pub data: Bytes,
}

/// A message from one replica to another of the same group. It may be lost, delayed or repeated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    pub from: u64,
    pub to: u64,
    /// The sender's term. In a trial round, the term that the candidate would have.
    pub term: Term,
    pub body: MessageBody,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MessageBody {
    /// From the leader: entries that follow `previous`, and how far its log is committed.
    Append {
        previous: (Index, Term),
        entries: Vec<LogEntry>,
        commit: Index,
    },
    /// The log is durable through this entry, and the same as the leader's.
    Appended {
        through: Index,
        commit: Index,
    },
    /// The log has no such `previous`. The leader may try again at `hint`.
    AppendRejected {
        at: Index,
        hint: (Index, Term),
        commit: Index,
    },
    /// From the leader: it still leads.
    Heartbeat {
        commit: Index,
    },
    HeartbeatSeen {
        commit: Index,
    },
    /// From a candidate, whose log ends with `last`.
    VoteRequest {
        round: Round,
        last: (Index, Term),
        commit: (Index, Term),
    },
    VoteReply {
        round: Round,
        vote: Vote,
        commit: (Index, Term),
    },
}

/// A candidate first asks whether it would win. Only then does it begin a term, so that a replica that was
/// cut off does not disturb the others when it returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Round {
    Trial,
    Election,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Vote {
    For,
    Against,
}
