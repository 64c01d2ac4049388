//! Whether an event found in the body file can still be read.
//!
//! Bodies stay on disk for a while after their events are removed, so readers of the whole store check this,
//! and so does the compaction of body segments. An event can be read while its stream keeps its revision. No
//! event after the shard's `removed_through` was ever removed, so for most events the stream need not be
//! looked up.

use crate::damage::bad_row;
use crate::heads::Stream;
use crate::query::clock;
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use format::body::BodyRecord;
use format::row::{StreamRow, stream_key};
use model::{Namespace, Position, Revision, Slot, View, ViewError};

/// How many streams a [`Liveness`] remembers.
const STREAMS_MAX: usize = 4_096;

/// The first revision that a stream keeps; 0 when the stream has no row.
///
/// # Errors
/// [`ViewError`].
pub fn first_kept(
    view: &impl View,
    slot: Slot,
    namespace: Namespace,
    stream: &str,
) -> Result<Revision, ViewError> {
    let Some(value) = view.get(&stream_key(slot, namespace, stream))? else { return Ok(Revision::FIRST) };
    let row = StreamRow::decode(&value).map_err(|error| bad_row("stream row", error))?;
    Ok(row.first)
}

/// Whether an event can still be read. For many events of one view, [`Liveness`] is cheaper.
///
/// # Errors
/// [`ViewError`].
pub fn is_live(view: &impl View, record: &BodyRecord<'_>) -> Result<bool, ViewError> {
    Ok(record.revision >= first_kept(view, record.slot, record.namespace, record.stream)?)
}

/// [`is_live`] for many events of one view: it remembers what each stream keeps.
#[derive(Debug)]
pub struct Liveness<'v, V> {
    view: &'v V,
    removed_through: Position,
    /// By the hash of the name, so that a look-up allocates nothing. Another name with the same hash replaces
    /// it.
    firsts: BTreeMap<u64, FirstKept>,
}

#[derive(Debug)]
struct FirstKept {
    namespace: Namespace,
    name: Box<str>,
    first: Revision,
}

impl<'v, V: View> Liveness<'v, V> {
    /// For events of the shard whose first slot is `first`.
    ///
    /// # Errors
    /// [`ViewError`].
    pub fn new(view: &'v V, first: Slot) -> Result<Self, ViewError> {
        Ok(Self { view, removed_through: clock(view, first)?.removed_through, firsts: BTreeMap::new() })
    }

    /// Whether an event can still be read.
    ///
    /// # Errors
    /// [`ViewError`].
    pub fn is_live(&mut self, record: &BodyRecord<'_>) -> Result<bool, ViewError> {
        if record.position > self.removed_through {
            return Ok(true);
        }
        let hash = Stream::hash_of(record.stream);
        if let Some(known) = self.firsts.get(&hash)
            && known.namespace == record.namespace
            && *known.name == *record.stream
        {
            return Ok(record.revision >= known.first);
        }
        let first = first_kept(self.view, record.slot, record.namespace, record.stream)?;
        if self.firsts.len() >= STREAMS_MAX {
            self.firsts.clear();
        }
        let known = FirstKept { namespace: record.namespace, name: Box::from(record.stream), first };
        self.firsts.insert(hash, known);
        Ok(record.revision >= first)
    }
}
