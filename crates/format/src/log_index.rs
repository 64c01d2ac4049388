//! The index of one log segment: a sparse list of where each group's entries are. It is the content of the
//! index frame that seals a segment, so that a log can be opened without reading all of it.
//!
//! ```text
//! groups u32, then for each: group u32, first u64, last u64, points u32, points: index u64, offset u64
//! ```
//!
//! All integers are little-endian. A point says that the frame at `offset` holds entry `index`. The entries
//! from there up to the next point's index are in that frame or in later ones. If an index occurs more than
//! once from there on, the first one counts. A reader that reaches the next point's index must continue from
//! that point, because the frames in between may hold entries that were replaced.

use crate::frame::BadRecord;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use model::{GroupId, Index};

const GROUP_BYTES: usize = 24;
const POINT_BYTES: usize = 16;

/// Where the entries of a segment are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SegmentIndex {
    pub groups: BTreeMap<GroupId, GroupIndex>,
    points: usize,
}

/// Where one group's entries are in a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupIndex {
    pub first: Index,
    pub last: Index,
    /// In ascending order of index and of offset. Never empty.
    pub points: Vec<IndexPoint>,
}

/// The frame at this offset holds this entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IndexPoint {
    pub index: Index,
    pub offset: u64,
}

impl SegmentIndex {
    /// Notes that the frame at `offset`, which is after all noted so far, holds the group's entries from
    /// `first` to `last`. They replace all entries from `first` on. After a gap, the group starts over. Two
    /// points are at least `stride` bytes apart.
    pub fn note(&mut self, group: GroupId, first: Index, last: Index, offset: u64, stride: u64) {
        let point = IndexPoint { index: first, offset };
        let Some(known) = self.groups.get_mut(&group) else {
            self.groups.insert(group, GroupIndex { first, last, points: Vec::from([point]) });
            self.points += 1;
            return;
        };
        let before = known.points.len();
        let next = known.last.0.saturating_add(1);
        if first.0 > next {
            known.points.clear();
        } else if first.0 < next {
            let kept = known.points.partition_point(|point| point.index < first);
            known.points.truncate(kept);
        }
        let distant = known.points.last().is_none_or(|point| offset - point.offset.min(offset) >= stride);
        if first.0 != next || distant {
            known.points.push(point);
        }
        known.first = known.points.first().map_or(first, |point| point.index);
        known.last = last;
        self.points = self.points + known.points.len() - before;
    }

    /// The number of bytes that [`Self::encode`] gives.
    #[must_use]
    pub fn encoded_bytes(&self) -> usize {
        4 + self.groups.len() * GROUP_BYTES + self.points * POINT_BYTES
    }

    pub fn encode(&self, out: &mut Vec<u8>) {
        out.reserve(self.encoded_bytes());
        out.extend_from_slice(&(self.groups.len() as u32).to_le_bytes());
        for (group, index) in &self.groups {
            out.extend_from_slice(&group.0.to_le_bytes());
            out.extend_from_slice(&index.first.0.to_le_bytes());
            out.extend_from_slice(&index.last.0.to_le_bytes());
            out.extend_from_slice(&(index.points.len() as u32).to_le_bytes());
            for point in &index.points {
                out.extend_from_slice(&point.index.0.to_le_bytes());
                out.extend_from_slice(&point.offset.to_le_bytes());
            }
        }
    }

    /// # Errors
    /// [`BadRecord`]
    pub fn decode(bytes: &[u8]) -> Result<Self, BadRecord> {
        decode(bytes).ok_or(BadRecord)
    }
}

fn decode(mut bytes: &[u8]) -> Option<SegmentIndex> {
    let rest = &mut bytes;
    let mut index = SegmentIndex::default();
    for _ in 0..take_u32(rest)? {
        let group = GroupId(take_u32(rest)?);
        let (first, last) = (Index(take_u64(rest)?), Index(take_u64(rest)?));
        let count = take_u32(rest)? as usize;
        // The count is checked before anything is allocated.
        if count == 0 || rest.len() / POINT_BYTES < count {
            return None;
        }
        let mut points = Vec::with_capacity(count);
        for _ in 0..count {
            points.push(IndexPoint { index: Index(take_u64(rest)?), offset: take_u64(rest)? });
        }
        index.points += count;
        index.groups.insert(group, GroupIndex { first, last, points });
    }
    rest.is_empty().then_some(index)
}

fn take_u32(rest: &mut &[u8]) -> Option<u32> {
    let (head, after) = rest.split_first_chunk()?;
    *rest = after;
    Some(u32::from_le_bytes(*head))
}

fn take_u64(rest: &mut &[u8]) -> Option<u64> {
    let (head, after) = rest.split_first_chunk()?;
    *rest = after;
    Some(u64::from_le_bytes(*head))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(index: &SegmentIndex) -> Vec<(u64, u64)> {
        let group = &index.groups[&GroupId(1)];
        group.points.iter().map(|point| (point.index.0, point.offset)).collect()
    }

    fn note(index: &mut SegmentIndex, first: u64, last: u64, offset: u64) {
        index.note(GroupId(1), Index(first), Index(last), offset, 100);
        let mut bytes = Vec::new();
        index.encode(&mut bytes);
        assert_eq!(bytes.len(), index.encoded_bytes());
        assert_eq!(SegmentIndex::decode(&bytes).as_ref(), Ok(&*index));
    }

    #[test]
    fn points_are_a_stride_apart_and_follow_truncation_and_gaps() {
        let mut index = SegmentIndex::default();
        note(&mut index, 5, 6, 0);
        note(&mut index, 7, 7, 50);
        note(&mut index, 8, 9, 100);
        note(&mut index, 10, 10, 150);
        assert_eq!(points(&index), [(5, 0), (8, 100)]);
        note(&mut index, 7, 7, 160);
        assert_eq!(points(&index), [(5, 0), (7, 160)], "entries from 7 on were replaced");
        note(&mut index, 4, 4, 170);
        assert_eq!(points(&index), [(4, 170)]);
        note(&mut index, 90, 91, 180);
        assert_eq!(points(&index), [(90, 180)], "after a gap the group starts over");
        assert_eq!(index.groups[&GroupId(1)].first, Index(90));
    }

    #[test]
    fn bytes_that_are_not_an_index_are_rejected() {
        let mut bytes = Vec::new();
        let mut index = SegmentIndex::default();
        index.note(GroupId(1), Index(1), Index(2), 64, 100);
        index.encode(&mut bytes);
        for cut in 0..bytes.len() {
            assert_eq!(SegmentIndex::decode(&bytes[..cut]), Err(BadRecord), "{cut}");
        }
        bytes.push(0);
        assert_eq!(SegmentIndex::decode(&bytes), Err(BadRecord));
        assert_eq!(SegmentIndex::decode(&[0xff; 64]), Err(BadRecord));
    }
}
