//! Which replicas a group has, and how that changes.
//!
//! ```text
//! membership = 1u8, voters, learners, outgoing, learners next, leaves u8
//! change     = 1u8, changes: count varint, (tag u8, replica u64)*
//! ```
//!
//! Each set of replicas is a varint count and as many u64, in ascending order. A change is the content of a
//! configuration entry. The membership as of the last applied entry is a row of the state (see
//! [`crate::row::membership_key`]), so it outlives the configuration entries that led to it.

use crate::wire::{FormatError, Reader, Writer};
use alloc::vec::Vec;

const FORMAT: u8 = 1;
const REPLICA_BYTES: usize = 8;
const CHANGE_BYTES: usize = 9;

/// Numbers that never change.
mod tag {
    pub(super) const VOTER: u8 = 1;
    pub(super) const LEARNER: u8 = 2;
    pub(super) const REMOVED: u8 = 3;
}

/// A group's replicas.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Membership {
    pub voters: Vec<u64>,
    /// Replicas that receive entries but do not vote.
    pub learners: Vec<u64>,
    /// During a change: the voters before it. Decisions then need a quorum of both sets.
    pub outgoing: Vec<u64>,
    /// During a change: voters before it that will be learners after it.
    pub learners_next: Vec<u64>,
    /// During a change: the leader ends it as soon as it has begun everywhere.
    pub leaves: bool,
}

/// A change of one replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    Voter(u64),
    Learner(u64),
    Removed(u64),
}

impl Membership {
    /// A group with these voters and no other replicas.
    #[must_use]
    pub fn of_voters(voters: impl Into<Vec<u64>>) -> Self {
        Self { voters: voters.into(), ..Self::default() }
    }

    /// Whether the group consists of one replica, which decides alone.
    #[must_use]
    pub fn is_single(&self) -> bool {
        self.voters.len() == 1 && self.learners.is_empty() && self.outgoing.is_empty()
    }

    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let mut writer = Writer::new(&mut out);
        writer.u8(FORMAT);
        for set in [&self.voters, &self.learners, &self.outgoing, &self.learners_next] {
            writer.varint(set.len() as u64);
            set.iter().for_each(|replica| writer.u64(*replica));
        }
        writer.u8(u8::from(self.leaves));
        out
    }

    /// # Errors
    /// [`FormatError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        let mut reader = begin(bytes)?;
        let membership = Self {
            voters: replicas(&mut reader)?,
            learners: replicas(&mut reader)?,
            outgoing: replicas(&mut reader)?,
            learners_next: replicas(&mut reader)?,
            leaves: match reader.u8()? {
                0 => false,
                1 => true,
                other => return Err(FormatError::invalid("flag", u64::from(other))),
            },
        };
        reader.end()?;
        Ok(membership)
    }
}

/// The content of a configuration entry. Without changes, it ends the change that is under way.
#[must_use]
pub fn encode_changes(changes: &[Change]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut writer = Writer::new(&mut out);
    writer.u8(FORMAT);
    writer.varint(changes.len() as u64);
    for change in changes {
        let (tag, replica) = match *change {
            Change::Voter(replica) => (tag::VOTER, replica),
            Change::Learner(replica) => (tag::LEARNER, replica),
            Change::Removed(replica) => (tag::REMOVED, replica),
        };
        writer.u8(tag);
        writer.u64(replica);
    }
    out
}

/// # Errors
/// [`FormatError`].
pub fn decode_changes(bytes: &[u8]) -> Result<Vec<Change>, FormatError> {
    let mut reader = begin(bytes)?;
    let count = reader.count(CHANGE_BYTES)?;
    let mut changes = Vec::with_capacity(count);
    for _ in 0..count {
        let (tag, replica) = (reader.u8()?, reader.u64()?);
        changes.push(match tag {
            tag::VOTER => Change::Voter(replica),
            tag::LEARNER => Change::Learner(replica),
            tag::REMOVED => Change::Removed(replica),
            other => return Err(FormatError::invalid("change of membership", u64::from(other))),
        });
    }
    reader.end()?;
    Ok(changes)
}

fn begin(bytes: &[u8]) -> Result<Reader<'_>, FormatError> {
    let mut reader = Reader::new(bytes);
    match reader.u8()? {
        FORMAT => Ok(reader),
        other => Err(FormatError::invalid("membership format", u64::from(other))),
    }
}

fn replicas(reader: &mut Reader<'_>) -> Result<Vec<u64>, FormatError> {
    let count = reader.count(REPLICA_BYTES)?;
    let mut replicas = Vec::with_capacity(count);
    for _ in 0..count {
        let replica = reader.u64()?;
        // The Raft library reserves 0, and a set holds a replica once.
        if replica == 0 || replicas.last().is_some_and(|last| *last >= replica) {
            return Err(FormatError::invalid("replica", replica));
        }
        replicas.push(replica);
    }
    Ok(replicas)
}
