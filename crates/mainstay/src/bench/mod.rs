//! `mainstay bench`: measures a node's speed and cost, and optionally Redis in the same run.
//!
//! | module | what it does |
//! |---|---|
//! | [`append`] | measures appends, round by round |
//! | [`read`] | measures reading the whole store back |
//! | [`tasks`], [`redis_tasks`] | measures tasks from enqueuing to completion; the same on Redis |
//! | [`load`] | a closed loop over many connections |
//! | [`wire`], [`payload`] | requests and responses; distinct events |
//! | [`latency`] | quantiles in bounded memory |
//! | [`process`], [`disk`] | figures from the kernel: CPU, memory, device; the cost of a sync |
//! | [`server`] | the servers to measure, and how to find them |
//! | [`report`] | the results, as text and as JSON |

mod append;
mod disk;
mod latency;
mod load;
mod payload;
mod process;
mod read;
mod redis_tasks;
mod report;
mod server;
mod tasks;
mod wire;

use crate::cli::Global;
use crate::cli::failure::Result;

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Measure appends: throughput, latency, server CPU, memory and bytes written to the device
    Append(append::Args),
    /// Measure one reader that reads the whole store back
    Read(read::Args),
    /// Measure tasks: workers that enqueue, claim and complete
    Tasks(tasks::Args),
}

pub(crate) fn run(global: &Global, command: &Command) -> Result {
    match command {
        Command::Append(args) => append::run(global, args),
        Command::Read(args) => read::run(global, args),
        Command::Tasks(args) => tasks::run(global, args),
    }
}
