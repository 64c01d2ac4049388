//! The rows of limits: what each allows, what each key of it uses, and which cohorts of tasks wait for a key.

use super::key::{Fill, PREFIX_BYTES, Take, kind};
use super::named::NamedRows;
use super::value::{LAYOUT, layout};
use crate::limit::{get_settings, put_settings};
use crate::queue::{get_option, put_option};
use crate::wire::{FormatError, Reader, Writer};
use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;
use model::{Elapsed, KeyRange, LimitSettings, Namespace, Slot};

/// A limit in its slot: the beginning of the keys of all its rows but its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitKeys {
    pub slot: Slot,
    /// A hash of its name.
    pub limit: u128,
}

/// The cohorts of one type in one queue that wait for a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LimitListId {
    pub queue_slot: Slot,
    pub queue: u64,
    pub type_number: u32,
}

const KEY_BYTES: usize = PREFIX_BYTES + 32;
const LIST_BYTES: usize = KEY_BYTES + 14;

impl LimitKeys {
    fn fill<const N: usize>(self, kind: u8) -> Fill<N> {
        Fill::new(self.slot, Namespace::ROOT, kind).with(self.limit.to_be_bytes())
    }

    /// The key of [`LimitRow`].
    #[must_use]
    pub fn name(slot: Slot, name: &str) -> Vec<u8> {
        NamedRows::LIMITS.key(slot, name)
    }

    /// The key of [`LimitKeyRow`].
    #[must_use]
    pub fn key(self, key: u128) -> [u8; KEY_BYTES] {
        self.fill(kind::LIMIT_KEY).with(key.to_be_bytes()).done()
    }

    /// The hash of the key in such a key.
    ///
    /// # Errors
    /// [`FormatError`] when it is the key of another kind of row.
    pub fn parse_key(key: &[u8]) -> Result<u128, FormatError> {
        let (_, _, mut take) = Take::of(key, kind::LIMIT_KEY, "key of a limit's key")?;
        let _: [u8; 16] = take.next()?;
        let hash = u128::from_be_bytes(take.next()?);
        take.end()?;
        Ok(hash)
    }

    /// The key of [`LimitListRow`].
    #[must_use]
    pub fn list(self, key: u128, list: LimitListId) -> [u8; LIST_BYTES] {
        self.fill_list(kind::LIMIT_LIST, key, list).done()
    }

    /// The list of such a key.
    ///
    /// # Errors
    /// [`FormatError`] when it is the key of another kind of row.
    pub fn parse_list(key: &[u8]) -> Result<LimitListId, FormatError> {
        let (_, _, mut take) = Take::of(key, kind::LIMIT_LIST, "key of a list of cohorts")?;
        let _: [u8; 32] = take.next()?;
        let list = LimitListId {
            queue_slot: Slot(u16::from_be_bytes(take.next()?)),
            queue: u64::from_be_bytes(take.next()?),
            type_number: u32::from_be_bytes(take.next()?),
        };
        take.end()?;
        Ok(list)
    }

    /// The key of the row of a cohort that waits; its value is the cohort's hash.
    #[must_use]
    pub fn waiting(self, key: u128, list: LimitListId, order: u64) -> [u8; LIST_BYTES + 8] {
        self.fill_list(kind::LIMIT_WAITING, key, list).with(order.to_be_bytes()).done()
    }

    fn fill_list<const N: usize>(self, kind: u8, key: u128, list: LimitListId) -> Fill<N> {
        self.fill(kind)
            .with(key.to_be_bytes())
            .with(list.queue_slot.0.to_be_bytes())
            .with(list.queue.to_be_bytes())
            .with(list.type_number.to_be_bytes())
    }
}

/// Keys from one on, and before another. It owns its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitRange {
    from: Vec<u8>,
    to: Vec<u8>,
}

impl LimitRange {
    /// The keys of a limit that are in use, from one on.
    #[must_use]
    pub fn keys(limit: LimitKeys, from: u128) -> Self {
        let mut to = limit.key(u128::MAX).to_vec();
        to.push(0);
        Self { from: limit.key(from).to_vec(), to }
    }

    /// The lists of cohorts that wait for a key.
    #[must_use]
    pub fn lists(limit: LimitKeys, key: u128) -> Self {
        let list = |number: u64| LimitListId {
            queue_slot: Slot(number as u16),
            queue: number,
            type_number: number as u32,
        };
        let mut to = limit.list(key, list(u64::MAX)).to_vec();
        to.push(0);
        Self { from: limit.list(key, list(0)).to_vec(), to }
    }

    /// The cohorts of a list, from one on.
    #[must_use]
    pub fn waiting(limit: LimitKeys, key: u128, list: LimitListId, from: u64) -> Self {
        let mut to = limit.waiting(key, list, u64::MAX).to_vec();
        to.push(0);
        Self { from: limit.waiting(key, list, from).to_vec(), to }
    }

    /// The timers of a slot, from a moment on.
    #[must_use]
    pub fn timers(slot: Slot, from: Elapsed) -> Self {
        let first = LimitTimerKey { slot, due: from, limit: 0, subject: LimitSubject::Walk };
        Self {
            from: first.encode().to_vec(),
            to: Fill::<PREFIX_BYTES>::new(slot, Namespace::SYSTEM, kind::LIMIT_TIMER + 1).done().to_vec(),
        }
    }

    #[must_use]
    pub fn as_range(&self) -> KeyRange<'_> {
        KeyRange { from: &self.from, to: &self.to }
    }
}

/// A limit's own row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LimitRow {
    /// `None`: the limit was deleted, and its keys are being opened.
    pub settings: Option<LimitSettings>,
    /// The next key to open after a change of the settings.
    pub walk: Option<u128>,
}

impl LimitRow {
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(24);
        let mut writer = Writer::new(&mut out);
        writer.u8(LAYOUT);
        put_option(&mut writer, self.settings, |writer, settings| put_settings(writer, &settings));
        put_option(&mut writer, self.walk, Writer::u128);
        out
    }

    /// # Errors
    /// [`FormatError`] when these are not the bytes of a limit's row.
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        let mut reader = Reader::new(bytes);
        layout(&mut reader, "limit row")?;
        let row = Self {
            settings: get_option(&mut reader, get_settings)?,
            walk: get_option(&mut reader, Reader::u128)?,
        };
        reader.end()?;
        Ok(row)
    }
}

/// A key of a limit that is in use. It exists even if the limit does not, because queues may name a limit that is made
/// later.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LimitKeyRow {
    pub key: String,
    /// Claims that last.
    pub running: u64,
    /// Cohorts that wait.
    pub waiting: u64,
    /// When everything that was used of the rate is there again, in microseconds of elapsed time.
    pub refilled_us: u64,
    /// Nothing of it may be claimed before this.
    pub closed_until: Elapsed,
    /// Its timer.
    pub due: Option<Elapsed>,
}

impl LimitKeyRow {
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(32 + self.key.len());
        let mut writer = Writer::new(&mut out);
        writer.u8(LAYOUT);
        writer.prefixed(self.key.as_bytes());
        writer.varint(self.running);
        writer.varint(self.waiting);
        writer.varint(self.refilled_us);
        writer.varint(self.closed_until.0);
        put_option(&mut writer, self.due, |writer, due| writer.u64(due.0));
        out
    }

    /// # Errors
    /// [`FormatError`] when these are not the bytes of the row of a limit's key.
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        let mut reader = Reader::new(bytes);
        layout(&mut reader, "row of a limit's key")?;
        let row = Self {
            key: reader.text("key of a limit")?.to_owned(),
            running: reader.varint()?,
            waiting: reader.varint()?,
            refilled_us: reader.varint()?,
            closed_until: Elapsed(reader.varint()?),
            due: get_option(&mut reader, |reader| reader.u64().map(Elapsed))?,
        };
        reader.end()?;
        Ok(row)
    }
}

/// Cohorts of one type in one queue that wait for a key of a limit, first come, first served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitListRow {
    /// The type whose number the key has.
    pub task_type: String,
    pub cohorts: u64,
    /// None has an earlier place.
    pub from: u64,
    /// The place of the next cohort.
    pub next: u64,
}

impl LimitListRow {
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(8 + self.task_type.len());
        let mut writer = Writer::new(&mut out);
        writer.u8(LAYOUT);
        writer.prefixed(self.task_type.as_bytes());
        writer.varint(self.cohorts);
        writer.varint(self.from);
        writer.varint(self.next);
        out
    }

    /// # Errors
    /// [`FormatError`] when these are not the bytes of the row of a list of cohorts.
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        let mut reader = Reader::new(bytes);
        layout(&mut reader, "row of a list of cohorts")?;
        let row = Self {
            task_type: reader.text("task type")?.to_owned(),
            cohorts: reader.varint()?,
            from: reader.varint()?,
            next: reader.varint()?,
        };
        reader.end()?;
        Ok(row)
    }
}

/// What the timer of a limit is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LimitSubject {
    /// The settings have changed: open its keys, one after another. The value of the row is the limit's name.
    Walk,
    /// A key, by its hash, may be open again, or is no longer in use. The value of the row is the limit's name.
    Key(u128),
}

/// A moment at which something is due for a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitTimerKey {
    pub slot: Slot,
    pub due: Elapsed,
    pub limit: u128,
    pub subject: LimitSubject,
}

impl LimitTimerKey {
    #[must_use]
    pub fn encode(&self) -> [u8; PREFIX_BYTES + 41] {
        let (subject, key) = match self.subject {
            LimitSubject::Walk => (0, 0),
            LimitSubject::Key(key) => (1, key),
        };
        Fill::new(self.slot, Namespace::SYSTEM, kind::LIMIT_TIMER)
            .with(self.due.0.to_be_bytes())
            .with(self.limit.to_be_bytes())
            .with([subject])
            .with(key.to_be_bytes())
            .done()
    }

    /// # Errors
    /// [`FormatError`] when it is not the key of a limit's timer.
    pub fn decode(key: &[u8]) -> Result<Self, FormatError> {
        let (slot, _, mut take) = Take::of(key, kind::LIMIT_TIMER, "limit timer's key")?;
        let due = Elapsed(u64::from_be_bytes(take.next()?));
        let limit = u128::from_be_bytes(take.next()?);
        let [subject] = take.next()?;
        let key = u128::from_be_bytes(take.next()?);
        take.end()?;
        let subject = match subject {
            0 => LimitSubject::Walk,
            1 => LimitSubject::Key(key),
            other => return Err(FormatError::invalid("subject of a limit's timer", u64::from(other))),
        };
        Ok(Self { slot, due, limit, subject })
    }
}
