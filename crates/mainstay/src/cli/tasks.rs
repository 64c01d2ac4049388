//! `mainstay tasks`, `cancel` and `dead-letters`: the tasks of the queues.

use super::Global;
use super::append::json;
use super::failure::{Failure, Result};
use super::output::{Align, Output, print_list, stdout};
use super::work::{Span, parse_span};
use mainstay_client::{Changed, Client, DeadLetterClass, Replay, TaskInfo, TaskState, Which};
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
pub(crate) struct CancelArgs {
    /// The queue
    queue: String,
    /// The tasks
    #[arg(required_unless_present = "all")]
    ids: Vec<String>,
    /// Cancel all unfinished tasks, or those of `--state` and `--type`
    #[arg(long, conflicts_with = "ids")]
    all: bool,
    /// Only tasks in this state
    #[arg(long, value_enum, requires = "all")]
    state: Option<State>,
    /// Only tasks of this type
    #[arg(long = "type", value_name = "TYPE", requires = "all")]
    task_type: Option<String>,
}

pub(crate) fn cancel(global: &Global, args: &CancelArgs) -> Result {
    let done = global.run(async |client| {
        let queue = client.queue(&args.queue);
        for id in &args.ids {
            queue.cancel(id).await?;
        }
        if !args.all {
            return Ok(None);
        }
        let state = args.state.map(TaskState::from);
        let which = Which { class: None, task_type: args.task_type.clone(), state };
        Ok(Some(queue.cancel_many(&which).await?))
    })?;
    done.map_or(Ok(()), |done| show_changed(global, done, "cancelled"))
}

fn show_changed(global: &Global, done: Changed, verb: &str) -> Result {
    let mut out = stdout();
    match global.output {
        Output::Table if done.kept > 0 => {
            writeln!(out, "{} tasks {verb}, {} kept", done.changed, done.kept)?;
        }
        Output::Table => writeln!(out, "{} tasks {verb}", done.changed)?,
        Output::Json | Output::Jsonl => {
            serde_json::to_writer(&mut out, &done).map_err(Failure::local)?;
            writeln!(out)?;
        }
    }
    Ok(out.flush()?)
}

#[derive(Debug, clap::Args)]
#[command(group(clap::ArgGroup::new("many").args(["replay_all", "drop_all"])))]
pub(crate) struct DeadLettersArgs {
    /// The queue
    queue: String,
    /// Put this task back into the queue; may be repeated
    #[arg(long, value_name = "ID", conflicts_with = "drop")]
    replay: Vec<String>,
    /// Remove this task for good; may be repeated
    #[arg(long, value_name = "ID")]
    drop: Vec<String>,
    /// Put all back into the queue, or those of `--class` and `--type`
    #[arg(long, conflicts_with_all = ["replay", "drop", "drop_all"])]
    replay_all: bool,
    /// Remove all for good, or those of `--class` and `--type`
    #[arg(long, conflicts_with_all = ["replay", "drop"])]
    drop_all: bool,
    /// Only those whose last failure has this class
    #[arg(long, requires = "many")]
    class: Option<String>,
    /// Only tasks of this type
    #[arg(long = "type", value_name = "TYPE", requires = "many")]
    task_type: Option<String>,
    /// Put them into this queue instead
    #[arg(long, value_name = "QUEUE", conflicts_with_all = ["drop", "drop_all"])]
    to: Option<String>,
    /// Give the task that is put back this payload, as JSON
    #[arg(long, value_name = "JSON", requires = "replay")]
    payload: Option<String>,
    /// Show the number of dead letters of each class of failures
    #[arg(long, conflicts_with_all = ["replay", "drop", "replay_all", "drop_all"])]
    classes: bool,
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
    if args.classes {
        let classes =
            global.run(async |client| Ok(client.queue(&args.queue).dead_letter_classes().await?))?;
        return show_classes(global, &classes);
    }
    if args.replay_all || args.drop_all {
        let which = Which { class: args.class.clone(), task_type: args.task_type.clone(), state: None };
        let done = global.run(async |client| {
            let queue = client.queue(&args.queue);
            Ok(if args.drop_all {
                queue.drop_many(&which).await?
            } else {
                queue.replay_many(&which, args.to.as_deref()).await?
            })
        })?;
        return show_changed(global, done, if args.drop_all { "dropped" } else { "replayed" });
    }
    let mut replay = Replay::default();
    if let Some(payload) = &args.payload {
        replay = replay.payload(&json(payload.clone())?)?;
    }
    if let Some(to) = &args.to {
        replay = replay.to(to);
    }
    let is_plain = args.payload.is_none() && args.to.is_none();
    let tasks = global.run(async |client| {
        let queue = client.queue(&args.queue);
        for id in &args.replay {
            if is_plain {
                queue.replay(id).await?;
            } else {
                queue.replay_as(id, &replay).await?;
            }
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

fn show_classes(global: &Global, classes: &[DeadLetterClass]) -> Result {
    print_list(global.output, classes, &[("TASKS", Align::Right), ("CLASS", Align::Left)], |table, class| {
        table.row(vec![class.tasks.to_string(), class.class.replace(char::is_control, " ")])
    })
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
    let columns = [
        ("ID", Align::Left),
        ("TYPE", Align::Left),
        ("STATE", Align::Left),
        ("ATTEMPTS", Align::Right),
        ("ENQUEUED", Align::Left),
        ("LAST FAILURE", Align::Left),
    ];
    print_list(global.output, tasks, &columns, |table, task| {
        let failure = task
            .failures
            .last()
            .map(|failure| format!("{}: {}", failure.class, failure.message.as_deref().unwrap_or_default()));
        table.row(vec![
            task.id.clone(),
            task.task_type.clone(),
            task.state.to_string(),
            task.attempts.to_string(),
            task.enqueued.clone(),
            failure.unwrap_or_else(|| "-".into()).replace(char::is_control, " "),
        ])
    })
}
