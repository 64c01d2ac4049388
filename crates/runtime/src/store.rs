//! Short names for the concrete types that a node consists of.

use shard::query;
use storage::bodies::BodyError;
use storage::lsm::LsmState;
use storage::real_disk::RealDisk;
use storage::state::State;

pub(crate) type Bodies = storage::bodies::Bodies<RealDisk>;
pub(crate) type BodyPreparer = storage::bodies::BodyPreparer<RealDisk>;
pub(crate) type BodySync = storage::bodies::BodySync<RealDisk>;
pub(crate) type LogPreparer = storage::log::LogPreparer<RealDisk>;
pub(crate) type LogWriter = storage::log::LogWriter<RealDisk>;
pub(crate) type StateFlush = <LsmState as State>::Flush;
pub(crate) type StateCompactor = <LsmState as State>::Compactor;
pub(crate) type Engine = node::RaftEngine<LsmState, node::GroupLog<RealDisk>>;

/// Reads event bodies, on any thread.
pub type BodyReader = storage::bodies::BodyReader<RealDisk>;
/// Reads the state as of one applied entry, on any thread.
pub type StateReader = <LsmState as State>::Reader;

/// A body segment to rewrite, and the state that says which of its events are live.
#[derive(Debug)]
pub(crate) struct Compaction {
    segment: storage::bodies::Compaction<RealDisk>,
    state: StateReader,
}

impl Compaction {
    pub(crate) fn new(segment: storage::bodies::Compaction<RealDisk>, state: StateReader) -> Self {
        Self { segment, state }
    }

    /// # Errors
    /// `NoSpace` leaves the old segment in place. After any other error the node must stop.
    pub(crate) fn run(self) -> Result<storage::bodies::Compacted, BodyError> {
        let Self { segment, state } = self;
        segment.run(|record| query::is_live(&state, record))
    }
}
