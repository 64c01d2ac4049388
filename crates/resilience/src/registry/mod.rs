//! Circuit breakers by key (a host, a tenant, a report type), bounded in number.
//!
//! When the registry is full, a new key takes the place of the least recently used breaker that is closed. An
//! open or half-open breaker is never removed, because it holds what was learned at a cost, nor is one that
//! an operator holds open or closed. If no breaker can be removed, all further keys share one breaker, and
//! the registry counts the calls that used it.
//!
//! A registry makes no decisions; its breakers do. [`State`] is the plain registry, for a state machine.
//! `sync::CircuitBreakers` (feature `sync`) is for the threads of a program. Both follow [`to_remove`].
//!
//! ```
//! use mainstay_resilience::{Input, Outcome, Time, breaker, registry};
//!
//! let breaker = breaker::Config::new().consecutive_failures(1);
//! let config = registry::Config::new().breaker(breaker).keys_max(1);
//! let mut breakers = config.state();
//! let input = Input::at(Time::ZERO);
//! let ask =
//!     |breakers: &mut _, key| config.ask(breakers, input, &key, breaker::Request::default()).admitted();
//! let ticket = ask(&mut breakers, "a").unwrap();
//! config.tell(&mut breakers, input, &"a", ticket, Outcome::Failure);
//! // The breaker of "a" is open and stays, so "b" uses the shared breaker.
//! assert!(ask(&mut breakers, "b").is_some() && ask(&mut breakers, "a").is_none());
//! assert_eq!(config.snapshot(&breakers).shared_calls, 1);
//! ```

mod config;
mod state;
#[cfg(test)]
mod tests;

pub use config::Config;
pub use state::{Snapshot, State, Ticket, to_remove};
