//! `mainstay queues`: what is in the queues, and their settings.

use super::Global;
use super::append::json;
use super::failure::{Failure, Result};
use super::output::{Align, Output, Table, print_json, print_list, stdout};
use mainstay_client::{Depth, QueueInfo, QueueSettings};
use std::io::Write;

const DEPTH: [&str; 6] = ["READY", "DELAYED", "BLOCKED", "RUNNING", "DEAD", "OLDEST READY"];

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// List queues with the number of their tasks (the default)
    List,
    /// Show a queue: its settings, and the tasks of each type
    Show(Name),
    /// Replace all settings of a queue; a setting that is not given has its default
    Set {
        /// The queue
        queue: String,
        /// The settings as JSON, as `PUT /v1/queues/{queue}` takes them, or `-` to read them from standard input
        settings: String,
    },
    /// Give out no tasks of a queue until it is resumed
    ///
    /// Tasks that run go on, and tasks can be enqueued. All other settings stay: they are read and written again, so
    /// do not change them from elsewhere at the same moment.
    Pause(Name),
    /// Give out the tasks of a paused queue again
    Resume(Name),
}

#[derive(Debug, clap::Args)]
struct Name {
    /// The queue
    queue: String,
}

pub(crate) fn run(global: &Global, args: Args) -> Result {
    match args.command.unwrap_or(Command::List) {
        Command::List => list(global),
        Command::Show(Name { queue }) => show(global, &queue),
        Command::Set { queue, settings } => {
            let body = json(settings)?.get().as_bytes().to_vec();
            global.run(async |client| Ok(client.queue(&queue).put_settings_of(body).await?))
        }
        Command::Pause(Name { queue }) => set_paused(global, &queue, Some(true)),
        Command::Resume(Name { queue }) => set_paused(global, &queue, None),
    }
}

fn set_paused(global: &Global, queue: &str, paused: Option<bool>) -> Result {
    global.run(async |client| {
        let queue = client.queue(queue);
        let settings = QueueSettings { paused, ..queue.info().await?.settings };
        Ok(queue.put_settings(&settings).await?)
    })
}

fn list(global: &Global) -> Result {
    let queues: Vec<QueueInfo> = global.run(async |client| {
        let mut queues = Vec::new();
        for name in client.queues().await? {
            queues.push(client.queue(&name).info().await?);
        }
        Ok(queues)
    })?;
    print_list(global.output, &queues, &columns("QUEUE"), |table, queue| {
        table.row(row(&queue.queue, &queue.depth))
    })
}

fn show(global: &Global, queue: &str) -> Result {
    let info = global.run(async |client| Ok(client.queue(queue).info().await?))?;
    if global.output != Output::Table {
        return print_json(&info);
    }
    let mut out = stdout();
    let settings = serde_json::to_string(&info.settings).map_err(Failure::local)?;
    writeln!(out, "settings {settings}\n")?;
    let mut table = Table::new(out, &columns("TYPE"));
    for depth in &info.types {
        let name = depth.members.get("type").and_then(|name| name.as_str()).unwrap_or_default();
        table.row(row(&name.replace(char::is_control, " "), depth))?;
    }
    table.row(row("(all)", &info.depth))?;
    Ok(table.flush()?)
}

fn columns(first: &'static str) -> Vec<(&'static str, Align)> {
    std::iter::once((first, Align::Left)).chain(DEPTH.map(|name| (name, Align::Right))).collect()
}

fn row(name: &str, depth: &Depth) -> Vec<String> {
    let counts = [depth.ready, depth.delayed, depth.blocked, depth.running, depth.dead];
    let mut row = vec![name.to_owned()];
    row.extend(counts.map(|count| count.to_string()));
    row.push(depth.oldest_ready_age.clone().unwrap_or_else(|| "-".into()));
    row
}
