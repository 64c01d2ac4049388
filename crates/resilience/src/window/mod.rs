//! Recent call outcomes: a window over the last N calls, or over the last N seconds.
//!
//! Both windows keep running totals, so reading a total takes the same time whatever the length of the
//! window. The cost of forgetting is proportional to what is forgotten; no window is ever rescanned.
//!
//! ```
//! use core::time::Duration;
//! use mainstay_resilience::Time;
//! use mainstay_resilience::window::{CountWindow, Tally, TimeWindow};
//!
//! let mut seconds = TimeWindow::new(Duration::from_secs(10), 10);
//! let mut calls = CountWindow::new(100);
//! seconds.add(Time::ZERO, Tally { calls: 2, failures: 2, slow: 0 });
//! calls.failure(2);
//! // A day later the time window is empty. In the count window these are still the last calls.
//! assert_eq!(seconds.total(Time::from_millis(86_400_000)).failures, 0);
//! assert_eq!(calls.total().failures, 2);
//! ```

mod count_window;
mod tally;
mod time_window;

pub use count_window::CountWindow;
pub(crate) use count_window::SavedCount;
pub use tally::{Count, Tally};
pub use time_window::TimeWindow;
