//! The index of one log segment: a sparse list of where each group's entries are. It is the content of the
//! index frame that seals a segment, so that a log can be opened without reading all of it.
//!
//! ```text
//! groups u32, then for each: group u32, first u64, last u64, points u32, runs u32,
//!                            points: index u64, offset u64
//!                            runs: first u64, term u64
//! ```
//!
//! All integers are little-endian. A point says that the frame at `offset` holds entry `index`. The entries
//! from there up to the next point's index are in that frame or in later ones. If an index occurs more than
//! once from there on, the first one counts. A reader that reaches the next point's index must continue from
//! that point, because the frames in between may hold entries that were replaced. A run says that the entries
//! from `first` up to the next run have this term.

use crate::frame::BadRecord;
use crate::terms::{TermRun, Terms};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use model::{GroupId, Index, Term};

const GROUP_BYTES: usize = 28;
const POINT_BYTES: usize = 16;
const RUN_BYTES: usize = 16;
/// The most that one [`SegmentIndex::note`] adds to the encoded index.
pub const NOTE_BYTES_MAX: usize = GROUP_BYTES + POINT_BYTES + RUN_BYTES;

/// Where the entries of a segment are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SegmentIndex {
    pub groups: BTreeMap<GroupId, GroupIndex>,
    points: usize,
    runs: usize,
}

/// Where one group's entries are in a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupIndex {
    pub first: Index,
    pub last: Index,
    /// In ascending order of index and of offset. Never empty.
    pub points: Vec<IndexPoint>,
    /// The terms of the entries from `first` to `last`.
    pub terms: Terms,
}

/// Entries of one group and one term, and the offset of their frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Noted {
    pub first: Index,
    pub last: Index,
    pub term: Term,
    pub offset: u64,
}

/// The frame at this offset holds this entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IndexPoint {
    pub index: Index,
    pub offset: u64,
}

impl SegmentIndex {
    /// Notes entries of a group in a frame after all noted so far. They replace all entries from the first
    /// one on. After a gap, the group starts over. Two points are at least `stride` bytes apart.
    pub fn note(&mut self, group: GroupId, noted: Noted, stride: u64) {
        let Noted { first, last, term, offset } = noted;
        let point = IndexPoint { index: first, offset };
        let Some(known) = self.groups.get_mut(&group) else {
            let mut terms = Terms::default();
            terms.set(first, term);
            self.groups.insert(group, GroupIndex { first, last, points: Vec::from([point]), terms });
            self.points += 1;
            self.runs += 1;
            return;
        };
        let (points, runs) = (known.points.len(), known.terms.runs().len());
        let next = known.last.0.saturating_add(1);
        if first.0 > next {
            known.points.clear();
            known.terms.clear();
        } else if first.0 < next {
            let kept = known.points.partition_point(|point| point.index < first);
            known.points.truncate(kept);
        }
        let distant = known.points.last().is_none_or(|point| offset - point.offset.min(offset) >= stride);
        if first.0 != next || distant {
            known.points.push(point);
        }
        known.terms.set(first, term);
        known.first = known.points.first().map_or(first, |point| point.index);
        known.last = last;
        self.points = self.points + known.points.len() - points;
        self.runs = self.runs + known.terms.runs().len() - runs;
    }

    /// The number of bytes that [`Self::encode`] gives.
    #[must_use]
    pub fn encoded_bytes(&self) -> usize {
        4 + self.groups.len() * GROUP_BYTES + self.points * POINT_BYTES + self.runs * RUN_BYTES
    }

    pub fn encode(&self, out: &mut Vec<u8>) {
        out.reserve(self.encoded_bytes());
        out.extend_from_slice(&(self.groups.len() as u32).to_le_bytes());
        for (group, index) in &self.groups {
            out.extend_from_slice(&group.0.to_le_bytes());
            out.extend_from_slice(&index.first.0.to_le_bytes());
            out.extend_from_slice(&index.last.0.to_le_bytes());
            out.extend_from_slice(&(index.points.len() as u32).to_le_bytes());
            out.extend_from_slice(&(index.terms.runs().len() as u32).to_le_bytes());
            for point in &index.points {
                out.extend_from_slice(&point.index.0.to_le_bytes());
                out.extend_from_slice(&point.offset.to_le_bytes());
            }
            for run in index.terms.runs() {
                out.extend_from_slice(&run.first.0.to_le_bytes());
                out.extend_from_slice(&run.term.0.to_le_bytes());
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
        let (count, runs) = (take_u32(rest)? as usize, take_u32(rest)? as usize);
        // The count is checked before anything is allocated.
        if count == 0 || rest.len() / POINT_BYTES < count {
            return None;
        }
        let mut points = Vec::with_capacity(count);
        for _ in 0..count {
            points.push(IndexPoint { index: Index(take_u64(rest)?), offset: take_u64(rest)? });
        }
        let terms = take_terms(rest, runs)?;
        index.points += count;
        index.runs += runs;
        index.groups.insert(group, GroupIndex { first, last, points, terms });
    }
    rest.is_empty().then_some(index)
}

/// Runs as [`Terms`] keeps them: at least one, in ascending order, neighbours with different terms.
fn take_terms(rest: &mut &[u8], runs: usize) -> Option<Terms> {
    let mut terms = Terms::default();
    for taken in 0..runs {
        let run = TermRun { first: Index(take_u64(rest)?), term: Term(take_u64(rest)?) };
        terms.set(run.first, run.term);
        if terms.runs().len() != taken + 1 {
            return None;
        }
    }
    (runs > 0).then_some(terms)
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

    fn noted(first: u64, last: u64, offset: u64) -> Noted {
        Noted { first: Index(first), last: Index(last), term: Term(1 + offset / 160), offset }
    }

    fn note(index: &mut SegmentIndex, first: u64, last: u64, offset: u64) {
        index.note(GroupId(1), noted(first, last, offset), 100);
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
        let terms = |index: &SegmentIndex, entry| index.groups[&GroupId(1)].terms.at(Index(entry));
        assert_eq!((terms(&index, 6), terms(&index, 7)), (Some(Term(1)), Some(Term(2))));
        note(&mut index, 4, 4, 170);
        assert_eq!(points(&index), [(4, 170)]);
        note(&mut index, 90, 91, 180);
        assert_eq!(points(&index), [(90, 180)], "after a gap the group starts over");
        assert_eq!(index.groups[&GroupId(1)].first, Index(90));
        assert_eq!((terms(&index, 89), terms(&index, 90)), (None, Some(Term(2))));
    }

    #[test]
    fn bytes_that_are_not_an_index_are_rejected() {
        let mut bytes = Vec::new();
        let mut index = SegmentIndex::default();
        index.note(GroupId(1), noted(1, 2, 64), 100);
        index.encode(&mut bytes);
        for cut in 0..bytes.len() {
            assert_eq!(SegmentIndex::decode(&bytes[..cut]), Err(BadRecord), "{cut}");
        }
        bytes.push(0);
        assert_eq!(SegmentIndex::decode(&bytes), Err(BadRecord));
        assert_eq!(SegmentIndex::decode(&[0xff; 64]), Err(BadRecord));
    }
}
