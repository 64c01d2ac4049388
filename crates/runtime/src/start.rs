//! Opens a data directory and starts a node on what it holds.

use crate::archive::Archives;
use crate::backup::Backups;
use crate::disk_threads::{
    Reported, start_compacting, start_flushing, start_log, start_reacting, start_writing_bodies,
};
use crate::handle::{Handle, Phase, Status};
use crate::node_task::{FromThread, NodeTask, Parts};
use crate::reads::{Latest, ReadPool};
use crate::space::{Space, start_checking};
use crate::store::{CompactJob, CompactWork, Driver, FlushWork, LogWork, Opened, ReactWork, open};
use driver::WriteTask;
use driver::archive::ArchivedLog;
use model::{Cursor, limits};
use node::NodeOptions;
use std::path::PathBuf;
use std::sync::Arc;
use storage::bodies::BodyError;
use storage::directory::{DataDirectory, DirectoryError};
use storage::log::LogError;
use storage::state::StateError;
use telemetry::Metrics;
use telemetry::catalogue::Queue;
use tokio::sync::{mpsc, watch};

/// The options of a node.
#[derive(Clone, Debug)]
pub struct Options {
    /// The data directory. It is created if it does not exist.
    pub data: PathBuf,
    /// Bytes of changed state kept in memory before a flush.
    pub memtable_bytes: u64,
    /// Bytes of the state's blocks cached in memory for reads.
    pub cache_bytes: u64,
    /// The node is read-only while the data directory's disk has fewer free bytes than this.
    pub space_reserve_bytes: u64,
    /// A flush begins after this many bytes of log, so that a start replays little more.
    pub replay_bytes: u64,
    /// Bytes of one segment of the log, and of one segment of the bodies.
    pub segment_bytes: u64,
    /// Writes the envelope of the task that a reaction makes of an event. The runtime does not know how clients see
    /// either; by default, such a task says nothing.
    pub write_task: WriteTask,
}

impl Options {
    /// The default options for a data directory: 16 MiB of changed state and 16 MiB of cache in memory,
    /// 128 MiB of reserve, 128 MiB of log between flushes, segments of 64 MiB.
    #[must_use]
    pub fn new(data: impl Into<PathBuf>) -> Self {
        Self {
            data: data.into(),
            memtable_bytes: 16 << 20,
            cache_bytes: 16 << 20,
            space_reserve_bytes: 128 << 20,
            replay_bytes: 128 << 20,
            segment_bytes: 64 << 20,
            write_task: |_, _, _| {},
        }
    }
}

/// Why a node did not start. Unless the disk failed, nothing in the directory has changed.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    #[error(transparent)]
    Log(#[from] LogError),
    #[error(transparent)]
    Bodies(#[from] BodyError),
    #[error(transparent)]
    State(#[from] StateError),
    #[error(transparent)]
    Engine(#[from] node::EngineError),
    #[error("a thread cannot be started: {0}")]
    Thread(std::io::Error),
}

/// Opens the data directory and creates a node. The node starts when [`NodeTask::run`] is polled. Use the
/// handle and the task in the same current-thread runtime.
///
/// # Errors
/// [`StartError`]: the directory is in use, has another version, or is damaged; or the disk failed, or a
/// thread could not be started.
pub fn start(options: &Options, metrics: &Arc<Metrics>) -> Result<(Handle, NodeTask), StartError> {
    let directory = DataDirectory::open(&options.data)?;
    let store = directory.store();
    let Opened { engine, state_reader, compactor, slots, log, bodies, body_reader, group } =
        open(&directory, options)?;
    let latest = Arc::new(Latest::new(state_reader));
    let replay = engine.replay();
    let (reports_in, reports) = mpsc::unbounded_channel(); // Bounded by the few jobs that are under way.
    let log_work = LogWork::new(log.writer, log.preparer.clone());
    let log_thread =
        start_log(log_work, Arc::clone(metrics), to_loop(&reports_in)).map_err(StartError::Thread)?;
    let flush_work = FlushWork::new(log.preparer.clone(), bodies.preparer());
    let flusher =
        start_flushing(flush_work, Arc::clone(metrics), to_loop(&reports_in)).map_err(StartError::Thread)?;
    let compactor =
        start_compacting(CompactWork::new(compactor), to_loop(&reports_in)).map_err(StartError::Thread)?;
    let react_work = ReactWork::new(body_reader.clone(), options.write_task);
    let reactor = start_reacting(react_work, to_loop(&reports_in)).map_err(StartError::Thread)?;
    let body_writer = start_writing_bodies(to_loop(&reports_in)).map_err(StartError::Thread)?;
    let space_reports = reports_in.clone();
    let space = Space::new(options.data.clone(), options.space_reserve_bytes, Arc::clone(metrics));
    let space = start_checking(space, move |space| {
        let _ = space_reports.send(FromThread::Space(space));
    })
    .map_err(StartError::Thread)?;
    // After a crash there may be too many unmerged tables to propose an entry. Then no flush would ask for a
    // compaction.
    compactor.send(CompactJob::State);

    let elapsed = Arc::default();
    let (mailbox_in, mailbox) = mpsc::channel(limits::MAILBOX_REQUESTS_MAX);
    let (visible_in, visible) = watch::channel(Cursor::START);
    let (status_in, status) = watch::channel(Status {
        phase: Phase::Starting,
        is_readable: false,
        read_only: None,
        disk_stalled: None,
        replayed_entries: 0,
        replay,
    });
    let archives = Archives::new(
        ArchivedLog { reader: log.reader, group, store },
        directory.archive_list(),
        reports_in.clone(),
    );
    let reads = Arc::new(ReadPool::new(Arc::clone(&latest), body_reader, slots, reports_in));
    set_bounds(metrics);
    let backups = Arc::new(Backups::default());
    let task = NodeTask::new(Parts {
        driver: Driver::new(NodeOptions::default(), engine, bodies, log.preparer),
        log: log_thread,
        flusher,
        compactor,
        body_writer,
        reactor,
        reports,
        mailbox,
        visible: visible_in,
        status: status_in,
        latest,
        reads: Arc::clone(&reads),
        space,
        metrics: Arc::clone(metrics),
        elapsed: Arc::clone(&elapsed),
        backups: Arc::clone(&backups),
        archives: Arc::clone(&archives),
        directory,
    });
    let metrics = Arc::clone(metrics);
    Ok((
        Handle { store, mailbox: mailbox_in, visible, status, reads, metrics, elapsed, backups, archives },
        task,
    ))
}

/// Reports a thread's work to the loop. After the loop has ended, no one receives reports. The threads then end too.
fn to_loop(reports: &mpsc::UnboundedSender<FromThread>) -> impl Fn(Reported) + Send + use<> {
    let reports = reports.clone();
    move |report| {
        let _ = reports.send(FromThread::Work(report));
    }
}

/// Sets the bound of each of the node's queues, which `/metrics` shows next to its depth.
fn set_bounds(metrics: &Metrics) {
    metrics.queue(Queue::Mailbox).bound.set(limits::MAILBOX_REQUESTS_MAX as u64);
    metrics.queue(Queue::WaitingBytes).bound.set(limits::WAITING_BYTES_MAX as u64);
    metrics.queue(Queue::LogWrites).bound.set(1); // One entry in flight.
    metrics.queue(Queue::IdempotencyRecords).bound.set(limits::IDEMPOTENCY_RECORDS_MAX);
    metrics.queue(Queue::IdempotencyBytes).bound.set(limits::IDEMPOTENCY_BYTES_MAX);
    metrics.queue(Queue::BodyReads).bound.set(crate::reads::READS_MAX as u64);
}
