//! Retry: another attempt after a failure, if it is safe, may help, and cannot become an overload.
//!
//! A call starts with [`Request::First`], which adds its share to the [`budget`](crate::budget). After a
//! failed attempt it asks [`Request::Again`]. The decision is to wait until a moment (backoff with jitter, or
//! the time that the dependency asked for), or a rejection. At that moment the call asks again with the
//! moment as [`due`](Again::due), and the budget pays for the attempt.
//!
//! Calls that are not safe to repeat are not repeated, unless the configuration says so: see [`Safety`].
//!
//! ```
//! use core::time::Duration;
//! use mainstay_resilience::retry::{Again, Config, Request, Safety};
//! use mainstay_resilience::{Decide, Decision, Input, Reason, Rejected, Time};
//!
//! let config = Config::new();
//! let (mut state, input) = (config.state(), Input::at(Time::ZERO));
//! let ticket = config.ask(&mut state, input, Request::First).admitted().unwrap();
//! // The call has failed. It is a POST without an idempotency key, so the work may have been done.
//! let again = Again {
//!     attempts: ticket.attempt,
//!     begun: input.now,
//!     backoff: Duration::ZERO,
//!     retry_after: None,
//!     safety: Safety::Unsafe,
//!     due: None,
//! };
//! let rejected = Rejected { reason: Reason::RetryUnsafe, retry_at: None };
//! assert_eq!(config.ask(&mut state, input, Request::Again(again)), Decision::Reject(rejected));
//! ```

mod config;
mod safety;
mod state;
#[cfg(test)]
mod tests;

pub use config::{Backoff, Config, Jitter, Repeat};
pub use safety::{IdempotencyKey, Safety};
pub use state::{Again, Request, Snapshot, State, Ticket};
