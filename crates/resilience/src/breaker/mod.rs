//! Circuit breaker: stops calls that are doomed, and lets them back when they are not.
//!
//! ```text
//!                 too many failures, or too many slow calls,
//!                 or too many failures in a row
//!      ┌────────┐ ─────────────────────────────────────────► ┌──────┐ ◄──────────────┐
//!      │ closed │                                            │ open │                │
//!      └────────┘ ◄──── the ramp: a growing share of ─────┐  └──────┘                │
//!        admits all     calls is admitted                 │   admits none            │ too many
//!                                                         │      │ until its time    │ probes
//!                                         enough probes   │      ▼ has passed        │ failed
//!                                         succeeded       │  ┌───────────┐           │
//!                                                         └─ │ half-open │ ──────────┘
//!                                                            └───────────┘
//!                                                             admits a few probes
//! ```
//!
//! - **A trip is looked for when a failure or a slow call is told**, never on a success: only those can raise a
//!   share. A success that happens to complete [`Config::calls_min`] therefore trips nothing.
//! - **Each change begins a generation.** What is told with a ticket of an earlier one is [`Stale`](crate::Told):
//!   a success that was begun before the trip cannot close a half-open breaker.
//! - **A probe is a lease.** Its caller may vanish: after [`Config::probe_for`] its place is free again, and what
//!   it says later is stale. A probe that was cancelled frees its place at once and says nothing.
//! - **Open times grow** with each trip that follows another within [`Config::forget_after`], up to a bound, and
//!   carry jitter, so that many callers do not probe at once.
//! - **What counts as a failure is the caller's judgement**: an [`Outcome`](crate::Outcome). Refusals by policies
//!   of this crate are neutral.

mod config;
mod sources;
mod state;
#[cfg(test)]
mod tests;

pub use config::{Config, Enforcement, Window};
pub use state::{Circuit, Forced, Request, Snapshot, State, Ticket, Transition};
