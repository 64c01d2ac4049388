//! Rules for files: their first line, their length, their names, and what they must not contain.

use super::{Finding, Tree, code};

const LINES_MAX: usize = 800;
/// Names that do not say what a thing is for.
const VAGUE: [&str; 5] = ["utils", "util", "common", "helpers", "helper"];

/// A Rust file opens with a comment that says what it is.
pub fn headers(tree: &Tree) -> Vec<Finding> {
    let without = tree.rust().filter(|file| !file.text.starts_with("//!"));
    without.map(|file| Finding::new(&file.path, "does not open with `//!`")).collect()
}

/// A Rust file has at most 800 lines.
pub fn lengths(tree: &Tree) -> Vec<Finding> {
    let counted = tree.rust().map(|file| (file, file.text.lines().count()));
    counted
        .filter(|(_, lines)| *lines > LINES_MAX)
        .map(|(file, lines)| Finding::new(&file.path, format!("has {lines} lines; the limit is {LINES_MAX}")))
        .collect()
}

/// A name says what a file or module is for.
pub fn names(tree: &Tree) -> Vec<Finding> {
    let is_vague = |path: &str| {
        path.split('/')
            .map(|part| part.split('.').next().unwrap_or_default())
            .any(|part| VAGUE.contains(&part))
    };
    let by_path = tree.files.iter().filter(|file| is_vague(&file.path));
    let by_path = by_path.map(|file| Finding::new(&file.path, "this name does not say what it is for"));
    let inline = tree.rust().filter_map(|file| {
        let module = |line: &str| {
            let words: Vec<&str> = code(line).split_whitespace().collect();
            let name = words.iter().skip_while(|word| **word != "mod").nth(1)?;
            Some(name.trim_end_matches([';', '{']).to_owned())
        };
        let found = file.text.lines().filter_map(module).find(|name| VAGUE.contains(&name.as_str()))?;
        Some(Finding::new(&file.path, format!("the name of module `{found}` does not say what it is for")))
    });
    by_path.chain(inline).collect()
}

/// A module with children is `name/mod.rs`, so all its files are in one folder.
pub fn modules(tree: &Tree) -> Vec<Finding> {
    let beside = tree.rust().filter(|file| {
        let folder = file.path.strip_suffix("rs").map(|stem| format!("{}/", stem.trim_end_matches('.')));
        folder.is_some_and(|folder| tree.rust().any(|other| other.path.starts_with(&folder)))
    });
    beside
        .map(|file| Finding::new(&file.path, "a module with children must be `mod.rs` in its folder"))
        .collect()
}

/// Directories of one machine. Each is written in two parts, so that this file keeps the rule too.
const MACHINES: [&str; 4] =
    [concat!("/ho", "me/"), concat!("/ro", "ot/"), concat!("/wo", "rk/"), concat!("/Us", "ers/")];

/// No file names a directory that exists on one machine only.
pub fn machine_paths(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in &tree.files {
        for (number, line) in file.text.lines().enumerate() {
            let named = MACHINES.iter().find(|path| {
                // Only at the start of a word: `https://example.org/home/x` is not a directory.
                line.match_indices(**path).any(|(at, _)| {
                    line[..at]
                        .chars()
                        .next_back()
                        .is_none_or(|c| !c.is_alphanumeric() && !"./}~_-".contains(c))
                })
            });
            if let Some(path) = named {
                let location = format!("{}:{}", file.path, number + 1);
                findings.push(Finding::new(location, format!("`{path}` is a directory of one machine")));
            }
        }
    }
    findings
}

/// No file contains the markers of an unresolved merge conflict.
pub fn merge_conflicts(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in &tree.files {
        for (number, line) in file.text.lines().enumerate() {
            if line.starts_with("<<<<<<< ") || line.starts_with(">>>>>>> ") {
                let location = format!("{}:{}", file.path, number + 1);
                findings.push(Finding::new(location, "has an unresolved merge conflict"));
            }
        }
    }
    findings
}

/// No test is ignored: a test that never runs proves nothing.
pub fn ignored_tests(tree: &Tree) -> Vec<Finding> {
    let attribute = concat!("#[ig", "nore");
    let ignoring = tree.rust().filter(|file| file.text.lines().any(|line| code(line).contains(attribute)));
    ignoring.map(|file| Finding::new(&file.path, "has an ignored test")).collect()
}

/// Every crate uses the workspace's lints.
pub fn lints(tree: &Tree) -> Vec<Finding> {
    let manifests = tree.files.iter().filter(|file| file.path.ends_with("/Cargo.toml"));
    let ours = manifests.filter(|file| {
        tree.crates.iter().any(|package| file.path.strip_suffix("/Cargo.toml") == Some(package.dir.as_str()))
    });
    let without = ours.filter(|file| !file.text.contains("[lints]\nworkspace = true"));
    without.map(|file| Finding::new(&file.path, "does not use the workspace's lints")).collect()
}

#[cfg(test)]
mod tests {
    use super::super::trees::{locations, of, package};
    use super::*;

    #[test]
    fn a_file_without_a_header_comment_is_found() {
        let tree = of(&[("a.rs", "//! x\n"), ("b.rs", "use x;\n"), ("c.md", "text\n")]);
        assert_eq!(locations(&headers(&tree)), ["b.rs"]);
    }

    #[test]
    fn a_long_file_is_found() {
        let (just, over) = ("x\n".repeat(LINES_MAX), "x\n".repeat(LINES_MAX + 1));
        assert_eq!(locations(&lengths(&of(&[("a.rs", &just), ("b.rs", &over)]))), ["b.rs"]);
    }

    #[test]
    fn a_vague_name_is_found_as_a_file_a_folder_or_a_module() {
        let tree = of(&[
            ("crates/x/src/utils.rs", ""),
            ("crates/x/tests/common/mod.rs", ""),
            ("crates/x/src/lib.rs", "pub mod helpers;\n"),
            ("crates/x/src/commons.rs", "// mod utils\nmod utilities;\n"),
        ]);
        let want = ["crates/x/src/utils.rs", "crates/x/tests/common/mod.rs", "crates/x/src/lib.rs"];
        assert_eq!(locations(&names(&tree)), want);
    }

    #[test]
    fn a_module_beside_its_own_folder_is_found() {
        let tree =
            of(&[("a/b.rs", ""), ("a/b/c.rs", ""), ("a/d/mod.rs", ""), ("a/d/e.rs", ""), ("a/f.rs", "")]);
        assert_eq!(locations(&modules(&tree)), ["a/b.rs"]);
    }

    #[test]
    fn a_directory_of_one_machine_is_found_and_a_url_is_not() {
        let here = MACHINES[0];
        let mine = format!("see {here}me/x\n");
        let url = format!("https://example.org{here}x\n");
        assert_eq!(locations(&machine_paths(&of(&[("a.md", &mine), ("b.md", &url)]))), ["a.md:1"]);
    }

    #[test]
    fn an_unresolved_merge_conflict_is_found() {
        let text = "a\n<<<<<<< HEAD\nb\n=======\nc\n>>>>>>> main\n";
        let quoted = "`<<<<<<< HEAD` begins one side\n=======\n";
        assert_eq!(
            locations(&merge_conflicts(&of(&[("a.md", text), ("b.md", quoted)]))),
            ["a.md:2", "a.md:6"]
        );
    }

    #[test]
    fn an_ignored_test_is_found() {
        let text = format!("{}ore = \"slow\"]\nfn a() {{}}\n", "#[ign");
        assert_eq!(locations(&ignored_tests(&of(&[("a.rs", &text)]))), ["a.rs"]);
    }

    #[test]
    fn a_crate_with_lints_of_its_own_is_found() {
        let mut tree = of(&[
            ("crates/a/Cargo.toml", "[lints]\nworkspace = true\n"),
            ("crates/b/Cargo.toml", "[package]\n"),
            ("elsewhere/Cargo.toml", "[package]\n"),
        ]);
        tree.crates = vec![package("a", &[], &[]), package("b", &[], &[])];
        assert_eq!(locations(&lints(&tree)), ["crates/b/Cargo.toml"]);
    }
}
