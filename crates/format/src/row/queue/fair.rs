//! The rows of tenants: how the claims of a queue are shared among those that tasks name.

use super::keys::{QUEUE_PREFIX_BYTES, QueueKeys, QueueRange, TextHash};
use super::values::LAYOUT;
use crate::queue::{get_option, get_u32, put_option};
use crate::row::key::{Take, kind};
use crate::row::value::layout;
use crate::wire::{FormatError, Reader, Writer};
use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;

/// The tasks of one tenant in one lane of a type, and their place among those of other tenants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShareId {
    pub type_number: u32,
    pub tenant: TextHash,
    pub lane: u8,
}

/// A place in a list of tenants: the lowest pass is next, and of equal ones the one that came first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pass {
    pub pass: u64,
    pub turn: u64,
}

/// A list of tenants: those of one lane of a type that have one weight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TenantListId {
    pub type_number: u32,
    pub lane: u8,
    pub weight: u8,
}

const TENANT_BYTES: usize = QUEUE_PREFIX_BYTES + 16;
const LIST_BYTES: usize = QUEUE_PREFIX_BYTES + 6;

impl QueueKeys {
    /// The key of [`TenantRow`].
    #[must_use]
    pub fn tenant(self, tenant: TextHash) -> [u8; TENANT_BYTES] {
        self.fill(kind::TENANT).with(tenant.to_be_bytes()).done()
    }

    /// The tenant in the key of [`Self::tenant`].
    ///
    /// # Errors
    /// [`FormatError`] when it is the key of another kind of row.
    pub fn parse_tenant(key: &[u8]) -> Result<TextHash, FormatError> {
        let (_, _, mut take) = Take::of(key, kind::TENANT, "tenant's key")?;
        let _: [u8; 8] = take.next()?;
        let tenant = u128::from_be_bytes(take.next()?);
        take.end()?;
        Ok(tenant)
    }

    /// The key of [`FairRow`].
    #[must_use]
    pub fn fair(self) -> [u8; QUEUE_PREFIX_BYTES] {
        self.fill(kind::FAIR).done()
    }

    /// The key of [`FairTypeRow`].
    #[must_use]
    pub fn fair_type(self, type_number: u32) -> [u8; QUEUE_PREFIX_BYTES + 4] {
        self.fill(kind::FAIR_TYPE).with(type_number.to_be_bytes()).done()
    }

    /// The key of [`ShareRow`].
    #[must_use]
    pub fn share(self, share: ShareId) -> [u8; QUEUE_PREFIX_BYTES + 21] {
        self.fill(kind::SHARE)
            .with(share.type_number.to_be_bytes())
            .with(share.tenant.to_be_bytes())
            .with([share.lane])
            .done()
    }

    /// The key of a tenant's place in a list; its value is the tenant's hash.
    #[must_use]
    pub fn tenant_turn(self, list: TenantListId, at: Pass) -> [u8; LIST_BYTES + 16] {
        self.fill(kind::TENANT_TURN)
            .with(list.type_number.to_be_bytes())
            .with([list.lane, list.weight])
            .with(at.pass.to_be_bytes())
            .with(at.turn.to_be_bytes())
            .done()
    }

    /// The place in such a key.
    ///
    /// # Errors
    /// [`FormatError`] when it is the key of another kind of row.
    pub fn parse_tenant_turn(key: &[u8]) -> Result<Pass, FormatError> {
        let (_, _, mut take) = Take::of(key, kind::TENANT_TURN, "key of a tenant's turn")?;
        let _: [u8; 14] = take.next()?;
        let at = Pass { pass: u64::from_be_bytes(take.next()?), turn: u64::from_be_bytes(take.next()?) };
        take.end()?;
        Ok(at)
    }

    /// The key of a cohort's place among those of its tenant; its value is the cohort's hash.
    #[must_use]
    pub fn share_cohort(self, share: ShareId, turn: u64) -> [u8; QUEUE_PREFIX_BYTES + 29] {
        self.fill(kind::SHARE_COHORT)
            .with(share.type_number.to_be_bytes())
            .with(share.tenant.to_be_bytes())
            .with([share.lane])
            .with(turn.to_be_bytes())
            .done()
    }

    /// The turn in such a key.
    ///
    /// # Errors
    /// [`FormatError`] when it is the key of another kind of row.
    pub fn parse_share_cohort(key: &[u8]) -> Result<u64, FormatError> {
        let (_, _, mut take) = Take::of(key, kind::SHARE_COHORT, "key of a tenant's cohort")?;
        let _: [u8; 29] = take.next()?;
        let turn = u64::from_be_bytes(take.next()?);
        take.end()?;
        Ok(turn)
    }
}

impl QueueRange {
    /// The tenants of a queue, from a hash on.
    #[must_use]
    pub fn tenants(queue: QueueKeys, from: TextHash) -> Self {
        let mut to = queue.tenant(u128::MAX).to_vec();
        to.push(0);
        Self::between(queue.tenant(from).to_vec(), to)
    }

    /// The tenants of a list, from a place on.
    #[must_use]
    pub fn tenant_turns(queue: QueueKeys, list: TenantListId, from: Pass) -> Self {
        let last = Pass { pass: u64::MAX, turn: u64::MAX };
        Self::between(queue.tenant_turn(list, from).to_vec(), queue.tenant_turn(list, last).to_vec())
    }

    /// The cohorts of a tenant, from a turn on.
    #[must_use]
    pub fn share_cohorts(queue: QueueKeys, share: ShareId, from: u64) -> Self {
        Self::between(queue.share_cohort(share, from).to_vec(), queue.share_cohort(share, u64::MAX).to_vec())
    }
}

/// A tenant of a queue. It has a row while it has unfinished tasks, or a weight of its own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TenantRow {
    /// Empty for tasks that name no tenant.
    pub name: String,
    /// If it was set.
    pub weight: Option<u32>,
    /// Tasks that are not finished.
    pub unfinished: u64,
    /// Those that run.
    pub running: u64,
    /// Lanes of types in which it has tasks that can be claimed.
    pub lanes: u32,
}

impl TenantRow {
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(8 + self.name.len());
        let mut writer = Writer::new(&mut out);
        writer.u8(LAYOUT);
        writer.prefixed(self.name.as_bytes());
        put_option(&mut writer, self.weight, |writer, weight| writer.varint(u64::from(weight)));
        writer.varint(self.unfinished);
        writer.varint(self.running);
        writer.varint(u64::from(self.lanes));
        out
    }

    /// # Errors
    /// [`FormatError`] when these are not the bytes of a tenant's row.
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        let mut reader = Reader::new(bytes);
        layout(&mut reader, "tenant's row")?;
        let row = Self {
            name: reader.text("tenant's name")?.to_owned(),
            weight: get_option(&mut reader, get_u32)?,
            unfinished: reader.varint()?,
            running: reader.varint()?,
            lanes: get_u32(&mut reader)?,
        };
        reader.end()?;
        Ok(row)
    }
}

/// What all tenants of a queue have together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FairRow {
    /// The weights of the tenants that run tasks or have tasks that can be claimed.
    pub weights: u64,
    /// Tasks that run.
    pub running: u64,
}

impl FairRow {
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(8);
        let mut writer = Writer::new(&mut out);
        writer.u8(LAYOUT);
        writer.varint(self.weights);
        writer.varint(self.running);
        out
    }

    /// # Errors
    /// [`FormatError`] when these are not the bytes of such a row.
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        let mut reader = Reader::new(bytes);
        layout(&mut reader, "row of a queue's tenants")?;
        let row = Self { weights: reader.varint()?, running: reader.varint()? };
        reader.end()?;
        Ok(row)
    }
}

/// The lists of tenants of one type.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FairTypeRow {
    /// The turn of the next tenant that enters a list.
    pub next_turn: u64,
    /// Those in which tenants have had tasks.
    pub lanes: Vec<FairLane>,
}

/// The tenants of one lane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FairLane {
    pub lane: u8,
    /// The pass of the last claim.
    pub now: u64,
    /// Empty ones are left out.
    pub lists: Vec<TenantList>,
}

/// The tenants of one lane that have one weight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TenantList {
    pub weight: u8,
    pub tenants: u64,
    /// The place of the first one.
    pub first: Pass,
}

impl FairTypeRow {
    /// The smallest encodings of a lane and of a list.
    const LANE_BYTES_MIN: usize = 3;
    const LIST_BYTES_MIN: usize = 4;

    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(16 + 24 * self.lanes.len());
        let mut writer = Writer::new(&mut out);
        writer.u8(LAYOUT);
        writer.varint(self.next_turn);
        writer.varint(self.lanes.len() as u64);
        for lane in &self.lanes {
            writer.u8(lane.lane);
            writer.varint(lane.now);
            writer.varint(lane.lists.len() as u64);
            for list in &lane.lists {
                writer.u8(list.weight);
                writer.varint(list.tenants);
                writer.varint(list.first.pass);
                writer.varint(list.first.turn);
            }
        }
        out
    }

    /// # Errors
    /// [`FormatError`] when these are not the bytes of such a row.
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        let mut reader = Reader::new(bytes);
        layout(&mut reader, "row of a type's tenants")?;
        let mut row = Self { next_turn: reader.varint()?, lanes: Vec::new() };
        for _ in 0..reader.count(Self::LANE_BYTES_MIN)? {
            let mut lane = FairLane { lane: reader.u8()?, now: reader.varint()?, lists: Vec::new() };
            for _ in 0..reader.count(Self::LIST_BYTES_MIN)? {
                lane.lists.push(TenantList {
                    weight: reader.u8()?,
                    tenants: reader.varint()?,
                    first: Pass { pass: reader.varint()?, turn: reader.varint()? },
                });
            }
            row.lanes.push(lane);
        }
        reader.end()?;
        Ok(row)
    }
}

/// The tasks of one tenant in one lane of a type. It has a row while some of them can be claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShareRow {
    /// The list in which it is, and where.
    pub weight: u8,
    pub at: Pass,
    /// Its cohorts that can be claimed from; none for tasks that name no tenant.
    pub cohorts: u64,
    /// The turn of the first of them, and that of the next one that comes.
    pub first: u64,
    pub next: u64,
}

impl ShareRow {
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(24);
        let mut writer = Writer::new(&mut out);
        writer.u8(LAYOUT);
        writer.u8(self.weight);
        for number in [self.at.pass, self.at.turn, self.cohorts, self.first, self.next] {
            writer.varint(number);
        }
        out
    }

    /// # Errors
    /// [`FormatError`] when these are not the bytes of such a row.
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        let mut reader = Reader::new(bytes);
        layout(&mut reader, "row of a tenant's share")?;
        let row = Self {
            weight: reader.u8()?,
            at: Pass { pass: reader.varint()?, turn: reader.varint()? },
            cohorts: reader.varint()?,
            first: reader.varint()?,
            next: reader.varint()?,
        };
        reader.end()?;
        Ok(row)
    }
}
