//! A real S3 server on loopback: SeaweedFS, from the Python packages that `cargo xtask setup` installs. And `curl`, which signs
//! requests to it by itself, to look at what is in a bucket and to change it.

use crate::node::{Node, Ran, mainstay, run};
use crate::python::packages;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const BUCKET: &str = "backups";
const KEY: &str = "testkey";
const SECRET: &str = "a-secret-that-nobody-may-see";
const START_MAX: Duration = Duration::from_secs(60);

/// A server with an empty bucket; killed when dropped.
pub(super) struct Seaweed {
    server: Child,
    pub(super) url: String,
    /// The certificate of who vouches for the server; `None` if it has no TLS.
    authority: Option<PathBuf>,
}

impl Seaweed {
    pub(super) fn start(scratch: &Path) -> Self {
        Self::start_with(scratch, None)
    }

    /// One that has TLS, with a certificate of a private authority.
    pub(super) fn start_with_tls(scratch: &Path) -> Self {
        let certificates = scratch.join("certificates");
        run(mainstay().arg("certs").arg(&certificates), "").ok();
        Self::start_with(scratch, Some(&certificates))
    }

    fn start_with(scratch: &Path, certificates: Option<&Path>) -> Self {
        let began = Instant::now();
        // Ports that were free may be taken when the server begins to listen.
        loop {
            if let Some(started) = Self::try_start(scratch, certificates) {
                return started;
            }
            assert!(began.elapsed() < START_MAX, "the S3 server does not start");
        }
    }

    fn try_start(scratch: &Path, certificates: Option<&Path>) -> Option<Self> {
        let data = tempfile::tempdir_in(scratch).unwrap().keep();
        let config = format!(
            "{{\"identities\":[{{\"name\":\"t\",\"credentials\":[{{\"accessKey\":\"{KEY}\",\"secretKey\":\"{SECRET}\"}}],\
             \"actions\":[\"Admin\",\"Read\",\"Write\",\"List\",\"Tagging\"]}}]}}"
        );
        std::fs::write(data.join("s3.json"), config).unwrap();
        let options = [
            "master.port",
            "master.port.grpc",
            "volume.port",
            "volume.port.grpc",
            "filer.port",
            "filer.port.grpc",
            "s3.port.grpc",
            "s3.port",
        ];
        let listeners = options.map(|_| TcpListener::bind("127.0.0.1:0").unwrap());
        let ports = listeners.map(|listener| listener.local_addr().unwrap().port());
        let mut command = Command::new(packages().join("bin/weed"));
        command.args(["-logtostderr=true", "server", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-filer", "-s3"]);
        command.args(options.iter().zip(ports).map(|(option, port)| format!("-{option}={port}")));
        command.args(["-s3.autoCreateBucket=false", "-s3.port.iceberg=0", "-s3.port.lance=0"]);
        command.args([
            "-master.telemetry=false",
            "-master.volumeSizeLimitMB=64",
            "-volume.max=20",
            "-master.electionTimeout=1s",
        ]);
        command.arg(format!("-s3.config={}", data.join("s3.json").display()));
        command.arg(format!("-filer.localSocket={}", data.join("filer.sock").display()));
        command.arg(format!("-dir={}", data.display())).current_dir(&data);
        if let Some(certificates) = certificates {
            let file = |name| certificates.join(name).display().to_string();
            command.arg(format!("-s3.cert.file={}", file("server.pem")));
            command.arg(format!("-s3.key.file={}", file("server-key.pem")));
        }
        let server =
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let scheme = if certificates.is_some() { "https" } else { "http" };
        let url = format!("{scheme}://127.0.0.1:{}", ports[7]);
        let authority = certificates.map(|certificates| certificates.join("ca.pem"));
        let mut started = Self { server, url, authority };
        let began = Instant::now();
        while !started.curl(&["-X", "PUT"], "").0 {
            if started.server.try_wait().unwrap().is_some() || began.elapsed() > START_MAX / 2 {
                return None;
            }
            std::thread::yield_now();
        }
        Some(started)
    }

    /// The variables that tell where the server is and who asks.
    pub(super) fn variables(&self) -> Vec<(&'static str, String)> {
        let trust = match &self.authority {
            Some(authority) => ("SSL_CERT_FILE", authority.display().to_string()),
            None => ("AWS_ALLOW_HTTP", "true".to_owned()),
        };
        vec![
            ("AWS_ACCESS_KEY_ID", KEY.to_owned()),
            ("AWS_SECRET_ACCESS_KEY", SECRET.to_owned()),
            ("AWS_REGION", "us-east-1".to_owned()),
            ("AWS_ENDPOINT_URL", self.url.clone()),
            trust,
        ]
    }

    /// A command that uses this server.
    pub(super) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = without_aws();
        command.envs(self.variables()).args(arguments);
        command
    }

    pub(super) fn run(&self, arguments: &[&str]) -> Ran {
        let ran = run(&mut self.command(arguments), "");
        assert!(!ran.err.contains(SECRET) && !ran.out.contains(SECRET), "{ran:?}");
        ran
    }

    pub(super) fn run_with_node(&self, node: &Node, arguments: &[&str]) -> Ran {
        self.run(&[&["--url", &node.url], arguments].concat())
    }

    /// The names of all objects, sorted.
    pub(super) fn objects(&self) -> Vec<String> {
        let (listed, text) = self.curl(&[], "?list-type=2");
        assert!(listed, "{text}");
        assert!(text.contains("<IsTruncated>false"), "{text}");
        text.split("<Key>").skip(1).filter_map(|rest| Some(rest.split_once("</Key>")?.0.to_owned())).collect()
    }

    /// When an object was written, by its name, as the server says.
    pub(super) fn written(&self, object: &str) -> String {
        let (_, text) = self.curl(&["-I"], &format!("/{object}"));
        let line = |line: &str| line.to_ascii_lowercase().strip_prefix("etag:").map(str::to_owned);
        let time = |line: &str| line.to_ascii_lowercase().strip_prefix("last-modified:").map(str::to_owned);
        text.lines().filter_map(|found| line(found).or_else(|| time(found))).collect()
    }

    /// How long an object is.
    pub(super) fn bytes_of(&self, object: &str) -> u64 {
        let (_, text) = self.curl(&["-I"], &format!("/{object}"));
        let length =
            |line: &str| line.to_ascii_lowercase().strip_prefix("content-length:")?.trim().parse().ok();
        text.lines().find_map(length).unwrap()
    }

    /// Replaces an object with what `change` makes of it.
    pub(super) fn change(&self, scratch: &Path, object: &str, change: impl FnOnce(&mut Vec<u8>)) {
        let file = scratch.join("object");
        let path = file.to_str().unwrap();
        assert!(self.curl(&["-o", path], &format!("/{object}")).0);
        let mut bytes = std::fs::read(&file).unwrap();
        change(&mut bytes);
        std::fs::write(&file, bytes).unwrap();
        assert!(self.curl(&["-T", path], &format!("/{object}")).0);
    }

    /// Writes an object that no backup has.
    pub(super) fn add(&self, scratch: &Path, object: &str) {
        let file = scratch.join("object");
        std::fs::write(&file, "mine").unwrap();
        assert!(self.curl(&["-T", file.to_str().unwrap()], &format!("/{object}")).0);
    }

    fn curl(&self, arguments: &[&str], path: &str) -> (bool, String) {
        let mut curl = Command::new("curl");
        curl.args(["-sS", "-f", "--noproxy", "*", "--aws-sigv4", "aws:amz:us-east-1:s3", "--user"]);
        if let Some(authority) = &self.authority {
            curl.env("CURL_CA_BUNDLE", authority);
        }
        curl.arg(format!("{KEY}:{SECRET}")).args(arguments).arg(format!("{}/{BUCKET}{path}", self.url));
        let ran = curl.output().unwrap();
        (ran.status.success(), String::from_utf8_lossy(&ran.stdout).into_owned())
    }
}

impl Drop for Seaweed {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

/// A command that knows nothing of the environment's own credentials.
pub(super) fn without_aws() -> Command {
    let mut command = mainstay();
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("AWS_")) {
        command.env_remove(name);
    }
    command
}
