//! `mainstay follow`: a subscription on the terminal or in a pipe. It survives restarts of the node.

use super::Global;
use super::failure::Result;
use super::output::{EventWriter, stdout};
use super::read::Which;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    which: Which,
    /// End after so many events [default: never]
    #[arg(long, value_name = "COUNT")]
    limit: Option<u64>,
}

pub(crate) fn run(global: &Global, args: Args) -> Result {
    let client = global.client()?;
    // A wrong URL is said at once; only a node that was there is waited for.
    args.which.read(&client).limit(1).page()?;
    let mut follow = args.which.read(&client).follow().on_break(|error, wait| {
        anstream::eprintln!("{error}; trying again in {:.1} s", wait.as_secs_f64());
    });
    let mut writer = EventWriter::new(stdout(), global.output, args.which.streams());
    let mut left = args.limit;
    while left != Some(0) {
        let line = follow.next_line()?;
        writer.event(&line)?;
        writer.flush()?;
        left = left.map(|left| left - 1);
    }
    writer.end()
}
