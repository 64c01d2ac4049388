//! Transactions: checks and writes over any number of streams, all or none.

use crate::append::Appended;
use crate::client::Client;
use crate::error::{Error, Result};
use crate::event::{Expected, NewEvent};
use crate::transport::Call;
use http::Method;
use serde::ser::{SerializeMap, Serializer};
use serde::{Deserialize, Serialize};

/// A transaction in the making. See [`Client::transaction`].
#[derive(Clone, Debug)]
pub struct Transaction {
    client: Client,
    body: Body,
}

#[derive(Clone, Debug, Default, Serialize)]
struct Body {
    checks: Vec<Check>,
    writes: Vec<Write>,
}

#[derive(Clone, Debug, Serialize)]
struct Check {
    stream: String,
    #[serde(serialize_with = "expected_as_json")]
    expected: Expected,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
enum Write {
    Append(Append),
}

#[derive(Clone, Debug, Serialize)]
struct Append {
    stream: String,
    #[serde(serialize_with = "expected_as_json")]
    expected: Expected,
    events: Vec<NewEvent>,
}

fn expected_as_json<S: Serializer>(expected: &Expected, serializer: S) -> Result<S::Ok, S::Error> {
    match expected {
        Expected::Any => serializer.serialize_str("any"),
        Expected::None => serializer.serialize_str("none"),
        Expected::Exists => serializer.serialize_str("exists"),
        Expected::Revision(revision) => revision.serialize(serializer),
    }
}

/// What a transaction did.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[non_exhaustive]
pub struct Committed {
    /// Everything was there already: this was a retry.
    #[serde(default)]
    pub replayed: bool,
    /// One a write, in their order.
    pub writes: Vec<Written>,
}

/// What one write of a transaction did.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Written {
    Appended(Appended),
}

impl<'de> Deserialize<'de> for Written {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Wire {
            append: Appended,
        }
        Wire::deserialize(deserializer).map(|wire| Self::Appended(wire.append))
    }
}

impl Serialize for Written {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self::Appended(appended) = self;
        let mut map = serializer.serialize_map(Some(1))?;
        map.serialize_entry("append", appended)?;
        map.end()
    }
}

impl Client {
    /// A transaction: nothing is sent until [`Transaction::commit`].
    ///
    /// ```no_run
    /// use mainstay_client::{Client, Expected, NewEvent, Revision};
    /// # fn main() -> Result<(), mainstay_client::Error> {
    /// # let client = Client::new("http://127.0.0.1:7070")?;
    /// client
    ///     .transaction()
    ///     .check("customer-1", Expected::Exists)
    ///     .append("cart-7", Expected::Revision(Revision(3)), [NewEvent::new("cart.checked-out")])
    ///     .append("order-12", Expected::None, [NewEvent::new("order.placed")])
    ///     .commit()?;
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn transaction(&self) -> Transaction {
        Transaction { client: self.clone(), body: Body::default() }
    }
}

impl Transaction {
    /// Commits only if the stream is so before the transaction.
    #[must_use]
    pub fn check(mut self, stream: impl Into<String>, expected: Expected) -> Self {
        self.body.checks.push(Check { stream: stream.into(), expected });
        self
    }

    /// Appends these events, if the stream is as `expected`.
    #[must_use]
    pub fn append(
        mut self,
        stream: impl Into<String>,
        expected: Expected,
        events: impl IntoIterator<Item = NewEvent>,
    ) -> Self {
        let events = events.into_iter().map(NewEvent::named).collect();
        self.body.writes.push(Write::Append(Append { stream: stream.into(), expected, events }));
        self
    }

    /// Sends it. Safe to repeat, like an append.
    ///
    /// # Errors
    /// [`Error`]; one with [`Error::is_wrong_revision`] when a check or an expectation does not hold, and
    /// nothing was written.
    pub fn commit(&self) -> Result<Committed> {
        let body = serde_json::to_vec(&self.body).map_err(Error::Encode)?;
        let call = Call::new(Method::POST, "/v1/transactions").body("application/json", body);
        let mut committed: Committed = self.client.call_json(&call)?;
        for (Written::Appended(appended), Write::Append(append)) in
            committed.writes.iter_mut().zip(&self.body.writes)
        {
            appended.name(&append.events);
        }
        Ok(committed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Revision;
    use serde_json::json;

    #[test]
    fn a_transaction_is_written_as_the_api_reads_it() {
        let transaction = Client::new("http://localhost")
            .unwrap()
            .transaction()
            .check("a", Expected::Exists)
            .append("b", Expected::Revision(Revision(3)), [NewEvent::new("t").id("1")]);
        assert_eq!(
            serde_json::to_value(&transaction.body).unwrap(),
            json!({
                "checks": [{"stream": "a", "expected": "exists"}],
                "writes": [{"append": {
                    "stream": "b", "expected": 3, "events": [{"specversion": "1.0", "id": "1", "type": "t"}],
                }}],
            })
        );
    }
}
