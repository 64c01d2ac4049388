//! The shard against a simple model of streams: random operations, with every outcome and every read
//! compared.
//!
//! | module | what it holds |
//! |---|---|
//! | `simple` | the model: vectors, searched from end to end; it shares no code with the shard |
//! | `generate` | random entries from a seed |
//! | `world` | one shard and one model, and everything that is compared |
//! | `patchy` | a view that does not hold every key at first |
//! | `promises` | the tests |

#[cfg(test)]
mod generate;
#[cfg(test)]
mod patchy;
#[cfg(test)]
mod promises;
#[cfg(test)]
mod simple;
#[cfg(test)]
mod world;
