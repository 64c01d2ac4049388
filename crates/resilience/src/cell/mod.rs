//! Cells: a policy's state, shared by the threads of a program.
//!
//! There is one implementation of each policy: the plain decision. A cell holds its state behind a lock that is
//! never held across a call, and keeps the common case away from that lock: successes of a closed breaker, or
//! calls that earn their share of a retry budget, are counted in a word a lane and told to the state in one
//! batch, before anything else is asked of it.

mod breaker;
mod lanes;
#[cfg(not(loom))]
mod registry;
mod sync;

pub use breaker::Breaker;
#[cfg(not(loom))]
pub use registry::Registry;

#[cfg(all(test, not(loom)))]
mod tests;
