//! Checks, tools and tests of this repository. Knows the source tree and cargo, and nothing about what
//! Mainstay does.
//!
//! | module | contents |
//! |---|---|
//! | [`suite`] | the commands: `test`, `check`, `tidy`, `phrases`, `sim`, `readme`, `bench` |
//! | [`tools`] | the programs that a machine needs, and how to install them |
//! | [`tidy`] | the rules of the source tree, each with a test that breaks it |
//! | [`readme`] | runs the commands of a page and compares their output with the page |
//! | [`advisories`] | compares the lock files with a database of known vulnerabilities |
//! | [`fuzz`] | runs the targets of `fuzz/` under libFuzzer |
//! | [`package`] | what people install: archive, `.deb`, container image, bill of materials |
//! | [`run`] | runs commands and reports how they ended |

pub mod advisories;
pub mod fuzz;
pub mod package;
pub mod readme;
pub mod run;
pub mod suite;
pub mod tidy;
pub mod tools;

/// What went wrong, in words for the person who ran the command.
pub type Failure = String;
