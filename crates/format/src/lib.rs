//! Bytes on disk and between replicas: every number, tag and layout in one room, written by hand so that none
//! changes by accident, and held by golden files.
//!
//! Data that any version has written is readable by all later ones. Decoding returns an error for bytes that
//! are not what they should be; it never panics, and never reserves more than a small multiple of the bytes
//! that it was given.
//!
//! This crate does not know where bytes are kept, nor what they mean to the domain.
//!
//! | module | what it writes |
//! |---|---|
//! | [`wire`] | the primitives: integers, varints, bytes behind their length |
//! | [`entry`] | entries and commands, as the log holds them |
//! | [`outcome`] | outcomes, as idempotency records hold them |
//! | [`row`] | keys and values of the state |
//! | [`body`] | event bodies, as the body file holds them |
//! | [`body_index`] | indexes of body segments, and the account of removals |
//! | [`frame`] | frames of the log |
//! | [`log_index`] | indexes of log segments |
//! | [`header`] | headers of files |
#![no_std]
extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod body;
pub mod body_index;
pub mod entry;
pub mod frame;
pub mod header;
pub mod log_index;
pub mod outcome;
pub mod row;
pub mod wire;

pub use wire::FormatError;
