//! `mainstay import`: lines for many streams, with progress and a summary.

use super::Global;
use super::failure::{Class, Failure, Result, class_of};
use super::output::{Output, Stdout, stdout};
use indicatif::{ProgressBar, ProgressStyle};
use mainstay_client::{ImportOutcome, ImportedLine, Problem};
use serde_json::{Value, json};
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// The most refusals that `--output json` lists. All are counted.
const REFUSALS_LISTED_MAX: usize = 1_000;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The file to import, or `-` for standard input. Each line is a CloudEvent in JSON with one more member,
    /// `stream`
    file: PathBuf,
}

/// The outcomes of the lines so far.
#[derive(Debug, Default)]
struct Summary {
    appended: u64,
    replayed: u64,
    refused: u64,
    /// The first refusals, and the class of the first.
    refusals: Vec<Value>,
    class: Option<Class>,
}

impl Summary {
    fn lines(&self) -> u64 {
        self.appended + self.replayed + self.refused
    }

    fn refuse(&mut self, line: u64, problem: &Problem) {
        self.refused += 1;
        self.class.get_or_insert(class_of(problem.status));
        if self.refusals.len() < REFUSALS_LISTED_MAX {
            self.refusals.push(refusal(line, problem));
        }
    }

    fn counts(&self) -> String {
        format!("{} appended, {} replayed, {} refused", self.appended, self.replayed, self.refused)
    }
}

pub(crate) fn run(global: &Global, args: &Args) -> Result {
    let client = global.client()?;
    let bar = progress(args)?;
    let input = bar.wrap_read(open(args)?);
    let (mut out, started) = (stdout(), Instant::now());
    let mut summary = Summary::default();
    for line in client.import(input) {
        let line = line.inspect_err(|_| report_stop(&bar, &summary))?;
        if global.output == Output::Jsonl {
            writeln!(out, "{}", as_json(&line))?;
        }
        match &line.outcome {
            ImportOutcome::Appended { .. } => summary.appended += 1,
            ImportOutcome::Replayed { .. } => summary.replayed += 1,
            ImportOutcome::Refused(problem) => {
                bar.suspend(|| anstream::eprintln!("line {}: {problem}", line.line));
                summary.refuse(line.line, problem);
            }
        }
        if summary.lines() % 64 == 0 {
            bar.set_message(summary.counts());
        }
    }
    bar.finish_and_clear();
    print(&mut out, global.output, &summary, started.elapsed())?;
    match summary.class {
        None => Ok(()),
        Some(class) => {
            Err(Failure::new(class, format!("{} of {} lines were refused", summary.refused, summary.lines())))
        }
    }
}

fn open(args: &Args) -> Result<Box<dyn Read + Send>> {
    if args.file.as_os_str() == "-" {
        return Ok(Box::new(io::stdin()));
    }
    let file = File::open(&args.file)
        .map_err(|error| Failure::local(format!("cannot read {}: {error}", args.file.display())))?;
    Ok(Box::new(file))
}

/// A bar over the bytes of a file, or a count of the bytes of a pipe. Drawn on standard error if that is a
/// terminal.
fn progress(args: &Args) -> Result<ProgressBar> {
    let length = std::fs::metadata(&args.file).ok().filter(|file| file.is_file()).map(|file| file.len());
    let (bar, template) = match length {
        Some(length) => (ProgressBar::new(length), "{bar:30} {percent:>3}%  {msg}"),
        None => (ProgressBar::new_spinner(), "{spinner} {bytes}  {msg}"),
    };
    bar.set_style(ProgressStyle::with_template(template).map_err(Failure::local)?);
    Ok(bar)
}

fn report_stop(bar: &ProgressBar, summary: &Summary) {
    bar.finish_and_clear();
    if summary.lines() == 0 {
        return;
    }
    anstream::eprintln!("stopped after {} lines: {}", summary.lines(), summary.counts());
    anstream::eprintln!(
        "Importing the same lines again is safe: events that exist already are not appended twice."
    );
}

fn print(out: &mut Stdout, output: Output, summary: &Summary, took: Duration) -> Result {
    let (lines, seconds) = (summary.lines(), took.as_secs_f64());
    match output {
        Output::Table => {
            writeln!(out, "{lines} lines in {seconds:.1} s: {}", summary.counts())?;
        }
        Output::Json | Output::Jsonl => {
            let mut report = json!({
                "lines": lines,
                "appended": summary.appended,
                "replayed": summary.replayed,
                "refused": summary.refused,
                "seconds": (seconds * 1e3).round() / 1e3,
            });
            if output == Output::Json {
                report["refusals"] = Value::Array(summary.refusals.clone());
            } else {
                report = json!({ "summary": report });
            }
            writeln!(out, "{report}")?;
        }
    }
    Ok(out.flush()?)
}

fn as_json(line: &ImportedLine) -> Value {
    let number = line.line;
    match &line.outcome {
        ImportOutcome::Appended { stream, revision, cursor } => {
            json!({"line": number, "stream": stream, "revision": revision, "cursor": cursor, "replayed": false})
        }
        ImportOutcome::Replayed { stream, revision, cursor } => {
            json!({"line": number, "stream": stream, "revision": revision, "cursor": cursor, "replayed": true})
        }
        ImportOutcome::Refused(problem) => refusal(number, problem),
    }
}

fn refusal(line: u64, problem: &Problem) -> Value {
    json!({"line": line, "problem": problem})
}
