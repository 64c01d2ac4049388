//! `mainstay breakers`: list, show, set, hold and delete shared circuit breakers.

use super::Global;
use super::failure::{Failure, Result};
use super::output::{Align, print_list};
use mainstay_client::{BreakerForced, BreakerInfo, BreakerSettings, BreakerState, Client};

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// List breakers with their states
    List,
    /// Show a breaker, and the workers that have recorded outcomes of late
    Show(Name),
    /// Replace all settings of a breaker
    ///
    /// The settings are a JSON object, such as '{"consecutive_failures":3,"open_for":"10s"}'. An absent member has its
    /// default.
    Set(SetArgs),
    /// Hold a breaker open: no call is admitted
    Open(Name),
    /// Hold a breaker closed: all calls are admitted
    Close(Name),
    /// Let a breaker that is held decide for itself again
    Auto(Name),
    /// Delete a breaker with its settings
    Delete(Name),
}

#[derive(Debug, clap::Args)]
pub(crate) struct Name {
    /// The breaker
    breaker: String,
}

#[derive(Debug, clap::Args)]
pub(crate) struct SetArgs {
    /// The breaker
    breaker: String,
    /// The settings
    #[arg(value_name = "JSON", default_value = "{}")]
    settings: String,
}

pub(crate) fn run(global: &Global, command: Command) -> Result {
    match command {
        Command::List => list(global),
        Command::Show(Name { breaker }) => {
            let info = global.run(async |client| Ok(client.breaker(breaker).info().await?))?;
            show(global, &info)
        }
        Command::Set(SetArgs { breaker, settings }) => {
            let settings = parse(&settings)?;
            global.run(async |client| Ok(client.breaker(breaker).set(&settings).await?))
        }
        Command::Open(Name { breaker }) => force(global, &breaker, Some(BreakerForced::Open)),
        Command::Close(Name { breaker }) => force(global, &breaker, Some(BreakerForced::Closed)),
        Command::Auto(Name { breaker }) => force(global, &breaker, None),
        Command::Delete(Name { breaker }) => {
            global.run(async |client| Ok(client.breaker(breaker).delete().await?))
        }
    }
}

/// Reads settings. A member that no breaker has is an error here, as it is for the server.
fn parse(text: &str) -> Result<BreakerSettings> {
    let wrong = |why: String| Failure::usage(format!("these are not settings of a breaker: {why}"));
    let settings: BreakerSettings = serde_json::from_str(text).map_err(|error| wrong(error.to_string()))?;
    let given: serde_json::Value = serde_json::from_str(text).map_err(|error| wrong(error.to_string()))?;
    let known = serde_json::to_value(&settings).map_err(|error| wrong(error.to_string()))?;
    let members = given.as_object().into_iter().flatten().filter(|(_, value)| !value.is_null());
    match members.map(|(name, _)| name).find(|name| known.get(name).is_none() && *name != "ignore") {
        Some(name) => Err(wrong(format!("there is no member `{name}`"))),
        None => Ok(settings),
    }
}

fn force(global: &Global, breaker: &str, forced: Option<BreakerForced>) -> Result {
    global.run(async |client: Client| Ok(client.breaker(breaker).force(forced).await?))
}

/// What is shown of every breaker.
const COLUMNS: [(&str, Align); 7] = [
    ("BREAKER", Align::Left),
    ("STATE", Align::Left),
    ("ADMITTED", Align::Right),
    ("CALLS", Align::Right),
    ("FAILURES", Align::Right),
    ("OPENED", Align::Right),
    ("LAST FAILURE", Align::Left),
];

fn list(global: &Global) -> Result {
    let breakers = global.run(async |client: Client| {
        let mut breakers = Vec::new();
        for name in client.breakers().await? {
            breakers.push(client.breaker(name).info().await?);
        }
        Ok(breakers)
    })?;
    print_list(global.output, &breakers, &COLUMNS, |table, info| table.row(row(info)))
}

fn row(info: &BreakerInfo) -> Vec<String> {
    let state = match info.state {
        BreakerState::Closed => "closed",
        BreakerState::Open => "open",
        BreakerState::HalfOpen => "half-open",
        _ => "?",
    };
    let held = if info.forced.is_some() { " (held)" } else { "" };
    let class = info.last_failure.as_ref().map(|failure| failure.class.replace(char::is_control, " "));
    vec![
        info.breaker.clone(),
        format!("{state}{held}"),
        format!("{} %", info.admitted_percent),
        info.calls.to_string(),
        info.failures.to_string(),
        info.opened.to_string(),
        class.filter(|class| !class.is_empty()).unwrap_or_else(|| "-".into()),
    ]
}

/// One row for each worker, or one for a breaker without workers.
fn show(global: &Global, info: &BreakerInfo) -> Result {
    const OF_WORKERS: [(&str, Align); 4] = [
        ("WORKER", Align::Left),
        ("WORKER CALLS", Align::Right),
        ("WORKER FAILURES", Align::Right),
        ("SUSPECT", Align::Left),
    ];
    let columns = [&COLUMNS[..], &OF_WORKERS].concat();
    print_list(global.output, std::slice::from_ref(info), &columns, |table, info| {
        let with = |more: [String; 4]| row(info).into_iter().chain(more).collect();
        for worker in &info.workers {
            let suspect = if worker.suspect { "yes" } else { "no" };
            table.row(with([
                worker.worker.replace(char::is_control, " "),
                worker.calls.to_string(),
                worker.failures.to_string(),
                suspect.to_owned(),
            ]))?;
        }
        if info.workers.is_empty() {
            table.row(with(["-", "-", "-", "-"].map(str::to_owned)))?;
        }
        Ok(())
    })
}
