//! What every engine must do, and two engines that do it: the built-in one, and one that applies entries to a
//! view of a database and then stores them there.
//!
//! | module | what it holds |
//! |---|---|
//! | `conformance` | the suite, for any engine |
//! | `raft` | the built-in engine |
//! | `database` | an engine on a database in memory, whose view has nothing at hand at first |
//! | `promises` | the tests |

mod conformance;
mod database;
mod promises;
mod raft;
