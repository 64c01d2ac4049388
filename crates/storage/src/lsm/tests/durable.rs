//! What a flush or a compaction reports as durable is synced. `strace` watches a process: each of its writes
//! and new names must be synced before the manifest that refers to it is put in place, and before the flush
//! returns. A kill cannot show that, because the kernel keeps what a killed process wrote.

use super::{open, scatter};
use crate::conformance::state::{at, compact, flush};
use crate::state::State;
use model::WriteSet;
use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;

/// Set in the child's environment: the directory in which it works.
const DIRECTORY: &str = "MAINSTAY_TEST_DURABLE_DIRECTORY";
const CHILD: &str = "lsm::tests::durable::a_process_that_is_watched";
const DURABLE: &str = "all is durable";

/// The child. It does nothing when it runs as a test of its own.
#[test]
fn a_process_that_is_watched() {
    let Some(directory) = std::env::var_os(DIRECTORY) else { return };
    let mut state = open(Path::new(&directory)).unwrap();
    for index in 1..=6 {
        let rows = (0..40).map(|row| (scatter(index * 100 + row).to_be_bytes().to_vec(), Some(vec![7; 40])));
        let mut rows: Vec<_> = rows.collect();
        rows.sort();
        state.commit(&WriteSet(rows), at(index)).unwrap();
        flush(&mut state);
        writeln!(std::io::stdout(), "{DURABLE}").unwrap();
        if index % 3 == 0 {
            compact(&state);
            writeln!(std::io::stdout(), "{DURABLE}").unwrap();
        }
    }
}

/// Files with bytes, and names, that no sync has covered yet.
#[derive(Default)]
struct Unsynced {
    files: BTreeSet<String>,
    names: BTreeSet<String>,
}

impl Unsynced {
    /// Follows one line of `strace -f -y`. The error names a file that was relied on too early.
    fn follow(&mut self, line: &str, reports: &mut usize) -> Result<(), String> {
        let Some((call, rest)) = line.split_once('(') else { return Ok(()) };
        let call = call.split_whitespace().last().unwrap_or_default();
        if rest.contains(") = -1 ") {
            return Ok(());
        }
        let opened = || Some(rest.split_once('<')?.1.split_once('>')?.0.to_owned());
        let quoted: Vec<_> = rest.split('"').skip(1).step_by(2).map(str::to_owned).collect();
        match call {
            "openat" if rest.contains("O_CREAT") => self.names.extend(quoted),
            "mkdir" => self.names.extend(quoted),
            "write" | "pwrite64" if rest.contains(DURABLE) => {
                *reports += 1;
                self.require("being reported as durable", |_| true)?;
            }
            "write" | "pwrite64" => self.files.extend(opened().filter(|path| !path.starts_with("/dev"))),
            "fsync" | "fdatasync" => self.sync(&opened().unwrap_or_default()),
            "rename" | "renameat" | "renameat2" => self.rename(&quoted)?,
            _ => {}
        }
        Ok(())
    }

    fn sync(&mut self, path: &str) {
        self.files.remove(path);
        self.names.retain(|name| Path::new(name).parent() != Some(Path::new(path)));
    }

    /// A rename puts a file in place. Everything in it must be durable before that.
    fn rename(&mut self, names: &[String]) -> Result<(), String> {
        let [from, to] = names else { return Err(format!("a rename of {names:?}")) };
        let made_of = match from.ends_with("tree.new") {
            true => Path::new(from),
            false => Path::new(to).parent().ok_or("a rename to the root")?,
        };
        self.require(to, |unsynced| {
            unsynced != from && Path::new(unsynced).parent().is_some_and(|within| within.starts_with(made_of))
        })?;
        self.names.remove(from);
        self.names.insert(to.clone());
        Ok(())
    }

    fn require(&self, why: &str, relied_on: impl Fn(&str) -> bool) -> Result<(), String> {
        let mut unsynced = self.files.iter().chain(&self.names).filter(|path| relied_on(path));
        unsynced.next().map_or(Ok(()), |path| Err(format!("{path} is not synced before {why}")))
    }
}

/// How often durability was reported. The error names a file that was relied on too early.
fn check<'a>(directory: &Path, lines: impl Iterator<Item = &'a str>) -> Result<usize, String> {
    let (mut unsynced, mut reports) = (Unsynced::default(), 0);
    let ours = directory.to_string_lossy();
    for line in lines.filter(|line| line.contains(&*ours) || line.contains(DURABLE)) {
        unsynced.follow(line, &mut reports)?;
    }
    Ok(reports)
}

#[test]
fn what_is_reported_as_durable_was_synced_in_order() {
    let directory = TempDir::new().unwrap();
    let store = directory.path().join("state");
    let trace = directory.path().join("trace");
    let watched = Command::new("strace")
        .args(["-f", "-y", "-s", "200", "-e"])
        .arg("trace=openat,mkdir,write,pwrite64,fsync,fdatasync,rename,renameat,renameat2")
        .arg("-o")
        .arg(&trace)
        .arg(std::env::current_exe().unwrap())
        .args([CHILD, "--exact", "--nocapture", "--test-threads=1"])
        .env(DIRECTORY, &store)
        .output();
    let Ok(watched) = watched else {
        eprintln!("NOT RUN: strace is not installed");
        return;
    };
    if String::from_utf8_lossy(&watched.stderr).contains("Operation not permitted") {
        eprintln!("NOT RUN: strace may not watch here");
        return;
    }
    assert!(watched.status.success(), "{}", String::from_utf8_lossy(&watched.stderr));

    let trace = std::fs::read_to_string(&trace).unwrap();
    let lines: Vec<&str> = trace.lines().collect();
    assert_eq!(check(directory.path(), lines.iter().copied()), Ok(8));
    // A test of the check: if any one sync of a file or of the manifests' directory is missing, it fails.
    for forgotten in ["/tree/tables/", "/tree/v", "/tree/tables>", "/tree/.tmp", "/tree>"] {
        let without = lines.iter().filter(|line| !(line.contains("fsync") && line.contains(forgotten)));
        assert!(check(directory.path(), without.copied()).is_err(), "{forgotten}");
    }
}
