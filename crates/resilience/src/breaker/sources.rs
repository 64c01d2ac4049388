//! The sources that failed recently; at most as many as a trip requires.

use crate::contract::Time;
use alloc::vec::Vec;
use core::time::Duration;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Sources {
    /// Each source with the time of its last failure.
    seen: Vec<(u32, Time)>,
}

impl Sources {
    /// Records a failure of `source`. Once `bound` sources are known, a new one replaces the one that failed
    /// longest ago.
    pub(super) fn note(&mut self, source: u32, now: Time, bound: u32) {
        if let Some((_, last)) = self.seen.iter_mut().find(|(known, _)| *known == source) {
            *last = now;
            return;
        }
        if self.seen.len() >= bound as usize {
            let oldest = self.seen.iter().enumerate().min_by_key(|(_, (_, last))| *last);
            if let Some(place) = oldest.map(|(place, _)| place) {
                self.seen.swap_remove(place);
            }
        }
        self.seen.push((source, now));
    }

    /// The number of sources that failed in the last `within`.
    pub(super) fn recent(&self, now: Time, within: Duration) -> u32 {
        let recent = self.seen.iter().filter(|(_, last)| now.since(*last) <= within).count();
        u32::try_from(recent).unwrap_or(u32::MAX)
    }

    /// The sources, each with the time of its last failure.
    pub(super) fn save(&self) -> Vec<(u32, Time)> {
        self.seen.clone()
    }

    pub(super) const fn restore(seen: Vec<(u32, Time)>) -> Self {
        Self { seen }
    }

    pub(super) fn clear(&mut self) {
        self.seen.clear();
    }
}
