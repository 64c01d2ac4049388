//! `mainstay group`: tasks that belong together.

use super::Global;
use super::append::json;
use super::failure::{Failure, Result};
use super::output::{Output, stdout};
use super::work::{Span, parse_span};
use mainstay_client::{GroupInfo, GroupState};
use std::io::Write;
use std::time::Duration;

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Enqueue all tasks of a group, or none
    Create {
        /// The group as JSON, as `POST /v1/groups` takes it, or `-` to read it from standard input
        group: String,
    },
    /// Show a group
    Show {
        /// The group's id
        id: String,
        /// Wait up to this long, such as 30s, until the group is done or failed
        #[arg(long, value_name = "TIME", value_parser = parse_span)]
        wait: Option<Span>,
    },
}

pub(crate) fn run(global: &Global, command: Command) -> Result {
    let mut out = stdout();
    match command {
        Command::Create { group } => {
            let body = json(group)?.get().as_bytes().to_vec();
            let created = global.run(async |client| Ok(client.create_group_of(body).await?))?;
            match global.output {
                Output::Table => {
                    let note = if created.replayed { " (existed already)" } else { "" };
                    writeln!(out, "group {}{note}", created.id)?;
                }
                Output::Json | Output::Jsonl => {
                    serde_json::to_writer(&mut out, &created).map_err(Failure::local)?;
                    writeln!(out)?;
                }
            }
        }
        Command::Show { id, wait } => {
            let wait = wait.map_or(Duration::ZERO, |span| span.0);
            let group = global.run(async |client| Ok(client.group(&id, wait).await?))?;
            match global.output {
                Output::Table => writeln!(out, "{}", line(&group))?,
                Output::Json | Output::Jsonl => {
                    serde_json::to_writer(&mut out, &group).map_err(Failure::local)?;
                    writeln!(out)?;
                }
            }
        }
    }
    Ok(out.flush()?)
}

fn line(group: &GroupInfo) -> String {
    let state = match group.state {
        GroupState::Open => "open",
        GroupState::Done => "done",
        GroupState::Failed => "failed",
    };
    format!("group {} is {state}: {} of {} done, {} failed", group.id, group.done, group.total, group.failed)
}
