//! The rows of cohorts: tasks of one type of a queue that have the same keys of the same limits. They can be claimed
//! together, or wait together for a limit.

use super::keys::{QUEUE_PREFIX_BYTES, QueueKeys, QueueRange};
use super::values::{LAYOUT, Lane};
use crate::queue::{get_option, get_u32, put_option};
use crate::row::key::{Take, kind};
use crate::row::value::layout;
use crate::wire::{FormatError, Reader, Writer};
use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;
use model::Position;

/// A cohort within its queue: the number of its type, and a hash of its gates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CohortId {
    pub type_number: u32,
    pub hash: u128,
}

/// One lane of a cohort that can be claimed, or the whole of one that waits, in the index of its type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn {
    pub rank: u16,
    /// Ascending: the first one is next.
    pub turn: u64,
}

/// The same fields of a cohort, then its tenant.
const LAYOUT_WITH_TENANT: u8 = 2;
const COHORT_BYTES: usize = QUEUE_PREFIX_BYTES + 20;

impl QueueKeys {
    /// The key of [`CohortRow`].
    #[must_use]
    pub fn cohort(self, cohort: CohortId) -> [u8; COHORT_BYTES] {
        self.fill(kind::COHORT).with(cohort.type_number.to_be_bytes()).with(cohort.hash.to_be_bytes()).done()
    }

    /// The key of a ready task of a cohort; its value is the task's position.
    #[must_use]
    pub fn cohort_task(self, cohort: CohortId, lane: u8, ready: Position) -> [u8; COHORT_BYTES + 9] {
        self.fill(kind::COHORT_TASK)
            .with(cohort.type_number.to_be_bytes())
            .with(cohort.hash.to_be_bytes())
            .with([lane])
            .with(ready.0.to_be_bytes())
            .done()
    }

    /// When the task of such a key became ready.
    ///
    /// # Errors
    /// [`FormatError`] when it is the key of another kind of row.
    pub fn parse_cohort_task(key: &[u8]) -> Result<Position, FormatError> {
        let (_, _, mut take) = Take::of(key, kind::COHORT_TASK, "key of a cohort's task")?;
        let _: [u8; 29] = take.next()?;
        let ready = Position(u64::from_be_bytes(take.next()?));
        take.end()?;
        Ok(ready)
    }

    /// The key of a cohort's place in the index of its type; its value is the cohort's hash.
    #[must_use]
    pub fn cohort_turn(self, type_number: u32, turn: Turn) -> [u8; QUEUE_PREFIX_BYTES + 14] {
        self.fill(kind::COHORT_TURN)
            .with(type_number.to_be_bytes())
            .with(turn.rank.to_be_bytes())
            .with(turn.turn.to_be_bytes())
            .done()
    }

    /// The turn of such a key.
    ///
    /// # Errors
    /// [`FormatError`] when it is the key of another kind of row.
    pub fn parse_cohort_turn(key: &[u8]) -> Result<Turn, FormatError> {
        let (_, _, mut take) = Take::of(key, kind::COHORT_TURN, "key of a cohort's turn")?;
        let _: [u8; 12] = take.next()?;
        let turn = Turn { rank: u16::from_be_bytes(take.next()?), turn: u64::from_be_bytes(take.next()?) };
        take.end()?;
        Ok(turn)
    }
}

impl QueueRange {
    /// The ready tasks of a cohort in one lane, from a moment on.
    #[must_use]
    pub fn cohort_tasks(queue: QueueKeys, cohort: CohortId, lane: u8, from: Position) -> Self {
        Self::between(
            queue.cohort_task(cohort, lane, from).to_vec(),
            queue.cohort_task(cohort, lane + 1, Position::ZERO).to_vec(),
        )
    }

    /// The cohorts of one type and rank, from a turn on.
    #[must_use]
    pub fn cohort_turns(queue: QueueKeys, type_number: u32, from: Turn) -> Self {
        let last = Turn { rank: from.rank, turn: u64::MAX };
        Self::between(
            queue.cohort_turn(type_number, from).to_vec(),
            queue.cohort_turn(type_number, last).to_vec(),
        )
    }
}

/// The value of the key of a cohort's turn.
#[must_use]
pub fn encode_cohort_hash(hash: u128) -> Vec<u8> {
    let mut out = Vec::with_capacity(17);
    let mut writer = Writer::new(&mut out);
    writer.u8(LAYOUT);
    writer.u128(hash);
    out
}

/// The hash of the cohort in such a row.
///
/// # Errors
/// [`FormatError`] when these are not its bytes.
pub fn decode_cohort_hash(value: &[u8]) -> Result<u128, FormatError> {
    let mut reader = Reader::new(value);
    layout(&mut reader, "cohort's hash")?;
    let hash = reader.u128()?;
    reader.end()?;
    Ok(hash)
}

/// One limit that holds for a task, and the key that the task has there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gate {
    pub limit: String,
    pub key: String,
    /// What the task costs of a rate.
    pub cost: u32,
}

impl Gate {
    /// The smallest encoding.
    const BYTES_MIN: usize = 3;

    fn put(&self, writer: &mut Writer<'_>) {
        writer.prefixed(self.limit.as_bytes());
        writer.prefixed(self.key.as_bytes());
        writer.varint(u64::from(self.cost));
    }

    fn get(reader: &mut Reader<'_>) -> Result<Self, FormatError> {
        Ok(Self {
            limit: reader.text("limit name")?.to_owned(),
            key: reader.text("key of a limit")?.to_owned(),
            cost: get_u32(reader)?,
        })
    }
}

/// The gates that a task has to pass before it can be claimed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Gates {
    /// The queue's settings by which they were found ([`QueueRow::generation`](super::QueueRow::generation)).
    pub generation: u64,
    /// In the order of the settings. Those of a running task are in use.
    pub gates: Vec<Gate>,
}

impl Gates {
    pub(crate) fn put(&self, writer: &mut Writer<'_>) {
        writer.varint(self.generation);
        put_gates(writer, &self.gates);
    }

    pub(crate) fn get(reader: &mut Reader<'_>) -> Result<Self, FormatError> {
        Ok(Self { generation: reader.varint()?, gates: get_gates(reader)? })
    }
}

fn put_gates(writer: &mut Writer<'_>, gates: &[Gate]) {
    writer.varint(gates.len() as u64);
    for gate in gates {
        gate.put(writer);
    }
}

fn get_gates(reader: &mut Reader<'_>) -> Result<Vec<Gate>, FormatError> {
    let count = reader.count(Gate::BYTES_MIN)?;
    let mut gates = Vec::with_capacity(count.min(16));
    for _ in 0..count {
        gates.push(Gate::get(reader)?);
    }
    Ok(gates)
}

/// Ready tasks that have the same gates.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CohortRow {
    /// The queue's settings under which it was last put where it is.
    pub generation: u64,
    /// What each of its tasks has to pass.
    pub gates: Vec<Gate>,
    /// A hash of the tenant that each of them names.
    pub tenant: Option<u128>,
    /// Empty lanes are left out. A cohort without tasks has no row.
    pub lanes: Vec<CohortLane>,
    /// Where it waits for a gate, if one is closed.
    pub waits: Option<CohortWait>,
}

/// The tasks of a cohort that have the same rank.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CohortLane {
    pub lane: Lane,
    /// Where it is in the index of its type, unless the cohort waits.
    pub turn: Turn,
}

/// Where a cohort waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CohortWait {
    /// The gate's number among [`CohortRow::gates`].
    pub gate: u32,
    /// Its place in the list of the limit's key.
    pub order: u64,
    /// Its place in the index of its type.
    pub turn: Turn,
}

impl CohortRow {
    /// The smallest encoding of a lane.
    const LANE_BYTES_MIN: usize = 13;

    /// How many tasks it holds.
    #[must_use]
    pub fn tasks(&self) -> u64 {
        self.lanes.iter().map(|lane| lane.lane.tasks).sum()
    }

    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(48);
        let mut writer = Writer::new(&mut out);
        writer.u8(if self.tenant.is_some() { LAYOUT_WITH_TENANT } else { LAYOUT });
        writer.varint(self.generation);
        put_gates(&mut writer, &self.gates);
        writer.varint(self.lanes.len() as u64);
        for lane in &self.lanes {
            writer.u8(lane.lane.lane);
            writer.varint(lane.lane.tasks);
            writer.u64(lane.lane.from.0);
            put_turn(&mut writer, lane.turn);
        }
        put_option(&mut writer, self.waits, |writer, waits| {
            writer.varint(u64::from(waits.gate));
            writer.varint(waits.order);
            put_turn(writer, waits.turn);
        });
        if let Some(tenant) = self.tenant {
            writer.u128(tenant);
        }
        out
    }

    /// # Errors
    /// [`FormatError`] when these are not the bytes of a cohort's row.
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        let mut reader = Reader::new(bytes);
        let has_tenant = match reader.u8()? {
            LAYOUT => false,
            LAYOUT_WITH_TENANT => true,
            other => return Err(FormatError::invalid("cohort row", u64::from(other))),
        };
        let mut row =
            Self { generation: reader.varint()?, gates: get_gates(&mut reader)?, ..Self::default() };
        for _ in 0..reader.count(Self::LANE_BYTES_MIN)? {
            let lane = Lane { lane: reader.u8()?, tasks: reader.varint()?, from: Position(reader.u64()?) };
            row.lanes.push(CohortLane { lane, turn: get_turn(&mut reader)? });
        }
        row.waits = get_option(&mut reader, |reader| {
            Ok(CohortWait { gate: get_u32(reader)?, order: reader.varint()?, turn: get_turn(reader)? })
        })?;
        if has_tenant {
            row.tenant = Some(reader.u128()?);
        }
        reader.end()?;
        Ok(row)
    }
}

fn put_turn(writer: &mut Writer<'_>, turn: Turn) {
    writer.u16(turn.rank);
    writer.varint(turn.turn);
}

fn get_turn(reader: &mut Reader<'_>) -> Result<Turn, FormatError> {
    Ok(Turn { rank: reader.u16()?, turn: reader.varint()? })
}

/// The cohorts of one type in one queue.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TypeCohorts {
    /// Tasks that can be claimed.
    pub ready: u64,
    /// Tasks of cohorts that wait.
    pub waiting: u64,
    /// No cohort that waits was put there under earlier settings of the queue than these.
    pub generation: u64,
    /// The turn of the next cohort that enters the index.
    pub next_turn: u64,
    /// Those that some cohort has.
    pub ranks: Vec<RankRow>,
}

/// The places of cohorts in the index of their type that have one rank.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RankRow {
    pub rank: u16,
    pub cohorts: u64,
    /// None has an earlier turn.
    pub from: u64,
}

impl TypeCohorts {
    /// The smallest encoding of a rank.
    const RANK_BYTES_MIN: usize = 4;

    pub(super) fn put(&self, writer: &mut Writer<'_>) {
        writer.varint(self.ready);
        writer.varint(self.waiting);
        writer.varint(self.generation);
        writer.varint(self.next_turn);
        writer.varint(self.ranks.len() as u64);
        for rank in &self.ranks {
            writer.u16(rank.rank);
            writer.varint(rank.cohorts);
            writer.varint(rank.from);
        }
    }

    pub(super) fn get(reader: &mut Reader<'_>) -> Result<Self, FormatError> {
        let mut cohorts = Self {
            ready: reader.varint()?,
            waiting: reader.varint()?,
            generation: reader.varint()?,
            next_turn: reader.varint()?,
            ranks: Vec::new(),
        };
        for _ in 0..reader.count(Self::RANK_BYTES_MIN)? {
            cohorts.ranks.push(RankRow {
                rank: reader.u16()?,
                cohorts: reader.varint()?,
                from: reader.varint()?,
            });
        }
        Ok(cohorts)
    }
}
