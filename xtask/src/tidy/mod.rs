//! The rules of the source tree: what ARCHITECTURE.md, GLOSSARY.md and the docs say must be true. A rule is a
//! pure function from a [`Tree`] to findings, and each rule has a test that breaks it.
//!
//! | rule | what must hold |
//! |---|---|
//! | [`map::crates`] | the table in ARCHITECTURE.md has one row for each crate, and no others |
//! | [`map::dependencies`] | a crate depends only on what its row allows |
//! | [`map::libraries`] | some external libraries are used only in certain crates (Raft in `consensus`, ...) |
//! | [`map::no_std`] | a crate whose row says `no_std` declares it |
//! | [`map::determinism`] | a step machine uses no clock, disk, network, thread or unordered map |
//! | [`files::headers`] | a Rust file opens with `//!` |
//! | [`files::lengths`] | a Rust file has at most 800 lines (clippy limits functions to 70) |
//! | [`files::names`] | nothing is called `utils`, `common` or `helpers` |
//! | [`files::modules`] | a module with children is `name/mod.rs`, never `name.rs` beside `name/` |
//! | [`files::machine_paths`] | no file names a home directory or another directory of one machine |
//! | [`files::merge_conflicts`] | no file contains the markers of a merge conflict |
//! | [`files::ignored_tests`] | no test is ignored |
//! | [`files::lints`] | every crate uses the workspace's lints |
//! | [`pages::links`] | relative links lead to existing files |
//! | [`pages::index`] | docs/README.md lists every page in docs/ |
//! | [`pages::dates`] | every decision page has a date |
//! | [`pages::suites`] | docs/tests.md lists every crate and every test file |
//! | [`pages::words`] | public pages avoid the words that the glossary rules out |
//! | [`pages::spans`] | every span in the code has a name from the catalogue |
//! | [`phrases::phrases`] | no text contains a phrase that `phrases.txt` discourages |

use crate::Failure;
use crate::run::output;
use serde_json::Value;
use std::fmt;
use std::io::ErrorKind;
use std::path::Path;

pub mod files;
pub mod map;
pub mod pages;
pub mod phrases;

/// A file of the source tree.
#[derive(Clone, Debug)]
pub struct File {
    /// Relative to the root, with `/` as separator.
    pub path: String,
    /// Empty if it is not text.
    pub text: String,
}

/// A crate of the workspace, as cargo describes it.
#[derive(Clone, Debug, Default)]
pub struct Crate {
    pub name: String,
    /// Relative to the root, such as `crates/http`.
    pub dir: String,
    /// Names of its normal and build dependencies.
    pub dependencies: Vec<String>,
    /// Names of its dev-dependencies.
    pub dev_dependencies: Vec<String>,
}

/// The input of every rule.
#[derive(Clone, Debug, Default)]
pub struct Tree {
    pub files: Vec<File>,
    pub crates: Vec<Crate>,
}

/// One violation of a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// A path, with a line number where that helps.
    pub location: String,
    pub message: String,
}

impl Finding {
    pub(crate) fn new(location: impl Into<String>, message: impl Into<String>) -> Self {
        Self { location: location.into(), message: message.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.location, self.message)
    }
}

/// One rule of the source tree.
pub type Rule = fn(&Tree) -> Vec<Finding>;

/// All rules that `cargo xtask tidy` checks.
pub const RULES: &[Rule] = &[
    map::crates,
    map::dependencies,
    map::libraries,
    map::no_std,
    map::determinism,
    files::headers,
    files::lengths,
    files::names,
    files::modules,
    files::machine_paths,
    files::merge_conflicts,
    files::ignored_tests,
    files::lints,
    pages::links,
    pages::index,
    pages::dates,
    pages::suites,
    pages::words,
    pages::spans,
    phrases::phrases,
];

/// Checks all rules and returns every violation.
#[must_use]
pub fn check(tree: &Tree) -> Vec<Finding> {
    RULES.iter().flat_map(|rule| rule(tree)).collect()
}

impl Tree {
    /// Reads every file that git tracks or would track, and every crate that cargo knows. A file that is not text, such
    /// as a picture, is there without its content.
    ///
    /// # Errors
    /// git or cargo failed.
    pub fn read(root: &Path) -> Result<Self, Failure> {
        let listed = output(&["git", "ls-files", "--cached", "--others", "--exclude-standard"])?;
        let mut files = Vec::new();
        for path in listed.lines() {
            match std::fs::read_to_string(root.join(path)) {
                Ok(text) => files.push(File { path: path.into(), text }),
                Err(error) if error.kind() == ErrorKind::InvalidData => {
                    files.push(File { path: path.into(), text: String::new() });
                }
                // It was deleted without a commit.
                Err(_) => {}
            }
        }
        Ok(Self { files, crates: crates(root)? })
    }

    #[must_use]
    pub fn file(&self, path: &str) -> Option<&File> {
        self.files.iter().find(|file| file.path == path)
    }

    /// The name of the crate that a path belongs to, or otherwise the top-level file or directory.
    #[must_use]
    pub fn owner<'a>(&'a self, path: &'a str) -> &'a str {
        let inside =
            |package: &&Crate| path.strip_prefix(&package.dir).is_some_and(|rest| rest.starts_with('/'));
        let top = path.split(['/', ':']).next().unwrap_or(path);
        self.crates.iter().find(inside).map_or(top, |package| &package.name)
    }

    pub(crate) fn rust(&self) -> impl Iterator<Item = &File> {
        self.files.iter().filter(|file| file.path.ends_with(".rs"))
    }

    pub(crate) fn pages(&self) -> impl Iterator<Item = &File> {
        self.files.iter().filter(|file| file.path.ends_with(".md"))
    }
}

fn crates(root: &Path) -> Result<Vec<Crate>, Failure> {
    let metadata =
        output(&["cargo", "metadata", "--format-version", "1", "--no-deps", "--locked", "--offline"])
            .or_else(|_| output(&["cargo", "metadata", "--format-version", "1", "--no-deps"]))?;
    let metadata: Value = serde_json::from_str(&metadata).map_err(|error| error.to_string())?;
    let packages = metadata["packages"].as_array().ok_or("cargo metadata lists no packages")?;
    Ok(packages.iter().map(|package| from_metadata(package, root)).collect())
}

fn from_metadata(package: &Value, root: &Path) -> Crate {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let manifest = text(&package["manifest_path"]);
    let dir = Path::new(&manifest).parent().and_then(|dir| dir.strip_prefix(root).ok());
    let mut read = Crate {
        name: text(&package["name"]),
        dir: dir.map(|dir| dir.display().to_string()).unwrap_or_default(),
        ..Crate::default()
    };
    for dependency in package["dependencies"].as_array().into_iter().flatten() {
        let list = match dependency["kind"].as_str() {
            Some("dev") => &mut read.dev_dependencies,
            _ => &mut read.dependencies,
        };
        list.push(text(&dependency["name"]));
    }
    read
}

/// A line of Rust without its comment. A string that contains `//` is cut short as well: such strings are rare,
/// and a rule then reports too little rather than too much.
pub(crate) fn code(line: &str) -> &str {
    line.split("//").next().unwrap_or_default()
}

#[cfg(test)]
pub(crate) mod trees {
    //! Small trees for the tests of the rules.

    use super::{Crate, File, Finding, Tree};

    pub(crate) fn of(files: &[(&str, &str)]) -> Tree {
        let file = |(path, text): &(&str, &str)| File { path: (*path).into(), text: (*text).into() };
        Tree { files: files.iter().map(file).collect(), crates: Vec::new() }
    }

    pub(crate) fn package(name: &str, dependencies: &[&str], dev_dependencies: &[&str]) -> Crate {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Crate {
            name: name.into(),
            dir: format!("crates/{name}"),
            dependencies: owned(dependencies),
            dev_dependencies: owned(dev_dependencies),
        }
    }

    /// The locations of findings.
    pub(crate) fn locations(findings: &[Finding]) -> Vec<&str> {
        findings.iter().map(|finding| finding.location.as_str()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The tree of this build keeps its own rules, so `cargo test` alone finds a violation.
    #[test]
    fn every_rule_holds_in_this_tree() {
        let findings = check(&Tree::read(&crate::run::root()).unwrap());
        let printed: Vec<_> = findings.iter().map(ToString::to_string).collect();
        assert!(findings.is_empty(), "\n{}", printed.join("\n"));
    }

    #[test]
    fn a_path_belongs_to_its_crate_or_to_its_top_level_name() {
        let tree = Tree { crates: vec![trees::package("node", &[], &[])], ..Tree::default() };
        let owners = ["crates/node/src/a.rs:7", "crates/nodes/a.rs", "docs/a.md", "README.md:1"];
        assert_eq!(owners.map(|path| tree.owner(path)), ["node", "crates", "docs", "README.md"]);
    }
}
