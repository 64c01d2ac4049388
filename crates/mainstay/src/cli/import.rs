//! `mainstay import`: lines for many streams, with progress, and a reckoning at the end.

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

/// Refusals that `--output json` lists; the counts go on.
const REFUSALS_LISTED_MAX: usize = 1_000;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The file, or `-` for standard input: a CloudEvent in JSON on each line, with one member more, `stream`
    file: PathBuf,
}

/// What has become of the lines so far.
#[derive(Debug, Default)]
struct Reckoning {
    appended: u64,
    replayed: u64,
    refused: u64,
    /// The first refusals, and the class of the first.
    refusals: Vec<Value>,
    class: Option<Class>,
}

impl Reckoning {
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
    let mut reckoning = Reckoning::default();
    for line in client.import(input) {
        let line = line.inspect_err(|_| say_where_it_stopped(&bar, &reckoning))?;
        if global.output == Output::Jsonl {
            writeln!(out, "{}", as_json(&line))?;
        }
        match &line.outcome {
            ImportOutcome::Appended { .. } => reckoning.appended += 1,
            ImportOutcome::Replayed { .. } => reckoning.replayed += 1,
            ImportOutcome::Refused(problem) => {
                bar.suspend(|| anstream::eprintln!("line {}: {problem}", line.line));
                reckoning.refuse(line.line, problem);
            }
        }
        if reckoning.lines() % 64 == 0 {
            bar.set_message(reckoning.counts());
        }
    }
    bar.finish_and_clear();
    report(&mut out, global.output, &reckoning, started.elapsed())?;
    match reckoning.class {
        None => Ok(()),
        Some(class) => Err(Failure::new(
            class,
            format!("{} of {} lines were refused", reckoning.refused, reckoning.lines()),
        )),
    }
}

fn open(args: &Args) -> Result<Box<dyn Read + Send>> {
    if args.file.as_os_str() == "-" {
        return Ok(Box::new(io::stdin()));
    }
    let file = File::open(&args.file)
        .map_err(|error| Failure::local(format!("{} cannot be read: {error}", args.file.display())))?;
    Ok(Box::new(file))
}

/// A bar over the bytes of a file, or a count of those of a pipe. Drawn on standard error, and only where that
/// is a terminal.
fn progress(args: &Args) -> Result<ProgressBar> {
    let length = std::fs::metadata(&args.file).ok().filter(|file| file.is_file()).map(|file| file.len());
    let (bar, template) = match length {
        Some(length) => (ProgressBar::new(length), "{bar:30} {percent:>3}%  {msg}"),
        None => (ProgressBar::new_spinner(), "{spinner} {bytes}  {msg}"),
    };
    bar.set_style(ProgressStyle::with_template(template).map_err(Failure::local)?);
    Ok(bar)
}

fn say_where_it_stopped(bar: &ProgressBar, reckoning: &Reckoning) {
    bar.finish_and_clear();
    if reckoning.lines() == 0 {
        return;
    }
    anstream::eprintln!("stopped after {} lines: {}", reckoning.lines(), reckoning.counts());
    anstream::eprintln!(
        "Importing the same lines again is safe: what is there already is not appended twice."
    );
}

fn report(out: &mut Stdout, output: Output, reckoning: &Reckoning, took: Duration) -> Result {
    let (lines, seconds) = (reckoning.lines(), took.as_secs_f64());
    match output {
        Output::Table => {
            writeln!(out, "{lines} lines in {seconds:.1} s: {}", reckoning.counts())?;
        }
        Output::Json | Output::Jsonl => {
            let mut summary = json!({
                "lines": lines,
                "appended": reckoning.appended,
                "replayed": reckoning.replayed,
                "refused": reckoning.refused,
                "seconds": (seconds * 1e3).round() / 1e3,
            });
            if output == Output::Json {
                summary["refusals"] = Value::Array(reckoning.refusals.clone());
            } else {
                summary = json!({ "summary": summary });
            }
            writeln!(out, "{summary}")?;
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
