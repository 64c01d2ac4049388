//! The real binary for tests: a node in its own process, and commands that use it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test's helpers fail by panicking"
)]
#![allow(dead_code, reason = "each test binary uses a part of this")]

use mainstay_client::blocking::Client;
use mainstay_client::{Request, Retry};
use rustix::process::{Pid, Signal, kill_process};
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

/// A start that takes longer than this has failed.
const START_MAX: Duration = Duration::from_secs(30);

/// The binary, without the settings in the environment of the tests.
pub(crate) fn mainstay() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mainstay"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("MAINSTAY_")) {
        command.env_remove(name);
    }
    command
}

/// A running node; killed when dropped.
pub(crate) struct Node {
    child: Child,
    errors: Errors,
    pub(crate) url: String,
}

/// A node that did not become ready.
#[derive(Debug)]
pub(crate) struct NotStarted {
    /// `None`: it was still running when the patience was over.
    pub(crate) status: Option<ExitStatus>,
    pub(crate) errors: String,
}

/// What a process writes to its standard error.
struct Errors(File);

impl Errors {
    /// Redirects the standard error of what the command starts.
    fn of(command: &mut Command) -> Self {
        let file = tempfile::tempfile().unwrap();
        command.stderr(file.try_clone().unwrap());
        Self(file)
    }

    fn text(&self) -> String {
        let mut bytes = vec![0; self.0.metadata().unwrap().len().try_into().unwrap()];
        self.0.read_exact_at(&mut bytes, 0).unwrap();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

/// A node that was killed, and may not have ended yet.
pub(crate) struct Killed(Box<dyn FnOnce() -> ExitStatus>);

impl Killed {
    /// Kills a process that may not be a ready node yet.
    pub(crate) fn now(mut process: Child) -> Self {
        process.kill().unwrap();
        Self(Box::new(move || process.wait().unwrap()))
    }

    pub(crate) fn wait(self) -> ExitStatus {
        (self.0)()
    }
}

impl Node {
    /// Starts a node and waits until it is ready.
    pub(crate) fn start(data: &Path) -> Self {
        Self::start_with(data, &[])
    }

    pub(crate) fn start_with(data: &Path, arguments: &[&str]) -> Self {
        Self::try_start(serve(data, arguments)).unwrap()
    }

    /// Starts what the command runs, which must be a node, and waits until it is ready.
    pub(crate) fn try_start(mut command: Command) -> Result<Self, NotStarted> {
        let began = Instant::now();
        let errors = Errors::of(&mut command);
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let url = lines.find_map(|line| line.ok()?.strip_prefix("listening on ").map(str::to_owned));
        let Some(url) = url else {
            return Err(NotStarted { status: Some(child.wait().unwrap()), errors: errors.text() });
        };
        std::thread::spawn(move || lines.for_each(drop));
        let mut node = Self { child, errors, url };
        let (client, ready) = (node.client(), Request::new("GET", "/readyz").unwrap());
        while !client.send(&ready).is_ok_and(|response| response.status == 200) {
            let status = node.child.try_wait().unwrap();
            if status.is_some() || began.elapsed() > START_MAX {
                return Err(NotStarted { status, errors: node.errors.text() });
            }
            std::thread::yield_now();
        }
        Ok(node)
    }

    /// A client that sends everything once.
    pub(crate) fn client(&self) -> Client {
        mainstay_client::Client::builder(&self.url).retry(Retry::never()).build_blocking().unwrap()
    }

    /// The address to listen at for a node that replaces this one.
    pub(crate) fn address(&self) -> String {
        self.url.strip_prefix("http://").unwrap().to_owned()
    }

    /// The id of the node's process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// A figure of the node's process, such as `VmRSS`, in bytes.
    pub(crate) fn memory(&self, figure: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(figure)?.strip_prefix(':')).unwrap();
        line.trim().strip_suffix(" kB").unwrap().parse::<u64>().unwrap() << 10
    }

    /// What the node has written to its standard error so far.
    pub(crate) fn errors(&self) -> String {
        self.errors.text()
    }

    /// How the node ended, if it has, and what it wrote to its standard error.
    pub(crate) fn ended(&mut self) -> Option<(ExitStatus, String)> {
        self.child.try_wait().unwrap().map(|status| (status, self.errors.text()))
    }

    /// kill -9.
    pub(crate) fn kill(self) {
        self.begin_kill().wait();
    }

    /// kill -9, without waiting: the process does nothing more, but what it has asked of the system may not have ended.
    pub(crate) fn begin_kill(mut self) -> Killed {
        self.child.kill().unwrap();
        Killed(Box::new(move || self.child.wait().unwrap()))
    }

    /// SIGTERM; gives how the process ended.
    pub(crate) fn stop(mut self) -> ExitStatus {
        self.ask_to_stop();
        self.child.wait().unwrap()
    }

    /// SIGTERM, without waiting.
    pub(crate) fn ask_to_stop(&self) {
        let pid = Pid::from_raw(self.child.id().try_into().unwrap()).unwrap();
        kill_process(pid, Signal::TERM).unwrap();
    }

    /// Runs a command against this node.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        self.run_with_input(arguments, "")
    }

    pub(crate) fn run_with_input(&self, arguments: &[&str], input: &str) -> Ran {
        run(mainstay().args(["--url", &self.url]).args(arguments), input)
    }

    /// A figure of `/metrics`, without labels.
    pub(crate) fn metric(&self, name: &str) -> f64 {
        self.metric_with(name, &Request::new("GET", "/metrics").unwrap())
    }

    /// The same, with a request that says who asks.
    pub(crate) fn metric_with(&self, name: &str, request: &Request) -> f64 {
        let response = self.client().send(request).unwrap();
        let text = String::from_utf8(response.body.to_vec()).unwrap();
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')).expect(name);
        value.trim().parse().unwrap()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("the node at {} wrote:\n{}", self.url, self.errors.text());
        }
    }
}

/// A node that is starting; nobody has waited for it.
pub(crate) fn spawn(data: &Path, arguments: &[&str]) -> Child {
    serve(data, arguments).spawn().unwrap()
}

/// The command that runs a node.
pub(crate) fn serve(data: &Path, arguments: &[&str]) -> Command {
    // A free port, unless the test must know it.
    let listen: &[&str] = if arguments.contains(&"--listen") { &[] } else { &["--listen", "127.0.0.1:0"] };
    let mut command = mainstay();
    command.args(["serve", "--log-level", "warn", "--data"]).arg(data).args(listen).args(arguments);
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    command
}

/// What a command did.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    /// Standard output, of a command that must succeed.
    #[track_caller]
    pub(crate) fn ok(self) -> String {
        assert_eq!(self.code, 0, "{self:?}");
        self.out
    }

    #[track_caller]
    pub(crate) fn fails(self, code: i32, words: &str) {
        assert_eq!(self.code, code, "{self:?}");
        assert!(self.err.contains(words), "{words:?} is not in {:?}", self.err);
    }
}

pub(crate) fn run(command: &mut Command, input: &str) -> Ran {
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_owned();
    // A command that does not read its input must not hang this.
    let writer = std::thread::spawn(move || drop(stdin.write_all(input.as_bytes())));
    let Output { status, stdout, stderr } = child.wait_with_output().unwrap();
    writer.join().unwrap();
    Ran {
        code: status.code().unwrap_or(-1),
        out: String::from_utf8(stdout).unwrap(),
        err: String::from_utf8(stderr).unwrap(),
    }
}
