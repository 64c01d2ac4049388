//! The content of the log: frames of group records.
//!
//! A *frame* is what one write appends to a segment. A *group record* is one group's part of it: its hard
//! state (term, vote, commit), if that has changed, and its entries. The log puts any number of group
//! records, encoded one after the other, into one frame.
//!
//! ```text
//! frame, padded with zeros to 8 bytes          group record
//! 0   length       u32   of the records        0   length       u32   of what follows
//! 4   checksum     u32   CRC-32C               4   group        u32
//! 8   offset       u64   in its segment        8   flags        u8    1 hard state, 2 purged
//! 16  durable end  u64   in its segment            zeros        3
//! 24  opening      u32                         12  entries      u32   their number
//! 28  kind         u8                              [term u64, vote u64, commit u64]
//! 29  header check u24                             [purged through u64, its term u64]
//! 32  records                                      entries: index u64, term u64, kind u8, length u32,
//!                                                           bytes
//! ```
//!
//! All integers are little-endian. The checksum covers the whole frame. It is seeded with the segment's
//! generation, because recycled segments hold old frames, and with the store's id, so that bytes sent by a
//! client cannot pass for a frame. The header check is the low part of a checksum with the same seed over the
//! header alone, so that a search for headers need not read what follows them. The durable end is where the
//! writer knew the log to be on disk when it wrote the frame: an invalid frame before the durable end of any
//! valid frame is damage, and one after it is a torn tail. The opening number grows each time the log is
//! opened, and never decreases within a segment. It protects against frames that a crash leaves after a torn
//! one: when the torn frame has been overwritten, they have a lower opening number than the new frame, and so
//! are not taken for its successors.

use crate::header::StoreId;
use alloc::vec::Vec;
use core::fmt;
use crc32c::{crc32c, crc32c_append};
use model::{GroupId, Index, Term};

/// Bytes of a frame before its records.
pub const FRAME_HEADER_BYTES: usize = 32;
/// Every frame begins at a multiple of this.
pub const FRAME_ALIGN: u64 = 8;

const CHECK_AT: usize = 29;
const RECORD_HEADER_BYTES: usize = 16;
const HAS_HARD_STATE: u8 = 1;
const HAS_PURGED: u8 = 2;

/// The seed of a checksum: the store, and the generation of the frame's segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameSeed(u32);

impl FrameSeed {
    #[must_use]
    pub fn new(store: StoreId, generation: u64) -> Self {
        Self(crc32c_append(crc32c(&store.0.to_le_bytes()), &generation.to_le_bytes()))
    }
}

/// The content of a frame. The numbers never change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum FrameKind {
    /// Group records.
    Records = 1,
    /// Nothing: the frame only records the durable end.
    Mark = 2,
    /// Group records without entries: every group's latest hard state, at the start of a segment.
    Carry = 3,
    /// The segment's index. Only the log knows its format.
    Index = 4,
}

impl FrameKind {
    const fn from_number(number: u8) -> Option<Self> {
        match number {
            1 => Some(Self::Records),
            2 => Some(Self::Mark),
            3 => Some(Self::Carry),
            4 => Some(Self::Index),
            _ => None,
        }
    }
}

/// The fields of a frame's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameHeader {
    pub kind: FrameKind,
    /// Bytes of the records, without padding.
    pub length: u32,
    /// The frame's offset in its segment.
    pub offset: u64,
    /// The offset up to which the segment was known to be on disk when the frame was written.
    pub durable_end: u64,
    /// How often the log had been opened when the frame was written.
    pub opening: u32,
}

impl FrameHeader {
    /// Bytes of the whole frame, padding included.
    #[must_use]
    pub const fn frame_bytes(&self) -> u64 {
        frame_bytes(self.length as usize)
    }

    /// Encodes the header, checksum included, of a frame with these `records`, whose length must be
    /// [`FrameHeader::length`].
    #[must_use]
    pub fn encode(&self, seed: FrameSeed, records: &[u8]) -> [u8; FRAME_HEADER_BYTES] {
        let mut bytes = [0; FRAME_HEADER_BYTES];
        bytes[..4].copy_from_slice(&self.length.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.offset.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.durable_end.to_le_bytes());
        bytes[24..28].copy_from_slice(&self.opening.to_le_bytes());
        bytes[28] = self.kind as u8;
        let check = header_check(seed, &bytes);
        bytes[CHECK_AT..].copy_from_slice(&check);
        let sum = checksum(seed, &bytes, records);
        bytes[4..8].copy_from_slice(&sum.to_le_bytes());
        bytes
    }

    /// Reads the header of a frame at `offset`; `None` when no frame begins there. Call [`is_intact`] to
    /// check the rest of the frame.
    #[must_use]
    pub fn decode(seed: FrameSeed, bytes: &[u8; FRAME_HEADER_BYTES], offset: u64) -> Option<Self> {
        let (length, at) = (le_u32(bytes, 0), le_u64(bytes, 8));
        if at != offset || bytes[CHECK_AT..] != header_check(seed, bytes) {
            return None;
        }
        let kind = FrameKind::from_number(bytes[28])?;
        let (durable_end, opening) = (le_u64(bytes, 16), le_u32(bytes, 24));
        Some(Self { kind, length, offset, durable_end, opening })
    }
}

/// The bytes of a frame with this many bytes of records, padding included.
#[must_use]
pub const fn frame_bytes(records: usize) -> u64 {
    ((FRAME_HEADER_BYTES + records) as u64).next_multiple_of(FRAME_ALIGN)
}

/// Whether header and records are as they were written.
#[must_use]
pub fn is_intact(seed: FrameSeed, header: &[u8; FRAME_HEADER_BYTES], records: &[u8]) -> bool {
    le_u32(header, 0) as usize == records.len() && le_u32(header, 4) == checksum(seed, header, records)
}

fn checksum(seed: FrameSeed, header: &[u8; FRAME_HEADER_BYTES], records: &[u8]) -> u32 {
    let sum = crc32c_append(seed.0, &header[..4]);
    crc32c_append(crc32c_append(sum, &header[8..]), records)
}

fn header_check(seed: FrameSeed, header: &[u8; FRAME_HEADER_BYTES]) -> [u8; 3] {
    let sum = crc32c_append(crc32c_append(seed.0, &header[..4]), &header[8..CHECK_AT]);
    let [a, b, c, _] = sum.to_le_bytes();
    [a, b, c]
}

fn le_u32(bytes: &[u8; FRAME_HEADER_BYTES], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

fn le_u64(bytes: &[u8; FRAME_HEADER_BYTES], at: usize) -> u64 {
    u64::from(le_u32(bytes, at)) | (u64::from(le_u32(bytes, at + 4)) << 32)
}

/// What a group must make durable besides its entries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HardState {
    pub term: Term,
    /// The replica that this one voted for in that term; 0 when it did not vote.
    pub vote: u64,
    pub commit: Index,
}

/// Appends one group record to `out`. Each entry must be shorter than 4 GiB. The entries must be fewer than
/// 2^32, and the records of one frame together shorter than 4 GiB.
pub fn encode_group<'a>(
    group: GroupId,
    hard_state: Option<HardState>,
    entries: impl Iterator<Item = LogEntry<'a>>,
    out: &mut Vec<u8>,
) {
    encode(group, hard_state, None, entries, out);
}

/// Appends a record of a group's hard state and of the last entry that is purged from its log.
pub fn encode_carry(group: GroupId, hard_state: HardState, purged: Purged, out: &mut Vec<u8>) {
    encode(group, Some(hard_state), Some(purged), core::iter::empty(), out);
}

fn encode<'a>(
    group: GroupId,
    hard_state: Option<HardState>,
    purged: Option<Purged>,
    entries: impl Iterator<Item = LogEntry<'a>>,
    out: &mut Vec<u8>,
) {
    let start = out.len();
    let flags = hard_state.map_or(0, |_| HAS_HARD_STATE) | purged.map_or(0, |_| HAS_PURGED);
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&group.0.to_le_bytes());
    out.extend_from_slice(&[flags, 0, 0, 0, 0, 0, 0, 0]);
    if let Some(HardState { term, vote, commit }) = hard_state {
        for number in [term.0, vote, commit.0] {
            out.extend_from_slice(&number.to_le_bytes());
        }
    }
    if let Some(Purged { through, term }) = purged {
        out.extend_from_slice(&through.0.to_le_bytes());
        out.extend_from_slice(&term.0.to_le_bytes());
    }
    let mut count = 0u32;
    for entry in entries {
        out.extend_from_slice(&entry.index.0.to_le_bytes());
        out.extend_from_slice(&entry.term.0.to_le_bytes());
        out.push(entry.kind as u8);
        out.extend_from_slice(&(entry.bytes.len() as u32).to_le_bytes());
        out.extend_from_slice(entry.bytes);
        count += 1;
    }
    let length = (out.len() - start - 4) as u32;
    out[start..start + 4].copy_from_slice(&length.to_le_bytes());
    out[start + 12..start + RECORD_HEADER_BYTES].copy_from_slice(&count.to_le_bytes());
}

/// One group's part of a frame.
#[derive(Clone, Debug)]
pub struct GroupRecord<'a> {
    pub group: GroupId,
    pub hard_state: Option<HardState>,
    /// The group no longer needs its entries up to this one.
    pub purged: Option<Purged>,
    pub entries: Entries<'a>,
}

/// The last entry that is purged from a group's log. Its term is kept, because a replica that receives the
/// entry after it is asked for both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Purged {
    pub through: Index,
    pub term: Term,
}

/// What an entry holds. The numbers never change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum EntryKind {
    /// A batch of commands (see [`crate::entry`]), or nothing: the first entry of a leader's term.
    Normal = 1,
    /// A change of the group's replicas (see [`crate::membership`]).
    Configuration = 2,
}

impl EntryKind {
    const fn from_number(number: u8) -> Option<Self> {
        match number {
            1 => Some(Self::Normal),
            2 => Some(Self::Configuration),
            _ => None,
        }
    }
}

/// One entry of one group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogEntry<'a> {
    pub index: Index,
    pub term: Term,
    pub kind: EntryKind,
    pub bytes: &'a [u8],
}

/// The bytes are not valid records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadRecord;

impl fmt::Display for BadRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the bytes are not a group record of the log")
    }
}

impl core::error::Error for BadRecord {}

/// Reads the group records of a frame one after the other, without copying. The iterator ends after an error.
#[must_use]
pub fn decode_groups(records: &[u8]) -> Groups<'_> {
    Groups { rest: records }
}

/// See [`decode_groups`].
#[derive(Clone, Debug)]
pub struct Groups<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Groups<'a> {
    type Item = Result<GroupRecord<'a>, BadRecord>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let record = take_group(&mut self.rest);
        if record.is_none() {
            self.rest = &[];
        }
        Some(record.ok_or(BadRecord))
    }
}

fn take_group<'a>(rest: &mut &'a [u8]) -> Option<GroupRecord<'a>> {
    let length = take_u32(rest)? as usize;
    let (mut record, after) = rest.split_at_checked(length)?;
    *rest = after;
    let group = GroupId(take_u32(&mut record)?);
    let [flags, 0, 0, 0] = take::<4>(&mut record)? else { return None };
    if flags & !(HAS_HARD_STATE | HAS_PURGED) != 0 {
        return None;
    }
    let left = take_u32(&mut record)?;
    let mut hard_state = None;
    if flags & HAS_HARD_STATE != 0 {
        let term = Term(take_u64(&mut record)?);
        let vote = take_u64(&mut record)?;
        hard_state = Some(HardState { term, vote, commit: Index(take_u64(&mut record)?) });
    }
    let mut purged = None;
    if flags & HAS_PURGED != 0 {
        let through = Index(take_u64(&mut record)?);
        purged = Some(Purged { through, term: Term(take_u64(&mut record)?) });
    }
    Some(GroupRecord { group, hard_state, purged, entries: Entries { rest: record, left } })
}

/// The entries of one group record. The iterator ends after an error.
#[derive(Clone, Debug)]
pub struct Entries<'a> {
    rest: &'a [u8],
    left: u32,
}

impl Entries<'_> {
    /// How many entries are still to come.
    #[must_use]
    pub const fn left(&self) -> u32 {
        self.left
    }
}

impl<'a> Iterator for Entries<'a> {
    type Item = Result<LogEntry<'a>, BadRecord>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.left == 0 {
            let trailing = !self.rest.is_empty();
            self.rest = &[];
            return trailing.then_some(Err(BadRecord));
        }
        self.left -= 1;
        let entry = take_entry(&mut self.rest);
        if entry.is_none() {
            *self = Self { rest: &[], left: 0 };
        }
        Some(entry.ok_or(BadRecord))
    }
}

fn take_entry<'a>(rest: &mut &'a [u8]) -> Option<LogEntry<'a>> {
    let index = Index(take_u64(rest)?);
    let term = Term(take_u64(rest)?);
    let [kind] = take(rest)?;
    let kind = EntryKind::from_number(kind)?;
    let length = take_u32(rest)? as usize;
    let (bytes, after) = rest.split_at_checked(length)?;
    *rest = after;
    Some(LogEntry { index, term, kind, bytes })
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (head, after) = rest.split_first_chunk::<N>()?;
    *rest = after;
    Some(*head)
}

fn take_u32(rest: &mut &[u8]) -> Option<u32> {
    take(rest).map(u32::from_le_bytes)
}

fn take_u64(rest: &mut &[u8]) -> Option<u64> {
    take(rest).map(u64::from_le_bytes)
}
