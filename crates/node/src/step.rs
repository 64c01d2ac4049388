//! What goes into a node's step and what comes out of it.

use crate::clock::Mono;
use crate::engine::{DiskSpace, EngineError};
use crate::request::{ClosedTime, Replies, Request, Unavailable};
use model::{Cursor, Index, Outcome, React};

/// Something that happened to a node. `C` and `M` are the engine's completions and messages.
#[derive(Debug)]
pub enum Input<C, M, R: Replies> {
    /// The first input, given once.
    Start,
    /// Requests that arrived together. They share an entry if they fit into one.
    Requests(Vec<Request<R>>),
    /// A piece of the engine's work has ended.
    Completion(C),
    /// Another replica has sent a message.
    Message(M),
    /// A tick of the engine has passed; see [`crate::Engine::tick_ms`].
    Tick,
    /// Whether the disk has space has changed. While space is low, the node is read-only.
    DiskSpace(DiskSpace),
    /// The disk does not respond. Until [`Self::DiskResponds`], requests that need an entry are rejected. `why` is a
    /// sentence for the operator.
    DiskStalled { why: String },
    /// The disk responds again.
    DiskResponds,
    /// Removed data waits for a flush before it can leave the disk.
    FlushSoon,
    /// Entries after this one are kept in the log, within the engine's bound, because an archive does not have them yet.
    /// `None`: there is no archive.
    Archived(Option<Index>),
    /// What reactions have to do with events that were read for them. [`Output::Reacted`] follows for each.
    React(Vec<React<'static>>),
    /// The time set by [`Output::Wait`] has come.
    TimerDue,
    /// Check again for work to do: [`Output::Continue`] asked for it, or work outside the node has ended that
    /// may have blocked an entry (a compaction).
    Continue,
    /// Finish what is in flight, make everything durable, then emit [`Output::Stopped`].
    Stop,
}

/// Something the node wants done. Do all outputs of a step in order.
#[derive(Debug)]
pub enum Output<Io, R: Replies> {
    /// Work for the engine.
    Io(Io),
    /// The result of a command.
    Outcome { reply: R::Outcome, result: Result<Outcome, Unavailable> },
    /// Which time is closed, or the reason why none can be closed.
    TimeClosed { reply: R::TimeClosed, result: Result<ClosedTime, Unavailable> },
    /// Something has happened to the row that this request waited for, or the reason why it cannot wait.
    Woken { reply: R::Woken, result: Result<(), Unavailable> },
    /// Readers may see events up to this cursor.
    Visible(Cursor),
    /// A command of [`Input::React`] was applied, or never will be.
    Reacted,
    /// A reaction was created, changed or deleted.
    ReactionsChanged,
    /// This many tasks have become dead letters.
    TasksDied(u32),
    /// The node leads and has applied everything that was in its log.
    Ready { replayed_entries: u64 },
    /// Give [`Input::TimerDue`] at this time. It replaces the time set before; `None` means no timer.
    Wait(Option<Mono>),
    /// Give [`Input::Continue`] after the outputs before this one are done.
    Continue,
    /// Everything is durable. No output follows.
    Stopped,
    /// The node cannot continue. No more results may be sent.
    Halt(EngineError),
}
