//! Short names for the concrete types that a node consists of.

use crate::handle::Channels;
use storage::lsm::LsmState;
use storage::real_disk::RealDisk;
use storage::state::State;

type StateFlush = <LsmState as State>::Flush;
type StateCompactor = <LsmState as State>::Compactor;

pub(crate) type Driver = driver::Driver<RealDisk, LsmState, Channels>;
pub(crate) type Effect = driver::Effect<RealDisk, LsmState, Channels>;
pub(crate) type Input = driver::Input<Channels>;
pub(crate) type LogWork = driver::LogWork<RealDisk>;
pub(crate) type FlushJob = driver::FlushJob<RealDisk, StateFlush>;
pub(crate) type FlushWork = driver::FlushWork<RealDisk, StateFlush>;
pub(crate) type CompactJob = driver::CompactJob<RealDisk, StateReader>;
pub(crate) type CompactWork = driver::CompactWork<RealDisk, StateCompactor, StateReader>;

/// Reads event bodies, on any thread.
pub type BodyReader = storage::bodies::BodyReader<RealDisk>;
/// Reads the state as of one applied entry, on any thread.
pub type StateReader = <LsmState as State>::Reader;
