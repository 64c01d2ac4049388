//! How much of the log is kept after a flush, because a follower or an archive does not have it yet.

use model::Index;
use std::collections::VecDeque;

/// Flushes that are remembered. If there are more, the log is kept and purged in larger steps.
const FLUSHES_MAX: usize = 64;

/// What of the log was flushed and not purged, flush by flush.
#[derive(Debug, Default)]
pub(super) struct KeptLog {
    /// The last entry of each flush whose entries are not all purged, and the bytes of log written until then.
    flushes: VecDeque<(Index, u64)>,
    /// The same bytes, for the last flush whose entries are all purged.
    purged_bytes: u64,
}

impl KeptLog {
    /// Takes note of a flush up to an entry, after this many bytes of log.
    pub(super) fn flushed(&mut self, through: Index, log_bytes: u64) {
        self.flushes.push_back((through, log_bytes));
        if self.flushes.len() > FLUSHES_MAX {
            self.flushes.remove(1);
        }
    }

    /// Whether all entries of a flush can be purged that were still needed when it ended.
    pub(super) fn has_unneeded(&self, needed: Option<Index>) -> bool {
        let oldest = self.flushes.front();
        oldest.is_some_and(|(index, _)| needed.is_none_or(|needed| *index <= needed))
    }

    /// How far the log may be purged if entries after `needed` are still needed, but at most `bytes_max` bytes of them are
    /// kept. Those of the oldest flushes go first.
    pub(super) fn purge(&mut self, needed: Option<Index>, bytes_max: u64) -> Index {
        let (flushed, bytes) = self.flushes.back().copied().unwrap_or_default();
        let mut through = needed.map_or(flushed, |needed| needed.min(flushed));
        while let Some((index, until)) = self.flushes.front().copied()
            && (index <= through || bytes - self.purged_bytes > bytes_max)
        {
            through = through.max(index);
            self.purged_bytes = until;
            self.flushes.pop_front();
        }
        through
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is purged after flushes of ten entries and a hundred bytes each, as the need moves on.
    fn purged(needs: &[Option<u64>], bytes_max: u64) -> Vec<u64> {
        let mut kept = KeptLog::default();
        let flushes = (1..).zip(needs);
        let purged = flushes.map(|(flush, needed)| {
            kept.flushed(Index(flush * 10), flush * 100);
            kept.purge(needed.map(Index), bytes_max).0
        });
        purged.collect()
    }

    #[test]
    fn what_is_needed_is_kept_up_to_a_bound() {
        for (needs, bytes_max, want) in [
            (vec![None, None, None], 1_000, vec![10, 20, 30]),
            // A little behind at each flush: only the last flush counts.
            (vec![Some(8), Some(18), Some(28), Some(38)], 100, vec![8, 18, 28, 38]),
            (vec![Some(8), Some(8), Some(8)], 1_000, vec![8, 8, 8]),
            // Beyond the bound, the oldest goes first.
            (vec![Some(8), Some(8), Some(8), Some(8)], 200, vec![8, 8, 10, 20]),
            (vec![Some(8), Some(8), Some(35)], 200, vec![8, 8, 30]),
            // It needs nothing any more.
            (vec![Some(8), Some(8), None], 1_000, vec![8, 8, 30]),
            (vec![Some(8)], 0, vec![10]),
        ] {
            assert_eq!(purged(&needs, bytes_max), want, "{needs:?} {bytes_max}");
        }
    }

    #[test]
    fn many_small_flushes_take_bounded_memory_and_keep_what_is_needed() {
        let mut kept = KeptLog::default();
        for flush in 1..10_000 {
            kept.flushed(Index(flush), flush);
            assert_eq!(kept.purge(Some(Index(1)), 1 << 20), Index(1));
        }
        assert!(kept.flushes.len() <= FLUSHES_MAX);
        assert_eq!(kept.purge(None, 0), Index(9_999));
    }
}
