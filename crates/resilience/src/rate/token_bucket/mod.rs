//! Token bucket: an average rate with bursts.
//!
//! This is the generic cell rate algorithm (ITU-T I.371). Instead of counting tokens, it stores the one
//! moment at which the bucket is full again. The whole state is therefore one 64-bit word, which a program
//! can keep in an atomic.
//!
//! ```
//! use core::time::Duration;
//! use mainstay_resilience::rate::{Request, token_bucket::Config};
//! use mainstay_resilience::{Decide, Input, Time};
//!
//! let config = Config::new().tokens(2).per(Duration::from_secs(1)).burst(4);
//! let mut state = config.state();
//! let granted = (0..10_000).filter(|millis| {
//!     let input = Input::at(Time::from_millis(*millis));
//!     config.ask(&mut state, input, Request::default()).admitted().is_some()
//! });
//! // Asked every millisecond for ten seconds, it grants the burst, then two per second.
//! assert_eq!(granted.count(), 4 + 19);
//! ```

mod config;
mod state;

pub use config::Config;
#[cfg(feature = "sync")]
pub(crate) use state::Rule;
pub use state::{Snapshot, State};
