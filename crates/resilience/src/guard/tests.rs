//! The guard against real futures, on a clock that the test moves.
