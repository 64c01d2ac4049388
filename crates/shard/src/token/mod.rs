//! Tokens: who may do what.
//!
//! The shard keeps them, and asks none of them for anything: whether a request may be made is decided by the node that
//! receives it, before there is a command.

pub(crate) mod audit;
pub(crate) mod change;
#[cfg(test)]
mod tests;
