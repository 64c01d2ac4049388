//! Retry: another attempt, later, if it is safe, if it may help, and if it cannot become an attack.
//!
//! A call asks [`First`](Request::First) when it begins, which earns its share of the [`budget`](crate::budget).
//! After a failed attempt it asks [`Again`](Request::Again): the answer is to wait until a moment (backoff with
//! jitter, or what the dependency asked for), or no. At that moment it asks again with it as
//! [`due`](Again::due), and the budget pays.
//!
//! What is not safe to repeat is not repeated, unless the configuration says so: [`Safety`].
//!
//! ```
//! use core::time::Duration;
//! use mainstay_resilience::retry::{Again, Config, Request, Safety};
//! use mainstay_resilience::{Decision, Rejected, Reason, Decide, Input, Time};
//!
//! let config = Config::default();
//! let (mut state, input) = (config.state(), Input::at(Time::ZERO));
//! let ticket = config.ask(&mut state, input, Request::First).admitted().unwrap();
//! // It has failed, and is a POST without a key: it may have been done.
//! let again = Again {
//!     attempts: ticket.attempt,
//!     begun: input.now,
//!     backoff: Duration::ZERO,
//!     retry_after: None,
//!     safety: Safety::Unsafe,
//!     due: None,
//! };
//! let no = Decision::Reject(Rejected { reason: Reason::RetryUnsafe, retry_at: None });
//! assert_eq!(config.ask(&mut state, input, Request::Again(again)), no);
//! ```

mod config;
mod safety;
mod state;
#[cfg(test)]
mod tests;

pub use config::{Backoff, Config, Jitter, Repeat};
pub use safety::{IdempotencyKey, Safety};
pub use state::{Again, Request, Snapshot, State, Ticket};
