//! `mainstay enqueue`: one task, built from the arguments.

use super::Global;
use super::append::json;
use super::failure::{Failure, Result};
use super::output::{Output, stdout};
use super::work::{Span, parse_span};
use mainstay_client::{NewTask, Unique};
use std::io::Write;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The queue
    queue: String,
    /// The task's type, such as report.monthly
    #[arg(value_name = "TYPE")]
    task_type: String,
    /// The task's payload as JSON, or `-` to read it from standard input
    payload: Option<String>,
    /// The task's id; repeating the command with the same id changes nothing [default: a new id]
    #[arg(long)]
    id: Option<String>,
    /// From 0 to 9; tasks with a higher priority run first [default: 5]
    #[arg(long, value_parser = clap::value_parser!(u8).range(0..=9))]
    priority: Option<u8>,
    /// Tasks with the same key run one at a time, in order
    #[arg(long)]
    key: Option<String>,
    /// The tenant from whose share of the claims the task is served
    #[arg(long, value_name = "TENANT")]
    fair: Option<String>,
    /// Do not run the task before this much time has passed, such as 5m
    #[arg(long, value_name = "TIME", value_parser = parse_span, conflicts_with = "run_after")]
    delay: Option<Span>,
    /// Do not run the task before this RFC 3339 time
    #[arg(long, value_name = "TIME")]
    run_after: Option<String>,
    /// Do not add the task while another one with this unique key is unfinished
    #[arg(long, value_name = "KEY")]
    unique: Option<String>,
    /// Instead, do not add it while the other one waits, or let it take that one's place; either way, it waits behind
    /// one that runs
    #[arg(long, value_enum, value_name = "MODE", requires = "unique", default_value = "existing")]
    unique_mode: Mode,
    /// Begin no attempt at or after this RFC 3339 time
    #[arg(long, value_name = "TIME")]
    deadline: Option<String>,
    /// A tag; may be repeated
    #[arg(long = "tag", value_name = "TEXT")]
    tags: Vec<String>,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Mode {
    Existing,
    OneWaiting,
    Replace,
}

impl From<Mode> for Unique {
    fn from(mode: Mode) -> Self {
        match mode {
            Mode::Existing => Self::Existing,
            Mode::OneWaiting => Self::OneWaiting,
            Mode::Replace => Self::Replace,
        }
    }
}

pub(crate) fn run(global: &Global, args: Args) -> Result {
    let mut task = NewTask::new(args.task_type);
    if let Some(payload) = args.payload {
        task = task.payload(&json(payload)?)?;
    }
    if let Some(id) = args.id {
        task = task.id(id);
    }
    if let Some(priority) = args.priority {
        task = task.priority(priority);
    }
    if let Some(key) = args.key {
        task = task.key(key);
    }
    if let Some(tenant) = args.fair {
        task = task.fair(tenant);
    }
    if let Some(delay) = args.delay {
        task = task.delay(delay.0);
    }
    if let Some(time) = args.run_after {
        task = task.run_after(time);
    }
    if let Some(key) = args.unique {
        task = task.unique(key, args.unique_mode.into());
    }
    if let Some(time) = args.deadline {
        task = task.deadline(time);
    }
    for tag in args.tags {
        task = task.tag(tag);
    }
    let enqueued = global.run(async |client| Ok(client.queue(&args.queue).enqueue(&task).await?))?;
    let mut out = stdout();
    match global.output {
        Output::Table => {
            let note = if enqueued.replayed || enqueued.existing { " (existed already)" } else { "" };
            writeln!(out, "{} task {}{note}", args.queue, enqueued.id)?;
        }
        Output::Json | Output::Jsonl => {
            serde_json::to_writer(&mut out, &enqueued).map_err(Failure::local)?;
            writeln!(out)?;
        }
    }
    Ok(out.flush()?)
}
