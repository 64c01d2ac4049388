//! `mainstay erase`: makes the events of a subject unreadable.

use super::Global;
use super::failure::Result;
use super::output::{Output, stdout};
use serde_json::json;
use std::io::Write;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The attribute `subject` of the events
    #[arg(long, value_name = "SUBJECT")]
    subject: String,
}

pub(crate) fn run(global: &Global, args: &Args) -> Result {
    let erased = global.run(async |client| Ok(client.erase_subject(&args.subject).await?))?;
    let mut out = stdout();
    match (global.output, &erased) {
        (Output::Table, Some(since)) => writeln!(out, "erased (since {since})")?,
        (Output::Table, None) => writeln!(out, "the node has no key of this subject")?,
        _ => writeln!(out, "{}", json!({"existed": erased.is_some(), "erased": erased}))?,
    }
    Ok(out.flush()?)
}
