//! ARCHITECTURE.md's map against the crates as they are.

use super::{Finding, Room, Tree, code};

const PAGE: &str = "ARCHITECTURE.md";

/// A row of the map.
#[derive(Debug, PartialEq, Eq)]
struct Row {
    /// The package's name.
    name: String,
    what: String,
    /// Packages it may use.
    may_use: Vec<String>,
}

/// Reads the table `| crate | what it is | may use | must not know |`. "all of the above" stands for every
/// crate of the rows above; what is in parentheses is for people.
fn rows(page: &str) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    let lines = page.lines().skip_while(|line| !line.starts_with("| crate |")).skip(2);
    for line in lines.take_while(|line| line.starts_with('|')) {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [name, what, may_use, ..] = cells.as_slice() else { continue };
        let name = name.split('`').nth(1).unwrap_or_default();
        let mut allowed = Vec::new();
        for word in without_parentheses(may_use).split(',').map(str::trim).filter(|word| !word.is_empty()) {
            match word {
                "all of the above" => allowed.extend(rows.iter().map(|row: &Row| row.name.clone())),
                "clients/rust" => allowed.push("mainstay-client".into()),
                // The folder's name where the package's differs.
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

/// A row for each crate, and no row for a crate that is not there.
pub fn rooms(tree: &Tree) -> Vec<Finding> {
    let rows = map(tree);
    let missing = tree.rooms.iter().filter(|room| !rows.iter().any(|row| row.name == room.name));
    let gone = rows.iter().filter(|row| !tree.rooms.iter().any(|room| room.name == row.name));
    missing
        .map(|room| Finding::new(&room.dir, format!("`{}` has no row in {PAGE}", room.name)))
        .chain(gone.map(|row| Finding::new(PAGE, format!("there is no crate `{}`", row.name))))
        .collect()
}

/// Code uses what its row allows. Tests may also use any crate of the rows above: a suite that a trait's
/// implementations share lies with the trait.
pub fn arrows(tree: &Tree) -> Vec<Finding> {
    let rows = map(tree);
    let is_ours = |name: &String| tree.rooms.iter().any(|room| room.name == *name);
    let mut findings = Vec::new();
    for room in &tree.rooms {
        let Some(place) = rows.iter().position(|row| row.name == room.name) else { continue };
        let row = &rows[place];
        for used in room.uses.iter().filter(|name| is_ours(name) && !row.may_use.contains(name)) {
            findings.push(Finding::new(&room.dir, format!("its row in {PAGE} does not allow `{used}`")));
        }
        let above = |name: &String| rows[..place].iter().any(|row| row.name == *name);
        let allowed = |name: &String| row.may_use.contains(name) || above(name) || *name == room.name;
        for used in room.tests_use.iter().filter(|name| is_ours(name) && !allowed(name)) {
            findings.push(Finding::new(&room.dir, format!("its tests use `{used}`, which is not below it")));
        }
    }
    findings
}

/// Outside libraries that have a home: who else names them knows too much. (Tests may use any.)
const HOMES: &[(&str, &[&str])] = &[
    ("raft", &["consensus"]),
    ("protobuf", &["consensus"]),
    ("slog", &["consensus"]),
    ("lsm-tree", &["storage"]),
    ("axum", &["http-server"]),
    ("hyper", &["http-server", "mainstay-client", "experiments"]),
    ("hyper-util", &["http-server", "mainstay-client", "experiments"]),
    (
        "tokio",
        &["runtime", "http-server", "mainstay", "mainstay-client", "mainstay-resilience", "experiments"],
    ),
    ("serde_json", &["api", "http-server", "mainstay", "mainstay-client", "xtask", "experiments"]),
    ("serde", &["api", "http-server", "mainstay", "mainstay-client", "mainstay-resilience", "experiments"]),
    ("prometheus-client", &["telemetry"]),
    ("tracing-subscriber", &["telemetry"]),
    ("clap", &["mainstay"]),
    ("rand", &["sim"]),
];

/// An outside library is used only where it has its home.
pub fn outside(tree: &Tree) -> Vec<Finding> {
    let strangers = |room: &Room| {
        let used = room.uses.iter().filter_map(|name| HOMES.iter().find(|(library, _)| library == name));
        let away = used.filter(|(_, homes)| !homes.contains(&room.name.as_str()));
        away.map(|(library, homes)| {
            Finding::new(&room.dir, format!("`{library}` has its home in {}", homes.join(", ")))
        })
        .collect::<Vec<_>>()
    };
    tree.rooms.iter().flat_map(strangers).collect()
}

/// A crate whose row says `no_std` says so itself (at least without its features), and the compiler then holds the
/// line.
pub fn no_std(tree: &Tree) -> Vec<Finding> {
    let says_so = |line: &str| {
        line == "#![no_std]" || line.starts_with("#![cfg_attr(not(any(") && line.ends_with(", no_std)]")
    };
    let said = map(tree).into_iter().filter(|row| row.what.contains("`no_std`"));
    said.filter_map(|row| {
        let room = tree.rooms.iter().find(|room| room.name == row.name)?;
        let path = format!("{}/src/lib.rs", room.dir);
        let says = tree.file(&path).is_some_and(|file| file.text.lines().any(says_so));
        (!says).then(|| Finding::new(path, "its row says `no_std`; it does not"))
    })
    .collect()
}

/// Step machines: without a clock, a thread, a disk, a socket, or chance.
const STEP_MACHINES: [&str; 6] = ["model", "format", "shard", "consensus", "node", "resilience"];
/// Folders of theirs that stand outside: what binds the decisions of `resilience` to a program.
const OUTSIDE: [&str; 3] =
    ["crates/resilience/src/sync/", "crates/resilience/src/guard/", "crates/resilience/src/tower/"];
/// Simulation: a seed decides all.
const SIMULATION: &str = "sim";
const SENSES: [&str; 8] = [
    "std::time::Instant",
    "SystemTime",
    "Instant::now",
    "std::thread",
    "std::fs",
    "std::net",
    "RandomState",
    "std::env",
];
/// Their order differs from run to run.
const UNORDERED: [&str; 2] = ["HashMap", "HashSet"];

/// A room without senses names none. Lines of its tests may.
pub fn senses(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.rust() {
        let Some(room) = file.path.strip_prefix("crates/").and_then(|path| path.split('/').next()) else {
            continue;
        };
        let is_test = file.path.ends_with("/tests.rs") || file.path.contains("/tests/");
        let own_code = file.path.contains("/src/") && !is_test;
        let stands_outside = OUTSIDE.iter().any(|folder| file.path.starts_with(folder));
        let deterministic = STEP_MACHINES.contains(&room) && !stands_outside;
        if !own_code || !(deterministic || room == SIMULATION) {
            continue;
        }
        for (number, line) in file.text.lines().enumerate() {
            if ["#[cfg(test)]", "#![cfg(test)]"].iter().any(|mark| line.trim_start().starts_with(mark)) {
                break;
            }
            let mut named = SENSES.iter().chain(&UNORDERED).filter(|word| {
                code(line).contains(**word)
                    // The simulator's own command line and its report are outside the simulated world.
                    && (deterministic || !matches!(**word, "std::env" | "std::fs"))
            });
            if let Some(word) = named.next() {
                let place = format!("{}:{}", file.path, number + 1);
                findings.push(Finding::new(place, format!("`{room}` must not know `{word}`")));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::super::trees::{of, places, room};
    use super::*;

    const MAP: &str = "# Architecture\n\n\
        | crate | what it is | may use | must not know |\n|---|---|---|---|\n\
        | `model` | words (`no_std`) | | clocks |\n\
        | `storage` | files | model | Raft |\n\
        | `node` | all | model, storage (traits) | HTTP |\n\
        | `mainstay` | the binary | all of the above, clients/rust | rules |\n\
        | `mainstay-client` (`clients/rust`) | the client | | the server |\n\nMore.\n";

    fn with(rooms: Vec<Room>) -> Tree {
        Tree { rooms, ..of(&[(PAGE, MAP), ("crates/model/src/lib.rs", "//! x\n#![no_std]\n")]) }
    }

    fn all() -> Vec<Room> {
        vec![
            room("model", &["bytes"], &[]),
            room("storage", &["model"], &[]),
            room("node", &["model", "storage"], &[]),
            room("mainstay", &["node", "model", "mainstay-client"], &[]),
            room("mainstay-client", &[], &[]),
        ]
    }

    #[test]
    fn a_tree_that_is_as_the_map_says_passes() {
        for rule in [rooms, arrows, outside, no_std, senses] {
            assert_eq!(rule(&with(all())), []);
        }
    }

    #[test]
    fn a_crate_without_a_row_and_a_row_without_a_crate_are_found() {
        let mut changed = all();
        changed[2].name = "nodes".into();
        let findings = rooms(&with(changed));
        assert_eq!(places(&findings), ["crates/node", PAGE]);
    }

    #[test]
    fn an_arrow_that_its_row_does_not_allow_is_found() {
        let mut changed = all();
        changed[1].uses.push("node".into());
        assert_eq!(places(&arrows(&with(changed))), ["crates/storage"]);
    }

    #[test]
    fn tests_may_look_down_but_not_up() {
        let mut changed = all();
        changed[2].tests_use = vec!["model".into(), "node".into()];
        assert_eq!(arrows(&with(changed.clone())), []);
        changed[2].tests_use = vec!["mainstay".into()];
        assert_eq!(places(&arrows(&with(changed))), ["crates/node"]);
    }

    #[test]
    fn a_library_away_from_its_home_is_found() {
        let mut changed = all();
        changed[2].uses.push("raft".into());
        assert_eq!(places(&outside(&with(changed))), ["crates/node"]);
    }

    #[test]
    fn a_crate_that_should_be_no_std_and_does_not_say_so_is_found() {
        let tree = Tree { rooms: all(), ..of(&[(PAGE, MAP), ("crates/model/src/lib.rs", "//! x\n")]) };
        assert_eq!(places(&no_std(&tree)), ["crates/model/src/lib.rs"]);
    }

    #[test]
    fn a_clock_in_a_step_machine_is_found_and_one_in_its_tests_or_in_words_is_not() {
        let text =
            "//! no SystemTime here\nuse std::time::Instant;\n// HashMap\n#[cfg(test)]\nuse std::fs;\n";
        let tree = of(&[
            ("crates/node/src/a.rs", text),
            ("crates/runtime/src/a.rs", text),
            ("crates/node/tests/a.rs", text),
            ("crates/sim/src/a.rs", "use std::env;\nlet t = Instant::now();\n"),
        ]);
        assert_eq!(places(&senses(&tree)), ["crates/node/src/a.rs:2", "crates/sim/src/a.rs:2"]);
    }
}
