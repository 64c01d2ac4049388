//! Examines a data directory that no node uses, and changes nothing.
//!
//! It reads every table of the state, every row, every event up to the end of the flushed state, and every entry that the
//! next start would replay; compares each with its checksum; and rows with events. It goes on after a finding where that
//! makes sense, so one run finds most of what is wrong.
//!
//! The state cannot be made again from the rest alone: bodies say what happened, but not what was decided about tasks, leases,
//! keys and settings, and the log begins where the state was flushed. So the remedy for a damaged state is a backup, and
//! what the log has of what followed ([`crate::lost_node`]).

use crate::error::{Result, UpkeepError};
use crate::finding::Finding;
use crate::matching::Matching;
use crate::restore::GROUP;
use format::header::StoreId;
use format::row::ALL_ROWS;
use model::{Order, View};
use node::GroupLog;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use storage::bodies::{Bodies, BodyOptions};
use storage::directory::{self, DataDirectory, DirectoryError};
use storage::log::{Log, LogOptions};
use storage::lsm::LsmState;
use storage::state::{Progress, Reader};
use subject_keys::file;

/// What was read, and what was found.
#[derive(Clone, Debug, Default)]
pub struct Report {
    pub store: Option<StoreId>,
    pub findings: Vec<Finding>,
    /// What is unusual, and not wrong.
    pub notes: Vec<String>,
    pub events: u64,
    pub rows: u64,
    pub segments: u64,
    /// Entries that the next start replays.
    pub entries: u64,
    /// The bytes of all files.
    pub bytes: u64,
}

/// Examines a data directory.
///
/// # Errors
/// A node is using it, it holds no store, or it cannot be read.
pub fn examine(data: &Path) -> Result<Report> {
    let mut report = Report::default();
    let directory = match DataDirectory::open_existing(data) {
        Ok(directory) => directory,
        Err(error @ (DirectoryError::Damaged { .. } | DirectoryError::NotAStore { .. })) => {
            let affected = "Which store the files belong to is not known, so no node starts here.";
            report.findings.push(Finding::restore(error, affected));
            return Ok(report);
        }
        Err(error) => return Err(error.into()),
    };
    report.store = Some(directory.store());
    for entry in std::fs::read_dir(data).map_err(|source| UpkeepError::io(data, source))? {
        let name = entry.map_err(|source| UpkeepError::io(data, source))?.file_name();
        let name = name.to_string_lossy();
        if !directory::belongs(&name) {
            report.notes.push(format!("`{name}` does not belong to the store; it is left alone"));
        }
    }
    report.bytes = bytes_in(data)?;
    examine_keys(data, &mut report);
    let mut matching = Matching::default();
    let progress = examine_state(&directory, &mut matching, &mut report);
    let bodies_are_whole = examine_bodies(&directory, progress, &mut matching, &mut report)?;
    examine_log(&directory, progress, &mut report)?;
    if progress.is_some() && bodies_are_whole {
        match matching.end() {
            Ok(events) => report.events = events,
            Err(what) => report.findings.push(Finding::of_mismatch(what)),
        }
    }
    Ok(report)
}

/// Reads the keys of subjects, if there are any.
fn examine_keys(data: &Path, report: &mut Report) {
    let path = data.join(file::NAME);
    if !path.exists() {
        return;
    }
    for name in [file::NEW_NAME, file::OLD_NAME].iter().filter(|name| data.join(name).exists()) {
        report.notes.push(format!(
            "`{name}` is what an interrupted `mainstay rekey` has left; the next start with a key, or `mainstay rekey`, \
             writes over it"
        ));
    }
    if let Err(error) = file::examine(&path) {
        const AFFECTED: &str = "Events of subjects, which are sealed with these keys. No node starts here.";
        const REMEDY: &str = "Keep a copy of the directory, and replace the file by `keys-STORE/SUBJECT-KEYS` of the newest \
                              backup. Events of subjects that are newer than that copy cannot be read any more.";
        let (what, affected, remedy) = (error.to_string(), AFFECTED.to_owned(), REMEDY.to_owned());
        report.findings.push(Finding { what, affected, remedy });
    }
}

/// Reads the state. Returns how far it has progressed, if all of it is intact.
fn examine_state(
    directory: &DataDirectory,
    matching: &mut Matching,
    report: &mut Report,
) -> Option<Progress> {
    let path = directory.state_path();
    let reader = match LsmState::read(&path, directory.store()) {
        Ok(Some(reader)) => reader,
        // A node was started and has flushed nothing yet.
        Ok(None) => return Some(Progress::default()),
        Err(error) => {
            report.findings.push(Finding::of_state(error));
            return None;
        }
    };
    if let Err(error) = LsmState::verify(&path) {
        report.findings.push(Finding::of_state(error));
        return None;
    }
    let (mut rows, mut unreadable) = (0, None);
    let scanned = reader.scan(ALL_ROWS, Order::Ascending, &mut |key, value| {
        rows += 1;
        match matching.row(key, value) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                unreadable = Some(format!("a row of the state cannot be read: {error}"));
                ControlFlow::Break(())
            }
        }
    });
    report.rows = rows;
    let failed = scanned.err().map(|error| error.to_string()).or(unreadable);
    if let Some(what) = failed {
        report.findings.push(Finding::of_state(what));
        return None;
    }
    Some(reader.progress())
}

/// Reads the bodies that the state refers to. Returns whether all of them are intact.
fn examine_bodies(
    directory: &DataDirectory,
    progress: Option<Progress>,
    matching: &mut Matching,
    report: &mut Report,
) -> Result<bool> {
    const AFFECTED: &str = "Events that the state refers to. No node starts here.";
    let Some(progress) = progress else {
        report
            .notes
            .push("events were not read, because the state does not say which there must be".to_owned());
        return Ok(false);
    };
    if !directory.path().join("bodies").is_dir() {
        if progress.bodies_end > 0 {
            report.findings.push(Finding::restore("the directory `bodies` is missing", AFFECTED));
        }
        return Ok(progress.bodies_end == 0);
    }
    let options = BodyOptions::new(directory.store());
    let checked = match Bodies::check(directory.bodies_disk()?, progress.bodies_end, options) {
        Ok(checked) => checked,
        Err(error) => {
            report.findings.push(Finding::restore(error, AFFECTED));
            return Ok(false);
        }
    };
    report.segments = checked.segments() as u64;
    let before = report.findings.len();
    let mut events = 0;
    let visited: Result<(), std::convert::Infallible> = checked.examine(
        |record| {
            events += 1;
            matching.body(record);
            Ok(())
        },
        |error, last| report.findings.push(Finding::of_segment(error, last)),
    );
    let Ok(()) = visited;
    report.events = events;
    Ok(report.findings.len() == before)
}

/// Reads the log that the next start would replay.
fn examine_log(directory: &DataDirectory, progress: Option<Progress>, report: &mut Report) -> Result<()> {
    const AFFECTED: &str =
        "Writes that were acknowledged since the state was last flushed. No node starts here.";
    if !directory.has_log() {
        if progress.is_some_and(|progress| progress.index > model::Index(0)) {
            report.findings.push(Finding::restore("the directory `log` is missing", AFFECTED));
        }
        return Ok(());
    }
    let log = match Log::check(directory.log_disk()?, LogOptions::new(directory.store())) {
        Ok(log) => log,
        Err(error) => {
            report.findings.push(Finding::restore(error, AFFECTED));
            return Ok(());
        }
    };
    let Some(progress) = progress else { return Ok(()) };
    let recovered = log.groups().get(&GROUP).cloned();
    if let Err(error) = GroupLog::new(GROUP, log.reader()).check(progress, recovered.as_ref()) {
        report.findings.push(Finding::restore(error, AFFECTED));
    } else if let Some(recovered) = recovered {
        report.entries = recovered.last.0.saturating_sub(progress.index.0.max(1));
    }
    Ok(())
}

/// The bytes of all files in a directory and below it.
fn bytes_in(path: &Path) -> Result<u64> {
    let failed = |path: &PathBuf, source| UpkeepError::io(path, source);
    let (mut bytes, mut open) = (0, vec![path.to_owned()]);
    while let Some(directory) = open.pop() {
        for entry in std::fs::read_dir(&directory).map_err(|source| failed(&directory, source))? {
            let entry = entry.map_err(|source| failed(&directory, source))?;
            let metadata = entry.metadata().map_err(|source| failed(&entry.path(), source))?;
            if metadata.is_dir() {
                open.push(entry.path());
            } else {
                bytes += metadata.len();
            }
        }
    }
    Ok(bytes)
}
