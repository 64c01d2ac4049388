//! What a backup holds: a state, and the segments with the bodies that it refers to, taken so that they belong together.

use format::header::{SnapshotHeader, StoreId};
use model::{Slot, ViewError, Wall};
use shard::query;
use storage::bodies::{BodyError, BodyReader, PinnedBodies};
use storage::disk::Disk;
use storage::state::Reader;

/// A snapshot that was taken. It does not change while it is held.
#[derive(Debug)]
pub struct Taken<D: Disk, S> {
    pub header: SnapshotHeader,
    pub state: S,
    pub bodies: PinnedBodies<D>,
}

/// Takes the newest state that readers see, and pins its bodies. `first` is the first slot of the shard, `now` the time of
/// day of this machine.
///
/// # Errors
/// The node must stop.
pub fn take<D: Disk, S: Reader, E: From<BodyError> + From<ViewError>>(
    (store, first): (StoreId, Slot),
    bodies: &BodyReader<D>,
    newest: impl Fn() -> S,
    now: Wall,
) -> Result<Taken<D, S>, E> {
    let (state, bodies) = bodies.pin(|| {
        let state = newest();
        let end = state.progress().bodies_end;
        (state, end)
    })?;
    let (progress, clock) = (state.progress(), query::clock(&state, first)?);
    let header = SnapshotHeader {
        store,
        index: progress.index,
        term: progress.term,
        bodies_end: progress.bodies_end,
        through: clock.through(),
        wall: clock.wall,
        elapsed: clock.elapsed,
        taken: now,
    };
    Ok(Taken { header, state, bodies })
}
