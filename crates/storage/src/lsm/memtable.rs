//! The rows that no flush has written yet, in order. Old versions are kept only while a reader may need them.
//!
//! Only the node's thread writes. Readers on other threads take a shared lock for one look-up, or for one
//! bounded piece of a scan, so a commit never waits longer than that. We do not use the memtable of lsm-tree:
//! its skip list costs three allocations for each row, and keeps every version of the rows that each entry
//! rewrites (docs/decisions has the measurement).

use super::row::{RowKey, RowValue};
use lsm_tree::SeqNo;
use model::{Order, WriteSet};
use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{PoisonError, RwLock, RwLockReadGuard};

/// Bytes of a row in the map besides its heap parts: 88 for key and versions, in map nodes that random
/// insertion leaves about two thirds full (measured).
const ROW_BYTES: u64 = 140;

/// Which old versions a reader may still need.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OldVersions {
    /// There are readers, and the newest one sees versions below this number. If it does not see a version,
    /// no reader does.
    SeenBelow(SeqNo),
    Unseen,
}

impl OldVersions {
    fn are_seen(self, seqno: SeqNo) -> bool {
        matches!(self, Self::SeenBelow(newest) if seqno < newest)
    }
}

/// What a memtable knows about a key: its value, or that it was deleted.
pub(super) type Found = Option<RowValue>;

#[derive(Debug, Default)]
pub(super) struct Memtable {
    rows: RwLock<Rows>,
}

#[derive(Debug, Default)]
pub(super) struct Rows {
    map: BTreeMap<RowKey, Versions>,
    bytes: u64,
}

/// A row's newest version, and the older ones that readers may need, oldest first.
#[derive(Debug)]
struct Versions {
    seqno: SeqNo,
    value: Found,
    older: Option<Box<Older>>,
}

/// Boxed, because few rows have any.
#[derive(Debug, Default)]
struct Older(Vec<(SeqNo, Found)>);

impl Versions {
    /// The newest version below `snapshot`.
    fn at(&self, snapshot: SeqNo) -> Option<&Found> {
        if self.seqno < snapshot {
            return Some(&self.value);
        }
        let older = &self.older.as_ref()?.0;
        let newer = older.partition_point(|(seqno, _)| *seqno < snapshot);
        older.get(newer.checked_sub(1)?).map(|(_, value)| value)
    }
}

impl Memtable {
    fn read(&self) -> RwLockReadGuard<'_, Rows> {
        self.rows.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds one batch under `seqno`, with `tag` before each key. Returns the estimated bytes of memory.
    pub(super) fn commit(&self, writes: &WriteSet, tag: u8, seqno: SeqNo, old: OldVersions) -> u64 {
        let mut rows = self.rows.write().unwrap_or_else(PoisonError::into_inner);
        for (key, value) in &writes.0 {
            rows.write(RowKey::of_parts(&[tag], key), value.as_deref().map(RowValue::new), seqno, old);
        }
        rows.bytes
    }

    /// Estimated bytes of memory.
    pub(super) fn bytes(&self) -> u64 {
        self.read().bytes
    }

    pub(super) fn is_empty(&self) -> bool {
        self.read().map.is_empty()
    }

    /// The newest version of `key` below `snapshot`, if the memtable has one.
    pub(super) fn get(&self, key: &RowKey, snapshot: SeqNo) -> Option<Found> {
        self.read().map.get(key)?.at(snapshot).cloned()
    }

    /// Appends up to `rows_max` rows of `range` to `into`, in `order`, as of `snapshot`.
    pub(super) fn piece(
        &self,
        range: (Bound<&RowKey>, Bound<&RowKey>),
        order: Order,
        snapshot: SeqNo,
        rows_max: usize,
        into: &mut Vec<(RowKey, Found)>,
    ) {
        let rows = self.read();
        let found = rows.map.range::<RowKey, _>(range);
        let visible = |(key, versions): (&RowKey, &Versions)| {
            versions.at(snapshot).map(|value| (key.clone(), value.clone()))
        };
        match order {
            Order::Ascending => into.extend(found.filter_map(visible).take(rows_max)),
            Order::Descending => into.extend(found.rev().filter_map(visible).take(rows_max)),
        }
    }

    /// All rows, for a flush. Commits must have ended.
    pub(super) fn sealed(&self) -> RwLockReadGuard<'_, Rows> {
        self.read()
    }
}

impl Rows {
    /// The newest version of each row, by key.
    pub(super) fn newest(&self) -> impl Iterator<Item = (&RowKey, SeqNo, &Found)> {
        self.map.iter().map(|(key, versions)| (key, versions.seqno, &versions.value))
    }

    fn write(&mut self, key: RowKey, value: Found, seqno: SeqNo, old: OldVersions) {
        use std::collections::btree_map::Entry;
        let heap_bytes = value.as_ref().map_or(0, RowValue::heap_bytes) as u64;
        match self.map.entry(key) {
            Entry::Vacant(row) => {
                self.bytes += ROW_BYTES + heap_bytes + row.key().heap_bytes() as u64;
                row.insert(Versions { seqno, value, older: None });
            }
            Entry::Occupied(mut row) => {
                let versions = row.get_mut();
                let replaced = (versions.seqno, std::mem::replace(&mut versions.value, value));
                versions.seqno = seqno;
                self.bytes += heap_bytes;
                if old.are_seen(replaced.0) {
                    self.bytes += size_of::<(SeqNo, Found)>() as u64;
                    versions.older.get_or_insert_default().0.push(replaced);
                } else {
                    let freed = replaced.1.as_ref().map_or(0, RowValue::heap_bytes) as u64;
                    self.bytes = self.bytes.saturating_sub(freed);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(memtable: &Memtable, key: u8, value: Option<u8>, seqno: SeqNo, old: OldVersions) -> u64 {
        memtable.commit(&WriteSet(vec![(vec![key], value.map(|v| vec![v]))]), 1, seqno, old)
    }

    fn get(memtable: &Memtable, key: u8, snapshot: SeqNo) -> Option<Option<u8>> {
        memtable.get(&RowKey::new(&[1, key]), snapshot).map(|found| found.map(|value| value.as_slice()[0]))
    }

    #[test]
    fn a_snapshot_sees_the_newest_version_below_it() {
        let memtable = Memtable::default();
        write(&memtable, 7, Some(1), 10, OldVersions::Unseen);
        write(&memtable, 7, None, 20, OldVersions::SeenBelow(11));
        write(&memtable, 7, Some(3), 30, OldVersions::SeenBelow(21));
        for (snapshot, want) in
            [(10, None), (11, Some(Some(1))), (20, Some(Some(1))), (21, Some(None)), (31, Some(Some(3)))]
        {
            assert_eq!(get(&memtable, 7, snapshot), want, "{snapshot}");
        }
        assert_eq!(get(&memtable, 8, SeqNo::MAX), None);
    }

    #[test]
    fn a_version_that_no_reader_sees_takes_no_memory() {
        let memtable = Memtable::default();
        let bytes = write(&memtable, 7, Some(0), 0, OldVersions::Unseen);
        for seqno in 1..50 {
            assert_eq!(write(&memtable, 7, Some(1), seqno, OldVersions::Unseen), bytes);
        }
        // A reader at 49 stays, and sees one version however often the row is rewritten.
        let with_reader = write(&memtable, 7, Some(2), 50, OldVersions::SeenBelow(50));
        assert!(with_reader > bytes);
        for seqno in 51..100 {
            assert_eq!(write(&memtable, 7, Some(3), seqno, OldVersions::SeenBelow(50)), with_reader);
        }
        assert_eq!(get(&memtable, 7, 50), Some(Some(1)));
        assert_eq!(get(&memtable, 7, 100), Some(Some(3)));
        assert_eq!(get(&memtable, 7, 49), None, "no reader looks there");
    }
}
