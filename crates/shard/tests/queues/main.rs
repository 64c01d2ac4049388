//! Task queues against the simple model of `reference-model`: random operations, with every outcome, every read and
//! every row compared.
//!
//! | module | what it holds |
//! |---|---|
//! | `world` | one shard and one model, and the entries that both are given |
//! | `reads` | what readers see of queues and tasks |
//! | `rows` | the rows that must be there, and no others |
//! | `schedules` | what readers see of schedules, and their rows |
//! | `patchy` | a view that does not hold every key at first |
//! | `promises` | the tests |

#[cfg(test)]
#[path = "../streams/patchy.rs"]
mod patchy;
#[cfg(test)]
mod promises;
#[cfg(test)]
mod reads;
#[cfg(test)]
mod rows;
#[cfg(test)]
mod schedules;
#[cfg(test)]
mod world;
