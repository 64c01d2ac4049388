//! Rules of files: how they open, how long they are, what they are called, what they must not hold.

use super::{Finding, Tree, code};

const LINES_MAX: usize = 800;
const NAMELESS: [&str; 5] = ["utils", "util", "common", "helpers", "helper"];

/// A Rust file opens by saying what it is.
pub fn fronts(tree: &Tree) -> Vec<Finding> {
    let silent = tree.rust().filter(|file| !file.text.starts_with("//!"));
    silent.map(|file| Finding::new(&file.path, "opens without `//!`")).collect()
}

/// Long files hide rooms.
pub fn lengths(tree: &Tree) -> Vec<Finding> {
    let counted = tree.rust().map(|file| (file, file.text.lines().count()));
    counted
        .filter(|(_, lines)| *lines > LINES_MAX)
        .map(|(file, lines)| Finding::new(&file.path, format!("{lines} lines; at most {LINES_MAX}")))
        .collect()
}

/// A name says what the thing is for.
pub fn names(tree: &Tree) -> Vec<Finding> {
    let nameless = |path: &str| {
        path.split('/')
            .map(|part| part.split('.').next().unwrap_or_default())
            .any(|part| NAMELESS.contains(&part))
    };
    let by_path = tree.files.iter().filter(|file| nameless(&file.path));
    let by_path = by_path.map(|file| Finding::new(&file.path, "a name without a job"));
    let inline = tree.rust().filter_map(|file| {
        let module = |line: &str| {
            let words: Vec<&str> = code(line).split_whitespace().collect();
            let name = words.iter().skip_while(|word| **word != "mod").nth(1)?;
            Some(name.trim_end_matches([';', '{']).to_owned())
        };
        let found = file.text.lines().filter_map(module).find(|name| NAMELESS.contains(&name.as_str()))?;
        Some(Finding::new(&file.path, format!("module `{found}`: a name without a job")))
    });
    by_path.chain(inline).collect()
}

/// One convention: a module with children is `name/mod.rs`, so a folder's contents are together.
pub fn modules(tree: &Tree) -> Vec<Finding> {
    let beside = tree.rust().filter(|file| {
        let folder = file.path.strip_suffix("rs").map(|stem| format!("{}/", stem.trim_end_matches('.')));
        folder.is_some_and(|folder| tree.rust().any(|other| other.path.starts_with(&folder)))
    });
    beside.map(|file| Finding::new(&file.path, "a module with a folder is `mod.rs` inside it")).collect()
}

/// The tree is the same on every machine. (Written in two parts, so that this file keeps the rule too.)
const MACHINES: [&str; 4] =
    [concat!("/ho", "me/"), concat!("/ro", "ot/"), concat!("/wo", "rk/"), concat!("/Us", "ers/")];

/// No file names a directory of somebody's machine.
pub fn paths(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in &tree.files {
        for (number, line) in file.text.lines().enumerate() {
            let named = MACHINES.iter().find(|path| {
                // At the start of a word: `https://example.org/home/x` is no directory.
                line.match_indices(**path).any(|(at, _)| {
                    line[..at]
                        .chars()
                        .next_back()
                        .is_none_or(|c| !c.is_alphanumeric() && !"./}~_-".contains(c))
                })
            });
            if let Some(path) = named {
                let place = format!("{}:{}", file.path, number + 1);
                findings.push(Finding::new(place, format!("`{path}` is a directory of some machine")));
            }
        }
    }
    findings
}

/// A test that is not run proves nothing.
pub fn ignored(tree: &Tree) -> Vec<Finding> {
    let attribute = concat!("#[ig", "nore");
    let ignoring = tree.rust().filter(|file| file.text.lines().any(|line| code(line).contains(attribute)));
    ignoring.map(|file| Finding::new(&file.path, "an ignored test")).collect()
}

/// Lints are the workspace's.
pub fn lints(tree: &Tree) -> Vec<Finding> {
    let manifests = tree.files.iter().filter(|file| file.path.ends_with("/Cargo.toml"));
    let ours = manifests.filter(|file| {
        tree.rooms.iter().any(|room| file.path.strip_suffix("/Cargo.toml") == Some(room.dir.as_str()))
    });
    let deaf = ours.filter(|file| !file.text.contains("[lints]\nworkspace = true"));
    deaf.map(|file| Finding::new(&file.path, "does not take the workspace's lints")).collect()
}

#[cfg(test)]
mod tests {
    use super::super::trees::{of, places, room};
    use super::*;

    #[test]
    fn a_silent_file_is_found() {
        let tree = of(&[("a.rs", "//! speaks\n"), ("b.rs", "use x;\n"), ("c.md", "text\n")]);
        assert_eq!(places(&fronts(&tree)), ["b.rs"]);
    }

    #[test]
    fn a_long_file_is_found() {
        let (just, over) = ("x\n".repeat(LINES_MAX), "x\n".repeat(LINES_MAX + 1));
        assert_eq!(places(&lengths(&of(&[("a.rs", &just), ("b.rs", &over)]))), ["b.rs"]);
    }

    #[test]
    fn a_name_without_a_job_is_found_as_a_file_a_folder_or_a_module() {
        let tree = of(&[
            ("crates/x/src/utils.rs", ""),
            ("crates/x/tests/common/mod.rs", ""),
            ("crates/x/src/lib.rs", "pub mod helpers;\n"),
            ("crates/x/src/commons.rs", "// mod utils\nmod utilities;\n"),
        ]);
        let want = ["crates/x/src/utils.rs", "crates/x/tests/common/mod.rs", "crates/x/src/lib.rs"];
        assert_eq!(places(&names(&tree)), want);
    }

    #[test]
    fn a_module_beside_its_own_folder_is_found() {
        let tree =
            of(&[("a/b.rs", ""), ("a/b/c.rs", ""), ("a/d/mod.rs", ""), ("a/d/e.rs", ""), ("a/f.rs", "")]);
        assert_eq!(places(&modules(&tree)), ["a/b.rs"]);
    }

    #[test]
    fn a_machines_directory_is_found_and_an_address_is_not() {
        let here = MACHINES[0];
        let mine = format!("see {here}me/x\n");
        let address = format!("https://example.org{here}x\n");
        assert_eq!(places(&paths(&of(&[("a.md", &mine), ("b.md", &address)]))), ["a.md:1"]);
    }

    #[test]
    fn an_ignored_test_is_found() {
        let text = format!("{}ore = \"slow\"]\nfn a() {{}}\n", "#[ign");
        assert_eq!(places(&ignored(&of(&[("a.rs", &text)]))), ["a.rs"]);
    }

    #[test]
    fn a_crate_with_lints_of_its_own_is_found() {
        let mut tree = of(&[
            ("crates/a/Cargo.toml", "[lints]\nworkspace = true\n"),
            ("crates/b/Cargo.toml", "[package]\n"),
            ("elsewhere/Cargo.toml", "[package]\n"),
        ]);
        tree.rooms = vec![room("a", &[], &[]), room("b", &[], &[])];
        assert_eq!(places(&lints(&tree)), ["crates/b/Cargo.toml"]);
    }
}
