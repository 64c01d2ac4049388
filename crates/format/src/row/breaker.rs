//! The rows of breakers: what each remembers, and whose outcomes were recorded.

use super::key::{Fill, PREFIX_BYTES, kind};
use super::named::NamedRows;
use super::value::{LAYOUT, layout};
use crate::breaker::{get_forced, get_settings, put_forced, put_settings};
use crate::queue::{get_option, get_u32, put_option};
use crate::wire::{FormatError, Reader, Writer};
use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;
use model::{BreakerForced, BreakerSettings, Elapsed, Namespace, Slot, Wall};

/// The key of [`BreakerRow`].
#[must_use]
pub fn breaker_key(slot: Slot, name: &str) -> Vec<u8> {
    NamedRows::BREAKERS.key(slot, name)
}

/// The key of [`RecentRow`]: a hash of the breaker's name, and the number of a group of permits.
#[must_use]
pub fn breaker_recent_key(slot: Slot, breaker: u128, group: u16) -> [u8; PREFIX_BYTES + 18] {
    Fill::new(slot, Namespace::ROOT, kind::BREAKER_RECENT)
        .with(breaker.to_be_bytes())
        .with(group.to_be_bytes())
        .done()
}

/// The key of [`BreakerTally`]. It is in the shard's first slot.
#[must_use]
pub fn breaker_tally_key(first: Slot) -> [u8; PREFIX_BYTES] {
    Fill::new(first, Namespace::ROOT, kind::BREAKER_TALLY).done()
}

/// A breaker that has been used, or that has settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BreakerRow {
    /// `None`: the defaults.
    pub settings: Option<BreakerSettings>,
    pub state: BreakerState,
    /// When it opened, became half-open or closed for the last time.
    pub changed: Wall,
    /// How often it has opened by itself.
    pub opened: u64,
    /// The workers that have recorded last, in no particular order.
    pub workers: Vec<BreakerWorker>,
    pub failure: Option<BreakerFailure>,
}

/// What the policy remembers. Times are nanoseconds of elapsed time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BreakerState {
    pub mode: BreakerMode,
    pub forced: BreakerForced,
    /// Transitions so far.
    pub generation: u32,
    /// When the last one was.
    pub since: u64,
    pub calls: BreakerCalls,
    /// Failures since the last success.
    pub consecutive: u32,
    /// Trips without a calm time between them.
    pub trips: u32,
    /// Workers that failed, by the hashes of their names, and when.
    pub sources: Vec<(u32, u64)>,
    /// The numbers of the probes under way, and when each is given up.
    pub probes: Vec<(u32, u64)>,
    pub probe_last: u32,
    pub probes_succeeded: u32,
    pub probes_failed: u32,
}

/// Whether a breaker admits calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BreakerMode {
    Closed,
    /// A growing share of them.
    Ramp,
    /// None until this time.
    Open(u64),
    HalfOpen,
}

/// The outcomes in a breaker's window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BreakerCalls {
    Count {
        length: u32,
        /// The place of the next call.
        next: u32,
        calls: u32,
        /// One bit for each place.
        failed: Vec<u64>,
        /// The same of calls that were slow; empty if none was.
        slow: Vec<u64>,
    },
    Time {
        bucket_nanos: u64,
        /// The number of the newest bucket.
        newest: u64,
        /// Calls and failures.
        buckets: Vec<(u64, u64)>,
        /// Slow calls, by bucket; empty if none was.
        slow: Vec<u64>,
    },
}

/// What a breaker remembers of a worker. Counts are halved now and then, so that they follow what the worker does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BreakerWorker {
    pub name: String,
    pub calls: u32,
    pub failures: u32,
    /// When it recorded last.
    pub last: Elapsed,
}

/// The last failure that counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BreakerFailure {
    pub class: String,
    pub worker: String,
    pub at: Wall,
}

mod tag {
    pub(super) const CLOSED: u8 = 0;
    pub(super) const RAMP: u8 = 1;
    pub(super) const OPEN: u8 = 2;
    pub(super) const HALF_OPEN: u8 = 3;

    pub(super) const CALLS: u8 = 1;
    pub(super) const TIME: u8 = 2;
    pub(super) const CALLS_SLOW: u8 = 3;
    pub(super) const TIME_SLOW: u8 = 4;
}

/// The smallest encodings of what lists hold.
const PAIR_BYTES_MIN: usize = 2;
const WORD_BYTES: usize = 8;
const NUMBER_BYTES_MIN: usize = 1;
const WORKER_BYTES_MIN: usize = 4;

impl BreakerRow {
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(128);
        let mut writer = Writer::new(&mut out);
        writer.u8(LAYOUT);
        put_option(&mut writer, self.settings.as_ref(), put_settings);
        self.state.put(&mut writer);
        writer.u64(self.changed.0);
        writer.varint(self.opened);
        writer.varint(self.workers.len() as u64);
        for worker in &self.workers {
            writer.prefixed(worker.name.as_bytes());
            writer.varint(u64::from(worker.calls));
            writer.varint(u64::from(worker.failures));
            writer.varint(worker.last.0);
        }
        put_option(&mut writer, self.failure.as_ref(), |writer, failure| {
            writer.prefixed(failure.class.as_bytes());
            writer.prefixed(failure.worker.as_bytes());
            writer.u64(failure.at.0);
        });
        out
    }

    /// # Errors
    /// [`FormatError`] when these are not the bytes of a breaker's row.
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        let mut reader = Reader::new(bytes);
        layout(&mut reader, "breaker row")?;
        let settings = get_option(&mut reader, get_settings)?;
        let state = BreakerState::get(&mut reader)?;
        let (changed, opened) = (Wall(reader.u64()?), reader.varint()?);
        let count = reader.count(WORKER_BYTES_MIN)?;
        let mut workers = Vec::with_capacity(count.min(16));
        for _ in 0..count {
            workers.push(BreakerWorker {
                name: reader.text("worker")?.to_owned(),
                calls: get_u32(&mut reader)?,
                failures: get_u32(&mut reader)?,
                last: Elapsed(reader.varint()?),
            });
        }
        let failure = get_option(&mut reader, |reader| {
            Ok(BreakerFailure {
                class: reader.text("class of a failure")?.to_owned(),
                worker: reader.text("worker")?.to_owned(),
                at: Wall(reader.u64()?),
            })
        })?;
        reader.end()?;
        Ok(Self { settings, state, changed, opened, workers, failure })
    }
}

impl BreakerState {
    fn put(&self, writer: &mut Writer<'_>) {
        match self.mode {
            BreakerMode::Closed => writer.u8(tag::CLOSED),
            BreakerMode::Ramp => writer.u8(tag::RAMP),
            BreakerMode::Open(until) => {
                writer.u8(tag::OPEN);
                writer.varint(until);
            }
            BreakerMode::HalfOpen => writer.u8(tag::HALF_OPEN),
        }
        put_forced(writer, self.forced);
        writer.varint(u64::from(self.generation));
        writer.varint(self.since);
        self.calls.put(writer);
        writer.varint(u64::from(self.consecutive));
        writer.varint(u64::from(self.trips));
        for pairs in [&self.sources, &self.probes] {
            writer.varint(pairs.len() as u64);
            for (number, time) in pairs {
                writer.varint(u64::from(*number));
                writer.varint(*time);
            }
        }
        writer.varint(u64::from(self.probe_last));
        writer.varint(u64::from(self.probes_succeeded));
        writer.varint(u64::from(self.probes_failed));
    }

    fn get(reader: &mut Reader<'_>) -> Result<Self, FormatError> {
        Ok(Self {
            mode: match reader.u8()? {
                tag::CLOSED => BreakerMode::Closed,
                tag::RAMP => BreakerMode::Ramp,
                tag::OPEN => BreakerMode::Open(reader.varint()?),
                tag::HALF_OPEN => BreakerMode::HalfOpen,
                other => return Err(FormatError::invalid("mode of a breaker", u64::from(other))),
            },
            forced: get_forced(reader)?,
            generation: get_u32(reader)?,
            since: reader.varint()?,
            calls: BreakerCalls::get(reader)?,
            consecutive: get_u32(reader)?,
            trips: get_u32(reader)?,
            sources: get_pairs(reader)?,
            probes: get_pairs(reader)?,
            probe_last: get_u32(reader)?,
            probes_succeeded: get_u32(reader)?,
            probes_failed: get_u32(reader)?,
        })
    }
}

fn get_pairs(reader: &mut Reader<'_>) -> Result<Vec<(u32, u64)>, FormatError> {
    let count = reader.count(PAIR_BYTES_MIN)?;
    let mut pairs = Vec::with_capacity(count.min(16));
    for _ in 0..count {
        pairs.push((get_u32(reader)?, reader.varint()?));
    }
    Ok(pairs)
}

impl BreakerCalls {
    fn put(&self, writer: &mut Writer<'_>) {
        match self {
            Self::Count { length, next, calls, failed, slow } => {
                writer.u8(if slow.is_empty() { tag::CALLS } else { tag::CALLS_SLOW });
                writer.varint(u64::from(*length));
                writer.varint(u64::from(*next));
                writer.varint(u64::from(*calls));
                put_words(writer, failed);
                if !slow.is_empty() {
                    put_words(writer, slow);
                }
            }
            Self::Time { bucket_nanos, newest, buckets, slow } => {
                writer.u8(if slow.is_empty() { tag::TIME } else { tag::TIME_SLOW });
                writer.varint(*bucket_nanos);
                writer.varint(*newest);
                writer.varint(buckets.len() as u64);
                for (calls, failures) in buckets {
                    writer.varint(*calls);
                    writer.varint(*failures);
                }
                if !slow.is_empty() {
                    writer.varint(slow.len() as u64);
                    for calls in slow {
                        writer.varint(*calls);
                    }
                }
            }
        }
    }

    fn get(reader: &mut Reader<'_>) -> Result<Self, FormatError> {
        let kind = reader.u8()?;
        match kind {
            tag::CALLS | tag::CALLS_SLOW => {
                let (length, next, calls) = (get_u32(reader)?, get_u32(reader)?, get_u32(reader)?);
                let failed = get_words(reader)?;
                let slow = if kind == tag::CALLS_SLOW { get_words(reader)? } else { Vec::new() };
                Ok(Self::Count { length, next, calls, failed, slow })
            }
            tag::TIME | tag::TIME_SLOW => {
                let (bucket_nanos, newest) = (reader.varint()?, reader.varint()?);
                let count = reader.count(PAIR_BYTES_MIN)?;
                let mut buckets = Vec::with_capacity(count.min(16));
                for _ in 0..count {
                    buckets.push((reader.varint()?, reader.varint()?));
                }
                let mut slow = Vec::new();
                if kind == tag::TIME_SLOW {
                    for _ in 0..reader.count(NUMBER_BYTES_MIN)? {
                        slow.push(reader.varint()?);
                    }
                }
                Ok(Self::Time { bucket_nanos, newest, buckets, slow })
            }
            other => Err(FormatError::invalid("window of a breaker", u64::from(other))),
        }
    }
}

fn put_words(writer: &mut Writer<'_>, words: &[u64]) {
    writer.varint(words.len() as u64);
    for word in words {
        writer.u64(*word);
    }
}

fn get_words(reader: &mut Reader<'_>) -> Result<Vec<u64>, FormatError> {
    let count = reader.count(WORD_BYTES)?;
    let mut words = Vec::with_capacity(count.min(16));
    for _ in 0..count {
        words.push(reader.u64()?);
    }
    Ok(words)
}

/// How many breakers there are, by state, and how often one has opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BreakerTally {
    pub closed: u64,
    pub open: u64,
    pub half_open: u64,
    /// By itself, of all breakers that ever were.
    pub opened: u64,
}

impl BreakerTally {
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(16);
        let mut writer = Writer::new(&mut out);
        writer.u8(LAYOUT);
        for number in [self.closed, self.open, self.half_open, self.opened] {
            writer.varint(number);
        }
        out
    }

    /// # Errors
    /// [`FormatError`] when these are not its bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        let mut reader = Reader::new(bytes);
        layout(&mut reader, "count of breakers")?;
        let tally = Self {
            closed: reader.varint()?,
            open: reader.varint()?,
            half_open: reader.varint()?,
            opened: reader.varint()?,
        };
        reader.end()?;
        Ok(tally)
    }
}

/// The permits of one group whose outcomes were recorded last, from the oldest to the newest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecentRow {
    pub permits: Vec<u64>,
}

impl RecentRow {
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(2 + WORD_BYTES * self.permits.len());
        let mut writer = Writer::new(&mut out);
        writer.u8(LAYOUT);
        for permit in &self.permits {
            writer.u64(*permit);
        }
        out
    }

    /// # Errors
    /// [`FormatError`] when these are not its bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        let mut reader = Reader::new(bytes);
        layout(&mut reader, "recent permits")?;
        let mut permits = Vec::with_capacity(bytes.len() / WORD_BYTES);
        while !reader.is_empty() {
            permits.push(reader.u64()?);
        }
        Ok(Self { permits })
    }
}
