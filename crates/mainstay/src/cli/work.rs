//! `mainstay work`: a worker that runs a command for each task.

use super::Global;
use super::failure::Result;
use mainstay_client::{ClaimedTask, TaskError, Worker};
use serde_json::Value;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::Command;
use tokio::signal::unix::{SignalKind, signal};

/// How much of the end of standard error becomes the message of a failure.
const MESSAGE_BYTES_MAX: usize = 1 << 10;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The queue
    queue: String,
    /// Only tasks of this type; may be repeated [default: all]
    #[arg(long = "type", value_name = "TYPE")]
    types: Vec<String>,
    /// How many commands run at the same time
    #[arg(long, value_name = "COUNT", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    concurrency: u32,
    /// How long a claim lasts without a heartbeat, such as 30s [default: what the task or the queue says]
    #[arg(long, value_name = "TIME", value_parser = parse_span)]
    claim_timeout: Option<Span>,
    /// How long running commands may take to finish when the worker stops
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = parse_span)]
    grace: Span,
    /// The command and its arguments
    #[arg(last = true, required = true)]
    command: Vec<String>,
}

/// A duration as it is typed: a whole number and a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span(pub(super) Duration);

pub(super) fn parse_span(text: &str) -> Result<Span, &'static str> {
    let ms = api::time::parse_duration_ms(text);
    ms.map(|ms| Span(Duration::from_millis(ms)))
        .ok_or("expected a whole number and a unit (ms, s, m, h, d or w), such as 30s")
}

pub(crate) fn run(global: &Global, args: Args) -> Result {
    let summary = global.run(async |client| {
        let (mut terminate, mut interrupt) =
            (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        let stop = async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        };
        let mut worker =
            Worker::new(client.queue(&args.queue)).concurrency(args.concurrency).grace(args.grace.0);
        if let Some(timeout) = args.claim_timeout {
            worker = worker.claim_timeout(timeout.0);
        }
        let (queue, command): (Arc<str>, Arc<[String]>) = (args.queue.into(), args.command.into());
        let run = move |task| run_command(Arc::clone(&queue), Arc::clone(&command), task);
        worker = if args.types.is_empty() {
            worker.on_any(run)
        } else {
            args.types.iter().fold(worker, |worker, name| worker.on_task(name, run.clone()))
        };
        Ok(worker.run(stop).await?)
    })?;
    anstream::eprintln!(
        "stopped: {} completed, {} failed, {} returned, {} lost",
        summary.completed,
        summary.failed,
        summary.returned,
        summary.lost
    );
    Ok(())
}

async fn run_command(
    queue: Arc<str>,
    command: Arc<[String]>,
    task: Arc<ClaimedTask>,
) -> Result<Value, TaskError> {
    let (program, arguments) = command.split_first().ok_or_else(|| TaskError::new("no_command", ""))?;
    let mut child = Command::new(program)
        .args(arguments)
        .env("MAINSTAY_QUEUE", &*queue)
        .env("MAINSTAY_TASK_ID", &task.id)
        .env("MAINSTAY_TASK_TYPE", &task.task_type)
        .env("MAINSTAY_TASK_ATTEMPT", task.attempt.to_string())
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        // A signal that the terminal sends to the worker's group must not reach the command: it may finish.
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| TaskError::new("not_started", format!("{program}: {error}")))?;
    let (stdin, stderr) = (child.stdin.take(), child.stderr.take());
    let feed = async {
        if let Some(mut stdin) = stdin {
            // A command need not read all of its input.
            let _ = stdin.write_all(&task.payload_bytes()).await;
        }
    };
    let message = async {
        match stderr {
            Some(stderr) => copy_to_stderr(stderr).await,
            None => String::new(),
        }
    };
    let ((), message, status) = tokio::join!(feed, message, child.wait());
    outcome(status?, &message)
}

fn outcome(status: ExitStatus, message: &str) -> Result<Value, TaskError> {
    if status.success() {
        return Ok(Value::Null);
    }
    let message = message.trim();
    let message = if message.is_empty() { status.to_string() } else { format!("{status}: {message}") };
    Err(TaskError::new("exit_status", message))
}

/// Passes on what a command writes, and returns the end of it.
async fn copy_to_stderr(mut stderr: impl AsyncRead + Unpin) -> String {
    let (mut end, mut part) = (Vec::new(), [0; 4 << 10]);
    while let Ok(bytes @ 1..) = stderr.read(&mut part).await {
        let part = &part[..bytes];
        // Nobody may be listening.
        let _ = std::io::Write::write_all(&mut std::io::stderr(), part);
        end.extend_from_slice(part);
        end.drain(..end.len().saturating_sub(MESSAGE_BYTES_MAX));
    }
    String::from_utf8_lossy(&end).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_a_unit() {
        assert_eq!(parse_span("30s"), Ok(Span(Duration::from_secs(30))));
        assert!(parse_span("30").is_err());
    }
}
