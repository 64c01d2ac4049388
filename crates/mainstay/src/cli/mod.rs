//! The command line: its arguments, and which module runs each command.
//!
//! | module | what it does |
//! |---|---|
//! | [`append`], [`read`], [`follow`], [`streams`], [`settings`] | send a request and show the result |
//! | [`lease`] | acquire, renew and release a lease, and run a command while it is held |
//! | [`values`] | read, write and watch values |
//! | [`idempotency`] | do work once under a key |
//! | [`enqueue`], [`work`], [`tasks`] | task queues |
//! | [`schedules`] | schedules |
//! | [`reactions`] | tasks that follow from events |
//! | [`token`] | who may do what |
//! | [`erase`], [`rekey`] | makes the events of a subject unreadable; replaces the operator's key |
//! | [`import`], [`export`] | move many events in and out, as lines |
//! | [`status`] | whether a node is ready |
//! | [`backup`], [`restore`], [`place`] | keep backups, restore one; where they are |
//! | [`check`], [`doctor`] | examine a running node, or a data directory |
//! | [`salvage`] | save what can be read of a damaged data directory |
//! | [`demo`] | shows failures and their cures, without a node |
//! | [`certs`] | makes certificates to try TLS with |
//! | [`show`] | `config show` and `completions` |
//! | [`output`] | tables, JSON, JSON lines |
//! | [`failure`] | exit statuses by class of failure |

pub(crate) mod append;
mod archive;
pub(crate) mod backup;
mod breakers;
mod certs;
mod check;
pub(crate) mod demo;
mod doctor;
pub(crate) mod enqueue;
mod erase;
pub(crate) mod export;
pub(crate) mod failure;
pub(crate) mod follow;
pub(crate) mod group;
pub(crate) mod idempotency;
mod import;
pub(crate) mod lease;
mod limits;
pub(crate) mod output;
mod place;
mod queues;
pub(crate) mod reactions;
pub(crate) mod read;
mod rekey;
mod restore;
mod salvage;
pub(crate) mod schedules;
pub(crate) mod settings;
pub(crate) mod show;
mod status;
pub(crate) mod streams;
pub(crate) mod tasks;
mod tenants;
mod token;
pub(crate) mod values;
pub(crate) mod work;
mod workers;

use crate::{bench, config, tour};
use clap::{Parser, Subcommand};
use failure::{Failure, Result};
use mainstay_client::ClientBuilder;
use mainstay_client::blocking::Client;
use output::Output;
use std::path::{Path, PathBuf};

/// Event streams, transactions and task queues in one durable node.
#[derive(Debug, Parser)]
#[command(name = "mainstay", version, after_help = failure::EXIT_CODES, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The variable with the token that client commands send.
const TOKEN_VARIABLE: &str = "MAINSTAY_TOKEN";
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
    /// File with the token that client commands send, for a node that asks for tokens
    ///
    /// Or set MAINSTAY_TOKEN to the token itself. There is no option for it, because everyone on a machine can see
    /// the options of its processes.
    #[arg(long, global = true, env = "MAINSTAY_TOKEN_FILE", value_name = "FILE", help_heading = GLOBAL)]
    pub(crate) token_file: Option<PathBuf>,
    /// File with the certificate of a private authority that the node's certificate comes from
    #[arg(long, global = true, env = "MAINSTAY_CA", value_name = "FILE", help_heading = GLOBAL)]
    pub(crate) ca: Option<PathBuf>,
    /// File with a certificate that says who the client is, for a node that asks for one
    #[arg(
        long,
        global = true,
        env = "MAINSTAY_CLIENT_CERT",
        value_name = "FILE",
        requires = "client_key",
        help_heading = GLOBAL
    )]
    pub(crate) client_cert: Option<PathBuf>,
    /// File with the private key of the client's certificate
    #[arg(
        long,
        global = true,
        env = "MAINSTAY_CLIENT_KEY",
        value_name = "FILE",
        requires = "client_cert",
        help_heading = GLOBAL
    )]
    pub(crate) client_key: Option<PathBuf>,
    /// Output format
    #[arg(long, global = true, value_enum, default_value_t, value_name = "FORMAT", help_heading = GLOBAL)]
    pub(crate) output: Output,
}

fn read_pem(file: &Path) -> Result<Vec<u8>> {
    std::fs::read(file).map_err(|error| Failure::usage(format!("cannot read {}: {error}", file.display())))
}

impl Global {
    pub(crate) fn client(&self) -> Result<Client> {
        Ok(self.builder()?.build_blocking()?)
    }

    /// A client of the node, with the token that was given.
    pub(crate) fn builder(&self) -> Result<ClientBuilder> {
        let mut builder = mainstay_client::Client::builder(&self.url);
        if let Some(file) = &self.ca {
            builder = builder.root_certificates(read_pem(file)?);
        }
        if let (Some(certificate), Some(key)) = (&self.client_cert, &self.client_key) {
            builder = builder.client_certificate(read_pem(certificate)?, read_pem(key)?);
        }
        let token = match (&self.token_file, std::env::var(TOKEN_VARIABLE)) {
            (Some(file), _) => std::fs::read_to_string(file).map_err(|error| {
                Failure::usage(format!("cannot read the token from {}: {error}", file.display()))
            })?,
            (None, Ok(token)) => token,
            (None, Err(_)) => return Ok(builder),
        };
        Ok(builder.token(token))
    }

    /// Runs calls of the async client.
    fn run<T>(&self, calls: impl AsyncFnOnce(mainstay_client::Client) -> Result<T>) -> Result<T> {
        let client = self.builder()?.build()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(calls(client))
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Start a node
    Serve(config::Flags),
    /// Show whether a node is ready; exit status 0 if it is
    Status,
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
    /// Enqueue a task
    Enqueue(enqueue::Args),
    /// Run a command for each task of a queue
    ///
    /// The command gets the task's payload on standard input, and MAINSTAY_QUEUE, MAINSTAY_TASK_ID, MAINSTAY_TASK_TYPE
    /// and MAINSTAY_TASK_ATTEMPT in its environment. Exit status 0 completes the task; any other fails the attempt,
    /// with the end of standard error as the message. On SIGTERM or Ctrl-C, nothing more is claimed, and running
    /// commands may finish; what is left after `--grace` is killed, and its tasks go back to the queue.
    Work(work::Args),
    /// List the tasks of a queue
    Tasks(tasks::TasksArgs),
    /// Cancel tasks
    ///
    /// A task that runs goes on until its worker's next heartbeat, which tells it to stop.
    Cancel(tasks::CancelArgs),
    /// List queues with the number of their tasks, show, set, pause or resume one
    Queues(queues::Args),
    /// List the workers that have asked the node for tasks of a queue
    Workers(workers::Args),
    /// List, show, write or delete limits of tasks that run at the same time or begin in a time
    Limits(limits::Args),
    /// List the tenants of a queue with what they have there, or set the weight of one
    Tenants(tenants::Args),
    /// List, replay or drop tasks that have failed for good
    DeadLetters(tasks::DeadLettersArgs),
    /// Enqueue tasks by the clock
    Schedules {
        #[command(subcommand)]
        command: schedules::Command,
    },
    /// Create or show a group of tasks
    Group {
        #[command(subcommand)]
        command: group::Command,
    },
    /// Have a task enqueued for each event that matches
    Reactions(reactions::Args),
    /// Append events to many streams from lines of JSON
    Import(import::Args),
    /// Write events as lines of JSON, for `import`
    ///
    /// The events get new cursors and recorded times when they are imported into another store, so saved
    /// cursors do not work there. `mainstay backup` makes a copy that keeps cursors and recorded times, and everything
    /// else that the store holds.
    Export(export::Args),
    /// Copy everything that a running node holds into a directory of backups, a bucket or a stream
    ///
    /// Each backup is complete, and copies only what the directory or the bucket does not have yet. An interrupted backup is
    /// begun again, and goes on with what it has copied. Writes to the node go on. To `-`, one backup is written as a tar
    /// stream, for `mainstay restore`. Who may use a bucket, and where it is, is told by AWS_ACCESS_KEY_ID,
    /// AWS_SECRET_ACCESS_KEY, AWS_REGION and AWS_ENDPOINT_URL, as other tools for S3 read them.
    Backup(backup::Args),
    /// Keep everything that happens on a node, while it happens, in a directory of backups or a bucket
    ///
    /// With it, `mainstay restore --to` makes a store as of any moment since the oldest backup, and what is lost with the
    /// node's machine is what happened in the last second or two. A backup is taken if the directory has none. Run it as a service on
    /// another machine than the node. It goes on where it was interrupted.
    Archive(archive::Args),
    /// List, verify or remove backups in a directory or a bucket
    Backups {
        #[command(subcommand)]
        command: backup::Command,
    },
    /// Make a data directory from a backup, and from what was archived after it
    ///
    /// Everything is checked completely first. The new store has an identity of its own, and keeps cursors, revisions and
    /// recorded times.
    Restore(restore::Args),
    /// Read everything that a running node holds, and compare it with its checksums and rows with events
    ///
    /// The node goes on working. It reads as much as a backup does, at the same rate. The exit status is 1 if something is
    /// wrong. The log is not read: `mainstay doctor` does that.
    Check,
    /// Examine the data directory of a node that is not running, and change nothing
    ///
    /// Reads everything, compares it with its checksums, and rows with events. The exit status is 1 if something is wrong.
    Doctor(doctor::Args),
    /// Write the events that can still be read in a damaged data directory as lines that `mainstay import` accepts
    ///
    /// For a node that does not start any more and has no backup: `mainstay restore` gives more. Tasks, schedules, leases,
    /// values and settings are not saved. The directory is not changed. The exit status is 1 if something could not be read.
    Salvage(salvage::Args),
    /// Make the events of a subject unreadable, here and in backups; this cannot be undone
    Erase(erase::Args),
    /// Replace the operator's key of a node that is not running
    ///
    /// The keys of subjects are unwrapped with the old key and wrapped with the new one, all or none. Events stay as they
    /// are. Afterwards the old key opens nothing in the data directory, and in the directory or bucket of backups from
    /// the next backup on. What was copied elsewhere before still needs it.
    Rekey(rekey::Args),
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
    /// Use shared circuit breakers: what all workers ask before a call
    Breakers {
        #[command(subcommand)]
        command: breakers::Command,
    },
    /// Read, write, delete and watch values: small named pieces of content
    Values {
        #[command(subcommand)]
        command: values::Command,
    },
    /// Do work once under a key: idempotency for your own endpoints and scripts
    Idempotency {
        #[command(subcommand)]
        command: idempotency::Command,
    },
    /// Create, list and revoke tokens: who may do what
    Token {
        #[command(subcommand)]
        command: token::Command,
    },
    /// Make a private authority with certificates for a node and its clients, to try TLS with
    ///
    /// Files that exist are never overwritten: an authority that exists issues what is missing. Keys can be read by
    /// their owner only.
    Certs(certs::Args),
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
            Command::Status => status::run(&global),
            Command::Tour(args) => tour::run(&args),
            Command::Demo(args) => demo::run(&global, &args),
            Command::Append(args) => append::run(&global, args),
            Command::Read(args) => read::run(&global, args),
            Command::Follow(args) => follow::run(&global, args),
            Command::Enqueue(args) => enqueue::run(&global, args),
            Command::Work(args) => work::run(&global, args),
            Command::Tasks(args) => tasks::tasks(&global, &args),
            Command::Cancel(args) => tasks::cancel(&global, &args),
            Command::Queues(args) => queues::run(&global, args),
            Command::Limits(args) => limits::run(&global, args),
            Command::Tenants(args) => tenants::run(&global, &args),
            Command::Reactions(args) => reactions::run(&global, &args),
            Command::Workers(args) => workers::run(&global, &args),
            Command::DeadLetters(args) => tasks::dead_letters(&global, &args),
            Command::Schedules { command } => schedules::run(&global, command),
            Command::Group { command } => group::run(&global, command),
            Command::Import(args) => import::run(&global, &args),
            Command::Export(args) => export::run(&global, &args),
            Command::Backup(args) => backup::run(&global, &args),
            Command::Archive(args) => archive::run(&global, &args),
            Command::Backups { command } => backup::manage(&global, &command),
            Command::Restore(args) => restore::run(&global, &args),
            Command::Check => check::run(&global),
            Command::Doctor(args) => doctor::run(&global, &args),
            Command::Salvage(args) => salvage::run(&global, &args),
            Command::Erase(args) => erase::run(&global, &args),
            Command::Rekey(args) => rekey::run(&global, &args),
            Command::Streams(args) => streams::run(&global, &args),
            Command::Settings(args) => settings::settings(&global, &args),
            Command::Delete(args) => settings::delete(&global, &args),
            Command::Lease { command } => lease::run(&global, command),
            Command::Breakers { command } => breakers::run(&global, command),
            Command::Values { command } => values::run(&global, command),
            Command::Idempotency { command } => idempotency::run(&global, &command),
            Command::Token { command } => token::run(&global, command),
            Command::Certs(args) => certs::run(&args),
            Command::Config { command } => show::config(&global, &command),
            Command::Completions(args) => show::completions(&args),
            Command::Bench { command } => bench::run(&global, &command),
        }
    }
}
