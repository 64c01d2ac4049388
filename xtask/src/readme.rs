//! Runs the commands of a page as written, and compares their output with what the page shows.
//!
//! Commands are in fenced blocks that begin with ```` ```console ````:
//!
//! ```text
//! $ a command, on one line or on several that end in a backslash
//! the output of the command
//! ```
//!
//! A block marked ```` ```console keeps running ```` holds one command that does not exit, such as a server. The
//! command starts, prints the output shown, and is stopped at the end of the page. A line `...` matches any
//! number of lines, and `…` at the end of a line matches the rest of it. Lines are compared by their [`shape`],
//! since times, cursors, counts and paths differ from run to run.

use crate::Failure;
use crate::run::forget_this_package;
use std::fmt;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::JoinHandle;
use std::time::Duration;

/// A command of a page, and the output that the page shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Example {
    pub command: String,
    pub expected: Vec<String>,
    pub kind: Kind,
    /// The line number of the command in the page, from 1.
    pub line: usize,
}

/// Whether a command exits without being stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Exits,
    KeepsRunning,
}

/// Reads the commands of a page.
#[must_use]
pub fn parse(page: &str) -> Vec<Example> {
    let mut examples: Vec<Example> = Vec::new();
    let mut block: Option<Kind> = None;
    let mut continued = false;
    for (number, text) in page.lines().enumerate() {
        if let Some(info) = text.strip_prefix("```") {
            block = match (block, info.trim()) {
                (None, "console") => Some(Kind::Exits),
                (None, "console keeps running") => Some(Kind::KeepsRunning),
                _ => None,
            };
            continued = false;
            continue;
        }
        let Some(kind) = block else { continue };
        if let Some(command) = text.strip_prefix("$ ") {
            examples.push(Example { command: command.into(), expected: Vec::new(), kind, line: number + 1 });
            continued = text.ends_with('\\');
        } else if let Some(last) = examples.last_mut() {
            if continued {
                last.command.push('\n');
                last.command.push_str(text);
                continued = text.ends_with('\\');
            } else {
                last.expected.push(text.into());
            }
        }
    }
    examples
}

/// A line without the parts that differ from run to run. A word with a digit (a number, a time, a cursor, a hash)
/// becomes `#`, and so does an absolute path. Repeated spaces and table rules become one.
#[must_use]
pub fn shape(line: &str) -> String {
    let mut out = String::new();
    let mut word = String::new();
    let flush = |word: &mut String, out: &mut String| {
        let path = word.starts_with('/') && word.matches('/').count() > 1;
        let varies = path || word.bytes().any(|b| b.is_ascii_digit());
        out.push_str(if varies { "#" } else { word });
        word.clear();
    };
    for c in line.chars() {
        if c.is_alphanumeric() || "-_.:+/~%".contains(c) {
            word.push(c);
            continue;
        }
        flush(&mut word, &mut out);
        let repeated = (c == ' ' && out.ends_with(' ')) || (c == '─' && out.ends_with('─'));
        if !repeated {
            out.push(c);
        }
    }
    flush(&mut word, &mut out);
    out.trim_end().into()
}

/// Whether a printed line matches a line of the page, in which a final `…` matches the rest.
fn matches(printed: &str, expected: &str) -> bool {
    match expected.trim_end().strip_suffix('…') {
        Some(beginning) => shape(printed).starts_with(&shape(beginning)),
        None => shape(printed) == shape(expected),
    }
}

/// Compares the output of a command with the lines of the page.
///
/// # Errors
/// The first line that differs, in both versions.
pub fn compare(expected: &[String], printed: &[String]) -> Result<(), Failure> {
    let Some((first, rest)) = expected.split_first() else {
        return match printed.first() {
            None => Ok(()),
            Some(line) => Err(format!("  the command also printed: {line}")),
        };
    };
    if first.trim() == "..." {
        let fits = (0..=printed.len()).any(|skipped| compare(rest, &printed[skipped..]).is_ok());
        let wanted = rest.first().map_or("the end", String::as_str);
        return if fits { Ok(()) } else { Err(format!("  nothing after `...` matches: {wanted}")) };
    }
    match printed.split_first() {
        Some((line, others)) if matches(line, first) => compare(rest, others),
        Some((line, _)) => Err(format!("  the page shows:      {first}\n  the command printed: {line}")),
        None => Err(format!("  the command did not print: {first}")),
    }
}

/// The environment in which the commands of a page run.
#[derive(Debug)]
pub struct Session<'a> {
    pub dir: &'a Path,
    /// Variables to set, or to remove.
    pub environment: Vec<(&'static str, Option<String>)>,
    /// How long to wait for the next line of output.
    pub timeout: Duration,
}

/// The result of running one example.
#[derive(Debug)]
pub struct Execution {
    pub example: Example,
    pub printed: Vec<String>,
    /// How the output differs from the page.
    pub difference: Option<Failure>,
}

impl fmt::Display for Execution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let difference = self.difference.as_deref().unwrap_or("as the page shows");
        write!(f, "line {}: {}\n{difference}", self.example.line, self.example.command)
    }
}

/// Runs all examples of a page in order. Each command has its own shell, but `export` and `cd` apply to all the
/// commands after them, as in one terminal.
#[must_use]
pub fn execute(page: Vec<Example>, session: &Session<'_>) -> Vec<Execution> {
    let mut running = Vec::new();
    let mut executions = Vec::new();
    let mut exports = String::new();
    for example in page {
        println!("{}: $ {}", example.line, example.command);
        if example.command.starts_with("export ") || example.command.starts_with("cd ") {
            exports.push_str(&example.command);
            exports.push('\n');
            continue;
        }
        let script = format!("{exports}{}", example.command);
        let mut printed = Vec::new();
        let result = match example.kind {
            Kind::Exits => run_to_end(&example, &script, session, &mut printed),
            Kind::KeepsRunning => {
                start(&example, &script, session, &mut printed).map(|started| running.push(started))
            }
        };
        let difference = result.and_then(|()| compare(&example.expected, &printed)).err();
        executions.push(Execution { example, printed, difference });
    }
    executions
}

/// The page, with the real output of each command whose output differs from the page.
#[must_use]
pub fn rewrite(page: &str, executions: &[Execution]) -> String {
    let mut out: Vec<&str> = Vec::new();
    let mut lines = page.lines().enumerate();
    while let Some((number, line)) = lines.next() {
        out.push(line);
        let Some(one) = executions.iter().find(|one| one.example.line == number + 1) else { continue };
        out.extend(lines.by_ref().take(one.example.command.lines().count() - 1).map(|(_, line)| line));
        let expected: Vec<&str> =
            lines.by_ref().take(one.example.expected.len()).map(|(_, line)| line).collect();
        if one.difference.is_some() {
            out.extend(one.printed.iter().map(String::as_str));
        } else {
            out.extend(expected);
        }
    }
    out.join("\n") + "\n"
}

fn shell(script: &str, session: &Session<'_>) -> Command {
    let mut command = Command::new("bash");
    command.args(["-c", script]).current_dir(session.dir).stdin(Stdio::null());
    forget_this_package(&mut command);
    for (name, value) in &session.environment {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command
}

/// A process. Dropping this stops the process and its children, and waits for them.
#[derive(Debug)]
struct Running {
    child: Child,
    /// Reads the output of the process and its children until all have exited.
    reader: Option<JoinHandle<()>>,
}

impl Drop for Running {
    fn drop(&mut self) {
        // After an exit that was waited for, another process may have the same id.
        if !matches!(self.child.try_wait(), Ok(None)) {
            return;
        }
        // The process group: a shell, cargo, and the program that cargo runs.
        let group = format!("-{}", self.child.id());
        let _ = Command::new("kill").args(["-TERM", "--", &group]).status();
        let _ = self.child.wait();
        // A graceful shutdown takes a moment, and its port is in use until then.
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
    }
}

/// Starts a script whose standard output and standard error come as one stream, as in a terminal.
fn spawn(script: &str, session: &Session<'_>) -> Result<(Running, Receiver<String>), Failure> {
    use std::os::unix::process::CommandExt as _;
    let mut command = shell(&format!("exec 2>&1\n{script}"), session);
    command.stdout(Stdio::piped()).stderr(Stdio::null()).process_group(0);
    let mut child = command.spawn().map_err(|error| format!("  {error}"))?;
    let stdout = child.stdout.take().ok_or("  the command has no output")?;
    let (send, receive) = channel();
    let reader = std::thread::spawn(move || {
        let mut reader = BufReader::new(stdout);
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line).is_ok_and(|n| n > 0) {
            let text = String::from_utf8_lossy(&line).trim_end_matches('\n').to_owned();
            if send.send(text).is_err() {
                // The receiver is gone, but the process must still be able to write.
                let _ = reader.read_to_end(&mut line);
                return;
            }
            line.clear();
        }
    });
    Ok((Running { child, reader: Some(reader) }, receive))
}

/// Runs a command until it exits. It may exit with an error status only if the page shows its `error:` line.
fn run_to_end(
    example: &Example,
    script: &str,
    session: &Session<'_>,
    printed: &mut Vec<String>,
) -> Result<(), Failure> {
    let (mut running, lines) = spawn(script, session)?;
    loop {
        match lines.recv_timeout(session.timeout) {
            Ok(line) => printed.push(line),
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => return Err(format!("  no output for {:?}", session.timeout)),
        }
    }
    let status = running.child.wait().map_err(|error| format!("  {error}"))?;
    let error_expected = example.expected.iter().any(|line| line.starts_with("error:"));
    if status.success() || error_expected {
        Ok(())
    } else {
        Err(format!("  {status}: {}", printed.join("\n  ")))
    }
}

/// Starts a command and reads its output until it matches the page. The last line that the page shows is the one
/// that says that the command is ready, so it must not be `...`, which also matches nothing.
fn start(
    example: &Example,
    script: &str,
    session: &Session<'_>,
    printed: &mut Vec<String>,
) -> Result<Running, Failure> {
    if example.expected.last().is_some_and(|line| line.trim() == "...") {
        return Err(
            "  the page must end with the line after which the next command may run, not with `...`".into()
        );
    }
    let (running, receive) = spawn(script, session)?;
    while compare(&example.expected, printed).is_err() {
        match receive.recv_timeout(session.timeout) {
            Ok(line) => printed.push(line),
            // The caller compares again and reports what is missing.
            Err(_) => break,
        }
    }
    // The receiver is dropped here; the reader then discards later output.
    Ok(running)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<String> {
        text.lines().map(str::to_owned).collect()
    }

    fn session(timeout: Duration) -> Session<'static> {
        Session { dir: Path::new("/"), environment: vec![("WORD", Some("once".into()))], timeout }
    }

    /// How the output differs from a page of one block.
    fn difference(block: &str, timeout: Duration) -> Option<Failure> {
        let executions = execute(parse(&format!("```console\n{block}```\n")), &session(timeout));
        executions.into_iter().find_map(|one| one.difference)
    }

    #[test]
    fn blocks_are_parsed_into_commands_and_output() {
        let page = "# T\n```console\n$ a \\\n  b\none\n$ c\n```\n```sh\n$ no\n```\n```console keeps running\n$ d\nup\n```\n";
        let examples = parse(page);
        let parsed: Vec<_> =
            examples.iter().map(|e| (e.command.as_str(), e.expected.len(), e.kind, e.line)).collect();
        let want =
            [("a \\\n  b", 1, Kind::Exits, 3), ("c", 0, Kind::Exits, 6), ("d", 1, Kind::KeepsRunning, 12)];
        assert_eq!(parsed, want);
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
            assert_eq!(matches(printed, shown), alike, "{printed} / {shown}");
        }
    }

    #[test]
    fn a_page_that_matches_the_output_passes_and_any_other_fails() {
        for (page, want) in [
            ("$ echo $WORD 7\nonce 8\n", None),
            ("$ export A=b\n$ echo $A\nb\n", None),
            ("$ echo [$CARGO_PKG_NAME$CARGO_MANIFEST_DIR]\n[]\n", None),
            ("$ echo error: no; false\nerror: no\n", None),
            ("$ echo a\nb\n", Some("the command printed: a")),
            ("$ false\n", Some("exit status: 1")),
        ] {
            let found = difference(page, Duration::from_secs(20));
            match want {
                None => assert_eq!(found, None, "{page}"),
                Some(why) => assert!(found.as_ref().unwrap().contains(why), "{page}: {found:?}"),
            }
        }
    }

    #[test]
    fn a_page_shows_the_line_that_says_when_a_command_that_keeps_running_is_ready() {
        let page =
            parse("```console keeps running\n$ echo up; echo ready; exec tail -f /dev/null\nup\n...\n```\n");
        let executions = execute(page, &session(Duration::from_secs(20)));
        assert!(executions[0].difference.as_ref().unwrap().contains("not with `...`"));
    }

    #[test]
    fn a_command_that_keeps_running_is_stopped_at_the_end_of_the_page() {
        let page = parse("```console keeps running\n$ echo up; exec tail -f /dev/null\nup\n```\n");
        let executions = execute(page, &session(Duration::from_secs(20)));
        assert!(executions[0].difference.is_none(), "{}", executions[0]);
    }

    #[test]
    fn a_command_that_hangs_is_stopped() {
        let difference = difference("$ tail -f /dev/null\n", Duration::from_millis(200));
        assert!(difference.unwrap().contains("no output for"));
    }

    #[test]
    fn a_page_is_rewritten_only_where_its_output_differs() {
        let page = "# T\n```console\n$ echo a \\\n  1\na 2\n$ echo b\nc\nd\n```\nend\n";
        let executions = execute(parse(page), &session(Duration::from_secs(20)));
        let want = "# T\n```console\n$ echo a \\\n  1\na 2\n$ echo b\nb\n```\nend\n";
        assert_eq!(rewrite(page, &executions), want);
    }
}
