//! How long the disk takes to make a small write durable: a lower bound for every acknowledged write.

use super::latency::Latencies;
use crate::cli::failure::Result;
use serde::Serialize;
use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;
use std::time::Instant;

/// Bytes of one write: an event of 1 KiB with its frame.
const WRITE_BYTES: usize = 1_200;
const WRITES: usize = 1_000;
const PREPARED_BYTES: usize = 4 << 20;

#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Sync {
    pub(super) p50_us: u64,
    pub(super) p90_us: u64,
    pub(super) p99_us: u64,
}

/// Writes and syncs (fdatasync) one small block after another in `directory`, into blocks that were written
/// before, as the node's log does.
pub(super) fn probe(directory: &Path) -> Result<Sync> {
    let mut file: File = tempfile::tempfile_in(directory)?;
    file.write_all(&vec![1; PREPARED_BYTES])?;
    file.sync_all()?;
    file.seek(SeekFrom::Start(0))?;
    let piece = [2; WRITE_BYTES];
    let mut latencies = Latencies::default();
    for _ in 0..WRITES {
        let began = Instant::now();
        file.write_all(&piece)?;
        file.sync_data()?;
        latencies.record(began.elapsed());
    }
    Ok(Sync {
        p50_us: latencies.quantile_us(0.5),
        p90_us: latencies.quantile_us(0.9),
        p99_us: latencies.quantile_us(0.99),
    })
}
