//! Bytes on disk and between replicas. Hand-written, with explicit numbers that never change; every decoder
//! checks its bounds and never panics, whatever the bytes.
//!
//! This crate knows no disk and no rule of the domain.

#![no_std]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod frame;
pub mod header;
