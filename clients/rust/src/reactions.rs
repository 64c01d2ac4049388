//! Reactions: a task for each event that matches.

use crate::client::{Client, encode};
use crate::error::{Error, Result};
use crate::event::Cursor;
use crate::transport::Call;
use http::Method;
use serde::{Deserialize, Serialize};

/// Which events a reaction selects, and which tasks it makes of them.
///
/// ```no_run
/// use mainstay_client::{Client, ReactionSettings};
///
/// # async fn example() -> Result<(), mainstay_client::Error> {
/// let client = Client::new("http://127.0.0.1:7070")?;
/// let settings = ReactionSettings::new("mails", "order-mail").prefix("order-").types(["order.placed"]);
/// client.put_reaction("order-mails", &settings).await?;
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default)]
pub struct ReactionSettings {
    /// Only events of streams whose names begin with this.
    pub prefix: String,
    /// Only events of these types; all if it is empty.
    pub types: Vec<String>,
    pub queue: String,
    /// The type of the tasks.
    pub task_type: String,
    /// The key of all tasks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// `stream`: the key of each task is the name of its event's stream.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_from: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<u8>,
    /// `event`: a task carries the whole event. `reference`: it carries only where the event is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payload: Option<String>,
    /// A paused reaction stays where it is.
    pub paused: bool,
    /// Where a new reaction begins: `now`, `beginning`, or after a cursor. One that exists goes on from where it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
}

impl ReactionSettings {
    /// Tasks of this type in this queue, for every event from now on.
    #[must_use]
    pub fn new(queue: impl Into<String>, task_type: impl Into<String>) -> Self {
        Self { queue: queue.into(), task_type: task_type.into(), ..Self::default() }
    }

    /// Only events of streams whose names begin with `prefix`.
    #[must_use]
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// Only events of these types.
    #[must_use]
    pub fn types<T: Into<String>>(mut self, types: impl IntoIterator<Item = T>) -> Self {
        self.types = types.into_iter().map(Into::into).collect();
        self
    }

    /// The tasks of one stream run one at a time, in order.
    #[must_use]
    pub fn key_from_stream(mut self) -> Self {
        self.key_from = Some("stream".into());
        self
    }

    /// A new reaction begins at the first event.
    #[must_use]
    pub fn from_beginning(mut self) -> Self {
        self.from = Some("beginning".into());
        self
    }

    /// A new reaction begins after `cursor`.
    #[must_use]
    pub fn from_cursor(mut self, cursor: &Cursor) -> Self {
        self.from = Some(cursor.to_string());
        self
    }
}

/// A reaction, and where it stands.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[non_exhaustive]
pub struct ReactionInfo {
    pub reaction: String,
    #[serde(flatten)]
    pub settings: ReactionSettings,
    /// How far it has come.
    pub cursor: String,
    /// `current`, `behind`, `blocked` or `paused`.
    pub state: String,
    /// How much recorded time lies between the reaction and the newest event.
    pub behind: String,
    /// How many events of the store lie between the two, whatever they are about: exactly if they are few, otherwise
    /// estimated.
    #[serde(default)]
    pub behind_events: u64,
    /// How many tasks it has enqueued since it was created.
    pub tasks: u64,
    /// Why no task can be enqueued.
    pub blocked_on: Option<String>,
}

#[derive(Deserialize)]
struct List {
    reactions: Vec<ReactionInfo>,
}

#[derive(Deserialize)]
struct Deleted {
    deleted: bool,
}

impl Client {
    /// Creates a reaction, or replaces its settings. The same settings again change nothing.
    ///
    /// # Errors
    /// [`Error`]
    pub async fn put_reaction(&self, name: &str, settings: &ReactionSettings) -> Result<()> {
        let body = serde_json::to_vec(settings).map_err(Error::Encode)?;
        let call = Call::new(Method::PUT, path(name)).body("application/json", body);
        self.call(&call).await.map(drop)
    }

    /// One reaction.
    ///
    /// # Errors
    /// [`Error`], with the code `reaction_not_found` when there is none with this name.
    pub async fn reaction(&self, name: &str) -> Result<ReactionInfo> {
        self.call_json(&Call::get(path(name))).await
    }

    /// All reactions, by name.
    ///
    /// # Errors
    /// [`Error`]
    pub async fn reactions(&self) -> Result<Vec<ReactionInfo>> {
        let list: List = self.call_json(&Call::get("/v1/reactions")).await?;
        Ok(list.reactions)
    }

    /// Removes a reaction, and returns whether it existed. The tasks that it has enqueued stay.
    ///
    /// # Errors
    /// [`Error`]
    pub async fn delete_reaction(&self, name: &str) -> Result<bool> {
        let deleted: Deleted = self.call_json(&Call::new(Method::DELETE, path(name))).await?;
        Ok(deleted.deleted)
    }
}

fn path(name: &str) -> String {
    format!("/v1/reactions/{}", encode(name))
}
