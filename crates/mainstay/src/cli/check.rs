//! `mainstay check`: examines a running node.
//!
//! It reads what a backup would copy, piece by piece at the rate that the node allows, checks it, and keeps one segment at a
//! time in a temporary file.

use super::Global;
use super::backup::{damaged_on_the_node, from_hex, read_segment};
use super::failure::Result;
use super::output::{Output, stdout};
use indicatif::ProgressBar;
use serde_json::json;
use std::io::Write;
use std::time::Instant;
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
    let Checked { events, rows } = checked;
    let seconds = (began.elapsed().as_secs_f64() * 1e3).round() / 1e3;
    let mut out = stdout();
    if global.output == Output::Table {
        writeln!(out, "{events} events and {rows} rows are as they were written ({seconds:.1} s)")?;
    } else {
        let healthy = json!({"healthy": true, "events": events, "rows": rows, "seconds": seconds});
        writeln!(out, "{healthy}")?;
    }
    Ok(out.flush()?)
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
        // The node's name of the file, for messages.
        let path = scratch.path().join(format!("{}.bodies", segment.segment));
        let mut file = std::fs::File::create(&path)?;
        read_segment(client, id, &segment.segment, 0..segment.bytes, &mut file, &bar).await?;
        let kind = if segment.sealed { CopyKind::Sealed } else { CopyKind::Part };
        check.segment(&path, kind).map_err(damaged_on_the_node)?;
        std::fs::remove_file(&path)?;
    }
    Ok(check.end()?)
}
