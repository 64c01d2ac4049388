//! `mainstay backup` and `mainstay backups`: copies a running node's data, and manages the copies.
//!
//! Parts are read from the node one after the other, and checked and kept by `upkeep`. When a segment turns out to be
//! damaged, it is read again from its beginning once: what an interrupted backup had of it may be the reason.

use super::Global;
use super::failure::{Class, Failure, Result};
use super::output::{Align, Output, print_list, stdout};
use super::place;
use clap::Subcommand;
use format::header::{SnapshotHeader, StoreId};
use indicatif::{ProgressBar, ProgressStyle};
use mainstay_client::Client;
use model::Index;
use serde_json::json;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::ops::Range;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use upkeep::backups::{
    Added, Backup, BackupDirectory, Begun, Locked, Missing, NewBackup, Reuse, SegmentFile, VerifiedArchive,
};
use upkeep::log_archive::StretchEnd;
use upkeep::needed_keys::NeededKeys;
use upkeep::subject_keys::{Examined, KeysVersion, SentKeys, Taken};
use upkeep::{BucketCause, UpkeepError};

/// How places with backups are named on the command line.
pub(super) const PLACE: &str = "DIRECTORY|s3://BUCKET/PREFIX";
const PLACE_OR_STREAM: &str = "DIRECTORY|s3://BUCKET/PREFIX|-";
/// No node has a key after this.
const NO_KEY: u32 = 999_999_999;
/// How long to wait for another process that copies keys.
const KEYS_WAIT: Duration = Duration::from_millis(50);

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A directory, which is created if it does not exist; a bucket; or `-` for a tar stream on standard output
    #[arg(value_name = PLACE_OR_STREAM)]
    directory: PathBuf,
    /// Read files again that earlier backups have copied, and copy those that are damaged again
    #[arg(long)]
    verify: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List the backups in a directory or a bucket
    List {
        #[arg(value_name = PLACE)]
        directory: PathBuf,
    },
    /// Read backups completely and compare everything with its checksums
    Verify {
        #[arg(value_name = PLACE)]
        directory: PathBuf,
        /// Only this backup
        name: Option<String>,
    },
    /// Remove all backups but the newest, and files that no other backup needs
    Prune {
        #[arg(value_name = PLACE)]
        directory: PathBuf,
        /// How many backups to keep
        #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..))]
        keep: u32,
    },
}

pub(crate) fn run(global: &Global, args: &Args) -> Result {
    let is_stream = place::is_stream(&args.directory);
    let directory = if is_stream { place::stream()? } else { place::create(&args.directory)? };
    let locked = directory.lock()?;
    let reuse = if args.verify { Reuse::Verify } else { Reuse::Trust };
    let began = Instant::now();
    let added = global.run(async |client| {
        let held = begin(&client, &directory, &locked).await?;
        copy_and_end(&client, &directory, &locked, held, reuse).await
    })?;
    let seconds = began.elapsed().as_secs_f64();
    if is_stream {
        // The stream is on standard output.
        return say(&mut std::io::stderr().lock(), global.output, added, seconds);
    }
    say(&mut stdout(), global.output, added, seconds)
}

fn say(out: &mut impl Write, output: Output, copied: Copied, seconds: f64) -> Result {
    match (copied, output) {
        (Copied::Unchanged(name), Output::Table) => {
            writeln!(out, "{name}: nothing has happened since this backup")?;
        }
        (Copied::Unchanged(name), _) => writeln!(out, "{}", json!({"backup": name, "unchanged": true}))?,
        (Copied::Added(Added { name, events, bytes, copied }), Output::Table) => {
            let (bytes, copied) = (in_mib(bytes), in_mib(copied));
            writeln!(
                out,
                "{name}: {events} events, {bytes}, of which {copied} were copied in {seconds:.1} s"
            )?;
        }
        (Copied::Added(Added { name, events, bytes, copied }), _) => {
            let seconds = (seconds * 1e3).round() / 1e3;
            let added = json!({
                "backup": name, "unchanged": false, "events": events, "bytes": bytes, "copied": copied,
                "seconds": seconds,
            });
            writeln!(out, "{added}")?;
        }
    }
    Ok(out.flush()?)
}

pub(super) enum Copied {
    Added(Added),
    Unchanged(String),
}

/// A backup that the node holds.
pub(super) struct Held(mainstay_client::Backup);

impl Held {
    /// The last entry that it has.
    pub(super) fn entry(&self) -> Result<Index> {
        let header = SnapshotHeader::decode(&from_hex(&self.0.header));
        header.map(|header| header.index).map_err(|error| {
            Failure::new(Class::Unavailable, format!("the node has sent no header of rows: {error}"))
        })
    }
}

/// Begins a backup. The node holds it.
pub(super) async fn begin(client: &Client, directory: &BackupDirectory, locked: &Locked) -> Result<Held> {
    Ok(Held(client.begin_backup(&directory.held_as(locked)?).await?))
}

/// Adds a backup to the directory. The node need not hold it any longer.
pub(super) async fn copy_and_end(
    client: &Client,
    directory: &BackupDirectory,
    locked: &Locked,
    held: Held,
    reuse: Reuse,
) -> Result<Copied> {
    let id = held.0.backup.clone();
    let copied = copy(client, directory, locked, held.0, reuse).await;
    // If this fails, the node ends it later.
    let _ = client.end_backup(&id).await;
    copied
}

async fn copy(
    client: &Client,
    directory: &BackupDirectory,
    locked: &Locked,
    backup: mainstay_client::Backup,
    reuse: Reuse,
) -> Result<Copied> {
    let (id, store) = (backup.backup, store_of(&backup.store)?);
    let segments = backup.segments.into_iter().map(|segment| SegmentFile {
        segment: segment.segment,
        bytes: segment.bytes,
        sealed: segment.sealed,
        may_hold_removed: segment.may_hold_removed,
        holds: None,
    });
    let header = from_hex(&backup.header);
    let mut new = match directory.begin(locked, &header, &backup.time, segments.collect())? {
        Begun::New(new) => new,
        Begun::Unchanged(name) => return Ok(Copied::Unchanged(name)),
    };
    let bar = ProgressBar::new_spinner();
    bar.set_style(ProgressStyle::with_template("{spinner} {bytes}  {msg}").map_err(Failure::local)?);
    bar.set_message("rows");
    for chunk in 0.. {
        let rows = client.backup_rows(&id, chunk).await?;
        bar.inc(rows.len() as u64);
        if new.rows(&rows)? == upkeep::backups::Following::Nothing {
            break;
        }
    }
    bar.set_message("events");
    for missing in new.missing(directory, reuse)? {
        match copy_segment(client, &id, &mut new, &missing, &bar).await {
            Err(Attempt::Damaged(_)) if missing.from > 0 => {
                copy_segment(client, &id, &mut new, &missing.whole(), &bar).await?;
            }
            other => other?,
        }
    }
    copy_keys(client, directory, store, None).await?;
    bar.set_message("checking");
    let added = new.finish(locked)?;
    bar.finish_and_clear();
    Ok(Copied::Added(added))
}

/// Brings the copy of the subject keys up to date, and says what it has then. Nothing is to be kept that is sealed with keys
/// that the copy does not have, so this comes after that was read from the node, and before it is kept. `known`: what the
/// copy had the last time.
pub(super) async fn copy_keys(
    client: &Client,
    directory: &BackupDirectory,
    store: StoreId,
    known: Option<KeysVersion>,
) -> Result<Option<KeysVersion>, KeysNotCopied> {
    let sent = match client.subject_keys(NO_KEY).await {
        Err(error) if error.code() == Some("no_subject_keys") => return Ok(None),
        sent => sent?,
    };
    let version = SentKeys::read(&sent)?.version;
    if known == Some(version) {
        return Ok(known);
    }
    let mut copy = loop {
        match directory.keys_copy(store) {
            // Another process brings it up to date.
            Err(UpkeepError::InUse { .. }) => tokio::time::sleep(KEYS_WAIT).await,
            copy => break copy?,
        }
    };
    loop {
        let sent = client.subject_keys(copy.after().0).await?;
        let taken = copy.take(&SentKeys::read(&sent)?)?;
        // Keys that came later are not needed, and there may always be some.
        if taken == Taken::All || copy.after() >= version.state.last {
            copy.finish()?;
            return Ok(Some(version));
        }
    }
}

/// Why the copy of the subject keys is not up to date.
pub(super) enum KeysNotCopied {
    Node(mainstay_client::Error),
    Kept(UpkeepError),
}

impl From<mainstay_client::Error> for KeysNotCopied {
    fn from(error: mainstay_client::Error) -> Self {
        Self::Node(error)
    }
}

impl From<UpkeepError> for KeysNotCopied {
    fn from(error: UpkeepError) -> Self {
        Self::Kept(error)
    }
}

impl From<KeysNotCopied> for Failure {
    fn from(why: KeysNotCopied) -> Self {
        match why {
            KeysNotCopied::Node(error) => error.into(),
            KeysNotCopied::Kept(error) => error.into(),
        }
    }
}

/// The identity of a store, as a node shows it.
pub(super) fn store_of(text: &str) -> Result<StoreId> {
    let store = Some(text).filter(|store| store.len() == 32);
    let store = store.and_then(|store| u128::from_str_radix(store, 16).ok()).map(StoreId);
    store.ok_or_else(|| Failure::new(Class::Unavailable, "the node does not say which store it has"))
}

/// Why a segment was not copied.
enum Attempt {
    Damaged(UpkeepError),
    Failed(Failure),
}

impl From<Attempt> for Failure {
    fn from(attempt: Attempt) -> Self {
        match attempt {
            Attempt::Failed(failure) => failure,
            Attempt::Damaged(error) => damaged_on_the_node(error),
        }
    }
}

/// What was read from the node is not what was written there.
fn damaged_on_the_node(error: UpkeepError) -> Failure {
    Failure::from(error).advice(
        "The copy was not kept. If this happens again, the node's own file with this name is damaged: stop the node and \
         run `mainstay doctor`.",
    )
}

async fn copy_segment(
    client: &Client,
    id: &str,
    new: &mut NewBackup,
    missing: &Missing,
    bar: &ProgressBar,
) -> Result<(), Attempt> {
    let failed = |error: UpkeepError| Attempt::Failed(error.into());
    let mut file = new.open(missing).map_err(failed)?;
    let range = missing.from..missing.segment.bytes;
    let read = read_segment(client, id, &missing.segment.segment, range, &mut file, bar).await;
    read.map_err(Attempt::Failed)?;
    new.close(missing, file).map_err(Attempt::Damaged)
}

/// Copies bytes of a segment into a file.
pub(super) async fn read_segment(
    client: &Client,
    id: &str,
    segment: &str,
    range: Range<u64>,
    file: &mut File,
    bar: &ProgressBar,
) -> Result {
    let mut at = range.start;
    while at < range.end {
        let bytes = client.backup_segment(id, segment, at).await?;
        if bytes.is_empty() {
            break;
        }
        file.write_all(&bytes)?;
        at += bytes.len() as u64;
        bar.inc(bytes.len() as u64);
    }
    Ok(())
}

pub(super) fn from_hex(text: &str) -> Vec<u8> {
    let digits = text.as_bytes().chunks(2);
    digits.filter_map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}

pub(crate) fn manage(global: &Global, command: &Command) -> Result {
    match command {
        Command::List { directory } => list(global, &place::open(directory)?),
        Command::Verify { directory, name } => verify(global, &place::open(directory)?, name.as_deref()),
        Command::Prune { directory, keep } => {
            let keep = usize::try_from(*keep).unwrap_or(usize::MAX);
            let pruned = place::open(directory)?.prune(keep)?;
            let mut out = stdout();
            if global.output == Output::Table {
                let removed = pruned.backups.len();
                writeln!(out, "{removed} backups removed, {} freed by shared files", in_mib(pruned.bytes))?;
            } else {
                let (segments, bytes) = (pruned.segments, pruned.bytes);
                writeln!(
                    out,
                    "{}",
                    json!({"removed": pruned.backups, "segments": segments, "bytes": bytes})
                )?;
            }
            Ok(out.flush()?)
        }
    }
}

fn list(global: &Global, directory: &BackupDirectory) -> Result {
    let backups = directory.backups()?;
    let items: Vec<_> = backups.iter().map(summary).collect();
    let columns = [
        ("BACKUP", Align::Left),
        ("EVENTS", Align::Right),
        ("SIZE", Align::Right),
        ("STORE", Align::Left),
        ("CURSOR", Align::Left),
    ];
    print_list(global.output, &items, &columns, |table, item| {
        let text = |name: &str| item[name].as_str().unwrap_or_default().to_owned();
        let size = in_mib(item["bytes"].as_u64().unwrap_or_default());
        table.row(vec![text("backup"), item["events"].to_string(), size, text("store"), text("cursor")])
    })
}

fn summary(backup: &Backup) -> serde_json::Value {
    let manifest = &backup.manifest;
    json!({
        "backup": backup.name, "time": manifest.time, "store": manifest.store, "cursor": manifest.cursor,
        "events": manifest.events, "bytes": manifest.bytes,
    })
}

fn verify(global: &Global, directory: &BackupDirectory, name: Option<&str>) -> Result {
    let backups = match name {
        Some(name) => vec![directory.backup(Some(name))?],
        None => directory.backups()?,
    };
    let (mut out, mut damaged) = (stdout(), 0);
    let mut keys = BTreeMap::<StoreId, NeededKeys>::new();
    for backup in &backups {
        let verified = backup.verify();
        match (&verified, global.output) {
            (Ok(verified), Output::Table) => {
                writeln!(out, "{}: {} events, whole", backup.name, verified.events)?;
            }
            (Err(error), Output::Table) => writeln!(out, "{}: {error}", backup.name)?,
            (Ok(_), _) => writeln!(out, "{}", json!({"backup": backup.name, "whole": true}))?,
            (Err(error), _) => {
                let error = error.to_string();
                writeln!(out, "{}", json!({"backup": backup.name, "whole": false, "error": error}))?;
            }
        }
        damaged += usize::from(verified.is_err());
        if let Ok(verified) = verified {
            keys.entry(verified.header.store).or_default().add(verified.keys);
        }
    }
    if name.is_none() {
        damaged += verify_archives(global, directory, &backups, &mut out)?;
        damaged += verify_keys(global, directory, &keys, &mut out)?;
    }
    out.flush()?;
    match damaged {
        0 => Ok(()),
        _ => Err(Failure::local(format!("{damaged} of {} backups and logs cannot be restored", backups.len())).advice(
            "`mainstay backup --verify` copies damaged shared files again, if the node still has them. Other backups are \
             not affected.",
        )),
    }
}

/// Reads what was archived after the oldest backup of each store, and returns how many archives are damaged.
fn verify_archives(
    global: &Global,
    directory: &BackupDirectory,
    backups: &[Backup],
    out: &mut impl Write,
) -> Result<usize> {
    let mut damaged = 0;
    for verified in directory.verify_archives(backups) {
        let VerifiedArchive { store, stretches } = verified;
        let last = stretches.as_ref().ok().and_then(|stretches| stretches.last());
        match (&stretches, last, global.output) {
            (Ok(_), None, _) => {}
            (Ok(stretches), Some(last), Output::Table) => {
                let missing = if stretches.len() > 1 { ", with entries missing in between" } else { "" };
                let torn = match last.end {
                    StretchEnd::Torn => "; what follows was interrupted, or is damaged",
                    _ => "",
                };
                writeln!(out, "log of {store}: whole through entry {}{missing}{torn}", last.last)?;
            }
            (Ok(stretches), Some(last), _) => {
                let gaps = stretches.len() - 1;
                writeln!(
                    out,
                    "{}",
                    json!({"log": store, "whole": true, "entry": last.last.0, "gaps": gaps})
                )?;
            }
            (Err(error), _, Output::Table) => writeln!(out, "log of {store}: {error}")?,
            (Err(error), _, _) => {
                writeln!(out, "{}", json!({"log": store, "whole": false, "error": error.to_string()}))?;
            }
        }
        damaged += usize::from(stretches.is_err());
    }
    Ok(damaged)
}

/// Reads the copies of subject keys, and returns how many are damaged or lack what backups need.
fn verify_keys(
    global: &Global,
    directory: &BackupDirectory,
    needed: &BTreeMap<StoreId, NeededKeys>,
    out: &mut impl Write,
) -> Result<usize> {
    let mut damaged = 0;
    for (store, needed) in needed {
        match (needed.find(directory, *store), global.output) {
            (Ok(None), _) => {}
            (Ok(Some(keys)), Output::Table) => {
                let Examined { kept, erased, .. } = keys.examined;
                writeln!(out, "subject keys of {store}: {kept} whole, {erased} erased")?;
            }
            (Ok(Some(keys)), _) => {
                let (store, Examined { kept, erased, .. }) = (store.to_string(), keys.examined);
                let whole = json!({"subject_keys": store, "whole": true, "kept": kept, "erased": erased});
                writeln!(out, "{whole}")?;
            }
            (Err(error), Output::Table) => {
                damaged += 1;
                writeln!(out, "subject keys of {store}: {error}")?;
            }
            (Err(error), _) => {
                damaged += 1;
                let (store, error) = (store.to_string(), error.to_string());
                writeln!(out, "{}", json!({"subject_keys": store, "whole": false, "error": error}))?;
            }
        }
    }
    Ok(damaged)
}

pub(super) fn in_mib(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}

impl From<UpkeepError> for Failure {
    fn from(error: UpkeepError) -> Self {
        let (class, advice) = match &error {
            UpkeepError::NotBackups { .. } | UpkeepError::NoBackups { .. } | UpkeepError::Unknown { .. } => (
                Class::Usage,
                Some("Check the path. `mainstay backups list DIRECTORY` lists the backups there."),
            ),
            UpkeepError::BeforeBackups { .. } | UpkeepError::BeyondArchive { .. } => (
                Class::Usage,
                Some("Nothing was changed. `mainstay backups list DIRECTORY` says what there is."),
            ),
            UpkeepError::LogBegins { .. } | UpkeepError::LostLog { .. } | UpkeepError::NoLog { .. } => (
                Class::Local,
                Some(
                    "Nothing was changed. Without `--log-of`, everything is restored that was backed up and archived.",
                ),
            ),
            UpkeepError::LogOfOther { .. } => (
                Class::Usage,
                Some("Nothing was changed. Give the directory of the node that was backed up."),
            ),
            UpkeepError::InUse { .. } => (Class::Local, Some("Wait until it has ended.")),
            UpkeepError::Bucket { cause, .. } => of_bucket(*cause),
            UpkeepError::NotAStream { .. } => (Class::Local, Some("Nothing was changed.")),
            UpkeepError::Newer { .. } => {
                (Class::Local, Some("Use the version that wrote it, or a newer one."))
            }
            UpkeepError::Damaged { .. } | UpkeepError::Bodies(_) => (
                Class::Local,
                Some(
                    "Nothing was changed. `mainstay backups verify DIRECTORY` says which backups are whole.",
                ),
            ),
            UpkeepError::NoKeys { .. } | UpkeepError::MissingKeys { .. } => (
                Class::Local,
                Some(
                    "Nothing was changed. A node stops when it is asked for an event that it cannot open, so a store without \
                     these keys is of no use. Put the file there that goes with the backups, or `SUBJECT-KEYS` of the node's data \
                     directory, and restore again. If the keys are lost for good, `--erase-lost-subjects` restores everything else.",
                ),
            ),
            _ => (Class::Local, None),
        };
        let failure = Self::new(class, error);
        match advice {
            Some(advice) => failure.advice(advice),
            None => failure,
        }
    }
}

/// The exit status and the advice for a bucket that cannot be used.
const fn of_bucket(cause: BucketCause) -> (Class, Option<&'static str>) {
    match cause {
        BucketCause::Settings => (
            Class::Usage,
            Some(
                "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_REGION say who asks; AWS_ENDPOINT_URL names a store other \
                 than Amazon's.",
            ),
        ),
        BucketCause::Missing => (Class::Usage, Some("Check its name and AWS_REGION, or create it first.")),
        BucketCause::Denied => (
            Class::Refused,
            Some("Check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, and what they may do with the bucket."),
        ),
        BucketCause::Unreachable => {
            (Class::Unreachable, Some("Check AWS_ENDPOINT_URL and AWS_REGION, and the network."))
        }
        BucketCause::Failed => (Class::Unavailable, Some("Run the command again: it goes on where it was.")),
        BucketCause::Unsupported => (Class::Local, Some("Use another store, or a directory of backups.")),
    }
}
