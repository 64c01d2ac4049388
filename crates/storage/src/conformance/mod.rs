//! One suite a trait, passed by every implementation.

pub(crate) mod disk;
pub(crate) mod state;
