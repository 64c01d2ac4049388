//! What a limit has in use, over all its keys: for metrics.

use crate::damage::bad_row;
use crate::limit::key::rate_left;
use crate::limit::{keys_of, row};
use crate::queue::cohort;
use alloc::vec::Vec;
use core::ops::ControlFlow;
use format::FormatError;
use format::row::{
    CohortId, LimitKeyRow, LimitKeys, LimitListId, LimitListRow, LimitRange, QueueKeys, decode_cohort_hash,
};
use model::{Elapsed, LimitName, LimitSettings, Order, View, ViewError};

/// What the keys of a limit have in use. If `is_cut`, there is more, and each number covers only what was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LimitUse {
    pub settings: LimitSettings,
    /// Keys in use: tasks run or wait, the rate is not whole again, or a worker has closed them.
    pub keys: u64,
    /// Claims that last.
    pub running: u64,
    /// Claims of the key that has most of them.
    pub running_max: u64,
    /// Tasks that wait for a key to open, as far as claims have come across them.
    pub waiting: u64,
    /// Keys that workers have closed for a time.
    pub throttled: u64,
    /// What still fits the rate in the key that has least left; `None` without a rate.
    pub rate_left_min: Option<u64>,
    /// Rows that were read.
    pub rows: usize,
    pub is_cut: bool,
}

/// Reads what the keys of a limit have in use; `None` if the limit does not exist. It reads at most `rows_max` rows of
/// keys, lists and waiting cohorts, and one row more for each cohort. `now` is the shard's elapsed time.
///
/// # Errors
/// [`ViewError`].
pub fn limit_use(
    view: &impl View,
    limit: &LimitName<'_>,
    rows_max: usize,
    now: Elapsed,
) -> Result<Option<LimitUse>, ViewError> {
    let Some(settings) = row(view, limit.as_str())?.and_then(|row| row.settings) else { return Ok(None) };
    let limit = keys_of(limit.as_str());
    let rate_left_min = settings.rate.map(|rate| rate.burst);
    let mut used = LimitUse { settings, rate_left_min, ..LimitUse::default() };
    let keys = used.read(view, &LimitRange::keys(limit, 0), rows_max, |key, value| {
        Ok((LimitKeys::parse_key(key)?, LimitKeyRow::decode(value)?))
    })?;
    for (hash, key) in keys {
        used.add(&key, now);
        if key.waiting > 0 {
            used.add_waiting(view, limit, hash, rows_max)?;
        }
    }
    Ok(Some(used))
}

impl LimitUse {
    fn add(&mut self, key: &LimitKeyRow, now: Elapsed) {
        self.keys += 1;
        self.running += key.running;
        self.running_max = self.running_max.max(key.running);
        self.throttled += u64::from(key.closed_until > now);
        let left = self.settings.rate.map(|rate| rate_left(rate, key.refilled_us, now));
        self.rate_left_min = self.rate_left_min.into_iter().chain(left).min();
    }

    /// Adds the tasks that wait for a key. A cohort waits for one key at a time, so none is counted twice.
    fn add_waiting(
        &mut self,
        view: &impl View,
        limit: LimitKeys,
        key: u128,
        rows_max: usize,
    ) -> Result<(), ViewError> {
        let lists = self.read(view, &LimitRange::lists(limit, key), rows_max, |key, value| {
            Ok((LimitKeys::parse_list(key)?, LimitListRow::decode(value)?))
        })?;
        for (list, row) in lists {
            let range = LimitRange::waiting(limit, key, list, row.from);
            let cohorts = self.read(view, &range, rows_max, |_, value| decode_cohort_hash(value))?;
            let LimitListId { queue_slot, queue, type_number } = list;
            let queue = QueueKeys { slot: queue_slot, id: queue };
            for hash in cohorts {
                let cohort = cohort::row(view, queue, CohortId { type_number, hash })?;
                self.waiting += cohort.map_or(0, |cohort| cohort.tasks());
            }
        }
        Ok(())
    }

    /// Reads the rows of a range, as long as the limit may read more.
    fn read<T>(
        &mut self,
        view: &impl View,
        range: &LimitRange,
        rows_max: usize,
        decode: impl Fn(&[u8], &[u8]) -> Result<T, FormatError>,
    ) -> Result<Vec<T>, ViewError> {
        let mut found = Vec::new();
        let mut bad = None;
        view.scan(range.as_range(), Order::Ascending, &mut |key, value| {
            if self.rows >= rows_max {
                self.is_cut = true;
                return ControlFlow::Break(());
            }
            self.rows += 1;
            match decode(key, value) {
                Ok(row) => found.push(row),
                Err(error) => bad = Some(error),
            }
            if bad.is_none() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        bad.map_or(Ok(found), |error| Err(bad_row("row of a limit", error)))
    }
}
