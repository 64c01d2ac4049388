//! `mainstay restore`: makes a data directory from a backup.

use super::Global;
use super::failure::{Failure, Result};
use super::output::{Output, stdout};
use serde_json::json;
use std::io::Write;
use std::path::PathBuf;
use upkeep::backups::BackupDirectory;
use upkeep::restore::{Restored, restore};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The directory with backups
    directory: PathBuf,
    /// The data directory to make: it must not exist, or be empty
    #[arg(long)]
    data: PathBuf,
    /// Which backup to restore: the newest by default
    #[arg(long, value_name = "NAME")]
    backup: Option<String>,
}

pub(crate) fn run(global: &Global, args: &Args) -> Result {
    let backup = BackupDirectory::open(&args.directory)?.backup(args.backup.as_deref())?;
    let restored = restore(&backup, &args.data).map_err(Failure::from)?;
    let Restored { store, from, through, events, rows, clock_behind_ms } = restored;
    let mut out = stdout();
    if global.output == Output::Table {
        let data = args.data.display();
        writeln!(out, "{data} has {events} events and {rows} rows of backup {}", backup.name)?;
        writeln!(out, "it is store {store}, and continues store {from} after cursor {through}")?;
    } else {
        let (store, from, through) = (store.to_string(), from.to_string(), through.to_string());
        let restored = json!({
            "backup": backup.name, "store": store, "restored_from": from, "cursor": through, "events": events,
            "rows": rows,
        });
        writeln!(out, "{restored}")?;
    }
    out.flush()?;
    if clock_behind_ms > 0 {
        anstream::eprintln!(
            "warning: this machine's clock is {clock_behind_ms} ms behind the time of the backup. New events get \
             positions after those of the backup, but tokens that the original node gave out later may be greater. \
             Correct the clock and restore again."
        );
    }
    Ok(())
}
