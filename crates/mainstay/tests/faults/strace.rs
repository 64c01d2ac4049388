//! strace as a source of faults: system calls of the node that fail, or that do nothing and succeed.

use std::path::PathBuf;
use std::process::{Command, Stdio};

/// A fault at some system calls.
#[derive(Clone, Debug)]
pub(crate) struct Injection<'a> {
    /// The system calls, as in `fdatasync,fsync`.
    pub(crate) calls: &'a str,
    /// What happens instead, as in `error=EIO:when=12+`; see strace(1).
    pub(crate) effect: &'a str,
    /// Only calls about these files; all calls when there are none.
    pub(crate) paths: Vec<PathBuf>,
}

/// The same command under strace. The process that it starts is still the node, so that it can be killed.
pub(crate) fn traced(command: &Command, injection: &Injection<'_>) -> Command {
    let Injection { calls, effect, paths } = injection;
    let mut strace = Command::new("strace");
    strace.args(["-D", "-f", "-qq", "--seccomp-bpf", "-o", "/dev/null", "-e", "signal=none"]);
    strace.args(["-e", &format!("trace={calls}"), "-e", &format!("inject={calls}:{effect}")]);
    for path in paths {
        strace.arg("-P").arg(path);
    }
    strace.arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => strace.env(name, value),
            None => strace.env_remove(name),
        };
    }
    strace.stdin(Stdio::null()).stdout(Stdio::piped());
    strace
}
