//! `mainstay check`: examines a running node.
//!
//! It reads what a backup would copy, piece by piece at the rate that the node allows, checks it, and keeps one segment at a
//! time in a temporary file.

use super::Global;
use super::backup::{from_hex, read_segment};
use super::failure::{Class, Failure, Result};
use super::output::{Output, stdout};
use indicatif::ProgressBar;
use serde_json::json;
use std::io::Write;
use std::time::Instant;
use storage::real_disk::RealFile;
use upkeep::Finding;
use upkeep::backups::{CopyKind, Following, draw_name};
use upkeep::check::{Check, Checked};

pub(crate) fn run(global: &Global) -> Result {
    let began = Instant::now();
    let checked = global.run(async |client| {
        let backup = client.begin_backup(&draw_name()?).await?;
        let checked = read_all(&client, &backup).await;
        // If this fails, the node ends it later.
        let _ = client.end_backup(&backup.backup).await;
        checked
    })?;
    let Checked { events, rows, findings } = checked;
    let healthy = findings.is_empty();
    let seconds = (began.elapsed().as_secs_f64() * 1e3).round() / 1e3;
    let mut out = stdout();
    if global.output != Output::Table {
        let written = json!({
            "healthy": healthy, "events": events, "rows": rows, "seconds": seconds, "findings": findings,
        });
        writeln!(out, "{written}")?;
    } else if healthy {
        writeln!(out, "{events} events and {rows} rows are as they were written ({seconds:.1} s)")?;
    }
    out.flush()?;
    match &findings[..] {
        [] => Ok(()),
        findings => Err(damaged(global.output, findings)),
    }
}

/// The findings are the error, unless the output has them already.
fn damaged(output: Output, findings: &[Finding]) -> Failure {
    let whats: Vec<_> = findings.iter().map(|finding| finding.what.as_str()).collect();
    let failure = Failure::new(Class::Damaged, whats.join("\n"));
    if output != Output::Table {
        return failure;
    }
    let mut advice: Vec<String> = Vec::new();
    for Finding { affected, remedy, .. } in findings {
        for line in [format!("affected: {affected}"), format!("remedy: {remedy}")] {
            if !advice.contains(&line) {
                advice.push(line);
            }
        }
    }
    failure.advice(advice.join("\n  "))
}

async fn read_all(client: &mainstay_client::Client, backup: &mainstay_client::Backup) -> Result<Checked> {
    let id = &backup.backup;
    let mut check = Check::begin(&from_hex(&backup.header))?;
    for chunk in 0.. {
        if check.rows(&client.backup_rows(id, chunk).await?)? == Following::Nothing {
            break;
        }
    }
    let scratch = tempfile::tempdir()?;
    let bar = ProgressBar::hidden();
    for segment in &backup.segments {
        let path = scratch.path().join(&segment.segment);
        let mut file = std::fs::File::create(&path)?;
        read_segment(client, id, &segment.segment, 0..segment.bytes, &mut file, &bar).await?;
        let kind = if segment.sealed { CopyKind::Sealed } else { CopyKind::Part };
        // The node's name of the file.
        check.segment(&format!("bodies/{}.bodies", segment.segment), RealFile::open_to_read(&path)?, kind);
        std::fs::remove_file(&path)?;
    }
    Ok(check.end())
}
