//! `mainstay settings` and `mainstay delete`: what a stream keeps, and removing it.

use super::Global;
use super::append::Expect;
use super::failure::Result;
use super::output::{Align, Output, Table, print_json, stdout};
use mainstay_client::{Revision, Settings};

#[derive(Debug, clap::Args)]
pub(crate) struct SettingsArgs {
    /// The stream
    stream: String,
    #[command(flatten)]
    change: Change,
}

/// Without any of these, the settings are shown. With any of them, all settings are replaced.
#[derive(Debug, clap::Args)]
struct Change {
    /// Remove events recorded longer ago than this, such as 30d (units: ms, s, m, h, d, w)
    #[arg(long, value_name = "TIME")]
    max_age: Option<String>,
    /// Keep only this many of the newest events
    #[arg(long, value_name = "COUNT")]
    max_count: Option<u64>,
    /// Remove events below this revision
    #[arg(long, value_name = "REVISION")]
    truncate_before: Option<u64>,
    /// Keep all events: remove every limit
    #[arg(long, conflicts_with_all = ["max_age", "max_count", "truncate_before"])]
    keep_all: bool,
}

impl Change {
    /// The settings to store, if any were given.
    fn settings(&self) -> Option<Settings> {
        let mut settings = Settings::default();
        settings.max_age.clone_from(&self.max_age);
        settings.max_count = self.max_count;
        settings.truncate_before = self.truncate_before.map(Revision);
        (self.keep_all || settings != Settings::default()).then_some(settings)
    }
}

pub(crate) fn settings(global: &Global, args: &SettingsArgs) -> Result {
    let client = global.client()?;
    if let Some(settings) = args.change.settings() {
        client.put_settings(&args.stream, &settings)?;
    }
    let settings = client.settings(&args.stream)?;
    if global.output == Output::Table {
        let mut table = Table::new(stdout(), &[("SETTING", Align::Left), ("VALUE", Align::Left)]);
        for (name, value) in [
            ("max_age", settings.max_age),
            ("max_count", settings.max_count.map(|count| count.to_string())),
            ("truncate_before", settings.truncate_before.map(|revision| revision.to_string())),
        ] {
            table.row(vec![name.to_owned(), value.unwrap_or_else(|| "-".into())])?;
        }
        return Ok(table.flush()?);
    }
    print_json(&settings)
}

#[derive(Debug, clap::Args)]
pub(crate) struct DeleteArgs {
    /// The stream whose events are removed for good
    stream: String,
    /// Delete only if the stream is in this state: `any`, `exists`, or its last revision
    #[arg(long, value_name = "STATE", default_value = "any")]
    expect: Expect,
}

pub(crate) fn delete(global: &Global, args: &DeleteArgs) -> Result {
    Ok(global.client()?.delete(&args.stream, args.expect.0)?)
}
