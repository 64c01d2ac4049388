//! A node: it batches requests into entries, has an engine make them durable, and sends the outcomes back. It
//! also does admission and timers. All of this is one step machine.
//!
//! ```text
//!            Input                        Output, in order
//!   Requests ─────────┐            ┌────► Io                   log writes, bodies, flushes: for the runtime
//!   Completion ───────┤            ├────► Outcome, TimeClosed, Woken   to a waiting request
//!   DiskSpace ────────┼─► Node ────┼────► Visible              readers may now see up to this cursor
//!   TimerDue, Tick ───┤   step     ├────► Ready, Wait, Continue
//!   Message ──────────┤            └────► Stopped, Halt
//!   FlushSoon, Stop ──┘
//!                       Engine: Raft log and local state ([`raft_engine`]) or, later, a team's database
//! ```
//!
//! The contract: give one input, do every output in order, then give the next input. A node has no clock,
//! thread, file or socket of its own: `now` is passed in, and the work to be done comes out.
//!
//! | module | what it holds |
//! |---|---|
//! | [`request`] | requests, their replies, and why a node may not serve them |
//! | [`step`] | inputs and outputs |
//! | [`node`] | the step machine: admission, batching, waiting requests, timers |
//! | [`batch`] | the open batch and how much of it one entry takes |
//! | [`claims`] | claims that wait for tasks |
//! | `own_work` | the node's own commands: which of them go into an entry, and when |
//! | `ticks` | the schedules that are due, and what their calendars say |
//! | [`waiting`] | requests that wait until something happens to a row |
//! | [`clock`] | the two clocks of entries, from the two clocks of a machine |
//! | [`engine`] | what a node asks of its engine: entries in, durable outcomes out |
//! | [`replay`] | entries of an archive, applied to a snapshot that is being installed |
//! | [`raft_engine`] | the built-in engine: log first, then apply, on a local state |

pub mod batch;
pub mod claims;
pub mod clock;
pub mod engine;
pub mod node;
mod own_work;
pub mod raft_engine;
pub mod replay;
pub mod request;
pub mod step;
mod ticks;
pub mod waiting;

pub use claims::{WaitingClaim, WaitingClaims};
pub use clock::{Mono, Now};
pub use engine::{DiskSpace, Engine, EngineError, EntryId, EntryResult, Polled};
pub use node::{Node, NodeFigures, NodeOptions};
pub use raft_engine::{GroupLog, RaftCompletion, RaftEngine, RaftEngineOptions, RaftIo, following};
pub use request::{AskedTime, ClosedTime, Replies, Request, Unavailable};
pub use step::{Input, Output};
pub use waiting::WaitTable;
