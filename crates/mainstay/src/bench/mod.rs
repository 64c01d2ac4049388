//! `mainstay bench`: measures a node's speed and cost, and optionally Redis in the same run.
//!
//! | module | what it does |
//! |---|---|
//! | [`append`] | measures appends, round by round |
//! | [`read`] | measures reading the whole store back |
//! | [`readers`] | measures appends alone and beside readers of history |
//! | [`tasks`] | measures tasks from enqueuing to completion |
//! | [`starts`] | measures how soon a waiting worker starts a task |
//! | [`leases`] | measures leases, wanted by one or by many |
//! | [`load`] | a closed loop over many connections, on one thread |
//! | [`workers`], [`connection`], [`redis`] | a closed loop of workers, and their connections to a node or to Redis |
//! | [`wire`], [`payload`] | requests and responses; distinct events |
//! | [`latency`] | quantiles in bounded memory |
//! | [`process`], [`disk`] | figures from the kernel: CPU, memory, device; the cost of a sync |
//! | [`server`] | the servers to measure, and how to find them |
//! | [`report`] | the results, as text and as JSON |

mod append;
mod connection;
mod disk;
mod latency;
mod leases;
mod load;
mod payload;
mod process;
mod read;
mod readers;
mod redis;
mod report;
mod server;
mod starts;
mod tasks;
mod wire;
mod workers;

use crate::cli::Global;
use crate::cli::failure::Result;

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Measure appends: throughput, latency, server CPU, memory and bytes written to the device
    Append(append::Args),
    /// Measure one reader that reads the whole store back
    Read(read::Args),
    /// Measure what readers of the whole store do to the latency of appends
    Readers(readers::Args),
    /// Measure tasks: workers that enqueue, claim and complete
    Tasks(tasks::Args),
    /// Measure how soon a waiting worker starts a task, at a fixed rate of tasks
    Starts(starts::Args),
    /// Measure leases: acquire and release, or the hand-over of one that many wait for
    Leases(leases::Args),
}

pub(crate) fn run(global: &Global, command: &Command) -> Result {
    match command {
        Command::Append(args) => append::run(global, args),
        Command::Read(args) => read::run(global, args),
        Command::Readers(args) => readers::run(global, args),
        Command::Tasks(args) => tasks::run(global, args),
        Command::Starts(args) => starts::run(global, args),
        Command::Leases(args) => leases::run(global, args),
    }
}
