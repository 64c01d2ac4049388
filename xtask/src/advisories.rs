//! `cargo xtask advisories DATABASE`: compares the lock files with a copy of the RustSec database.
//!
//! CI cannot fetch the database, so this is a command of its own. It works offline: it clones the copy into the build output, where
//! cargo-deny looks for it, and fails if a finding is not in deny.toml.

use crate::Failure;
use crate::run::{root, run, target_dir};
use crate::tools;
use std::path::Path;

/// The directory in which cargo-deny expects the database: its name is made of the database's address.
const CLONE: &str = "advisory-db-3157b0e258782691";
/// A copy may be older than what cargo-deny accepts by itself, which is 90 days. The report should say how old it is.
const STALENESS: &str = "P366D";
/// The manifests of all workspaces.
const MANIFESTS: [&str; 3] = ["Cargo.toml", "fuzz/Cargo.toml", "benchmarks/resilience/Cargo.toml"];

/// Checks each workspace against the database, a git repository.
///
/// # Errors
/// There is an advisory that deny.toml does not argue, the database cannot be read, or cargo-deny is missing.
pub fn advisories(database: &str) -> Result<(), Failure> {
    let tool = tools::setup()?.deny.ok_or("cargo-deny is not installed and could not be downloaded")?;
    let directory = target_dir().join("advisories");
    let clone = directory.join(CLONE).display().to_string();
    let _ = std::fs::remove_dir_all(&clone);
    run(&["git", "clone", "-q", database, &clone])?;
    run(&["git", "-C", &clone, "log", "-1", "--format=the database is of %cI"])?;
    let config = write_config(&directory)?;
    for manifest in MANIFESTS {
        run(&["cargo", "fetch", "--locked", "-q", "--manifest-path", manifest])?;
        let tool = tool.display().to_string();
        let how = ["--locked", "--offline", "--manifest-path", manifest, "--config", &config];
        // Other workspaces use only some of what is argued in deny.toml.
        let what = ["check", "advisories", "-A", "advisory-not-detected"];
        run(&[&[&tool[..]], &how[..], &what[..]].concat())?;
    }
    Ok(())
}

/// deny.toml, with the place and the age of the database.
fn write_config(directory: &Path) -> Result<String, Failure> {
    let text = std::fs::read_to_string(root().join("deny.toml")).map_err(|error| error.to_string())?;
    let heading = "[advisories]\n";
    if !text.contains(heading) {
        return Err("deny.toml has no [advisories]".into());
    }
    let place = format!("{heading}db-path = {directory:?}\nmaximum-db-staleness = \"{STALENESS}\"\n");
    let file = directory.join("deny.toml");
    std::fs::write(&file, text.replace(heading, &place)).map_err(|error| error.to_string())?;
    Ok(file.display().to_string())
}
