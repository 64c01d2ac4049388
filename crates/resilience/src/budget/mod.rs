//! Retry budget: a limit on extra attempts, as a share of the calls.
//!
//! A maximum number of attempts per call is not enough. With three attempts per call, a failing dependency
//! receives three times its usual load exactly when it can handle least. A budget limits the extra load of
//! *all* callers together: at 20 percent, a failing dependency sees at most 1.2 times its usual load. As in
//! Finagle's `RetryBudget`, a minimum per second lets callers with little traffic retry; the minimum is added
//! to the share and applies to each process.
//!
//! ```
//! use core::time::Duration;
//! use mainstay_resilience::budget::{Config, Request};
//! use mainstay_resilience::{Decide, Input, Time};
//!
//! let config = Config::new().percent(20).per_second_min(0).length(Duration::from_secs(10));
//! let (mut state, input) = (config.state(), Input::at(Time::ZERO));
//! // A hundred calls fail, and each would like a retry: the budget pays for twenty.
//! let _ = config.ask(&mut state, input, Request::Deposit { calls: 100 });
//! let retries =
//!     (0..100).filter(|_| config.ask(&mut state, input, Request::Withdraw).admitted().is_some());
//! assert_eq!(retries.count(), 20);
//! ```

mod config;
mod state;
#[cfg(test)]
mod tests;

pub use config::Config;
pub use state::{Request, Snapshot, State, Ticket};
