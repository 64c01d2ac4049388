//! The JSON objects of reactions.

use serde::Deserialize;
use utoipa::ToSchema;

/// Which events a reaction selects, and which tasks it makes of them.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReactionSettings {
    /// Only events of streams whose names begin with this. The default is every stream.
    #[schema(example = "order-")]
    pub prefix: Option<String>,
    /// Only events of these types, at most 32. The default is all.
    pub types: Option<Vec<String>>,
    /// Where the tasks are enqueued.
    pub queue: String,
    /// The type of the tasks.
    pub task_type: String,
    /// The key of all tasks.
    pub key: Option<String>,
    /// `stream`: the key of each task is the name of its event's stream, so that the tasks of one stream run one at a
    /// time, in order. Instead of `key`.
    pub key_from: Option<KeyFrom>,
    /// The priority of the tasks. The default is 5.
    #[schema(maximum = 9)]
    pub priority: Option<u8>,
    /// What the payload of a task is: the whole event, or only where it is. The default is `event`.
    pub payload: Option<ReactionPayload>,
    /// A paused reaction stays where it is. The default is false.
    pub paused: Option<bool>,
    /// Where a new reaction begins: `now`, `beginning`, or after this cursor. The default is `now`. A reaction that
    /// exists goes on from where it is.
    pub from: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum KeyFrom {
    Stream,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReactionPayload {
    Event,
    Reference,
}

/// The settings in force.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReactionPut {
    pub reaction: String,
    pub prefix: String,
    pub types: Vec<String>,
    pub queue: String,
    pub task_type: String,
    pub key: Option<String>,
    pub key_from: Option<KeyFrom>,
    pub priority: u8,
    pub payload: ReactionPayload,
    pub paused: bool,
    /// How far the reaction has come: 20 hex digits.
    pub cursor: String,
}

/// A reaction, and where it stands.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Reaction {
    pub reaction: String,
    pub prefix: String,
    pub types: Vec<String>,
    pub queue: String,
    pub task_type: String,
    pub key: Option<String>,
    pub key_from: Option<KeyFrom>,
    pub priority: u8,
    pub payload: ReactionPayload,
    pub paused: bool,
    /// How far the reaction has come: 20 hex digits.
    pub cursor: String,
    pub state: ReactionState,
    /// How much recorded time lies between the reaction and the newest event.
    pub behind: String,
    /// How many events of the store lie between the two, whatever they are about. Removed events that are still on disk
    /// count. If that is more than a few MiB, it is an estimate.
    pub behind_events: u64,
    /// How many tasks it has enqueued since it was created.
    pub tasks: u64,
    /// Why no task can be enqueued.
    pub blocked_on: Option<BlockedOn>,
}

/// `current`: it has passed every event. `behind`: it is on its way. `blocked`: its queue takes no task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReactionState {
    Current,
    Behind,
    Blocked,
    Paused,
}

/// `queue_full`: the queue holds as many unfinished tasks as it may. `too_many_task_types`: it has tasks of as many
/// types as it may, and none of this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum BlockedOn {
    QueueFull,
    TooManyTaskTypes,
}

/// All reactions, by name.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReactionList {
    pub reactions: Vec<Reaction>,
}

#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReactionDeleted {
    pub reaction: String,
    /// Whether it existed.
    pub deleted: bool,
}
