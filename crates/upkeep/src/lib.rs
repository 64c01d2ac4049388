//! What is done to a store from outside a running node: keep backups of it, restore one, and examine a data directory.
//!
//! ```text
//!   node ──HTTP──▶ NewBackup ──▶ directory, bucket or stream ──restore──▶ data directory ◀── examine
//!                     checks          verify
//! ```
//!
//! | module | what it does |
//! |---|---|
//! | [`backups`] | a directory with backups: adds one, lists, verifies and removes them |
//! | [`place`] | where the files of backups are: a directory, a bucket, a stream |
//! | [`log_archive`] | the entries between and after backups, in the same directory |
//! | [`subject_keys`] | the copy of the keys that events are sealed with, in the same directory |
//! | [`needed_keys`] | which of them a store needs |
//! | [`rows`], [`segments`] | check the parts of a backup |
//! | [`matching`] | whether rows and bodies are about the same events |
//! | [`check`] | examines the store of a running node by what a backup would copy |
//! | [`finding`] | what is wrong, what it affects, what to do |
//! | [`lost_node`] | what is left of a node that cannot start any more |
//! | [`restore`] | makes a data directory from a backup, and from the entries after it |
//! | [`rekey`] | replaces the operator's key in a data directory |
//! | [`doctor`] | examines a data directory, and changes nothing |
//!
//! Nothing here talks to a node: the command line reads parts from one and passes them on. Every byte that is kept is checked when it
//! arrives, and again before it is used.

pub mod backups;
pub mod check;
mod digest;
pub mod doctor;
mod error;
mod finding;
pub mod log_archive;
pub mod lost_node;
mod matching;
pub mod needed_keys;
pub mod place;
pub mod rekey;
pub mod restore;
mod rows;
pub mod salvage;
mod segments;
pub mod subject_keys;

pub use error::{BucketCause, Result, UpkeepError};
pub use finding::Finding;
