//! Opens a group at the point where its state and its log are.

use super::RaftEngineOptions;
use crate::engine::EngineError;
use consensus::{Group, GroupError, GroupOptions, LogEntry, LogView, LogViewError, Logged};
use format::frame::{EntryKind, HardState};
use format::membership::Membership;
use format::row::membership_key;
use model::{Entry, GroupId, Index, SlotRange, Term};
use storage::disk::Disk;
use storage::log::{LogReader, RecoveredGroup};
use storage::state::{Progress, State};

/// A new group starts at index 1 of term 1, although that entry does not exist. So a later replica can join
/// only with a snapshot, never with an empty log.
const FIRST: (Index, Term) = (Index(1), Term(1));
/// How many bytes of entries are checked at a time.
const CHECK_BYTES: usize = 1 << 20;

/// One group's part of the node's log, as its group reads it during a replay.
#[derive(Clone, Debug)]
pub struct GroupLog<D: Disk> {
    group: GroupId,
    reader: LogReader<D>,
}

impl<D: Disk> GroupLog<D> {
    #[must_use]
    pub fn new(group: GroupId, reader: LogReader<D>) -> Self {
        Self { group, reader }
    }

    /// Checks that a state at `progress` and the log, which holds `recovered` for the group, belong together, and
    /// that every entry to be replayed can be read. Changes nothing. A replay that fails halfway would find the
    /// body file already cut back.
    ///
    /// # Errors
    /// The log cannot be read, or state and log do not match, or an entry is of a newer version.
    pub fn check(&self, progress: Progress, recovered: Option<&RecoveredGroup>) -> Result<(), EngineError> {
        let applied = if progress.index == Index(0) { FIRST } else { (progress.index, progress.term) };
        let Some(recovered) = recovered else {
            return match progress.index {
                Index(0) => Ok(()),
                // The log still says where a group is after all its entries were purged.
                index => Err(inconsistent(format!("the state is at entry {index}, but the log is missing"))),
            };
        };
        if recovered.last < progress.index {
            let (index, last) = (progress.index, recovered.last);
            return Err(inconsistent(format!(
                "the state is at entry {index}, but the log ends at entry {last}"
            )));
        }
        let Logged { before, last, .. } = logged(applied, recovered)?;
        if before > applied.0 {
            return Err(inconsistent(format!(
                "the state is at entry {}, but the log begins at entry {}",
                applied.0, recovered.first
            )));
        }
        let mut next = Index(applied.0.0 + 1);
        while next <= last {
            let entries = self.entries(next, CHECK_BYTES).map_err(GroupError::from)?;
            if entries.is_empty() {
                return Err(EngineError::new(format!("entry {next} is missing from the log")));
            }
            for entry in entries {
                if entry.kind == EntryKind::Normal && !entry.data.is_empty() {
                    read_entry(entry.index, &entry.data)?;
                }
                next = Index(entry.index.0 + 1);
            }
        }
        Ok(())
    }
}

/// The entry that follows one in the log of a group. A group begins with an entry that no log has, and nothing was applied
/// before it.
#[must_use]
pub fn following(index: Index) -> Index {
    Index(index.max(FIRST.0).0.saturating_add(1))
}

fn inconsistent(why: String) -> EngineError {
    GroupError::Inconsistent(why).into()
}

/// Decodes an entry with commands.
pub(crate) fn read_entry(index: Index, bytes: &[u8]) -> Result<Entry<'_>, EngineError> {
    let entry = format::entry::decode(bytes)
        .map_err(|error| EngineError::new(format!("entry {index} cannot be read: {error}")))?;
    if !shard::knows(entry.behaviour) {
        let behaviour = entry.behaviour;
        return Err(EngineError::new(format!(
            "entry {index} has behaviour {behaviour}, which this version does not know"
        )));
    }
    Ok(entry)
}

impl<D: Disk> LogView for GroupLog<D> {
    fn entries(&self, from: Index, bytes_max: usize) -> Result<Vec<LogEntry>, LogViewError> {
        let page = self
            .reader
            .entries(self.group, from, bytes_max)
            .map_err(|error| LogViewError(error.to_string()))?;
        let entries = page.entries.into_iter().map(|entry| LogEntry {
            index: entry.index,
            term: entry.term,
            kind: entry.kind,
            data: entry.bytes.into(),
        });
        Ok(entries.collect())
    }
}

/// Opens the group, with the membership as of the state's last applied entry.
///
/// # Errors
/// The state cannot be read, or state and log do not match.
pub(super) fn recover<S: State>(
    options: &RaftEngineOptions,
    slots: SlotRange,
    state: &S,
    log: Option<&RecoveredGroup>,
) -> Result<(Group, Logged), EngineError> {
    let progress = state.progress();
    let applied = if progress.index == Index(0) { FIRST } else { (progress.index, progress.term) };
    let membership = match state.get(&membership_key(slots.first))? {
        Some(row) => Membership::decode(&row).map_err(EngineError::new)?,
        None => options.founders.clone(),
    };
    let logged = log.map_or_else(|| Ok(Logged::nothing_after(applied)), |log| logged(applied, log))?;
    let hard_state =
        log.map_or(HardState { term: applied.1, vote: 0, commit: applied.0 }, |log| log.hard_state);
    let log = logged.clone();
    let group = GroupOptions { replica: options.replica, membership, applied, log, hard_state };
    Ok((Group::open(group)?, logged))
}

/// Which entries the log holds, as far as they follow the applied one.
fn logged(applied: (Index, Term), log: &RecoveredGroup) -> Result<Logged, GroupError> {
    if log.last <= applied.0 {
        return Ok(Logged::nothing_after(applied));
    }
    let before = Index(log.first.0.saturating_sub(1));
    let mut terms = log.terms.clone();
    if terms.at(before).is_none() {
        if before != FIRST.0 {
            let why = format!("the log begins at entry {}, but has no term for the one before it", log.first);
            return Err(GroupError::Inconsistent(why));
        }
        terms.begin_at(FIRST.0, FIRST.1);
    }
    Ok(Logged { before, last: log.last, terms })
}
