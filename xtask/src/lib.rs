//! The house: its rules as checks, its tools, and the one order in which everything is tested. Knows the
//! tree and cargo; knows nothing of what Mainstay does.
//!
//! | module | what it holds |
//! |---|---|
//! | [`suite`] | the commands: test, check, tidy, sim, readme, bench |
//! | [`tools`] | what a machine must have, and how it gets it |
//! | [`tidy`] | the house rules, each with a test that shows it can fail |
//! | [`readme`] | a page's commands, run and compared |
//! | [`run`] | running commands and telling how they went |

pub mod readme;
pub mod run;
pub mod suite;
pub mod tidy;
pub mod tools;

/// What went wrong, in words for whoever ran the command.
pub type Failure = String;
