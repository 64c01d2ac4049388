//! Transactions: checks and writes on any number of streams, applied all or nothing.

use crate::append::{Appended, under_key};
use crate::client::Client;
use crate::error::{Error, Result};
use crate::event::{Expected, NewEvent};
use crate::idempotency::{Execution, StoredResponse};
use crate::leases::LeaseToken;
use crate::queue::{ClaimedTask, Enqueued, GroupCreated, NewGroup, NewTask};
use crate::transport::Call;
use http::Method;
use serde::ser::{SerializeMap, Serializer};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::pin::Pin;

/// A transaction that is sent when it is awaited. Made by [`Client::transaction`].
#[derive(Clone, Debug)]
#[must_use = "a transaction does nothing until it is awaited"]
pub struct Transaction {
    client: Client,
    body: Body,
    idempotency_key: Option<String>,
}

#[derive(Clone, Debug, Default, Serialize)]
struct Body {
    checks: Vec<Check>,
    writes: Vec<Write>,
}

#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
enum Check {
    Stream {
        stream: String,
        #[serde(serialize_with = "expected_as_json")]
        expected: Expected,
    },
    Lease {
        lease: String,
        token: LeaseToken,
    },
    Value {
        value: String,
        #[serde(serialize_with = "expected_as_json")]
        expected: Expected,
    },
    Execution {
        idempotency: String,
        token: String,
    },
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
enum Write {
    Append(Append),
    Enqueue(Enqueue),
    Group(Box<NewGroup>),
    Complete(Complete),
    Idempotency(CompleteExecution),
}

#[derive(Clone, Debug, Serialize)]
struct CompleteExecution {
    key: String,
    token: String,
    response: StoredResponse,
    #[serde(skip_serializing_if = "Option::is_none")]
    keep: Option<String>,
}

#[derive(Clone, Debug, Serialize)]
struct Enqueue {
    queue: String,
    tasks: Vec<NewTask>,
}

#[derive(Clone, Debug, Serialize)]
struct Complete {
    queue: String,
    id: String,
    token: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<serde_json::Value>,
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
    /// Whether every event existed already, because the same transaction had been sent before.
    #[serde(default)]
    pub replayed: bool,
    /// One for each write, in the order of the request.
    pub writes: Vec<Written>,
}

/// What one write of a transaction did.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Written {
    Appended(Appended),
    /// One for each task, in order.
    Enqueued(Vec<Enqueued>),
    GroupCreated(GroupCreated),
    Completed,
    /// The response of an execution is stored.
    ExecutionCompleted,
}

impl<'de> Deserialize<'de> for Written {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "lowercase")]
        enum Wire {
            Append(Appended),
            Enqueue { tasks: Vec<Enqueued> },
            Group(GroupCreated),
            Complete {},
            Idempotency {},
        }
        Wire::deserialize(deserializer).map(|wire| match wire {
            Wire::Append(appended) => Self::Appended(appended),
            Wire::Enqueue { tasks } => Self::Enqueued(tasks),
            Wire::Group(created) => Self::GroupCreated(created),
            Wire::Complete {} => Self::Completed,
            Wire::Idempotency {} => Self::ExecutionCompleted,
        })
    }
}

impl Serialize for Written {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(1))?;
        match self {
            Self::Appended(appended) => map.serialize_entry("append", appended)?,
            Self::Enqueued(tasks) => map.serialize_entry("enqueue", &json!({"tasks": tasks}))?,
            Self::GroupCreated(created) => map.serialize_entry("group", created)?,
            Self::Completed => map.serialize_entry("complete", &json!({"state": "done"}))?,
            Self::ExecutionCompleted => map.serialize_entry("idempotency", &json!({}))?,
        }
        map.end()
    }
}

impl Client {
    /// Begins a transaction. Nothing is sent until it is awaited.
    ///
    /// ```no_run
    /// use mainstay_client::{Client, Expected, NewEvent, Revision};
    ///
    /// # async fn example(client: Client) -> Result<(), mainstay_client::Error> {
    /// client
    ///     .transaction()
    ///     .check("customer-1", Expected::Exists)
    ///     .append("cart-7", Expected::Revision(Revision(3)), [NewEvent::new("cart.checked-out")])
    ///     .append("order-12", Expected::None, [NewEvent::new("order.placed")])
    ///     .await?;
    /// # Ok(()) }
    /// ```
    pub fn transaction(&self) -> Transaction {
        Transaction { client: self.clone(), body: Body::default(), idempotency_key: None }
    }
}

impl Transaction {
    /// Commits only if the stream is as expected before the transaction.
    pub fn check(mut self, stream: impl Into<String>, expected: Expected) -> Self {
        self.body.checks.push(Check::Stream { stream: stream.into(), expected });
        self
    }

    /// Commits only if the lease is held with this token.
    pub fn check_lease(mut self, lease: impl Into<String>, token: &LeaseToken) -> Self {
        self.body.checks.push(Check::Lease { lease: lease.into(), token: token.clone() });
        self
    }

    /// Commits only if the value is as expected.
    pub fn check_value(mut self, value: impl Into<String>, expected: Expected) -> Self {
        self.body.checks.push(Check::Value { value: value.into(), expected });
        self
    }

    /// Commits only while the execution is in progress, so that its work is written by one.
    pub fn check_execution(mut self, execution: &Execution) -> Self {
        let (idempotency, token) = (execution.key().to_owned(), execution.token().to_string());
        self.body.checks.push(Check::Execution { idempotency, token });
        self
    }

    /// Completes an execution: its response is stored with the other writes, or not at all.
    pub fn complete_execution(mut self, execution: &Execution, response: &StoredResponse) -> Self {
        self.body.writes.push(Write::Idempotency(CompleteExecution {
            key: execution.key().to_owned(),
            token: execution.token().to_string(),
            response: response.clone(),
            keep: execution.keep(),
        }));
        self
    }

    /// Appends these events, if the stream is as expected.
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

    /// Enqueues these tasks. Each one has an id, so the transaction can be sent again safely.
    pub fn enqueue(mut self, queue: impl Into<String>, tasks: impl IntoIterator<Item = NewTask>) -> Self {
        let tasks = tasks.into_iter().collect();
        self.body.writes.push(Write::Enqueue(Enqueue { queue: queue.into(), tasks }));
        self
    }

    /// Creates this group. If there is one with its id and other tasks, nothing is written.
    pub fn create_group(mut self, group: NewGroup) -> Self {
        self.body.writes.push(Write::Group(Box::new(group)));
        self
    }

    /// Completes a task that this worker has claimed. If the claim is over, nothing is written, so what a worker
    /// writes together with this is written once.
    pub fn complete(mut self, queue: impl Into<String>, task: &ClaimedTask) -> Self {
        let (id, token) = (task.id.clone(), task.token.clone());
        self.body.writes.push(Write::Complete(Complete { queue: queue.into(), id, token, result: None }));
        self
    }

    /// Names the intended effect: see [`crate::Append::idempotency_key`].
    pub fn idempotency_key(mut self, key: impl Into<String>) -> Self {
        self.idempotency_key = Some(key.into());
        self
    }

    /// Sends the transaction. Awaiting it does the same.
    ///
    /// # Errors
    /// [`Error`]; one with [`Error::is_wrong_revision`] when a check or an expected revision does not hold.
    /// In that case, nothing was written.
    pub async fn commit(mut self) -> Result<Committed> {
        for write in &mut self.body.writes {
            if let Write::Append(append) = write {
                append.events =
                    under_key(std::mem::take(&mut append.events), self.idempotency_key.as_deref());
            }
        }
        let body = serde_json::to_vec(&self.body).map_err(Error::Encode)?;
        let mut call = Call::new(Method::POST, "/v1/transactions").body("application/json", body);
        if let Some(key) = &self.idempotency_key {
            call = call.idempotency_key(key);
        }
        let mut committed: Committed = self.client.call_json(&call).await?;
        for written in committed.writes.iter_mut().zip(&self.body.writes) {
            if let (Written::Appended(appended), Write::Append(append)) = written {
                appended.name(&append.events);
            }
        }
        Ok(committed)
    }
}

impl IntoFuture for Transaction {
    type Output = Result<Committed>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.commit())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Revision;

    #[test]
    fn a_transaction_is_written_as_the_api_reads_it() {
        let transaction = Client::new("http://localhost")
            .unwrap()
            .transaction()
            .check("a", Expected::Exists)
            .check_lease("l", &LeaseToken("00000000000000050007".into()))
            .check_value("v", Expected::Revision(Revision(2)))
            .append("b", Expected::Revision(Revision(3)), [NewEvent::new("t").id("1")])
            .create_group(NewGroup::new("g").task("q", NewTask::new("page").id("g-1")));
        assert_eq!(
            serde_json::to_value(&transaction.body).unwrap(),
            json!({
                "checks": [
                    {"stream": "a", "expected": "exists"},
                    {"lease": "l", "token": "00000000000000050007"},
                    {"value": "v", "expected": 2},
                ],
                "writes": [
                    {"append": {
                        "stream": "b", "expected": 3, "events": [{"specversion": "1.0", "id": "1", "type": "t"}],
                    }},
                    {"group": {"id": "g", "members": [{"queue": "q", "id": "g-1", "type": "page"}]}},
                ],
            })
        );
    }
}
