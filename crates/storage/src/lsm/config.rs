//! The sizes that bound a state's memory and disk work, and the tree's settings.

use crate::state::Pressure;
use lsm_tree::compaction::Leveled;
use lsm_tree::config::{
    BlockSizePolicy, BloomConstructionPolicy, CompressionPolicy, FilterPolicy, FilterPolicyEntry,
    PartitioningPolicy, PinningPolicy, RestartIntervalPolicy,
};
use lsm_tree::table::Writer;
use lsm_tree::{Cache, CompressionType, Config, DescriptorTable, SequenceNumberCounter, TableId};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A block holds one complete key for each group of this many rows. Complete keys cost bytes on disk, but a
/// descending scan of each run decodes the whole interval in which it begins: with 16, the last row of a
/// stream took 10 us instead of 6.
const RESTART_ROWS: u8 = 4;
/// Bits of the filter for each key. One look-up of an absent row in 100 reads a block unnecessarily.
const BLOOM_BITS: f32 = 10.0;

/// The bounds of one state store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LsmConfig {
    /// Bytes of memory after which the node should begin a flush. The store flushes only when it is told to.
    /// From four times this on it asks that nothing is committed ([`Pressure`]).
    pub memtable_bytes: u64,
    /// Bytes of cached blocks.
    pub cache_bytes: u64,
    /// How many files of tables may be open.
    pub descriptors: usize,
    /// Bytes of rows in a block, at most 4 MiB. To get a row that is not cached, one block is read and
    /// checked.
    pub block_bytes: u32,
    /// A compaction begins another table after this many bytes.
    pub table_bytes: u64,
    /// A compaction is due when the first level has this many tables.
    pub first_level_tables: u8,
}

impl Default for LsmConfig {
    fn default() -> Self {
        Self {
            memtable_bytes: 16 << 20,
            cache_bytes: 16 << 20,
            descriptors: 256,
            block_bytes: 4 << 10,
            table_bytes: 16 << 20,
            first_level_tables: 4,
        }
    }
}

impl LsmConfig {
    pub(super) fn memory_pressure(&self, active_bytes: u64) -> Pressure {
        match active_bytes / self.memtable_bytes.max(1) {
            0..=3 => Pressure::None,
            _ => Pressure::Stop,
        }
    }

    pub(super) fn first_level_pressure(&self, runs: usize) -> Pressure {
        match runs / usize::from(self.first_level_tables.max(1)) {
            0..=5 => Pressure::None,
            _ => Pressure::Stop,
        }
    }

    pub(super) fn strategy(&self) -> Leveled {
        Leveled::default().with_l0_threshold(self.first_level_tables).with_table_target_size(self.table_bytes)
    }

    /// Writes a table of the first level, with the settings that [`Self::tree`] gives its tables.
    pub(super) fn table_writer(&self, path: PathBuf, number: TableId) -> Result<Writer, lsm_tree::Error> {
        Ok(Writer::new(path, number, 0)?
            .use_data_block_restart_interval(RESTART_ROWS)
            .use_data_block_compression(CompressionType::None)
            .use_index_block_compression(CompressionType::None)
            .use_data_block_size(self.block_bytes.min(4 << 20))
            .use_bloom_policy(BloomConstructionPolicy::BitsPerKey(BLOOM_BITS)))
    }

    pub(super) fn cache(&self) -> Arc<Cache> {
        Arc::new(Cache::with_capacity_bytes(self.cache_bytes))
    }

    /// Policies are looked up by level, and the last value applies to all deeper ones. In the first two
    /// levels, whose size is bounded, index and filter are whole and pinned. In deeper levels they consist of
    /// blocks that share the cache, so their memory does not grow with the store.
    pub(super) fn tree(&self, path: &Path, seqno: SequenceNumberCounter, cache: Arc<Cache>) -> Config {
        let bloom = FilterPolicyEntry::Bloom(BloomConstructionPolicy::BitsPerKey(BLOOM_BITS));
        let in_blocks = PartitioningPolicy::new([false, false, true]);
        Config::new(path, seqno, SequenceNumberCounter::default())
            .use_cache(cache)
            .use_descriptor_table(Some(Arc::new(DescriptorTable::new(self.descriptors))))
            .data_block_size_policy(BlockSizePolicy::all(self.block_bytes.min(4 << 20)))
            .data_block_restart_interval_policy(RestartIntervalPolicy::all(RESTART_ROWS))
            .data_block_compression_policy(CompressionPolicy::all(CompressionType::None))
            .index_block_compression_policy(CompressionPolicy::all(CompressionType::None))
            .filter_policy(FilterPolicy::all(bloom))
            .filter_block_partitioning_policy(in_blocks.clone())
            .index_block_partitioning_policy(in_blocks)
            .filter_block_pinning_policy(PinningPolicy::all(true))
            .index_block_pinning_policy(PinningPolicy::all(true))
    }
}
