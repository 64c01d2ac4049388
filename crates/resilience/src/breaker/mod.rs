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
//! - **Each change begins a generation.** What is told with a ticket of an earlier one is [`Stale`](crate::Recorded):
//!   a success that was begun before the trip cannot close a half-open breaker.
//! - **A probe is a lease.** Its caller may vanish: after [`Config::probe_for`] its place is free again, and what
//!   it says later is stale. A probe that was cancelled frees its place at once and says nothing.
//! - **Open times grow** with each trip that follows another within [`Config::forget_after`], up to a bound, and
//!   carry jitter, so that many callers do not probe at once.
//! - **What counts as a failure is the caller's judgement**: an [`Outcome`](crate::Outcome). Rejections by policies
//!   of this crate are neutral.
//!
//! ```
//! use mainstay_resilience::breaker::{Config, Request};
//! use mainstay_resilience::{Decision, Rejected, Reason, Decide, Input, Outcome, Time};
//!
//! let config = Config::new().consecutive_failures(3).open_jitter_percent(0);
//! let mut state = config.state();
//! let at = |millis| Input::at(Time::from_millis(millis));
//! for millis in [10, 20, 30] {
//!     let ticket = config.ask(&mut state, at(millis), Request::default()).admitted().unwrap();
//!     config.tell(&mut state, at(millis), ticket, Outcome::Failure, 1);
//! }
//! // Three in a row: it is open for five seconds, and then lets a probe through.
//! let retry_at = Some(Time::from_millis(5_030));
//! let open = Decision::Reject(Rejected { reason: Reason::BreakerOpen, retry_at });
//! assert_eq!(config.ask(&mut state, at(40), Request::default()), open);
//! assert!(config.ask(&mut state, at(5_030), Request::default()).admitted().unwrap().is_probe());
//! ```

mod config;
mod sources;
mod state;
#[cfg(test)]
mod tests;

pub use config::{Config, Enforcement, Window};
pub use state::{Circuit, Forced, Request, Snapshot, State, Ticket, Transition};
