//! `mainstay limits`: list, show, write and delete limits.

use super::Global;
use super::failure::Result;
use super::output::{Align, print_list};
use mainstay_client::{Limit, LimitSettings, Rate};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The limit; all limits if it is absent
    limit: Option<String>,
    /// Write the limit: tasks of each key that run at the same time
    #[arg(long, value_name = "TASKS", requires = "limit")]
    concurrency: Option<u32>,
    /// Write the limit: what the tasks of each key that begin may cost in a time, such as 10/1s
    #[arg(long, value_name = "MAX/TIME", value_parser = rate, requires = "limit")]
    rate: Option<Rate>,
    /// What may be used of the rate at once after a pause [default: the same as in its time]
    #[arg(long, value_name = "COST", requires = "rate")]
    burst: Option<u64>,
    /// Delete the limit
    #[arg(long, requires = "limit", conflicts_with_all = ["concurrency", "rate"])]
    delete: bool,
}

fn rate(text: &str) -> std::result::Result<Rate, String> {
    let why = "expected a number and a time, such as 10/1s";
    let (max, per) = text.split_once('/').ok_or(why)?;
    Ok(Rate { max: max.parse().map_err(|_| why)?, per: per.to_owned(), burst: None })
}

pub(crate) fn run(global: &Global, args: Args) -> Result {
    let Some(name) = args.limit else {
        let limits = global.run(async |client| {
            let mut limits = Vec::new();
            for name in client.limits().await? {
                limits.push(client.limit(&name).await?);
            }
            Ok(limits)
        })?;
        return show(global, &limits);
    };
    if args.delete {
        return global.run(async |client| Ok(client.delete_limit(&name).await?));
    }
    if args.concurrency.is_some() || args.rate.is_some() {
        let rate = args.rate.map(|rate| Rate { burst: args.burst, ..rate });
        let settings = LimitSettings { concurrency: args.concurrency, rate };
        return global.run(async |client| Ok(client.put_limit(&name, &settings).await?));
    }
    let limit = global.run(async |client| Ok(client.limit(&name).await?))?;
    show(global, &[limit])
}

/// One row for each key that is in use, or one for a limit without such keys.
fn show(global: &Global, limits: &[Limit]) -> Result {
    let columns = [
        ("LIMIT", Align::Left),
        ("CONCURRENCY", Align::Right),
        ("RATE", Align::Right),
        ("KEY", Align::Left),
        ("RUNNING", Align::Right),
        ("WAITING", Align::Left),
    ];
    print_list(global.output, limits, &columns, |table, limit| {
        let rate = limit.rate.as_ref().map(|rate| format!("{}/{}", rate.max, rate.per));
        let row = |key: &str, running: u64, waiting: &str| {
            vec![
                limit.limit.clone(),
                limit.concurrency.map_or_else(|| "-".into(), |tasks| tasks.to_string()),
                rate.clone().unwrap_or_else(|| "-".into()),
                key.replace(char::is_control, " "),
                running.to_string(),
                waiting.to_owned(),
            ]
        };
        for key in &limit.keys {
            table.row(row(&key.key, key.running, if key.waiting { "yes" } else { "no" }))?;
        }
        if limit.keys.is_empty() {
            table.row(row("-", 0, "no"))?;
        }
        Ok(())
    })
}
