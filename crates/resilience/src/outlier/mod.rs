//! Outlier ejection: of several hosts that do the same work, the one that fails gets no calls for a while.
//!
//! ```text
//!                   failed so often in a row, or so large a share,
//!     ┌──────────┐  and enough others stay                          ┌─────────┐
//!     │ admitted │ ───────────────────────────────────────────────► │ ejected │  rejected until its time
//!     └──────────┘ ◄─────────────────────────────────────────────── └─────────┘
//!                   its time has passed: a clean slate, and what
//!                   was begun before no longer counts
//! ```
//!
//! - **Only a part is ejected**, at most [`Config::ejected_percent_max`] of the hosts that are known, and never the
//!   last one: when all fail, it is not the hosts, and the rest would not carry the load.
//! - **Ejections grow**, by [`Config::eject_for`] with each, up to [`Config::eject_for_max`]; a host that stays that
//!   long has its first one again.
//! - **It is looked for when a failure is told**, never on a success.
//! - **A host is known** from the first question about it, until it is [forgotten](State::forget) or pushed out by
//!   others ([`Config::hosts_max`]).
//!
//! ```
//! use mainstay_resilience::outlier::{Config, Request};
//! use mainstay_resilience::{Decision, Rejected, Reason, Decide, Input, Outcome, Time};
//!
//! let config = Config::new().consecutive_failures(2);
//! let (mut state, input) = (config.state(), Input::at(Time::ZERO));
//! let mut call = |host, outcome| {
//!     let ticket = config.ask(&mut state, input, Request { host }).admitted().unwrap();
//!     config.tell(&mut state, input, ticket, outcome, 1);
//! };
//! call(1, Outcome::Success);
//! call(2, Outcome::Failure);
//! call(2, Outcome::Failure);
//! let retry_at = Some(Time::from_millis(30_000));
//! let ejected = Decision::Reject(Rejected { reason: Reason::Outlier, retry_at });
//! assert_eq!(config.ask(&mut state, input, Request { host: 2 }), ejected);
//! assert!(config.ask(&mut state, input, Request { host: 1 }).admitted().is_some());
//! ```

mod config;
mod state;
#[cfg(test)]
mod tests;

pub use config::Config;
pub use state::{Ejected, HostSnapshot, Request, Snapshot, State, Ticket};
