//! Policies shared by threads.
//!
//! Each type holds one policy's state and is used in the same way:
//! [`try_acquire`](CircuitBreaker::try_acquire) asks for a permit, and [`record`](BreakerPermit::record)
//! returns it with the outcome of the call. **A permit that is dropped without an outcome counts as
//! cancelled and gives back everything it held**, so an early return, a dropped future and a panic are all
//! safe.
//!
//! ```
//! use mainstay_resilience::{Outcome, breaker, sync::CircuitBreaker};
//!
//! fn charge(breaker: &CircuitBreaker) -> Result<&'static str, Box<dyn std::error::Error>> {
//!     let permit = breaker.try_acquire()?; // `Rejected` says why not, and when to retry.
//!     let response: Result<_, std::io::Error> = Ok("charged"); // The call.
//!     permit.record(if response.is_ok() { Outcome::Success } else { Outcome::Failure });
//!     Ok(response?)
//! }
//! let breaker = CircuitBreaker::new(breaker::Config::default())?;
//! assert_eq!(charge(&breaker)?, "charged");
//! assert_eq!(breaker.snapshot().window.calls, 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! | type | `try_acquire` returns | also |
//! |---|---|---|
//! | [`CircuitBreaker`] | [`BreakerPermit`] | [`CircuitBreakers`]: one for each key |
//! | [`Bulkhead`] | [`BulkheadPermit`] | `acquire` waits in the queue (feature `async`) |
//! | [`RateLimiter`] | nothing: a token is spent when it is granted | `acquire` waits; [`RateLimiters`]: one for each key |
//! | [`OutlierDetector`] | [`HostPermit`] | `pick` chooses among hosts |
//! | [`Retry`] | [`Attempts`] of one call, from `begin` | |
//! | [`Hedge`] | [`HedgePermit`] of an attempt, from `first` and `second` | |
//!
//! These methods read a monotonic clock ([`now`]). Each has a variant ending in `_at` that takes the time
//! (and the random number) as an [`Input`](crate::Input) instead, for simulations, for benchmarks, and for
//! callers that already know the time. Use one kind of clock for one policy.
//!
//! There is one implementation of each policy: the plain decision. Every type here keeps the plain state of
//! its policy behind a lock that is never held across a call. The most frequent operations avoid that lock:
//! successes of a closed breaker and the first attempts of calls are counted in per-thread words, and added
//! to the state in one batch before the next operation that needs the lock.

mod breaker;
mod bulkhead;
pub(crate) mod clock;
mod hedge;
#[cfg(not(loom))]
pub(crate) mod keyed;
mod lanes;
mod outlier;
mod primitives;
mod queue;
mod rate;
#[cfg(not(loom))]
mod registry;
mod retry;

pub use breaker::{BreakerPermit, CircuitBreaker};
pub use bulkhead::{Admission, Bulkhead, BulkheadPermit};
pub use clock::now;
pub use hedge::{Hedge, HedgePermit};
pub use outlier::{HostPermit, OutlierDetector};
pub use queue::Queued;
pub use rate::RateLimiter;
#[cfg(not(loom))]
pub use registry::{CircuitBreakers, RateLimiters};
pub use retry::{Attempts, Retry};

// Two attributes, because clippy recognizes test code by the first one.
#[cfg(test)]
#[cfg(not(loom))]
mod tests;
