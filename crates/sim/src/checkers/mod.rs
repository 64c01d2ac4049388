//! What must hold at any time. Each file checks one promise. Some look at each step; those that read everything
//! look after each restart, now and then while clients write, and at the end of a run.
//!
//! | file | promise |
//! |---|---|
//! | [`shown`] | what readers see is complete: bodies and rows agree; positions and revisions increase without a gap |
//! | [`acknowledged`] | every acknowledged event exists exactly once, at the revision and position of its outcome |
//! | [`whole`] | a request without an outcome took effect completely or not at all, and every event belongs to a request |
//! | [`order`] | what a reader has seen stays, and no event appears before it |
//! | [`as_of`] | the events as of a closed time never change |
//! | [`clocks`] | wall and elapsed never go backwards, and elapsed is never ahead of the time that has passed |
//! | [`claims`] | no claim waits while a task is ready that it can take |
//! | [`tasks`] | no task is lost, each has one owner, tokens grow, and what is completed never runs again |
//! | [`schedules`] | no tick happens twice, early, or is skipped against its rule, and none is left out |
//! | [`reactions`] | every event that matches makes one task, in order, and no other event makes one |
//! | [`matching`] | events, streams and clocks are those of the reference model |
//! | [`visible`] | nothing is visible before it is durable and before its body can be read; what is visible stays so |
//! | [`bounded`] | the log is flushed when enough has been written; nothing is proposed while the node must wait |

pub mod acknowledged;
pub mod as_of;
pub mod bounded;
pub mod claims;
pub mod clocks;
pub mod matching;
pub mod order;
pub mod reactions;
pub mod schedules;
pub mod shown;
pub mod tasks;
pub mod visible;
pub mod whole;
