//! Leases: rights that one holder has at a time (or a few have), for a bounded time, and that are fenced.
//!
//! A lease's *token* is the point in the order of the store at which the lease was granted: a [`Cursor`]. Positions
//! are unique and grow forever, so a later grant always has a greater token, also after the lease was released,
//! has expired, or was forgotten by everyone.

use crate::ids::{Cursor, Elapsed, Position, Slot};
use crate::name::LeaseName;
use alloc::borrow::Cow;

/// Ask for a lease, or for one permit of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AcquireLease<'a> {
    pub lease: LeaseName<'a>,
    /// Who asks. One holder has a lease once: if it asks again, it gets the token that it has.
    pub holder: Cow<'a, str>,
    /// The lease ends this many milliseconds after it was granted or last renewed.
    pub ttl_ms: u64,
    /// If the lease ends by expiry, it is given to no one for this many milliseconds more.
    pub hold_off_ms: u64,
    /// How many holders the lease may have at the same time.
    pub permits: u32,
    /// How long the holder waits for its turn; 0 if it does not wait.
    pub wait_ms: u64,
}

/// Restart the time of a lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RenewLease<'a> {
    pub lease: LeaseName<'a>,
    pub token: Cursor,
    /// The new time; without it, the time is as before.
    pub ttl_ms: Option<u64>,
}

/// Give a lease back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReleaseLease<'a> {
    pub lease: LeaseName<'a>,
    pub token: Cursor,
}

/// Stop waiting for a lease. If the lease was granted in the meantime, it is given back, because no one has learned
/// of the grant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WithdrawLease<'a> {
    pub lease: LeaseName<'a>,
    pub holder: Cow<'a, str>,
    /// Which request is withdrawn. If the holder has asked again since, nothing happens.
    pub asked: Position,
}

/// Hand over one slot's leases that have expired.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExpireLeases {
    pub slot: Slot,
    /// Where to begin: no lease of this slot has an earlier timer.
    pub from: Elapsed,
    /// The maximum number of leases to look at.
    pub leases_max: u32,
}

/// A lease was granted to its holder, or the holder has it already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Granted {
    pub token: Cursor,
    /// How long the holder has the lease yet.
    pub remaining_ms: u64,
    /// The holder had the lease already. Its time goes on as before.
    pub replayed: bool,
}
