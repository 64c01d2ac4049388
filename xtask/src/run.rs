//! Running commands: each is shown before it runs, and a list of steps is summed up after the last.

use crate::Failure;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// The workspace's root, wherever this is run from.
#[must_use]
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map_or_else(|| PathBuf::from("."), Path::to_path_buf)
}

/// Where build output lies: `CARGO_TARGET_DIR`, or `target`.
#[must_use]
pub fn target_dir() -> PathBuf {
    root().join(std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| PathBuf::from("target"), PathBuf::from))
}

/// A command at the root, ready to run.
#[must_use]
pub fn command(words: &[&str]) -> Command {
    let (program, arguments) = words.split_first().map_or(("true", &[][..]), |(first, rest)| (*first, rest));
    let mut command = Command::new(program);
    command.args(arguments).current_dir(root());
    command
}

/// Runs it with its output on this process's own.
///
/// # Errors
/// It could not be started, or ended with another status than 0.
pub fn run(words: &[&str]) -> Result<(), Failure> {
    println!("$ {}", words.join(" "));
    let status = command(words).status().map_err(|error| format!("{}: {error}", words.join(" ")))?;
    if status.success() { Ok(()) } else { Err(format!("{}: {status}", words.join(" "))) }
}

/// Its standard output; its standard error goes where this process's goes.
///
/// # Errors
/// As for [`run`].
pub fn output(words: &[&str]) -> Result<String, Failure> {
    let failed = |why: String| format!("{}: {why}", words.join(" "));
    let output =
        command(words).stderr(Stdio::inherit()).output().map_err(|error| failed(error.to_string()))?;
    if !output.status.success() {
        return Err(failed(output.status.to_string()));
    }
    String::from_utf8(output.stdout).map_err(|error| failed(error.to_string()))
}

/// Whether it runs and ends well, without showing anything.
#[must_use]
pub fn works(words: &[&str]) -> bool {
    let quiet = command(words).stdout(Stdio::null()).stderr(Stdio::null()).stdin(Stdio::null()).status();
    quiet.is_ok_and(|status| status.success())
}

/// How a step ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    Passed,
    /// It could not be run here, and why. Never silent: it is in the summary.
    NotRun(String),
    Failed(Failure),
}

/// Steps one after the other. A failed one does not keep the next from being run: whoever reads the output
/// wants all that is wrong at once.
#[derive(Debug, Default)]
pub struct Steps(Vec<(&'static str, Duration, Ended)>);

impl Steps {
    pub fn step(&mut self, name: &'static str, work: impl FnOnce() -> Result<Ended, Failure>) {
        println!("\n== {name}");
        let started = Instant::now();
        let ended = work().unwrap_or_else(Ended::Failed);
        match &ended {
            Ended::Passed => {}
            Ended::NotRun(why) => println!("NOT RUN: {name}: {why}"),
            Ended::Failed(why) => println!("FAILED: {name}: {why}"),
        }
        self.0.push((name, started.elapsed(), ended));
    }

    /// Prints a line a step.
    ///
    /// # Errors
    /// At least one of them failed.
    pub fn sum_up(self) -> Result<(), Failure> {
        println!("\n== summary");
        for (name, took, ended) in &self.0 {
            let how = match ended {
                Ended::Passed => "ok".into(),
                Ended::NotRun(why) => format!("NOT RUN: {why}"),
                Ended::Failed(_) => String::from("FAILED"),
            };
            println!("{name:<12} {:>7.1} s  {how}", took.as_secs_f64());
        }
        let failed: Vec<_> =
            self.0.iter().filter(|(_, _, e)| matches!(e, Ended::Failed(_))).map(|(name, ..)| *name).collect();
        if failed.is_empty() { Ok(()) } else { Err(format!("failed: {}", failed.join(", "))) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_failed_step_fails_them_all_and_the_next_still_runs() {
        let mut steps = Steps::default();
        let mut ran = 0;
        steps.step("a", || Err("broken".into()));
        steps.step("b", || {
            ran += 1;
            Ok(Ended::Passed)
        });
        assert_eq!(ran, 1);
        assert_eq!(steps.sum_up(), Err("failed: a".into()));
    }

    #[test]
    fn what_could_not_run_is_told_and_does_not_fail() {
        let mut steps = Steps::default();
        steps.step("a", || Ok(Ended::NotRun("no such tool".into())));
        assert_eq!(steps.sum_up(), Ok(()));
    }

    #[test]
    fn a_command_that_fails_or_does_not_exist_is_told() {
        assert!(run(&["false"]).unwrap_err().starts_with("false: exit status: 1"));
        assert!(output(&["no-such-program-here"]).is_err());
        assert!(works(&["true"]) && !works(&["false"]));
    }
}
