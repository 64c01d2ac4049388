//! Outlier ejection: a host that fails more than its peers receives no calls for a while.
//!
//! ```text
//!                   too many consecutive failures or too large
//!     ┌──────────┐  a share of them, and enough hosts remain         ┌─────────┐
//!     │ admitted │ ────────────────────────────────────────────────► │ ejected │  rejects calls until
//!     └──────────┘ ◄──────────────────────────────────────────────── └─────────┘  its time has passed
//!                   its time has passed: the host starts again, and
//!                   calls that started before no longer count
//! ```
//!
//! - **Only some of the hosts are ejected**, at most [`Config::ejected_percent_max`] of the known ones, and
//!   never the last. If all hosts fail, the cause is not one host, and the rest could not carry the load.
//! - **Ejections get longer**, by [`Config::eject_for`] each, up to [`Config::eject_for_max`]. A host that
//!   goes without an ejection for that long starts again with a short one.
//! - **Only a failure can eject a host**, never a success.
//! - **A host is known** from the first request for it until it is [forgotten](State::forget) or replaced by
//!   others ([`Config::hosts_max`]).
//!
//! ```
//! use mainstay_resilience::outlier::{Config, Request};
//! use mainstay_resilience::{Decide, Decision, Input, Outcome, Reason, Rejected, Time};
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
//! let rejected = Rejected { reason: Reason::Outlier, retry_at: Some(Time::from_millis(30_000)) };
//! assert_eq!(config.ask(&mut state, input, Request { host: 2 }), Decision::Reject(rejected));
//! assert!(config.ask(&mut state, input, Request { host: 1 }).admitted().is_some());
//! ```

mod config;
mod state;
#[cfg(test)]
mod tests;

pub use config::Config;
pub use state::{Ejected, HostSnapshot, Request, Snapshot, State, Ticket};
