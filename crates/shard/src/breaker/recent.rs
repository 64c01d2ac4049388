//! The permits whose outcomes were recorded last, so that an outcome that is sent again counts once.
//!
//! They are in groups by their random number, and each group keeps its last ones. So what is read and written for an
//! outcome is small, and what a breaker keeps is bounded: the last 8,192 permits, or a little less where they do not
//! spread evenly. An older one counts again, unless the breaker has opened or closed since: then it is stale.

use super::{hash, slot};
use crate::damage::bad_row;
use crate::overlay::Overlay;
use alloc::collections::BTreeMap;
use format::row::{RecentRow, breaker_recent_key};
use model::{View, ViewError, limits};

/// The groups that a command has read.
#[derive(Debug, Default)]
pub(super) struct Recent {
    groups: BTreeMap<u16, RecentRow>,
}

impl Recent {
    /// Whether an outcome of this permit was recorded.
    pub(super) fn contains<V: View>(
        &mut self,
        breaker: &str,
        nonce: u64,
        overlay: &Overlay<'_, '_, V>,
    ) -> Result<bool, ViewError> {
        let group = group_of(nonce);
        if !self.groups.contains_key(&group) {
            let row = match overlay.get(&breaker_recent_key(slot(breaker), hash(breaker), group))? {
                None => RecentRow::default(),
                Some(value) => RecentRow::decode(&value)
                    .map_err(|error| bad_row("recent permits of a breaker", error))?,
            };
            self.groups.insert(group, row);
        }
        Ok(self.groups.get(&group).is_some_and(|row| row.permits.contains(&nonce)))
    }

    /// Remembers a permit that was looked for before.
    pub(super) fn insert(&mut self, nonce: u64) {
        let row = self.groups.entry(group_of(nonce)).or_default();
        if row.permits.len() >= limits::BREAKER_RECENT_OF_GROUP {
            row.permits.remove(0);
        }
        row.permits.push(nonce);
    }

    pub(super) fn save<V: View>(self, breaker: &str, overlay: &mut Overlay<'_, '_, V>) {
        for (group, row) in self.groups {
            overlay.put(breaker_recent_key(slot(breaker), hash(breaker), group), row.encode());
        }
    }
}

const fn group_of(nonce: u64) -> u16 {
    (nonce % limits::BREAKER_RECENT_GROUPS) as u16
}
