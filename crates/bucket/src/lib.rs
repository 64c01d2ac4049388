//! A bucket of an S3-compatible object store, as a place for backups.
//!
//! | module | what it does |
//! |---|---|
//! | [`settings`] | where the bucket is and who asks, from a URL and the environment |
//! | [`requests`] | reads, writes, lists and removes objects; the calls that `upkeep` makes |
//! | [`lock`] | one writer at a time |
//! | [`transport`] | HTTP and TLS, with limits on time |
//! | [`failure`] | what went wrong, and nothing secret |
//!
//! Calls are synchronous: a thread of the bucket's own does the work, so they may be made where async code runs. No more
//! than one part of an object ([`requests::PART_BYTES`]) is in memory.

mod failure;
mod lock;
mod requests;
mod settings;
mod transport;

pub use requests::Bucket;
pub use settings::Location;
