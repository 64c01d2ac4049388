//! Python programs for tests, with the packages of `.ci/python.txt`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test's helpers fail by panicking"
)]
#![allow(dead_code, reason = "each test binary uses a part of this")]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Where `cargo xtask setup` puts the packages. Tests fail without them: passing would say that they ran.
pub(crate) fn packages() -> PathBuf {
    let tools = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("tools");
    let packages = tools.join("python");
    let list = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.ci/python.txt");
    let read = |path: &Path| std::fs::read_to_string(path).unwrap_or_default();
    assert_eq!(
        read(&packages.join("installed.txt")),
        read(&list),
        "NOT RUN: the Python packages of .ci/python.txt are not installed; `cargo xtask setup` installs them"
    );
    packages
}

/// A Python program, ready to run.
pub(crate) fn python(program: &Path) -> Command {
    let mut command = with_packages();
    command.arg(program);
    command
}

/// A Python statement, ready to run.
pub(crate) fn statement(statement: &str) -> Command {
    let mut command = with_packages();
    command.arg("-c").arg(statement);
    command
}

fn with_packages() -> Command {
    let mut command = Command::new("python3");
    command.arg("-u").env("PYTHONPATH", packages()).stdin(Stdio::null());
    for proxy in ["http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"] {
        command.env_remove(proxy);
    }
    command
}

/// The Python program that a page shows.
pub(crate) fn program_of_page(page: &str) -> String {
    let (_, rest) = page.split_once("```python\n").expect("a block of Python");
    let (program, rest) = rest.split_once("\n```").expect("the end of the block");
    assert!(!rest.contains("```python"), "one program a page");
    format!("{program}\n")
}
