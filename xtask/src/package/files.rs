//! What is installed, and archives of it.

use super::text;
use crate::Failure;
use crate::run::{output, root, run};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

/// The moment that every packed file has: packing the same files again gives the same bytes.
const MTIME: &str = "--mtime=@1767225600";
/// The same moment for tools that read it from the environment.
pub(super) const EPOCH: &str = "SOURCE_DATE_EPOCH=1767225600";

/// Copies a file, with its directories.
pub(super) fn copy(from: &Path, to: &Path, mode: u32) -> Result<(), Failure> {
    let content = std::fs::read(from).map_err(|error| format!("{}: {error}", from.display()))?;
    write(to, content, mode)
}

/// Writes a file, with its directories.
pub(super) fn write(to: &Path, content: impl AsRef<[u8]>, mode: u32) -> Result<(), Failure> {
    let failed = |error: std::io::Error| format!("{}: {error}", to.display());
    if let Some(parent) = to.parent() {
        std::fs::create_dir_all(parent).map_err(failed)?;
    }
    std::fs::write(to, content).map_err(failed)?;
    std::fs::set_permissions(to, std::fs::Permissions::from_mode(mode)).map_err(failed)
}

/// The pages of docs/ that people need who run a node.
pub(super) fn documents(to: &Path) -> Result<(), Failure> {
    for directory in ["docs", "docs/runbooks"] {
        let from = root().join(directory);
        let into = to.join(directory.trim_start_matches("docs").trim_start_matches('/'));
        for page in pages(&from)? {
            let name = page.file_name().unwrap_or_default();
            copy(&page, &into.join(name), 0o644)?;
        }
    }
    Ok(())
}

fn pages(directory: &Path) -> Result<Vec<PathBuf>, Failure> {
    let failed = |error: std::io::Error| format!("{}: {error}", directory.display());
    let mut pages = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_some_and(|extension| extension == "md") {
            pages.push(path);
        }
    }
    pages.sort();
    Ok(pages)
}

/// The completion script for a shell, as the binary prints it.
pub(super) fn completions(binary: &Path, shell: &str) -> Result<String, Failure> {
    output(&[&text(binary), "completions", shell])
}

/// A compressed archive of files below `from`, all owned by `owner`, such as `0:0`.
pub(super) fn tar(from: &Path, names: &[&str], owner: &str, to: &Path) -> Result<(), Failure> {
    let (user, group) = owner.split_once(':').unwrap_or((owner, owner));
    let (user, group) = (format!("--owner={user}"), format!("--group={group}"));
    let from = text(from);
    let archive =
        ["tar", "--sort=name", MTIME, "--numeric-owner", &user, &group, "-I", "gzip -n", "-C", &from];
    run(&[&archive[..], &["-cf", &text(to)], names].concat())
}
