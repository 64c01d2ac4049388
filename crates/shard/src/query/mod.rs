//! Reads: pure functions over any view of the state. None needs the shard itself, so they run on any thread,
//! over the view of whatever entry the reader holds.
//!
//! | function | what it tells |
//! |---|---|
//! | [`clock`] | how far the shard has come |
//! | [`stream`] | where one stream stands, and its settings |
//! | [`page`] | a part of one stream: revisions and positions, as of any cursor |
//! | [`streams`] | a part of the list of streams |
//! | [`is_live`], [`Liveness`] | whether an event found in the body file is still readable |
//! | [`due`], [`next_deadline`] | what the node should propose by itself, and when to look again |

mod clock;
mod live;
mod page;
mod stream;
mod streams;
mod timers;

pub use clock::{ShardClock, clock};
pub use live::{Liveness, first_kept, is_live};
pub use page::{EventsPage, Page, PageRequest, StoredEvent, Truncated, page};
pub use stream::{Presence, StreamState, stream};
pub use streams::{ListPoint, ListedStream, StreamsPage, StreamsRequest, streams};
pub use timers::{Deadlines, due, next_deadline};
