//! `mainstay serve`: a node in this process, from its configuration to its graceful end.
//!
//! Everything runs on one current-thread runtime: HTTP and the node share it, so that a request crosses no
//! thread but the log's. On SIGTERM or SIGINT HTTP ends first (requests in flight finish, subscribers are
//! told), then the node (state and bodies are flushed, so the next start replays nothing); a second signal
//! does not wait.

use crate::cli::failure::{Failure, Result};
use crate::config::{self, Config, Flags};
use crate::node_process::LISTENING;
use http_server::HttpOptions;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use telemetry::Metrics;
use telemetry::metrics::Build;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

/// Threads that read pages of events: two cores' worth, and two more that may wait for a disk.
const READ_THREADS: usize = 4;
/// What a shell reports of a process that an interrupt ended.
const EXIT_INTERRUPTED: i32 = 130;

pub(crate) fn run(flags: &Flags) -> Result {
    let config = config::load(flags).map_err(Failure::usage)?;
    telemetry::init_logging(config.log_format, &config.log_level).map_err(Failure::usage)?;
    // The allocator's huge pages stall on their first touch; without them an append waits 4 ms less at worst.
    if let Err(error) = rustix::thread::disable_transparent_huge_pages(true) {
        tracing::debug!(%error, "huge pages stay on");
    }
    let metrics = Metrics::new(Build::of(env!("CARGO_PKG_VERSION")));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(READ_THREADS)
        .build()?;
    runtime.block_on(serve(&config, metrics))
}

async fn serve(config: &Config, metrics: Arc<Metrics>) -> Result {
    let signals = Signals::new()?;
    // Before the data is opened: a port that is taken should cost nothing.
    let listener = TcpListener::bind(config.listen).await.map_err(|error| {
        Failure::local(format!("cannot listen on {}: {error}", config.listen))
            .advice("Another node may be running; --listen names another address.")
    })?;
    let (handle, node) = runtime::start(&options(config), &metrics).map_err(|error| {
        Failure::local(format!("the data in {} cannot be opened: {error}", config.data.display()))
    })?;
    announce(&listener, &config.data)?;

    // The node outlives HTTP: requests in flight need it.
    let (http_ended, node_may_end) = oneshot::channel::<()>();
    let http_options = HttpOptions { keep_alive: config.keep_alive, ..HttpOptions::default() };
    let http = tokio::spawn(async move {
        let stop = async move { signals.next().await };
        http_server::serve(listener, handle, http_options, metrics, stop).await;
        drop(http_ended);
    });
    let ended = node.run(async move { drop(node_may_end.await) }).await;
    http.abort();
    ended.map_err(|halted| {
        tracing::error!(error = %halted, "the node stopped: nothing acknowledged is lost, a restart recovers it");
        Failure::local(format!("the node stopped: {halted}"))
    })
}

fn options(config: &Config) -> runtime::Options {
    runtime::Options {
        memtable_bytes: config.memtable_bytes,
        cache_bytes: config.cache_bytes,
        space_reserve_bytes: config.space_reserve_bytes,
        segment_bytes: config.segment_bytes,
        ..runtime::Options::new(&config.data)
    }
}

/// Says where it listens and where its data is: for people, and for whoever started this on a free port.
fn announce(listener: &TcpListener, data: &Path) -> Result {
    let address = listener.local_addr()?;
    let data = data.canonicalize().unwrap_or_else(|_| data.to_owned());
    let mut out = std::io::stdout().lock();
    // Nobody may be reading; that is no reason not to serve.
    let _ = writeln!(out, "{LISTENING}http://{address}\ndata in {}", data.display());
    let _ = out.flush();
    Ok(())
}

/// The signals that ask for an end.
struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

impl Signals {
    fn new() -> Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Resolves at the first signal; the second ends the process at once.
    async fn next(mut self) {
        self.either().await;
        tracing::info!("stopping: requests in flight finish first; another signal does not wait");
        tokio::spawn(async move {
            self.either().await;
            std::process::exit(EXIT_INTERRUPTED);
        });
    }

    async fn either(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
