//! The rows of leases: who holds a lease, and who waits for it.
//!
//! The waiting holders form a list: each row names the holders before and after it, and the lease's row names the first
//! and the last. So everything is found by its key. A scan would have to pass over the rows of all that have waited
//! before, which a store may keep for a while after they were deleted.

use super::key::{Fill, PREFIX_BYTES, kind};
use super::named_timer::{NamedTimer, NamedTimers};
use super::value::{LAYOUT, layout};
use crate::wire::{FormatError, Reader, Writer};
use alloc::string::String;
use alloc::vec::Vec;
use model::{Elapsed, LeaseName, Namespace, Position, Slot};

/// The smallest encoding of a holder.
const HOLDER_BYTES_MIN: usize = 35;

/// The key of a lease's row.
#[must_use]
pub fn lease_key(slot: Slot, namespace: Namespace, lease: &str) -> Vec<u8> {
    let mut key = Vec::with_capacity(PREFIX_BYTES + lease.len());
    key.extend_from_slice(&Fill::<PREFIX_BYTES>::new(slot, namespace, kind::LEASE).done());
    key.extend_from_slice(lease.as_bytes());
    key
}

/// The key of the row of a waiting holder: the name's length (u16), the name, the holder.
#[must_use]
pub fn lease_waiter_key(slot: Slot, namespace: Namespace, lease: &str, holder: &str) -> Vec<u8> {
    let mut key = Vec::with_capacity(PREFIX_BYTES + 2 + lease.len() + holder.len());
    key.extend_from_slice(&Fill::<PREFIX_BYTES>::new(slot, namespace, kind::LEASE_WAITER).done());
    key.extend_from_slice(&(lease.len() as u16).to_be_bytes());
    key.extend_from_slice(lease.as_bytes());
    key.extend_from_slice(holder.as_bytes());
    key
}

/// A lease that someone holds or has held of late. It has one timer for as long as the row exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaseRow {
    /// How many may hold it at the same time.
    pub permits: u32,
    /// In the order of their tokens.
    pub holders: Vec<LeaseHolder>,
    /// How many wait.
    pub waiting: u32,
    /// The first and the last waiting holder.
    pub ends: Option<LeaseQueueEnds>,
    /// When to look for waits that have ended. None ends before a second before this.
    pub sweep: Elapsed,
    /// The time of the lease's timer. It is never later than what is due, and may be earlier.
    pub timer: Elapsed,
}

/// The ends of the list of waiting holders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaseQueueEnds {
    pub first: String,
    pub last: String,
}

/// A holder of a lease, or of an expired lease that is held off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaseHolder {
    pub holder: String,
    /// Without the slot, which is that of the lease's name.
    pub token: Position,
    /// When it asked for the last time.
    pub asked: Position,
    /// When it asked for the last time, in elapsed time.
    pub since: Elapsed,
    pub ttl_ms: u64,
    pub hold_off_ms: u64,
    pub expires: Elapsed,
}

impl LeaseHolder {
    /// When the permit is free for others, if nothing is done.
    #[must_use]
    pub fn free_at(&self) -> Elapsed {
        Elapsed(self.expires.0.saturating_add(self.hold_off_ms))
    }
}

impl LeaseRow {
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(64);
        let mut writer = Writer::new(&mut out);
        writer.u8(LAYOUT);
        writer.varint(u64::from(self.permits));
        writer.varint(self.holders.len() as u64);
        for holder in &self.holders {
            writer.prefixed(holder.holder.as_bytes());
            writer.u64(holder.token.0);
            writer.u64(holder.asked.0);
            writer.u64(holder.since.0);
            writer.varint(holder.ttl_ms);
            writer.varint(holder.hold_off_ms);
            writer.u64(holder.expires.0);
        }
        writer.varint(u64::from(self.waiting));
        match &self.ends {
            None => writer.u8(0),
            Some(ends) => {
                writer.u8(1);
                writer.prefixed(ends.first.as_bytes());
                writer.prefixed(ends.last.as_bytes());
            }
        }
        writer.u64(self.sweep.0);
        writer.u64(self.timer.0);
        out
    }

    /// # Errors
    /// [`FormatError`] when these are not the bytes of a lease's row.
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        let mut reader = Reader::new(bytes);
        layout(&mut reader, "lease row")?;
        let permits = crate::lease::get_u32(&mut reader, "number of permits")?;
        let count = reader.count(HOLDER_BYTES_MIN)?;
        let mut holders = Vec::with_capacity(count);
        for _ in 0..count {
            holders.push(LeaseHolder {
                holder: reader.text("lease holder")?.into(),
                token: Position(reader.u64()?),
                asked: Position(reader.u64()?),
                since: Elapsed(reader.u64()?),
                ttl_ms: reader.varint()?,
                hold_off_ms: reader.varint()?,
                expires: Elapsed(reader.u64()?),
            });
        }
        let waiting = crate::lease::get_u32(&mut reader, "number of waiting holders")?;
        let ends = match reader.u8()? {
            0 => None,
            1 => Some(LeaseQueueEnds {
                first: reader.text("lease holder")?.into(),
                last: reader.text("lease holder")?.into(),
            }),
            other => return Err(FormatError::invalid("option", u64::from(other))),
        };
        let (sweep, timer) = (Elapsed(reader.u64()?), Elapsed(reader.u64()?));
        reader.end()?;
        Ok(Self { permits, holders, waiting, ends, sweep, timer })
    }
}

/// A holder that waits for a lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaseWaiterRow {
    /// When it asked for the last time. Its place in the queue is that of the first time.
    pub asked: Position,
    /// When it asked for the last time, in elapsed time.
    pub since: Elapsed,
    pub ttl_ms: u64,
    pub hold_off_ms: u64,
    /// When the wait ends.
    pub until: Elapsed,
    /// Who waits before it.
    pub before: Option<String>,
    /// Who waits after it.
    pub after: Option<String>,
}

impl LeaseWaiterRow {
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(64);
        let mut writer = Writer::new(&mut out);
        writer.u8(LAYOUT);
        writer.u64(self.asked.0);
        writer.u64(self.since.0);
        writer.varint(self.ttl_ms);
        writer.varint(self.hold_off_ms);
        writer.u64(self.until.0);
        for neighbour in [&self.before, &self.after] {
            match neighbour {
                None => writer.u8(0),
                Some(holder) => {
                    writer.u8(1);
                    writer.prefixed(holder.as_bytes());
                }
            }
        }
        out
    }

    /// # Errors
    /// [`FormatError`] when these are not the bytes of such a row.
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        let mut reader = Reader::new(bytes);
        layout(&mut reader, "row of a waiting holder")?;
        let row = Self {
            asked: Position(reader.u64()?),
            since: Elapsed(reader.u64()?),
            ttl_ms: reader.varint()?,
            hold_off_ms: reader.varint()?,
            until: Elapsed(reader.u64()?),
            before: get_neighbour(&mut reader)?,
            after: get_neighbour(&mut reader)?,
        };
        reader.end()?;
        Ok(row)
    }
}

fn get_neighbour(reader: &mut Reader<'_>) -> Result<Option<String>, FormatError> {
    match reader.u8()? {
        0 => Ok(None),
        1 => Ok(Some(reader.text("lease holder")?.into())),
        other => Err(FormatError::invalid("option", u64::from(other))),
    }
}

/// The elapsed time at which the node must look at a lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaseTimerKey<'a> {
    pub slot: Slot,
    pub deadline: Elapsed,
    pub namespace: Namespace,
    pub lease: LeaseName<'a>,
}

impl<'a> LeaseTimerKey<'a> {
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let Self { slot, deadline, namespace, ref lease } = *self;
        NamedTimer { slot, deadline, namespace, name: lease.as_str() }.encode(kind::LEASE_TIMER)
    }

    /// # Errors
    /// [`FormatError`] when it is not the key of a lease's timer.
    pub fn decode(key: &'a [u8]) -> Result<Self, FormatError> {
        let NamedTimer { slot, deadline, namespace, name } =
            NamedTimer::decode(key, kind::LEASE_TIMER, "lease timer's key")?;
        let lease = LeaseName::new(name).map_err(|_| FormatError::Text { what: "lease name" })?;
        Ok(Self { slot, deadline, namespace, lease })
    }

    /// The timers of the leases of one slot, from a point on.
    #[must_use]
    pub fn timers(slot: Slot, from: Elapsed) -> NamedTimers {
        NamedTimers::of(slot, kind::LEASE_TIMER, from)
    }
}
