//! The same client for programs without an async runtime.
//!
//! Every request is built as in the async client and sent by `send()`. Streams of the async client are
//! iterators here. One background thread runs the connections. What has no method here, such as queues, values and schedules, is
//! asked by [`Client::run`].
//!
//! The blocking client also works inside a runtime, but it blocks the calling thread: in async code, use
//! [`crate::Client`].
//!
//! ```no_run
//! use mainstay_client::blocking::Client;
//! use mainstay_client::{Expected, NewEvent};
//!
//! # fn main() -> Result<(), mainstay_client::Error> {
//! let client = Client::new("http://127.0.0.1:7070")?;
//! client.append("cart-7", [NewEvent::new("cart.opened")]).expected(Expected::None).send()?;
//! for event in client.read("cart-7").events() {
//!     println!("{}", event?.event_type);
//! }
//! # Ok(()) }
//! ```

mod iterators;
mod requests;
mod runtime;

pub use iterators::{Events, Follow, Import, Lines, Streams};
pub use requests::{AggregateStream, Pending, Read, Update};

use crate::error::Result;
use crate::{
    AcquireLease, Aggregate, Append, Expected, LeaseState, LeaseToken, NewEvent, Page, Request, Response,
    Settings, Transaction,
};
use bytes::Bytes;
use runtime::Runtime;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A blocking client of one node. Cheap to clone; clones share everything.
#[derive(Clone, Debug)]
pub struct Client {
    client: crate::Client,
    runtime: Arc<Runtime>,
}

impl Client {
    /// A client of the node at `url` with the default settings. For other settings, use
    /// [`crate::ClientBuilder::build_blocking`].
    ///
    /// # Errors
    /// As for [`crate::ClientBuilder::build_blocking`].
    pub fn new(url: &str) -> Result<Self> {
        crate::Client::builder(url).build_blocking()
    }

    pub(crate) fn from_async(client: crate::Client) -> Result<Self> {
        Ok(Self { client, runtime: Arc::new(Runtime::start()?) })
    }

    fn pending<B>(&self, builder: B) -> Pending<B> {
        Pending::new(builder, Arc::clone(&self.runtime))
    }

    /// See [`crate::Client::store`].
    #[must_use]
    pub fn store(&self) -> Option<&str> {
        self.client.store()
    }

    /// Runs async work with the async client, and waits for it: a way to everything that this client has no method for.
    ///
    /// ```no_run
    /// # use mainstay_client::{NewTask, blocking::Client};
    /// # fn main() -> Result<(), mainstay_client::Error> {
    /// let client = Client::new("http://127.0.0.1:7070")?;
    /// let mail = NewTask::new("send").payload(&"anna")?;
    /// let task = client.run(async |client| client.queue("mail").enqueue(&mail).await)?;
    /// println!("{}", task.id);
    /// # Ok(()) }
    /// ```
    pub fn run<T>(&self, work: impl AsyncFnOnce(&crate::Client) -> T) -> T {
        self.runtime.block_on(work(&self.client))
    }

    /// See [`crate::Client::append`].
    pub fn append(
        &self,
        stream: impl Into<String>,
        events: impl IntoIterator<Item = NewEvent>,
    ) -> Pending<Append> {
        self.pending(self.client.append(stream, events))
    }

    /// See [`crate::Client::append_encoded`].
    pub fn append_encoded(
        &self,
        stream: impl Into<String>,
        content_type: impl Into<String>,
        body: impl Into<Bytes>,
    ) -> Pending<Append> {
        self.pending(self.client.append_encoded(stream, content_type, body))
    }

    /// See [`crate::Client::transaction`].
    pub fn transaction(&self) -> Pending<Transaction> {
        self.pending(self.client.transaction())
    }

    /// See [`crate::Client::acquire_lease`].
    pub fn acquire_lease(
        &self,
        lease: impl Into<String>,
        holder: impl Into<String>,
        ttl: Duration,
    ) -> Pending<AcquireLease> {
        self.pending(self.client.acquire_lease(lease, holder, ttl))
    }

    /// See [`crate::Client::renew_lease`].
    ///
    /// # Errors
    /// [`crate::Error`]
    pub fn renew_lease(&self, lease: &str, token: &LeaseToken) -> Result<Instant> {
        self.runtime.block_on(self.client.renew_lease(lease, token))
    }

    /// See [`crate::Client::release_lease`].
    ///
    /// # Errors
    /// [`crate::Error`]
    pub fn release_lease(&self, lease: &str, token: &LeaseToken) -> Result<()> {
        self.runtime.block_on(self.client.release_lease(lease, token))
    }

    /// See [`crate::Client::lease`].
    ///
    /// # Errors
    /// [`crate::Error`]
    pub fn lease(&self, lease: &str) -> Result<LeaseState> {
        self.runtime.block_on(self.client.lease(lease))
    }

    /// See [`crate::Client::read`].
    pub fn read(&self, stream: impl Into<String>) -> Read {
        Read::new(self.client.read(stream), Arc::clone(&self.runtime))
    }

    /// See [`crate::Client::read_all`].
    pub fn read_all(&self) -> Read {
        Read::new(self.client.read_all(), Arc::clone(&self.runtime))
    }

    /// See [`crate::Client::page_at`].
    ///
    /// # Errors
    /// [`crate::Error`]
    pub fn page_at(&self, next: &str) -> Result<Page> {
        self.runtime.block_on(self.client.page_at(next))
    }

    /// See [`crate::Client::aggregate`].
    #[must_use]
    pub fn aggregate<A: Aggregate>(&self, stream: impl Into<String>) -> AggregateStream<A> {
        AggregateStream::new(self.client.aggregate(stream), Arc::clone(&self.runtime))
    }

    /// See [`crate::Client::streams`].
    pub fn streams(&self, prefix: &str) -> Streams {
        Streams::new(self.client.streams(prefix), Arc::clone(&self.runtime))
    }

    /// See [`crate::Client::settings`].
    ///
    /// # Errors
    /// [`crate::Error`]
    pub fn settings(&self, stream: &str) -> Result<Settings> {
        self.runtime.block_on(self.client.settings(stream))
    }

    /// See [`crate::Client::put_settings`].
    ///
    /// # Errors
    /// [`crate::Error`]
    pub fn put_settings(&self, stream: &str, settings: &Settings) -> Result<()> {
        self.runtime.block_on(self.client.put_settings(stream, settings))
    }

    /// See [`crate::Client::delete`].
    ///
    /// # Errors
    /// [`crate::Error`]
    pub fn delete(&self, stream: &str, expected: Expected) -> Result<()> {
        self.runtime.block_on(self.client.delete(stream, expected))
    }

    /// See [`crate::Client::import_reader`].
    pub fn import(&self, input: impl io::Read + Send + 'static) -> Import {
        Import::new(self.client.import_reader(input), Arc::clone(&self.runtime))
    }

    /// See [`crate::Client::send`].
    ///
    /// # Errors
    /// [`crate::Error`]
    pub fn send(&self, request: &Request) -> Result<Response> {
        self.runtime.block_on(self.client.send(request))
    }
}
