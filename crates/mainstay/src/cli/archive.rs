//! `mainstay archive`: keeps what happens on a node, while it happens, in a directory with its backups.
//!
//! ```text
//!   what has the archive? ──► ask the node for what follows ──► a piece: check, write, sync ──► ask again
//!     nothing: after a backup    │ nothing yet: wait
//!                                │ not in its log any more: after a later backup
//! ```
//!
//! A backup is taken beside this: the entries after it are archived while it is copied, which may take long.

use super::Global;
use super::backup::{Copied, KeysNotCopied, begin, copy_and_end, copy_keys, store_of};
use super::failure::{Class, Failure, Result};
use super::lease::duration;
use super::output::{Output, stdout};
use format::header::StoreId;
use mainstay_client::{Client, Error, Request};
use model::Index;
use serde_json::{Value, json};
use std::io::Write;
use std::path::PathBuf;
use std::pin::Pin;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use upkeep::UpkeepError;
use upkeep::backups::{BackupDirectory, Reuse};
use upkeep::log_archive::LogArchiveWriter;
use upkeep::subject_keys::KeysVersion;

/// The longest wait for a node that does not respond.
const RETRY_MAX: Duration = Duration::from_secs(10);

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The directory with backups, which is created if it does not exist, or a bucket
    #[arg(value_name = super::backup::PLACE)]
    directory: PathBuf,
    /// How long to wait when the node has nothing more
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = duration)]
    every: Duration,
    /// Stop when everything is archived that the node has
    #[arg(long)]
    once: bool,
}

pub(crate) fn run(global: &Global, args: &Args) -> Result {
    let directory = super::place::create(&args.directory)?;
    let through = global.run(async |client| {
        let (mut terminate, mut interrupt) =
            (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        let mut archiving = Archiving::begin(client, directory, args.every).await?;
        let mut wait = Duration::ZERO;
        loop {
            let copying = archiving.copying.take();
            let mut copying = copying.unwrap_or_else(|| Box::pin(std::future::pending()));
            // A piece is added as a whole: anything else comes between two of them, or while the node is waited for.
            let added = tokio::select! {
                biased;
                _ = terminate.recv() => break,
                _ = interrupt.recv() => break,
                copied = &mut copying => {
                    say_copied(&copied?);
                    archiving.is_copying = false;
                    continue;
                }
                added = archiving.add_next(wait) => added?,
            };
            archiving.copying.get_or_insert(copying);
            wait = match added {
                Added::Some => Duration::ZERO,
                Added::Nothing if args.once && !archiving.is_copying => break,
                Added::Nothing => args.every,
                Added::Failed(error) if args.once => return Err(error.into()),
                Added::Failed(_) => (wait * 2).clamp(args.every, RETRY_MAX.max(args.every)),
            };
        }
        Ok(archiving.has())
    })?;
    let mut out = stdout();
    let entry = through.0;
    match global.output {
        Output::Table => writeln!(out, "archived through entry {entry}")?,
        _ => writeln!(out, "{}", json!({ "entry": entry }))?,
    }
    Ok(out.flush()?)
}

enum Added {
    Some,
    /// The node has nothing more.
    Nothing,
    /// It cannot be asked now.
    Failed(Error),
}

struct Archiving {
    client: Client,
    directory: BackupDirectory,
    store: StoreId,
    /// `None` after a failure, which ends the archiving.
    writer: Option<LogArchiveWriter>,
    every: Duration,
    /// The backup that is being copied.
    copying: Option<Pin<Box<dyn Future<Output = Result<Copied>>>>>,
    is_copying: bool,
    /// How often in a row the node did not have the next entry.
    missed: u32,
    /// Whether the last attempt to ask the node has failed.
    is_out: bool,
    /// What the copy of the subject keys has.
    keys: Option<KeysVersion>,
}

impl Archiving {
    async fn begin(client: Client, directory: BackupDirectory, every: Duration) -> Result<Self> {
        let store = identify(&client).await?;
        let writer = Some(directory.log_archive(store).writer()?);
        let (copying, is_copying, missed, is_out) = (None, false, 0, false);
        let keys = None;
        let mut archiving =
            Self { client, directory, store, writer, every, copying, is_copying, missed, is_out, keys };
        let base = match archiving.newest_backup()? {
            None => archiving.back_up().await?,
            Some(base) => base,
        };
        if archiving.writer()?.has().is_none() {
            archiving.writer()?.skip_to(base);
        }
        anstream::eprintln!("archiving store {store} after entry {}", archiving.has());
        Ok(archiving)
    }

    fn has(&self) -> Index {
        self.writer.as_ref().and_then(LogArchiveWriter::has).unwrap_or_default()
    }

    fn writer(&mut self) -> Result<&mut LogArchiveWriter> {
        self.writer.as_mut().ok_or_else(|| Failure::local("the archive was closed after a failure"))
    }

    /// Waits, asks the node for what follows, and adds it.
    async fn add_next(&mut self, wait: Duration) -> Result<Added> {
        tokio::time::sleep(wait).await;
        let (name, has) = (self.writer()?.reads_as().to_owned(), self.has());
        let piece = match self.client.archive_log(&name, has.0).await {
            Ok(piece) => piece,
            Err(error) if error.code() == Some("not_in_log") => return self.go_on_later(has).await,
            Err(error) => return self.fail(error),
        };
        self.missed = 0;
        if std::mem::take(&mut self.is_out) {
            anstream::eprintln!("the node responds again");
        }
        if piece.is_empty() {
            return Ok(Added::Nothing);
        }
        self.keys = match copy_keys(&self.client, &self.directory, self.store, self.keys).await {
            Err(KeysNotCopied::Node(error)) => return self.fail(error),
            copied => copied?,
        };
        if let Some(writer) = self.writer.take() {
            self.writer = Some(writer.append(&piece)?);
        }
        Ok(Added::Some)
    }

    /// The node cannot be asked. If that may pass, it is asked again, for the same entries.
    fn fail(&mut self, error: Error) -> Result<Added> {
        if !error.is_retryable() {
            return Err(error.into());
        }
        if !std::mem::replace(&mut self.is_out, true) {
            anstream::eprintln!("{error}; trying again");
        }
        Ok(Added::Failed(error))
    }

    /// The node's log begins later than what the archive has: goes on after a backup.
    async fn go_on_later(&mut self, has: Index) -> Result<Added> {
        self.missed += 1;
        if self.missed > 3 || self.is_copying {
            let what = "the node removes entries from its log faster than they are archived";
            return Err(Failure::new(Class::Unavailable, what)
                .advice("Use a faster disk or network for the archive."));
        }
        let base = match self.newest_backup()? {
            Some(entry) if entry > has && self.missed == 1 => entry,
            _ => self.back_up().await?,
        };
        self.writer()?.skip_to(base);
        anstream::eprintln!(
            "warning: the node has no entry after {has} in its log: the archive goes on after entry {base}, which a \
             backup has. A restore to a moment between the two is not possible."
        );
        Ok(Added::Some)
    }

    /// The last entry of the newest backup of the store.
    fn newest_backup(&self) -> Result<Option<Index>> {
        let store = self.store.to_string();
        let newest = self.directory.backups()?.into_iter().rfind(|backup| backup.manifest.store == store);
        Ok(newest.map(|backup| Index(backup.manifest.entry)))
    }

    /// Begins a backup, and returns its last entry. It is copied while entries are archived.
    async fn back_up(&mut self) -> Result<Index> {
        let locked = loop {
            match self.directory.lock() {
                // Another process makes a backup.
                Err(UpkeepError::InUse { .. }) => tokio::time::sleep(self.every).await,
                locked => break locked?,
            }
        };
        let begun = begin(&self.client, &self.directory, &locked).await?;
        let entry = begun.entry()?;
        let (client, directory) = (self.client.clone(), self.directory.clone());
        let copy = async move { copy_and_end(&client, &directory, &locked, begun, Reuse::Trust).await };
        self.copying = Some(Box::pin(copy));
        self.is_copying = true;
        Ok(entry)
    }
}

fn say_copied(copied: &Copied) {
    if let Copied::Added(added) = copied {
        anstream::eprintln!("backup {}: {} events", added.name, added.events);
    }
}

/// The identity of the node's store.
async fn identify(client: &Client) -> Result<StoreId> {
    let response = client.send(&Request::new("GET", "/v1")?).await?;
    let body: Value = serde_json::from_slice(&response.body).unwrap_or_default();
    store_of(body["store"].as_str().unwrap_or_default())
}
