//! What the tour's chapters use: the node, text, requests shown as curl commands, checks.

use super::Chapter;
use crate::cli::failure::{Class, Failure, Result};
use crate::cli::output::{Stdout, stdout};
use crate::node_process::NodeProcess;
use anstyle::{AnsiColor, Style};
use mainstay_client::blocking::Client;
use mainstay_client::{Request, Response, Retry};
use serde_json::Value;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tempfile::TempDir;

const HEADING: Style = Style::new().bold().underline();
const COMMAND: Style = AnsiColor::Cyan.on_default();
const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default().bold();
const QUIET: Style = Style::new().dimmed();

/// The most characters of a response that are shown. All of it is checked.
const RESPONSE_SHOWN_MAX: usize = 700;
const PROSE_COLUMNS: usize = 92;
const READY_WITHIN: Duration = Duration::from_secs(10);

pub(crate) struct Stage {
    out: Stdout,
    node: NodeProcess,
    client: Client,
    data: PathBuf,
    /// Removed at the end.
    _temporary: Option<TempDir>,
    steps: u32,
    checks: u32,
    failed: u32,
}

/// A request to show and send.
pub(crate) struct Step<'a> {
    pub(crate) method: &'a str,
    /// Path and query, percent-encoded.
    pub(crate) path: &'a str,
    pub(crate) headers: &'a [(&'a str, &'a str)],
    /// The content type and the body.
    pub(crate) body: Option<(&'a str, &'a str)>,
}

impl<'a> Step<'a> {
    pub(crate) fn get(path: &'a str) -> Self {
        Self { method: "GET", path, headers: &[], body: None }
    }

    /// One event, appended.
    pub(crate) fn append(path: &'a str, event: &'a str) -> Self {
        Self { method: "POST", path, headers: &[], body: Some(("application/json", event)) }
    }

    pub(crate) fn headers(self, headers: &'a [(&'a str, &'a str)]) -> Self {
        Self { headers, ..self }
    }

    fn curl(&self, url: &str) -> String {
        let mut line = String::from("curl -s");
        if self.method != "GET" && !(self.method == "POST" && self.body.is_some()) {
            let _ = write!(line, " -X {}", self.method);
        }
        for (name, value) in self.headers {
            let _ = write!(line, " -H {}", quoted(&format!("{name}: {value}")));
        }
        if let Some((content_type, body)) = self.body {
            let _ = write!(line, " -H 'content-type: {content_type}' -d {}", quoted(body));
        }
        let _ = write!(line, " {}", quoted(&format!("{url}{}", self.path)));
        line
    }
}

/// Wraps prose at a readable length. Lines that begin with a space are already laid out.
fn wrapped(text: &str) -> String {
    let lines =
        text.split('\n').map(|line| if line.starts_with(' ') { line.to_owned() } else { wrapped_line(line) });
    lines.collect::<Vec<_>>().join("\n")
}

fn wrapped_line(line: &str) -> String {
    let (mut out, mut column) = (String::new(), 0);
    for word in line.split(' ') {
        let length = word.chars().count();
        if column > 0 && column + 1 + length > PROSE_COLUMNS {
            out.push('\n');
            column = 0;
        } else if column > 0 {
            out.push(' ');
            column += 1;
        }
        out.push_str(word);
        column += length;
    }
    out
}

/// Quotes a text for a shell, if it needs quotes.
fn quoted(text: &str) -> String {
    if text.chars().all(|c| c.is_ascii_alphanumeric() || "-_./:".contains(c)) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

impl Stage {
    pub(crate) fn open(data: Option<&Path>) -> Result<Self> {
        let temporary = if data.is_none() {
            Some(tempfile::Builder::new().prefix("mainstay-tour-").tempdir()?)
        } else {
            None
        };
        let directory =
            data.map(Path::to_owned).or_else(|| temporary.as_ref().map(|it| it.path().to_owned()));
        let data = directory.ok_or_else(|| Failure::local("no directory for the data"))?;
        if data.read_dir().is_ok_and(|mut entries| entries.next().is_some()) {
            return Err(Failure::usage(format!(
                "{} is not empty; the tour needs an empty directory",
                data.display()
            )));
        }
        let node = NodeProcess::start(&data)?;
        let client = ready_client(node.url())?;
        let mut stage =
            Self { out: stdout(), node, client, data, _temporary: temporary, steps: 0, checks: 0, failed: 0 };
        let (pid, url, data) =
            (stage.node.id(), stage.node.url().to_owned(), stage.data.display().to_string());
        stage.say(&format!("A node for this tour runs at {url} (process {pid}) with its data in {data}."))?;
        Ok(stage)
    }

    pub(crate) fn heading(&mut self, number: u32, chapter: &Chapter) -> Result {
        writeln!(self.out, "\n{HEADING}{number}. {}{HEADING:#}", chapter.title)?;
        self.say(chapter.about)
    }

    /// Prints text between the steps.
    pub(crate) fn say(&mut self, text: &str) -> Result {
        writeln!(self.out, "{}", wrapped(text))?;
        Ok(self.out.flush()?)
    }

    /// Shows a shell command whose effect the tour produces itself.
    pub(crate) fn command(&mut self, line: &str) -> Result {
        self.steps += 1;
        writeln!(self.out, "\n  {COMMAND}$ {line}{COMMAND:#}")?;
        Ok(self.out.flush()?)
    }

    /// Sends a request, shows it as a curl command with its response, and checks the status.
    pub(crate) fn step(&mut self, words: &str, step: &Step<'_>, status: u16) -> Result<Response> {
        writeln!(self.out, "\n{}", wrapped(words))?;
        self.steps += 1;
        writeln!(self.out, "  {COMMAND}$ {}{COMMAND:#}", step.curl(self.node.url()))?;
        let mut request = Request::new(step.method, step.path)?;
        for (name, value) in step.headers {
            request = request.header(name, *value)?;
        }
        if let Some((content_type, body)) = step.body {
            request = request.body(content_type, body);
        }
        let response = self.client.send(&request)?;
        if response.status >= 400 {
            writeln!(self.out, "  {QUIET}HTTP {}{QUIET:#}", response.status)?;
        }
        self.show(&response)?;
        if response.status != status {
            self.check(&format!("the status is {status}, not {}", response.status), Promise::Broken)?;
        }
        Ok(response)
    }

    fn show(&mut self, response: &Response) -> Result {
        let text = String::from_utf8_lossy(&response.body);
        let shown: String = text.trim_end().chars().take(RESPONSE_SHOWN_MAX).collect();
        for line in shown.lines() {
            writeln!(self.out, "  {line}")?;
        }
        if shown.len() < text.trim_end().len() {
            writeln!(self.out, "  {QUIET}... ({} bytes in all){QUIET:#}", response.body.len())?;
        }
        Ok(())
    }

    /// Prints a promise and whether it was kept.
    pub(crate) fn check(&mut self, promise: &str, kept: Promise) -> Result {
        self.checks += 1;
        match kept {
            Promise::Kept => writeln!(self.out, "  {GOOD}✓ {promise}{GOOD:#}")?,
            Promise::Broken => {
                self.failed += 1;
                writeln!(self.out, "  {BAD}✗ {promise}{BAD:#}")?;
            }
        }
        Ok(self.out.flush()?)
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    pub(crate) fn url(&self) -> &str {
        self.node.url()
    }

    pub(crate) fn process(&self) -> u32 {
        self.node.id()
    }

    /// kill -9.
    pub(crate) fn kill(&mut self) -> Result {
        self.node.kill().map(drop)
    }

    /// Starts a new process on the same data; returns how long it took to become ready.
    pub(crate) fn restart(&mut self) -> Result<Duration> {
        let began = Instant::now();
        self.node = NodeProcess::start(&self.data)?;
        self.client = ready_client(self.node.url())?;
        Ok(began.elapsed())
    }

    pub(crate) fn data(&self) -> &Path {
        &self.data
    }

    pub(crate) fn steps(&self) -> u32 {
        self.steps
    }

    pub(crate) fn checks(&self) -> u32 {
        self.checks
    }

    pub(crate) fn failed(&self) -> u32 {
        self.failed
    }
}

/// Whether a promise was kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Promise {
    Kept,
    Broken,
}

/// Kept, if the condition holds.
pub(crate) fn kept_if(so: impl Into<bool>) -> Promise {
    if so.into() { Promise::Kept } else { Promise::Broken }
}

/// A response's body as JSON; null if it is not JSON, so that a check on it fails.
pub(crate) fn json(response: &Response) -> Value {
    serde_json::from_slice(&response.body).unwrap_or_default()
}

fn ready_client(url: &str) -> Result<Client> {
    let client = mainstay_client::Client::builder(url).retry(Retry::never()).build_blocking()?;
    let (ready, began) = (Request::new("GET", "/readyz")?, Instant::now());
    loop {
        match client.send(&ready) {
            Ok(response) if response.status == 200 => return Ok(client),
            _ if began.elapsed() < READY_WITHIN => std::thread::sleep(Duration::from_millis(2)),
            Ok(response) => {
                let body = String::from_utf8_lossy(&response.body).into_owned();
                return Err(Failure::new(
                    Class::Unavailable,
                    format!("the node did not become ready: {body}"),
                ));
            }
            Err(error) => return Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prose_is_wrapped_between_words_and_layout_is_left_alone() {
        let long = "word ".repeat(30);
        let lines: Vec<String> = wrapped(long.trim()).lines().map(str::to_owned).collect();
        assert!(lines.len() == 2 && lines.iter().all(|line| line.len() <= PROSE_COLUMNS), "{lines:?}");
        let laid_out = format!("  {long}");
        assert_eq!(wrapped(&laid_out), laid_out);
        assert_eq!(wrapped("\na b\n"), "\na b\n");
    }

    #[test]
    fn curl_lines_can_be_pasted_into_a_shell() {
        for (step, want) in [
            (Step::get("/v1/streams/a/events?limit=1"), "curl -s 'http://h/v1/streams/a/events?limit=1'"),
            (
                Step::append("/v1/x", r#"{"a":"it's"}"#).headers(&[("if-match", "\"1\"")]),
                r#"curl -s -H 'if-match: "1"' -H 'content-type: application/json' -d '{"a":"it'\''s"}' http://h/v1/x"#,
            ),
            (Step { method: "DELETE", path: "/x", headers: &[], body: None }, "curl -s -X DELETE http://h/x"),
        ] {
            assert_eq!(step.curl("http://h"), want);
        }
    }
}
