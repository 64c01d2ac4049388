//! The moment as of which a read looks at what expires.

use model::Elapsed;
use runtime::{ReadFailure, Snapshot};
use shard::query;

/// The shard's elapsed time, which has come at least as far as the node's own clock says.
pub(super) fn now(snapshot: &Snapshot, elapsed: Elapsed) -> Result<Elapsed, ReadFailure> {
    Ok(query::clock(&snapshot.state, snapshot.slots.first)?.elapsed.max(elapsed))
}
