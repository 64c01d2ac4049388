//! The shard against the simple model of `reference-model`: random operations, with every outcome and every read
//! compared.
//!
//! | module | what it holds |
//! |---|---|
//! | `entries` | random entries from a seed |
//! | `world` | one shard and one model, and everything that is compared |
//! | `patchy` | a view that does not hold every key at first |
//! | `promises` | the tests |

#[cfg(test)]
mod entries;
#[cfg(test)]
mod patchy;
#[cfg(test)]
mod promises;
#[cfg(test)]
mod world;
