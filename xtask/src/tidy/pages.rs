//! Rules for pages: working links, complete lists, and the words of the glossary.

use super::{File, Finding, Tree, code};

/// A relative link leads to an existing file or folder.
pub fn links(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for page in tree.pages() {
        for target in link_targets(&page.text) {
            let is_external = target.contains("://") || target.starts_with("mailto:");
            let path = target.split('#').next().unwrap_or_default();
            if is_external || path.is_empty() {
                continue;
            }
            let whole = resolve(&page.path, path);
            let exists = tree.files.iter().any(|file| {
                file.path == whole || file.path.strip_prefix(&whole).is_some_and(|rest| rest.starts_with('/'))
            });
            if !exists {
                findings.push(Finding::new(&page.path, format!("`{target}` does not exist")));
            }
        }
    }
    findings
}

/// The targets of `[text](target)` outside fenced blocks.
fn link_targets(text: &str) -> Vec<&str> {
    prose(text).flat_map(|line| line.split("](").skip(1).filter_map(|rest| rest.split(')').next())).collect()
}

/// The lines of a page that are outside fenced blocks.
fn prose(text: &str) -> impl Iterator<Item = &str> {
    let mut fenced = false;
    text.lines().filter(move |line| {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        !fence && !fenced
    })
}

fn resolve(page: &str, target: &str) -> String {
    let mut parts: Vec<&str> = page.split('/').collect();
    parts.pop();
    for part in target.trim_end_matches('/').split('/') {
        match part {
            "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

const INDEX: &str = "docs/README.md";

/// The index of docs/ links to every page in it.
pub fn index(tree: &Tree) -> Vec<Finding> {
    let listed = tree.file(INDEX).map(|page| link_targets(&page.text)).unwrap_or_default();
    let listed: Vec<String> = listed.into_iter().map(|target| resolve(INDEX, target)).collect();
    let pages = tree.pages().filter(|page| page.path.starts_with("docs/") && page.path != INDEX);
    let missing = pages.filter(|page| !listed.contains(&page.path));
    missing.map(|page| Finding::new(&page.path, format!("is not listed in {INDEX}"))).collect()
}

/// A decision page has its date, such as `2026-11-24`, in its second or third line.
pub fn dates(tree: &Tree) -> Vec<Finding> {
    let is_date = |word: &str| {
        let parts: Vec<usize> = word.split('-').map(str::len).collect();
        parts == [4, 2, 2] && word.bytes().all(|b| b.is_ascii_digit() || b == b'-')
    };
    let dated = |page: &File| {
        let mut head = page.text.lines().skip(1).take(2).flat_map(str::split_whitespace);
        head.any(|word| is_date(word.trim_end_matches(['.', ','])))
    };
    let decisions = tree.pages().filter(|page| page.path.starts_with("docs/decisions/"));
    let undated = decisions.filter(|page| !dated(page));
    undated.map(|page| Finding::new(&page.path, "has no date below its title")).collect()
}

const SUITES: &str = "docs/tests.md";

/// The table of suites lists every crate (for its unit tests) and every integration test.
pub fn suites(tree: &Tree) -> Vec<Finding> {
    let page = tree.file(SUITES).map(|page| page.text.as_str()).unwrap_or_default();
    let lists = |suite: &str| page.contains(&format!("`{suite}`"));
    let crates = tree.crates.iter().map(|package| package.name.clone());
    // `tests/x.rs` or `tests/x/main.rs` of a crate, but not `src/x/tests/y.rs` or a module beside a `main.rs`.
    let is_suite = |path: &str| {
        let parts: Vec<&str> = path.split('/').collect();
        !parts.contains(&"src")
            && matches!(parts.as_slice(), [.., "tests", file] | [.., "tests", _, file @ "main.rs"] if file.ends_with(".rs"))
    };
    let files = tree.files.iter().map(|file| file.path.clone()).filter(|path| is_suite(path));
    crates
        .chain(files)
        .filter(|suite| !lists(suite))
        .map(|suite| Finding::new(SUITES, format!("does not list `{suite}`")))
        .collect()
}

const GLOSSARY: &str = "GLOSSARY.md";

/// Public pages avoid the words that the glossary rules out. This checks only the words in *italics*: the others
/// also have legitimate uses, so a person must judge.
pub fn words(tree: &Tree) -> Vec<Finding> {
    let banned = tree.file(GLOSSARY).map(|page| ruled_out(&page.text)).unwrap_or_default();
    let is_public = |page: &&File| {
        let inside = page.path.starts_with("docs/") && !page.path.starts_with("docs/decisions/");
        inside || page.path == "README.md" || page.path == "CHANGELOG.md"
    };
    let mut findings = Vec::new();
    for page in tree.pages().filter(is_public) {
        for line in prose(&page.text) {
            let plain = without_code(line).to_lowercase();
            let plain: Vec<&str> = plain.split(|c: char| !c.is_alphanumeric() && c != '-').collect();
            for (word, instead) in &banned {
                let plural = format!("{word}s");
                if plain.iter().any(|said| said == word || *said == plural) {
                    let message = format!("says `{word}`; the glossary says `{instead}`");
                    findings.push(Finding::new(&page.path, message));
                }
            }
        }
    }
    findings
}

/// Each `*word*` in the third column of a table, with the text of the first column.
fn ruled_out(glossary: &str) -> Vec<(String, String)> {
    let mut words = Vec::new();
    for line in glossary.lines().filter(|line| line.starts_with('|')) {
        let columns: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [word, _, not, ..] = columns.as_slice() else { continue };
        for (number, part) in not.split('*').enumerate() {
            if number % 2 == 1 {
                words.push((part.to_lowercase(), (*word).into()));
            }
        }
    }
    words
}

fn without_code(line: &str) -> String {
    line.split('`').step_by(2).collect::<Vec<_>>().join(" ")
}

const SPANS: &str = "crates/telemetry/src/spans.rs";

/// Every span has a name that is a constant of the catalogue.
pub fn spans(tree: &Tree) -> Vec<Finding> {
    let catalogue = tree.file(SPANS).map(|file| file.text.as_str()).unwrap_or_default();
    let known: Vec<&str> = catalogue
        .lines()
        .filter(|line| line.starts_with("pub const") && line.contains(": &str ="))
        .filter_map(|line| line.split('"').nth(1))
        .collect();
    let mut findings = Vec::new();
    for file in tree.rust().filter(|file| !file.path.starts_with("xtask/")) {
        let text: String = file.text.lines().map(code).collect();
        for arguments in text.split("_span!(").skip(1) {
            // The name is the first string among the arguments. A macro that forwards its arguments has none.
            let call = arguments.split(';').next().unwrap_or_default();
            let Some(name) = call.split('"').nth(1) else { continue };
            if !known.contains(&name) {
                findings.push(Finding::new(&file.path, format!("span `{name}` is not in {SPANS}")));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::super::trees::{locations, of, package};
    use super::*;

    #[test]
    fn a_link_to_a_missing_file_is_found() {
        let tree = of(&[
            (
                "docs/a.md",
                "[b](b.md#top) [up](../README.md) [out](https://x.org) [here](#a) [dir](../crates/)\n",
            ),
            ("docs/b.md", "[gone](c.md)\n```\n[code](d.md)\n```\n"),
            ("README.md", ""),
            ("crates/x/src/lib.rs", ""),
        ]);
        assert_eq!(locations(&links(&tree)), ["docs/b.md"]);
    }

    #[test]
    fn a_page_that_the_index_does_not_list_is_found() {
        let tree = of(&[(INDEX, "[a](a.md)"), ("docs/a.md", ""), ("docs/decisions/b.md", "")]);
        assert_eq!(locations(&index(&tree)), ["docs/decisions/b.md"]);
    }

    #[test]
    fn a_decision_without_a_date_is_found() {
        let tree = of(&[
            ("docs/decisions/a.md", "# A\n\n2026-11-24. Accepted.\n"),
            ("docs/decisions/b.md", "# B\n\nSome day.\n"),
        ]);
        assert_eq!(locations(&dates(&tree)), ["docs/decisions/b.md"]);
    }

    #[test]
    fn a_suite_that_the_table_does_not_list_is_found() {
        let mut tree = of(&[
            (SUITES, "| `model` | x |\n| `crates/model/tests/a.rs` | y |\n"),
            ("crates/model/tests/a.rs", ""),
            ("crates/model/tests/b.rs", ""),
            ("crates/model/src/c/tests/d.rs", ""),
            ("crates/model/tests/world/e.rs", ""),
            ("crates/model/tests/world/main.rs", ""),
        ]);
        tree.crates = vec![package("model", &[], &[]), package("node", &[], &[])];
        let findings: Vec<_> = suites(&tree).into_iter().map(|finding| finding.message).collect();
        let want = ["node", "crates/model/tests/b.rs", "crates/model/tests/world/main.rs"];
        assert_eq!(findings, want.map(|suite| format!("does not list `{suite}`")));
    }

    #[test]
    fn a_word_that_the_glossary_rules_out_is_found_outside_code() {
        let glossary =
            "| use | it means | not |\n|---|---|---|\n| stream | a sequence | *topic*, channel |\n";
        let tree = of(&[
            (GLOSSARY, glossary),
            ("README.md", "A topic.\n"),
            ("docs/a.md", "Use `topic` and a channel; topical.\n```\ntopic\n```\n"),
            ("docs/b.md", "Two Topics.\n"),
            ("docs/decisions/c.md", "Kafka's topics.\n"),
        ]);
        assert_eq!(locations(&words(&tree)), ["README.md", "docs/b.md"]);
    }

    #[test]
    fn a_span_outside_the_catalogue_is_found() {
        let tree = of(&[
            (SPANS, "pub const APPLY: &str = \"apply\";\n"),
            ("crates/a/src/a.rs", "let s = debug_span!(target: TARGET, \"apply\", n);\n"),
            ("crates/b/src/b.rs", "let s = tracing::info_span!(\"mine\");\n"),
        ]);
        assert_eq!(locations(&spans(&tree)), ["crates/b/src/b.rs"]);
    }
}
