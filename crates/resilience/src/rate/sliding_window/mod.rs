//! Sliding window: never more than N tokens in any span of time.
//!
//! Tokens granted close together are counted in one bucket, and return together, `per` after the *last* of
//! them. The window therefore errs on the strict side only: a token returns at least `per` after it was
//! granted, and less than `per + per / buckets` after it.
//!
//! ```
//! use mainstay_resilience::rate::{Request, sliding_window::Config};
//! use mainstay_resilience::{Decide, Input, Time};
//!
//! let config = Config::new().tokens(5);
//! let mut state = config.state();
//! let granted = (0..1_000).filter(|millis| {
//!     let input = Input::at(Time::from_millis(*millis));
//!     config.ask(&mut state, input, Request::default()).admitted().is_some()
//! });
//! assert_eq!(granted.count(), 5, "in one second, however often it is asked");
//! ```

mod config;
mod state;

pub use config::Config;
pub use state::{Snapshot, State};
