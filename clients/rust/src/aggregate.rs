//! Aggregates: a stream folded into a state, and decisions based on that state.
//!
//! The state is never stored, because it follows from the events. A decision reads the state at some revision
//! and appends with that revision as the expected one. If another writer was faster, the decision is made
//! again on the newer state.

use crate::client::{Client, encode};
use crate::error::{Error, Result};
use crate::event::{Expected, NewEvent, RecordedEvent, Revision};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt;
use std::marker::PhantomData;
use std::pin::Pin;

/// How often a decision is made before the caller receives the conflict.
const DECISIONS_MAX: u32 = 10;

/// A state that is folded from a stream's events.
///
/// ```
/// use mainstay_client::Aggregate;
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize)]
/// #[serde(tag = "type", content = "data")]
/// enum CartEvent {
///     #[serde(rename = "cart.item-added")]
///     ItemAdded { sku: String },
///     #[serde(rename = "cart.item-removed")]
///     ItemRemoved { sku: String },
/// }
///
/// #[derive(Default)]
/// struct Cart {
///     items: Vec<String>,
/// }
///
/// impl Aggregate for Cart {
///     type Event = CartEvent;
///
///     fn apply(&mut self, event: CartEvent) {
///         match event {
///             CartEvent::ItemAdded { sku } => self.items.push(sku),
///             CartEvent::ItemRemoved { sku } => self.items.retain(|item| *item != sku),
///         }
///     }
/// }
///
/// # async fn example(client: mainstay_client::Client) -> Result<(), Box<dyn std::error::Error>> {
/// let cart = client.aggregate::<Cart>("cart-7");
/// let in_march = cart.load_as_of("2026-03-01T00:00:00Z").await?;
/// let updated = cart
///     .update(|cart| match cart.items.len() {
///         0..10 => Ok(vec![CartEvent::ItemAdded { sku: "b-12".into() }]),
///         _ => Err("the cart is full"),
///     })
///     .as_command("add-b-12-once")
///     .await?;
/// # let _ = (in_march, updated); Ok(()) }
/// ```
pub trait Aggregate: Default {
    /// An adjacently tagged serde enum with one variant for each event type, as for [`NewEvent::typed`].
    type Event: Serialize + DeserializeOwned;

    /// Applies one event. The event has happened, so it cannot be refused here.
    fn apply(&mut self, event: Self::Event);

    /// Applies one recorded event. Override it to skip some types, or to use the event's time or extensions.
    ///
    /// # Errors
    /// [`Error::Decode`] when the event is not one of [`Self::Event`].
    fn apply_recorded(&mut self, event: &RecordedEvent) -> Result<()> {
        self.apply(event.typed()?);
        Ok(())
    }
}

/// A state, and the revision that it reflects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Loaded<A> {
    pub state: A,
    /// `None` when the stream has no events.
    pub revision: Option<Revision>,
}

/// The result of an update.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Updated<A> {
    pub state: A,
    /// `None` when the stream has no events.
    pub revision: Option<Revision>,
    /// Whether the command had taken effect before. If so, nothing was appended, and `state` is the current
    /// one.
    pub replayed: bool,
}

/// Why an update failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UpdateError<E> {
    /// `decide` returned an error.
    #[error("{0}")]
    Refused(E),
    /// The node refused a request, or could not be reached.
    #[error(transparent)]
    Client(#[from] Error),
}

/// The aggregate in one stream. Made by [`Client::aggregate`].
pub struct AggregateStream<A> {
    client: Client,
    stream: String,
    state: PhantomData<fn() -> A>,
}

impl<A> Clone for AggregateStream<A> {
    fn clone(&self) -> Self {
        Self { client: self.client.clone(), stream: self.stream.clone(), state: PhantomData }
    }
}

impl<A> fmt::Debug for AggregateStream<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AggregateStream").field("stream", &self.stream).finish_non_exhaustive()
    }
}

impl Client {
    /// The aggregate whose events are in `stream`.
    #[must_use]
    pub fn aggregate<A: Aggregate>(&self, stream: impl Into<String>) -> AggregateStream<A> {
        AggregateStream { client: self.clone(), stream: stream.into(), state: PhantomData }
    }
}

impl<A: Aggregate> AggregateStream<A> {
    /// Loads the current state.
    ///
    /// # Errors
    /// [`Error`], from the read or from the fold.
    pub async fn load(&self) -> Result<Loaded<A>> {
        Ok(self.fold(None, None).await?.loaded)
    }

    /// Loads the state as it was at `moment`: a time in RFC 3339, or a cursor.
    ///
    /// # Errors
    /// [`Error`], from the read or from the fold.
    pub async fn load_as_of(&self, moment: impl ToString) -> Result<Loaded<A>> {
        Ok(self.fold(Some(moment.to_string()), None).await?.loaded)
    }

    /// Loads the state, calls `decide` to turn it into events, and appends them if no other writer has
    /// appended in the meantime. Otherwise it loads the state again and decides again. If `decide` returns no
    /// events, nothing is appended.
    ///
    /// Without [`Update::as_command`], every call is a new intention: a form that is submitted twice has two
    /// effects.
    ///
    /// The update fails with [`UpdateError::Refused`] when `decide` returns an error, and with
    /// [`UpdateError::Client`] when a request fails or other writers were faster 10 times.
    pub fn update<E, D>(&self, decide: D) -> Update<A, D>
    where
        D: FnMut(&A) -> Result<Vec<A::Event>, E>,
    {
        Update { aggregate: self.clone(), decide, command: None }
    }

    async fn fold(&self, as_of: Option<String>, command: Option<&Command>) -> Result<Folded<A>> {
        let mut read = self.client.read(&self.stream);
        if let Some(moment) = as_of {
            read = read.as_of(moment);
        }
        let mut events = read.events();
        let mut loaded = Loaded { state: A::default(), revision: None };
        let mut is_done = false;
        while let Some(event) = events.next().await {
            let event = event?;
            loaded.state.apply_recorded(&event)?;
            loaded.revision = Some(event.revision);
            is_done |= command.is_some_and(|command| command.wrote(&event));
        }
        Ok(Folded { loaded, is_done })
    }
}

struct Folded<A> {
    loaded: Loaded<A>,
    /// Whether the command's events are among those folded.
    is_done: bool,
}

/// A command's id, and the identity that it gives to its events.
#[derive(Clone, Debug)]
struct Command {
    id: String,
    source: String,
}

impl Command {
    fn event_id(&self, number: usize) -> String {
        format!("{}/{number}", self.id)
    }

    fn identify(&self, events: Vec<NewEvent>) -> Vec<NewEvent> {
        let identify =
            |(number, event): (usize, NewEvent)| event.source(self.source.as_str()).id(self.event_id(number));
        events.into_iter().enumerate().map(identify).collect()
    }

    /// Whether the command wrote this event. Checking for its first event is enough: a batch is appended all
    /// or nothing.
    fn wrote(&self, event: &RecordedEvent) -> bool {
        event.source == self.source && event.id == self.event_id(0)
    }
}

/// An update that runs when it is awaited. Made by [`AggregateStream::update`].
#[must_use = "an update does nothing until it is awaited"]
pub struct Update<A, D> {
    aggregate: AggregateStream<A>,
    decide: D,
    command: Option<Command>,
}

impl<A, D> fmt::Debug for Update<A, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Update").field("aggregate", &self.aggregate).finish_non_exhaustive()
    }
}

impl<A, D> Update<A, D> {
    /// Makes the update one command: however often it is sent, and by whichever process, it takes effect
    /// once. `id` names the user's intention, such as the key of a form that may be submitted twice.
    ///
    /// The events get ids derived from `id`. A repeat finds them in the stream and returns the current state
    /// with [`Updated::replayed`], without deciding again. It cannot find events that retention has removed,
    /// and a command that decides on no events leaves no trace. (An idempotency key would not help: a
    /// decision that is made again has another expected revision, which makes it another request.)
    pub fn as_command(mut self, id: impl Into<String>) -> Self {
        let source = format!("/streams/{}", encode(&self.aggregate.stream));
        self.command = Some(Command { id: id.into(), source });
        self
    }
}

impl<A, D> Update<A, D>
where
    A: Aggregate,
{
    /// Runs the update. Awaiting it does the same.
    ///
    /// # Errors
    /// [`UpdateError`]
    pub async fn send<E>(mut self) -> Result<Updated<A>, UpdateError<E>>
    where
        D: FnMut(&A) -> Result<Vec<A::Event>, E>,
    {
        let mut decisions = 0;
        loop {
            // The stream may have been deleted and recreated since the last load, so load all of it again.
            let Folded { mut loaded, is_done } = self.aggregate.fold(None, self.command.as_ref()).await?;
            if is_done {
                return Ok(Updated { state: loaded.state, revision: loaded.revision, replayed: true });
            }
            let events = (self.decide)(&loaded.state).map_err(UpdateError::Refused)?;
            decisions += 1;
            if events.is_empty() {
                return Ok(Updated { state: loaded.state, revision: loaded.revision, replayed: false });
            }
            let mut new: Vec<NewEvent> = events.iter().map(NewEvent::typed).collect::<Result<_>>()?;
            if let Some(command) = &self.command {
                new = command.identify(new);
            }
            let append = self.aggregate.client.append(&self.aggregate.stream, new);
            match append.expected(Expected::from(loaded.revision)).await {
                // The same command ran at the same time and was faster: fold its events. Without a command
                // the ids are new, so a replay is this append itself, sent again because its first response
                // was lost.
                Ok(appended) if self.command.is_some() && appended.all_replayed() => {}
                Ok(appended) => {
                    events.into_iter().for_each(|event| loaded.state.apply(event));
                    let revision = Some(appended.last_revision());
                    return Ok(Updated { state: loaded.state, revision, replayed: false });
                }
                Err(error) if error.is_wrong_revision() && decisions < DECISIONS_MAX => {}
                // This very command was faster, with a different decision. The next load finds its events.
                Err(error) if self.is_done_by_now(&error) && decisions <= DECISIONS_MAX => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn is_done_by_now(&self, error: &Error) -> bool {
        self.command.is_some() && error.code() == Some("event_conflict")
    }
}

impl<A, D, E> IntoFuture for Update<A, D>
where
    A: Aggregate + Send + 'static,
    A::Event: Send,
    D: FnMut(&A) -> Result<Vec<A::Event>, E> + Send + 'static,
    E: Send + 'static,
{
    type Output = Result<Updated<A>, UpdateError<E>>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}
