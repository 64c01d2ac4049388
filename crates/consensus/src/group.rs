//! The group: raft-rs behind types of our own.

use crate::convert::{
    from_conf_state, from_raft, from_raft_message, parse_changes, to_raft, to_raft_changes, to_raft_message,
};
use crate::message::{Message, MessageBody};
use crate::options::GroupOptions;
use crate::recent::{LogView, LogViewError, Recent};
use crate::work::{Committed, LogWrite, Ticket, Work};
use bytes::Bytes;
use format::frame::HardState;
use format::membership::{Change, Membership};
use model::{Index, Term};
use protobuf::Message as _;
use raft::eraftpb::{Entry, EntryType, HardState as RaftHardState, Message as RaftMessage, MessageType};
use raft::{Config, RawNode, StateRole};
use std::collections::VecDeque;

/// The most bytes of committed entries that one [`Group::take`] returns, apart from the first entry. Also the
/// size of a page read from the log during a replay.
const COMMITTED_BYTES_MAX: usize = 4 << 20;
/// The most bytes of entries in one message, apart from the first entry.
const MESSAGE_BYTES_MAX: usize = 256 << 10;
/// How many messages with entries may be under way to one follower.
const MESSAGES_MAX: usize = 64;
/// A follower that has not heard from a leader for this many ticks, or up to twice as many, asks for votes;
/// see [`election_ticks`].
const ELECTION_TICKS: usize = 10;
const HEARTBEAT_TICKS: usize = 2;

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
    membership: Membership,
    /// The highest index that was returned as committed.
    given: u64,
    applied: u64,
    /// Whether to campaign once everything known to be committed is applied.
    campaigns: bool,
    /// Writes under way, oldest first.
    outstanding: VecDeque<Outstanding>,
    next_ticket: u64,
    /// The latest hard state that was not written yet. If only its commit index has changed, it waits for the
    /// next write.
    unwritten: Option<HardState>,
    messages: Vec<Message>,
}

#[derive(Debug)]
struct Outstanding {
    ticket: Ticket,
    /// The number of the last Raft `Ready` that is durable together with the write.
    ready: u64,
    /// To be sent once it is.
    messages: Vec<Message>,
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
        options.check()?;
        let (applied, hard_state) = (options.applied.0.0, options.hard_state);
        // The stored commit index lags, because it is only written with the next write. But everything
        // applied was committed.
        let raft_hard_state = RaftHardState {
            term: hard_state.term.0,
            vote: hard_state.vote,
            commit: hard_state.commit.0.max(applied),
            ..RaftHardState::default()
        };
        let config = Config {
            id: options.replica,
            applied,
            election_tick: ELECTION_TICKS,
            heartbeat_tick: HEARTBEAT_TICKS,
            max_size_per_msg: MESSAGE_BYTES_MAX as u64,
            max_inflight_msgs: MESSAGES_MAX,
            max_committed_size_per_ready: COMMITTED_BYTES_MAX as u64,
            check_quorum: true,
            pre_vote: true,
            batch_append: true,
            ..Config::default()
        };
        let membership = options.membership.clone();
        let recent = Recent::new(options, raft_hard_state);
        let logger = slog::Logger::root(slog::Discard, slog::o!());
        Ok(Self {
            raft: RawNode::new(&config, recent, &logger)?,
            membership,
            given: applied,
            applied,
            campaigns: false,
            outstanding: VecDeque::new(),
            next_ticket: 1,
            unwritten: None,
            messages: Vec::new(),
        })
    }

    /// Campaigns as soon as everything known to be committed is applied: an entry of configuration among that
    /// may decide whose votes count. A group of one then leads once its next write is durable.
    pub fn campaign(&mut self) {
        self.campaigns = true;
    }

    #[must_use]
    pub fn is_leader(&self) -> bool {
        self.raft.raft.state == StateRole::Leader
    }

    #[must_use]
    pub fn term(&self) -> Term {
        Term(self.raft.raft.term)
    }

    /// The replicas as of the last entry that was returned as committed.
    #[must_use]
    pub fn membership(&self) -> &Membership {
        &self.membership
    }

    /// The last entry that every other replica is known to have; `None` unless this replica leads others.
    #[must_use]
    pub fn lowest_match(&self) -> Option<Index> {
        let raft = &self.raft.raft;
        let others = raft.prs().iter().filter(|(id, _)| **id != raft.id);
        let lowest = others.map(|(_, progress)| Index(progress.matched)).min();
        lowest.filter(|_| self.is_leader())
    }

    /// Appends an entry to the log and returns its index and term. `None`: the entry was dropped, because
    /// this replica does not lead.
    ///
    /// # Errors
    /// [`GroupError::Raft`].
    pub fn propose(&mut self, data: Bytes) -> Result<Option<(Index, Term)>, GroupError> {
        self.propose_entry(Entry { data, ..Entry::default() })
    }

    /// Appends a configuration entry. As long as another one is not applied, this one becomes an empty entry.
    ///
    /// # Errors
    /// [`GroupError::Raft`].
    pub fn propose_change(&mut self, changes: &[Change]) -> Result<Option<(Index, Term)>, GroupError> {
        let data = to_raft_changes(changes).write_to_bytes().map_err(|_| GroupError::UnknownEntry)?;
        let entry_type = EntryType::EntryConfChangeV2;
        self.propose_entry(Entry { entry_type, data: data.into(), ..Entry::default() })
    }

    fn propose_entry(&mut self, entry: Entry) -> Result<Option<(Index, Term)>, GroupError> {
        if !self.is_leader() {
            return Ok(None);
        }
        let mut message = RaftMessage { from: self.raft.raft.id, ..RaftMessage::default() };
        message.set_msg_type(MessageType::MsgPropose);
        message.set_entries(vec![entry].into());
        match self.raft.raft.step(message) {
            Ok(()) => Ok(Some((Index(self.raft.raft.raft_log.last_index()), self.term()))),
            Err(raft::Error::ProposalDropped) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// A message from another replica has arrived. One that cannot be right is dropped.
    ///
    /// # Errors
    /// [`GroupError::Inconsistent`]: the sender has committed other entries than this replica.
    pub fn receive(&mut self, message: Message) -> Result<(), GroupError> {
        if !self.is_plausible(&message)? {
            return Ok(());
        }
        match self.raft.step(to_raft_message(message)?) {
            // From a replica that is no longer in the group.
            Ok(()) | Err(raft::Error::StepPeerNotFound) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Whether the Raft library accepts the message. It panics on some that a correct replica never sends.
    fn is_plausible(&self, message: &Message) -> Result<bool, GroupError> {
        let (last, committed) = (self.raft.raft.raft_log.last_index(), self.raft.raft.raft_log.committed);
        let addressed = message.to == self.raft.raft.id && message.from != message.to && message.term.0 > 0;
        let possible = match &message.body {
            MessageBody::Append { previous, entries, .. } => {
                let mut next = previous.0.0;
                for entry in entries {
                    next = next.saturating_add(1);
                    let known = self.raft.store().term_at(entry.index);
                    let differs = known.is_some_and(|term| term != entry.term);
                    if entry.index.0 <= committed && differs && message.term >= self.term() {
                        let why = format!("replica {} has another entry {}", message.from, entry.index);
                        return Err(GroupError::Inconsistent(why));
                    }
                    if entry.index.0 != next {
                        return Ok(false);
                    }
                }
                true
            }
            MessageBody::Heartbeat { commit } => commit.0 <= last,
            MessageBody::Appended { through, .. } => through.0 <= last || message.term < self.term(),
            _ => true,
        };
        Ok(addressed && possible)
    }

    /// A tick has passed. Elections and heartbeats count in ticks. A group of one needs none.
    pub fn tick(&mut self) {
        // Before it asks for votes, a replica applies everything known to be committed; see `campaign`.
        if self.is_leader() || self.has_applied_committed() {
            let raft = &mut self.raft.raft;
            raft.set_randomized_election_timeout(election_ticks(raft.id, raft.term));
            raft.tick();
        }
    }

    /// Everything written under `ticket` is durable.
    pub fn synced(&mut self, ticket: Ticket) {
        let mut ready = None;
        while self.outstanding.front().is_some_and(|first| first.ticket <= ticket) {
            if let Some(done) = self.outstanding.pop_front() {
                ready = Some(done.ready);
                self.messages.extend(done.messages);
            }
        }
        if let Some(ready) = ready {
            self.raft.on_persist_ready(ready);
        }
    }

    /// Everything up to `index` is in the state, so the group need not keep it in memory.
    pub fn applied(&mut self, index: Index) {
        self.applied = index.0;
        self.raft.advance_apply_to(index.0);
        self.raft.mut_store().applied(index.0);
    }

    /// The log no longer holds the entries up to here.
    pub fn purged(&mut self, through: Index) {
        self.raft.mut_store().purged(through);
    }

    /// The work to do now. Call this until it returns `None`. `log` is read only during a replay, and for
    /// followers that lag.
    ///
    /// # Errors
    /// The replica stops.
    pub fn take(&mut self, log: &impl LogView) -> Result<Option<Work>, GroupError> {
        self.page_in(log)?;
        self.fetch(log)?;
        if self.campaigns && self.has_applied_committed() {
            self.campaigns = false;
            self.raft.campaign()?;
        }
        if !self.raft.has_ready() {
            let messages = std::mem::take(&mut self.messages);
            return Ok((!messages.is_empty()).then(|| Work { messages, ..Work::default() }));
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
        let now = messages(ready.take_messages())?;
        let after_write = messages(ready.take_persisted_messages())?;
        self.messages.extend(now);
        self.raft.mut_store().append(&entries);
        self.raft.advance_append_async(ready);
        let write = if must_write {
            Some(self.write(number, entries, after_write)?)
        } else {
            self.no_write(number, after_write);
            None
        };
        let committed = self.committed(committed)?;
        Ok(Some(Work { write, messages: std::mem::take(&mut self.messages), committed }))
    }

    fn write(
        &mut self,
        ready: u64,
        entries: Vec<Entry>,
        messages: Vec<Message>,
    ) -> Result<LogWrite, GroupError> {
        let ticket = Ticket(self.next_ticket);
        self.next_ticket += 1;
        self.outstanding.push_back(Outstanding { ticket, ready, messages });
        let entries = entries.into_iter().map(from_raft).collect::<Result<_, _>>()?;
        Ok(LogWrite { ticket, hard_state: self.unwritten.take(), entries })
    }

    /// A change that needs no write of its own counts as durable together with the write before it.
    fn no_write(&mut self, ready: u64, messages: Vec<Message>) {
        match self.outstanding.back_mut() {
            Some(last) => {
                last.ready = ready;
                last.messages.extend(messages);
            }
            None => {
                self.raft.on_persist_ready(ready);
                self.messages.extend(messages);
            }
        }
    }

    fn committed(&mut self, entries: Vec<Entry>) -> Result<Vec<Committed>, GroupError> {
        let mut committed = Vec::with_capacity(entries.len());
        for entry in entries {
            self.given = entry.index;
            let (index, term) = (Index(entry.index), Term(entry.term));
            let (data, membership) = match entry.entry_type {
                EntryType::EntryNormal => (entry.data, None),
                EntryType::EntryConfChangeV2 => (Bytes::new(), self.reconfigure(&entry.data)?),
                EntryType::EntryConfChange => return Err(GroupError::UnknownEntry),
            };
            committed.push(Committed { index, term, data, membership });
        }
        Ok(committed)
    }

    /// Adopts a change of the group's replicas. One that is impossible changes nothing, on every replica
    /// alike.
    fn reconfigure(&mut self, data: &[u8]) -> Result<Option<Membership>, GroupError> {
        match self.raft.apply_conf_change(&parse_changes(data)?) {
            Ok(state) => {
                self.membership = from_conf_state(state);
                Ok(Some(self.membership.clone()))
            }
            Err(raft::Error::ConfChangeError(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn has_applied_committed(&self) -> bool {
        self.applied >= self.raft.raft.raft_log.committed
    }

    /// raft-rs panics when it cannot read its log, so the entries that it needs next are read in advance.
    fn page_in(&mut self, log: &impl LogView) -> Result<(), GroupError> {
        let needed = self.given + 1;
        let committed = self.raft.raft.raft_log.committed;
        if needed > committed {
            return Ok(());
        }
        let Some(from) = self.raft.store().missing(needed) else { return Ok(()) };
        let page = read(log, from, COMMITTED_BYTES_MAX)?;
        self.raft.mut_store().page_in(page);
        Ok(())
    }

    /// Reads what followers need that is no longer in memory, one message's worth for each, and sends it.
    fn fetch(&mut self, log: &impl LogView) -> Result<(), GroupError> {
        for wanted in self.raft.mut_store().take_wanted() {
            // It may have been purged in the meantime. Then the follower needs a snapshot.
            if self.raft.store().term_at(Index(wanted.from.0 - 1)).is_some() {
                let page = read(log, wanted.from.0, MESSAGE_BYTES_MAX)?;
                self.raft.mut_store().set_fetched(page);
            }
            self.raft.on_entries_fetched(wanted.context);
            self.raft.mut_store().set_fetched(Vec::new());
        }
        Ok(())
    }
}

/// How many ticks of silence a replica waits in a term before it asks for votes. Replicas must differ in it,
/// and in another way in the next term. The Raft library would draw it at random, and then no simulation
/// could be repeated.
const fn election_ticks(replica: u64, term: u64) -> usize {
    let mixed = (replica ^ term.rotate_left(32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    ELECTION_TICKS + (mixed >> 32) as usize % ELECTION_TICKS
}

fn messages(raft: Vec<RaftMessage>) -> Result<Vec<Message>, GroupError> {
    raft.into_iter().filter_map(|message| from_raft_message(message).transpose()).collect()
}

fn read(log: &impl LogView, from: u64, bytes_max: usize) -> Result<Vec<Entry>, GroupError> {
    let page = log.entries(Index(from), bytes_max)?;
    if page.first().is_none_or(|entry| entry.index.0 != from) {
        return Err(GroupError::Inconsistent(format!("entry {from} is not in the log")));
    }
    page.into_iter().map(to_raft).collect()
}
