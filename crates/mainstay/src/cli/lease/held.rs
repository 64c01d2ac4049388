//! The process that `lease run` starts: it arranges its own end, and becomes the command.

use crate::cli::failure::Failure;
use rustix::process::{Signal, getppid, set_parent_process_death_signal};
use std::os::unix::process::CommandExt;
use std::process::Command;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The process that renews the lease
    parent: i32,
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
    command: Vec<String>,
}

/// Returns only if the command cannot be run.
pub(super) fn run(args: &Args) -> Failure {
    // No one renews the lease after the parent has died.
    if let Err(error) = set_parent_process_death_signal(Some(Signal::KILL)) {
        return Failure::local(format!("cannot follow the parent process: {error}"));
    }
    // It may have died before.
    if getppid().is_none_or(|parent| parent.as_raw_nonzero().get() != args.parent) {
        return Failure::local("the process that renews the lease is gone");
    }
    let Some((program, arguments)) = args.command.split_first() else {
        return Failure::usage("no command was given");
    };
    let error = Command::new(program).args(arguments).exec();
    Failure::local(format!("cannot run `{program}`: {error}"))
}
