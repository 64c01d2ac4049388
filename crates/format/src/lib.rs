//! Bytes on disk and between replicas. Every number, tag and layout is in this crate. They are written by
//! hand, and golden files make sure that none changes by accident.
//!
//! Every version can read the data that earlier releases wrote. Decoding invalid bytes returns an error. It
//! never panics, and never allocates more than a small multiple of the bytes it was given.
//!
//! This crate does not know where bytes are kept, nor what they mean.
//!
//! | module | what it encodes |
//! |---|---|
//! | [`wire`] | the primitives: integers, varints, bytes with their length |
//! | [`entry`] | entries and commands, as the log holds them |
//! | [`outcome`] | outcomes, as idempotency records hold them |
//! | [`row`] | keys and values of the state |
//! | [`body`] | event bodies, as the body file holds them |
//! | [`body_index`] | indexes of body segments, and counts of removals |
//! | [`frame`] | frames of the log |
//! | [`log_index`] | indexes of log segments |
//! | [`terms`] | the terms of entries, as runs |
//! | [`membership`] | which replicas a group has, and changes of them |
//! | [`header`] | headers of files |
//! | [`archive`] | entries of a log, in pieces, as archives hold them |
//! | [`subject_key`] | the keys of subjects, wrapped, as their file holds them |
//! | [`snapshot`] | the rows of a state, in chunks, as backups hold them |
#![no_std]
extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod archive;
pub mod body;
pub mod body_index;
mod breaker;
pub mod entry;
mod execution;
pub mod frame;
mod group;
pub mod header;
mod lease;
mod limit;
pub mod log_index;
pub mod membership;
mod options;
pub mod outcome;
mod queue;
mod reaction;
pub mod row;
mod schedule;
pub mod snapshot;
pub mod subject_key;
pub mod terms;
mod token;
mod value;
pub mod wire;

pub use wire::FormatError;
