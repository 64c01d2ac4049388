//! Leases: the commands, one file each, and what they share.
//!
//! | file | what it does |
//! |---|---|
//! | `acquire.rs` | grant a lease, or let the holder wait for its turn |
//! | `renew.rs` | restart the time of a lease |
//! | `release.rs` | give a lease back |
//! | `withdraw.rs` | stop waiting |
//! | `expire.rs` | hand over leases that have expired |
//! | `state.rs` | one lease: who holds it, and the hand-over |
//! | `queue.rs` | who waits for it, first come, first served |
//!
//! Time counts in `elapsed`. What time has ended is ended for every command, whether the node has noticed it or
//! not: a command first settles its lease ([`state::Lease::settle`]), and that is kept even if the command is then
//! refused.

pub(crate) mod acquire;
pub(crate) mod expire;
mod queue;
pub(crate) mod release;
pub(crate) mod renew;
mod state;
pub(crate) mod withdraw;

pub(crate) use queue::load as load_waiter;
pub(crate) use state::{is_held, load_row};
