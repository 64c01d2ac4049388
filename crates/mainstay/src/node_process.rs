//! A node in its own process, for the tour and the bench.

use crate::cli::failure::{Class, Failure, Result};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// The beginning of the line that says where a node listens.
pub(crate) const LISTENING: &str = "listening on ";

/// A running node; killed when dropped.
#[derive(Debug)]
pub(crate) struct NodeProcess {
    child: Child,
    url: String,
    /// The time from the start of the process until it listened.
    pub(crate) listened_after: Duration,
}

impl NodeProcess {
    /// Starts this same binary as a node on a free port of loopback.
    pub(crate) fn start(data: &Path) -> Result<Self> {
        let began = Instant::now();
        let mut child = Command::new(std::env::current_exe()?)
            .args(["serve", "--listen", "127.0.0.1:0", "--log-level", "warn", "--data"])
            .arg(data)
            // It is for this process only, whatever the configuration says about the user's own node.
            .args([
                "--access=open",
                "--tls-cert=",
                "--tls-key=",
                "--tls-client-ca=",
                "--client-roles=",
                "--jwks=",
                "--jwt-issuer=",
                "--jwt-audience=",
                "--subject-key-file=",
                "--subject-from=",
                "--otlp-endpoint=",
                "--otlp-headers-file=",
            ])
            .args(["--requests-per-second=", "--bytes-per-second="])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()?;
        let output = child.stdout.take().ok_or_else(|| Failure::local("the node has no output"))?;
        let mut lines = BufReader::new(output).lines();
        let url = lines.find_map(|line| line.ok()?.strip_prefix(LISTENING).map(str::to_owned));
        let Some(url) = url else {
            let status = child.wait()?;
            return Err(Failure::new(Class::Unavailable, format!("the node did not start ({status})")));
        };
        // The pipe stays open, so that a node that prints more does not fail.
        std::thread::spawn(move || lines.for_each(drop));
        Ok(Self { child, url, listened_after: began.elapsed() })
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// kill -9: the process cannot write anything more.
    pub(crate) fn kill(&mut self) -> Result<ExitStatus> {
        self.child.kill()?;
        Ok(self.child.wait()?)
    }
}

impl Drop for NodeProcess {
    fn drop(&mut self) {
        // Both fail only if the process has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
