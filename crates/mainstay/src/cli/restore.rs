//! `mainstay restore`: makes a data directory from a backup, and from what was archived after it, or is
//! left in the log of the node that was lost.

use super::Global;
use super::failure::{Failure, Result};
use super::output::{Output, stdout};
use super::place;
use crate::subjects;
use api::time;
use model::Wall;
use serde_json::json;
use std::io::Write;
use std::path::PathBuf;
use upkeep::log_archive::StretchEnd;
use upkeep::restore::{LostKeys, Moment, Restored, Sources, restore};
use upkeep::subject_keys::Examined;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The directory or bucket with backups; a file that `mainstay backup -` has written; or `-` for standard input
    #[arg(value_name = "DIRECTORY|s3://BUCKET/PREFIX|FILE|-")]
    directory: PathBuf,
    /// The data directory to make: it must not exist, or be empty
    #[arg(long)]
    data: PathBuf,
    /// As of which moment: a time such as 2026-11-30T01:10:00Z, the end of its millisecond, or the cursor of an event.
    /// By default, everything that the place has
    #[arg(long, value_name = "TIME|CURSOR", conflicts_with = "backup")]
    to: Option<String>,
    /// As of the end of this backup
    #[arg(long, value_name = "NAME")]
    backup: Option<String>,
    /// The data directory of the node that was lost, if it is still there: what its log has after the newest backup and the
    /// archive is restored too
    #[arg(long, value_name = "DIRECTORY", conflicts_with = "backup")]
    log_of: Option<PathBuf>,
    /// Erase the subjects of sealed events whose keys are lost for good, instead of refusing to restore
    #[arg(long)]
    erase_lost_subjects: bool,
    /// File with a key for later subjects, where no copy of the keys is left
    #[arg(long, value_name = "FILE", requires = "erase_lost_subjects")]
    subject_key_file: Option<PathBuf>,
}

pub(crate) fn run(global: &Global, args: &Args) -> Result {
    let moment = moment(args)?;
    let source = place::source(&args.directory, &args.data)?;
    let sources = Sources { backups: &source.directory, lost_node: args.log_of.as_deref() };
    let restored = restore(&sources, &moment, &lost_keys(args)?, &args.data)?;
    drop(source);
    let mut out = stdout();
    let (data, Restored { store, from, through, .. }) = (args.data.display(), &restored);
    let (backup, events, rows, replayed) =
        (&restored.backup, restored.events, restored.rows, restored.replayed);
    let time = text_of(restored.wall);
    if global.output == Output::Table {
        writeln!(out, "{data} has {events} events and {rows} rows of backup {backup}")?;
        if replayed > 0 {
            write!(out, "and the {replayed} entries after it, up to {time}")?;
            if let (Some(path), 1..) = (&args.log_of, restored.from_lost_node) {
                write!(
                    out,
                    "; {} of them were only in the log of {}",
                    restored.from_lost_node,
                    path.display()
                )?;
            }
            writeln!(out)?;
        }
        writeln!(out, "it is store {store}, and continues store {from} after cursor {through}")?;
        if restored.lost > 0 {
            writeln!(out, "{} subjects are erased, because their keys are lost", restored.lost)?;
        }
        if let Some(Examined { kept, erased, .. }) = restored.keys {
            writeln!(
                out,
                "events of {kept} subjects are sealed ({erased} are erased): start the node with `--subject-key-file`, and \
                 the key that the backup's keys are wrapped with"
            )?;
        }
    } else {
        let (store, from, through) = (store.to_string(), from.to_string(), through.to_string());
        let keys = restored.keys.map(|keys| json!({"kept": keys.kept, "erased": keys.erased}));
        let restored = json!({
            "backup": backup, "store": store, "restored_from": from, "cursor": through, "time": time,
            "events": events, "rows": rows, "replayed": replayed,
            "from_lost_node": restored.from_lost_node, "subject_keys": keys, "subjects_lost": restored.lost,
        });
        writeln!(out, "{restored}")?;
    }
    out.flush()?;
    warn(&restored, &moment);
    Ok(())
}

fn lost_keys(args: &Args) -> Result<LostKeys> {
    if !args.erase_lost_subjects {
        return Ok(LostKeys::Refused);
    }
    let new = args.subject_key_file.as_deref().map(subjects::read).transpose()?;
    Ok(LostKeys::Erased { new: new.map(Box::new) })
}

fn moment(args: &Args) -> Result<Moment> {
    if let Some(name) = &args.backup {
        return Ok(Moment::Backup(name.clone()));
    }
    let Some(text) = &args.to else { return Ok(Moment::Newest) };
    if let Ok(cursor) = text.parse() {
        return Ok(Moment::Cursor(cursor));
    }
    let time = time::Moment::parse(text).and_then(time::Moment::wall);
    time.map(Moment::Time).ok_or_else(|| {
        Failure::usage(format!("`{text}` is neither a time nor a cursor"))
            .advice("Give a time with its offset, such as 2026-11-30T01:10:00Z, or the cursor of an event.")
    })
}

fn warn(restored: &Restored, moment: &Moment) {
    let time = text_of(restored.wall);
    match (restored.end, moment) {
        (StretchEnd::Gap, _) => anstream::eprintln!(
            "warning: the archive lacks the entries that followed, so the store is as of {time}. Later backups may go further: \
             `mainstay backups list`."
        ),
        (StretchEnd::Torn, _) => anstream::eprintln!(
            "warning: the last piece of the archive is not whole, because its write was interrupted or it is damaged. The \
             store is as of {time}."
        ),
        (StretchEnd::Newest, Moment::Time(wanted)) if *wanted > restored.wall => {
            anstream::eprintln!("note: nothing later than {time} was archived.");
        }
        _ => {}
    }
    let clock_behind_ms = restored.clock_behind_ms;
    if clock_behind_ms > 0 {
        anstream::eprintln!(
            "warning: this machine's clock is {clock_behind_ms} ms behind the time of the last entry. New events get \
             positions after it, but tokens that the original node gave out later may be greater. \
             Correct the clock and restore again."
        );
    }
}

fn text_of(wall: Wall) -> String {
    let mut text = Vec::new();
    time::write_wall(&mut text, wall);
    String::from_utf8_lossy(&text).into_owned()
}
