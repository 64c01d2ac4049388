//! The vocabulary that every policy shares. The crate root re-exports all of it.
//!
//! ```text
//!   Time, Input   what a decision knows: the time and a random number
//!   Decide        the shape of a policy: `ask` before a call, `tell` after it
//!   Decision      the reply to `ask`: admit, wait or reject
//!   Rejected      a rejection: the reason, and when a retry can help
//!   Outcome       how a call ended, as its caller sees it
//!   Recorded      what a policy did with an outcome
//!   ConfigError   the field of a configuration that is out of range
//! ```

mod arithmetic;
mod config_error;
mod decide;
mod decision;
mod input;
#[cfg(feature = "serde")]
pub(crate) mod millis;
#[cfg(feature = "serde")]
pub(crate) mod millis_or_none;
mod outcome;
mod reason;
mod recorded;
mod time;

pub(crate) use arithmetic::{DAY_MILLIS, below, nanos, percent_of};
pub use config_error::ConfigError;
pub use decide::Decide;
pub use decision::{Decision, Rejected};
pub use input::Input;
pub use outcome::Outcome;
pub use reason::Reason;
pub use recorded::Recorded;
pub use time::Time;
