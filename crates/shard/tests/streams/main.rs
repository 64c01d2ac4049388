//! The shard against a simple model of streams: random operations, every outcome and every read compared.
//!
//! | module | what it holds |
//! |---|---|
//! | `simple` | the model: vectors, searched from end to end; shares no code with the shard |
//! | `generate` | random entries from a seed |
//! | `world` | one shard and one model side by side, and all that is compared |
//! | `patchy` | a view that does not have every key at hand |
//! | `promises` | the tests |

#[cfg(test)]
mod generate;
#[cfg(test)]
mod patchy;
#[cfg(test)]
mod promises;
#[cfg(test)]
#[cfg(test)]
mod simple;
#[cfg(test)]
mod world;
