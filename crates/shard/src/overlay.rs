//! The state as an entry has changed it so far. The overlay is a view on top of the view that was passed in,
//! and turns into the write set at the end.
//!
//! A command writes only after its last check, or after a savepoint to which it rolls back if it is refused.
//! Only a transaction needs a savepoint: undoing costs a copy of each key, which single appends avoid.

use crate::group::Step;
use crate::heads::{Head, Heads, Stream};
use crate::queue::tally::Queue;
use crate::revisions::Revisions;
use alloc::borrow::Cow;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::ops::{Bound, ControlFlow};
use format::row::{Gate, QueueKeys, RevisionRow, ShardRow, stream_key};
use model::view::Visit;
use model::{
    Cursor, Key, KeyRange, Namespace, Order, Position, Slot, Timer, Value, View, ViewError, WriteSet,
};

/// The state during one entry; see the module. `'e` is the lifetime of the entry, whose names are borrowed.
#[derive(Debug)]
pub(crate) struct Overlay<'a, 'e, V> {
    view: &'a V,
    heads: &'a mut Heads,
    /// The shard's first slot, which holds the shard's own row.
    first_slot: Slot,
    /// The shard's row, with clocks already advanced by the entry.
    pub(crate) shard: ShardRow,
    /// Body records, in position order.
    pub(crate) bodies: Vec<u8>,
    /// The greatest cursor appended.
    pub(crate) last: Option<Cursor>,
    /// Timers that were set, in no particular order.
    timers: Vec<(Slot, Timer)>,
    /// The positions of events whose rows were deleted.
    removed: Vec<Position>,
    /// Rows to which something has happened that requests wait for.
    notified: Vec<Key>,
    /// Tasks that became ready, or are no longer.
    ready: Vec<ReadyChange>,
    /// How many tasks have become dead letters.
    died: u32,
    /// Keys of limits that may have opened in this command.
    freed: Vec<Gate>,
    /// Queues of which a task runs no longer, if they limit how many do.
    freed_queues: Vec<QueueKeys>,
    /// What has happened to members of groups in this command.
    steps: Vec<Step>,
    rows: BTreeMap<Key, Option<Value>>,
    /// Heads that differ from the view's, by the hash of the name. If another name has the same hash, the
    /// next free number is used.
    changed: BTreeMap<u64, Changed<'e>>,
    savepoint: Option<Savepoint>,
}

#[derive(Debug)]
struct Changed<'e> {
    name: Cow<'e, str>,
    head: Head,
}

enum HeadKey {
    Taken(u64, Head),
    Free(u64),
}

#[derive(Debug)]
struct Savepoint {
    shard: ShardRow,
    bodies: usize,
    last: Option<Cursor>,
    timers: usize,
    removed: usize,
    notified: usize,
    ready: usize,
    died: u32,
    freed: usize,
    freed_queues: usize,
    undo: Vec<Undo>,
}

#[derive(Debug)]
enum Undo {
    Row(Key, Option<Option<Value>>),
    Head(u64, Option<Head>),
}

/// The results of applying an entry.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) writes: WriteSet,
    pub(crate) bodies: Vec<u8>,
    pub(crate) last: Option<Cursor>,
    pub(crate) timers: Vec<(Slot, Timer)>,
    pub(crate) removed: Vec<Position>,
    pub(crate) notified: Vec<Key>,
    pub(crate) ready: Vec<ReadyChange>,
    pub(crate) died: u32,
}

/// How many tasks of a type became ready, less those that are ready no longer.
#[derive(Debug)]
pub(crate) struct ReadyChange {
    pub(crate) queue: String,
    pub(crate) task_type: String,
    pub(crate) tasks: i64,
}

impl<'a, 'e, V: View> Overlay<'a, 'e, V> {
    pub(crate) fn new(view: &'a V, heads: &'a mut Heads, first_slot: Slot, shard: ShardRow) -> Self {
        Self {
            view,
            heads,
            first_slot,
            shard,
            bodies: Vec::new(),
            last: None,
            timers: Vec::new(),
            removed: Vec::new(),
            notified: Vec::new(),
            ready: Vec::new(),
            died: 0,
            freed: Vec::new(),
            freed_queues: Vec::new(),
            steps: Vec::new(),
            rows: BTreeMap::new(),
            changed: BTreeMap::new(),
            savepoint: None,
        }
    }

    /// The shard's first slot, which has the rows that are about all of its slots.
    pub(crate) fn first_slot(&self) -> Slot {
        self.first_slot
    }

    /// Takes the next position.
    pub(crate) fn take_position(&mut self) -> Position {
        self.shard.last = self.shard.last.next(self.shard.wall);
        self.shard.last
    }

    /// The shard's current point in time: its last position, or its wall if that is later.
    pub(crate) fn moment(&self) -> Position {
        self.shard.last.max(Position::first_of(self.shard.wall))
    }

    pub(crate) fn put(&mut self, key: impl Into<Key>, value: Value) {
        self.write(key.into(), Some(value));
    }

    pub(crate) fn delete(&mut self, key: impl Into<Key>) {
        self.write(key.into(), None);
    }

    /// Tells the node that a timer was set. The caller writes its row.
    pub(crate) fn set_timer(&mut self, slot: Slot, timer: Timer) {
        self.timers.push((slot, timer));
    }

    /// Tells the node that an event's rows were deleted, so that its body can be too.
    pub(crate) fn body_removed(&mut self, position: Position) {
        self.removed.push(position);
    }

    /// Tells the node that requests which wait for the row with this key must look again.
    pub(crate) fn notify(&mut self, key: Key) {
        self.notified.push(key);
    }

    /// A key of a limit may have opened. At the end of the command, tasks that wait for it may go on.
    pub(crate) fn freed(&mut self, gate: &Gate) {
        self.freed.push(gate.clone());
    }

    /// A task of this queue runs no longer, or more may run: others may be claimed.
    pub(crate) fn freed_in(&mut self, queue: QueueKeys) {
        if !self.freed_queues.contains(&queue) {
            self.freed_queues.push(queue);
        }
    }

    /// Removes and returns the queues of which a task runs no longer.
    pub(crate) fn take_freed_queues(&mut self) -> Vec<QueueKeys> {
        core::mem::take(&mut self.freed_queues)
    }

    /// Removes and returns the keys that may have opened.
    pub(crate) fn take_freed(&mut self) -> Vec<Gate> {
        core::mem::take(&mut self.freed)
    }

    /// This many more tasks of this type can be claimed; fewer, if it is negative.
    pub(crate) fn more_ready(&mut self, queue: &Queue, task_type: &str, tasks: i64) {
        self.ready_changes(&queue.row.name, task_type, tasks);
    }

    /// Tells a group what has happened to a member of it.
    pub(crate) fn step(&mut self, step: Step) {
        self.steps.push(step);
    }

    /// A task has become a dead letter.
    pub(crate) fn one_died(&mut self) {
        self.died += 1;
    }

    /// What the command has left to groups.
    pub(crate) fn take_steps(&mut self) -> Vec<Step> {
        core::mem::take(&mut self.steps)
    }

    /// A task of this type has become ready.
    pub(crate) fn one_ready_more(&mut self, queue: &Queue, task_type: &str) {
        self.ready_changes(&queue.row.name, task_type, 1);
    }

    /// A task of this type is ready no longer.
    pub(crate) fn one_ready_less(&mut self, queue: &Queue, task_type: &str) {
        self.ready_changes(&queue.row.name, task_type, -1);
    }

    /// This many tasks of this type are ready and can be claimed again. Some of them may have become ready, and
    /// others have gone, earlier in this entry.
    pub(crate) fn ready_again(&mut self, queue: &str, task_type: &str, tasks: u64) {
        let before =
            self.ready.iter().filter(|change| change.queue == queue && change.task_type == task_type);
        let before: i64 = before.map(|change| change.tasks).sum();
        let tasks = i64::try_from(tasks).unwrap_or(i64::MAX);
        self.ready_changes(queue, task_type, tasks.saturating_sub(before));
    }

    fn ready_changes(&mut self, queue: &str, task_type: &str, tasks: i64) {
        match self.ready.last_mut() {
            // A batch is usually of one type. What lies before a savepoint must stay as it is.
            Some(last) if self.savepoint.is_none() && last.queue == queue && last.task_type == task_type => {
                last.tasks = last.tasks.saturating_add(tasks);
            }
            _ => self.ready.push(ReadyChange { queue: queue.into(), task_type: task_type.into(), tasks }),
        }
    }

    fn write(&mut self, key: Key, value: Option<Value>) {
        match &mut self.savepoint {
            None => {
                self.rows.insert(key, value);
            }
            Some(savepoint) => {
                let before = self.rows.insert(key.clone(), value);
                savepoint.undo.push(Undo::Row(key, before));
            }
        }
    }

    /// The head of a stream; `None` when it has no row.
    pub(crate) fn head(&mut self, stream: &Stream<'_>) -> Result<Option<Head>, ViewError> {
        if let HeadKey::Taken(_, head) = self.head_key(stream) {
            return Ok(Some(head));
        }
        if let Some(head) = self.heads.get(stream) {
            return Ok(Some(head));
        }
        let head = Head::load(self.view, stream.slot, &stream.name)?;
        if let Some(head) = head {
            self.heads.put(stream.hash, &stream.name, head);
        }
        Ok(head)
    }

    /// Sets the head of a stream. Its row is written separately, because an append rarely changes it.
    pub(crate) fn set_head(&mut self, stream: &Stream<'e>, head: Head) {
        let (key, before) = match self.head_key(stream) {
            HeadKey::Taken(key, before) => (key, Some(before)),
            HeadKey::Free(key) => (key, None),
        };
        let changed = self.changed.entry(key);
        changed.or_insert_with(|| Changed { name: stream.name.clone(), head }).head = head;
        if let Some(savepoint) = &mut self.savepoint {
            savepoint.undo.push(Undo::Head(key, before));
        }
    }

    /// The number under which this name's head is stored, or will be.
    fn head_key(&self, stream: &Stream<'_>) -> HeadKey {
        let mut key = stream.hash;
        loop {
            match self.changed.get(&key) {
                None => return HeadKey::Free(key),
                Some(changed) if changed.name == stream.name => return HeadKey::Taken(key, changed.head),
                Some(_) => key = key.wrapping_add(1),
            }
        }
    }

    /// The row of a stream's first kept event, which is being removed.
    pub(crate) fn first_row(&mut self, kept: Revisions) -> Result<RevisionRow, ViewError> {
        match self.heads.oldest.take(kept, self.view)? {
            Some(row) => Ok(row),
            None => kept.row(self, kept.first),
        }
    }

    /// Writes a stream's row and sets its head.
    pub(crate) fn put_stream(&mut self, stream: &Stream<'e>, head: Head) {
        self.put(stream_key(stream.slot, Namespace::ROOT, &stream.name), head.row.encode());
        self.set_head(stream, head);
    }

    /// Sets a savepoint for [`Self::rollback`].
    pub(crate) fn savepoint(&mut self) {
        self.savepoint = Some(Savepoint {
            shard: self.shard,
            bodies: self.bodies.len(),
            last: self.last,
            timers: self.timers.len(),
            removed: self.removed.len(),
            notified: self.notified.len(),
            ready: self.ready.len(),
            died: self.died,
            freed: self.freed.len(),
            freed_queues: self.freed_queues.len(),
            undo: Vec::new(),
        });
    }

    /// Keeps what was written since the savepoint.
    pub(crate) fn release(&mut self) {
        self.savepoint = None;
    }

    /// Undoes what was written since the savepoint.
    pub(crate) fn rollback(&mut self) {
        let Some(savepoint) = self.savepoint.take() else { return };
        self.shard = savepoint.shard;
        // All of them are of this command.
        self.steps.clear();
        self.bodies.truncate(savepoint.bodies);
        self.last = savepoint.last;
        self.timers.truncate(savepoint.timers);
        self.removed.truncate(savepoint.removed);
        self.notified.truncate(savepoint.notified);
        self.ready.truncate(savepoint.ready);
        self.died = savepoint.died;
        self.freed.truncate(savepoint.freed);
        self.freed_queues.truncate(savepoint.freed_queues);
        // In reverse order, so that each key ends with its first value. Heads are also removed in the reverse
        // order of their insertion, so no name becomes unreachable behind a freed number.
        for undo in savepoint.undo.into_iter().rev() {
            match undo {
                Undo::Row(key, None) => drop(self.rows.remove(&key)),
                Undo::Row(key, Some(before)) => drop(self.rows.insert(key, before)),
                Undo::Head(key, None) => drop(self.changed.remove(&key)),
                Undo::Head(key, Some(before)) => {
                    if let Some(changed) = self.changed.get_mut(&key) {
                        changed.head = before;
                    }
                }
            }
        }
    }

    /// Remembers the changed heads and returns the write set. This cannot fail.
    pub(crate) fn finish(mut self) -> Finished {
        self.rows.insert(format::row::shard_key(self.first_slot).into(), Some(self.shard.encode()));
        for changed in self.changed.values() {
            // The key may belong to another name, so it is hashed again.
            let hash = Stream::hash_of(&changed.name);
            self.heads.put(hash, &changed.name, changed.head);
        }
        self.heads.advance(self.shard);
        Finished {
            writes: WriteSet(self.rows.into_iter().collect()),
            bodies: self.bodies,
            last: self.last,
            timers: self.timers,
            removed: self.removed,
            notified: self.notified,
            ready: self.ready,
            died: self.died,
        }
    }
}

impl<V: View> View for Overlay<'_, '_, V> {
    fn get(&self, key: &[u8]) -> Result<Option<Value>, ViewError> {
        match self.rows.get(key) {
            Some(value) => Ok(value.clone()),
            None => self.view.get(key),
        }
    }

    /// Merges the rows changed here into the view's rows. Both are ordered, and a changed row replaces the
    /// view's.
    fn scan(&self, range: KeyRange<'_>, order: Order, visit: &mut Visit<'_>) -> Result<(), ViewError> {
        if range.from >= range.to {
            return Ok(());
        }
        let ours = self.rows.range::<[u8], _>((Bound::Included(range.from), Bound::Excluded(range.to)));
        match order {
            Order::Ascending => merge(self.view, range, order, ours, visit),
            Order::Descending => merge(self.view, range, order, ours.rev(), visit),
        }
    }
}

fn merge<'r>(
    view: &impl View,
    range: KeyRange<'_>,
    order: Order,
    ours: impl Iterator<Item = (&'r Key, &'r Option<Value>)>,
    visit: &mut Visit<'_>,
) -> Result<(), ViewError> {
    let mut ours = ours.peekable();
    let comes_before = |ours: &[u8], theirs: &[u8]| match order {
        Order::Ascending => ours < theirs,
        Order::Descending => ours > theirs,
    };
    let mut stopped = false;
    view.scan(range, order, &mut |key, value| {
        while let Some((between, changed)) = ours.next_if(|(ours, _)| comes_before(ours, key)) {
            if let Some(changed) = changed
                && visit(between, changed).is_break()
            {
                stopped = true;
                return ControlFlow::Break(());
            }
        }
        let flow = match ours.next_if(|(ours, _)| *ours == key) {
            None => visit(key, value),
            Some((_, Some(changed))) => visit(key, changed),
            Some((_, None)) => ControlFlow::Continue(()),
        };
        stopped = flow.is_break();
        flow
    })?;
    if !stopped {
        for (key, changed) in ours {
            if let Some(changed) = changed
                && visit(key, changed).is_break()
            {
                break;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use format::row::StreamRow;
    use model::{Revision, StreamId};

    fn collect(view: &impl View, order: Order, stop_after: usize) -> Vec<(Key, Value)> {
        let mut rows = Vec::new();
        let range = KeyRange { from: b"b", to: b"y" };
        view.scan(range, order, &mut |key, value| {
            rows.push((key.to_vec(), value.to_vec()));
            if rows.len() == stop_after { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })
        .unwrap();
        rows
    }

    /// Every way in which a changed row can relate to the view's rows: before, between, after, replaced,
    /// deleted.
    #[test]
    fn a_scan_sees_the_view_as_it_was_changed() {
        let row = |key: &str| (Key::from(key), Value::from(key));
        let rows: BTreeMap<Key, Value> = ["a", "c", "e", "g", "z"].map(row).into();
        for changes in 0..3_usize.pow(7) {
            let mut heads = Heads::new(1);
            let mut overlay = Overlay::new(&rows, &mut heads, Slot(0), ShardRow::default());
            let mut plain = rows.clone();
            for (at, key) in ["b", "c", "d", "e", "f", "g", "h"].into_iter().enumerate() {
                match changes / 3_usize.pow(at as u32) % 3 {
                    0 => {}
                    1 => {
                        overlay.put(key, vec![1]);
                        plain.insert(key.into(), vec![1]);
                    }
                    _ => {
                        overlay.delete(key);
                        plain.remove(key.as_bytes());
                    }
                }
            }
            for order in [Order::Ascending, Order::Descending] {
                for stop_after in 1..=8 {
                    assert_eq!(collect(&overlay, order, stop_after), collect(&plain, order, stop_after));
                }
            }
        }
    }

    #[test]
    fn names_with_the_same_hash_stay_apart_and_roll_back_separately() {
        let rows: BTreeMap<Key, Value> = BTreeMap::new();
        let mut heads = Heads::new(10);
        let mut overlay = Overlay::new(&rows, &mut heads, Slot(0), ShardRow::default());
        let stream = |name: &'static str| Stream { name: Cow::Borrowed(name), slot: Slot(0), hash: u64::MAX };
        let head = |next| Head { row: StreamRow::new(StreamId(9)), next: Revision(next) };
        overlay.set_head(&stream("a"), head(1));
        overlay.savepoint();
        overlay.set_head(&stream("b"), head(2));
        overlay.set_head(&stream("c"), head(3));
        overlay.set_head(&stream("a"), head(4));
        let next = |overlay: &mut Overlay<'_, '_, _>, name| {
            overlay.head(&stream(name)).unwrap().map(|head| head.next.0)
        };
        assert_eq!(["a", "b", "c"].map(|name| next(&mut overlay, name)), [Some(4), Some(2), Some(3)]);
        overlay.rollback();
        assert_eq!(["a", "b", "c"].map(|name| next(&mut overlay, name)), [Some(1), None, None]);
    }
}
