//! How many records of each segment are dead, and since when.
//!
//! Only the number of records is kept, not which ones, because a rewrite checks each record against the state
//! anyway. The number may be too high but never too low. If it is too high, the segment is only rewritten
//! earlier.
//!
//! The counts survive a restart in a small side file, which the sync before a state flush replaces
//! completely. After a crash the log is replayed from that flush, and later removals are noted again. The
//! alternative, to rebuild the counts from the state, was rejected: it needs a look-up for each event of the
//! store, while the side file takes a few dozen bytes for each segment with removals.
//!
//! The side file also records the end of the body file that a flushed state refers to. So opening the body
//! file with an older state, or with none, fails instead of cutting off bodies that only a newer state refers
//! to.

use super::segment::{ACCOUNT_NAME, ACCOUNT_NEW_NAME, Layout, RECORDS_AT, Shared, lock};
use super::{BodyError, BodyOptions};
use crate::disk::{Disk, DiskFile};
use format::body_index::{BodyRemoval, decode_removals, encode_removals};
use format::header::{BodyAccountHeader, HeaderError};
use model::{Position, Wall};
use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

/// Dead records of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Noted {
    pub(super) records: u64,
    pub(super) since: Wall,
}

/// The counts, by the logical offset of each segment's first record.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    noted: BTreeMap<u64, Noted>,
    /// The count of the segment that is being rewritten. Removals since then are counted separately.
    rewriting: Option<(u64, Noted)>,
    changes: u64,
    saved: u64,
    /// What the side file says about the flushed state.
    saved_persisted: u64,
}

impl Ledger {
    pub(super) fn get(&self, segment: u64) -> Option<Noted> {
        self.noted.get(&segment).copied()
    }

    /// Whether the segment may still hold removed events.
    pub(super) fn may_hold_removed(&self, segment: u64) -> bool {
        self.noted.contains_key(&segment) || self.rewriting.is_some_and(|(rewriting, _)| rewriting == segment)
    }

    pub(super) fn is_rewriting(&self) -> bool {
        self.rewriting.is_some()
    }

    pub(super) fn dead_records(&self) -> u64 {
        let rewriting = self.rewriting.map_or(0, |(_, noted)| noted.records);
        rewriting + self.noted.values().map(|noted| noted.records).sum::<u64>()
    }

    /// Dead records are counted but not measured, so each counts as the mean record of its segment.
    pub(super) fn dead_bytes<F>(&self, layout: &Layout<F>) -> u64 {
        let share = |bytes: u64, records: u64, dead: u64| match u128::from(records) {
            0 => 0,
            records => (u128::from(bytes) * u128::from(dead).min(records) / records) as u64,
        };
        let sealed = layout.sealed.iter().map(|segment| {
            let bytes = segment.records_end - RECORDS_AT;
            share(bytes, segment.trailer.records, self.dead_in(segment.header.first))
        });
        let tail = &layout.tail;
        let in_tail = share(tail.records_end - RECORDS_AT, tail.records, self.dead_in(tail.header.first));
        sealed.sum::<u64>() + in_tail
    }

    /// The dead records of one segment, even while it is being rewritten.
    fn dead_in(&self, segment: u64) -> u64 {
        let noted = self.get(segment).map_or(0, |noted| noted.records);
        let rewriting = self.rewriting.filter(|(rewriting, _)| *rewriting == segment);
        noted + rewriting.map_or(0, |(_, before)| before.records)
    }

    pub(super) fn segments(&self) -> impl Iterator<Item = (u64, Noted)> + '_ {
        self.noted.iter().map(|(segment, noted)| (*segment, *noted))
    }

    /// Adds to the count, up to the number of records that the segment has.
    pub(super) fn note(&mut self, segment: u64, records_max: u64, new: Noted) {
        if records_max == 0 {
            return;
        }
        let noted = self.noted.entry(segment).or_insert(Noted { records: 0, since: new.since });
        noted.records = noted.records.saturating_add(new.records).min(records_max);
        noted.since = noted.since.min(new.since);
        self.changes += 1;
    }

    pub(super) fn begin_rewriting(&mut self, segment: u64) {
        let noted = self.noted.remove(&segment).unwrap_or(Noted { records: 0, since: Wall(0) });
        self.rewriting = Some((segment, noted));
    }

    /// The old segment stays, with its count.
    pub(super) fn abandon_rewriting(&mut self) {
        if let Some((segment, before)) = self.rewriting.take()
            && before.records > 0
        {
            self.note(segment, u64::MAX, before);
        }
    }

    /// The segments have become one. Its only dead records are those noted during the rewrite.
    pub(super) fn end_rewriting(&mut self, replaced: &[u64], by: u64) {
        self.rewriting = None;
        for segment in replaced {
            if let Some(noted) = self.noted.remove(segment) {
                self.note(by, u64::MAX, noted);
            }
        }
        self.changes += 1;
    }

    /// The rows that the side file should hold, and a number to pass to [`Self::saved`]; `None` when it
    /// already holds them.
    fn unsaved(&self, persisted: u64) -> Option<(Vec<BodyRemoval>, u64)> {
        if self.saved == self.changes && self.saved_persisted == persisted {
            return None;
        }
        let mut all = self.noted.clone();
        if let Some((segment, before)) = self.rewriting.filter(|(_, before)| before.records > 0) {
            let noted = all.entry(segment).or_insert(Noted { records: 0, since: before.since });
            noted.records = noted.records.saturating_add(before.records);
            noted.since = noted.since.min(before.since);
        }
        let rows = all.iter().map(|(segment, noted)| {
            let Noted { records, since } = *noted;
            BodyRemoval { segment: *segment, records, since }
        });
        Some((rows.collect(), self.changes))
    }
}

impl<D: Disk> Shared<D> {
    /// Counts the positions in the segments that contain them.
    pub(super) fn note_removed(&self, positions: &[Position], now: Wall) {
        let layout = self.layout();
        let mut ledger = self.ledger();
        for position in positions {
            let new = Noted { records: 1, since: now };
            if let Some(segment) = layout.sealed_with(*position) {
                ledger.note(segment.header.first, segment.trailer.records, new);
            } else if layout.tail.holds(*position) {
                ledger.note(layout.tail.header.first, layout.tail.records, new);
            }
        }
    }

    /// Replaces the side file if the counts have changed. The new name is durable after a sync of the
    /// directory.
    pub(super) fn save_account(&self) -> Result<(), BodyError> {
        let _one_at_a_time = lock(&self.saving);
        let persisted = self.persisted.load(Ordering::Acquire);
        let Some((rows, changes)) = self.ledger().unsaved(persisted) else { return Ok(()) };
        let mut body = Vec::new();
        encode_removals(&rows, &mut body);
        let (count, checksum) = (rows.len() as u32, crc32c::crc32c(&body));
        let store = self.options.store;
        let mut bytes = BodyAccountHeader { store, persisted, count, checksum }.encode();
        bytes.extend_from_slice(&body);
        let failed = |source| BodyError::io(ACCOUNT_NEW_NAME, source);
        match self.disk.remove(ACCOUNT_NEW_NAME) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
        let file = self.disk.create(ACCOUNT_NEW_NAME).map_err(failed)?;
        file.write_at(&bytes, 0).map_err(failed)?;
        file.sync().map_err(failed)?;
        self.disk.rename(ACCOUNT_NEW_NAME, ACCOUNT_NAME).map_err(failed)?;
        self.unsynced().names += 1;
        let mut ledger = self.ledger();
        (ledger.saved, ledger.saved_persisted) = (changes, persisted);
        Ok(())
    }
}

/// The content of the side file; empty when there is none.
#[derive(Debug, Default)]
pub(super) struct Account {
    pub(super) persisted: u64,
    removals: Vec<BodyRemoval>,
}

/// Reads the side file.
pub(super) fn read_account<D: Disk>(disk: &D, options: BodyOptions) -> Result<Account, BodyError> {
    let name = ACCOUNT_NAME;
    let file = match disk.open(name) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Account::default()),
        Err(error) => return Err(BodyError::io(name, error)),
    };
    let failed = |source| BodyError::io(name, source);
    let mut bytes = vec![0; file.len().map_err(failed)? as usize];
    let read = file.read_at(&mut bytes, 0).map_err(failed)?;
    bytes.truncate(read);
    let damaged = |what| BodyError::Damaged { file: name.to_owned(), offset: 0, what };
    let header = match BodyAccountHeader::decode(&bytes) {
        Ok(header) if header.store != options.store => {
            return Err(BodyError::OtherStore { file: name.to_owned() });
        }
        Ok(header) => header,
        Err(HeaderError::Damaged | HeaderError::Blank) => return Err(damaged("the file's header")),
        Err(why) => return Err(BodyError::Refused { file: name.to_owned(), why }),
    };
    let body = bytes.get(BodyAccountHeader::BYTES..).unwrap_or_default();
    let removals = decode_removals(body).filter(|removals| removals.len() == header.count as usize);
    let removals = removals.filter(|_| crc32c::crc32c(body) == header.checksum);
    let removals = removals.ok_or_else(|| damaged("the removals"))?;
    Ok(Account { persisted: header.persisted, removals })
}

impl Account {
    /// Assigns the counts to the existing segments.
    pub(super) fn into_ledger<F>(self, layout: &Layout<F>) -> Ledger {
        let mut ledger = Ledger::default();
        for row in self.removals {
            let noted = Noted { records: row.records, since: row.since };
            // A segment may have become part of a rewritten one.
            let at = layout.sealed.partition_point(|segment| segment.end <= row.segment);
            match layout.sealed.get(at) {
                Some(segment) => ledger.note(segment.header.first, segment.trailer.records, noted),
                None if row.segment <= layout.end() => {
                    ledger.note(layout.tail.header.first, layout.tail.records, noted);
                }
                None => {}
            }
        }
        ledger.saved = ledger.changes;
        ledger.saved_persisted = self.persisted;
        ledger
    }
}
