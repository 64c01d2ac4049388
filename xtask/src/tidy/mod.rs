//! The house rules, as checks over the tree: what ARCHITECTURE.md, the style and the docs say must be so, is
//! so. A rule is a pure function from [`Tree`] to findings; each has a test that breaks it.
//!
//! | rule | what must hold |
//! |---|---|
//! | [`map::rooms`] | ARCHITECTURE.md's table has a row for each crate, and no other |
//! | [`map::arrows`] | a crate depends on what its row allows, and dependencies run down |
//! | [`map::outside`] | an outside library is used only where it has its home (Raft in `consensus`, ...) |
//! | [`map::no_std`] | a crate that its row calls `no_std` says so |
//! | [`map::senses`] | a room without a clock, a disk or a thread does not name one |
//! | [`files::fronts`] | a Rust file opens with `//!` |
//! | [`files::lengths`] | a Rust file has at most 800 lines (functions: clippy, at 70) |
//! | [`files::names`] | nothing is called `utils`, `common` or `helpers` |
//! | [`files::modules`] | a module with children is `name/mod.rs`, never `name.rs` beside `name/` |
//! | [`files::paths`] | no file names a directory of somebody's machine |
//! | [`files::ignored`] | no test is ignored |
//! | [`files::lints`] | every crate takes the workspace's lints |
//! | [`pages::links`] | a page's links lead to files that are there |
//! | [`pages::index`] | docs/README.md lists every page of docs/ |
//! | [`pages::dates`] | a decision's page carries its date |
//! | [`pages::suites`] | docs/tests.md lists every crate and every test file |
//! | [`pages::words`] | pages use the glossary's word, not one it rules out |
//! | [`pages::spans`] | a span in the code has a name from the catalogue |

use crate::Failure;
use crate::run::output;
use serde_json::Value;
use std::fmt;
use std::path::Path;

pub mod files;
pub mod map;
pub mod pages;

/// A text file of the tree.
#[derive(Clone, Debug)]
pub struct File {
    /// From the root, with `/`.
    pub path: String,
    pub text: String,
}

/// A crate of the workspace, as cargo sees it.
#[derive(Clone, Debug, Default)]
pub struct Room {
    pub name: String,
    /// From the root: `crates/http`.
    pub dir: String,
    /// Names of what it depends on, for its code and for its build.
    pub uses: Vec<String>,
    /// Names of what only its tests depend on.
    pub tests_use: Vec<String>,
}

/// What the rules look at.
#[derive(Clone, Debug, Default)]
pub struct Tree {
    pub files: Vec<File>,
    pub rooms: Vec<Room>,
}

/// What breaks a rule, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    pub place: String,
    pub what: String,
}

impl Finding {
    #[must_use]
    pub fn new(place: impl Into<String>, what: impl Into<String>) -> Self {
        Self { place: place.into(), what: what.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.what)
    }
}

/// One house rule.
pub type Rule = fn(&Tree) -> Vec<Finding>;

/// All of them.
pub const RULES: &[Rule] = &[
    map::rooms,
    map::arrows,
    map::outside,
    map::no_std,
    map::senses,
    files::fronts,
    files::lengths,
    files::names,
    files::modules,
    files::paths,
    files::ignored,
    files::lints,
    pages::links,
    pages::index,
    pages::dates,
    pages::suites,
    pages::words,
    pages::spans,
];

/// What breaks any rule.
#[must_use]
pub fn check(tree: &Tree) -> Vec<Finding> {
    RULES.iter().flat_map(|rule| rule(tree)).collect()
}

impl Tree {
    /// The tree as it lies there: what git tracks or would track, and what cargo knows.
    ///
    /// # Errors
    /// git or cargo failed, or a file is no text and no known picture.
    pub fn read(root: &Path) -> Result<Self, Failure> {
        let listed = output(&["git", "ls-files", "--cached", "--others", "--exclude-standard"])?;
        let mut files = Vec::new();
        for path in listed.lines() {
            // Deleted but not yet committed, or binary: nothing to read.
            if let Ok(text) = std::fs::read_to_string(root.join(path)) {
                files.push(File { path: path.into(), text });
            }
        }
        Ok(Self { files, rooms: rooms(root)? })
    }

    #[must_use]
    pub fn file(&self, path: &str) -> Option<&File> {
        self.files.iter().find(|file| file.path == path)
    }

    pub(crate) fn rust(&self) -> impl Iterator<Item = &File> {
        self.files.iter().filter(|file| file.path.ends_with(".rs"))
    }

    pub(crate) fn pages(&self) -> impl Iterator<Item = &File> {
        self.files.iter().filter(|file| file.path.ends_with(".md"))
    }
}

fn rooms(root: &Path) -> Result<Vec<Room>, Failure> {
    let metadata =
        output(&["cargo", "metadata", "--format-version", "1", "--no-deps", "--locked", "--offline"])
            .or_else(|_| output(&["cargo", "metadata", "--format-version", "1", "--no-deps"]))?;
    let metadata: Value = serde_json::from_str(&metadata).map_err(|error| error.to_string())?;
    let packages = metadata["packages"].as_array().ok_or("cargo metadata names no packages")?;
    Ok(packages.iter().map(|package| room(package, root)).collect())
}

fn room(package: &Value, root: &Path) -> Room {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let manifest = text(&package["manifest_path"]);
    let dir = Path::new(&manifest).parent().and_then(|dir| dir.strip_prefix(root).ok());
    let mut room = Room {
        name: text(&package["name"]),
        dir: dir.map(|dir| dir.display().to_string()).unwrap_or_default(),
        ..Room::default()
    };
    for dependency in package["dependencies"].as_array().into_iter().flatten() {
        let list = match dependency["kind"].as_str() {
            Some("dev") => &mut room.tests_use,
            _ => &mut room.uses,
        };
        list.push(text(&dependency["name"]));
    }
    room
}

/// A line of Rust without what follows `//`. Good enough to tell code from prose; a `//` inside a text is
/// rare and errs towards silence.
pub(crate) fn code(line: &str) -> &str {
    line.split("//").next().unwrap_or_default()
}

#[cfg(test)]
pub(crate) mod trees {
    //! Small trees for the rules' tests.

    use super::{File, Finding, Room, Tree};

    pub(crate) fn of(files: &[(&str, &str)]) -> Tree {
        let file = |(path, text): &(&str, &str)| File { path: (*path).into(), text: (*text).into() };
        Tree { files: files.iter().map(file).collect(), rooms: Vec::new() }
    }

    pub(crate) fn room(name: &str, uses: &[&str], tests_use: &[&str]) -> Room {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Room {
            name: name.into(),
            dir: format!("crates/{name}"),
            uses: owned(uses),
            tests_use: owned(tests_use),
        }
    }

    /// The places that a rule finds fault with.
    pub(crate) fn places(findings: &[Finding]) -> Vec<&str> {
        findings.iter().map(|finding| finding.place.as_str()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The tree this is compiled from keeps its own rules: so that `cargo test` alone says so too.
    #[test]
    fn the_house_rules_hold() {
        let findings = check(&Tree::read(&crate::run::root()).unwrap());
        let told: Vec<_> = findings.iter().map(ToString::to_string).collect();
        assert!(findings.is_empty(), "\n{}", told.join("\n"));
    }
}
