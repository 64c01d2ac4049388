//! What fuzzers and tests feed any bytes to: one target for each kind of bytes that come from a disk, a backup or a
//! client, with what must hold for all of them.
//!
//! - No bytes panic, overflow or hang a decoder or parser.
//! - None takes more memory than a small multiple of the bytes ([`memory`]).
//! - What a decoder accepts, its encoder writes so that it decodes to the same value.
//! - A parser refuses with a problem of the client's.
//!
//! `cargo xtask fuzz` runs the targets under libFuzzer; `tests/targets.rs` runs them over the corpora in `fuzz/corpus`, and
//! over mutations of these.
//!
//! | module | targets |
//! |---|---|
//! | [`formats`] | entries, outcomes, rows, bodies, and the smaller formats of files |
//! | [`files`] | frames of the log and chunks of snapshots, behind their checksums |
//! | [`requests`] | paths, parameters, headers and bodies |
//! | [`json`] | the JSON reader, compared with `serde_json` |
//! | [`cron`] | cron expressions in time zones |

#![allow(clippy::panic, reason = "a target fails by panicking")]

pub mod corpus;
pub mod cron;
pub mod files;
pub mod formats;
pub mod json;
pub mod memory;
pub mod requests;

use memory::Bound;

/// One kind of bytes.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// As in `fuzz/corpus/NAME.hex`.
    pub name: &'static str,
    /// Reads the bytes and checks what must hold. Panics if it does not.
    pub run: fn(&[u8]),
    /// What it may take of memory while it runs.
    pub bound: Bound,
}

/// All targets.
pub const TARGETS: [Target; 10] = [
    Target { name: "entry", run: formats::entry, bound: Bound { each: 400, fixed: 64 << 10 } },
    Target { name: "outcome", run: formats::outcome, bound: Bound { each: 400, fixed: 64 << 10 } },
    Target { name: "row", run: formats::row, bound: Bound { each: 200, fixed: 32 << 10 } },
    Target { name: "small", run: formats::small, bound: Bound { each: 200, fixed: 32 << 10 } },
    Target { name: "frame", run: files::frame, bound: Bound { each: 200, fixed: 32 << 10 } },
    Target { name: "snapshot", run: files::snapshot, bound: Bound { each: 200, fixed: 32 << 10 } },
    Target { name: "request", run: requests::body, bound: Bound { each: 1_000, fixed: 1 << 20 } },
    Target { name: "query", run: requests::query, bound: Bound { each: 1_000, fixed: 256 << 10 } },
    Target { name: "json", run: json::reader, bound: Bound { each: 200, fixed: 32 << 10 } },
    Target { name: "cron", run: cron::expression, bound: Bound { each: 1_000, fixed: 1 << 20 } },
];

/// The target with this name.
#[must_use]
pub fn target(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}

/// Checks one input of the target with this name.
///
/// # Panics
/// There is no such target, or something that must hold does not.
pub fn check(name: &str, bytes: &[u8]) {
    let target = target(name).unwrap_or_else(|| panic!("there is no target {name:?}"));
    target.check(bytes);
}

impl Target {
    /// Runs the target, and checks its memory if the program has [`memory::Counting`] as its allocator.
    pub fn check(&self, bytes: &[u8]) {
        let taken = memory::peak_of(|| (self.run)(bytes));
        let bound = self.bound.of(bytes.len());
        assert!(taken <= bound, "{}: {taken} bytes of memory for {} bytes", self.name, bytes.len());
    }
}
