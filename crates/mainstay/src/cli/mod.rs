//! The command line: its arguments, and which module runs each command.
//!
//! | module | what it does |
//! |---|---|
//! | [`append`], [`read`], [`follow`], [`streams`], [`settings`] | send a request and show the result |
//! | [`lease`] | acquire, renew and release a lease, and run a command while it is held |
//! | [`import`], [`export`] | move many events in and out, as lines |
//! | [`demo`] | shows failures and their cures, without a node |
//! | [`show`] | `config show` and `completions` |
//! | [`output`] | tables, JSON, JSON lines |
//! | [`failure`] | exit statuses by class of failure |

pub(crate) mod append;
pub(crate) mod demo;
pub(crate) mod export;
pub(crate) mod failure;
pub(crate) mod follow;
pub(crate) mod import;
pub(crate) mod lease;
pub(crate) mod output;
pub(crate) mod read;
pub(crate) mod settings;
pub(crate) mod show;
pub(crate) mod streams;

use crate::{bench, config, tour};
use clap::{Parser, Subcommand};
use failure::Result;
use mainstay_client::blocking::Client;
use output::Output;

/// Event streams and transactions in one durable node.
#[derive(Debug, Parser)]
#[command(name = "mainstay", version, after_help = failure::EXIT_CODES, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The heading of the options that every command has, so that a command's own options come first.
const GLOBAL: &str = "Global options";

#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Global {
    /// URL of the node that client commands connect to
    #[arg(
        long,
        global = true,
        env = "MAINSTAY_URL",
        default_value = "http://127.0.0.1:7070",
        value_name = "URL",
        help_heading = GLOBAL
    )]
    pub(crate) url: String,
    /// Output format
    #[arg(long, global = true, value_enum, default_value_t, value_name = "FORMAT", help_heading = GLOBAL)]
    pub(crate) output: Output,
}

impl Global {
    pub(crate) fn client(&self) -> Result<Client> {
        Ok(Client::new(&self.url)?)
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Start a node
    Serve(config::Flags),
    /// Show the main features on a temporary node, step by step (under 30 s)
    Tour(tour::Args),
    /// Show failing services without and with the policy that helps (under 20 s each)
    Demo(demo::Args),
    /// Append an event to a stream
    Append(append::Args),
    /// Show the events of a stream, or of the whole store
    Read(read::Args),
    /// Show existing events, and then new ones as they are recorded
    Follow(follow::Args),
    /// Append events to many streams from lines of JSON
    Import(import::Args),
    /// Write events as lines of JSON, for `import`
    ///
    /// The events get new cursors and recorded times when they are imported into another store, so saved
    /// cursors do not work there. A copy that keeps cursors and recorded times would be a backup, which
    /// Mainstay cannot make yet.
    Export(export::Args),
    /// List streams
    Streams(streams::Args),
    /// Show or replace a stream's settings
    ///
    /// Without options, shows the settings. With options, replaces all of them: a setting that is not given
    /// sets no limit.
    Settings(settings::SettingsArgs),
    /// Remove all events of a stream for good
    ///
    /// Deleting a stream that does not exist succeeds, unless `--expect` says otherwise.
    Delete(settings::DeleteArgs),
    /// Use leases: leader election, locks and semaphores
    Lease {
        #[command(subcommand)]
        command: lease::Command,
    },
    /// Show the configuration
    Config {
        #[command(subcommand)]
        command: show::ConfigCommand,
    },
    /// Print a completion script for a shell
    Completions(show::CompletionsArgs),
    /// Measure a node, and optionally Redis for comparison
    Bench {
        #[command(subcommand)]
        command: bench::Command,
    },
}

impl Cli {
    pub(crate) fn run(self) -> Result {
        let global = self.global;
        match self.command {
            Command::Serve(flags) => crate::serve::run(&flags),
            Command::Tour(args) => tour::run(&args),
            Command::Demo(args) => demo::run(&global, &args),
            Command::Append(args) => append::run(&global, args),
            Command::Read(args) => read::run(&global, args),
            Command::Follow(args) => follow::run(&global, args),
            Command::Import(args) => import::run(&global, &args),
            Command::Export(args) => export::run(&global, &args),
            Command::Streams(args) => streams::run(&global, &args),
            Command::Settings(args) => settings::settings(&global, &args),
            Command::Delete(args) => settings::delete(&global, &args),
            Command::Lease { command } => lease::run(&global, command),
            Command::Config { command } => show::config(&global, &command),
            Command::Completions(args) => show::completions(&args),
            Command::Bench { command } => bench::run(&global, &command),
        }
    }
}
