//! Flipped bits and truncated files, at random places of the log, the bodies and the state of a node that is not
//! running. The node must then refuse to start, or refuse reads, and say where the damage is; or everything is
//! there, because the damage hit what is not needed or was repaired. It must never return wrong data or too
//! little of it, and never panic.

use crate::node::{Node, serve};
use crate::workload::{self, Checked, SMALL, Violation, Workload, violation};
use seeded_rng::Rng;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const DAMAGES_STOPPED: u32 = 70;
const DAMAGES_KILLED: u32 = 30;
/// How long clients write before the node stops.
const LOAD: Duration = Duration::from_millis(1_500);
/// The ends of files hold headers, indexes and checksums, so they are hit more often than by chance.
const END_BYTES: u64 = 4 << 10;
/// What the node has not said after this long, it never says.
const PATIENCE: Duration = Duration::from_secs(5);
/// What a message about damage may name: a file, or a part of the store.
const PLACES: [&str; 6] = [".segment", ".bodies", "state", "account", "STORE", "bodies"];

/// How the node ended before the damage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// Everything is in bodies and state, and nothing in the log is needed.
    Stopped,
    /// Whatever came after the last flush is only in the log.
    Killed,
}

#[derive(Clone, Copy, Debug)]
enum Damage {
    Flip { offset: u64, bit: u8 },
    Truncate { length: u64 },
}

/// What the node did about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    RefusedStart,
    RefusedReads,
    Complete,
}

/// A data directory, and what it must hold.
struct Original {
    directory: tempfile::TempDir,
    workload: Workload,
    end: End,
}

impl Original {
    fn new(end: End) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let data = directory.path().join("data");
        let mut workload = Workload::new(1);
        let node = Node::start_with(&data, SMALL);
        workload.run(node, LOAD, |node| assert!(node.stop().success())).unwrap();
        let node = Node::start_with(&data, SMALL);
        workload.verify(&node, true).unwrap();
        match end {
            End::Stopped => assert!(node.stop().success()),
            End::Killed => {
                workload.run(node, LOAD / 10, Node::kill).unwrap();
                let node = Node::start_with(&data, SMALL);
                workload.verify(&node, true).unwrap();
                node.kill();
                // The last entry of the log is one without commands, which the node writes when it starts. All
                // entries before it are known to be durable.
                Node::start_with(&data, SMALL).kill();
            }
        }
        Self { directory, workload, end }
    }

    /// Damages a copy, and finds out what a node makes of it.
    fn damage_a_copy(&self, rng: &mut Rng) -> (String, Checked<Outcome>) {
        let copy = tempfile::tempdir().unwrap();
        let data = copy.path().join("data");
        copy_directory(&self.directory.path().join("data"), &data);
        let part = rng.pick(&["log", "bodies", "state"]);
        let files = files_below(&data.join(part));
        let file = &files[rng.index(files.len())];
        let damage = draw(file, self.end == End::Stopped || part != "log", rng);
        damage.apply(file);
        let what = format!("{damage:?} of {}", file.strip_prefix(&data).unwrap().display());
        (what, self.examine(&data))
    }

    fn examine(&self, data: &Path) -> Checked<Outcome> {
        let mut node = match Node::try_start(serve(data, SMALL)) {
            Ok(node) => node,
            Err(refused) => {
                if refused.status.and_then(|status| status.code()) != Some(1) {
                    return violation(format!("the node did not start: {refused:?}"));
                }
                return says_where(&refused.errors).map(|()| Outcome::RefusedStart);
            }
        };
        if let Some(refused) = self.reads(&mut node)? {
            return Ok(refused);
        }
        let errors = node.errors();
        if !node.stop().success() || errors.contains("panicked") {
            return violation(format!("the node does not stop as it should: {errors}"));
        }
        let node = Node::try_start(serve(data, SMALL));
        let mut node = node.map_err(|refused| Violation::Wrong(format!("the second start: {refused:?}")))?;
        // Work in the background may have found it by now.
        Ok(self.reads(&mut node)?.unwrap_or(Outcome::Complete))
    }

    /// Reads everything. `None`: everything is there.
    fn reads(&self, node: &mut Node) -> Checked<Option<Outcome>> {
        match self.workload.read_everything(node) {
            Ok(()) => Ok(None),
            Err(Violation::Unreadable(error)) => reads_refused(node, &error).map(Some),
            Err(wrong) => Err(wrong),
        }
    }
}

/// The node has refused a read, and may be about to stop because of it.
fn reads_refused(node: &mut Node, error: &str) -> Checked<Outcome> {
    let began = Instant::now();
    loop {
        let ended = node.ended();
        if let Some((status, errors)) = ended.filter(|(status, _)| status.code() != Some(1)) {
            return violation(format!("{status}: {error}\n{errors}"));
        }
        match says_where(&format!("{error}\n{}", node.errors())) {
            Ok(()) => return Ok(Outcome::RefusedReads),
            Err(silent) if began.elapsed() > PATIENCE => return Err(silent),
            Err(_) => std::thread::yield_now(),
        }
    }
}

fn says_where(text: &str) -> Checked {
    if text.contains("panicked") || !PLACES.iter().any(|place| text.contains(place)) {
        return violation(format!("it does not say where the damage is: {text}"));
    }
    Ok(())
}

fn draw(file: &Path, may_truncate: bool, rng: &mut Rng) -> Damage {
    let length = file.metadata().unwrap().len();
    let end = END_BYTES.min(length);
    let mut offset = match rng.below(4) {
        0 => rng.below(end),
        1 => length - end + rng.below(end),
        _ => rng.below(length),
    };
    if may_truncate && rng.one_in(4) {
        return Damage::Truncate { length: offset };
    }
    // Mostly where something was written: much of the log is zeros.
    if !rng.one_in(4) {
        let bytes = fs::read(file).unwrap();
        let written = bytes[offset as usize..].iter().position(|byte| *byte != 0);
        offset += written.unwrap_or(0) as u64;
    }
    Damage::Flip { offset, bit: rng.below(8) as u8 }
}

impl Damage {
    fn apply(self, path: &Path) {
        let file = File::options().read(true).write(true).open(path).unwrap();
        match self {
            Self::Truncate { length } => file.set_len(length).unwrap(),
            Self::Flip { offset, bit } => {
                let mut byte = [0];
                file.read_exact_at(&mut byte, offset).unwrap();
                file.write_all_at(&[byte[0] ^ (1 << bit)], offset).unwrap();
            }
        }
    }
}

fn copy_directory(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_directory(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

/// All files that are not empty, in order.
fn files_below(directory: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(files_below(&path));
        } else if path.metadata().unwrap().len() > 0 {
            files.push(path);
        }
    }
    files.sort();
    files
}

fn damage_again_and_again(end: End, damages: u32) {
    let original = Original::new(end);
    let mut rng = workload::rng();
    let (mut outcomes, mut violations) = (Vec::new(), Vec::new());
    for _ in 0..workload::rounds(damages) {
        let (what, outcome) = original.damage_a_copy(&mut rng);
        match outcome {
            Ok(outcome) => outcomes.push(outcome),
            Err(violation) => violations.push(format!("{what}: {violation}")),
        }
    }
    let count = |wanted| outcomes.iter().filter(|outcome| **outcome == wanted).count();
    let [start, reads, complete] =
        [Outcome::RefusedStart, Outcome::RefusedReads, Outcome::Complete].map(count);
    println!("{end:?}: {start} starts refused, {reads} reads refused, {complete} complete");
    assert!(violations.is_empty(), "{} violations:\n{}", violations.len(), violations.join("\n"));
    assert!(start > 0 && reads > 0 && complete > 0, "void: an outcome is missing");
}

#[test]
fn damage_to_a_stopped_node_is_refused_where_it_matters_and_never_hidden() {
    damage_again_and_again(End::Stopped, DAMAGES_STOPPED);
}

#[test]
fn damage_to_a_killed_node_is_refused_where_it_matters_and_never_hidden() {
    damage_again_and_again(End::Killed, DAMAGES_KILLED);
}
