//! Requests that are built as in the async client and sent by blocking the thread.

use super::iterators::{Events, Follow, Lines};
use super::runtime::Runtime;
use crate::error::Result;
use crate::{
    AcquireLease, Aggregate, Append, Cursor, Direction, Expected, LeaseToken, Loaded, NewEvent, Page,
    Revision, Transaction, UpdateError, Updated,
};
use std::sync::Arc;
use std::time::Duration;

/// A request that is sent by [`Self::send`].
#[derive(Clone, Debug)]
#[must_use = "a request does nothing until it is sent"]
pub struct Pending<B> {
    builder: B,
    runtime: Arc<Runtime>,
}

impl<B> Pending<B> {
    pub(super) fn new(builder: B, runtime: Arc<Runtime>) -> Self {
        Self { builder, runtime }
    }

    fn map(self, change: impl FnOnce(B) -> B) -> Self {
        Self { builder: change(self.builder), runtime: self.runtime }
    }
}

impl<B: IntoFuture> Pending<B> {
    /// Sends the request and waits for its outcome.
    pub fn send(self) -> B::Output {
        self.runtime.block_on(self.builder.into_future())
    }
}

impl Pending<Append> {
    /// See [`Append::expected`].
    pub fn expected(self, expected: Expected) -> Self {
        self.map(|append| append.expected(expected))
    }

    /// See [`Append::idempotency_key`].
    pub fn idempotency_key(self, key: impl Into<String>) -> Self {
        self.map(|append| append.idempotency_key(key))
    }
}

impl Pending<AcquireLease> {
    /// See [`AcquireLease::wait`].
    pub fn wait(self, wait: Duration) -> Self {
        self.map(|acquire| acquire.wait(wait))
    }

    /// See [`AcquireLease::permits`].
    pub fn permits(self, permits: u32) -> Self {
        self.map(|acquire| acquire.permits(permits))
    }

    /// See [`AcquireLease::hold_off`].
    pub fn hold_off(self, hold_off: Duration) -> Self {
        self.map(|acquire| acquire.hold_off(hold_off))
    }
}

impl Pending<Transaction> {
    /// See [`Transaction::check_lease`].
    pub fn check_lease(self, lease: impl Into<String>, token: &LeaseToken) -> Self {
        self.map(|transaction| transaction.check_lease(lease, token))
    }

    /// See [`Transaction::check_value`].
    pub fn check_value(self, value: impl Into<String>, expected: Expected) -> Self {
        self.map(|transaction| transaction.check_value(value, expected))
    }

    /// See [`Transaction::check`].
    pub fn check(self, stream: impl Into<String>, expected: Expected) -> Self {
        self.map(|transaction| transaction.check(stream, expected))
    }

    /// See [`Transaction::append`].
    pub fn append(
        self,
        stream: impl Into<String>,
        expected: Expected,
        events: impl IntoIterator<Item = NewEvent>,
    ) -> Self {
        self.map(|transaction| transaction.append(stream, expected, events))
    }

    /// See [`Transaction::idempotency_key`].
    pub fn idempotency_key(self, key: impl Into<String>) -> Self {
        self.map(|transaction| transaction.idempotency_key(key))
    }
}

/// Describes a read. See [`crate::Read`], which has the same methods.
#[derive(Clone, Debug)]
#[must_use = "a read does nothing until it is used"]
pub struct Read {
    read: crate::Read,
    runtime: Arc<Runtime>,
}

impl Read {
    pub(super) fn new(read: crate::Read, runtime: Arc<Runtime>) -> Self {
        Self { read, runtime }
    }

    fn map(self, change: impl FnOnce(crate::Read) -> crate::Read) -> Self {
        Self { read: change(self.read), runtime: self.runtime }
    }

    /// See [`crate::Read::from`].
    pub fn from(self, revision: Revision) -> Self {
        self.map(|read| read.from(revision))
    }

    /// See [`crate::Read::after`].
    pub fn after(self, cursor: Cursor) -> Self {
        self.map(|read| read.after(cursor))
    }

    /// See [`crate::Read::direction`].
    pub fn direction(self, direction: Direction) -> Self {
        self.map(|read| read.direction(direction))
    }

    /// See [`crate::Read::limit`].
    pub fn limit(self, events_max: u64) -> Self {
        self.map(|read| read.limit(events_max))
    }

    /// See [`crate::Read::as_of`].
    pub fn as_of(self, moment: impl ToString) -> Self {
        self.map(|read| read.as_of(moment))
    }

    /// See [`crate::Read::as_of_event_time`].
    pub fn as_of_event_time(self, time: impl ToString) -> Self {
        self.map(|read| read.as_of_event_time(time))
    }

    /// See [`crate::Read::prefix`].
    pub fn prefix(self, prefix: impl Into<String>) -> Self {
        self.map(|read| read.prefix(prefix))
    }

    /// See [`crate::Read::reader`].
    pub fn reader(self, name: impl Into<String>) -> Self {
        self.map(|read| read.reader(name))
    }

    /// See [`crate::Read::event_type`].
    pub fn event_type(self, event_type: impl Into<String>) -> Self {
        self.map(|read| read.event_type(event_type))
    }

    /// See [`crate::Read::page`].
    ///
    /// # Errors
    /// [`crate::Error`]
    pub fn page(&self) -> Result<Page> {
        self.runtime.block_on(self.read.page())
    }

    /// See [`crate::Read::events`].
    pub fn events(self) -> Events {
        Events::new(self.read.events(), self.runtime)
    }

    /// See [`crate::Read::lines`].
    pub fn lines(self) -> Lines {
        Lines::new(self.read.lines(), self.runtime)
    }

    /// See [`crate::Read::follow`].
    pub fn follow(self) -> Follow {
        Follow::new(self.read.follow(), self.runtime)
    }
}

/// The aggregate in one stream. See [`crate::AggregateStream`].
#[derive(Debug)]
pub struct AggregateStream<A> {
    aggregate: crate::AggregateStream<A>,
    runtime: Arc<Runtime>,
}

impl<A: Aggregate> AggregateStream<A> {
    pub(super) fn new(aggregate: crate::AggregateStream<A>, runtime: Arc<Runtime>) -> Self {
        Self { aggregate, runtime }
    }

    /// See [`crate::AggregateStream::load`].
    ///
    /// # Errors
    /// [`crate::Error`]
    pub fn load(&self) -> Result<Loaded<A>> {
        self.runtime.block_on(self.aggregate.load())
    }

    /// See [`crate::AggregateStream::load_as_of`].
    ///
    /// # Errors
    /// [`crate::Error`]
    pub fn load_as_of(&self, moment: impl ToString) -> Result<Loaded<A>> {
        self.runtime.block_on(self.aggregate.load_as_of(moment))
    }

    /// See [`crate::AggregateStream::update`].
    pub fn update<E, D>(&self, decide: D) -> Update<A, D>
    where
        D: FnMut(&A) -> Result<Vec<A::Event>, E>,
    {
        Update { update: self.aggregate.update(decide), runtime: Arc::clone(&self.runtime) }
    }
}

/// An update that runs on [`Self::send`]. See [`crate::Update`].
#[derive(Debug)]
#[must_use = "an update does nothing until it is sent"]
pub struct Update<A, D> {
    update: crate::Update<A, D>,
    runtime: Arc<Runtime>,
}

impl<A: Aggregate, D> Update<A, D> {
    /// See [`crate::Update::as_command`].
    pub fn as_command(self, id: impl Into<String>) -> Self {
        Self { update: self.update.as_command(id), runtime: self.runtime }
    }

    /// Runs the update.
    ///
    /// # Errors
    /// [`UpdateError`]
    pub fn send<E>(self) -> Result<Updated<A>, UpdateError<E>>
    where
        D: FnMut(&A) -> Result<Vec<A::Event>, E>,
    {
        self.runtime.block_on(self.update.send())
    }
}
