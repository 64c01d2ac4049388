//! The target `entry` of the crate `fuzzing`.
#![no_main]

#[global_allocator]
static ALLOCATOR: fuzzing::memory::Counting = fuzzing::memory::Counting;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzzing::check("entry", bytes));
