//! Cells: a policy's state, shared by the threads of a program.
//!
//! There is one implementation of each policy: the plain decision. A cell holds its state behind a lock that is
//! never held across a call, and keeps the common case away from that lock: successes of a closed breaker, or
//! calls that earn their share of a retry budget, are counted in a word a lane and told to the state in one
//! batch, before anything else is asked of it.

mod breaker;
mod bulkhead;
mod hedge;
mod lanes;
mod outlier;
mod rate;
#[cfg(not(loom))]
mod registry;
mod retry;
mod sync;

pub use breaker::Breaker;
pub use bulkhead::{Bulkhead, Entry, Place};
pub use hedge::Hedge;
pub use outlier::Outlier;
pub use rate::{Bucket, Window};
#[cfg(not(loom))]
pub use registry::Registry;
pub use retry::Retry;

#[cfg(all(test, not(loom)))]
mod tests;
