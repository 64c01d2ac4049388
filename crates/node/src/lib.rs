//! A node: requests batched into entries, entries made durable by an engine, outcomes sent back; timers and
//! admission beside it. All of it is one step machine.
//!
//! ```text
//!            Input                        Output, in order
//!   Requests ─────────┐            ┌────► Io       log writes, bodies, flushes: for the runtime to do
//!   Completion ───────┤            ├────► Answer   to a waiting request
//!   DiskSpace ────────┼─► Node ────┼────► Visible  readers may now see up to this cursor
//!   Deadline ─────────┤   step     ├────► Ready, Wait, Stopped, Halt
//!   Stop ─────────────┘            │
//!                       Engine: Raft log and local state ([`raft_engine`]) or, later, a team's database
//! ```
//!
//! The contract: give one input, then obey every output in order, then give the next. Nothing here has a
//! clock, a thread, a file or a socket: `now` is passed in, and what has to be done comes out.
//!
//! | module | what it holds |
//! |---|---|
//! | [`ask`] | what is asked and answered |
//! | [`node`] | the step machine: admission, batching, waiting requests, timers |
//! | [`batch`] | the open batch and how much of it one entry takes |
//! | [`clock`] | the two clocks of entries, from the two clocks of a machine |
//! | [`engine`] | the seam: entries in, durable outcomes out |
//! | [`raft_engine`] | the engine built in: log first, then apply, on a local state |

pub mod ask;
pub mod batch;
pub mod clock;
pub mod engine;
pub mod node;
pub mod raft_engine;

pub use ask::{Answer, Ask, Unavailable};
pub use clock::{Mono, Now};
pub use engine::{Engine, EngineError, EngineOutput, Verdict};
pub use node::{Input, Node, NodeFigures, NodeOptions, Output, Request, RequestId};
pub use raft_engine::{GroupLog, RaftCompletion, RaftEngine, RaftEngineOptions, RaftIo};
