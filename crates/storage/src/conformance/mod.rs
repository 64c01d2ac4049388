//! One suite a trait, passed by every implementation.

pub(crate) mod state;
