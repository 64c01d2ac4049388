//! Cells: a policy's state, shared by the threads of a program.
//!
//! There is one implementation of each policy: the plain decision. A cell holds its state behind a lock that is
//! never held across a call, and keeps the common case away from that lock: successes of a closed breaker, or
//! calls that earn their share of a retry budget, are counted in a word a lane and told to the state in one
//! batch, before anything else is asked of it.
//!
//! ```
//! use mainstay_resilience::{Input, Outcome, sync, breaker};
//!
//! let breaker = sync::Breaker::new(breaker::Config::default());
//! std::thread::scope(|scope| {
//!     for _ in 0..2 {
//!         scope.spawn(|| {
//!             for _ in 0..25 {
//!                 let ticket = breaker.ask(Input::default(), breaker::Request::default()).admitted();
//!                 breaker.tell(Input::default(), ticket.unwrap(), Outcome::Success);
//!             }
//!         });
//!     }
//! });
//! assert_eq!(breaker.snapshot(Input::default().now).window.calls, 50, "none is lost");
//! ```

mod breaker;
mod bulkhead;
mod hedge;
mod lanes;
mod outlier;
mod primitives;
mod rate;
#[cfg(not(loom))]
mod registry;
mod retry;

pub use breaker::Breaker;
pub use bulkhead::{Bulkhead, Entry, Place};
pub use hedge::Hedge;
pub use outlier::Outlier;
pub use rate::{SlidingWindow, TokenBucket};
#[cfg(not(loom))]
pub use registry::Registry;
pub use retry::Retry;

#[cfg(all(test, not(loom)))]
mod tests;
