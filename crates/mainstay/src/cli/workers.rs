//! `mainstay workers`: who asks for tasks.

use super::Global;
use super::failure::{Failure, Result};
use super::output::{Align, Output, Table, stdout};
use mainstay_client::WorkerInfo;
use std::io::Write;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The queue
    queue: String,
}

pub(crate) fn run(global: &Global, args: &Args) -> Result {
    let workers = global.run(async |client| Ok(client.queue(&args.queue).workers().await?))?;
    let mut out = stdout();
    match global.output {
        Output::Table => return table(&workers),
        Output::Json => {
            serde_json::to_writer(&mut out, &workers).map_err(Failure::local)?;
            writeln!(out)?;
        }
        Output::Jsonl => {
            for worker in &workers {
                serde_json::to_writer(&mut out, worker).map_err(Failure::local)?;
                writeln!(out)?;
            }
        }
    }
    Ok(out.flush()?)
}

fn table(workers: &[WorkerInfo]) -> Result {
    let columns = [
        ("WORKER", Align::Left),
        ("VERSION", Align::Left),
        ("WAITS", Align::Left),
        ("TASKS", Align::Right),
        ("LAST ASKED", Align::Right),
        ("TYPES", Align::Left),
    ];
    let mut table = Table::new(stdout(), &columns);
    let plain = |text: &str| text.replace(char::is_control, " ");
    for worker in workers {
        let types = if worker.types.is_empty() { "all".to_owned() } else { worker.types.join(", ") };
        table.row(vec![
            plain(&worker.worker),
            plain(worker.version.as_deref().unwrap_or("-")),
            if worker.waiting { "yes" } else { "no" }.to_owned(),
            worker.tasks.to_string(),
            worker.last_asked.clone(),
            plain(&types),
        ])?;
    }
    Ok(table.flush()?)
}
