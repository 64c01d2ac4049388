//! Bulkhead: a cap on calls at once, with a bounded line in front of it.
//!
//! ```text
//!                     a permit is free,
//!                     and one for each before it
//!     ask ──────────────────────────────────────────────────► admitted ── tell ──► the permit is free
//!      │                                                          ▲
//!      │ none is         ┌──────────────────────────────┐         │
//!      ├────────────────►│ the queue: critical callers,  │─────────┘
//!      │ room in the queue    │ then normal, then low ones;  │  asks again, and it is its turn
//!      │                 │ first come, first served     │
//!      │                 │ within each                  │─────────► rejected: bulkhead_wait
//!      │                 └──────────────────────────────┘  asks again after `wait_max`
//!      │ no room
//!      └──────────────────────────────────────────────────► rejected at once: bulkhead_full, or shed
//! ```
//!
//! - **A rejection is immediate.** A dependency that hangs holds its own permits, and nobody else's threads.
//! - **Nobody is overtaken** by a caller of the same priority or a lower one. A permit is kept for each caller that
//!   waits before: not for one whose patience has ended, whether it has noticed or not.
//! - **Waiting is asking again.** The state says who may ask now ([`Config::next`], [`Config::ready`]), so that a
//!   program wakes exactly those, and needs no timer but one for each caller's patience.
//! - **Each permit comes back through one `tell`**, with whatever outcome; a caller that is cancelled while it waits
//!   must [`leave`](State::leave).
//! - **The limit may find itself** ([`Limit`]): by AIMD on the latency that is aimed at, or by the gradient between
//!   the latency without a queue and the present one. A limit that falls below what is in use admits nobody until
//!   enough has come back.
//! - **Load may be shed** by priority ([`Config::shed`]).
//!
//! ```
//! use mainstay_resilience::bulkhead::{Config, Limit, Request};
//! use mainstay_resilience::{Decision, Decide, Input, Outcome, Time};
//!
//! let config = Config::new().limit(Limit::Fixed(1)).queue_max(10);
//! let (mut state, input) = (config.state(), Input::at(Time::ZERO));
//! let caller = |caller| Request { caller, ..Request::default() };
//! let ticket = config.ask(&mut state, input, caller(1)).admitted().unwrap();
//! // The second waits in the queue, for at most half a second; then its turn comes.
//! let until = Time::from_millis(500);
//! assert_eq!(config.ask(&mut state, input, caller(2)), Decision::Wait { until });
//! config.tell(&mut state, input, ticket, Outcome::Success, 1);
//! assert!(config.ask(&mut state, input, caller(2)).admitted().is_some());
//! ```

mod config;
mod limiter;
#[cfg(test)]
mod simulation;
mod state;
#[cfg(test)]
mod tests;

pub use config::{Aimd, Config, Gradient, Limit};
pub use state::{Changed, Request, Snapshot, State, Ticket};
