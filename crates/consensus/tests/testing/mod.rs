//! A log in memory, for a group.

use consensus::{Group, GroupError, GroupOptions, LogEntry, LogView, LogViewError, LogWrite, Logged};
use format::frame::HardState;
use format::membership::Membership;
use format::terms::Terms;
use model::{Index, Term};

/// A log that holds what was synced.
#[derive(Clone, Debug)]
pub(crate) struct Log {
    pub(crate) entries: Vec<LogEntry>,
    pub(crate) hard_state: HardState,
}

/// The log of a group whose state begins after entry 1 of term 1.
impl Default for Log {
    fn default() -> Self {
        Self { entries: Vec::new(), hard_state: HardState { term: Term(1), vote: 0, commit: Index(1) } }
    }
}

impl LogView for Log {
    fn entries(&self, from: Index, bytes_max: usize) -> Result<Vec<LogEntry>, LogViewError> {
        let mut bytes = 0;
        let rest = self.entries.iter().skip_while(|entry| entry.index < from);
        let fits = rest.enumerate().take_while(|(nth, entry)| {
            bytes += entry.data.len();
            *nth == 0 || bytes <= bytes_max
        });
        Ok(fits.map(|(_, entry)| entry.clone()).collect())
    }
}

impl Log {
    pub(crate) fn sync(&mut self, write: &LogWrite) {
        self.hard_state = write.hard_state.unwrap_or(self.hard_state);
        for entry in &write.entries {
            self.entries.retain(|held| held.index < entry.index);
            self.entries.push(entry.clone());
        }
    }

    pub(crate) fn open(
        &self,
        replica: u64,
        membership: Membership,
        applied: (Index, Term),
    ) -> Result<Group, GroupError> {
        let mut terms = Terms::default();
        terms.set(Index(1), Term(1));
        self.entries.iter().for_each(|entry| terms.set(entry.index, entry.term));
        let last = self.entries.last().map_or(Index(1), |entry| entry.index);
        let log = Logged { before: Index(1), last, terms };
        Group::open(GroupOptions { replica, membership, applied, log, hard_state: self.hard_state })
    }
}
