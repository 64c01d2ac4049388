//! `mainstay workers`: who asks for tasks.

use super::Global;
use super::failure::Result;
use super::output::{Align, print_list};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The queue
    queue: String,
}

pub(crate) fn run(global: &Global, args: &Args) -> Result {
    let workers = global.run(async |client| Ok(client.queue(&args.queue).workers().await?))?;
    let columns = [
        ("WORKER", Align::Left),
        ("VERSION", Align::Left),
        ("WAITS", Align::Left),
        ("TASKS", Align::Right),
        ("LAST ASKED", Align::Right),
        ("TYPES", Align::Left),
    ];
    let plain = |text: &str| text.replace(char::is_control, " ");
    print_list(global.output, &workers, &columns, |table, worker| {
        let types = if worker.types.is_empty() { "all".to_owned() } else { worker.types.join(", ") };
        table.row(vec![
            plain(&worker.worker),
            plain(worker.version.as_deref().unwrap_or("-")),
            if worker.waiting { "yes" } else { "no" }.to_owned(),
            worker.tasks.to_string(),
            worker.last_asked.clone(),
            plain(&types),
        ])
    })
}
