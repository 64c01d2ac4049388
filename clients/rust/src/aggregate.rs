//! Aggregates: a stream folded into a state, and decisions taken on that state.
//!
//! The state is never stored: it is what the events say. A decision reads the state at some revision and
//! appends with that revision as the expected one; when somebody else was faster, it is taken again on the
//! newer state.

use crate::client::Client;
use crate::error::{Error, Result};
use crate::event::{Expected, NewEvent, RecordedEvent, Revision};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::marker::PhantomData;

/// How often a decision is taken before its conflict is given to the caller.
const DECISIONS_MAX: u32 = 10;

/// A state that is the fold of a stream's events.
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
///     fn apply(&mut self, event: CartEvent) {
///         match event {
///             CartEvent::ItemAdded { sku } => self.items.push(sku),
///             CartEvent::ItemRemoved { sku } => self.items.retain(|item| *item != sku),
///         }
///     }
/// }
///
/// # fn use_it() -> Result<(), mainstay_client::Error> {
/// # let client = mainstay_client::Client::new("http://127.0.0.1:7070")?;
/// let carts = client.aggregate::<Cart>("cart-7");
/// let yesterday = carts.load_as_of("2026-03-01T00:00:00Z")?;
/// let now = carts.update(|cart| match cart.items.len() {
///     0..10 => Ok(vec![CartEvent::ItemAdded { sku: "b-12".into() }]),
///     _ => Err("the cart is full"),
/// });
/// # Ok(()) }
/// ```
pub trait Aggregate: Default {
    /// serde's adjacently tagged enum: one variant an event type, as for [`NewEvent::typed`].
    type Event: Serialize + DeserializeOwned;

    /// Takes one event in. It has happened: nothing can be refused here.
    fn apply(&mut self, event: Self::Event);

    /// Takes one event in as the store keeps it. Override to skip types of no interest, or to look at the
    /// event's time or extensions.
    ///
    /// # Errors
    /// [`Error::Decode`] when the event is not one of [`Self::Event`].
    fn apply_recorded(&mut self, event: &RecordedEvent) -> Result<()> {
        self.apply(event.typed()?);
        Ok(())
    }
}

/// A state and the revision that it is the state of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Loaded<A> {
    pub state: A,
    /// `None` when the stream has no events.
    pub revision: Option<Revision>,
}

/// Why an update failed.
#[derive(Debug, thiserror::Error)]
pub enum UpdateError<E> {
    /// The decision itself said no.
    #[error("{0}")]
    Refused(E),
    #[error(transparent)]
    Client(#[from] Error),
}

/// The aggregate that one stream holds. See [`Aggregate`].
#[derive(Debug)]
pub struct Aggregates<A> {
    client: Client,
    stream: String,
    state: PhantomData<fn() -> A>,
}

impl Client {
    /// The aggregate whose events are in `stream`.
    #[must_use]
    pub fn aggregate<A: Aggregate>(&self, stream: &str) -> Aggregates<A> {
        Aggregates { client: self.clone(), stream: stream.to_owned(), state: PhantomData }
    }
}

impl<A: Aggregate> Aggregates<A> {
    /// The state now.
    ///
    /// # Errors
    /// [`Error`], of the read or of the fold.
    pub fn load(&self) -> Result<Loaded<A>> {
        self.fold(Loaded { state: A::default(), revision: None }, None)
    }

    /// The state as the store had recorded it at a moment: a time in RFC 3339, or a cursor.
    ///
    /// # Errors
    /// [`Error`], of the read or of the fold.
    pub fn load_as_of(&self, moment: impl ToString) -> Result<Loaded<A>> {
        self.fold(Loaded { state: A::default(), revision: None }, Some(moment.to_string()))
    }

    /// Loads the state, lets `decide` turn it into events, and appends them if nobody else has appended since;
    /// otherwise brings the state up to date and decides again. Gives the state that the events led to.
    ///
    /// # Errors
    /// [`UpdateError::Refused`] with what `decide` said; [`UpdateError::Client`] when the store refused, or
    /// when others were faster 10 times.
    pub fn update<E>(
        &self,
        mut decide: impl FnMut(&A) -> std::result::Result<Vec<A::Event>, E>,
    ) -> std::result::Result<Loaded<A>, UpdateError<E>> {
        let mut loaded = self.load()?;
        let mut decisions = 1;
        loop {
            let events = decide(&loaded.state).map_err(UpdateError::Refused)?;
            if events.is_empty() {
                return Ok(loaded);
            }
            let new: Vec<NewEvent> = events.iter().map(NewEvent::typed).collect::<Result<_>>()?;
            match self.client.append(&self.stream, Expected::from(loaded.revision), new) {
                Ok(appended) => {
                    events.into_iter().for_each(|event| loaded.state.apply(event));
                    loaded.revision = Some(appended.last_revision());
                    return Ok(loaded);
                }
                Err(error) if error.is_wrong_revision() && decisions < DECISIONS_MAX => {
                    decisions += 1;
                    // A deleted stream begins anew: what was loaded is no longer its beginning.
                    loaded = self.load()?;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn fold(&self, mut loaded: Loaded<A>, as_of: Option<String>) -> Result<Loaded<A>> {
        let mut read = self.client.read(&self.stream);
        if let Some(moment) = as_of {
            read = read.as_of(moment);
        }
        for event in read.events()? {
            let event = event?;
            loaded.state.apply_recorded(&event)?;
            loaded.revision = Some(event.revision);
        }
        Ok(loaded)
    }
}
