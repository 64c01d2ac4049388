//! What a group starts from.

use crate::group::GroupError;
use format::frame::HardState;
use format::membership::Membership;
use format::terms::Terms;
use model::{Index, Term};

/// What a group starts from when it is opened.
#[derive(Clone, Debug)]
pub struct GroupOptions {
    /// This replica's number. It is not 0.
    pub replica: u64,
    /// The replicas as of the last applied entry.
    pub membership: Membership,
    /// The last entry that the state holds.
    pub applied: (Index, Term),
    pub log: Logged,
    pub hard_state: HardState,
}

/// Which entries a group's log holds.
#[derive(Clone, Debug)]
pub struct Logged {
    /// The entry before the first.
    pub before: Index,
    /// The last entry, or `before` when there is none.
    pub last: Index,
    /// The terms of these entries, `before` included.
    pub terms: Terms,
}

impl Logged {
    /// A log that holds nothing after this entry, and not the entry itself.
    #[must_use]
    pub fn nothing_after((index, term): (Index, Term)) -> Self {
        let mut terms = Terms::default();
        terms.set(index, term);
        Self { before: index, last: index, terms }
    }
}

impl GroupOptions {
    /// Whether log, hard state and state belong together.
    pub(crate) fn check(&self) -> Result<(), GroupError> {
        let (applied, hard_state, log) = (self.applied, self.hard_state, &self.log);
        if log.last < applied.0 || applied.0 < log.before {
            return Err(GroupError::Inconsistent(format!(
                "the state is at entry {}, but the log holds the entries after {} up to {}",
                applied.0, log.before, log.last
            )));
        }
        let known = log.terms.at(applied.0);
        if known != Some(applied.1) {
            let known = known.map_or_else(|| "unknown".to_owned(), |term| term.to_string());
            return Err(GroupError::Inconsistent(format!(
                "entry {} has term {} in the state, but term {known} in the log",
                applied.0, applied.1
            )));
        }
        let last_term = log.terms.at(log.last).unwrap_or_default();
        if log.terms.at(log.before).is_none() || hard_state.commit > log.last || hard_state.term < last_term {
            return Err(GroupError::Inconsistent(format!(
                "the log ends at entry {} of term {last_term}, but its hard state has commit {} and term {}",
                log.last, hard_state.commit, hard_state.term
            )));
        }
        Ok(())
    }
}
