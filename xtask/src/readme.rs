//! A page's commands, run as written, and what they print compared with what the page shows.
//!
//! The page's blocks are read from fences that begin ```` ```console ````:
//!
//! ```text
//! $ a command, on one line or on several that end in a backslash
//! what it prints
//! ```
//!
//! A block marked ```` ```console keeps running ```` holds one command that stays: it is started, its output
//! waited for, and it is stopped when the page ends. A line `...` stands for any number of lines. Lines are
//! compared by their [`shape`], since times, cursors, counts and paths differ from run to run.

use crate::Failure;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

/// A command of the page and the lines it should print.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    pub command: String,
    pub lines: Vec<String>,
    pub lasts: Lasts,
    /// The line of the page it stands on, from 1.
    pub at: usize,
}

/// Whether a command ends by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lasts {
    Ends,
    KeepsRunning,
}

/// Reads a page's blocks.
#[must_use]
pub fn parse(page: &str) -> Vec<Shown> {
    let mut shown: Vec<Shown> = Vec::new();
    let mut block: Option<Lasts> = None;
    let mut continued = false;
    for (number, line) in page.lines().enumerate() {
        if let Some(info) = line.strip_prefix("```") {
            block = match (block, info.trim()) {
                (None, "console") => Some(Lasts::Ends),
                (None, "console keeps running") => Some(Lasts::KeepsRunning),
                _ => None,
            };
            continued = false;
            continue;
        }
        let Some(lasts) = block else { continue };
        if let Some(command) = line.strip_prefix("$ ") {
            shown.push(Shown { command: command.into(), lines: Vec::new(), lasts, at: number + 1 });
            continued = line.ends_with('\\');
        } else if let Some(last) = shown.last_mut() {
            if continued {
                last.command.push('\n');
                last.command.push_str(line);
                continued = line.ends_with('\\');
            } else {
                last.lines.push(line.into());
            }
        }
    }
    shown
}

/// A line without what differs from run to run: a word that holds a digit becomes `#` (a number, a time, a
/// cursor, a hash), and so does an absolute path; runs of spaces and of table rules become one.
#[must_use]
pub fn shape(line: &str) -> String {
    let mut out = String::new();
    let mut word = String::new();
    let flush = |word: &mut String, out: &mut String| {
        let path = word.starts_with('/') && word.matches('/').count() > 1;
        let differs = path || word.bytes().any(|b| b.is_ascii_digit());
        out.push_str(if differs { "#" } else { word });
        word.clear();
    };
    for c in line.chars() {
        if c.is_alphanumeric() || "-_.:+/~%".contains(c) {
            word.push(c);
            continue;
        }
        flush(&mut word, &mut out);
        let again = (c == ' ' && out.ends_with(' ')) || (c == '─' && out.ends_with('─'));
        if !again {
            out.push(c);
        }
    }
    flush(&mut word, &mut out);
    out.trim_end().into()
}

/// Whether what was printed has the shape of what the page shows.
///
/// # Errors
/// The first line that differs, as both have it.
pub fn compare(shown: &[String], printed: &[String]) -> Result<(), Failure> {
    let Some((first, rest)) = shown.split_first() else {
        return match printed.first() {
            None => Ok(()),
            Some(line) => Err(format!("  the page ends before: {line}")),
        };
    };
    if first.trim() == "..." {
        // The longest skip that fits: what follows `...` is the end of the output.
        let fits = (0..=printed.len()).any(|skipped| compare(rest, &printed[skipped..]).is_ok());
        let wanted = rest.first().map_or("the end", String::as_str);
        return if fits { Ok(()) } else { Err(format!("  behind `...` nothing looks like: {wanted}")) };
    }
    match printed.split_first() {
        Some((line, others)) if shape(line) == shape(first) => compare(rest, others),
        Some((line, _)) => Err(format!("  the page has: {first}\n  printed was:  {line}")),
        None => Err(format!("  printed ends before: {first}")),
    }
}

/// Where a page's commands run.
#[derive(Debug)]
pub struct Stage<'a> {
    pub dir: &'a Path,
    /// Added to the environment, or taken out of it.
    pub environment: Vec<(&'static str, Option<String>)>,
    /// How long one command may take.
    pub patience: Duration,
}

/// Runs them all, in order, as one shell session would: each in a shell of its own.
///
/// # Errors
/// What differed, command by command.
pub fn play(shown: &[Shown], stage: &Stage<'_>) -> Result<(), Failure> {
    let mut running = Vec::new();
    let mut failures = Vec::new();
    // What a page exports holds for the commands behind it.
    let mut exports = String::new();
    for one in shown {
        println!("{}: $ {}", one.at, one.command);
        if one.command.starts_with("export ") || one.command.starts_with("cd ") {
            exports.push_str(&one.command);
            exports.push('\n');
            continue;
        }
        let script = format!("{exports}{}", one.command);
        let compared = match one.lasts {
            Lasts::Ends => run_to_end(&script, stage).and_then(|printed| compare(&one.lines, &printed)),
            Lasts::KeepsRunning => start(one, &script, stage).map(|started| running.push(started)),
        };
        if let Err(why) = compared {
            failures.push(format!("line {}: {}\n{why}", one.at, one.command));
        }
    }
    drop(running);
    if failures.is_empty() { Ok(()) } else { Err(failures.join("\n")) }
}

fn shell(script: &str, stage: &Stage<'_>) -> Command {
    let mut command = Command::new("bash");
    command.args(["-c", script]).current_dir(stage.dir).stdin(Stdio::null());
    for (name, value) in &stage.environment {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command
}

/// A process that is asked to stop, with everything it started, when this is dropped.
#[derive(Debug)]
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // Once it has ended and been waited for, its number may already be another's.
        if !matches!(self.0.try_wait(), Ok(None)) {
            return;
        }
        // The group: a shell, cargo, and the program that it runs.
        let group = format!("-{}", self.0.id());
        let _ = Command::new("kill").args(["-TERM", "--", &group]).status();
        let _ = self.0.wait();
    }
}

/// Standard output and standard error, as one terminal would show them.
fn spawn(script: &str, stage: &Stage<'_>) -> Result<(Running, Receiver<String>), Failure> {
    use std::os::unix::process::CommandExt as _;
    let mut command = shell(&format!("exec 2>&1\n{script}"), stage);
    command.stdout(Stdio::piped()).stderr(Stdio::null()).process_group(0);
    let mut child = command.spawn().map_err(|error| format!("  {error}"))?;
    let stdout = child.stdout.take().ok_or("  no output")?;
    let (send, receive) = channel();
    std::thread::spawn(move || {
        let mut reader = BufReader::new(stdout);
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line).is_ok_and(|n| n > 0) {
            let text = String::from_utf8_lossy(&line).trim_end_matches('\n').to_owned();
            if send.send(text).is_err() {
                // Nobody reads any more; the process must still be able to write.
                let _ = reader.read_to_end(&mut line);
                return;
            }
            line.clear();
        }
    });
    Ok((Running(child), receive))
}

fn run_to_end(script: &str, stage: &Stage<'_>) -> Result<Vec<String>, Failure> {
    let (mut running, lines) = spawn(script, stage)?;
    let mut printed = Vec::new();
    loop {
        match lines.recv_timeout(stage.patience) {
            Ok(line) => printed.push(line),
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => {
                return Err(format!("  nothing more in {:?}, after: {printed:?}", stage.patience));
            }
        }
    }
    let status = running.0.wait().map_err(|error| format!("  {error}"))?;
    if status.success() { Ok(printed) } else { Err(format!("  {status}: {}", printed.join("\n  "))) }
}

/// Starts it and reads until what it printed has the shape of what the page shows.
fn start(one: &Shown, script: &str, stage: &Stage<'_>) -> Result<Running, Failure> {
    let (running, receive) = spawn(script, stage)?;
    let mut printed = Vec::new();
    loop {
        let compared = compare(&one.lines, &printed);
        if compared.is_ok() {
            // Dropping the receiver lets the reader drain what comes later.
            return Ok(running);
        }
        match receive.recv_timeout(stage.patience) {
            Ok(line) => printed.push(line),
            Err(_) => return compared.map(|()| running),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<String> {
        text.lines().map(str::to_owned).collect()
    }

    fn stage(patience: Duration) -> Stage<'static> {
        Stage { dir: Path::new("/"), environment: vec![("TOLD", Some("once".into()))], patience }
    }

    #[test]
    fn blocks_are_read_with_their_commands_and_lines() {
        let page = "# T\n```console\n$ a \\\n  b\none\n$ c\n```\n```sh\n$ no\n```\n```console keeps running\n$ d\nup\n```\n";
        let shown = parse(page);
        let told: Vec<_> = shown.iter().map(|s| (s.command.as_str(), s.lines.len(), s.lasts, s.at)).collect();
        let want =
            [("a \\\n  b", 1, Lasts::Ends, 3), ("c", 0, Lasts::Ends, 6), ("d", 1, Lasts::KeepsRunning, 12)];
        assert_eq!(told, want);
    }

    #[test]
    fn shapes_forget_what_differs_from_run_to_run_and_keep_the_rest() {
        for (one, other, same) in [
            ("appended 8577 events in 0.31 s", "appended 12 events in 1.0 s", true),
            ("at 2010-10-02T07:20:39.266Z", "at 2026-11-24T00:00:00Z", true),
            (r#""cursor":"0012a06f3e22""#, r#""cursor":"019d9f0000ab""#, true),
            ("a    1", "a 22", true),
            ("data in /srv/mainstay/data", "data in /tmp/x", true),
            ("see /livez", "see /readyz", false),
            ("appended 3", "refused 3", false),
            ("appended 3", "appended", false),
            (r#"{"revision":0}"#, r#"{"revision":null}"#, false),
        ] {
            assert_eq!(shape(one) == shape(other), same, "{one} / {other}");
        }
    }

    #[test]
    fn three_dots_stand_for_any_lines() {
        let printed = lines("head\na\nb\ntail");
        assert_eq!(compare(&lines("head\n...\ntail"), &printed), Ok(()));
        assert_eq!(compare(&lines("head\na\nb\ntail\n..."), &printed), Ok(()));
        assert!(compare(&lines("head\n...\nother"), &printed).is_err());
        assert!(compare(&lines("head\na\nb"), &printed).is_err(), "a line too many");
        assert!(compare(&lines("head\na\nb\ntail\nmore"), &printed).is_err(), "a line too few");
    }

    #[test]
    fn a_page_that_tells_the_truth_passes_and_one_that_does_not_is_told() {
        let play = |page: &str| super::play(&parse(page), &stage(Duration::from_secs(20)));
        assert_eq!(play("```console\n$ echo $TOLD 7\nonce 8\n```\n"), Ok(()));
        assert_eq!(play("```console\n$ export A=b\n$ echo $A\nb\n```\n"), Ok(()));
        assert!(play("```console\n$ echo a\nb\n```\n").unwrap_err().contains("printed was:  a"));
        assert!(play("```console\n$ false\n```\n").unwrap_err().contains("exit status: 1"));
    }

    #[test]
    fn what_keeps_running_is_stopped_when_the_page_ends() {
        let page = "```console keeps running\n$ echo up; exec tail -f /dev/null\nup\n```\n```console\n$ echo b\nb\n```\n";
        assert_eq!(play(&parse(page), &stage(Duration::from_secs(20))), Ok(()));
    }

    #[test]
    fn a_command_that_hangs_is_given_up() {
        let page = "```console\n$ tail -f /dev/null\n```\n";
        let error = play(&parse(page), &stage(Duration::from_millis(200))).unwrap_err();
        assert!(error.contains("nothing more in"), "{error}");
    }
}
