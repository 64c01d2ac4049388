//! The stores of `tests/earlier/stores`: each was written by the binary of one version, and is kept as it was.
//!
//! ```text
//! stores/NAME/data.tar.gz      a data directory whose node was killed: a part is in the state, a part only in the log
//!             backups.tar.gz   a backup of it, made while the node ran
//!             listing.txt.gz   everything that the version's own reads have shown
//!             granted.json     tokens that it gave out
//! ```

use crate::api::{self, Api};
use crate::node::{Node, mainstay, run};
use crate::{everything, listing};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;

/// What is written first, and is in the state; and what is written last, and is in the log.
pub(crate) const NAMES: [&str; 2] = ["first", "last"];

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/earlier/stores")
}

/// A store that an earlier version has left.
pub(crate) struct Stored {
    path: PathBuf,
}

/// All of them.
pub(crate) fn all() -> Vec<Stored> {
    let mut stores: Vec<Stored> =
        directory().read_dir().unwrap().map(|entry| Stored { path: entry.unwrap().path() }).collect();
    stores.sort_by(|a, b| a.path.cmp(&b.path));
    assert!(!stores.is_empty());
    stores
}

impl Stored {
    pub(crate) fn name(&self) -> String {
        self.path.file_name().unwrap().to_string_lossy().into_owned()
    }

    pub(crate) fn listing(&self) -> String {
        let output = Command::new("gzip").arg("-dc").arg(self.path.join("listing.txt.gz")).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    }

    pub(crate) fn granted(&self) -> Value {
        serde_json::from_slice(&std::fs::read(self.path.join("granted.json")).unwrap()).unwrap()
    }

    /// Unpacks `data` or `backups` into a directory, and returns where it is.
    pub(crate) fn unpack(&self, what: &str, into: &Path) -> PathBuf {
        let archive = self.path.join(format!("{what}.tar.gz"));
        does(Command::new("tar").arg("-xzf").arg(archive).arg("-C").arg(into));
        into.join(what)
    }
}

/// Runs a command that must succeed.
fn does(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Makes the store `name` with a binary, which may be that of another version.
pub(crate) fn make(name: &str, binary: &Path) {
    let scratch = tempfile::tempdir().unwrap();
    let (data, backups) = (scratch.path().join("data"), scratch.path().join("backups"));
    restore_an_empty_one(binary, scratch.path(), &data);
    let node = api::start(binary, &data).unwrap();
    let first = everything::write(&Api::of(&node), NAMES[0]);
    assert!(node.stop().success(), "what was written so far is in the state");

    let node = api::start(binary, &data).unwrap();
    let last = everything::write(&Api::of(&node), NAMES[1]);
    let listing = listing::of(&Api::of(&node), &NAMES);
    api::run(binary, &node, &["backup", backups.to_str().unwrap()]);
    node.kill();

    let into = directory().join(name);
    std::fs::create_dir_all(&into).unwrap();
    for what in ["data", "backups"] {
        pack(scratch.path(), what, &into.join(format!("{what}.tar.gz")));
    }
    let text = into.join("listing.txt");
    std::fs::write(&text, listing).unwrap();
    does(Command::new("gzip").arg("-9nf").arg(text));
    let granted = json!({NAMES[0]: first, NAMES[1]: last});
    std::fs::write(into.join("granted.json"), format!("{granted:#}\n")).unwrap();
}

/// So that the store has an origin, too.
fn restore_an_empty_one(binary: &Path, scratch: &Path, data: &Path) {
    let (original, backups) = (scratch.join("original"), scratch.join("empty"));
    let node = api::start(binary, &original).unwrap();
    api::run(binary, &node, &["backup", backups.to_str().unwrap()]);
    node.kill();
    let restored =
        Command::new(binary).arg("restore").arg(&backups).arg("--data").arg(data).output().unwrap();
    assert!(restored.status.success(), "{restored:?}");
}

/// An archive that depends on the files alone. Mainstay's files are mostly zeros where nothing was written yet.
fn pack(scratch: &Path, what: &str, archive: &Path) {
    let same = ["--sort=name", "--mtime=@0", "--owner=0", "--group=0", "--numeric-owner", "--format=ustar"];
    let mut command = Command::new("tar");
    command.args(same).args(["-I", "gzip -9n", "-cf"]).arg(archive).arg("-C").arg(scratch).arg(what);
    does(&mut command);
}

/// `mainstay ARGUMENTS` without a node.
pub(crate) fn offline(arguments: &[&str]) -> crate::node::Ran {
    run(mainstay().args(arguments), "")
}

/// Starts the binary that is tested.
pub(crate) fn start(data: &Path) -> Node {
    api::start(Path::new(env!("CARGO_BIN_EXE_mainstay")), data).unwrap()
}
