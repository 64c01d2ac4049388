//! Merging tables, so that reads look into few of them and deleted rows leave the disk.

use super::error::state_error;
use super::layers::{Shared, Tables};
use crate::state::{Compactor, Due, StateError};
use lsm_tree::compaction::Leveled;
use lsm_tree::{AbstractTree, SeqNo};
use std::fmt;
use std::sync::Arc;

/// Leveled compaction of one tree. See [`crate::state::Compactor`].
#[derive(Clone)]
pub struct LsmCompactor {
    shared: Arc<Shared>,
    strategy: Arc<Leveled>,
}

impl LsmCompactor {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        let strategy = Arc::new(shared.config.strategy());
        Self { shared, strategy }
    }
}

impl fmt::Debug for LsmCompactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LsmCompactor").finish_non_exhaustive()
    }
}

impl Compactor for LsmCompactor {
    fn step(&self) -> Result<Due, StateError> {
        let tree = &self.shared.tree;
        let before = tree.current_version().id();
        // The newest version of each row is kept, older ones are not: see the module's front page.
        tree.compact(self.strategy.clone(), SeqNo::MAX).map_err(|error| state_error("compacting", &error))?;
        let tables = Tables::of(tree);
        if tables.version() == before {
            return Ok(Due::Nothing);
        }
        self.shared.publish(tables);
        Ok(Due::More)
    }
}
