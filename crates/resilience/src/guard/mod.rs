//! A guard: the policies of one dependency at work in a program, for async calls of any kind.
//!
//! ```
//! use mainstay_resilience::breaker;
//! use mainstay_resilience::guard::{Call, CallError, Guard, Policy, errors_are_failures};
//!
//! # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
//! let policy = Policy::new().breaker(breaker::Config::default());
//! let guard = Guard::new("billing", policy).unwrap();
//! let result: Result<u32, CallError<std::io::Error>> =
//!     guard.call(Call::safe(), |_attempt| async { Ok(42) }, errors_are_failures).await;
//! assert_eq!(result.unwrap(), 42);
//! # });
//! ```
//!
//! A call is a future of the caller's task: nothing is spawned. Dropped at any point, it gives back its permit, its
//! place in the queue and its probe. A panic of the operation counts as a failure, and gives them back as well.

mod attempt;
pub(crate) mod clock;
mod observer;
mod run;
#[cfg(test)]
mod tests;
mod words;

pub use crate::policy::Policy;
pub use run::Guard;
pub use words::{Attempt, Call, CallError, CallRejected, Classification, errors_are_failures};
