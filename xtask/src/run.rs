//! Runs commands. Each command is printed before it runs, and a list of steps ends with a summary.

use crate::Failure;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// The root of the workspace, whatever the current directory is.
#[must_use]
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map_or_else(|| PathBuf::from("."), Path::to_path_buf)
}

/// The directory of build output: `CARGO_TARGET_DIR`, or `target`.
#[must_use]
pub fn target_dir() -> PathBuf {
    root().join(std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| PathBuf::from("target"), PathBuf::from))
}

/// A command that will run in the root of the workspace.
#[must_use]
pub fn command(words: &[&str]) -> Command {
    let (program, arguments) = words.split_first().map_or(("true", &[][..]), |(first, rest)| (*first, rest));
    let mut command = Command::new(program);
    command.args(arguments).current_dir(root());
    forget_this_package(&mut command);
    command
}

/// Removes what cargo and nextest tell about the package that runs. Some build scripts run again when these variables
/// change: a build from here and one from a shell are to share what they build.
pub fn forget_this_package(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
            command.env_remove(&name);
        }
    }
}

/// Runs a command with its output on this process's own.
///
/// # Errors
/// The command could not be started, or its exit status is not 0.
pub fn run(words: &[&str]) -> Result<(), Failure> {
    println!("$ {}", words.join(" "));
    let status = command(words).status().map_err(|error| format!("{}: {error}", words.join(" ")))?;
    if status.success() { Ok(()) } else { Err(format!("{}: {status}", words.join(" "))) }
}

/// Runs a command and returns its standard output. Its standard error goes to this process's own.
///
/// # Errors
/// As for [`run`], or the output is not UTF-8.
pub fn output(words: &[&str]) -> Result<String, Failure> {
    let failed = |why: String| format!("{}: {why}", words.join(" "));
    let output =
        command(words).stderr(Stdio::inherit()).output().map_err(|error| failed(error.to_string()))?;
    if !output.status.success() {
        return Err(failed(output.status.to_string()));
    }
    String::from_utf8(output.stdout).map_err(|error| failed(error.to_string()))
}

/// Whether a command runs and exits with status 0. Shows none of its output.
#[must_use]
pub fn works(words: &[&str]) -> bool {
    let quiet = command(words).stdout(Stdio::null()).stderr(Stdio::null()).stdin(Stdio::null()).status();
    quiet.is_ok_and(|status| status.success())
}

/// How a step ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StepResult {
    Passed,
    /// The step could not run on this machine, and why. The summary always shows it.
    NotRun(String),
    Failed(Failure),
}

/// Steps that run one after another. A failed step does not stop the next one, so that one run shows
/// everything that is wrong.
#[derive(Debug, Default)]
pub struct Steps(Vec<(&'static str, Duration, StepResult)>);

impl Steps {
    pub fn step(&mut self, name: &'static str, work: impl FnOnce() -> Result<StepResult, Failure>) {
        println!("\n== {name}");
        let started = Instant::now();
        let result = work().unwrap_or_else(StepResult::Failed);
        match &result {
            StepResult::Passed => {}
            StepResult::NotRun(why) => println!("NOT RUN: {name}: {why}"),
            StepResult::Failed(why) => println!("FAILED: {name}: {why}"),
        }
        self.0.push((name, started.elapsed(), result));
    }

    /// Prints one line for each step.
    ///
    /// # Errors
    /// At least one step failed.
    pub fn summarize(self) -> Result<(), Failure> {
        println!("\n== summary");
        for (name, duration, result) in &self.0 {
            let result = match result {
                StepResult::Passed => "ok".into(),
                StepResult::NotRun(why) => format!("NOT RUN: {why}"),
                StepResult::Failed(_) => String::from("FAILED"),
            };
            println!("{name:<16} {:>7.1} s  {result}", duration.as_secs_f64());
        }
        let is_failed = |result: &StepResult| matches!(result, StepResult::Failed(_));
        let failed: Vec<_> =
            self.0.iter().filter(|(.., result)| is_failed(result)).map(|(name, ..)| *name).collect();
        if failed.is_empty() { Ok(()) } else { Err(format!("failed: {}", failed.join(", "))) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_failed_step_fails_the_run_and_the_next_step_still_runs() {
        let mut steps = Steps::default();
        let mut ran = 0;
        steps.step("a", || Err("broken".into()));
        steps.step("b", || {
            ran += 1;
            Ok(StepResult::Passed)
        });
        assert_eq!(ran, 1);
        assert_eq!(steps.summarize(), Err("failed: a".into()));
    }

    #[test]
    fn a_step_that_could_not_run_does_not_fail_the_run() {
        let mut steps = Steps::default();
        steps.step("a", || Ok(StepResult::NotRun("no such tool".into())));
        assert_eq!(steps.summarize(), Ok(()));
    }

    #[test]
    fn a_command_that_fails_or_does_not_exist_is_an_error() {
        assert!(run(&["false"]).unwrap_err().starts_with("false: exit status: 1"));
        assert!(output(&["no-such-program-here"]).is_err());
        assert!(works(&["true"]) && !works(&["false"]));
    }
}
