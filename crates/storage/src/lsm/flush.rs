//! Writes a sealed memtable and its progress as a table.
//!
//! A manifest adds the table to the tree. So a crash leaves all of it or none: a table that no manifest names is
//! deleted at opening.

use super::layers::{FlushStage, Sealed, Shared, Tables};
use super::row::RowValue;
use super::{ENGINE_ROWS, LsmCompactor, LsmConfig};
use crate::state::{Compactor, Due, FlushJob, Progress, StateError};
use lsm_tree::file::TABLES_FOLDER;
use lsm_tree::{AbstractTree, InternalValue, SeqNo, Table, TableId, Tree, ValueType};
use model::{GroupId, Index, Term};
use std::fmt;
use std::sync::Arc;

/// The key of the progress. It is below all rows of the state.
pub(super) const PROGRESS_KEY: &[u8] = &[ENGINE_ROWS, 0];
/// The layout of the progress row: this number, then for each group whose rows are in this tree its number,
/// index, term and end of bodies, little-endian. Groups have slots of their own, so their rows never mix.
const PROGRESS_FORM: u8 = 1;
/// Bytes of one group's progress.
const GROUP_BYTES: usize = 28;

/// If the first level has more runs than this, a flush compacts before it adds another.
const FIRST_LEVEL_RUNS_MAX: usize = 64;

/// A flush that has begun; see [`crate::state::FlushJob`].
pub struct LsmFlush(Work);

enum Work {
    /// Everything is durable already.
    Nothing(Progress),
    Write(Arc<Shared>, Sealed),
}

impl LsmFlush {
    pub(super) fn nothing(flushed: Progress) -> Self {
        Self(Work::Nothing(flushed))
    }

    pub(super) fn of(shared: Arc<Shared>, sealed: Sealed) -> Self {
        Self(Work::Write(shared, sealed))
    }
}

impl fmt::Debug for LsmFlush {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let progress = match &self.0 {
            Work::Nothing(progress) => progress,
            Work::Write(_, sealed) => &sealed.progress,
        };
        f.debug_struct("LsmFlush").field("progress", progress).finish_non_exhaustive()
    }
}

impl FlushJob for LsmFlush {
    fn run(mut self) -> Result<Progress, StateError> {
        match std::mem::replace(&mut self.0, Work::Nothing(Progress::default())) {
            Work::Nothing(flushed) => Ok(flushed),
            Work::Write(shared, sealed) => {
                let written = limit_runs(&shared).and_then(|()| write(&shared, &sealed));
                match &written {
                    Ok(()) => shared.publish_flush(Tables::of(&shared.tree), sealed.progress),
                    Err(StateError::NoSpace(_)) => shared.layers().flush = FlushStage::Idle,
                    Err(_) => shared.layers().flush = FlushStage::Failed,
                }
                let progress = sealed.progress;
                // The memtable is not freed while this job refers to it.
                drop(sealed);
                shared.free_unused();
                written.map(|()| progress)
            }
        }
    }
}

/// A job that never ran leaves its memtable sealed, and the same flush can begin again.
impl Drop for LsmFlush {
    fn drop(&mut self) {
        if let Work::Write(shared, _) = &self.0 {
            shared.layers().flush = FlushStage::Idle;
        }
    }
}

/// Compacts if too many runs have accumulated. The library's manifest counts the runs of a level in one byte,
/// and reads would be slow long before that limit.
fn limit_runs(shared: &Arc<Shared>) -> Result<(), StateError> {
    let compactor = LsmCompactor::new(Arc::clone(shared));
    while Tables::of(&shared.tree).first_level_runs() >= FIRST_LEVEL_RUNS_MAX {
        if compactor.step()? == Due::Nothing {
            return Err(StateError::Failed("the first level is full, but no compaction is due".to_owned()));
        }
    }
    Ok(())
}

/// Returns when the tables, their directory and the manifest are synced.
fn write(shared: &Shared, sealed: &Sealed) -> Result<(), StateError> {
    shared.may_write_manifest()?;
    let progress = InternalValue::from_components(
        PROGRESS_KEY,
        encode_progress(sealed.progress).as_slice(),
        sealed.seqno,
        ValueType::Value,
    );
    let memtable = sealed.memtable.sealed();
    let rows = memtable.newest().map(|(key, seqno, found)| {
        let (value, kind) = match found {
            Some(value) => (RowValue::as_slice(value), ValueType::Value),
            None => (&[][..], ValueType::Tombstone),
        };
        InternalValue::from_components(key.as_slice(), value, seqno, kind)
    });
    let tree = &shared.tree;
    let number = tree.table_id_counter.next();
    let written = write_table(&shared.config, tree, number, std::iter::once(progress).chain(rows));
    let written = written.and_then(|table| {
        // No read needs versions older than the newest, because readers hold memtables and tables of their own.
        tree.register_tables(&[table], None, None, &[], SeqNo::MAX)
    });
    drop(memtable);
    if written.is_err() {
        shared.remove_unfinished(number..number + 1);
    }
    written.map_err(|error| shared.manifest_error("flushing", &error))
}

/// Writes rows in order as one table of the first level. The library's own function for this does not say which
/// numbers it used when it fails, and then the unfinished file could not be removed.
fn write_table(
    config: &LsmConfig,
    tree: &Tree,
    number: TableId,
    rows: impl Iterator<Item = InternalValue>,
) -> Result<Table, lsm_tree::Error> {
    let path = tree.config.path.join(TABLES_FOLDER).join(number.to_string());
    let mut writer = config.table_writer(path.clone(), number)?;
    for row in rows {
        writer.write(row)?;
    }
    // The progress is always among the rows, so there is a table.
    let (_, checksum) = writer.finish()?.ok_or(lsm_tree::Error::Unrecoverable)?;
    let (cache, descriptors) = (Arc::clone(&tree.config.cache), tree.config.descriptor_table.clone());
    // In the first level, filter and index stay in memory.
    Table::recover(path, checksum, 0, tree.id, cache, descriptors, true, true)
}

pub(super) fn encode_progress(progress: Progress) -> Vec<u8> {
    let mut bytes = vec![PROGRESS_FORM];
    bytes.extend_from_slice(&progress.group.0.to_le_bytes());
    for number in [progress.index.0, progress.term.0, progress.bodies_end] {
        bytes.extend_from_slice(&number.to_le_bytes());
    }
    bytes
}

pub(super) fn decode_progress(bytes: &[u8]) -> Result<Progress, StateError> {
    let damaged = || StateError::Damaged(format!("the progress row has {} bytes", bytes.len()));
    let (form, mut rest) = bytes.split_first().ok_or_else(damaged)?;
    if *form != PROGRESS_FORM {
        return Err(StateError::Refused(format!(
            "the state's progress has layout {form}, which this version does not know"
        )));
    }
    if rest.len() > GROUP_BYTES && rest.len().is_multiple_of(GROUP_BYTES) {
        return Err(StateError::Refused(format!(
            "the state holds {} groups, and this version can open only one",
            rest.len() / GROUP_BYTES
        )));
    }
    let (group, left) = rest.split_first_chunk().ok_or_else(damaged)?;
    rest = left;
    let mut number = || {
        let (number, left) = rest.split_first_chunk().ok_or_else(damaged)?;
        rest = left;
        Ok(u64::from_le_bytes(*number))
    };
    let (index, term, bodies_end) = (Index(number()?), Term(number()?), number()?);
    let progress = Progress { group: GroupId(u32::from_le_bytes(*group)), index, term, bodies_end };
    if rest.is_empty() { Ok(progress) } else { Err(damaged()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_progress_names_its_group_and_a_state_of_several_groups_is_refused() {
        let progress = Progress { group: GroupId(1), index: Index(300), term: Term(2), bodies_end: 1 << 40 };
        let bytes = encode_progress(progress);
        assert_eq!(decode_progress(&bytes).unwrap(), progress);
        let second = encode_progress(Progress { group: GroupId(2), ..progress });
        let both = [&bytes[..], &second[1..]].concat();
        let Err(StateError::Refused(why)) = decode_progress(&both) else { panic!("it was opened") };
        assert_eq!(why, "the state holds 2 groups, and this version can open only one");
        for len in 0..bytes.len() {
            assert!(decode_progress(&bytes[..len]).is_err(), "{len} bytes");
        }
    }
}
