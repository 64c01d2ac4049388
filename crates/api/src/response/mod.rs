//! Answers on their way out.
//!
//! | module | what it writes |
//! |---|---|
//! | [`stored`] | an event as it was recorded |
//! | [`outcome`] | what became of a command |
//! | [`refusal`] | the problem that a refused command is answered with |
//! | [`page`] | pages of events and of streams |

pub mod outcome;
pub mod page;
pub mod refusal;
pub mod stored;
