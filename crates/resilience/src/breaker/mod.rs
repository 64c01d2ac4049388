//! Circuit breaker: stops calls that are likely to fail, and resumes them once the dependency has recovered.
//!
//! ```text
//!                 too many failures, slow calls,
//!                 or consecutive failures
//!      ┌────────┐ ─────────────────────────────────────────► ┌──────┐ ◄──────────────┐
//!      │ closed │                                            │ open │                │
//!      └────────┘ ◄──── the ramp admits a ─────────────────┐ └──────┘                │
//!        admits all     growing share of calls             │   admits none           │ too many
//!                                                          │      │ the open time    │ probes
//!                                         enough probes    │      ▼ has passed       │ failed
//!                                         succeeded        │  ┌───────────┐          │
//!                                                          └─ │ half-open │ ─────────┘
//!                                                             └───────────┘
//!                                                             admits a few probes
//! ```
//!
//! - **Only a failure or a slow call can trip a breaker**, because only these raise a share. A success that
//!   brings the window to [`Config::calls_min`] does not trip it.
//! - **Every transition starts a new generation.** An outcome recorded with a ticket of an earlier generation
//!   is [`Stale`](crate::Recorded): a success that started before the trip cannot close a half-open breaker.
//! - **A probe expires.** If its caller disappears, the probe's permit is free again after
//!   [`Config::probe_for`], and a later outcome is stale. A cancelled probe frees its permit at once and
//!   counts neither way.
//! - **Open times grow** with each trip within [`Config::forget_after`] of the last one, up to a maximum.
//!   They include jitter, so that many callers do not probe at the same moment.
//! - **The caller decides what is a failure**, by the [`Outcome`](crate::Outcome) that it records. Rejections
//!   by the policies of this crate are neutral.
//!
//! ```
//! use mainstay_resilience::breaker::{Config, Request};
//! use mainstay_resilience::{Decide, Decision, Input, Outcome, Reason, Rejected, Time};
//!
//! let config = Config::new().consecutive_failures(3).open_jitter_percent(0);
//! let mut state = config.state();
//! let at = |millis| Input::at(Time::from_millis(millis));
//! for millis in [10, 20, 30] {
//!     let ticket = config.ask(&mut state, at(millis), Request::default()).admitted().unwrap();
//!     config.tell(&mut state, at(millis), ticket, Outcome::Failure, 1);
//! }
//! // Three failures in a row open the breaker. It admits a probe after five seconds.
//! let rejected = Rejected { reason: Reason::BreakerOpen, retry_at: Some(Time::from_millis(5_030)) };
//! assert_eq!(config.ask(&mut state, at(40), Request::default()), Decision::Reject(rejected));
//! assert!(config.ask(&mut state, at(5_030), Request::default()).admitted().unwrap().is_probe());
//! ```

mod config;
mod saved;
mod sources;
mod state;
#[cfg(test)]
mod tests;

pub use config::{Config, Enforcement, Window};
pub use saved::{Saved, SavedCalls};
pub use state::{Circuit, Forced, Mode, Request, Snapshot, State, Ticket, Transition};
