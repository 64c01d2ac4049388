//! `mainstay follow`: a subscription on a terminal or in a pipe. It survives restarts of the node.

use super::Global;
use super::failure::Result;
use super::output::{EventWriter, stdout};
use super::read::Which;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    which: Which,
    /// Stop after this many events [default: never]
    #[arg(long, value_name = "COUNT")]
    limit: Option<u64>,
    /// A name under which the node's metrics show how far this reader is
    #[arg(long, value_name = "NAME")]
    reader: Option<String>,
}

pub(crate) fn run(global: &Global, args: Args) -> Result {
    let client = global.client()?;
    // A node that does not respond now is reported at once; one that goes away later is waited for.
    let page = args.which.read(&client).limit(1).page()?;
    if let (Some(stream), None) = (&args.which.stream, page.revision) {
        anstream::eprintln!("the stream `{stream}` does not exist yet; waiting for its first event");
    }
    let mut read = args.which.read(&client);
    if let Some(name) = args.reader {
        read = read.reader(name);
    }
    let mut follow = read.follow().on_break(|error, wait| {
        anstream::eprintln!("{error}; retrying in {:.1} s", wait.as_secs_f64());
    });
    let mut writer = EventWriter::new(stdout(), global.output, args.which.streams());
    let mut left = args.limit;
    while left != Some(0) {
        let Some(line) = follow.next_line() else { break };
        writer.event(&line?)?;
        writer.flush()?;
        left = left.map(|left| left - 1);
    }
    writer.end()
}
