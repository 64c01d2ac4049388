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
//! waited for, and it is stopped when the page ends. A line `...` stands for any number of lines, and `…` at
//! the end of one for its rest. Lines are compared by their [`shape`], since times, cursors, counts and paths
//! differ from run to run.

use crate::Failure;
use std::fmt;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::JoinHandle;
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

/// `…` at the end of a shown line stands for the rest of it.
fn looks_like(printed: &str, shown: &str) -> bool {
    match shown.trim_end().strip_suffix('…') {
        Some(beginning) => shape(printed).starts_with(&shape(beginning)),
        None => shape(printed) == shape(shown),
    }
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
        Some((line, others)) if looks_like(line, first) => compare(rest, others),
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

/// A command that was run.
#[derive(Debug)]
pub struct Played {
    pub shown: Shown,
    pub printed: Vec<String>,
    /// What differed from the page.
    pub differs: Option<Failure>,
}

impl fmt::Display for Played {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let why = self.differs.as_deref().unwrap_or("as shown");
        write!(f, "line {}: {}\n{why}", self.shown.at, self.shown.command)
    }
}

/// Runs them all, in order, as one shell session would: each in a shell of its own.
#[must_use]
pub fn play(page: Vec<Shown>, stage: &Stage<'_>) -> Vec<Played> {
    let mut running = Vec::new();
    let mut played = Vec::new();
    // What a page exports holds for the commands behind it.
    let mut exports = String::new();
    for shown in page {
        println!("{}: $ {}", shown.at, shown.command);
        if shown.command.starts_with("export ") || shown.command.starts_with("cd ") {
            exports.push_str(&shown.command);
            exports.push('\n');
            continue;
        }
        let script = format!("{exports}{}", shown.command);
        let mut printed = Vec::new();
        let done = match shown.lasts {
            Lasts::Ends => run_to_end(&shown, &script, stage, &mut printed),
            Lasts::KeepsRunning => {
                start(&shown, &script, stage, &mut printed).map(|started| running.push(started))
            }
        };
        let differs = done.and_then(|()| compare(&shown.lines, &printed)).err();
        played.push(Played { shown, printed, differs });
    }
    played
}

/// The page with what was printed in place of what differs from it.
#[must_use]
pub fn rewrite(page: &str, played: &[Played]) -> String {
    let mut out: Vec<&str> = Vec::new();
    let mut lines = page.lines().enumerate();
    while let Some((number, line)) = lines.next() {
        out.push(line);
        let Some(one) = played.iter().find(|one| one.shown.at == number + 1) else { continue };
        out.extend(lines.by_ref().take(one.shown.command.lines().count() - 1).map(|(_, line)| line));
        let shown: Vec<&str> = lines.by_ref().take(one.shown.lines.len()).map(|(_, line)| line).collect();
        if one.differs.is_some() {
            out.extend(one.printed.iter().map(String::as_str))
        } else {
            out.extend(shown)
        }
    }
    out.join("\n") + "\n"
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
struct Running {
    child: Child,
    /// Reads what the process and its children write, until the last of them has ended.
    reader: Option<JoinHandle<()>>,
}

impl Drop for Running {
    fn drop(&mut self) {
        // Once it has ended and been waited for, its number may already be another's.
        if !matches!(self.child.try_wait(), Ok(None)) {
            return;
        }
        // The group: a shell, cargo, and the program that it runs.
        let group = format!("-{}", self.child.id());
        let _ = Command::new("kill").args(["-TERM", "--", &group]).status();
        let _ = self.child.wait();
        // A graceful end takes its time, and its port until then.
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
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
    let reader = std::thread::spawn(move || {
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
    Ok((Running { child, reader: Some(reader) }, receive))
}

/// A page may show a command that fails, with the `error:` that it prints; any other failure is one.
fn run_to_end(
    shown: &Shown,
    script: &str,
    stage: &Stage<'_>,
    printed: &mut Vec<String>,
) -> Result<(), Failure> {
    let (mut running, lines) = spawn(script, stage)?;
    loop {
        match lines.recv_timeout(stage.patience) {
            Ok(line) => printed.push(line),
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => return Err(format!("  nothing more in {:?}", stage.patience)),
        }
    }
    let status = running.child.wait().map_err(|error| format!("  {error}"))?;
    let meant = shown.lines.iter().any(|line| line.starts_with("error:"));
    if status.success() || meant { Ok(()) } else { Err(format!("  {status}: {}", printed.join("\n  "))) }
}

/// Starts it and reads until what it printed has the shape of what the page shows.
fn start(
    shown: &Shown,
    script: &str,
    stage: &Stage<'_>,
    printed: &mut Vec<String>,
) -> Result<Running, Failure> {
    let (running, receive) = spawn(script, stage)?;
    while compare(&shown.lines, printed).is_err() {
        match receive.recv_timeout(stage.patience) {
            Ok(line) => printed.push(line),
            // The comparison tells what is missing.
            Err(_) => break,
        }
    }
    // Dropping the receiver lets the reader drain what comes later.
    Ok(running)
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

    /// What differs from a page of one block.
    fn told(block: &str, patience: Duration) -> Option<Failure> {
        let played = play(parse(&format!("```console\n{block}```\n")), &stage(patience));
        played.into_iter().find_map(|one| one.differs)
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
    fn an_ellipsis_stands_for_the_rest_of_its_line() {
        for (printed, shown, alike) in [
            ("found 7 (the rest was lost)", "found 8 …", true),
            ("found 7", "found 8 …", true),
            ("lost 7", "found 8 …", false),
            ("found 7 more", "found 8", false),
        ] {
            assert_eq!(looks_like(printed, shown), alike, "{printed} / {shown}");
        }
    }

    #[test]
    fn a_page_that_tells_the_truth_passes_and_one_that_does_not_is_told() {
        for (page, differs) in [
            ("$ echo $TOLD 7\nonce 8\n", None),
            ("$ export A=b\n$ echo $A\nb\n", None),
            ("$ echo error: no; false\nerror: no\n", None),
            ("$ echo a\nb\n", Some("printed was:  a")),
            ("$ false\n", Some("exit status: 1")),
        ] {
            let told = told(page, Duration::from_secs(20));
            match differs {
                None => assert_eq!(told, None, "{page}"),
                Some(why) => assert!(told.as_ref().unwrap().contains(why), "{page}: {told:?}"),
            }
        }
    }

    #[test]
    fn what_keeps_running_is_stopped_when_the_page_ends() {
        let page = parse("```console keeps running\n$ echo up; exec tail -f /dev/null\nup\n```\n");
        let played = play(page, &stage(Duration::from_secs(20)));
        assert!(played[0].differs.is_none(), "{}", played[0]);
    }

    #[test]
    fn a_command_that_hangs_is_given_up() {
        let told = told("$ tail -f /dev/null\n", Duration::from_millis(200));
        assert!(told.unwrap().contains("nothing more in"));
    }

    #[test]
    fn a_page_is_rewritten_only_where_it_differs() {
        let page = "# T\n```console\n$ echo a \\\n  1\na 2\n$ echo b\nc\nd\n```\nend\n";
        let played = play(parse(page), &stage(Duration::from_secs(20)));
        let want = "# T\n```console\n$ echo a \\\n  1\na 2\n$ echo b\nb\n```\nend\n";
        assert_eq!(rewrite(page, &played), want);
    }
}
