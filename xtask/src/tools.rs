//! The programs that a machine needs, and how to install them: Debian packages by `apt-get` (as root; other
//! users are told which packages are missing), rustup components, two cargo tools as prebuilt wheels, and the
//! Python packages that some tests use. The hashes are pinned in `.ci/tools.txt` and `.ci/python.txt`. Building
//! the tools would take longer than the tests.

use crate::Failure;
use crate::run::{output, root, run, target_dir, works};
use std::hash::{Hash as _, Hasher as _};
use std::path::{Path, PathBuf};

/// Whether the tests need a program.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Need {
    Required,
    /// It installs the cargo tools and the Python packages, or a step or some tests need it. Without it, such steps
    /// report NOT RUN, and such tests fail.
    Optional,
}

/// A command that succeeds if a program is installed, and the Debian package that contains the program.
const PROGRAMS: [(&[&str], &str, Need); 13] = [
    (&["cc", "--version"], "gcc", Need::Required),
    (&["git", "--version"], "git", Need::Required),
    (&["curl", "--version"], "curl", Need::Required),
    (&["python3", "-m", "pip", "--version"], "python3-pip", Need::Optional),
    (&POSTGRESQL, "postgresql", Need::Optional),
    (&PSYCOPG, "python3-psycopg", Need::Optional),
    // The tests of failing disks and clocks.
    (&["strace", "--version"], "strace", Need::Optional),
    (&["mkfs.ext4", "-V"], "e2fsprogs", Need::Optional),
    (&["xfs_io", "-V"], "xfsprogs", Need::Optional),
    (&FAKETIME, "libfaketime", Need::Optional),
    // The tests of the page.
    (&["chromium", "--version"], "chromium", Need::Optional),
    (&["chromedriver", "--version"], "chromium-driver", Need::Optional),
    // Checks and tests the alerts.
    (&PROMTOOL, "prometheus", Need::Optional),
];

const PROMTOOL: [&str; 2] = ["promtool", "--version"];

/// The server is not on the path in Debian.
const POSTGRESQL: [&str; 3] = ["sh", "-c", "ls /usr/lib/postgresql/*/bin/initdb"];

const FAKETIME: [&str; 3] = ["sh", "-c", "ls /usr/lib/*/faketime/libfaketimeMT.so.1"];

/// Debian's package belongs to Debian's Python, which may not be the first one on the path.
const PSYCOPG: [&str; 3] = [DEBIAN_PYTHON, "-c", "import psycopg"];
pub const DEBIAN_PYTHON: &str = "/usr/bin/python3";

/// Whether Python programs can use a PostgreSQL server of their own.
#[must_use]
pub fn has_postgresql() -> bool {
    works(&POSTGRESQL) && works(&PSYCOPG)
}

/// Whether the rules of alerts can be checked and tested.
#[must_use]
pub fn has_promtool() -> bool {
    works(&PROMTOOL)
}

const LIST: &str = ".ci/tools.txt";
const PYTHON_LIST: &str = ".ci/python.txt";

/// The directory of the cargo tools. It is in the build output, so installing them changes nothing else on the
/// machine. Its name depends on the list, so a new list installs new tools.
fn tools_dir() -> PathBuf {
    let mut hasher = std::hash::DefaultHasher::new();
    std::fs::read_to_string(root().join(LIST)).unwrap_or_default().hash(&mut hasher);
    target_dir().join("tools").join(format!("{:016x}", hasher.finish()))
}

/// The tools that [`setup`] found or installed.
#[derive(Clone, Debug, Default)]
pub struct Tools {
    pub deny: Option<PathBuf>,
    pub nextest: Option<PathBuf>,
}

/// Installs what is missing.
///
/// # Errors
/// A required program is missing and cannot be installed.
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
    let required = missing.iter().any(|(.., need)| *need == Need::Required);
    let missing: Vec<_> = missing.iter().map(|(_, package, _)| *package).collect();
    let root_user = output(&["id", "-u"])?.trim() == "0";
    if !root_user || !works(&["apt-get", "--version"]) {
        let names = format!("missing programs: install them with `apt-get install {0}`", missing.join(" "));
        if required {
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

/// Installs the packages of `.ci/python.txt` where the tests look for them, and checks their hashes.
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

/// The pinned version of a tool if it can be installed, otherwise the one on the path, otherwise none: the step
/// that needs it then reports NOT RUN.
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

/// Downloads the wheels listed in `.ci/tools.txt`, checks their hashes, and extracts one program.
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
