//! The node checks its own data: in the background, slowly, from time to time.
//!
//! ```text
//!   node is ready ─► wait ─► pin ─► tables ─► rows ─► segments, each let go once it is read ─► record ─┐
//!                     ▲                                                                               │
//!                     └──────────────── until the next one is due ◄───── metrics, log, GET /v1/check ◄┘
//! ```
//!
//! It reads what a backup reads, and the files of the state's tables, and `upkeep` says what is wrong. The node goes on
//! whatever is found: it ends when a read of a client, or of its own work, meets the damage. A thread of its own with the lowest
//! priority does the work, so that nothing else waits for it. It holds a few MiB, and what it has pinned. When the node
//! stops or the disk is full, it lets go at once, and the check counts as not made.

mod pace;
mod pass;
mod record;
mod schedule;

use crate::config::Config;
use api::response::check::Checks;
use pace::{Pace, Stop};
use pass::Unfinished;
use record::Record;
use runtime::Handle;
use std::sync::Arc;
use std::time::{Duration, Instant};
use storage::directory::CheckRecord;
use telemetry::Metrics;
use tokio::sync::watch;

/// How much less important the thread is than others, in the units of nice(1): the least there is.
const NICE: i32 = 19;

/// Checks the data of one node.
#[derive(Debug)]
pub(crate) struct Checker {
    every: Option<Duration>,
    bytes_per_second: u64,
    file: CheckRecord,
    last: Option<Record>,
    shown: watch::Sender<Arc<Checks>>,
    metrics: Arc<Metrics>,
}

impl Checker {
    /// Shows what the last check has found, by an earlier start of the node.
    pub(crate) fn new(config: &Config, metrics: &Arc<Metrics>) -> Self {
        let file = CheckRecord::of(&config.data);
        let last = Record::parse(&file.read());
        let checker = Self {
            every: config.check_every,
            bytes_per_second: config.check_bytes_per_second,
            file,
            last,
            shown: watch::channel(Arc::default()).0,
            metrics: Arc::clone(metrics),
        };
        metrics.checks.every.set(checker.every.unwrap_or_default());
        checker.show();
        checker
    }

    /// What `GET /v1/check` shows.
    pub(crate) fn shown(&self) -> watch::Receiver<Arc<Checks>> {
        self.shown.subscribe()
    }

    /// Checks until the node stops.
    pub(crate) async fn run(self, handle: Handle) {
        let Some(every) = self.every else { return };
        if !handle.ready().await {
            return;
        }
        let stop = Arc::new(Stop::default());
        let (for_thread, node) = (Arc::clone(&stop), handle.clone());
        let thread = std::thread::Builder::new().name("check".to_owned());
        match thread.spawn(move || self.check_from_time_to_time(every, &node, &for_thread)) {
            Ok(_) => handle.stopping().await,
            Err(error) => tracing::error!(%error, "the data is not checked: a thread cannot be started"),
        }
        // The thread ends soon. Nobody waits for it: it may wait for a disk that does not respond.
        stop.stop();
    }

    fn check_from_time_to_time(mut self, every: Duration, handle: &Handle, stop: &Arc<Stop>) {
        if let Err(error) = rustix::process::setpriority_process(None, NICE) {
            tracing::debug!(%error, "the thread that checks the data has the priority of all others");
        }
        let last = self.last.as_ref().map(Record::summary);
        let mut wait = schedule::after_start(every, last, handle.wall_now(), schedule::draw());
        while stop.sleep(wait) {
            let pace = Arc::new(Pace::new(self.bytes_per_second, stop, handle, &self.metrics));
            let began = Instant::now();
            wait = match pass::run(handle, &pace) {
                Ok(checked) => {
                    let ended = handle.wall_now();
                    self.ended(Record::new(checked, pace.bytes(), began.elapsed(), ended));
                    let last = self.last.as_ref().map(Record::summary);
                    schedule::after_check(every, last)
                }
                Err(Unfinished::Stopping) => return,
                Err(why) => {
                    let wait = schedule::after_unfinished(every);
                    tracing::warn!(%why, "the check of the data was not finished; it begins again later");
                    wait
                }
            };
        }
    }

    fn ended(&mut self, record: Record) {
        if let Err(error) = self.file.write(&record.text()) {
            tracing::warn!(%error, "what the check of the data has found is not known to the next start");
        }
        self.last = Some(record);
        self.show();
    }

    /// Shows the last check to clients, metrics and the log.
    fn show(&self) {
        if let Some(last) = &self.last {
            last.log();
            last.measure(&self.metrics.checks);
        }
        let every_ms = self.every.map(|every| u64::try_from(every.as_millis()).unwrap_or(u64::MAX));
        let last = self.last.as_ref().map(Record::shown);
        self.shown.send_replace(Arc::new(Checks { every_ms, last }));
    }
}
