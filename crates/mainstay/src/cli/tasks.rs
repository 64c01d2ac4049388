//! `mainstay tasks`, `queues` and `dead-letters`: what is in the queues.

use super::Global;
use super::failure::{Failure, Result};
use super::output::{Align, Output, Table, stdout};
use super::work::{Span, parse_span};
use mainstay_client::{Client, QueueInfo, TaskInfo, TaskState};
use std::io::Write;
use std::time::Duration;

#[derive(Debug, clap::Args)]
pub(crate) struct TasksArgs {
    /// The queue
    queue: String,
    /// Only this task
    id: Option<String>,
    /// Wait up to this long, such as 30s, until the task has ended
    #[arg(long, value_name = "TIME", value_parser = parse_span, requires = "id")]
    wait: Option<Span>,
    /// Only tasks in this state
    #[arg(long, value_enum, conflicts_with = "id")]
    state: Option<State>,
    /// Show at most this many tasks
    #[arg(long, value_name = "COUNT", default_value_t = 100)]
    limit: usize,
}

/// A task's state, as it is typed.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum State {
    Delayed,
    Blocked,
    Ready,
    Running,
    Done,
    Dead,
    Cancelled,
}

impl From<State> for TaskState {
    fn from(state: State) -> Self {
        match state {
            State::Delayed => Self::Delayed,
            State::Blocked => Self::Blocked,
            State::Ready => Self::Ready,
            State::Running => Self::Running,
            State::Done => Self::Done,
            State::Dead => Self::Dead,
            State::Cancelled => Self::Cancelled,
        }
    }
}

#[derive(Debug, clap::Args)]
pub(crate) struct DeadLettersArgs {
    /// The queue
    queue: String,
    /// Put this task back into the queue; may be repeated
    #[arg(long, value_name = "ID", conflicts_with = "drop")]
    replay: Vec<String>,
    /// Remove this task for good; may be repeated
    #[arg(long, value_name = "ID")]
    drop: Vec<String>,
    /// Show at most this many tasks
    #[arg(long, value_name = "COUNT", default_value_t = 100)]
    limit: usize,
}

pub(crate) fn tasks(global: &Global, args: &TasksArgs) -> Result {
    if let Some(id) = &args.id {
        let wait = args.wait.as_ref().map_or(Duration::ZERO, |span| span.0);
        let task =
            global.run(async |client| Ok(client.queue(&args.queue).task_once_ended(id, wait).await?))?;
        return show(global, &[task]);
    }
    let state = args.state.map(TaskState::from);
    let tasks = global.run(async |client| list(&client, &args.queue, state, args.limit).await)?;
    show(global, &tasks)
}

pub(crate) fn dead_letters(global: &Global, args: &DeadLettersArgs) -> Result {
    let tasks = global.run(async |client| {
        let queue = client.queue(&args.queue);
        for id in &args.replay {
            queue.replay(id).await?;
        }
        for id in &args.drop {
            queue.drop_dead_letter(id).await?;
        }
        if !args.replay.is_empty() || !args.drop.is_empty() {
            return Ok(None);
        }
        list(&client, &args.queue, Some(TaskState::Dead), args.limit).await.map(Some)
    })?;
    match tasks {
        Some(tasks) => show(global, &tasks),
        None => Ok(()),
    }
}

async fn list(client: &Client, queue: &str, state: Option<TaskState>, limit: usize) -> Result<Vec<TaskInfo>> {
    let queue = client.queue(queue);
    let mut page = queue.tasks(state, u32::try_from(limit.clamp(1, 1_000)).unwrap_or(1_000)).await?;
    let mut tasks = page.tasks;
    while let Some(next) = page.next.filter(|_| tasks.len() < limit) {
        page = queue.next_tasks(&next).await?;
        tasks.append(&mut page.tasks);
    }
    tasks.truncate(limit);
    Ok(tasks)
}

fn show(global: &Global, tasks: &[TaskInfo]) -> Result {
    let mut out = stdout();
    match global.output {
        Output::Table => {
            let columns = [
                ("ID", Align::Left),
                ("TYPE", Align::Left),
                ("STATE", Align::Left),
                ("ATTEMPTS", Align::Right),
                ("ENQUEUED", Align::Left),
                ("LAST FAILURE", Align::Left),
            ];
            let mut table = Table::new(out, &columns);
            for task in tasks {
                let failure = task.failures.last().map(|failure| {
                    format!("{}: {}", failure.class, failure.message.as_deref().unwrap_or_default())
                });
                table.row(vec![
                    task.id.clone(),
                    task.task_type.clone(),
                    task.state.to_string(),
                    task.attempts.to_string(),
                    task.enqueued.clone(),
                    failure.unwrap_or_else(|| "-".into()).replace(char::is_control, " "),
                ])?;
            }
            return Ok(table.flush()?);
        }
        Output::Json => {
            serde_json::to_writer(&mut out, tasks).map_err(Failure::local)?;
            writeln!(out)?;
        }
        Output::Jsonl => {
            for task in tasks {
                serde_json::to_writer(&mut out, task).map_err(Failure::local)?;
                writeln!(out)?;
            }
        }
    }
    Ok(out.flush()?)
}

pub(crate) fn queues(global: &Global) -> Result {
    let queues: Vec<QueueInfo> = global.run(async |client| {
        let mut queues = Vec::new();
        for name in client.queues().await? {
            queues.push(client.queue(&name).info().await?);
        }
        Ok(queues)
    })?;
    let mut out = stdout();
    match global.output {
        Output::Table => {
            let columns = ["READY", "DELAYED", "BLOCKED", "RUNNING", "DEAD", "OLDEST READY"];
            let columns: Vec<_> = std::iter::once(("QUEUE", Align::Left))
                .chain(columns.into_iter().map(|name| (name, Align::Right)))
                .collect();
            let mut table = Table::new(out, &columns);
            for queue in queues {
                let depth = queue.depth;
                let counts = [depth.ready, depth.delayed, depth.blocked, depth.running, depth.dead];
                let mut row = vec![queue.queue];
                row.extend(counts.map(|count| count.to_string()));
                row.push(depth.oldest_ready_age.unwrap_or_else(|| "-".into()));
                table.row(row)?;
            }
            return Ok(table.flush()?);
        }
        Output::Json => {
            serde_json::to_writer(&mut out, &queues).map_err(Failure::local)?;
            writeln!(out)?;
        }
        Output::Jsonl => {
            for queue in queues {
                serde_json::to_writer(&mut out, &queue).map_err(Failure::local)?;
                writeln!(out)?;
            }
        }
    }
    Ok(out.flush()?)
}
