//! Opens a group of one at the point where its state and its log are.

use crate::engine::EngineError;
use consensus::{Group, GroupError, GroupOptions, LogView, LogViewError};
use format::frame::HardState;
use model::{Entry, GroupId, Index, Term};
use storage::disk::Disk;
use storage::log::{LogReader, RecoveredGroup};
use storage::state::Progress;

/// The one replica of a group of one.
const REPLICA: u64 = 1;
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
}

impl<D: Disk> GroupLog<D> {
    /// Checks that a state at `progress` and the log, which holds `recovered` for the group, belong together, and
    /// that every entry to be replayed can be read. Changes nothing. A replay that fails halfway would find the
    /// body file already cut back.
    ///
    /// # Errors
    /// The log cannot be read, or state and log do not match, or an entry is of a newer version.
    pub fn check(&self, progress: Progress, recovered: Option<&RecoveredGroup>) -> Result<(), EngineError> {
        let Recovered { logged, .. } = recover(progress, recovered, self)?;
        let applied = if progress.index == Index(0) { FIRST.0 } else { progress.index };
        let mut next = Index(applied.0 + 1);
        while next <= logged {
            let entries = self.entries(next, CHECK_BYTES).map_err(GroupError::from)?;
            if entries.is_empty() {
                return Err(EngineError::new(format!("entry {next} is missing from the log")));
            }
            for (index, _, bytes) in entries {
                read_entry(index, &bytes)?;
                next = Index(index.0 + 1);
            }
        }
        Ok(())
    }
}

/// Decodes an entry; `None` when it has no data: it is the group's own, and does nothing.
pub(super) fn read_entry(index: Index, bytes: &[u8]) -> Result<Option<Entry<'_>>, EngineError> {
    if bytes.is_empty() {
        return Ok(None);
    }
    let entry = format::entry::decode(bytes)
        .map_err(|error| EngineError::new(format!("entry {index} cannot be read: {error}")))?;
    if !shard::knows(entry.behaviour) {
        let behaviour = entry.behaviour;
        return Err(EngineError::new(format!(
            "entry {index} has behaviour {behaviour}, which this version does not know"
        )));
    }
    Ok(Some(entry))
}

impl<D: Disk> LogView for GroupLog<D> {
    fn entries(&self, from: Index, bytes_max: usize) -> Result<Vec<(Index, Term, Vec<u8>)>, LogViewError> {
        let page = self
            .reader
            .entries(self.group, from, bytes_max)
            .map_err(|error| LogViewError(error.to_string()))?;
        Ok(page.entries.into_iter().map(|entry| (entry.index, entry.term, entry.bytes)).collect())
    }
}

/// An opened group, and where its log ends.
#[derive(Debug)]
pub(super) struct Recovered {
    pub(super) group: Group,
    /// The last entry of the log, or of the state when the log holds none beyond it.
    pub(super) logged: Index,
}

/// Opens a group of one.
///
/// # Errors
/// The log cannot be read, or state and log do not match.
pub(super) fn recover(
    progress: Progress,
    log: Option<&RecoveredGroup>,
    view: &impl LogView,
) -> Result<Recovered, EngineError> {
    let applied = if progress.index == Index(0) { FIRST } else { (progress.index, progress.term) };
    let (logged, hard_state) = match log {
        Some(log) => (last_logged(applied, log, view)?, log.hard_state),
        None => (applied, HardState { term: applied.1, vote: 0, commit: applied.0 }),
    };
    let options = GroupOptions { replica: REPLICA, voters: vec![REPLICA], applied, logged, hard_state };
    Ok(Recovered { group: Group::open(options)?, logged: logged.0 })
}

/// The last entry of the log, or `applied` when the log holds none beyond it.
fn last_logged(
    applied: (Index, Term),
    log: &RecoveredGroup,
    view: &impl LogView,
) -> Result<(Index, Term), EngineError> {
    if log.last <= applied.0 {
        return Ok(applied);
    }
    if log.first.0 > applied.0.0 + 1 {
        let why = format!("the state is at entry {}, but the log begins at entry {}", applied.0, log.first);
        return Err(GroupError::Inconsistent(why).into());
    }
    let last = view.entries(log.last, 0).map_err(GroupError::from)?;
    let missing = || EngineError::new(format!("entry {} is missing from the log", log.last));
    last.first().map(|(index, term, _)| (*index, *term)).ok_or_else(missing)
}
