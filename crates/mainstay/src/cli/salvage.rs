//! `mainstay salvage`: what can still be read of a damaged data directory, as lines that `import` accepts.

use super::Global;
use super::export::as_sent;
use super::failure::{Failure, Result};
use super::output::stdout;
use crate::subjects;
use api::response::stored::StoredEvent;
use std::io::Write;
use std::path::PathBuf;
use upkeep::salvage::{Found, SavedEvent, Summary, salvage};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The data directory
    #[arg(long, env = "MAINSTAY_DATA", default_value = "mainstay-data")]
    data: PathBuf,
    /// File with the key that the keys of subjects are wrapped with. Without it, sealed events are left out
    #[arg(long, value_name = "FILE")]
    subject_key_file: Option<PathBuf>,
}

pub(crate) fn run(_: &Global, args: &Args) -> Result {
    let key = args.subject_key_file.as_deref().map(subjects::read).transpose()?;
    let (mut out, mut event, mut line) = (stdout(), Vec::new(), Vec::new());
    let summary = salvage(&args.data, key.as_ref(), |found| -> Result {
        match found {
            Found::Unreadable(part) => {
                let (bytes, directory) = (part.bytes, args.data.join("bodies"));
                let file = directory.join(part.file);
                anstream::eprintln!(
                    "{}: bytes {} to {}: {}",
                    file.display(),
                    bytes.start,
                    bytes.end,
                    part.why
                );
            }
            Found::Event(SavedEvent { stream, revision, cursor, filled, envelope }) => {
                event.clear();
                line.clear();
                StoredEvent { stream, revision, cursor, filled, envelope: &envelope }.write(&mut event);
                as_sent(&event, &mut line).map_err(|error| {
                    Failure::local(format!("the event with cursor {cursor} is not JSON: {error}"))
                })?;
                line.push(b'\n');
                out.write_all(&line)?;
            }
        }
        Ok(())
    })?;
    out.flush()?;
    report(&summary);
    match summary.unreadable {
        0 => Ok(()),
        1 => Err(Failure::local("no event could be read in 1 part of the files")),
        parts => Err(Failure::local(format!("no event could be read in {parts} parts of the files"))),
    }
}

fn report(summary: &Summary) {
    let Summary { events, removed, system, erased, sealed, .. } = summary;
    anstream::eprintln!(
        "{events} events saved; left out: {removed} removed, {erased} of erased subjects, {sealed} sealed, {system} of the system"
    );
    if !summary.state_is_whole {
        anstream::eprintln!(
            "note: the state is damaged or missing, and does not say what was removed: events that were removed may be among \
             those saved."
        );
    }
    if *sealed > 0 {
        anstream::eprintln!("note: `--subject-key-file` opens sealed events, if their keys are there.");
    }
}
