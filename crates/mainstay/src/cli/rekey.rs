//! `mainstay rekey`: replaces the operator's key.

use super::Global;
use super::failure::{Failure, Result};
use super::output::{Output, stdout};
use crate::subjects;
use serde_json::json;
use std::io::Write;
use std::path::PathBuf;
use subject_keys::{Examined, KeysError, Replaced};
use upkeep::UpkeepError;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The data directory
    #[arg(long, env = "MAINSTAY_DATA", default_value = "mainstay-data")]
    data: PathBuf,
    /// File with the key that the node has had
    #[arg(long, value_name = "FILE")]
    subject_key_file: PathBuf,
    /// File with the key that the node is to have
    #[arg(long, value_name = "FILE")]
    new_subject_key_file: PathBuf,
}

pub(crate) fn run(global: &Global, args: &Args) -> Result {
    let (old, new) = (subjects::read(&args.subject_key_file)?, subjects::read(&args.new_subject_key_file)?);
    let replaced = upkeep::rekey::rekey(&args.data, &old, &new).map_err(|error| refused(error, args))?;
    let (data, file) = (args.data.display(), args.new_subject_key_file.display());
    let (Replaced::Keys(examined) | Replaced::Before(examined)) = replaced;
    let Examined { kept, erased, .. } = examined;
    let now = matches!(replaced, Replaced::Keys(_));
    let mut out = stdout();
    if global.output == Output::Table {
        let since = if now { "" } else { ", and were so before" };
        writeln!(out, "{data}: {kept} keys are wrapped with the new key{since}; {erased} are erased")?;
        writeln!(out, "start the node with `--subject-key-file {file}`, and make a backup")?;
        writeln!(out, "copies of older backups still need the old key")?;
    } else {
        writeln!(out, "{}", json!({"replaced": now, "kept": kept, "erased": erased}))?;
    }
    Ok(out.flush()?)
}

fn refused(error: UpkeepError, args: &Args) -> Failure {
    let UpkeepError::SubjectKeys(keys) = &error else { return error.into() };
    let nothing = "Nothing was changed.";
    match keys {
        KeysError::OtherKey { .. } => {
            let old = args.subject_key_file.display();
            Failure::usage(format!("{old} is not the key that the keys of subjects are wrapped with"))
                .advice(nothing)
        }
        KeysError::SameKey { .. } => {
            Failure::usage("the new key is the one that the keys of subjects are wrapped with")
                .advice("Nothing was changed. `openssl rand -hex 32` makes another one.")
        }
        KeysError::Io { .. } => Failure::from(error).advice(
            "The keys are wrapped with one of the two keys. The same command ends what it has begun.",
        ),
        _ => Failure::from(error).advice(nothing),
    }
}
