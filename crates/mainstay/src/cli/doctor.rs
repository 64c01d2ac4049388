//! `mainstay doctor`: examines a data directory.

use super::Global;
use super::backup::in_mib;
use super::failure::{Failure, Result};
use super::output::{Output, stdout};
use serde_json::json;
use std::io::Write;
use std::path::PathBuf;
use upkeep::Finding;
use upkeep::doctor::{Report, examine};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The data directory
    #[arg(long, env = "MAINSTAY_DATA", default_value = "mainstay-data")]
    data: PathBuf,
}

pub(crate) fn run(global: &Global, args: &Args) -> Result {
    let report = examine(&args.data)?;
    let mut out = stdout();
    if global.output == Output::Table {
        write_table(&mut out, &report)?;
    } else {
        let Report { events, rows, segments, entries, bytes, findings, notes, .. } = &report;
        let store = report.store.map(|store| store.to_string());
        let written = json!({
            "store": store, "healthy": findings.is_empty(), "events": events, "rows": rows, "segments": segments,
            "entries": entries, "bytes": bytes, "findings": findings, "notes": notes,
        });
        writeln!(out, "{written}")?;
    }
    out.flush()?;
    match report.findings.len() {
        0 => Ok(()),
        1 => Err(Failure::local("1 thing is wrong")),
        number => Err(Failure::local(format!("{number} things are wrong"))),
    }
}

fn write_table(out: &mut impl Write, report: &Report) -> std::io::Result<()> {
    if let Some(store) = report.store {
        writeln!(out, "store {store}")?;
    }
    let Report { events, rows, segments, entries, bytes, .. } = report;
    writeln!(
        out,
        "read {events} events in {segments} segments, {rows} rows, {entries} entries to be replayed, {}",
        in_mib(*bytes)
    )?;
    for note in &report.notes {
        writeln!(out, "note: {note}")?;
    }
    for Finding { what, affected, remedy } in &report.findings {
        writeln!(out, "\nwrong: {what}\n  affected: {affected}\n  remedy: {remedy}")?;
    }
    if report.findings.is_empty() {
        writeln!(out, "everything is as it was written")?;
    }
    Ok(())
}
