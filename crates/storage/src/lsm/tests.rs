//! The state on disk, held to the suite that every state store passes, and to what only disks can break.

use super::{LsmConfig, LsmState};
use crate::conformance;
use format::header::StoreId;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use tempfile::TempDir;

pub(super) const STORE: StoreId = StoreId(7);

/// So small that a few rows make several tables and levels.
pub(super) fn tiny() -> LsmConfig {
    LsmConfig { table_bytes: 512, first_level_tables: 2, cache_bytes: 64 << 10, ..LsmConfig::default() }
}

struct InDirectory(PathBuf);

impl conformance::state::Crashing for InDirectory {
    type State = LsmState;

    fn open(&self) -> LsmState {
        LsmState::open(&self.0, STORE, tiny()).unwrap()
    }
}

#[test]
fn the_state_on_disk_keeps_the_promises_of_every_state_store() {
    let directory = TempDir::new().unwrap();
    let made = AtomicU64::new(0);
    conformance::state::check(|| {
        InDirectory(directory.path().join(made.fetch_add(1, Ordering::Relaxed).to_string()))
    });
}
