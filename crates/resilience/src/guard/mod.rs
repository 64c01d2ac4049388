//! A guard: all policies of one dependency around any call, async or blocking.
//!
//! ```
//! use mainstay_resilience::guard::{CallError, Guard, Policy};
//! use mainstay_resilience::{breaker, bulkhead};
//!
//! # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
//! let policy = Policy::new().breaker(breaker::Config::default()).bulkhead(bulkhead::Config::default());
//! let billing = Guard::new("billing", policy).unwrap();
//! let result: Result<&str, CallError<std::io::Error>> = billing.call(|| async { Ok("paid") }).await;
//! assert_eq!(result.unwrap(), "paid");
//! # });
//! ```
//!
//! A guard's classifier decides what a result means: by default an error is a failure, and
//! [`classify_with`](GuardBuilder::classify_with) sets another rule. A call is repeated only if its
//! [`CallOptions`] say that this is safe.
//!
//! A call runs in its caller's task or thread, and nothing is spawned. An async call that is dropped at any
//! point gives back its permit, its place in the queue and its probe. A panic in the operation does the same,
//! and counts as a failure.

mod attempt;
mod blocking;
mod builder;
mod classify;
mod error;
mod handle;
mod held;
mod keyed;
mod observer;
mod options;
mod retry;
mod running;
mod snapshot;
#[cfg(test)]
mod tests;

pub use crate::policy::Policy;
pub use builder::GuardBuilder;
pub use classify::{Classification, Classify, ErrorsAreFailures};
pub use error::{CallError, CallRejected};
pub use handle::Guard;
pub use keyed::Guards;
pub use options::{Attempt, CallOptions};
#[cfg(feature = "tower")]
pub(crate) use running::Running;
pub use snapshot::Snapshot;
