//! The heads of the streams used recently: each stream's row and its next revision.
//!
//! The cache holds only committed state, and is stamped with the shard row of that state. If the shard row in
//! the view differs from the stamp, the apply starts with an empty cache. The cache is therefore never stale:
//! not after an abandoned apply, not after a write set that was never committed, and not when the state was
//! replaced.

use crate::damage::bad_row;
use crate::oldest::Oldest;
use crate::revisions::{Revisions, next_revision};
use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use core::mem;
use format::row::{ShardRow, StreamRow, stream_key};
use model::{Expected, Namespace, Revision, Slot, StreamName, View, ViewError};
use xxhash_rust::xxh3::xxh3_64;

/// A stream's name and what is computed from it, once for each command.
#[derive(Clone, Debug)]
pub(crate) struct Stream<'e> {
    pub(crate) name: Cow<'e, str>,
    pub(crate) slot: Slot,
    /// A hash of the name: the cache's key.
    pub(crate) hash: u64,
}

impl<'e> Stream<'e> {
    pub(crate) fn new(name: &'e StreamName<'_>) -> Self {
        Self {
            slot: name.slot(Namespace::ROOT),
            hash: Self::hash_of(name.as_str()),
            name: Cow::Borrowed(name.as_str()),
        }
    }

    pub(crate) fn hash_of(name: &str) -> u64 {
        xxh3_64(name.as_bytes())
    }

    pub(crate) fn into_owned(self) -> Stream<'static> {
        Stream { name: Cow::Owned(self.name.into_owned()), slot: self.slot, hash: self.hash }
    }
}

/// The head of a stream that has a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) row: StreamRow,
    /// The revision that the next event gets.
    pub(crate) next: Revision,
}

impl Head {
    /// Reads it from the state.
    pub(crate) fn load(view: &impl View, slot: Slot, name: &str) -> Result<Option<Self>, ViewError> {
        let Some(value) = view.get(&stream_key(slot, Namespace::ROOT, name))? else {
            return Ok(None);
        };
        let row = StreamRow::decode(&value).map_err(|error| bad_row("stream row", error))?;
        let next = next_revision(view, slot, row.id, row.first)?;
        Ok(Some(Self { row, next }))
    }

    /// Whether the stream was appended to and has not been deleted since.
    pub(crate) fn exists(&self) -> bool {
        !self.row.deleted && self.next > Revision::FIRST
    }

    /// The last revision, if the stream exists. The event itself may have been removed.
    pub(crate) fn last(&self) -> Option<Revision> {
        self.exists().then(|| Revision(self.next.0 - 1))
    }

    /// The rows of its kept events.
    pub(crate) fn kept(&self, slot: Slot) -> Revisions {
        Revisions { slot, stream: self.row.id, first: self.row.first, next: self.next }
    }
}

/// Whether a stream meets an expectation. `None` is a stream without a row.
pub(crate) fn is_as_expected(expected: Expected, head: Option<&Head>) -> bool {
    let last = head.and_then(Head::last);
    match expected {
        Expected::Any => true,
        Expected::None => last.is_none(),
        Expected::Exists => last.is_some(),
        Expected::Revision(revision) => last == Some(revision),
    }
}

/// The bounded cache. It has two generations. When the younger one is full, the older one is dropped, so
/// heads in use stay.
#[derive(Debug)]
pub(crate) struct Heads {
    stamp: Option<ShardRow>,
    young: BTreeMap<u64, Cached>,
    old: BTreeMap<u64, Cached>,
    generation_max: usize,
    pub(crate) oldest: Oldest,
}

#[derive(Debug)]
struct Cached {
    name: Box<str>,
    head: Head,
}

impl Heads {
    pub(crate) fn new(heads_max: usize) -> Self {
        Self {
            stamp: None,
            young: BTreeMap::new(),
            old: BTreeMap::new(),
            generation_max: (heads_max / 2).max(1),
            oldest: Oldest::default(),
        }
    }

    /// Empties the cache unless it belongs to the state with this shard row.
    pub(crate) fn belong_to(&mut self, stamp: ShardRow) {
        if self.stamp != Some(stamp) {
            self.young.clear();
            self.old.clear();
            self.oldest.clear();
            self.stamp = Some(stamp);
        }
    }

    /// Stamps the cache with the new state's shard row. The changed heads can be inserted before or after
    /// this call.
    pub(crate) fn advance(&mut self, stamp: ShardRow) {
        self.stamp = Some(stamp);
    }

    pub(crate) fn get(&mut self, stream: &Stream<'_>) -> Option<Head> {
        if let Some(cached) = self.young.get(&stream.hash) {
            return (*cached.name == *stream.name).then_some(cached.head);
        }
        // It is used again, so it moves to the younger generation. Another name with the same hash is a miss.
        let cached = self.old.remove(&stream.hash)?;
        let head = (*cached.name == *stream.name).then_some(cached.head);
        self.insert(stream.hash, cached);
        head
    }

    pub(crate) fn put(&mut self, hash: u64, name: &str, head: Head) {
        match self.young.get_mut(&hash) {
            Some(cached) if *cached.name == *name => cached.head = head,
            _ => {
                self.old.remove(&hash);
                self.insert(hash, Cached { name: Box::from(name), head });
            }
        }
    }

    fn insert(&mut self, hash: u64, cached: Cached) {
        if self.young.len() >= self.generation_max {
            self.old = mem::take(&mut self.young);
        }
        self.young.insert(hash, cached);
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::name;
    use alloc::format;
    use model::StreamId;

    fn head(next: u64) -> Head {
        Head { row: StreamRow::new(StreamId(next)), next: Revision(next) }
    }

    #[test]
    fn the_cache_is_bounded_and_keeps_heads_in_use() {
        let mut heads = Heads::new(100);
        let used = name("used");
        heads.put(Stream::hash_of("used"), "used", head(7));
        for at in 0..1_000 {
            let other = format!("other-{at}");
            heads.put(Stream::hash_of(&other), &other, head(at));
            assert_eq!(heads.get(&Stream::new(&used)), Some(head(7)));
            assert!(heads.len() <= 101);
        }
        assert!(heads.len() >= 50);
    }

    #[test]
    fn another_name_with_the_same_hash_is_a_miss() {
        let mut heads = Heads::new(100);
        heads.put(1, "a", head(7));
        let other = Stream { name: Cow::Borrowed("b"), slot: Slot(0), hash: 1 };
        assert_eq!(heads.get(&other), None);
    }

    #[test]
    fn another_states_heads_are_forgotten() {
        let mut heads = Heads::new(100);
        let stamp = ShardRow { applied: 1, ..ShardRow::default() };
        heads.belong_to(stamp);
        heads.put(1, "a", head(7));
        heads.belong_to(stamp);
        assert_eq!(heads.len(), 1);
        heads.belong_to(ShardRow { applied: 2, ..stamp });
        assert_eq!(heads.len(), 0);
    }
}
