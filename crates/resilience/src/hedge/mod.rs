//! Hedge: a second attempt alongside a slow first one; the first result wins.
//!
//! Some calls are slow for reasons that a second attempt does not share: a pause of one replica, a full
//! queue, a lost packet. A hedge is sent when a call has taken longer than nearly all others (an observed
//! quantile), within a [`budget`], and only if the call is safe to repeat. See Dean and Barroso, "The Tail at
//! Scale" (2013).
//!
//! ```
//! use mainstay_resilience::hedge::{Config, Request};
//! use mainstay_resilience::retry::Safety;
//! use mainstay_resilience::{Decide, Decision, Input, Outcome, Time};
//!
//! let config = Config::new().calls_min(20);
//! let mut state = config.state();
//! let at = |millis| Input::at(Time::from_millis(millis));
//! for call in 0..100 {
//!     let ticket = config.ask(&mut state, at(call * 10), Request::First).admitted().unwrap();
//!     config.tell(&mut state, at(call * 10 + 5), ticket, Outcome::Success, 1);
//! }
//! // All calls took 5 ms, so one that has taken 8 ms is slow.
//! let begun = Time::from_millis(1_000);
//! let second = Request::Second { begun, safety: Safety::Safe };
//! assert!(matches!(config.ask(&mut state, at(1_001), second), Decision::Wait { .. }));
//! assert!(config.ask(&mut state, at(1_008), second).admitted().is_some());
//! ```

mod config;
mod histogram;
mod state;
#[cfg(test)]
mod tests;

pub use config::Config;
pub use state::{Request, Snapshot, State, Ticket};
