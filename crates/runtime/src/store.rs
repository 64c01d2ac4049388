//! What a node consists of on this machine: the built-in engine, its log, its bodies and its state, opened from a
//! data directory. The only module that names the types of one engine; the others use the names from here.

use crate::handle::Channels;
use crate::start::{Options, StartError};
use model::{GroupId, SlotRange};
use node::{GroupLog, RaftEngine, RaftEngineOptions};
use shard::{Shard, ShardOptions};
use storage::bodies::{Bodies, BodyOptions};
use storage::directory::DataDirectory;
use storage::log::{Log, LogOptions, OpenedLog};
use storage::lsm::{LsmConfig, LsmState};
use storage::real_disk::RealDisk;
use storage::state::State;
use storage::write_behind::WriteBehind;

/// The loop never waits for a write: bodies are written by another thread.
pub(crate) type NodeDisk = WriteBehind<RealDisk>;
type Engine = driver::Engine<NodeDisk, LsmState>;
type StateFlush = <LsmState as State>::Flush;
type StateCompactor = <LsmState as State>::Compactor;

pub(crate) type Driver = driver::Driver<NodeDisk, LsmState, Channels>;
pub(crate) type Effect = driver::Effect<NodeDisk, LsmState, Channels>;
pub(crate) type Input = driver::Input<Channels>;
pub(crate) type LogWork = driver::LogWork<NodeDisk>;
pub(crate) type FlushJob = driver::FlushJob<NodeDisk, StateFlush>;
pub(crate) type FlushWork = driver::FlushWork<NodeDisk, StateFlush>;
pub(crate) type CompactJob = driver::CompactJob<NodeDisk, StateReader>;
pub(crate) type CompactWork = driver::CompactWork<NodeDisk, StateCompactor, StateReader>;

pub(crate) type ReactJob = driver::ReactJob<StateReader>;
pub(crate) type ReactWork = driver::ReactWork<NodeDisk>;

pub(crate) type BodyWrite = storage::bodies::BodyWrite<NodeDisk>;

/// Reads event bodies, on any thread.
pub type BodyReader = storage::bodies::BodyReader<NodeDisk>;
/// Reads the state as of one applied entry, on any thread.
pub type StateReader = <LsmState as State>::Reader;

/// What a data directory holds, open.
pub(crate) struct Opened {
    pub(crate) engine: Engine,
    pub(crate) state_reader: StateReader,
    pub(crate) compactor: StateCompactor,
    pub(crate) slots: SlotRange,
    pub(crate) log: OpenedLog<NodeDisk>,
    pub(crate) bodies: Bodies<NodeDisk>,
    pub(crate) body_reader: BodyReader,
    pub(crate) group: GroupId,
}

/// Reads and checks everything before anything is changed, so that a start that is refused leaves the directory
/// as it was.
pub(crate) fn open(directory: &DataDirectory, options: &Options) -> Result<Opened, StartError> {
    let (store, path) = (directory.store(), directory.state_path());
    let segment_bytes = options.segment_bytes;
    let engine_options = RaftEngineOptions {
        flush_state_bytes: options.memtable_bytes,
        flush_log_bytes: options.replay_bytes,
        ..RaftEngineOptions::default()
    };
    let progress = LsmState::check(&path, store)?;
    let log = Log::check(
        WriteBehind::new(directory.log_disk()?),
        LogOptions { segment_bytes, ..LogOptions::new(store) },
    )?;
    let body_options = BodyOptions { segment_bytes, ..BodyOptions::new(store) };
    let bodies =
        Bodies::check(WriteBehind::new(directory.bodies_disk()?), progress.bodies_end, body_options)?;
    let group = engine_options.group;
    let recovered = log.groups().get(&group).cloned();
    GroupLog::new(group, log.reader()).check(progress, recovered.as_ref())?;

    let config = LsmConfig {
        memtable_bytes: options.memtable_bytes,
        cache_bytes: options.cache_bytes,
        ..LsmConfig::default()
    };
    let state = LsmState::open(&path, store, config)?;
    let log = log.open()?;
    let (bodies, body_reader) = bodies.open()?;
    let (state_reader, compactor) = (state.reader(), state.compactor());
    let shard = Shard::new(ShardOptions::default());
    let slots = shard.slots();
    let group_log = GroupLog::new(group, log.reader.clone());
    let engine = RaftEngine::open(engine_options, group_log, recovered.as_ref(), shard, state)?;
    Ok(Opened { engine, state_reader, compactor, slots, log, bodies, body_reader, group })
}
