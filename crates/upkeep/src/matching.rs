//! Whether the rows of a state and the bodies of its events are about the same events.
//!
//! Every kept event has a row, by stream and revision, with its position; and a body, with the same three. Both are read
//! once and in different orders, so each side is summed up: how many there are, and the sum of a hash of each. The memory
//! is bounded by the number of streams that have removed events, with a hash and a revision for each, and by the streams of
//! one slot.

use format::FormatError;
use format::body::BodyRecord;
use format::row::{RevisionRow, StreamRow, parse_revision_key, parse_stream_key};
use model::{Namespace, Position, Revision, Slot, StreamId};
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Matching {
    /// A hash of the name of each stream of which events were removed, and its first kept revision.
    removed: HashMap<u64, Revision>,
    names: RandomState,
    /// The streams of the slot and namespace that rows were last read of, with their first kept revisions.
    streams: HashMap<StreamId, Revision>,
    at: Option<(Slot, Namespace)>,
    rows: Sum,
    bodies: Sum,
}

/// Events, whatever their order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sum {
    pub(crate) events: u64,
    pub(crate) hashes: u64,
}

impl Sum {
    /// Adds the event of a body.
    pub(crate) fn add_body(&mut self, record: &BodyRecord<'_>) {
        self.add(record.slot, record.position, record.revision);
    }

    fn add(&mut self, slot: Slot, position: Position, revision: Revision) {
        self.events += 1;
        // Positions are unique, so a sum of mixed positions and revisions tells sets of events apart.
        let mut mixed = position.0 ^ revision.0.rotate_left(32) ^ (u64::from(slot.0) << 48);
        for factor in [0xbf58_476d_1ce4_e5b9_u64, 0x94d0_49bb_1331_11eb] {
            mixed = (mixed ^ (mixed >> 30)).wrapping_mul(factor);
        }
        self.hashes = self.hashes.wrapping_add(mixed ^ (mixed >> 31));
    }
}

impl Matching {
    /// Takes a row. They come in order, and before the bodies.
    pub(crate) fn row(&mut self, key: &[u8], value: &[u8]) -> Result<(), FormatError> {
        if let Some((slot, namespace, name)) = parse_stream_key(key)? {
            let row = StreamRow::decode(value)?;
            if self.at.replace((slot, namespace)) != Some((slot, namespace)) {
                self.streams.clear();
            }
            self.streams.insert(row.id, row.first);
            if row.first > Revision::FIRST {
                self.removed.insert(self.names.hash_one((slot, namespace, name.as_str())), row.first);
            }
        } else if let Some((slot, namespace, stream, revision)) = parse_revision_key(key)? {
            let row = RevisionRow::decode(value)?;
            let known = self.streams.get(&stream).filter(|_| self.at == Some((slot, namespace)));
            // An event without a stream is counted: no body matches it.
            if known.is_none_or(|first| revision >= *first) {
                self.rows.add(slot, row.position, revision);
            }
        }
        Ok(())
    }

    /// Takes a body.
    pub(crate) fn body(&mut self, record: &BodyRecord<'_>) {
        if self.is_kept(record) {
            self.bodies.add_body(record);
        }
    }

    /// Takes the bodies of a segment, of which the kept ones were summed up.
    pub(crate) fn bodies(&mut self, kept: Sum) {
        self.bodies.events += kept.events;
        self.bodies.hashes = self.bodies.hashes.wrapping_add(kept.hashes);
    }

    /// Whether the event of a body was not removed, by the rows.
    pub(crate) fn is_kept(&self, record: &BodyRecord<'_>) -> bool {
        self.removed.is_empty() || {
            let stream = self.names.hash_one((record.slot, record.namespace, record.stream));
            self.removed.get(&stream).is_none_or(|first| record.revision >= *first)
        }
    }

    /// How many events there are.
    ///
    /// # Errors
    /// What does not match.
    pub(crate) fn end(&self) -> Result<u64, String> {
        let (rows, bodies) = (self.rows, self.bodies);
        if rows == bodies {
            Ok(rows.events)
        } else if rows.events == bodies.events {
            Err(format!("the state has rows of {} events, and there are bodies of other events", rows.events))
        } else {
            Err(format!(
                "the state has rows of {} events, and there are bodies of {}",
                rows.events, bodies.events
            ))
        }
    }
}
