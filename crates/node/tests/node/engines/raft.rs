//! The built-in engine, on a log and a state in memory.

use super::conformance::Machine;
use format::header::StoreId;
use model::{GroupId, SlotRange, StreamName};
use node::{GroupLog, RaftCompletion, RaftEngine, RaftEngineOptions, RaftIo};
use shard::query::StreamState;
use shard::{Shard, ShardOptions};
use storage::log::{Log, LogOptions, LogWriter};
use storage::memory_disk::MemoryDisk;
use storage::memory_state::{BegunFlush, MemoryFlush, MemoryState, MemoryStateDisk};
use storage::state::FlushJob as _;

const GROUP: GroupId = GroupId(1);

#[derive(Default)]
pub(crate) struct RaftMachine {
    log_disk: MemoryDisk,
    state_disk: MemoryStateDisk,
    writer: Option<LogWriter<MemoryDisk>>,
}

impl Machine for RaftMachine {
    type Engine = RaftEngine<MemoryState, GroupLog<MemoryDisk>>;

    fn open(&mut self) -> Self::Engine {
        let log = Log::open(self.log_disk.clone(), LogOptions::new(StoreId(7))).unwrap();
        self.writer = Some(log.writer);
        let state = MemoryState::open(&self.state_disk);
        let shard = Shard::new(ShardOptions { slots: SlotRange::ALL, ..ShardOptions::default() });
        let reader = GroupLog::new(GROUP, log.reader);
        RaftEngine::open(RaftEngineOptions::default(), reader, log.groups.get(&GROUP), shard, state).unwrap()
    }

    fn run(&mut self, io: RaftIo<MemoryFlush>) -> Option<RaftCompletion> {
        let writer = self.writer.as_mut().unwrap();
        match io {
            RaftIo::WriteLog { ticket, records } => {
                writer.write(&records).unwrap();
                writer.sync().unwrap();
                Some(RaftCompletion::LogSynced(ticket))
            }
            RaftIo::Flush { flush } => Some(RaftCompletion::Flushed(flush.run().unwrap())),
            RaftIo::PurgeLog { group, through } => {
                writer.purge(group, through).unwrap();
                None
            }
            RaftIo::AppendBodies { .. } | RaftIo::RemoveBodies { .. } | RaftIo::Send { .. } => None,
        }
    }

    fn crash(&mut self) {
        self.log_disk = self.log_disk.crash(&mut || 0);
        self.state_disk.crash(BegunFlush::Lost);
    }

    fn stream(&self, engine: &Self::Engine, name: &StreamName<'_>) -> StreamState {
        shard::query::stream(engine.state(), name).unwrap()
    }
}
