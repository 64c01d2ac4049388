//! Rules that compare the table of crates in ARCHITECTURE.md with the code.

use super::{Crate, Finding, Tree, code};

const PAGE: &str = "ARCHITECTURE.md";

/// A row of the table.
#[derive(Debug, PartialEq, Eq)]
struct Row {
    /// The name of the package.
    name: String,
    what: String,
    /// The packages that it may use.
    may_use: Vec<String>,
}

/// Reads the table `| crate | what it is | may use | must not know |`. "all of the above" means every crate in
/// the rows above. Text in parentheses is for people and ignored here.
fn rows(page: &str) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    let lines = page.lines().skip_while(|line| !line.starts_with("| crate |")).skip(2);
    for line in lines.take_while(|line| line.starts_with('|')) {
        let columns: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [name, what, may_use, ..] = columns.as_slice() else { continue };
        let name = name.split('`').nth(1).unwrap_or_default();
        let mut allowed = Vec::new();
        for word in without_parentheses(may_use).split(',').map(str::trim).filter(|word| !word.is_empty()) {
            match word {
                "all of the above" => allowed.extend(rows.iter().map(|row: &Row| row.name.clone())),
                "clients/rust" => allowed.push("mainstay-client".into()),
                // The folder has another name than the package.
                "http" => allowed.push("http-server".into()),
                crate_name => allowed.push(crate_name.trim_matches('`').into()),
            }
        }
        rows.push(Row { name: name.into(), what: (*what).into(), may_use: allowed });
    }
    rows
}

fn without_parentheses(text: &str) -> String {
    let mut depth = 0_u32;
    let keep = |c: &char| {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => return depth == 0,
        }
        false
    };
    text.chars().filter(keep).collect()
}

fn map(tree: &Tree) -> Vec<Row> {
    tree.file(PAGE).map(|page| rows(&page.text)).unwrap_or_default()
}

/// The table has a row for each crate, and no row for a crate that does not exist.
pub fn crates(tree: &Tree) -> Vec<Finding> {
    let rows = map(tree);
    let missing = tree.crates.iter().filter(|package| !rows.iter().any(|row| row.name == package.name));
    let gone = rows.iter().filter(|row| !tree.crates.iter().any(|package| package.name == row.name));
    missing
        .map(|package| Finding::new(&package.dir, format!("`{}` has no row in {PAGE}", package.name)))
        .chain(gone.map(|row| Finding::new(PAGE, format!("there is no crate `{}`", row.name))))
        .collect()
}

/// A crate depends only on the crates that its row allows. Its tests may also use any crate in the rows above,
/// such as the crate of a trait for its conformance suite.
pub fn dependencies(tree: &Tree) -> Vec<Finding> {
    let rows = map(tree);
    let is_ours = |name: &String| tree.crates.iter().any(|package| package.name == *name);
    let mut findings = Vec::new();
    for package in &tree.crates {
        let Some(index) = rows.iter().position(|row| row.name == package.name) else { continue };
        let row = &rows[index];
        for used in package.dependencies.iter().filter(|name| is_ours(name) && !row.may_use.contains(name)) {
            findings.push(Finding::new(&package.dir, format!("its row in {PAGE} does not allow `{used}`")));
        }
        let above = |name: &String| rows[..index].iter().any(|row| row.name == *name);
        let allowed = |name: &String| row.may_use.contains(name) || above(name) || *name == package.name;
        for used in package.dev_dependencies.iter().filter(|name| is_ours(name) && !allowed(name)) {
            let message = format!("its tests use `{used}`, which is in a later row of {PAGE}");
            findings.push(Finding::new(&package.dir, message));
        }
    }
    findings
}

/// External libraries that only certain crates may use: another crate that names one knows too much. Tests may
/// use any library, and so may the programs in `examples/`.
const HOMES: &[(&str, &[&str])] = &[
    ("raft", &["consensus"]),
    ("protobuf", &["consensus"]),
    ("slog", &["consensus"]),
    ("lsm-tree", &["storage"]),
    ("axum", &["http-server"]),
    ("hyper", &["http-server", "mainstay-client", "https-client", "bucket", "experiments"]),
    ("hyper-util", &["http-server", "mainstay-client", "https-client", "experiments"]),
    ("opentelemetry-proto", &["otlp"]),
    ("tonic", &["otlp"]),
    ("prost", &["otlp"]),
    ("object_store", &["bucket"]),
    (
        "tokio",
        &[
            "runtime",
            "http-server",
            "mainstay",
            "mainstay-client",
            "mainstay-resilience",
            "bucket",
            "otlp",
            "experiments",
            "subject-keys",
        ],
    ),
    (
        "serde_json",
        &["api", "http-server", "mainstay", "mainstay-client", "upkeep", "xtask", "experiments", "fuzzing"],
    ),
    (
        "serde",
        &[
            "api",
            "http-server",
            "mainstay",
            "mainstay-client",
            "mainstay-resilience",
            "upkeep",
            "experiments",
        ],
    ),
    ("prometheus-client", &["telemetry"]),
    ("tracing-subscriber", &["telemetry"]),
    ("clap", &["mainstay"]),
    ("rand", &["sim"]),
];

/// A library in [`HOMES`] is used only by the crates listed there.
pub fn libraries(tree: &Tree) -> Vec<Finding> {
    let misplaced = |package: &Crate| {
        if package.dir.starts_with("examples/") {
            return Vec::new();
        }
        let listed =
            package.dependencies.iter().filter_map(|name| HOMES.iter().find(|(library, _)| library == name));
        let misplaced = listed.filter(|(_, homes)| !homes.contains(&package.name.as_str()));
        let report = |(library, homes): &(&str, &[&str])| {
            Finding::new(&package.dir, format!("only {} may use `{library}`", homes.join(", ")))
        };
        misplaced.map(report).collect::<Vec<_>>()
    };
    tree.crates.iter().flat_map(misplaced).collect()
}

/// A crate whose row says `no_std` declares it, at least without its features. The compiler then enforces it.
pub fn no_std(tree: &Tree) -> Vec<Finding> {
    let declares = |line: &str| {
        line == "#![no_std]" || line.starts_with("#![cfg_attr(not(any(") && line.ends_with(", no_std)]")
    };
    let rows = map(tree).into_iter().filter(|row| row.what.contains("`no_std`"));
    rows.filter_map(|row| {
        let package = tree.crates.iter().find(|package| package.name == row.name)?;
        let path = format!("{}/src/lib.rs", package.dir);
        let declared = tree.file(&path).is_some_and(|file| file.text.lines().any(declares));
        (!declared)
            .then(|| Finding::new(path, format!("does not declare `no_std`, but its row in {PAGE} does")))
    })
    .collect()
}

/// Crates without clocks, threads, disks, sockets or random numbers.
const STEP_MACHINES: [&str; 6] = ["model", "format", "shard", "consensus", "node", "resilience"];
/// Exempt folders: they connect the decisions of `resilience` to a program.
const EXEMPT: [&str; 3] =
    ["crates/resilience/src/sync/", "crates/resilience/src/guard/", "crates/resilience/src/tower/"];
/// The simulator, in which everything follows from a seed.
const SIMULATION: &str = "sim";
/// Sources of input that a step machine must not have.
const INPUTS: [&str; 8] = [
    "std::time::Instant",
    "SystemTime",
    "Instant::now",
    "std::thread",
    "std::fs",
    "std::net",
    "RandomState",
    "std::env",
];
/// Collections whose order differs from run to run.
const UNORDERED: [&str; 2] = ["HashMap", "HashSet"];

/// A step machine names no source of input and no unordered collection. Its tests may.
pub fn determinism(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.rust() {
        let Some(folder) = file.path.strip_prefix("crates/").and_then(|path| path.split('/').next()) else {
            continue;
        };
        let is_test = file.path.ends_with("/tests.rs") || file.path.contains("/tests/");
        let own_code = file.path.contains("/src/") && !is_test;
        let is_exempt = EXEMPT.iter().any(|exempt| file.path.starts_with(exempt));
        let deterministic = STEP_MACHINES.contains(&folder) && !is_exempt;
        if !own_code || !(deterministic || folder == SIMULATION) {
            continue;
        }
        for (number, line) in file.text.lines().enumerate() {
            if ["#[cfg(test)]", "#![cfg(test)]"].iter().any(|mark| line.trim_start().starts_with(mark)) {
                break;
            }
            let mut named = INPUTS.iter().chain(&UNORDERED).filter(|word| {
                code(line).contains(**word)
                    // The command line and the report of the simulator are outside the simulated world.
                    && (deterministic || !matches!(**word, "std::env" | "std::fs"))
            });
            if let Some(word) = named.next() {
                let location = format!("{}:{}", file.path, number + 1);
                findings.push(Finding::new(location, format!("`{folder}` must not use `{word}`")));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::super::trees::{locations, of, package};
    use super::*;

    const MAP: &str = "# Architecture\n\n\
        | crate | what it is | may use | must not know |\n|---|---|---|---|\n\
        | `model` | words (`no_std`) | | clocks |\n\
        | `storage` | files | model | Raft |\n\
        | `node` | all | model, storage (traits) | HTTP |\n\
        | `mainstay` | the binary | all of the above, clients/rust | rules |\n\
        | `mainstay-client` (`clients/rust`) | the client | | the server |\n\nMore.\n";

    fn with(crates: Vec<Crate>) -> Tree {
        Tree { crates, ..of(&[(PAGE, MAP), ("crates/model/src/lib.rs", "//! x\n#![no_std]\n")]) }
    }

    fn all() -> Vec<Crate> {
        vec![
            package("model", &["bytes"], &[]),
            package("storage", &["model"], &[]),
            package("node", &["model", "storage"], &[]),
            package("mainstay", &["node", "model", "mainstay-client"], &[]),
            package("mainstay-client", &[], &[]),
        ]
    }

    #[test]
    fn a_tree_that_matches_the_map_passes() {
        for rule in [crates, dependencies, libraries, no_std, determinism] {
            assert_eq!(rule(&with(all())), []);
        }
    }

    #[test]
    fn a_crate_without_a_row_and_a_row_without_a_crate_are_found() {
        let mut changed = all();
        changed[2].name = "nodes".into();
        let findings = crates(&with(changed));
        assert_eq!(locations(&findings), ["crates/node", PAGE]);
    }

    #[test]
    fn a_dependency_that_the_row_does_not_allow_is_found() {
        let mut changed = all();
        changed[1].dependencies.push("node".into());
        assert_eq!(locations(&dependencies(&with(changed))), ["crates/storage"]);
    }

    #[test]
    fn tests_may_use_crates_in_rows_above_but_not_below() {
        let mut changed = all();
        changed[2].dev_dependencies = vec!["model".into(), "node".into()];
        assert_eq!(dependencies(&with(changed.clone())), []);
        changed[2].dev_dependencies = vec!["mainstay".into()];
        assert_eq!(locations(&dependencies(&with(changed))), ["crates/node"]);
    }

    #[test]
    fn a_library_in_a_crate_that_may_not_use_it_is_found() {
        let mut changed = all();
        changed[2].dependencies.push("raft".into());
        assert_eq!(locations(&libraries(&with(changed))), ["crates/node"]);
    }

    #[test]
    fn a_crate_that_should_be_no_std_and_does_not_declare_it_is_found() {
        let tree = Tree { crates: all(), ..of(&[(PAGE, MAP), ("crates/model/src/lib.rs", "//! x\n")]) };
        assert_eq!(locations(&no_std(&tree)), ["crates/model/src/lib.rs"]);
    }

    #[test]
    fn a_clock_is_found_in_the_code_of_a_step_machine_but_not_in_its_tests_or_comments() {
        let text =
            "//! no SystemTime here\nuse std::time::Instant;\n// HashMap\n#[cfg(test)]\nuse std::fs;\n";
        let tree = of(&[
            ("crates/node/src/a.rs", text),
            ("crates/runtime/src/a.rs", text),
            ("crates/node/tests/a.rs", text),
            ("crates/sim/src/a.rs", "use std::env;\nlet t = Instant::now();\n"),
        ]);
        assert_eq!(locations(&determinism(&tree)), ["crates/node/src/a.rs:2", "crates/sim/src/a.rs:2"]);
    }
}
