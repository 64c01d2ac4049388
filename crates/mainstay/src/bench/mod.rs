//! `mainstay bench`: how fast a node is, what it costs, and Redis beside it in the same run.
//!
//! | module | what it does |
//! |---|---|
//! | [`append`] | the bench of writes: rounds, one after the other |
//! | [`read`] | the bench of reading everything back |
//! | [`load`] | the closed loop over many connections |
//! | [`wire`], [`payload`] | requests and answers; events that differ |
//! | [`latency`] | quantiles in bounded memory |
//! | [`process`], [`disk`] | what the kernel says: CPU, memory, device; the cost of a sync |
//! | [`server`] | the servers that are measured, and how they are found |
//! | [`report`] | the figures, as text and as JSON |

mod append;
mod disk;
mod latency;
mod load;
mod payload;
mod process;
mod read;
mod report;
mod server;
mod wire;

use crate::cli::Global;
use crate::cli::failure::Result;

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Append events from one thread in a closed loop; server CPU, latencies, memory, bytes on the device
    Append(append::Args),
    /// Read the whole store back as one reader
    Read(read::Args),
}

pub(crate) fn run(global: &Global, command: &Command) -> Result {
    match command {
        Command::Append(args) => append::run(global, args),
        Command::Read(args) => read::run(global, args),
    }
}
