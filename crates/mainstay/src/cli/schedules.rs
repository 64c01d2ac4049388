//! `mainstay schedules`: put schedules, look at them, fire them.

use super::Global;
use super::append::json;
use super::failure::Result;
use super::output::{Align, Output, Table, print_json, print_list, stdout};
use mainstay_client::{
    BackfillOverlap, Schedule, ScheduleControlled, ScheduleInfo, SchedulePut, ScheduleSet, ScheduledTask,
};
use std::io::Write;

#[derive(Debug, clap::Subcommand)]
#[expect(clippy::large_enum_variant, reason = "there is one in a process")]
pub(crate) enum Command {
    /// Put a schedule: at each of its ticks, a task is enqueued
    ///
    /// A schedule that has changed begins again from now. Putting it as it is changes nothing.
    Put(PutArgs),
    /// List schedules
    List,
    /// Show a schedule with its next ticks and last runs
    Show(Name),
    /// Stop the ticks of a schedule
    Pause(Name),
    /// Let a paused schedule go on from now
    Resume(Name),
    /// Enqueue a schedule's task now
    Fire(FireArgs),
    /// Enqueue a task for each tick of a range in the past
    Backfill(BackfillArgs),
    /// Delete a schedule; its tasks stay in their queue
    Delete(Name),
    /// Put all schedules of an owner, and delete those that it had put before and does not name any more
    PutSet(PutSetArgs),
    /// List the schedules of an owner
    ShowSet {
        /// The owner, such as the name of a program
        owner: String,
    },
}

#[derive(Debug, clap::Args)]
pub(crate) struct PutSetArgs {
    /// The owner, such as the name of a program
    owner: String,
    /// The schedules as JSON, as `PUT /v1/schedule-sets/{owner}` takes them, or `-` to read them from standard input
    set: String,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Name {
    /// The schedule
    schedule: String,
}

#[derive(Debug, clap::Args)]
pub(crate) struct PutArgs {
    /// The schedule
    schedule: String,
    /// The queue of its tasks
    queue: String,
    /// The type of its tasks
    #[arg(value_name = "TYPE")]
    task_type: String,
    /// The payload of its tasks as JSON, or `-` to read it from standard input
    payload: Option<String>,
    /// When it is due, such as "0 2 * * *": minute, hour, day of the month, month, day of the week
    #[arg(long, value_name = "EXPRESSION", conflicts_with = "every", required_unless_present = "every")]
    cron: Option<String>,
    /// The time zone of --cron, such as Europe/Berlin [default: UTC]
    #[arg(long, requires = "cron")]
    zone: Option<String>,
    /// The time between two ticks, such as 15m
    #[arg(long, value_name = "TIME")]
    every: Option<String>,
    /// No ticks before this RFC 3339 time
    #[arg(long, value_name = "TIME")]
    start: Option<String>,
    /// No ticks after this RFC 3339 time
    #[arg(long, value_name = "TIME")]
    end: Option<String>,
    /// A day such as 2026-12-25, or a range of two RFC 3339 times with `/` between them, without ticks; may be repeated
    #[arg(long, value_name = "DAY")]
    exclude: Vec<String>,
    /// End after this many ticks
    #[arg(long, value_name = "COUNT")]
    runs_max: Option<u64>,
    /// Put off each tick by a part of this time that is always the same, such as 5m
    #[arg(long, value_name = "TIME")]
    jitter: Option<String>,
    /// What becomes of missed ticks [default: one]
    #[arg(long, value_name = "RULE", value_parser = ["skip", "one", "all"])]
    catch_up: Option<String>,
    /// With `--catch-up all`: at most this many of them [default: 100]
    #[arg(long, value_name = "COUNT")]
    catch_up_max: Option<u32>,
    /// A tick that is later than this is missed [default: 1m]
    #[arg(long, value_name = "TIME")]
    late: Option<String>,
    /// What a tick does while an earlier run is unfinished [default: skip]
    #[arg(long, value_name = "RULE", value_parser = ["allow", "skip", "buffer_one", "cancel_other"])]
    overlap: Option<String>,
    /// Pause when a run has failed for good
    #[arg(long)]
    pause_on_failure: bool,
    /// Show the next ticks, and store nothing
    #[arg(long)]
    preview: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct FireArgs {
    /// The schedule
    schedule: String,
    /// An idempotency key: repeating the command with it changes nothing
    #[arg(long)]
    key: Option<String>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct BackfillArgs {
    /// The schedule
    schedule: String,
    /// The first moment of the range, an RFC 3339 time
    #[arg(long, value_name = "TIME")]
    from: String,
    /// The last moment of the range
    #[arg(long, value_name = "TIME")]
    to: String,
    /// Enqueue all tasks at once, only one, or each when the one before it is finished
    #[arg(long, value_enum, default_value_t = Rule::Wait)]
    overlap: Rule,
    /// An idempotency key: repeating the command with it changes nothing
    #[arg(long)]
    key: Option<String>,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Rule {
    Allow,
    Skip,
    Wait,
}

pub(crate) fn run(global: &Global, command: Command) -> Result {
    match command {
        Command::Put(args) => put(global, args),
        Command::List => list(global),
        Command::Show(Name { schedule }) => {
            let info = global.run(async |client| Ok(client.schedule(&schedule).await?))?;
            show(global, &info)
        }
        Command::Pause(Name { schedule }) => {
            global.run(async |client| Ok(client.pause_schedule(&schedule).await?))
        }
        Command::Resume(Name { schedule }) => {
            global.run(async |client| Ok(client.resume_schedule(&schedule).await?))
        }
        Command::Delete(Name { schedule }) => {
            global.run(async |client| Ok(client.delete_schedule(&schedule).await?))
        }
        Command::Fire(FireArgs { schedule, key }) => {
            let done =
                global.run(async |client| Ok(client.fire_schedule(&schedule, key.as_deref()).await?))?;
            controlled(global, &done)
        }
        Command::Backfill(args) => {
            let overlap = match args.overlap {
                Rule::Allow => BackfillOverlap::Allow,
                Rule::Skip => BackfillOverlap::Skip,
                Rule::Wait => BackfillOverlap::Wait,
            };
            let range = (&args.from[..], &args.to[..]);
            let done = global.run(async |client| {
                Ok(client.backfill_schedule(&args.schedule, range, overlap, args.key.as_deref()).await?)
            })?;
            controlled(global, &done)
        }
        Command::PutSet(PutSetArgs { owner, set }) => {
            let body = json(set)?.get().as_bytes().to_vec();
            let put = global.run(async |client| Ok(client.put_schedules_of(&owner, body).await?))?;
            show_set(global, &put)
        }
        Command::ShowSet { owner } => {
            let set = global.run(async |client| Ok(client.schedule_set(&owner).await?))?;
            show_set(global, &set)
        }
    }
}

fn show_set(global: &Global, set: &ScheduleSet) -> Result {
    if global.output != Output::Table {
        return print_json(set);
    }
    let mut out = stdout();
    for schedule in &set.schedules {
        writeln!(out, "{schedule}")?;
    }
    if let (Some(changed), Some(deleted)) = (set.changed, set.deleted) {
        writeln!(out, "{changed} changed, {deleted} deleted")?;
    }
    Ok(out.flush()?)
}

fn put(global: &Global, args: PutArgs) -> Result {
    let mut task = ScheduledTask::new(args.task_type);
    if let Some(payload) = args.payload {
        task = task.payload(&json(payload)?)?;
    }
    let schedule = Schedule {
        cron: args.cron,
        zone: args.zone,
        every: args.every,
        queue: args.queue,
        task,
        start: args.start,
        end: args.end,
        exclude: args.exclude,
        runs_max: args.runs_max,
        jitter: args.jitter,
        catch_up: args.catch_up,
        catch_up_max: args.catch_up_max,
        late: args.late,
        overlap: args.overlap,
        pause_on_failure: args.pause_on_failure.then_some(true),
    };
    let put: SchedulePut = global.run(async |client| {
        Ok(if args.preview {
            client.preview_schedule(&args.schedule, &schedule).await?
        } else {
            client.put_schedule(&args.schedule, &schedule).await?
        })
    })?;
    if global.output != Output::Table {
        return print_json(&put);
    }
    let mut out = stdout();
    match put.changed {
        Some(true) => writeln!(out, "{} begins now", put.schedule)?,
        Some(false) => writeln!(out, "{} is unchanged", put.schedule)?,
        None => {}
    }
    for tick in put.next {
        writeln!(out, "{tick}")?;
    }
    Ok(out.flush()?)
}

fn list(global: &Global) -> Result {
    let schedules = global.run(async |client| Ok(client.schedules().await?))?;
    let columns = ["SCHEDULE", "STATE", "NEXT", "LAST", "OWNER"].map(|name| (name, Align::Left));
    print_list(global.output, &schedules, &columns, |table, schedule| {
        let or_dash = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".into());
        table.row(vec![
            schedule.schedule.clone(),
            schedule.state.clone(),
            or_dash(&schedule.next),
            or_dash(&schedule.last),
            or_dash(&schedule.owner),
        ])
    })
}

fn show(global: &Global, info: &ScheduleInfo) -> Result {
    if global.output != Output::Table {
        return print_json(info);
    }
    let columns = ["WHAT", "TIME", "TASK", "STATE"].map(|name| (name, Align::Left));
    let mut table = Table::new(stdout(), &columns);
    let state = |name: &str| info.members.get(name).and_then(|value| value.as_str()).map(str::to_owned);
    let why = state("problem").or_else(|| state("held_by")).or_else(|| state("paused_by"));
    let why = why.map_or_else(|| info.state.clone(), |why| format!("{}: {why}", info.state));
    table.row(vec!["schedule".into(), "-".into(), "-".into(), why.replace(char::is_control, " ")])?;
    for run in &info.runs {
        let state = run.state.clone().unwrap_or_default();
        table.row(vec![run.cause.clone(), run.tick.clone(), run.task.clone(), state])?;
    }
    for tick in &info.next {
        table.row(vec!["next".into(), tick.clone(), "-".into(), "-".into()])?;
    }
    Ok(table.flush()?)
}

fn controlled(global: &Global, done: &ScheduleControlled) -> Result {
    if global.output != Output::Table {
        return print_json(done);
    }
    let mut out = stdout();
    for run in &done.runs {
        writeln!(out, "{}", run.task)?;
    }
    for (count, what) in [(done.waiting, "wait for an earlier run"), (done.skipped, "skipped")] {
        if count > 0 {
            writeln!(out, "{count} {what}")?;
        }
    }
    Ok(out.flush()?)
}
