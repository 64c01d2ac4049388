//! `mainstay serve`: runs a node in this process, from its configuration to a graceful stop.
//!
//! HTTP and the node share one current-thread runtime, so a request crosses no thread but the log's. On SIGTERM
//! or SIGINT, HTTP stops first: requests in flight finish and subscribers are told. Then the node flushes state and
//! bodies, so that the next start replays nothing. A second signal ends the process at once.

use crate::admin_token;
use crate::cli::failure::{Failure, Result};
use crate::config::{self, Config, Flags};
use crate::data_check::Checker;
use crate::descriptors;
use crate::exporting;
use crate::identities;
use crate::node_process::LISTENING;
use crate::subjects;
use crate::systemd;
use crate::tls::Keeper;
use http_server::{HostRule, HttpOptions, WebRules};
use runtime::Handle;
use std::io::Write;
use std::pin::pin;
use std::sync::Arc;
use subject_keys::SubjectKeys;
use telemetry::Metrics;
use telemetry::metrics::Build;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

/// Threads that read pages of events: enough for two cores, and two more that may wait for a disk.
const READ_THREADS: usize = 4;
/// How much less important these threads are, in the units of nice(1).
const READ_NICE: i32 = 10;
/// The exit status that shells report for an interrupted process.
const EXIT_INTERRUPTED: i32 = 130;

pub(crate) fn run(flags: &Flags) -> Result {
    let config = config::load(flags).map_err(Failure::usage)?;
    telemetry::init_logging(config.log_format, &config.log_level).map_err(Failure::usage)?;
    // Huge pages stall when they are first touched; without them the slowest append waits 4 ms less.
    if let Err(error) = rustix::thread::disable_transparent_huge_pages(true) {
        tracing::debug!(%error, "huge pages stay on");
    }
    let metrics = Metrics::new(Build::of(env!("CARGO_PKG_VERSION")));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(READ_THREADS)
        .on_thread_start(yield_to_writes)
        .build()?;
    runtime.block_on(serve(&config, metrics))
}

/// Makes a thread that reads pages of events less important than the one that serves and those that write: readers of
/// history take what writers leave. It changes only the order in which threads get a busy core.
fn yield_to_writes() {
    if let Err(error) = rustix::process::setpriority_process(None, READ_NICE) {
        tracing::debug!(%error, "threads that read have the priority of all others");
    }
}

async fn serve(config: &Config, metrics: Arc<Metrics>) -> Result {
    let signals = Signals::new()?;
    let keeper = config.tls.as_ref().map(|files| Keeper::begin(files, &metrics)).transpose();
    let keeper = keeper.map_err(Failure::usage)?;
    let rules =
        config.identities.as_ref().map(|sources| identities::Keeper::begin(sources, &metrics)).transpose();
    let rules = rules.map_err(Failure::usage)?;
    // Before the data is opened, so that a port in use costs nothing.
    let listener = TcpListener::bind(config.listen).await.map_err(|error| {
        Failure::local(format!("cannot listen on {}: {error}", config.listen))
            .advice("Another node may be running; --listen selects another address.")
    })?;
    let (handle, node) = runtime::start(&options(config), &metrics).map_err(|error| {
        Failure::local(format!("cannot open the data in {}: {error}", config.data.display()))
    })?;
    let subject_keys = subjects::open(config, &handle)?;
    let (export, exporter) =
        config.exporting.as_ref().map(|it| exporting::begin(it, &metrics, &handle)).transpose()?.unzip();
    announce(&listener, config)?;
    tokio::spawn(systemd::report(handle.clone()));
    let checker = Checker::new(config, &metrics);

    // The node outlives HTTP, because requests in flight need it.
    let (http_ended, node_may_end) = oneshot::channel::<()>();
    let http_options = http_options(config, keeper.as_ref(), rules, &checker);
    let http_options = HttpOptions { subject_keys: subject_keys.clone(), export, ..http_options };
    tokio::spawn(checker.run(handle.clone()));
    match keeper {
        Some(keeper) => tokio::spawn(keeper.run()),
        None => tokio::spawn(ignore_hangups(signal(SignalKind::hangup())?)),
    };
    let for_admin = config.clone();
    let http = tokio::spawn(async move {
        let (failed, unless_failed) = oneshot::channel::<()>();
        let stop = async move {
            tokio::select! {
                () = signals.next() => {}
                _ = unless_failed => {}
            }
            systemd::stopping();
        };
        let mut serving = pin!(http_server::serve(listener, handle.clone(), http_options, metrics, stop));
        let prepared = tokio::select! {
            prepared = prepare(&for_admin, subject_keys.as_ref(), &handle) => prepared,
            () = &mut serving => return Ok(()),
        };
        if prepared.is_err() {
            drop(failed);
            serving.await;
        } else {
            serving.await;
            drop(failed);
        }
        drop(http_ended);
        prepared
    });
    let ended = node.run(async move { drop(node_may_end.await) }).await;
    if ended.is_ok() {
        // An error of the task means that it has panicked, which it has reported itself.
        http.await.unwrap_or(Ok(()))?;
        if let Some(exporter) = exporter {
            exporter.wait();
        }
    } else {
        http.abort();
    }
    ended.map_err(|halted| {
        tracing::error!(error = %halted, "the node stopped; nothing acknowledged is lost, and a restart recovers it");
        Failure::local(format!("the node stopped: {halted}"))
    })
}

/// What a node does before it is of use to everyone. Waits until it is ready.
async fn prepare(config: &Config, subject_keys: Option<&SubjectKeys>, handle: &Handle) -> Result {
    if let Some(keys) = subject_keys {
        subjects::catch_up(keys, handle).await?;
    }
    admin_token::prepare(config, handle).await
}

/// Service managers send SIGHUP for "read the configuration again". It must not end a node that has nothing to read again.
async fn ignore_hangups(mut hangups: tokio::signal::unix::Signal) {
    while hangups.recv().await.is_some() {
        tracing::info!("SIGHUP: without TLS, there is no certificate to read again; settings need a restart");
    }
}

/// On loopback, every program on this machine may use the node, so a request must name one of its hosts. Elsewhere, requests
/// prove who sends them.
fn web(config: &Config) -> WebRules {
    let hosts = if config.listen.ip().to_canonical().is_loopback() || !config.allowed_hosts.is_empty() {
        HostRule::Known { listen: Some(config.listen.ip()), allowed: config.allowed_hosts.clone() }
    } else {
        HostRule::Any
    };
    WebRules { hosts, origins: config.allowed_origins.clone() }
}

fn http_options(
    config: &Config,
    keeper: Option<&Keeper>,
    rules: Option<identities::Keeper>,
    checker: &Checker,
) -> HttpOptions {
    let mut options = HttpOptions {
        access: config.access,
        connections_max: descriptors::connections_max(&config.data),
        keep_alive: config.keep_alive,
        allowance: config.allowance,
        subscribers_max: config.subscribers_max,
        web: web(config),
        page: config.page,
        subject_sources: config.subject_from.clone(),
        checks: checker.shown(),
        tls: keeper.map(Keeper::tls),
        ..HttpOptions::default()
    };
    if let Some(rules) = rules {
        options.identities = rules.rules();
        tokio::spawn(rules.run());
    }
    options
}

fn options(config: &Config) -> runtime::Options {
    runtime::Options {
        memtable_bytes: config.memtable_bytes,
        cache_bytes: config.cache_bytes,
        replay_bytes: config.replay_bytes,
        space_reserve_bytes: config.space_reserve_bytes,
        segment_bytes: config.segment_bytes,
        write_task: http_server::write_reaction_task,
        ..runtime::Options::new(&config.data)
    }
}

/// Prints where the node listens and where its data is, for people and for programs that asked for a free port.
fn announce(listener: &TcpListener, config: &Config) -> Result {
    let address = listener.local_addr()?;
    let scheme = if config.tls.is_some() { "https" } else { "http" };
    let data = config.data.canonicalize().unwrap_or_else(|_| config.data.clone());
    let mut out = std::io::stdout().lock();
    // A closed standard output is no reason not to serve.
    let _ = writeln!(out, "{LISTENING}{scheme}://{address}\ndata in {}", data.display());
    let _ = out.flush();
    Ok(())
}

/// The signals that ask the process to stop.
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
        tracing::info!("stopping after the requests in flight; a second signal stops at once");
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
