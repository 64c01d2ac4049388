//! Bulkhead: a cap on concurrent calls, with a bounded queue in front of it.
//!
//! ```text
//!                     a permit is free for this caller
//!                     and for everyone before it
//!     ask ──────────────────────────────────────────────────► admitted ── tell ──► the permit is free
//!      │                                                          ▲
//!      │ no permit is    ┌──────────────────────────────┐         │
//!      ├────────────────►│ the queue: critical callers, │─────────┘
//!      │ free            │ then normal, then low ones;  │  asks again when it is its turn
//!      │                 │ first come, first served     │
//!      │                 │ within each priority         │─────────► rejected: bulkhead_wait
//!      │                 └──────────────────────────────┘  asks again after `wait_max`
//!      │ the queue is full
//!      └──────────────────────────────────────────────────► rejected at once: bulkhead_full or shed
//! ```
//!
//! - **Rejections are immediate.** A dependency that hangs holds its own permits and nothing else.
//! - **No caller is overtaken** by one of the same or a lower priority. A permit is reserved for each caller
//!   further ahead in the queue, except those that have waited for `wait_max`.
//! - **A caller waits by asking again.** The state knows who may ask now ([`Config::next`],
//!   [`Config::ready`]). A program wakes exactly these callers, and needs no timer except for each caller's
//!   own `wait_max`.
//! - **One `tell` returns one permit**, whatever the outcome. A caller that is cancelled while it waits must
//!   [`leave`](State::leave) the queue.
//! - **The limit can adapt** ([`Limit`]): by AIMD toward a target latency, or by the gradient between the
//!   latency without queueing and the present one. If the limit falls below the permits in use, nobody is
//!   admitted until enough permits have been returned.
//! - **Load can be shed** by priority ([`Config::shed`]).
//!
//! ```
//! use mainstay_resilience::bulkhead::{Config, Limit, Request};
//! use mainstay_resilience::{Decide, Decision, Input, Outcome, Time};
//!
//! let config = Config::new().limit(Limit::Fixed(1)).queue_max(10);
//! let (mut state, input) = (config.state(), Input::at(Time::ZERO));
//! let caller = |caller| Request { caller, ..Request::default() };
//! let ticket = config.ask(&mut state, input, caller(1)).admitted().unwrap();
//! // The second caller waits in the queue, for at most half a second.
//! let until = Time::from_millis(500);
//! assert_eq!(config.ask(&mut state, input, caller(2)), Decision::Wait { until });
//! // Returning the permit makes it its turn.
//! config.tell(&mut state, input, ticket, Outcome::Success, 1);
//! assert!(config.ask(&mut state, input, caller(2)).admitted().is_some());
//! ```

mod config;
mod limiter;
mod state;
#[cfg(test)]
mod tests;

pub use config::{Aimd, Config, Gradient, Limit};
pub use state::{Changed, Request, Snapshot, State, Ticket};
