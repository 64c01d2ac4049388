//! The sizes that bound a state's memory and disk work, and the tree's tuning.

use crate::state::Pressure;
use lsm_tree::compaction::Leveled;
use lsm_tree::config::{
    BlockSizePolicy, BloomConstructionPolicy, FilterPolicy, FilterPolicyEntry, PartitioningPolicy,
    PinningPolicy, RestartIntervalPolicy,
};
use lsm_tree::{Cache, Config, DescriptorTable, SequenceNumberCounter};
use std::path::Path;
use std::sync::Arc;

/// Bounds of one state store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LsmConfig {
    /// Bytes of memory after which the node should begin a flush. The store itself flushes only when told;
    /// beyond twice this it asks for slower commits, beyond four times for none ([`Pressure`]).
    pub memtable_bytes: u64,
    /// Bytes of blocks kept in memory.
    pub cache_bytes: u64,
    /// Open files of tables.
    pub descriptors: usize,
    /// Bytes after which a compaction begins another table.
    pub table_bytes: u64,
    /// Tables of the first level that make a compaction due.
    pub first_level_tables: u8,
}

impl Default for LsmConfig {
    fn default() -> Self {
        Self {
            memtable_bytes: 16 << 20,
            cache_bytes: 24 << 20,
            descriptors: 256,
            table_bytes: 16 << 20,
            first_level_tables: 4,
        }
    }
}

impl LsmConfig {
    pub(super) fn memory_pressure(&self, active_bytes: u64) -> Pressure {
        match active_bytes / self.memtable_bytes.max(1) {
            0 | 1 => Pressure::None,
            2 | 3 => Pressure::Slow,
            _ => Pressure::Stop,
        }
    }

    pub(super) fn first_level_pressure(&self, runs: usize) -> Pressure {
        match runs / usize::from(self.first_level_tables.max(1)) {
            0..=2 => Pressure::None,
            3..=5 => Pressure::Slow,
            _ => Pressure::Stop,
        }
    }

    pub(super) fn strategy(&self) -> Leveled {
        Leveled::default().with_l0_threshold(self.first_level_tables).with_table_target_size(self.table_bytes)
    }

    pub(super) fn cache(&self) -> Arc<Cache> {
        Arc::new(Cache::with_capacity_bytes(self.cache_bytes))
    }

    pub(super) fn tree(&self, path: &Path, seqno: SequenceNumberCounter, cache: Arc<Cache>) -> Config {
        // Policies are looked up by level; the last value holds for all deeper ones.
        Config::new(path, seqno, SequenceNumberCounter::default())
            .use_cache(cache)
            .use_descriptor_table(Some(Arc::new(DescriptorTable::new(self.descriptors))))
            .data_block_size_policy(BlockSizePolicy::all(4 << 10))
            .data_block_restart_interval_policy(RestartIntervalPolicy::all(16))
            .filter_policy(FilterPolicy::all(FilterPolicyEntry::Bloom(BloomConstructionPolicy::BitsPerKey(
                10.0,
            ))))
            .filter_block_partitioning_policy(PartitioningPolicy::new([false, false, true]))
            .index_block_partitioning_policy(PartitioningPolicy::new([false, false, true]))
            .filter_block_pinning_policy(PinningPolicy::all(true))
            .index_block_pinning_policy(PinningPolicy::all(true))
    }
}
