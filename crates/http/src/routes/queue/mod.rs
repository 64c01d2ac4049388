//! Task queues.
//!
//! | module | operations |
//! |---|---|
//! | [`enqueue`] | `POST .../tasks` |
//! | [`claim`] | `POST .../claims` |
//! | [`settle`] | `heartbeat`, `complete`, `fail`, `defer`, `return`, and `POST .../settlements` |
//! | [`tasks`] | reads of tasks, `cancel`, `replay`, and dropping dead letters |
//! | [`change`] | changes of many tasks, and the classes of dead letters |
//! | [`queues`] | settings and lists of queues |
//! | [`tenants`] | weights of tenants, and what they have in a queue |
//! | [`workers`] | the workers of a queue, and what `/metrics` shows of queues |

pub(super) mod change;
pub(super) mod claim;
pub(super) mod enqueue;
pub(super) mod queues;
pub(super) mod settle;
pub(super) mod tasks;
pub(super) mod tenants;
pub(super) mod workers;
