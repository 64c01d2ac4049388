//! The terms of a group's entries, as runs of consecutive entries with the same term.

use alloc::vec::Vec;
use model::{Index, Term};

/// Consecutive entries of one term: from `first` up to the next run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TermRun {
    pub first: Index,
    pub term: Term,
}

/// Which term each entry has. There are as many runs as changes of leader, so it is small.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Terms {
    /// In ascending order. Neighbours have different terms.
    runs: Vec<TermRun>,
}

impl Terms {
    /// The term of an entry; `None` before the first run. The last run has no end: the caller knows the last
    /// entry.
    #[must_use]
    pub fn at(&self, index: Index) -> Option<Term> {
        let after = self.runs.partition_point(|run| run.first <= index);
        after.checked_sub(1).map(|at| self.runs[at].term)
    }

    /// Entries from `first` on have this term. It replaces what was known about them.
    pub fn set(&mut self, first: Index, term: Term) {
        let kept = self.runs.partition_point(|run| run.first < first);
        self.runs.truncate(kept);
        if self.runs.last().is_none_or(|last| last.term != term) {
            self.runs.push(TermRun { first, term });
        }
    }

    /// Forgets the entries before this one. Its own term stays known. If it is not, it is set to `term`.
    pub fn begin_at(&mut self, index: Index, term: Term) {
        let after = self.runs.partition_point(|run| run.first <= index);
        self.runs.drain(..after.saturating_sub(1));
        match self.runs.first_mut() {
            Some(run) if run.first <= index || run.term == term => run.first = index,
            _ => self.runs.insert(0, TermRun { first: index, term }),
        }
    }

    /// Forgets all entries.
    pub fn clear(&mut self) {
        self.runs.clear();
    }

    #[must_use]
    pub fn runs(&self) -> &[TermRun] {
        &self.runs
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms(runs: &[(u64, u64)]) -> Terms {
        let mut terms = Terms::default();
        for (first, term) in runs {
            terms.set(Index(*first), Term(*term));
        }
        terms
    }

    fn runs(terms: &Terms) -> Vec<(u64, u64)> {
        terms.runs().iter().map(|run| (run.first.0, run.term.0)).collect()
    }

    #[test]
    fn an_entry_has_the_term_of_its_run() {
        let terms = terms(&[(3, 1), (4, 1), (7, 2), (9, 5)]);
        assert_eq!(runs(&terms), [(3, 1), (7, 2), (9, 5)]);
        for (index, term) in
            [(2, None), (3, Some(1)), (6, Some(1)), (7, Some(2)), (8, Some(2)), (99, Some(5))]
        {
            assert_eq!(terms.at(Index(index)), term.map(Term), "{index}");
        }
    }

    #[test]
    fn a_new_entry_replaces_the_terms_of_all_later_ones() {
        let mut terms = terms(&[(3, 1), (7, 2), (9, 5)]);
        terms.set(Index(8), Term(2));
        assert_eq!(runs(&terms), [(3, 1), (7, 2)]);
        terms.set(Index(5), Term(3));
        assert_eq!(runs(&terms), [(3, 1), (5, 3)]);
        terms.set(Index(1), Term(4));
        assert_eq!(runs(&terms), [(1, 4)]);
    }

    #[test]
    fn the_entry_before_the_first_keeps_its_term() {
        let mut begun = terms(&[(3, 1), (7, 2), (9, 5)]);
        begun.begin_at(Index(8), Term(99));
        assert_eq!(runs(&begun), [(8, 2), (9, 5)], "known already");
        begun.begin_at(Index(12), Term(99));
        assert_eq!(runs(&begun), [(12, 5)]);
        let mut unknown = terms(&[(9, 5)]);
        unknown.begin_at(Index(8), Term(4));
        assert_eq!(runs(&unknown), [(8, 4), (9, 5)]);
        let mut same = terms(&[(9, 5)]);
        same.begin_at(Index(8), Term(5));
        assert_eq!(runs(&same), [(8, 5)]);
        let mut empty = Terms::default();
        empty.begin_at(Index(8), Term(4));
        assert_eq!(runs(&empty), [(8, 4)]);
    }
}
