//! `mainstay archive`: keeps what happens on a node, while it happens, in a directory with its backups.
//!
//! ```text
//!   what has the archive? ──► ask the node for what follows ──► a piece: check, write, sync ──► ask again
//!     nothing: a backup          │ nothing yet: wait
//!                                │ not in its log any more: go on after a later backup
//! ```

use super::Global;
use super::backup::{Copied, back_up};
use super::failure::{Class, Failure, Result};
use super::lease::duration;
use super::output::{Output, stdout};
use format::header::StoreId;
use mainstay_client::{Client, Error, Request};
use model::Index;
use serde_json::{Value, json};
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use upkeep::UpkeepError;
use upkeep::backups::{BackupDirectory, Reuse};
use upkeep::log_archive::LogArchiveWriter;

/// The longest wait for a node that does not respond.
const RETRY_MAX: Duration = Duration::from_secs(10);

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The directory with backups; it is created if it does not exist
    directory: PathBuf,
    /// How long to wait when the node has nothing more
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = duration)]
    every: Duration,
    /// Stop when everything is archived that the node has
    #[arg(long)]
    once: bool,
}

pub(crate) fn run(global: &Global, args: &Args) -> Result {
    let directory = BackupDirectory::create(&args.directory)?;
    let through = global.run(async |client| {
        let (mut terminate, mut interrupt) =
            (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        let mut archiving = Archiving::begin(client, directory, args.every).await?;
        loop {
            // A piece is added as a whole: a signal comes between two of them, or while the node is waited for.
            tokio::select! {
                biased;
                _ = terminate.recv() => break,
                _ = interrupt.recv() => break,
                added = archiving.add_next() => match added? {
                    Added::Some => continue,
                    Added::Nothing if args.once => break,
                    Added::Nothing => archiving.wait = args.every,
                    Added::Failed(error) if args.once => return Err(error.into()),
                    Added::Failed(_) => {}
                }
            }
            tokio::select! {
                _ = terminate.recv() => break,
                _ = interrupt.recv() => break,
                () = tokio::time::sleep(archiving.wait) => {}
            }
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
    /// How long to wait before the node is asked again.
    wait: Duration,
    /// How often in a row the node did not have the next entry.
    missed: u32,
    /// Whether the last attempt to ask the node has failed.
    is_out: bool,
}

impl Archiving {
    async fn begin(client: Client, directory: BackupDirectory, every: Duration) -> Result<Self> {
        let store = identify(&client).await?;
        let writer = directory.log_archive(store).writer()?;
        let mut archiving = Self {
            client,
            directory,
            store,
            writer: Some(writer),
            every,
            wait: every,
            missed: 0,
            is_out: false,
        };
        if archiving.newest_backup()?.is_none() {
            archiving.back_up().await?;
        }
        if archiving.writer()?.has().is_none() {
            archiving.skip_to_backup()?;
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

    /// Asks the node for what follows, and adds it.
    async fn add_next(&mut self) -> Result<Added> {
        let (name, has) = (self.writer()?.reads_as().to_owned(), self.has());
        let piece = match self.client.archive_log(&name, has.0).await {
            Ok(piece) => piece,
            Err(error) if error.code() == Some("not_in_log") => return self.go_on_later(has).await,
            Err(error) if error.is_retryable() => {
                if !std::mem::replace(&mut self.is_out, true) {
                    anstream::eprintln!("{error}; trying again");
                }
                self.wait = (self.wait * 2).clamp(self.every, RETRY_MAX.max(self.every));
                return Ok(Added::Failed(error));
            }
            Err(error) => return Err(error.into()),
        };
        self.missed = 0;
        if std::mem::take(&mut self.is_out) {
            anstream::eprintln!("the node responds again");
        }
        if piece.is_empty() {
            return Ok(Added::Nothing);
        }
        if let Some(writer) = self.writer.take() {
            self.writer = Some(writer.add(&piece)?);
        }
        Ok(Added::Some)
    }

    /// The node's log begins later than what the archive has: goes on after a backup.
    async fn go_on_later(&mut self, has: Index) -> Result<Added> {
        self.missed += 1;
        if self.missed > 3 {
            let what = "the node removes entries from its log faster than they are archived";
            return Err(Failure::new(Class::Unavailable, what)
                .advice("Use a faster disk or network for the archive, or take backups more often."));
        }
        if self.newest_backup()?.is_none_or(|entry| entry <= has) {
            self.back_up().await?;
        }
        self.skip_to_backup()?;
        let now_has = self.has();
        anstream::eprintln!(
            "warning: the node has no entry after {has} in its log: the archive goes on after entry {now_has}, which a \
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

    fn skip_to_backup(&mut self) -> Result {
        if let Some(entry) = self.newest_backup()? {
            self.writer()?.skip_to(entry);
        }
        Ok(())
    }

    async fn back_up(&self) -> Result {
        let locked = loop {
            match self.directory.lock() {
                // Another process makes a backup, which will do as well.
                Err(UpkeepError::InUse { .. }) => tokio::time::sleep(self.every).await,
                locked => break locked?,
            }
        };
        match back_up(&self.client, &self.directory, &locked, Reuse::Trust).await? {
            Copied::Added(added) => anstream::eprintln!("backup {}: {} events", added.name, added.events),
            Copied::Unchanged(_) => {}
        }
        Ok(())
    }
}

/// The identity of the node's store.
async fn identify(client: &Client) -> Result<StoreId> {
    let response = client.send(&Request::new("GET", "/v1")?).await?;
    let body: Value = serde_json::from_slice(&response.body).unwrap_or_default();
    let store = body["store"].as_str().filter(|store| store.len() == 32);
    let store = store.and_then(|store| u128::from_str_radix(store, 16).ok()).map(StoreId);
    store.ok_or_else(|| Failure::new(Class::Unavailable, "the node does not say which store it has"))
}
