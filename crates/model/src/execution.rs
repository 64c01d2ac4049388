//! Executions: the runs of a team's own endpoints, each under an idempotency key of their client.
//!
//! An endpoint begins an execution before it does its work, and completes it with the response that it sends. A request that
//! comes with the same key later gets that response. An execution's *token* is a [`Cursor`], as that of a lease: it
//! belongs to one `begin`, and a later one has a greater one.

use crate::ids::{Cursor, Elapsed, Slot};
use crate::name::ExecutionKey;
use alloc::borrow::Cow;
use alloc::vec::Vec;

/// Ask whether the work under a key is new, is being done, or is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BeginExecution<'a> {
    pub key: ExecutionKey<'a>,
    /// What identifies the content of the request that the key came with. It may be empty.
    pub fingerprint: Cow<'a, str>,
    /// Who asks. An owner that asks again gets the token that it has.
    pub owner: Option<Cow<'a, str>>,
    /// If the execution is not completed within this many milliseconds, the key is free again.
    pub ttl_ms: u64,
}

/// Store the response of an execution.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompleteExecution<'a> {
    pub key: ExecutionKey<'a>,
    pub token: Cursor,
    /// The response, as one JSON object in one line.
    pub response: Cow<'a, [u8]>,
    /// How long the response is kept.
    pub keep_ms: u64,
}

/// Free a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AbandonExecution<'a> {
    pub key: ExecutionKey<'a>,
    /// The execution that ends. Without it, the key is freed whatever its state is, stored response included.
    pub token: Option<Cursor>,
}

/// Remove one slot's executions whose time is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExpireExecutions {
    pub slot: Slot,
    /// Where to begin: no execution of this slot ends earlier.
    pub from: Elapsed,
    /// The maximum number of executions to remove.
    pub executions_max: u32,
}

/// What there is under a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Begun {
    /// The work is the caller's to do.
    New {
        token: Cursor,
        /// How long the caller has for it.
        remaining_ms: u64,
        /// The same owner began it before.
        replayed: bool,
    },
    /// The work is done.
    Completed {
        response: Vec<u8>,
        /// How long the response is kept yet.
        remaining_ms: u64,
    },
}
