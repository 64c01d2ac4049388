//! `mainstay streams`: lists streams.

use super::Global;
use super::failure::{Failure, Result};
use super::output::{Align, Output, Table, stdout};
use mainstay_client::Revision;
use std::io::Write;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only streams whose names begin with this text
    #[arg(long, value_name = "TEXT", default_value = "")]
    prefix: String,
    /// Show at most this many streams
    #[arg(long, value_name = "COUNT")]
    limit: Option<usize>,
}

pub(crate) fn run(global: &Global, args: &Args) -> Result {
    let client = global.client()?;
    let mut streams = client.streams(&args.prefix).take(args.limit.unwrap_or(usize::MAX));
    let mut out = stdout();
    match global.output {
        Output::Table => {
            let columns = [("STREAM", Align::Left), ("FIRST", Align::Right), ("LAST", Align::Right)];
            let mut table = Table::new(out, &columns);
            streams.try_for_each(|stream| -> Result {
                let stream = stream?;
                let text =
                    |revision: Option<Revision>| revision.map_or_else(|| "-".into(), |it| it.to_string());
                Ok(table.row(vec![stream.stream, text(stream.first), text(stream.revision)])?)
            })?;
            Ok(table.flush()?)
        }
        Output::Json => {
            let all: Vec<_> = streams.collect::<Result<_, _>>()?;
            serde_json::to_writer(&mut out, &all).map_err(Failure::local)?;
            writeln!(out)?;
            Ok(out.flush()?)
        }
        Output::Jsonl => {
            streams.try_for_each(|stream| -> Result {
                serde_json::to_writer(&mut out, &stream?).map_err(Failure::local)?;
                Ok(writeln!(out)?)
            })?;
            Ok(out.flush()?)
        }
    }
}
