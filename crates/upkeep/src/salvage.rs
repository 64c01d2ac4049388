//! Saves the events that can still be read from a data directory in which no node starts, if there is no backup to restore.
//!
//! ```text
//!   bodies ──▶ every intact event ──▶ still kept? ──▶ opened, if it is sealed ──▶ a line
//!                                     state, if whole    keys, if they are given
//! ```
//!
//! An event's body says all of the event, so nothing else is needed. What only the state has is not saved: tasks, schedules,
//! leases, values and settings. Nothing in the directory is changed, and no node starts there in the meantime.

use crate::error::{Result, UpkeepError};
use crate::restore::FIRST;
use format::body::BodyRecord;
use model::{Cursor, Filled, KeyId, Revision, is_system_name};
use shard::query::{self, Liveness};
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::path::Path;
use storage::bodies::{Salvage, Salvaged, Unreadable};
use storage::directory::DataDirectory;
use storage::lsm::{LsmReader, LsmState};
use subject_keys::{Event, Opened, SavedKeys, WrappingKey};

/// An event that was saved. Its envelope is as [`BodyRecord::envelope`], and open.
#[derive(Clone, Debug)]
pub struct SavedEvent<'a> {
    pub stream: &'a str,
    pub revision: Revision,
    pub cursor: Cursor,
    pub filled: Filled,
    pub envelope: Cow<'a, [u8]>,
}

/// What was found next.
#[derive(Debug)]
pub enum Found<'a> {
    Event(SavedEvent<'a>),
    Unreadable(Unreadable),
}

/// What was found in all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    pub events: u64,
    /// Parts of files in which no event can be read.
    pub unreadable: u64,
    /// Intact events that were left out, because they were removed; 0 if the state is damaged, and does not say so.
    pub removed: u64,
    /// Those of the system's own streams, which no import accepts.
    pub system: u64,
    /// Those of erased subjects.
    pub erased: u64,
    /// Sealed ones that no key opens.
    pub sealed: u64,
    /// Whether the state says which events were removed.
    pub state_is_whole: bool,
}

/// The operator's key, and what reads the events of subjects with it.
struct Keys {
    saved: Option<SavedKeys>,
    /// Keys that the state knows to be erased.
    erased: BTreeSet<KeyId>,
}

/// Visits every event that can be read in the data directory, in the order of the cursors.
///
/// # Errors
/// A node is using the directory, it holds no store, or its files cannot be listed; the key does not belong to it; or the error
/// of `visit`.
pub fn salvage<E: From<UpkeepError>>(
    data: &Path,
    key: Option<&WrappingKey>,
    mut visit: impl FnMut(Found<'_>) -> Result<(), E>,
) -> Result<Summary, E> {
    let opened = DataDirectory::open_existing(data);
    let directory = opened.map_err(UpkeepError::from)?;
    let state = whole_state(&directory);
    let mut liveness = match &state {
        Some(state) => Some(Liveness::new(state, FIRST).map_err(UpkeepError::from)?),
        None => None,
    };
    let keys = Keys::of(&directory, state.as_ref(), key)?;
    let disk = directory.bodies_disk().map_err(UpkeepError::from)?;
    let mut bodies = Salvage::begin(disk, directory.store()).map_err(UpkeepError::from)?;
    let mut summary = Summary { state_is_whole: state.is_some(), ..Summary::default() };
    while let Some(found) = bodies.read_next() {
        let record = match found {
            Salvaged::Record(record) => record,
            Salvaged::Unreadable(unreadable) => {
                summary.unreadable += 1;
                visit(Found::Unreadable(unreadable))?;
                continue;
            }
        };
        let is_live = match &mut liveness {
            Some(liveness) => liveness.is_live(&record).map_err(UpkeepError::from)?,
            None => true,
        };
        if is_system_name(record.stream) {
            summary.system += 1;
        } else if !is_live {
            summary.removed += 1;
        } else if let Some((filled, envelope)) = keys.open(&record, &mut summary) {
            summary.events += 1;
            let BodyRecord { stream, revision, .. } = record;
            let cursor = record.cursor();
            visit(Found::Event(SavedEvent { stream, revision, cursor, filled, envelope }))?;
        }
    }
    Ok(summary)
}

/// The state as it was flushed, if all of it is intact.
fn whole_state(directory: &DataDirectory) -> Option<LsmReader> {
    let path = directory.state_path();
    let reader = LsmState::read(&path, directory.store()).ok()??;
    LsmState::verify(&path).ok()?;
    Some(reader)
}

impl Keys {
    fn of(directory: &DataDirectory, state: Option<&LsmReader>, key: Option<&WrappingKey>) -> Result<Self> {
        let read = |key| SavedKeys::read(directory.path(), directory.store(), key);
        let saved = key.map(read).transpose()?;
        let erased = state.map(|state| query::erased_keys(state, FIRST)).transpose()?.unwrap_or_default();
        Ok(Self { saved, erased: erased.into_iter().collect() })
    }

    /// What the event says, unless nobody can read it.
    fn open<'a>(&self, record: &BodyRecord<'a>, summary: &mut Summary) -> Option<(Filled, Cow<'a, [u8]>)> {
        let (id, filled) = (record.key_id, record.filled);
        if id == KeyId::NONE {
            return Some((filled, Cow::Borrowed(record.envelope)));
        }
        let event = Event { stream: record.stream, event_type: record.event_type, filled };
        let opened = self.saved.as_ref().map(|keys| keys.open_sealed(id, event, record.envelope));
        match opened {
            _ if self.erased.contains(&id) => summary.erased += 1,
            Some(Ok(Opened::Envelope(envelope))) => return Some((filled, Cow::Owned(envelope))),
            Some(Ok(Opened::Erased)) => summary.erased += 1,
            Some(Err(_)) | None => summary.sealed += 1,
        }
        None
    }
}
