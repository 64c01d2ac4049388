//! What must hold after each restart and at the end of a run. Each file checks one promise.
//!
//! | file | promise |
//! |---|---|
//! | [`shown`] | what readers see is complete: bodies and rows agree; positions and revisions increase without a gap |
//! | [`acknowledged`] | every acknowledged event exists exactly once, at the revision and position of its outcome |
//! | [`whole`] | a request without an outcome took effect completely or not at all, and every event belongs to a request |
//! | [`order`] | what a reader has seen stays, and no event appears before it |
//! | [`as_of`] | the events as of a closed time never change |
//! | [`clocks`] | wall and elapsed never go backwards |

pub mod acknowledged;
pub mod as_of;
pub mod clocks;
pub mod order;
pub mod shown;
pub mod whole;
