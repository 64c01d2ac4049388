//! The servers to measure: their addresses and their processes.

use super::process::Pid;
use super::wire::Wire;
use crate::cli::Global;
use crate::cli::failure::{Failure, Result};
use crate::node_process::NodeProcess;
use mainstay_client::{Client, NewEvent, Retry};
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Selects the servers, for both commands.
#[derive(Debug, clap::Args)]
pub(crate) struct Servers {
    /// Start a node to measure, with its data under --disk, instead of measuring the one at --url
    #[arg(long)]
    pub(super) spawn: bool,
    /// Process id of the node [default: the process that listens at --url on this machine]
    #[arg(long, value_name = "PID", conflicts_with = "spawn")]
    pub(super) server_pid: Option<u32>,
    /// Also measure Redis at this address, with the same load
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(super) redis: Option<String>,
    /// A directory on the disk that the servers write to, to time its syncs and count its written bytes
    #[arg(long, value_name = "DIRECTORY", default_value = ".")]
    pub(super) disk: PathBuf,
}

/// A server to measure.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) wire: Wire,
    pub(super) address: SocketAddr,
    pub(super) pid: Option<Pid>,
    node: Option<Spawned>,
}

/// A node started for the measurement; removed with its data when dropped.
#[derive(Debug)]
struct Spawned {
    // Before the directory: fields are dropped in order.
    process: NodeProcess,
    first_write_after: Duration,
    _data: TempDir,
}

/// How quickly the started node became usable.
#[derive(Clone, Copy, Debug, serde::Serialize)]
pub(super) struct Start {
    pub(super) listened_ms: f64,
    pub(super) first_write_ms: f64,
}

impl Server {
    pub(super) fn all(global: &Global, servers: &Servers) -> Result<Vec<Self>> {
        let mut all =
            vec![if servers.spawn { Self::spawn(&servers.disk)? } else { Self::node(global, servers)? }];
        if let Some(redis) = &servers.redis {
            let address = resolve(redis)?;
            all.push(Self { wire: Wire::Redis, address, pid: Pid::listening_at(address), node: None });
        }
        Ok(all)
    }

    fn node(global: &Global, servers: &Servers) -> Result<Self> {
        let address = resolve(url_authority(&global.url)?)?;
        let pid = servers.server_pid.map(Pid).or_else(|| Pid::listening_at(address));
        Ok(Self { wire: Wire::Mainstay, address, pid, node: None })
    }

    fn spawn(disk: &Path) -> Result<Self> {
        let data = tempfile::Builder::new().prefix("mainstay-bench-").tempdir_in(disk)?;
        let began = Instant::now();
        let process = NodeProcess::start(data.path())?;
        acknowledge_one_write(process.url())?;
        let first_write_after = began.elapsed();
        let address = resolve(url_authority(process.url())?)?;
        let pid = Some(Pid(process.id()));
        Ok(Self {
            wire: Wire::Mainstay,
            address,
            pid,
            node: Some(Spawned { process, first_write_after, _data: data }),
        })
    }

    pub(super) fn start(&self) -> Option<Start> {
        let ms = |duration: Duration| (duration.as_secs_f64() * 1e5).round() / 1e2;
        self.node.as_ref().map(|node| Start {
            listened_ms: ms(node.process.listened_after),
            first_write_ms: ms(node.first_write_after),
        })
    }

    pub(super) fn name(&self) -> &'static str {
        match self.wire {
            Wire::Mainstay => "mainstay",
            Wire::Redis => "redis",
        }
    }
}

/// Retries at once while the node starts: otherwise the advised wait would be measured.
fn acknowledge_one_write(url: &str) -> Result {
    let client = Client::builder(url).retry(Retry::never()).build_blocking()?;
    loop {
        match client.append("bench-start", [NewEvent::new("bench.started")]).send() {
            Err(error) if error.is_retryable() => std::thread::sleep(Duration::from_millis(1)),
            other => return Ok(other.map(drop)?),
        }
    }
}

fn url_authority(url: &str) -> Result<&str> {
    let rest = url
        .strip_prefix("http://")
        .ok_or_else(|| Failure::usage(format!("{url} does not begin with http://")))?;
    Ok(rest.split('/').next().unwrap_or(rest))
}

fn resolve(authority: &str) -> Result<SocketAddr> {
    let refuse = || Failure::usage(format!("{authority} is not an address and a port"));
    authority.to_socket_addrs().map_err(|_| refuse())?.next().ok_or_else(refuse)
}
