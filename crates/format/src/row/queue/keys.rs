//! The keys of task queues. A queue is found by its name, and everything else of it by its id.

use crate::row::key::{Fill, PREFIX_BYTES, Take, kind};
use crate::row::named::NamedRows;
use crate::wire::FormatError;
use alloc::vec::Vec;
use model::{Elapsed, IdHash, KeyRange, Namespace, Position, Slot, TaskDue, Wall};

/// A queue in its slot: the beginning of the keys of all its rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueKeys {
    pub slot: Slot,
    pub id: u64,
}

/// A hash of a task's key, or of the id of a request, within its queue.
pub type TextHash = u128;

pub(super) const QUEUE_PREFIX_BYTES: usize = PREFIX_BYTES + 8;
const TASK_KEY_BYTES: usize = QUEUE_PREFIX_BYTES + 8;

impl QueueKeys {
    pub(super) fn fill<const N: usize>(self, kind: u8) -> Fill<N> {
        Fill::new(self.slot, Namespace::ROOT, kind).with(self.id.to_be_bytes())
    }

    /// The key of the row that holds a queue's id.
    #[must_use]
    pub fn name(slot: Slot, name: &str) -> Vec<u8> {
        NamedRows::QUEUES.key(slot, name)
    }

    /// The key of [`QueueRow`](super::QueueRow).
    #[must_use]
    pub fn queue(self) -> [u8; QUEUE_PREFIX_BYTES] {
        self.fill(kind::QUEUE).done()
    }

    /// The key of [`TypeRow`](super::TypeRow).
    #[must_use]
    pub fn task_type(self, task_type: &str) -> Vec<u8> {
        let mut key = self.fill::<QUEUE_PREFIX_BYTES>(kind::TASK_TYPE).done().to_vec();
        key.extend_from_slice(task_type.as_bytes());
        key
    }

    /// The type in the key of [`Self::task_type`].
    ///
    /// # Errors
    /// [`FormatError`] when it is the key of another kind of row, or not text.
    pub fn parse_type(key: &[u8]) -> Result<&str, FormatError> {
        let (_, _, mut take) = Take::of(key, kind::TASK_TYPE, "task type's key")?;
        let _: [u8; 8] = take.next()?;
        core::str::from_utf8(take.0).map_err(|_| FormatError::Text { what: "task type" })
    }

    /// The key of [`TaskRow`](super::TaskRow).
    #[must_use]
    pub fn task(self, task: Position) -> [u8; TASK_KEY_BYTES] {
        self.fill(kind::TASK).with(task.0.to_be_bytes()).done()
    }

    /// The task in the key of [`Self::task`].
    ///
    /// # Errors
    /// [`FormatError`] when it is the key of another kind of row.
    pub fn parse_task(key: &[u8]) -> Result<Position, FormatError> {
        let (_, _, mut take) = Take::of(key, kind::TASK, "task's key")?;
        let _: [u8; 8] = take.next()?;
        let task = Position(u64::from_be_bytes(take.next()?));
        take.end()?;
        Ok(task)
    }

    /// The key of a task's part.
    #[must_use]
    pub fn part(self, task: Position, part: TaskPart) -> [u8; TASK_KEY_BYTES] {
        self.fill(part.kind()).with(task.0.to_be_bytes()).done()
    }

    /// The key of [`TaskIdRow`](super::TaskIdRow).
    #[must_use]
    pub fn task_id(self, id: IdHash) -> [u8; QUEUE_PREFIX_BYTES + 16] {
        self.fill(kind::TASK_ID).with(id.0.to_be_bytes()).done()
    }

    /// The key of a ready task; its value is the task's position.
    #[must_use]
    pub fn ready(self, type_number: u32, lane: u8, ready: Position) -> [u8; QUEUE_PREFIX_BYTES + 13] {
        self.fill(kind::READY).with(type_number.to_be_bytes()).with([lane]).with(ready.0.to_be_bytes()).done()
    }

    /// When the task of such a key became ready.
    ///
    /// # Errors
    /// [`FormatError`] when it is the key of another kind of row.
    pub fn parse_ready(key: &[u8]) -> Result<Position, FormatError> {
        let (_, _, mut take) = Take::of(key, kind::READY, "ready task's key")?;
        let _: [u8; 13] = take.next()?;
        let ready = Position(u64::from_be_bytes(take.next()?));
        take.end()?;
        Ok(ready)
    }

    /// The key of [`KeyRow`](super::KeyRow).
    #[must_use]
    pub fn key(self, key: TextHash) -> [u8; QUEUE_PREFIX_BYTES + 16] {
        self.fill(kind::TASK_KEY).with(key.to_be_bytes()).done()
    }

    /// The key of the row of a task that waits for an earlier one with the same key. It has no value.
    #[must_use]
    pub fn blocked(self, key: TextHash, task: Position) -> [u8; QUEUE_PREFIX_BYTES + 24] {
        self.fill(kind::BLOCKED).with(key.to_be_bytes()).with(task.0.to_be_bytes()).done()
    }

    /// The task of such a key.
    ///
    /// # Errors
    /// [`FormatError`] when it is the key of another kind of row.
    pub fn parse_blocked(key: &[u8]) -> Result<Position, FormatError> {
        let (_, _, mut take) = Take::of(key, kind::BLOCKED, "blocked task's key")?;
        let _: [u8; 24] = take.next()?;
        let task = Position(u64::from_be_bytes(take.next()?));
        take.end()?;
        Ok(task)
    }

    /// The key of [`UniqueRow`](super::UniqueRow).
    #[must_use]
    pub fn unique(self, key: TextHash) -> [u8; QUEUE_PREFIX_BYTES + 16] {
        self.fill(kind::UNIQUE).with(key.to_be_bytes()).done()
    }

    /// The key of [`ClaimRequestRow`](super::ClaimRequestRow).
    #[must_use]
    pub fn claim_request(self, request: IdHash) -> [u8; QUEUE_PREFIX_BYTES + 16] {
        self.fill(kind::CLAIM_REQUEST).with(request.0.to_be_bytes()).done()
    }

    /// The key of a dead letter, in the order in which they were enqueued. It has no value.
    #[must_use]
    pub fn dead(self, task: Position) -> [u8; TASK_KEY_BYTES] {
        self.fill(kind::DEAD).with(task.0.to_be_bytes()).done()
    }

    /// The task of such a key.
    ///
    /// # Errors
    /// [`FormatError`] when it is the key of another kind of row.
    pub fn parse_dead(key: &[u8]) -> Result<Position, FormatError> {
        let (_, _, mut take) = Take::of(key, kind::DEAD, "dead letter's key")?;
        let _: [u8; 8] = take.next()?;
        let task = Position(u64::from_be_bytes(take.next()?));
        take.end()?;
        Ok(task)
    }

    /// The key of [`DeadClassRow`](super::DeadClassRow).
    #[must_use]
    pub fn dead_class(self, class: TextHash) -> [u8; QUEUE_PREFIX_BYTES + 16] {
        self.fill(kind::DEAD_CLASS).with(class.to_be_bytes()).done()
    }

    /// The key of a dead letter whose last failure has this class. It has no value.
    #[must_use]
    pub fn dead_of_class(self, class: TextHash, task: Position) -> [u8; QUEUE_PREFIX_BYTES + 24] {
        self.fill(kind::DEAD_OF_CLASS).with(class.to_be_bytes()).with(task.0.to_be_bytes()).done()
    }

    /// The task of such a key.
    ///
    /// # Errors
    /// [`FormatError`] when it is the key of another kind of row.
    pub fn parse_dead_of_class(key: &[u8]) -> Result<Position, FormatError> {
        let (_, _, mut take) = Take::of(key, kind::DEAD_OF_CLASS, "dead letter's key")?;
        let _: [u8; 24] = take.next()?;
        let task = Position(u64::from_be_bytes(take.next()?));
        take.end()?;
        Ok(task)
    }
}

/// A part of a task that has a row of its own: a layout number, then bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaskPart {
    Envelope,
    Result,
    Progress,
    /// [`FailureRow`](super::FailureRow)s, one after another.
    Failures,
    /// [`AttemptRow`](super::AttemptRow)s, one after another.
    Attempts,
}

impl TaskPart {
    const fn kind(self) -> u8 {
        match self {
            Self::Envelope => kind::ENVELOPE,
            Self::Result => kind::RESULT,
            Self::Progress => kind::PROGRESS,
            Self::Failures => kind::FAILURES,
            Self::Attempts => kind::ATTEMPTS,
        }
    }
}

/// A moment at which something is due for a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TaskTimerKey {
    pub slot: Slot,
    pub due: TaskDue,
    pub queue: u64,
    pub task: Position,
}

impl TaskTimerKey {
    const BYTES: usize = PREFIX_BYTES + 28;

    const fn kind(due: TaskDue) -> (u8, u64) {
        match due {
            TaskDue::Wall(wall) => (kind::TASK_WALL, wall.0),
            TaskDue::Elapsed(elapsed) => (kind::TASK_ELAPSED, elapsed.0),
        }
    }

    #[must_use]
    pub fn encode(&self) -> [u8; Self::BYTES] {
        let (kind, moment) = Self::kind(self.due);
        Fill::new(self.slot, Namespace::SYSTEM, kind)
            .with(moment.to_be_bytes())
            .with(Namespace::ROOT.0.to_be_bytes())
            .with(self.queue.to_be_bytes())
            .with(self.task.0.to_be_bytes())
            .done()
    }

    /// # Errors
    /// [`FormatError`] when it is not the key of a task's timer.
    pub fn decode(key: &[u8]) -> Result<Self, FormatError> {
        let what = "task timer's key";
        let by_wall = Take::of(key, kind::TASK_WALL, what);
        let is_wall = by_wall.is_ok();
        let (slot, _, mut take) = by_wall.or_else(|_| Take::of(key, kind::TASK_ELAPSED, what))?;
        let moment = u64::from_be_bytes(take.next()?);
        let due = if is_wall { TaskDue::Wall(Wall(moment)) } else { TaskDue::Elapsed(Elapsed(moment)) };
        let _: [u8; 4] = take.next()?;
        let timer = Self {
            slot,
            due,
            queue: u64::from_be_bytes(take.next()?),
            task: Position(u64::from_be_bytes(take.next()?)),
        };
        take.end()?;
        Ok(timer)
    }
}

/// Keys from one on, and before another. It owns its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueRange {
    from: Vec<u8>,
    to: Vec<u8>,
}

impl QueueRange {
    /// The timers of a slot by one clock, from a moment on.
    #[must_use]
    pub fn timers(slot: Slot, from: TaskDue) -> Self {
        let (kind, _) = TaskTimerKey::kind(from);
        let first = TaskTimerKey { slot, due: from, queue: 0, task: Position::ZERO };
        Self {
            from: first.encode().to_vec(),
            to: Fill::<PREFIX_BYTES>::new(slot, Namespace::SYSTEM, kind + 1).done().to_vec(),
        }
    }

    /// The rows of a queue's types.
    #[must_use]
    pub fn types(queue: QueueKeys) -> Self {
        Self::of(queue, kind::TASK_TYPE)
    }

    /// The rows of a queue's tasks after this one.
    #[must_use]
    pub fn tasks_after(queue: QueueKeys, task: Position) -> Self {
        let from = queue.task(Position(task.0.saturating_add(1))).to_vec();
        Self { from, ..Self::of(queue, kind::TASK) }
    }

    /// The rows of a queue's dead letters after this one.
    #[must_use]
    pub fn dead_after(queue: QueueKeys, task: Position) -> Self {
        let from = queue.dead(Position(task.0.saturating_add(1))).to_vec();
        Self { from, ..Self::of(queue, kind::DEAD) }
    }

    /// The classes of a queue's dead letters.
    #[must_use]
    pub fn dead_classes(queue: QueueKeys) -> Self {
        Self::of(queue, kind::DEAD_CLASS)
    }

    /// The dead letters of a class after this one.
    #[must_use]
    pub fn dead_of_class_after(queue: QueueKeys, class: TextHash, task: Position) -> Self {
        let mut to = queue.dead_of_class(class, Position(u64::MAX)).to_vec();
        to.push(0);
        Self { from: queue.dead_of_class(class, Position(task.0.saturating_add(1))).to_vec(), to }
    }

    /// The ready tasks of one type in one lane, from a moment on.
    #[must_use]
    pub fn ready(queue: QueueKeys, type_number: u32, lane: u8, from: Position) -> Self {
        Self {
            from: queue.ready(type_number, lane, from).to_vec(),
            to: queue.ready(type_number, lane + 1, Position::ZERO).to_vec(),
        }
    }

    /// The tasks that wait for a key, from one on.
    #[must_use]
    pub fn blocked(queue: QueueKeys, key: TextHash, from: Position) -> Self {
        let mut to = queue.blocked(key, Position(u64::MAX)).to_vec();
        to.push(0);
        Self { from: queue.blocked(key, from).to_vec(), to }
    }

    pub(super) const fn between(from: Vec<u8>, to: Vec<u8>) -> Self {
        Self { from, to }
    }

    /// All rows of one kind of a queue.
    fn of(queue: QueueKeys, kind: u8) -> Self {
        let next = QueueKeys { id: queue.id.saturating_add(1), ..queue };
        Self {
            from: queue.fill::<QUEUE_PREFIX_BYTES>(kind).done().to_vec(),
            to: next.fill::<QUEUE_PREFIX_BYTES>(kind).done().to_vec(),
        }
    }

    #[must_use]
    pub fn as_range(&self) -> KeyRange<'_> {
        KeyRange { from: &self.from, to: &self.to }
    }
}
