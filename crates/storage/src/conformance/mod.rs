//! One suite for each trait. Every implementation must pass it.

pub(crate) mod disk;
pub(crate) mod state;
