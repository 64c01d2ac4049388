//! Writers of responses.
//!
//! | module | what it writes |
//! |---|---|
//! | [`stored`] | recorded events |
//! | [`outcome`] | outcomes of commands |
//! | [`refusal`] | problems for refused commands |
//! | [`lease`] | leases |
//! | [`value`] | writes of values |
//! | [`page`] | pages of events and of streams |

pub mod lease;
pub mod outcome;
pub mod page;
pub mod refusal;
pub mod stored;
pub mod value;
