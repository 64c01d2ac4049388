//! A running node and its threads, taken apart into steps, so that a crash can happen between any two of
//! them.

use crate::mutant::Mutant;
use crate::state::SimState;
use model::{Cursor, GroupId, Wall};
use node::{
    GroupLog, Input, Node, NodeOptions, Now, Output, RaftCompletion, RaftEngine, RaftEngineOptions, RaftIo,
    Replies,
};
use shard::{Shard, ShardOptions};
use std::collections::VecDeque;
use storage::bodies::{Bodies, BodyError, BodyOptions, BodyReader, BodySync};
use storage::log::{Log, LogError, LogOptions, LogPreparer, LogWriter};
use storage::memory_disk::MemoryDisk;
use storage::memory_state::{MemoryFlush, MemoryReader};
use storage::state::{FlushJob, State};

pub type SimEngine = RaftEngine<SimState, GroupLog<MemoryDisk>>;
pub type SimInput = Input<RaftCompletion, Waiters>;
pub type SimOutput = Output<RaftIo<MemoryFlush>, Waiters>;

/// The replies identify who waits for a result.
#[derive(Clone, Copy, Debug)]
pub struct Waiters;

impl Replies for Waiters {
    /// A client's number.
    type Outcome = u64;
    /// The time that should be closed.
    type TimeClosed = Wall;
    type Woken = ();

    fn is_gone((): &()) -> bool {
        false
    }
}

const GROUP: GroupId = GroupId(1);
/// Small, so that a short run rotates, purges, flushes and replays many times.
const LOG_SEGMENT_BYTES: u64 = 64 << 10;
const BODY_SEGMENT_BYTES: u64 = 32 << 10;
const FLUSH_LOG_BYTES: u64 = 24 << 10;
const FLUSH_STATE_BYTES: u64 = 16 << 10;

/// Why a process ended or did not start.
#[derive(Debug, thiserror::Error)]
pub enum Ended {
    #[error("log: {0}")]
    Log(#[from] LogError),
    #[error("bodies: {0}")]
    Bodies(#[from] BodyError),
    #[error("the bodies end at byte {at}, but the state refers to bodies up to byte {end}")]
    Ends { at: u64, end: u64 },
    #[error("engine: {0}")]
    Engine(#[from] node::EngineError),
}

#[derive(Debug)]
enum DiskWork {
    SyncBodies { sync: BodySync<MemoryDisk>, flush: MemoryFlush },
    FlushState { flush: MemoryFlush },
}

/// The next piece of work of the process. The machine decides when it happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// The log thread writes what has arrived.
    WriteLog,
    /// The log thread syncs and reports.
    SyncLog,
    /// The flush thread does its next step.
    Disk,
}

#[derive(Debug)]
pub struct Process {
    node: Node<SimEngine, Waiters>,
    writer: LogWriter<MemoryDisk>,
    preparer: LogPreparer<MemoryDisk>,
    bodies: Bodies<MemoryDisk>,
    body_reader: BodyReader<MemoryDisk>,
    mutant: Mutant,
    to_write: VecDeque<(consensus::Ticket, Vec<u8>)>,
    written: Vec<consensus::Ticket>,
    disk_work: VecDeque<DiskWork>,
    visible: Cursor,
}

impl Process {
    /// Opens what the disks hold, as a real start does.
    ///
    /// # Errors
    /// [`Ended`]. A crash in the middle of the start is one of these errors.
    pub fn open(
        log_disk: MemoryDisk,
        body_disk: MemoryDisk,
        state: SimState,
        mutant: Mutant,
    ) -> Result<Self, Ended> {
        let store = format::header::StoreId(7);
        let log =
            Log::open(log_disk, LogOptions { segment_bytes: LOG_SEGMENT_BYTES, ..LogOptions::new(store) })?;
        let body_options =
            BodyOptions { segment_bytes: BODY_SEGMENT_BYTES, stride_bytes: 512, ..BodyOptions::new(store) };
        let (bodies, body_reader) = Bodies::open(body_disk, state.progress().bodies_end, body_options)?;
        let group_log = GroupLog::new(GROUP, log.reader);
        let options = RaftEngineOptions {
            group: GROUP,
            flush_state_bytes: FLUSH_STATE_BYTES,
            flush_log_bytes: FLUSH_LOG_BYTES,
        };
        let shard = Shard::new(ShardOptions::default());
        let engine = RaftEngine::open(options, group_log, log.groups.get(&GROUP), shard, state)?;
        Ok(Self {
            node: Node::new(NodeOptions::default(), engine),
            writer: log.writer,
            preparer: log.preparer,
            bodies,
            body_reader,
            mutant,
            to_write: VecDeque::new(),
            written: Vec::new(),
            disk_work: VecDeque::new(),
            visible: Cursor::START,
        })
    }

    #[must_use]
    pub fn reader(&self) -> MemoryReader {
        self.node.engine().state().reader()
    }

    #[must_use]
    pub fn bodies(&self) -> &BodyReader<MemoryDisk> {
        &self.body_reader
    }

    #[must_use]
    pub fn visible(&self) -> Cursor {
        self.visible
    }

    /// Whether the flush of the state itself has begun, and not only the sync before it.
    #[must_use]
    pub fn is_flushing_state(&self) -> bool {
        matches!(self.disk_work.front(), Some(DiskWork::FlushState { .. }))
    }

    /// Gives the node one input. Does the disk work that must be done at once, and returns the other outputs
    /// and the work that is due later.
    ///
    /// # Errors
    /// [`Ended`].
    pub fn step(&mut self, now: Now, input: SimInput) -> Result<(Vec<SimOutput>, Vec<Work>), Ended> {
        let (mut outputs, mut rest, mut work) = (Vec::new(), Vec::new(), Vec::new());
        self.node.step(now, input, &mut outputs);
        for output in outputs {
            match output {
                Output::Io(io) => work.extend(self.do_io(io, now)?),
                Output::Halt(error) => return Err(error.into()),
                Output::Visible(cursor) => {
                    self.visible = self.visible.max(cursor);
                    rest.push(Output::Visible(cursor));
                }
                other => rest.push(other),
            }
        }
        Ok((rest, work))
    }

    fn do_io(&mut self, io: RaftIo<MemoryFlush>, now: Now) -> Result<Option<Work>, Ended> {
        Ok(match io {
            RaftIo::WriteLog { ticket, records } => {
                self.to_write.push_back((ticket, records));
                (self.to_write.len() == 1 && self.written.is_empty()).then_some(Work::WriteLog)
            }
            RaftIo::AppendBodies { records, last, end } => {
                let at = self.bodies.append(&records, last)?;
                if at != end {
                    return Err(Ended::Ends { at, end });
                }
                None
            }
            RaftIo::RemoveBodies { positions } => {
                self.bodies.note_removed(&positions, now.wall);
                None
            }
            RaftIo::Flush { flush } => {
                let sync = self.bodies.sync_handle();
                self.disk_work.push_back(DiskWork::SyncBodies { sync, flush });
                (self.disk_work.len() == 1).then_some(Work::Disk)
            }
            RaftIo::PurgeLog { group, through } => {
                self.writer.purge(group, through)?;
                None
            }
        })
    }

    /// The log thread writes everything that waits. Afterwards a sync is due.
    ///
    /// # Errors
    /// [`Ended`].
    pub fn write_log(&mut self) -> Result<Vec<SimInput>, Ended> {
        let mut reports = Vec::new();
        while let Some((ticket, records)) = self.to_write.pop_front() {
            self.writer.write(&records)?;
            self.written.push(ticket);
            if self.mutant == Mutant::AnswerBeforeSync {
                reports.push(synced(ticket));
            }
        }
        Ok(reports)
    }

    /// The log thread syncs and reports.
    ///
    /// # Errors
    /// [`Ended`].
    pub fn sync_log(&mut self) -> Result<(Vec<SimInput>, Option<Work>), Ended> {
        self.writer.sync()?;
        let tickets = std::mem::take(&mut self.written);
        let reports = if self.mutant == Mutant::AnswerBeforeSync {
            Vec::new()
        } else {
            tickets.into_iter().map(synced).collect()
        };
        let more = (!self.to_write.is_empty()).then_some(Work::WriteLog);
        Ok((reports, more))
    }

    /// The log is idle, so the log thread records its durable end.
    ///
    /// # Errors
    /// [`Ended`].
    pub fn mark_log(&mut self) -> Result<(), Ended> {
        if self.written.is_empty() && self.to_write.is_empty() && self.writer.is_mark_wanted() {
            self.writer.mark()?;
        }
        Ok(())
    }

    /// The flush thread's next step.
    ///
    /// # Errors
    /// [`Ended`].
    pub fn disk_step(&mut self) -> Result<(Option<SimInput>, Option<Work>), Ended> {
        match self.disk_work.pop_front() {
            None => Ok((None, None)),
            Some(DiskWork::SyncBodies { sync, flush }) => {
                sync.run()?;
                self.disk_work.push_front(DiskWork::FlushState { flush });
                Ok((None, Some(Work::Disk)))
            }
            Some(DiskWork::FlushState { flush }) => {
                let progress = flush.run().map_err(node::EngineError::from)?;
                self.bodies.persisted(progress.bodies_end);
                if self.preparer.is_wanted() {
                    self.preparer.prepare()?;
                }
                let more = (!self.disk_work.is_empty()).then_some(Work::Disk);
                Ok((Some(Input::Completion(RaftCompletion::Flushed(progress))), more))
            }
        }
    }

    /// Rewrites a body segment, if one is due.
    ///
    /// # Errors
    /// [`Ended`].
    pub fn compact_bodies(&mut self, now: Now) -> Result<(), Ended> {
        if let Some(segment) = self.bodies.compaction_due(now.wall)? {
            let state = self.reader();
            self.bodies.compaction(segment).run(|record| shard::query::is_live(&state, record))?;
        }
        Ok(())
    }
}

fn synced(ticket: consensus::Ticket) -> SimInput {
    Input::Completion(RaftCompletion::LogSynced(ticket))
}
