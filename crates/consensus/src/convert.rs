//! The edge to the Raft library: our types to its types and back.
//!
//! Its own encoding is used only in memory, between a proposal and the entry that the library makes of it.
//! Bytes from a disk or a peer are read with our codec.

use crate::group::GroupError;
use crate::message::{LogEntry, Message, MessageBody, Round, Vote};
use bytes::Bytes;
use format::frame::EntryKind;
use format::membership::{Change, Membership, decode_changes, encode_changes};
use model::{Index, Term};
use protobuf::Message as _;
use raft::eraftpb::{
    ConfChangeSingle, ConfChangeType, ConfChangeV2, ConfState, Entry, EntryType, Message as RaftMessage,
    MessageType,
};

pub(crate) fn to_raft(entry: LogEntry) -> Result<Entry, GroupError> {
    let mut raft = Entry { index: entry.index.0, term: entry.term.0, data: entry.data, ..Entry::default() };
    if entry.kind == EntryKind::Configuration {
        let changes = decode_changes(&raft.data).map_err(|_| GroupError::UnknownEntry)?;
        raft.entry_type = EntryType::EntryConfChangeV2;
        raft.data = to_raft_changes(&changes).write_to_bytes().map_err(|_| GroupError::UnknownEntry)?.into();
    }
    Ok(raft)
}

pub(crate) fn from_raft(entry: Entry) -> Result<LogEntry, GroupError> {
    let (index, term) = (Index(entry.index), Term(entry.term));
    let (kind, data) = match entry.entry_type {
        EntryType::EntryNormal => (EntryKind::Normal, entry.data),
        EntryType::EntryConfChangeV2 => {
            let changes = from_raft_changes(&parse_changes(&entry.data)?)?;
            (EntryKind::Configuration, Bytes::from(encode_changes(&changes)))
        }
        EntryType::EntryConfChange => return Err(GroupError::UnknownEntry),
    };
    Ok(LogEntry { index, term, kind, data })
}

/// What the library has put into a configuration entry. Empty bytes are an empty change.
pub(crate) fn parse_changes(data: &[u8]) -> Result<ConfChangeV2, GroupError> {
    let mut changes = ConfChangeV2::default();
    changes.merge_from_bytes(data).map_err(|_| GroupError::UnknownEntry)?;
    Ok(changes)
}

pub(crate) fn to_raft_changes(changes: &[Change]) -> ConfChangeV2 {
    let singles = changes.iter().map(|change| {
        let (kind, replica) = match *change {
            Change::Voter(replica) => (ConfChangeType::AddNode, replica),
            Change::Learner(replica) => (ConfChangeType::AddLearnerNode, replica),
            Change::Removed(replica) => (ConfChangeType::RemoveNode, replica),
        };
        ConfChangeSingle { change_type: kind, node_id: replica, ..ConfChangeSingle::default() }
    });
    ConfChangeV2 { changes: singles.collect::<Vec<_>>().into(), ..ConfChangeV2::default() }
}

fn from_raft_changes(changes: &ConfChangeV2) -> Result<Vec<Change>, GroupError> {
    let change = |single: &ConfChangeSingle| match single.change_type {
        ConfChangeType::AddNode => Ok(Change::Voter(single.node_id)),
        ConfChangeType::AddLearnerNode => Ok(Change::Learner(single.node_id)),
        ConfChangeType::RemoveNode => Ok(Change::Removed(single.node_id)),
    };
    changes.changes.iter().map(change).collect()
}

pub(crate) fn to_conf_state(membership: &Membership) -> ConfState {
    ConfState {
        voters: membership.voters.clone(),
        learners: membership.learners.clone(),
        voters_outgoing: membership.outgoing.clone(),
        learners_next: membership.learners_next.clone(),
        auto_leave: membership.leaves,
        ..ConfState::default()
    }
}

/// The library's sets are in no order.
pub(crate) fn from_conf_state(state: ConfState) -> Membership {
    let sorted = |mut replicas: Vec<u64>| {
        replicas.sort_unstable();
        replicas
    };
    Membership {
        voters: sorted(state.voters),
        learners: sorted(state.learners),
        outgoing: sorted(state.voters_outgoing),
        learners_next: sorted(state.learners_next),
        leaves: state.auto_leave,
    }
}

pub(crate) fn to_raft_message(message: Message) -> Result<RaftMessage, GroupError> {
    let mut raft =
        RaftMessage { from: message.from, to: message.to, term: message.term.0, ..RaftMessage::default() };
    match message.body {
        MessageBody::Append { previous, entries, commit } => {
            raft.msg_type = MessageType::MsgAppend;
            (raft.index, raft.log_term, raft.commit) = (previous.0.0, previous.1.0, commit.0);
            raft.entries = entries.into_iter().map(to_raft).collect::<Result<Vec<_>, _>>()?.into();
        }
        MessageBody::Appended { through, commit } => {
            raft.msg_type = MessageType::MsgAppendResponse;
            (raft.index, raft.commit) = (through.0, commit.0);
        }
        MessageBody::AppendRejected { at, hint, commit } => {
            raft.msg_type = MessageType::MsgAppendResponse;
            raft.reject = true;
            (raft.index, raft.commit) = (at.0, commit.0);
            (raft.reject_hint, raft.log_term) = (hint.0.0, hint.1.0);
        }
        MessageBody::Heartbeat { commit } => {
            raft.msg_type = MessageType::MsgHeartbeat;
            raft.commit = commit.0;
        }
        MessageBody::HeartbeatSeen { commit } => {
            raft.msg_type = MessageType::MsgHeartbeatResponse;
            raft.commit = commit.0;
        }
        MessageBody::VoteRequest { round, last, commit } => {
            raft.msg_type = match round {
                Round::Trial => MessageType::MsgRequestPreVote,
                Round::Election => MessageType::MsgRequestVote,
            };
            (raft.index, raft.log_term) = (last.0.0, last.1.0);
            (raft.commit, raft.commit_term) = (commit.0.0, commit.1.0);
        }
        MessageBody::VoteReply { round, vote, commit } => {
            raft.msg_type = match round {
                Round::Trial => MessageType::MsgRequestPreVoteResponse,
                Round::Election => MessageType::MsgRequestVoteResponse,
            };
            raft.reject = vote == Vote::Against;
            (raft.commit, raft.commit_term) = (commit.0.0, commit.1.0);
        }
    }
    Ok(raft)
}

/// `None` for a message of a kind that this version does not send: snapshots, and transfers of leadership.
pub(crate) fn from_raft_message(mut raft: RaftMessage) -> Result<Option<Message>, GroupError> {
    let at = |index, term| (Index(index), Term(term));
    let commit = Index(raft.commit);
    let body = match raft.msg_type {
        MessageType::MsgAppend => {
            let entries = raft.take_entries().into_iter().map(from_raft).collect::<Result<Vec<_>, _>>()?;
            MessageBody::Append { previous: at(raft.index, raft.log_term), entries, commit }
        }
        MessageType::MsgAppendResponse if raft.reject => {
            let hint = at(raft.reject_hint, raft.log_term);
            MessageBody::AppendRejected { at: Index(raft.index), hint, commit }
        }
        MessageType::MsgAppendResponse => MessageBody::Appended { through: Index(raft.index), commit },
        MessageType::MsgHeartbeat => MessageBody::Heartbeat { commit },
        MessageType::MsgHeartbeatResponse => MessageBody::HeartbeatSeen { commit },
        MessageType::MsgRequestPreVote | MessageType::MsgRequestVote => MessageBody::VoteRequest {
            round: round(raft.msg_type == MessageType::MsgRequestVote),
            last: at(raft.index, raft.log_term),
            commit: at(raft.commit, raft.commit_term),
        },
        MessageType::MsgRequestPreVoteResponse | MessageType::MsgRequestVoteResponse => {
            MessageBody::VoteReply {
                round: round(raft.msg_type == MessageType::MsgRequestVoteResponse),
                vote: if raft.reject { Vote::Against } else { Vote::For },
                commit: at(raft.commit, raft.commit_term),
            }
        }
        _ => return Ok(None),
    };
    Ok(Some(Message { from: raft.from, to: raft.to, term: Term(raft.term), body }))
}

const fn round(is_election: bool) -> Round {
    if is_election { Round::Election } else { Round::Trial }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(index: u64, term: u64) -> (Index, Term) {
        (Index(index), Term(term))
    }

    fn entries() -> Vec<LogEntry> {
        let changes = [Change::Voter(4), Change::Learner(5), Change::Removed(6)];
        let entry = |(index, term), kind, data| LogEntry { index, term, kind, data };
        vec![
            entry(at(12, 3), EntryKind::Normal, Bytes::from_static(b"data")),
            entry(at(13, 4), EntryKind::Configuration, encode_changes(&changes).into()),
            entry(at(14, 4), EntryKind::Normal, Bytes::new()),
        ]
    }

    /// Every number is another one, so that none can take the place of another.
    fn bodies() -> Vec<MessageBody> {
        let commit = Index(31);
        let mut bodies = vec![
            MessageBody::Append { previous: at(11, 2), entries: entries(), commit },
            MessageBody::Append { previous: at(11, 2), entries: Vec::new(), commit },
            MessageBody::Appended { through: Index(14), commit },
            MessageBody::AppendRejected { at: Index(11), hint: at(9, 1), commit },
            MessageBody::Heartbeat { commit },
            MessageBody::HeartbeatSeen { commit },
        ];
        for round in [Round::Trial, Round::Election] {
            bodies.push(MessageBody::VoteRequest { round, last: at(14, 4), commit: at(31, 5) });
            for vote in [Vote::For, Vote::Against] {
                bodies.push(MessageBody::VoteReply { round, vote, commit: at(31, 5) });
            }
        }
        bodies
    }

    #[test]
    fn every_message_is_the_same_after_the_library_had_it() {
        for body in bodies() {
            let message = Message { from: 21, to: 22, term: Term(23), body };
            let back = from_raft_message(to_raft_message(message.clone()).unwrap()).unwrap();
            assert_eq!(back, Some(message));
        }
    }

    #[test]
    fn every_membership_is_the_same_after_the_library_had_it() {
        for leaves in [false, true] {
            let membership = Membership {
                voters: vec![1, 2],
                learners: vec![3],
                outgoing: vec![4, 5, 6],
                learners_next: vec![7],
                leaves,
            };
            assert_eq!(from_conf_state(to_conf_state(&membership)), membership);
        }
    }

    #[test]
    fn sets_of_replicas_are_in_order_whatever_order_the_library_has_them_in() {
        let state = ConfState {
            voters: vec![2, 1],
            learners: vec![4, 3],
            voters_outgoing: vec![6, 5],
            learners_next: vec![8, 7],
            ..ConfState::default()
        };
        let membership = from_conf_state(state);
        let sets = [membership.voters, membership.learners, membership.outgoing, membership.learners_next];
        assert_eq!(sets, [[1, 2], [3, 4], [5, 6], [7, 8]]);
    }

    #[test]
    fn a_message_that_this_version_does_not_send_is_left_out_and_a_foreign_entry_is_refused() {
        let message = |msg_type| RaftMessage { msg_type, ..RaftMessage::default() };
        for unknown in [MessageType::MsgSnapshot, MessageType::MsgTransferLeader, MessageType::MsgTimeoutNow]
        {
            assert_eq!(from_raft_message(message(unknown)).unwrap(), None);
        }
        let entry = Entry { entry_type: EntryType::EntryConfChange, ..Entry::default() };
        assert!(matches!(from_raft(entry), Err(GroupError::UnknownEntry)));
        let kind = EntryKind::Configuration;
        let entry = LogEntry { index: Index(1), term: Term(1), kind, data: Bytes::from_static(b"\xff") };
        assert!(matches!(to_raft(entry), Err(GroupError::UnknownEntry)));
    }
}
