//! What must hold, after each restart and at the end of a run; one file a promise.
//!
//! | file | promise |
//! |---|---|
//! | [`shown`] | what readers see is whole: bodies and rows agree, positions and revisions grow without a gap |
//! | [`acknowledged`] | what was acknowledged is there, once, where it was said to be |
//! | [`whole`] | what was not answered is there whole or not at all, and nothing else is there |
//! | [`order`] | what a reader has seen stays, and nothing appears below it |
//! | [`as_of`] | a closed time's events never change |
//! | [`clocks`] | wall and elapsed never run back |

pub mod acknowledged;
pub mod as_of;
pub mod clocks;
pub mod order;
pub mod shown;
pub mod whole;
