//! Schedules: clocks of the store that enqueue a task at each of their ticks.
//!
//! ```text
//!   put ──► unknown ──► next tick at ... ──► due ──► task enqueued, skipped, or waiting ──┐
//!              ▲  the node says which it is    ▲          (the node says what follows)     │
//!              └── changed, resumed            └──────────────────────────────────────────┘
//! ```
//!
//! The node evaluates cron expressions and time zones, and proposes what it finds as an
//! [`AdvanceSchedule`](model::AdvanceSchedule). That command names the ticks that it decides, and the tick that follows
//! them. It is applied only to a schedule that stands exactly before these ticks. So a tick happens once, whatever is
//! proposed twice or lost.
//!
//! | module | what it holds |
//! |---|---|
//! | [`state`] | a schedule during one command: its rows, its timer, its part of the counts |
//! | [`run`] | how a tick enqueues its task, and which runs are unfinished |
//! | [`put`], [`put_set`], [`delete`], [`control`], [`advance`] | one command each |

pub(crate) mod advance;
pub(crate) mod control;
pub(crate) mod delete;
pub(crate) mod put;
pub(crate) mod put_set;
pub(crate) mod run;
pub(crate) mod state;
#[cfg(test)]
mod tests;
