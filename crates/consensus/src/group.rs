//! The group: raft-rs behind types of our own.

use crate::recent::{LogView, LogViewError, Recent};
use bytes::Bytes;
use format::frame::HardState;
use model::{Index, Term};
use raft::eraftpb::{Entry, EntryType, HardState as RaftHardState};
use raft::{Config, RawNode, StateRole};
use std::collections::VecDeque;

/// The most bytes of committed entries that one [`Group::take`] returns, apart from the first entry. Also the
/// size of a page read from the log during a replay.
const COMMITTED_BYTES_MAX: usize = 4 << 20;

/// What a group starts from when it is opened.
#[derive(Clone, Debug)]
pub struct GroupOptions {
    /// This replica's number. It is not 0.
    pub replica: u64,
    pub voters: Vec<u64>,
    /// The last entry that the state holds.
    pub applied: (Index, Term),
    /// The last entry that the log holds, or `applied` when it holds none beyond it.
    pub logged: (Index, Term),
    pub hard_state: HardState,
}

/// Identifies one write. Tickets are in ascending order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticket(pub u64);

/// The work that the group needs done.
#[derive(Debug, Default)]
pub struct Work {
    pub write: Option<LogWrite>,
    pub committed: Vec<Committed>,
}

/// Make this durable, then report it with [`Group::synced`].
#[derive(Debug)]
pub struct LogWrite {
    pub ticket: Ticket,
    pub hard_state: Option<HardState>,
    pub entries: Vec<NewEntry>,
}

#[derive(Clone, Debug)]
pub struct NewEntry {
    pub index: Index,
    pub term: Term,
    pub data: Bytes,
}

/// An entry to apply. One without data is the group's own: the first of a leader's term.
#[derive(Clone, Debug)]
pub struct Committed {
    pub index: Index,
    pub term: Term,
    pub data: Bytes,
}

/// Why the group cannot continue. Its replica stops.
#[derive(Debug, thiserror::Error)]
pub enum GroupError {
    #[error("the log and the state do not match: {0}")]
    Inconsistent(String),
    #[error(transparent)]
    Log(#[from] LogViewError),
    #[error("the Raft library returned an error: {0}")]
    Raft(#[from] raft::Error),
    #[error("the log holds an entry of a kind that this version does not know")]
    UnknownEntry,
}

/// One group's replica.
pub struct Group {
    raft: RawNode<Recent>,
    /// The highest index that was returned as committed.
    given: u64,
    /// Writes under way: each ticket, and the number of the last Raft `Ready` that is durable together with
    /// it.
    outstanding: VecDeque<(Ticket, u64)>,
    next_ticket: u64,
    /// The latest hard state that was not written yet. If only its commit index has changed, it waits for the
    /// next write.
    unwritten: Option<HardState>,
}

impl std::fmt::Debug for Group {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Group")
            .field("given", &self.given)
            .field("outstanding", &self.outstanding)
            .finish_non_exhaustive()
    }
}

impl Group {
    /// Opens a group at the point where its log and state are.
    ///
    /// # Errors
    /// [`GroupError::Inconsistent`] when the log ends before the state, or the hard state does not match the
    /// log.
    pub fn open(options: GroupOptions) -> Result<Self, GroupError> {
        let (applied, logged) = (options.applied, options.logged);
        if logged.0 < applied.0 {
            return Err(GroupError::Inconsistent(format!(
                "the state is at entry {}, but the log ends at entry {}",
                applied.0, logged.0
            )));
        }
        let hard_state = options.hard_state;
        if hard_state.commit > logged.0 || hard_state.term < logged.1 {
            return Err(GroupError::Inconsistent(format!(
                "the log ends at entry {} of term {}, but its hard state has commit {} and term {}",
                logged.0, logged.1, hard_state.commit, hard_state.term
            )));
        }
        // The stored commit index lags, because it is only written with the next write. But everything
        // applied was committed.
        let raft_hard_state = RaftHardState {
            term: hard_state.term.0,
            vote: hard_state.vote,
            commit: hard_state.commit.0.max(applied.0.0),
            ..RaftHardState::default()
        };
        let config = Config {
            id: options.replica,
            applied: applied.0.0,
            max_size_per_msg: 1 << 20,
            max_committed_size_per_ready: COMMITTED_BYTES_MAX as u64,
            check_quorum: true,
            pre_vote: true,
            batch_append: true,
            ..Config::default()
        };
        let recent = Recent::new(
            (applied.0.0, applied.1.0),
            (logged.0.0, logged.1.0),
            raft_hard_state,
            options.voters,
        );
        let logger = slog::Logger::root(slog::Discard, slog::o!());
        Ok(Self {
            raft: RawNode::new(&config, recent, &logger)?,
            given: applied.0.0,
            outstanding: VecDeque::new(),
            next_ticket: 1,
            unwritten: None,
        })
    }

    /// Campaigns at once. A group of one then leads once its next write is durable.
    ///
    /// # Errors
    /// [`GroupError::Raft`].
    pub fn campaign(&mut self) -> Result<(), GroupError> {
        Ok(self.raft.campaign()?)
    }

    #[must_use]
    pub fn is_leader(&self) -> bool {
        self.raft.raft.state == StateRole::Leader
    }

    #[must_use]
    pub fn term(&self) -> Term {
        Term(self.raft.raft.term)
    }

    /// Appends an entry to the log and returns its index.
    ///
    /// # Errors
    /// [`GroupError::Raft`], also when this replica is not the leader.
    pub fn propose(&mut self, data: Bytes) -> Result<Index, GroupError> {
        let mut message = raft::eraftpb::Message { from: self.raft.raft.id, ..Default::default() };
        message.set_msg_type(raft::eraftpb::MessageType::MsgPropose);
        message.set_entries(vec![Entry { data, ..Entry::default() }].into());
        self.raft.raft.step(message)?;
        Ok(Index(self.raft.raft.raft_log.last_index()))
    }

    /// Everything written under `ticket` is durable.
    pub fn synced(&mut self, ticket: Ticket) {
        let mut number = None;
        while let Some(&(first, up_to)) = self.outstanding.front() {
            if first > ticket {
                break;
            }
            number = Some(up_to);
            self.outstanding.pop_front();
        }
        if let Some(number) = number {
            self.raft.on_persist_ready(number);
        }
    }

    /// Everything up to `index` is in the state, so the group need not keep it in memory.
    pub fn applied(&mut self, index: Index) {
        self.raft.advance_apply_to(index.0);
        self.raft.mut_store().applied(index.0);
    }

    /// The work to do now. Call this until it returns `None`. `log` is read only during a replay.
    ///
    /// # Errors
    /// The replica stops.
    pub fn take(&mut self, log: &impl LogView) -> Result<Option<Work>, GroupError> {
        self.page_in(log)?;
        if !self.raft.has_ready() {
            return Ok(None);
        }
        let mut ready = self.raft.ready();
        let number = ready.number();
        if let Some(changed) = ready.hs() {
            self.unwritten = Some(HardState {
                term: Term(changed.term),
                vote: changed.vote,
                commit: Index(changed.commit),
            });
        }
        let committed = ready.take_committed_entries();
        let entries = ready.take_entries();
        let must_write = ready.must_sync();
        self.raft.mut_store().append(&entries);
        self.raft.advance_append_async(ready);
        let write = if must_write { Some(self.write(number, entries)) } else { self.no_write(number) };
        Ok(Some(Work { write, committed: self.committed(committed)? }))
    }

    fn write(&mut self, number: u64, entries: Vec<Entry>) -> LogWrite {
        let ticket = Ticket(self.next_ticket);
        self.next_ticket += 1;
        self.outstanding.push_back((ticket, number));
        let entries =
            entries.into_iter().map(|e| NewEntry { index: Index(e.index), term: Term(e.term), data: e.data });
        LogWrite { ticket, hard_state: self.unwritten.take(), entries: entries.collect() }
    }

    /// A change that needs no write of its own counts as durable together with the write before it.
    fn no_write(&mut self, number: u64) -> Option<LogWrite> {
        match self.outstanding.back_mut() {
            Some((_, up_to)) => *up_to = number,
            None => self.raft.on_persist_ready(number),
        }
        None
    }

    fn committed(&mut self, entries: Vec<Entry>) -> Result<Vec<Committed>, GroupError> {
        let mut committed = Vec::with_capacity(entries.len());
        for entry in entries {
            if entry.get_entry_type() != EntryType::EntryNormal {
                return Err(GroupError::UnknownEntry);
            }
            self.given = entry.index;
            committed.push(Committed { index: Index(entry.index), term: Term(entry.term), data: entry.data });
        }
        Ok(committed)
    }

    /// raft-rs panics when it cannot read its log, so the entries that it needs next are read in advance.
    fn page_in(&mut self, log: &impl LogView) -> Result<(), GroupError> {
        let needed = self.given + 1;
        let committed = self.raft.raft.raft_log.committed;
        if needed > committed {
            return Ok(());
        }
        let Some(from) = self.raft.store().missing(needed) else { return Ok(()) };
        let page = log.entries(Index(from), COMMITTED_BYTES_MAX)?;
        if page.first().is_none_or(|(index, _, _)| index.0 != from) {
            return Err(GroupError::Inconsistent(format!("entry {from} is not in the log")));
        }
        self.raft.mut_store().page_in(page.into_iter().map(|(index, term, data)| Entry {
            index: index.0,
            term: term.0,
            data: data.into(),
            ..Entry::default()
        }));
        Ok(())
    }
}
